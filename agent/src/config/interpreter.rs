//! What the settings of the interpreter mean.
use std::{collections::HashMap, path::Path, time::Duration};

use voiced_core::interpret::{CommitChoice, DuckPolicy, InterpretSettings, Language, PacePolicy};
use voiced_llm::glossary::Glossary;
use voiced_pipeline::room::RoomSettings;

use crate::config::{findings::Findings, raw};

/// Simultaneous translation.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// Who translates.
    pub translator: Translator,
    /// Rooms, and how anybody is interpreted.
    pub rooms: RoomSettings,
}

/// Who translates.
#[derive(Clone, Debug)]
pub enum Translator {
    /// Phrase tables, and how many requests they answer at once.
    Glossary(Vec<Glossary>, usize),
    /// The chat model.
    Mind,
}

pub(super) fn checked(
    raw: &raw::Interpreter,
    mind: &raw::Mind,
    findings: &mut Findings,
) -> Interpreter {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    if raw.clause_min_words > raw.clause_max_words {
        let message = format!(
            "{} words are more than interpreter.clause_max_words, {}",
            raw.clause_min_words, raw.clause_max_words
        );
        findings.note_at("interpreter.clause_min_words", message);
    }
    let commit = match raw.commit.as_str() {
        "agreement" => CommitChoice::LocalAgreement {
            hypotheses: raw.agreeing as usize,
        },
        "wait-k" => CommitChoice::WaitK {
            words: raw.wait_words as usize,
        },
        _ => CommitChoice::Clause {
            min_words: raw.clause_min_words as usize,
            max_words: raw.clause_max_words as usize,
        },
    };
    let late = [raw.quicken_after_ms, raw.brief_after_ms, raw.skip_after_ms];
    if !late.is_sorted() {
        let message = "quicken_after_ms, brief_after_ms and skip_after_ms must rise in this order: \
                       speaking faster comes before leaving out";
        findings.note_at("interpreter.quicken_after_ms", message.to_owned());
    }
    let interpreter = InterpretSettings {
        commit,
        pace: PacePolicy {
            quicken_after: ms(raw.quicken_after_ms),
            fastest: raw.fastest as f32,
            brief_after: ms(raw.brief_after_ms),
            skip_after: ms(raw.skip_after_ms),
        },
        utterance_gap: ms(raw.utterance_gap_ms),
        cut_after: Duration::from_secs(raw.cut_after_s.into()),
        ..InterpretSettings::default()
    };
    Interpreter {
        translator: translator(raw, mind, findings),
        rooms: RoomSettings {
            max_rooms: raw.max_rooms as usize,
            max_people: raw.max_people as usize,
            interpreter,
            duck: DuckPolicy {
                open: raw.original_open as f32,
                under: raw.original_under as f32,
                ..DuckPolicy::default()
            },
            voices: voices(&raw.voices, findings),
            ..RoomSettings::default()
        },
    }
}

fn translator(raw: &raw::Interpreter, mind: &raw::Mind, findings: &mut Findings) -> Translator {
    if raw.translator == "mind" {
        if mind.engine == "scripted" {
            let message = "\"mind\" needs a chat model, and mind.engine is \"scripted\", which \
                           answers by rules: set mind.engine = \"openai\"";
            findings.note_at("interpreter.translator", message.to_owned());
        }
        return Translator::Mind;
    }
    let mut glossaries = vec![Glossary::built_in()];
    for file in &raw.glossaries {
        match Glossary::open(Path::new(file)) {
            Ok(glossary) => glossaries.push(glossary),
            Err(mistakes) => findings.note_at("interpreter.glossaries", mistakes.to_string()),
        }
    }
    // A table of one's own comes before the one of the demonstration.
    glossaries.reverse();
    Translator::Glossary(glossaries, raw.rows as usize)
}

fn voices(entries: &[String], findings: &mut Findings) -> HashMap<String, Vec<String>> {
    let mut voices = HashMap::new();
    for entry in entries {
        let names = |names: &str| -> Vec<String> {
            let names = names.split(',').map(str::trim);
            names
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let read = entry
            .split_once(':')
            .map(|(tag, list)| (Language::parse(tag), names(list)));
        match read {
            Some((Ok(language), names)) if !names.is_empty() => {
                voices.insert(language.tag().to_owned(), names);
            }
            Some((Err(bad), _)) => findings.note_at("interpreter.voices", bad.to_string()),
            _ => {
                let message = format!("\"{entry}\" must be like \"fr: name, name\"");
                findings.note_at("interpreter.voices", message);
            }
        }
    }
    voices
}
