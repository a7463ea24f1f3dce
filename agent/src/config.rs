//! The configuration, checked and typed: the only form the rest of the daemon sees. It is read
//! once; all mistakes are found at once.
//!
//! Invariant: a [`Config`] holds nothing that could still turn out wrong, except what only the
//! world can tell (a port in use, a server that does not answer).
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use voiced_core::{activity::ActivityPolicy, turn::TurnPolicy};

pub mod check;
pub mod findings;
pub mod keys;
pub mod layers;
pub mod print;
pub mod raw;

pub use self::{
    findings::{ConfigError, Finding, Origin},
    layers::Sources,
};

/// Everything the daemon is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listener.
    pub listen: Listen,
    /// WebRTC; `None` takes no such calls.
    pub webrtc: Option<Webrtc>,
    /// The recogniser.
    pub ear: Ear,
    /// The chat model.
    pub mind: Mind,
    /// The synthesiser.
    pub voice: Voice,
    /// How turns are taken.
    pub turns: TurnPolicy,
    /// How sound becomes speech.
    pub activity: ActivityPolicy,
    /// What is done to the caller's sound.
    pub edge: Edge,
    /// Who answers.
    pub personas: Personas,
    /// What is logged.
    pub log: Log,
    /// How long calls may go on once the daemon goes down.
    pub drain_deadline: Duration,
}

/// The listener and its limits.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who may use the API.
    pub keys: ApiKeys,
    /// Host names that may be asked for, beside the address and localhost.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages that may use the API, beside the console's.
    pub allowed_origins: Vec<String>,
    /// Calls at once.
    pub max_calls: usize,
    /// Calls at once from one address.
    pub max_calls_per_address: usize,
    /// Connections at once from one address.
    pub max_connections_per_address: usize,
    /// Longest call.
    pub max_call: Duration,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Largest WebSocket frame in bytes.
    pub max_frame: usize,
    /// Time for a request head to arrive.
    pub request_within: Duration,
}

/// Who may use the API.
#[derive(Clone, Debug)]
pub enum ApiKeys {
    /// Anybody who reaches the loopback listener.
    Anybody,
    /// Whoever has one of these.
    OneOf(Vec<Secret>),
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever must send or compare it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// WebRTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webrtc {
    /// The address the other side is told, where it is not this machine's own.
    pub public_address: Option<IpAddr>,
    /// Addresses to send and receive from; empty for the listener's.
    pub bind_addresses: Vec<IpAddr>,
    /// First and last UDP port; `None` lets the system choose.
    pub udp_ports: Option<(u16, u16)>,
    /// Time for a call to be connected.
    pub connect_within: Duration,
    /// Bits a second of the voice that is sent.
    pub bitrate: u32,
}

/// The recogniser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ear {
    /// Calls it hears at once.
    pub rows: usize,
    /// Which one.
    pub engine: EarEngine,
}

/// Which recogniser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EarEngine {
    /// PocketSphinx with the model in this folder.
    PocketSphinx {
        /// The folder.
        model: PathBuf,
    },
    /// One that hears these, one after another.
    Scripted {
        /// One entry an utterance.
        utterances: Vec<String>,
    },
}

/// The chat model.
#[derive(Clone, Debug, PartialEq)]
pub struct Mind {
    /// Replies it writes at once.
    pub rows: usize,
    /// Which one.
    pub engine: MindEngine,
}

/// Which chat model.
#[derive(Clone, Debug, PartialEq)]
pub enum MindEngine {
    /// The rules of each persona.
    Scripted,
    /// A server.
    OpenAi(Box<OpenAi>),
    /// Always this text.
    Fixed(String),
}

/// An OpenAI-compatible chat server.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenAi {
    /// Its address up to and including the version, without a slash at the end.
    pub base_url: String,
    /// The model it is asked for.
    pub model: String,
    /// Its key.
    pub key: Option<Secret>,
    /// How adventurous its words are.
    pub temperature: Option<f32>,
    /// Most tokens of a reply.
    pub max_tokens: Option<u32>,
    /// Time for the connection to stand.
    pub connect_within: Duration,
    /// Time to the first token, tries included.
    pub first_token_within: Duration,
    /// Longest pause between two tokens.
    pub next_token_within: Duration,
    /// Tries after the first.
    pub retries: u32,
}

/// The synthesiser.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    /// Replies it speaks at once.
    pub rows: usize,
    /// Which one.
    pub engine: VoiceEngine,
    /// Whose voice, where nobody says.
    pub voice: String,
    /// Its tempo.
    pub speed: f32,
}

/// Which synthesiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoiceEngine {
    /// flite.
    Flite,
    /// A hum.
    Tone,
}

/// What is done to the caller's sound before anybody hears it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Takes the agent's own voice out.
    pub echo_cancellation: bool,
    /// Takes steady noise out.
    pub noise_suppression: bool,
}

/// Who answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Personas {
    /// The persona of a call that asks for none.
    pub default: Option<String>,
    /// Folder with one file per persona; `None`: the ones built in.
    pub directory: Option<PathBuf>,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// In which form.
    pub format: LogFormat,
    /// Levels by module.
    pub filter: String,
}

/// In which form is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Which parts a command will use. Files, variables and keys of the others are not asked for, so
/// that `voiced speak` works where there is no recogniser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The recogniser and its model.
    pub ear: bool,
    /// The chat model, its key, and the personas.
    pub mind: bool,
    /// API keys for the listener.
    pub listener: bool,
}

impl Needs {
    /// Everything: `serve` and `check`.
    pub const ALL: Needs = Needs {
        ear: true,
        mind: true,
        listener: true,
    };
}

/// A configuration with the memory of where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// As the rest of the daemon sees it.
    pub config: Config,
    /// As written, all layers merged.
    pub raw: raw::RawConfig,
    /// Where each setting that is not built in was made.
    pub origins: BTreeMap<String, Origin>,
}

/// Reads all layers and checks them.
///
/// # Errors
/// Every mistake in them, with its place.
pub fn load(sources: &Sources, needs: Needs) -> Result<Loaded, ConfigError> {
    let (raw, mut findings) = layers::merge(sources);
    let config = check::checked(&raw, &sources.environment, needs, &mut findings);
    let origins = findings.origins.clone();
    // Without findings every part could be made; the default stands in only beside a finding.
    findings.into_result(Loaded {
        config,
        raw,
        origins,
    })
}

/// Whether a folder holds a PocketSphinx model: what is missing, if anything.
pub fn missing_of_pocketsphinx(model: &Path) -> Option<PathBuf> {
    ["en-us/mdef", "cmudict-en-us.dict", "en-us.lm.bin"]
        .into_iter()
        .map(|file| model.join(file))
        .find(|file| !file.is_file())
}

#[cfg(test)]
mod tests;
