//! The configured recogniser, started: loaded with its progress shown, or reached.
use std::num::NonZeroUsize;

use anyhow::Context;
use voiced_asr::{
    embedded::{self as sphinx, EmbeddedOptions},
    engine::Ear as Voxtral,
    remote::{RemoteEar, RemoteSettings},
    scripted::ScriptedEar,
};
use voiced_core::engine::{Heard, Hearing};
use voiced_nn::pool::Pool;
use voiced_pipeline::{lease::EngineClient, worker};

use crate::{
    config::{Ear, EarEngine, VoxtralEar},
    terminal::Progress,
};

/// Starts it. Must be called inside the runtime.
///
/// # Errors
/// When it cannot be had here, or its server refuses us.
pub async fn start(
    ear: &Ear,
    threads: Option<usize>,
) -> anyhow::Result<EngineClient<Hearing, Heard>> {
    let client = match &ear.engine {
        EarEngine::PocketSphinx { model } => {
            let options = EmbeddedOptions {
                model: Some(model.clone()),
            };
            worker::spawn("ear", sphinx::Embedded::new(ear.rows, &options)?)
        }
        EarEngine::Scripted { words } => worker::spawn("ear", ScriptedEar::new(ear.rows, words)),
        EarEngine::Voxtral(settings) => {
            choose_threads(threads);
            worker::spawn("ear", voxtral(settings, ear.rows)?)
        }
        EarEngine::Remote(settings) => return remote(settings, ear.rows).await,
    };
    client.context("cannot start the recogniser's thread")
}

/// Threads all models of this process share.
pub fn choose_threads(threads: Option<usize>) {
    if let Some(threads) = threads.and_then(NonZeroUsize::new) {
        // Chosen once; the other models were started with the same setting.
        let _ = Pool::choose(threads);
    }
}

fn voxtral(settings: &VoxtralEar, rows: usize) -> anyhow::Result<Voxtral> {
    let (mut checkpoint, formats, plan) = settings.open(rows).map_err(anyhow::Error::msg)?;
    let model = settings.folder.display();
    let gigabytes = |bytes: u64| format!("{:.2} GB", bytes as f64 / 1e9);
    tracing::info!(
        %model,
        weights = %formats.decoder,
        weight_memory = gigabytes(plan.weights),
        row_memory = gigabytes(plan.caches),
        rows,
        "loading the recogniser"
    );
    let progress = Progress::steps("loading the recogniser");
    let loaded = checkpoint.load_watched(formats, &|done, all| progress.set(done, all));
    progress.done();
    let tekken = checkpoint.take_tekken();
    let tekken = tekken.context("a checkpoint from a folder has a tokenizer")?;
    let (options, control) = (settings.options, checkpoint.control());
    let ear = Voxtral::new(loaded?, tekken, control, &plan, options)?;
    tracing::info!("the recogniser is loaded");
    Ok(ear)
}

async fn remote(
    settings: &RemoteSettings,
    rows: usize,
) -> anyhow::Result<EngineClient<Hearing, Heard>> {
    let ear = RemoteEar::new(settings.clone())?;
    if let Err(failure) = ear.warm_up().await {
        let server = &settings.base_url;
        anyhow::ensure!(
            failure.may_pass(),
            "the recogniser's server {server}: {failure}"
        );
        // It may come up later; until then callers are not heard.
        tracing::warn!(reason = %failure, "the recogniser's server does not answer yet");
    }
    Ok(ear.serve(rows))
}
