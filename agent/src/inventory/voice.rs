//! What can speak on this machine.
use voiced_tts::{remote::SpeechServer, voxtral::Checkpoint};

use super::Entry;
use crate::config::{Config, RemoteVoice, VoiceEngine, voice::missing_of_voxtral};

pub(super) async fn voices(config: &Config) -> Vec<Entry> {
    let engine = &config.voice.engine;
    let names: Vec<_> = voiced_tts::voices()
        .iter()
        .map(|voice| voice.name)
        .collect();
    let entry = |name, state| Entry {
        stage: "voice",
        name,
        chosen: engine.name() == name,
        state,
    };
    let mut openai = Err("not configured: set voice.engine and voice.openai".to_owned());
    let mut mistral = Err("not configured: set voice.engine and voice.mistral".to_owned());
    if let VoiceEngine::Remote(remote) = engine {
        let state = reach_voice(remote).await;
        match engine.name() {
            "openai" => openai = state,
            _ => mistral = state,
        }
    }
    vec![
        entry(
            "flite",
            Ok(format!("US English, voices {}", names.join(", "))),
        ),
        entry("voxtral", voxtral(config)),
        entry("openai", openai),
        entry("mistral", mistral),
        entry("tone", Ok("hums, for tests".to_owned())),
    ]
}

/// Whether the model is there and there is room for it.
fn voxtral(config: &Config) -> Result<String, String> {
    let VoiceEngine::Voxtral(voice) = &config.voice.engine else {
        return Err(
            "not configured: set voice.engine to \"voxtral\"; its model is fetched by \
                    `voiced models fetch voxtral-tts` (CC BY-NC 4.0: non-commercial use only)"
                .to_owned(),
        );
    };
    if let Some(missing) = missing_of_voxtral(&voice.model) {
        return Err(missing);
    }
    let checkpoint = Checkpoint::open(&voice.model).map_err(|error| error.to_string())?;
    checkpoint.prompt().map_err(|error| error.to_string())?;
    let plan = voice.plan(&checkpoint).map_err(|error| error.to_string())?;
    let voices = voice.voices().list().len();
    let cloning = match checkpoint.has_encoder(voice.encoder.as_deref()) {
        Ok(true) => "recordings can become voices",
        Ok(false) => "no encoder, so recordings cannot become voices",
        Err(error) => return Err(error.to_string()),
    };
    let weights = checkpoint.formats(voice.formats).backbone;
    let model = voice.model.display();
    Ok(format!(
        "nine languages, {voices} voices, {weights} in {model}, {plan}; {cloning}"
    ))
}

/// Asks the server for its models, which costs nothing.
async fn reach_voice(voice: &RemoteVoice) -> Result<String, String> {
    let what = format!("{} at {}", voice.settings.model, voice.settings.base_url);
    let server = SpeechServer::new(voice.settings.clone()).map_err(|error| error.to_string())?;
    match server.warm_up().await {
        Ok(()) => Ok(format!("{what} answers")),
        Err(failure) => Err(format!("{what}: {failure}")),
    }
}
