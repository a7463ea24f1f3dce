//! `voiced models verify`: checksums against the manifest, then the model opened as an engine would
//! open it, with all findings told.
use std::{fs::File, path::Path};

use super::{
    checksum::{Sum, add},
    manifest,
};
use crate::terminal::{self, Progress};

/// A model that can be used.
pub enum Opened {
    /// Voxtral Realtime.
    Ear(Box<voiced_asr::voxtral::Checkpoint>),
    /// Voxtral TTS.
    #[expect(dead_code, reason = "quantised once its library can")]
    Voice(Box<voiced_tts::voxtral::Checkpoint>),
}

/// Opens a folder as the model that it says it is.
///
/// # Errors
/// In one sentence: everything that is wrong with it.
pub fn open(folder: &Path) -> Result<Opened, String> {
    let params = std::fs::read_to_string(folder.join("params.json")).unwrap_or_default();
    let speaks = params.contains("\"audio_tokenizer_args\"");
    if speaks {
        let opened = voiced_tts::voxtral::Checkpoint::open(folder);
        let opened = opened.map_err(|error| error.to_string())?;
        return Ok(Opened::Voice(Box::new(opened)));
    }
    let opened = voiced_asr::voxtral::Checkpoint::open(folder);
    let opened = opened.map_err(|error| error.to_string())?;
    Ok(Opened::Ear(Box::new(opened)))
}

/// Looks through a folder and says what was found.
///
/// # Errors
/// When anything is wrong.
pub fn run(folder: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        folder.is_dir(),
        "there is no {}: `voiced models list` shows what there is",
        folder.display()
    );
    let mut findings = damaged(folder);
    match open(folder) {
        Ok(Opened::Ear(checkpoint)) => {
            let config = checkpoint.config();
            let packed = checkpoint.packed().map(|formats| formats.decoder);
            terminal::say(&format!(
                "Voxtral Realtime: {} encoder layers of {}, {} decoder layers of {}, {} tokens{}",
                config.encoder.layers,
                config.encoder.dim,
                config.decoder.layers,
                config.decoder.dim,
                config.vocab,
                packed.map_or(String::new(), |format| format!(", quantised to {format}")),
            ));
        }
        Ok(Opened::Voice(_)) => terminal::say("Voxtral TTS: every tensor is there"),
        Err(why) => findings.push(why),
    }
    if findings.is_empty() {
        terminal::say(&format!("{} is sound", folder.display()));
        return Ok(());
    }
    for finding in &findings {
        terminal::say(&format!("  {finding}"));
    }
    let word = if findings.len() == 1 {
        "fault"
    } else {
        "faults"
    };
    anyhow::bail!("{} has {} {word}", folder.display(), findings.len())
}

/// Files that are not what was fetched.
fn damaged(folder: &Path) -> Vec<String> {
    let Some(manifest) = manifest::read(folder) else {
        terminal::say("not fetched from a hub: there are no checksums to compare with");
        return Vec::new();
    };
    let mut findings = Vec::new();
    let all: u64 = manifest.files.values().map(|entry| entry.size).sum();
    let progress = Progress::bytes("comparing checksums");
    let mut done = 0;
    for (path, entry) in &manifest.files {
        let mut sum = Sum::new(&entry.checksum, entry.size);
        let whole = folder.join(path);
        let read = File::open(&whole).and_then(|mut file| add(&mut file, &mut sum));
        match read {
            Err(error) => findings.push(format!("{path}: {error}")),
            Ok(size) if size != entry.size => {
                findings.push(format!("{path} has {size} bytes and not {}", entry.size));
            }
            Ok(_) if !sum.fits() => findings.push(format!("{path} has another checksum")),
            Ok(_) => {}
        }
        done += entry.size;
        progress.set(done as usize, all as usize);
    }
    progress.done();
    findings
}
