//! `voiced models`: files of models fetched by pinned revision, listed, looked through and
//! quantised. Licences are shown; one that forbids commercial use is asked about.
//!
//! Invariant: a file under its own name is whole and has the checksum that the hub told.
use std::{io::Write, path::Path};

use anyhow::Context;

use crate::{
    cli::{Models, ModelsCommand},
    config::Config,
    terminal,
};

mod checksum;
mod fetch;
mod hub;
mod known;
mod manifest;
mod part;
mod quantize;
mod verify;

pub use known::{KNOWN, Licence, Model};

/// Does what was typed.
///
/// # Errors
/// When it cannot be done, or a model that was looked through is not whole.
pub async fn run(command: &ModelsCommand, config: &Config) -> anyhow::Result<()> {
    let models = &config.models;
    match command {
        ModelsCommand::Fetch(options) => fetch::run(options, models).await,
        ModelsCommand::List => {
            terminal::print(&list(&models.directory)?);
            Ok(())
        }
        ModelsCommand::Verify(options) => verify::run(&models.folder(&options.model)),
        ModelsCommand::Quantize(options) => {
            let from = models.folder(&options.model);
            let to = options.output.clone().unwrap_or_else(|| {
                let name = from.file_name().unwrap_or_default().to_string_lossy();
                from.with_file_name(format!("{name}-{}", options.to.name()))
            });
            quantize::run(&from, &to, options.to.format())
        }
    }
}

/// The settings that the flags of a command stand for.
pub fn flags(command: &Models) -> Vec<(&'static str, &'static str, String)> {
    let mut flags = Vec::new();
    if let ModelsCommand::Fetch(options) = &command.command
        && let Some(mirror) = &options.mirror
    {
        flags.push(("--mirror", "models.mirror", mirror.clone()));
    }
    flags
}

/// A line for every model that is known or there.
fn list(directory: &Path) -> anyhow::Result<String> {
    let mut text = format!("in {}\n", directory.display());
    let mut there = Vec::new();
    if directory.is_dir() {
        let entries = std::fs::read_dir(directory);
        let entries = entries.with_context(|| format!("cannot read {}", directory.display()))?;
        for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
            there.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    for model in KNOWN {
        if !there.iter().any(|name| name == model.name) {
            there.push(model.name.to_owned());
        }
    }
    there.sort();
    for name in there {
        let folder = directory.join(&name);
        let manifest = manifest::read(&folder);
        let known = KNOWN.iter().find(|model| name.starts_with(model.name));
        let licence = known.map_or("", |model| model.licence.name());
        let size = bytes(manifest::size(&folder));
        let state = match manifest {
            _ if !folder.is_dir() => {
                let size = known.map_or(String::new(), |model| bytes(model.bytes));
                format!("not fetched, {size}: voiced models fetch {name}")
            }
            Some(manifest) if manifest.missing(&folder).is_empty() => {
                let revision: String = manifest.revision.chars().take(12).collect();
                format!("{size}, revision {revision}")
            }
            Some(_) => format!("{size}, not whole: voiced models fetch {name}"),
            None => format!("{size}, not fetched from a hub"),
        };
        text.push_str(&format!("{name:<24} {licence:<14} {state}\n"));
    }
    Ok(text)
}

/// For people: `8.86 GB`.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Shows a licence, and asks about one that must be agreed to.
///
/// # Errors
/// When it was not agreed to, or nobody can be asked.
fn agree(model: &Model, accepted: Option<&str>) -> anyhow::Result<()> {
    let licence = model.licence;
    terminal::complain(&format!("{}: {}", model.repository, licence.summary()));
    let Some(word) = licence.to_accept() else {
        return Ok(());
    };
    match accepted {
        Some(accepted) if accepted.eq_ignore_ascii_case(word) => return Ok(()),
        Some(other) => anyhow::bail!("the licence is {word}, not {other}"),
        None => {}
    }
    anyhow::ensure!(
        terminal::can_ask(),
        "nobody can be asked whether the licence is agreed to: repeat the command with \
         --accept-licence {word}"
    );
    let _ = write!(std::io::stderr(), "Type {word} to agree: ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let agreed = line.trim().eq_ignore_ascii_case(word);
    anyhow::ensure!(agreed, "the licence was not agreed to; nothing was fetched");
    Ok(())
}

#[cfg(test)]
mod tests;
