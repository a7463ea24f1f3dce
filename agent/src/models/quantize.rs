//! `voiced models quantize`: a packed copy that loads in a fraction of the time.
use std::path::Path;

use anyhow::Context;
use voiced_nn::matrix::Format;

use super::{
    bytes, manifest,
    verify::{Opened, open},
};
use crate::terminal::{self, Progress};

/// Writes a copy of the model in `from` to `to`.
///
/// # Errors
/// When the model is not whole or quantised already, or the copy cannot be written.
pub fn run(from: &Path, to: &Path, format: Format) -> anyhow::Result<()> {
    anyhow::ensure!(from.is_dir(), "there is no {}", from.display());
    anyhow::ensure!(from != to, "the copy needs a folder of its own");
    let opened = open(from).map_err(anyhow::Error::msg)?;
    let progress = Progress::steps(&format!("quantising to {format}"));
    let saved = match &opened {
        Opened::Ear(checkpoint) => {
            anyhow::ensure!(
                checkpoint.packed().is_none(),
                "{} is quantised already: quantise the published model",
                from.display()
            );
            let formats = voiced_asr::voxtral::Formats::new(format);
            let watch = |done, all| progress.set(done, all);
            checkpoint
                .save_watched(formats, to, &watch)
                .context("cannot write the copy")
        }
        Opened::Voice(_) => anyhow::bail!("voices cannot be quantised in this version"),
    };
    progress.done();
    saved?;
    let size = bytes(manifest::size(to));
    terminal::say(&format!("{format} copy of {size} in {}", to.display()));
    Ok(())
}
