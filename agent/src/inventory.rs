//! `voiced engines`: what can hear, think and speak on this machine, and why the rest cannot.
use std::path::PathBuf;

use voiced_asr::{
    remote::{RemoteEar, RemoteSettings},
    voxtral::Checkpoint as Hearing,
};
use voiced_llm::openai::{OpenAi, OpenAiSettings};

use crate::{
    config::{Config, EarEngine, MindEngine, how_to_get_voxtral, missing_of_pocketsphinx, raw},
    terminal,
};

mod voice;

use voice::voices;

/// One engine, and whether it could be used.
struct Entry {
    stage: &'static str,
    name: &'static str,
    chosen: bool,
    /// What there is to know of it, or why it cannot be used.
    state: Result<String, String>,
}

/// Prints a line for every engine; the configured ones are marked.
pub async fn print(config: &Config) {
    let mut entries = ears(config).await;
    entries.extend(minds(config).await);
    entries.extend(voices(config).await);
    terminal::say("stage  engine        state");
    for entry in &entries {
        terminal::say(&line(entry));
    }
    terminal::say(&sound());
    terminal::say("* is what this configuration uses; ear, mind and voice have `engine` to choose");
}

fn line(entry: &Entry) -> String {
    let mark = if entry.chosen { '*' } else { ' ' };
    let state = match &entry.state {
        Ok(state) => format!("available: {state}"),
        Err(why) => format!("NOT available: {why}"),
    };
    format!("{:<6}{mark}{:<13} {state}", entry.stage, entry.name)
}

async fn ears(config: &Config) -> Vec<Entry> {
    let engine = &config.ear.engine;
    let chosen = engine.name();
    let model = match engine {
        EarEngine::PocketSphinx { model } => model.clone(),
        _ => PathBuf::from(raw::EarPocketsphinx::default().model),
    };
    let sphinx = match missing_of_pocketsphinx(&model) {
        None => Ok(format!("US English, model in {}", model.display())),
        Some(missing) => Err(format!(
            "there is no {}: install the package pocketsphinx-en-us",
            missing.display()
        )),
    };
    let mut states = vec![
        ("pocketsphinx", sphinx),
        ("voxtral", hearing_voxtral(config)),
    ];
    for name in ["vllm", "mistral", "openai"] {
        let state = match engine {
            EarEngine::Remote(settings) if name == chosen => hearing_server(settings).await,
            _ => Err(format!(
                "not configured: set ear.engine = \"{name}\" and [ear.{name}]"
            )),
        };
        states.push((name, state));
    }
    let scripted = "hears what it is configured to, for tests".to_owned();
    states.push(("scripted", Ok(scripted)));
    let entry = |(name, state)| Entry {
        stage: "ear",
        name,
        chosen: name == chosen,
        state,
    };
    states.into_iter().map(entry).collect()
}

fn hearing_voxtral(config: &Config) -> Result<String, String> {
    let (folder, rows) = match &config.ear.engine {
        EarEngine::Voxtral(ear) => (ear.folder.clone(), Some((ear, config.ear.rows))),
        _ => {
            let name = raw::EarVoxtral::default().model;
            (config.models.folder(&name), None)
        }
    };
    if !folder.is_dir() {
        return Err(how_to_get_voxtral(&folder));
    }
    let opened = match rows {
        Some((ear, rows)) => ear.open(rows).map(|(_, formats, plan)| {
            let gigabytes = (plan.weights + plan.caches) as f64 / 1e9;
            let format = formats.decoder;
            format!("{format} weights, {rows} rows, {gigabytes:.2} GB")
        }),
        None => Hearing::open(&folder)
            .map(|_| "13 languages".to_owned())
            .map_err(|error| error.to_string()),
    };
    opened.map(|state| format!("{state}, model in {}", folder.display()))
}

async fn hearing_server(settings: &RemoteSettings) -> Result<String, String> {
    let what = format!("{} at {}", settings.model, settings.base_url);
    let server = RemoteEar::new(settings.clone()).map_err(|error| error.to_string())?;
    match server.warm_up().await {
        Ok(()) => Ok(format!("{what} answers")),
        Err(failure) => Err(format!("{what}: {failure}")),
    }
}

async fn minds(config: &Config) -> Vec<Entry> {
    let engine = &config.mind.engine;
    let (settings, chosen) = match engine {
        MindEngine::OpenAi(settings) => (Some((**settings).clone()), true),
        _ => (None, false),
    };
    let state = match settings {
        Some(settings) => reach(settings).await,
        None => Err("not configured: set mind.openai.base_url and mind.openai.model".to_owned()),
    };
    vec![
        Entry {
            stage: "mind",
            name: "scripted",
            chosen: *engine == MindEngine::Scripted,
            state: Ok("answers by the rules of each persona".to_owned()),
        },
        Entry {
            stage: "mind",
            name: "openai",
            chosen,
            state,
        },
        Entry {
            stage: "mind",
            name: "fixed",
            chosen: matches!(engine, MindEngine::Fixed(_)),
            state: Ok("always says the same, for tests".to_owned()),
        },
    ]
}

/// Asks the server for its models, which costs nothing.
async fn reach(settings: OpenAiSettings) -> Result<String, String> {
    let what = format!("{} at {}", settings.model, settings.base_url);
    let server = OpenAi::new(settings).map_err(|error| error.to_string())?;
    match server.warm_up().await {
        Ok(()) => Ok(format!("{what} answers")),
        Err(failure) => Err(format!("{what}: {failure}")),
    }
}

#[cfg(feature = "local-audio")]
fn sound() -> String {
    let devices = voiced_transport::local::devices();
    let list = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    format!(
        "talk   microphones: {}; loudspeakers: {}",
        list(&devices.microphones),
        list(&devices.loudspeakers)
    )
}

#[cfg(not(feature = "local-audio"))]
fn sound() -> String {
    "talk   NOT available: this build has no local audio".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_used_and_what_is_wrong() {
        let mut entry = Entry {
            stage: "ear",
            name: "pocketsphinx",
            chosen: true,
            state: Ok("fine".to_owned()),
        };
        assert_eq!(line(&entry), "ear   *pocketsphinx  available: fine");
        entry.state = Err("no model".to_owned());
        entry.chosen = false;
        assert_eq!(line(&entry), "ear    pocketsphinx  NOT available: no model");
    }
}
