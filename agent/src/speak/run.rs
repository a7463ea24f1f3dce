//! `voiced speak`: what was typed into a text, a voice and a recording.
use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Seek, SeekFrom},
    path::Path,
};

use anyhow::Context;
use voiced_transport::soundfile::Form;

use super::{
    Manner, Reached, SpeakError,
    sink::{Recorder, clock},
    speak,
};
use crate::{
    cli::{self, SoundForm},
    config::{Config, VoiceEngine},
    engines,
};

/// A text to be spoken, and how long it is, where that is known.
struct Source {
    text: Box<dyn BufRead + Send>,
    length: Option<u64>,
}

/// Settings that only one engine has were typed for another.
///
/// # Errors
/// When that is so.
pub fn check(options: &cli::Speak, config: &Config) -> anyhow::Result<()> {
    let is_voxtral = matches!(config.voice.engine, VoiceEngine::Voxtral(_));
    for (flag, given) in [
        ("--language", options.language.is_some()),
        ("--seed", options.seed.is_some()),
    ] {
        let engine = config.voice.engine.name();
        anyhow::ensure!(
            is_voxtral || !given,
            "{flag} is for the engine \"voxtral\", and voice.engine is \"{engine}\""
        );
    }
    Ok(())
}

/// Speaks what was asked for with the configured voice.
///
/// # Errors
/// When it cannot be said or written; it then says how far it came and how to go on.
pub async fn run(options: &cli::Speak, config: &Config) -> anyhow::Result<()> {
    let source = source(options)?;
    let form = form(options.format, &options.output);
    // Before the model is loaded, which may take minutes.
    let mut recorder = Recorder::create(&options.output, form, source.length)?;
    let engine = engines::voice(&config.voice).await?;
    let manner = Manner {
        voice: Some(config.voice.voice.as_str()).filter(|voice| !voice.is_empty()),
        speed: Some(config.voice.speed),
    };
    let mut reached = Reached {
        at: options.from,
        samples: 0,
    };
    let said = tokio::select! {
        said = speak(&engine, source.text, manner, &mut recorder, &mut reached) => Some(said),
        _ = tokio::signal::ctrl_c() => None,
    };
    let finished = recorder.finish();
    match said {
        Some(Ok(())) => (),
        // Whoever listened has heard enough.
        Some(Err(SpeakError::Sink(error))) if is_broken_pipe(&error) => return Ok(()),
        Some(Err(error)) => return Err(stopped(reached, options, Some(error))),
        None => return Err(stopped(reached, options, None)),
    }
    match finished {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        finished => finished.context("cannot write the sound"),
    }
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// How far it came, and how to go on from there.
fn stopped(reached: Reached, options: &cli::Speak, error: Option<SpeakError>) -> anyhow::Error {
    let started = reached.samples > 0;
    let error = match error {
        Some(error) if !started => return error.into(),
        Some(error) => anyhow::Error::from(error),
        None => anyhow::anyhow!("interrupted"),
    };
    let (sound, at) = (clock(reached.sound()), reached.at);
    let go_on = match options.text.is_none() {
        true => format!("go on with --from {at} and another output"),
        false => format!("the rest of the text begins at byte {at}"),
    };
    error.context(format!(
        "stopped after {sound} of sound, which is written whole up to there; {go_on}"
    ))
}

fn source(options: &cli::Speak) -> anyhow::Result<Source> {
    let stdin = || Source {
        text: Box::new(BufReader::new(io::stdin())),
        length: None,
    };
    let source = match (&options.text, &options.file) {
        (Some(text), _) if text != "-" => Source {
            length: Some(text.len() as u64),
            text: Box::new(Cursor::new(text.clone())),
        },
        (None, Some(path)) if path != Path::new("-") => {
            let cannot = || format!("cannot read {}", path.display());
            let mut file = File::open(path).with_context(cannot)?;
            let about = file.metadata().with_context(cannot)?;
            anyhow::ensure!(
                !about.is_dir(),
                "cannot read {}: it is a folder",
                path.display()
            );
            let length = about.is_file().then_some(about.len());
            if options.from > 0 {
                file.seek(SeekFrom::Start(options.from))
                    .with_context(cannot)?;
            }
            Source {
                text: Box::new(BufReader::new(file)),
                length,
            }
        }
        _ => stdin(),
    };
    anyhow::ensure!(
        options.from == 0
            || options
                .file
                .as_deref()
                .is_some_and(|path| path != Path::new("-")),
        "--from needs --file: only there can be gone on in the middle"
    );
    Ok(source)
}

/// The form asked for; else the one the file's name says; else WAV.
fn form(asked: Option<SoundForm>, output: &Path) -> Form {
    let named = output.extension().and_then(OsStr::to_str);
    match asked {
        Some(SoundForm::Wav) => Form::Wav,
        Some(SoundForm::Flac) => Form::Flac,
        Some(SoundForm::Opus) => Form::Opus,
        Some(SoundForm::Pcm) => Form::Pcm,
        None => named.and_then(Form::of_extension).unwrap_or(Form::Wav),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_asked_for_or_named() {
        let of = |asked, output: &str| form(asked, Path::new(output));
        assert_eq!(of(None, "a.flac"), Form::Flac);
        assert_eq!(of(None, "a.OGG"), Form::Opus);
        assert_eq!(of(None, "-"), Form::Wav);
        assert_eq!(of(None, "a.mp3"), Form::Wav);
        assert_eq!(of(Some(SoundForm::Pcm), "a.flac"), Form::Pcm);
    }
}
