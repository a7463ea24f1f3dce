//! What sessions and the console show of this daemon: its model, who answers, the voices.
use voiced_transport::http::console::{Catalogue, Engines, PersonaEntry, VoiceEntry};

use crate::{
    config::{Config, MindEngine, VoiceEngine},
    voices,
};

/// What there is to choose.
pub fn of(config: &Config) -> Catalogue {
    let entries = config.personas.all.iter().map(|persona| PersonaEntry {
        name: persona.name.clone(),
        description: persona.about.clone().unwrap_or_default(),
        voice: persona.voice.clone(),
        // What a model is told is between it and its keeper.
        instructions: String::new(),
    });
    Catalogue {
        model: "voiced".to_owned(),
        personas: entries.collect(),
        voices: voices(&config.voice.engine),
        engines: Engines {
            ear: config.ear.engine.name().to_owned(),
            mind: match &config.mind.engine {
                MindEngine::Scripted => "scripted".to_owned(),
                MindEngine::OpenAi(settings) => settings.model.clone(),
                MindEngine::Fixed(_) => "fixed".to_owned(),
            },
            voice: config.voice.engine.name().to_owned(),
        },
    }
}

fn voices(engine: &VoiceEngine) -> Vec<VoiceEntry> {
    let entries = voices::known(engine).into_iter().map(|voice| VoiceEntry {
        name: voice.name,
        language: voice.language,
        description: voice.description,
    });
    entries.collect()
}
