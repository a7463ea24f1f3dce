//! The recogniser as the daemon uses it, and what keeps it from being used: a model that is not
//! there, a delay it was not made for, memory it does not fit.
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use voiced_asr::{
    engine::{EosPolicy, Options, Plan},
    remote::{Dialect, RemoteEar, RemoteSettings},
    voxtral::{Checkpoint, Formats},
};
use voiced_nn::{kv_cache::CacheFormat, matrix::Format};
use voiced_pipeline::server;

use super::{
    Needs, Secret,
    check::{Environment, not_set, secret},
    findings::Findings,
    raw::{self, RawConfig},
    voice::data_folder,
};

/// The recogniser.
#[derive(Clone, Debug, PartialEq)]
pub struct Ear {
    /// Calls it hears at once.
    pub rows: usize,
    /// Which one.
    pub engine: EarEngine,
}

/// Which recogniser.
#[derive(Clone, Debug, PartialEq)]
pub enum EarEngine {
    /// PocketSphinx with the model in this folder.
    PocketSphinx {
        /// The folder.
        model: PathBuf,
    },
    /// One that hears these words in every utterance.
    Scripted {
        /// The words.
        words: String,
    },
    /// Voxtral Realtime here.
    Voxtral(VoxtralEar),
    /// A server elsewhere.
    Remote(Box<RemoteSettings>),
}

impl EarEngine {
    /// Its name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            EarEngine::PocketSphinx { .. } => "pocketsphinx",
            EarEngine::Scripted { .. } => "scripted",
            EarEngine::Voxtral(_) => "voxtral",
            EarEngine::Remote(settings) => settings.dialect.name(),
        }
    }
}

/// Voxtral Realtime as it is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct VoxtralEar {
    /// Where its files are.
    pub folder: PathBuf,
    /// How weights are kept; `None` as they lie there.
    pub weights: Option<Format>,
    /// How attention memory is kept.
    pub cache: CacheFormat,
    /// Positions it remembers at most.
    pub context: usize,
    /// Bytes that weights and rows may take; `None` for what is free.
    pub memory: Option<u64>,
    /// How it hears.
    pub options: Options,
}

impl VoxtralEar {
    /// Opens the checkpoint and plans its memory for `rows` sessions.
    ///
    /// # Errors
    /// In one sentence: what is wrong with the files, or how much does not fit.
    pub fn open(&self, rows: usize) -> Result<(Checkpoint, Formats, Plan), String> {
        let mut checkpoint = Checkpoint::open(&self.folder).map_err(|error| error.to_string())?;
        let formats = match (checkpoint.packed(), self.weights) {
            (Some(packed), Some(wanted)) if packed.decoder != wanted => {
                return Err(format!(
                    "{} holds a copy quantised to {}: name the folder of the published model for \
                     {wanted}, or leave `weights` out",
                    self.folder.display(),
                    packed.decoder
                ));
            }
            (Some(packed), _) => packed,
            (None, wanted) => Formats::new(wanted.unwrap_or(Format::Bf16)),
        };
        checkpoint.limit_context(self.context);
        let plan = Plan::new(checkpoint.config(), formats, rows, self.cache, self.memory);
        let plan = plan.map_err(|error| error.to_string())?;
        Ok((checkpoint, formats, plan))
    }
}

/// Where the files of models are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Models {
    /// One folder each in here.
    pub directory: PathBuf,
    /// The hub or a mirror of it, without a slash at the end.
    pub hub: String,
    /// The hub's token, where there is one.
    pub token: Option<Secret>,
    /// Threads the models compute with; `None` for one a core.
    pub threads: Option<usize>,
}

impl Models {
    /// The folder of a model: `name` is the name of a fetched one, or a path with a slash.
    pub fn folder(&self, name: &str) -> PathBuf {
        match name.contains('/') {
            true => name.into(),
            false => self.directory.join(name),
        }
    }
}

pub(super) fn models(
    raw: &raw::Models,
    environment: &Environment,
    findings: &mut Findings,
) -> Models {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let default = || data_folder(environment).join("models");
    let mirror = raw.mirror.as_ref().or_else(|| set("HF_ENDPOINT"));
    let hub = mirror.map_or("https://huggingface.co", String::as_str);
    if !hub.starts_with("https://") && !hub.starts_with("http://") {
        let message = format!("\"{hub}\" is no address: it must begin with https:// or http://");
        findings.note_at("models.mirror", message);
    }
    Models {
        directory: raw.directory.as_ref().map_or_else(default, PathBuf::from),
        hub: hub.trim_end_matches('/').to_owned(),
        token: secret(&raw.token_env, environment),
        threads: raw.threads.map(|threads| threads as usize),
    }
}

