//! The synthesiser: built as configured, its model planned for before it is loaded, its voice read
//! before anybody waits for it.
use std::sync::Arc;

use anyhow::Context;
use voiced_core::engine::{Line, Speech};
use voiced_pipeline::{lease::EngineClient, worker};
use voiced_tts::{
    embedded as flite,
    engine::{Parts, Speaker},
    remote::SpeechServer,
    tempered::Tempered,
    tone::ToneVoice,
    voxtral::Checkpoint,
};

use crate::config::{Voice, VoiceEngine, VoxtralVoice};

/// Builds and warms it. Must be called inside the runtime.
///
/// # Errors
/// When it cannot be had here.
pub async fn voice(voice: &Voice) -> anyhow::Result<EngineClient<Line, Speech>> {
    const THREAD: &str = "cannot start the voice's thread";
    match &voice.engine {
        VoiceEngine::Flite => {
            worker::spawn("voice", flite::Embedded::new(voice.rows)?).context(THREAD)
        }
        VoiceEngine::Tone => worker::spawn("voice", ToneVoice::new(voice.rows)).context(THREAD),
        VoiceEngine::Voxtral(voxtral) => {
            let settings = voxtral.clone();
            // Minutes of work for a large model; others of the runtime go on meanwhile.
            let loading = tokio::task::spawn_blocking(move || load(&settings));
            let speaker = loading.await.context("loading the voice failed")??;
            worker::spawn("voice", Tempered::new(speaker)).context(THREAD)
        }
        VoiceEngine::Remote(remote) => {
            let server = SpeechServer::new(remote.settings.clone())?;
            if let Err(failure) = server.warm_up().await {
                // It may come up later; until then callers hear nothing but silence.
                tracing::warn!(reason = %failure, "the speech server does not answer yet");
            }
            Ok(server.serve(voice.rows))
        }
    }
}

/// Loads Voxtral TTS, when there is room for it.
fn load(voice: &VoxtralVoice) -> anyhow::Result<Speaker> {
    let checkpoint = Checkpoint::open(&voice.model)?;
    let plan = voice.plan(&checkpoint)?;
    let formats = checkpoint.formats(voice.formats);
    tracing::info!(
        model = %voice.model.display(),
        weights = formats.backbone.name(),
        licence = "CC BY-NC 4.0: non-commercial use only, where these are the published weights",
        rows = voice.options.rows,
        weight_bytes = plan.weights,
        attention_bytes = plan.caches,
        "loading the voice"
    );
    let prompt = checkpoint.prompt()?;
    let codec = checkpoint.codec(formats)?;
    let parts = Parts {
        codec,
        prompt,
        voices: Arc::new(voice.voices()),
        normaliser: voice.normaliser.clone(),
        model: checkpoint.load(formats)?,
    };
    let mut speaker = Speaker::new(parts, voice.options.clone())?;
    tracing::info!(voice = voice.options.voice, "reading the voice");
    speaker.learn(&voice.options.voice)?;
    tracing::info!("the voice is ready");
    Ok(speaker)
}
