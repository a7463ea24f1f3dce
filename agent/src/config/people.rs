//! Who answers: the personas' files read, and held against the engines that are to be used.
use std::path::Path;

use voiced_llm::strict::Mistakes;

use crate::{
    config::{
        Needs, Personas, VoiceEngine,
        findings::{Findings, Origin},
        raw::RawConfig,
    },
    persona::Persona,
    tools::Zone,
};

/// Reads and checks the personas, where they are needed.
pub(super) fn checked(
    raw: &RawConfig,
    engine: &VoiceEngine,
    needs: Needs,
    findings: &mut Findings,
) -> Personas {
    let zone = raw
        .personas
        .time_zone
        .parse::<Zone>()
        .unwrap_or_else(|error| {
            findings.note_at("personas.time_zone", error.to_string());
            Zone::Local
        });
    if !needs.mind {
        return Personas {
            all: Vec::new(),
            zone,
        };
    }
    let read = match &raw.personas.directory {
        None => Ok(Persona::built_in()),
        Some(folder) => Persona::load_folder(Path::new(folder)),
    };
    let mut all = read.unwrap_or_else(|Mistakes(mistakes)| {
        for mistake in mistakes {
            let path = mistake.file.into();
            let line = mistake.line;
            findings.note(Origin::File { path, line }, "", mistake.what);
        }
        Vec::new()
    });
    for persona in &all {
        let name = &persona.name;
        if raw.mind.engine == "scripted" && persona.script.is_none() {
            let message = format!("\"scripted\" needs a script, and the persona '{name}' has none");
            findings.note_at("mind.engine", message);
        }
        if let Some(voice) = persona
            .voice
            .as_deref()
            .filter(|voice| !engine.has_voice(voice))
        {
            let engine = engine.name();
            let message =
                format!("the persona '{name}' wants the voice '{voice}', which {engine} has not");
            findings.note_at("personas.directory", message);
        }
    }
    for persona in &all {
        for wanted in &persona.hand_off {
            if !all.iter().any(|known| known.name == *wanted) || *wanted == persona.name {
                let message = format!(
                    "the persona '{}' hands over to '{wanted}', which is no other persona",
                    persona.name
                );
                findings.note_at("personas.directory", message);
            }
        }
    }
    if let Some(default) = raw.personas.default.as_deref().filter(|_| !all.is_empty()) {
        match all.iter().position(|persona| persona.name == default) {
            Some(at) => all[..=at].rotate_right(1),
            None => {
                let names: Vec<_> = all.iter().map(|persona| persona.name.as_str()).collect();
                let message = format!("there is no '{default}'; there are {}", names.join(", "));
                findings.note_at("personas.default", message);
            }
        }
    }
    Personas { all, zone }
}