pub(super) fn checked(
    raw: &RawConfig,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> Ear {
    let rows = raw.ear.rows as usize;
    let engine = match raw.ear.engine.as_str() {
        "scripted" => EarEngine::Scripted {
            words: raw.ear.scripted.words.clone(),
        },
        "voxtral" => {
            let models = models(&raw.models, environment, &mut Findings::default());
            EarEngine::Voxtral(voxtral(raw, &models, needs, findings))
        }
        "vllm" | "mistral" | "openai" => {
            let settings = remote(&raw.ear, environment, needs, findings);
            EarEngine::Remote(Box::new(settings))
        }
        _ => EarEngine::PocketSphinx {
            model: pocketsphinx(&raw.ear.pocketsphinx, needs, findings),
        },
    };
    Ear { rows, engine }
}

fn pocketsphinx(raw: &raw::EarPocketsphinx, needs: Needs, findings: &mut Findings) -> PathBuf {
    let model = Path::new(&raw.model);
    if let Some(missing) = missing_of_pocketsphinx(model).filter(|_| needs.ear) {
        let message = format!(
            "there is no {}: install the package pocketsphinx-en-us, name the folder of \
             another model, or choose another ear.engine",
            missing.display()
        );
        findings.note_at("ear.pocketsphinx.model", message);
    }
    model.to_owned()
}

/// Whether a folder holds a PocketSphinx model: what is missing, if anything.
pub fn missing_of_pocketsphinx(model: &Path) -> Option<PathBuf> {
    ["en-us/mdef", "cmudict-en-us.dict", "en-us.lm.bin"]
        .into_iter()
        .map(|file| model.join(file))
        .find(|file| !file.is_file())
}

/// What to say where the files of Voxtral Realtime should be and are not.
pub fn how_to_get_voxtral(folder: &Path) -> String {
    format!(
        "there is no {}: get it with `voiced models fetch voxtral-realtime`, or name the folder \
         of the model",
        folder.display()
    )
}

fn voxtral(
    config: &RawConfig,
    models: &Models,
    needs: Needs,
    findings: &mut Findings,
) -> VoxtralEar {
    let raw = &config.ear.voxtral;
    if !raw.delay_ms.is_multiple_of(80) || raw.delay_ms > 1_200 && raw.delay_ms != 2_400 {
        let message = format!(
            "{} is not a delay of this model: 80 to 1200 in steps of 80, or 2400",
            raw.delay_ms
        );
        findings.note_at("ear.voxtral.delay_ms", message);
    }
    let format = |name: &String| name.parse().expect("one of the words in the table of keys");
    let ear = VoxtralEar {
        folder: models.folder(&raw.model),
        weights: raw.weights.as_ref().map(format),
        cache: match raw.memory.as_str() {
            "f32" => CacheFormat::F32,
            _ => CacheFormat::Bf16,
        },
        // 655 s round up to the 8192 positions it was made with.
        context: (raw.context_s as usize * 25 / 2).next_multiple_of(16),
        memory: raw.memory_gb.map(|gb| (gb * 1e9) as u64),
        options: Options {
            delay: (raw.delay_ms as usize / 80).clamp(1, 30),
            eos: match raw.end_token.as_str() {
                "never" => EosPolicy::Never,
                _ => EosPolicy::FeedBack,
            },
            blank_penalty: raw.blank_penalty,
            watchdog: raw.watchdog,
            roll_after: (raw.roll_after_s > 0)
                .then(|| Duration::from_secs(raw.roll_after_s.into())),
        },
    };
    // Only a daemon needs all the rows.
    let rows = if needs.listener {
        config.ear.rows as usize
    } else {
        1
    };
    if needs.ear {
        if !ear.folder.is_dir() {
            findings.note_at("ear.voxtral.model", how_to_get_voxtral(&ear.folder));
        } else if let Err(why) = ear.open(rows) {
            findings.note_at("ear.voxtral.model", why);
        }
    }
    ear
}

/// The settings the three kinds of server share.
struct Server<'a> {
    section: &'static str,
    dialect: Dialect,
    base_url: &'a str,
    model: &'a str,
    key_env: Option<&'a str>,
    key_over_plain_http: bool,
    language: Option<&'a str>,
    delay_ms: Option<u32>,
    waits: [u32; 2],
    attempts: u32,
}

macro_rules! server {
    ($raw:expr, $section:literal, $dialect:ident, $delay:expr) => {
        Server {
            section: $section,
            dialect: Dialect::$dialect,
            base_url: &$raw.base_url,
            model: &$raw.model,
            key_env: $raw.key_env.as_deref(),
            key_over_plain_http: $raw.key_over_plain_http,
            language: $raw.language.as_deref(),
            delay_ms: $delay,
            waits: [$raw.connect_within_ms, $raw.final_within_ms],
            attempts: $raw.attempts,
        }
    };
}

fn remote(
    raw: &raw::Ear,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> RemoteSettings {
    let from = match raw.engine.as_str() {
        "vllm" => server!(raw.vllm, "ear.vllm", Vllm, None),
        "mistral" => server!(raw.mistral, "ear.mistral", Mistral, raw.mistral.delay_ms),
        _ => server!(raw.openai, "ear.openai", OpenAi, None),
    };
    let key = from.key_env.and_then(|variable| {
        let key = secret(variable, environment);
        if key.is_none() && needs.ear {
            findings.note_at(&format!("{}.key_env", from.section), not_set(variable));
        }
        key
    });
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let settings = RemoteSettings {
        key: key.map(|key| server::Secret::new(key.reveal())),
        key_over_plain_http: from.key_over_plain_http,
        language: from.language.map(str::to_owned),
        delay: from.delay_ms.map(ms),
        connect_within: ms(from.waits[0]),
        final_within: ms(from.waits[1]),
        attempts: from.attempts,
        ..RemoteSettings::new(from.dialect, from.base_url, from.model)
    };
    // The client knows best what it can use; nothing is sent by asking it.
    if let Err(error) = RemoteEar::new(settings.clone()) {
        findings.note_at(&format!("{}.base_url", from.section), error.to_string());
    }
    settings
}

#[cfg(test)]
mod tests;
