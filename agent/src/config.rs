//! The configuration, checked and typed: the only form the rest of the daemon sees. It is read
//! once; all mistakes are found at once.
//!
//! Invariant: a [`Config`] holds nothing that could still turn out wrong, except what only the
//! world can tell (a port in use, a server that does not answer).
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use voiced_core::{activity::ActivityPolicy, turn::TurnPolicy};
use voiced_llm::{fixed::FixedModel, openai::OpenAiSettings};
use voiced_nn::matrix::Format;
use voiced_telephone::TelephoneSettings;
use voiced_transport::rest::RoomLimits;
use voiced_tts::{engine::Options, normalise::Normaliser, remote::Settings, voxtral::Formats};

pub mod check;
mod dial_plan;
pub mod ear;
pub mod findings;
mod interpreter;
pub mod keys;
pub mod layers;
mod people;
pub mod print;
pub mod raw;
pub mod telephone;
pub mod voice;

use crate::{persona::Persona, tools::Zone};

pub use self::{
    ear::{Ear, EarEngine, Models, VoxtralEar, how_to_get_voxtral, missing_of_pocketsphinx},
    findings::{ConfigError, Finding, Origin},
    interpreter::{Interpreter, Translator},
    layers::Sources,
};

/// Everything the daemon is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listener.
    pub listen: Listen,
    /// Speech without a conversation.
    pub services: RoomLimits,
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
    /// Simultaneous translation.
    pub interpreter: Interpreter,
    /// What is done to the sound of callers on the network.
    pub edge: Edge,
    /// This machine's own sound.
    pub local: Local,
    /// Where the files of models are.
    pub models: Models,
    /// The telephone; `None` is closed.
    pub telephone: Option<TelephoneSettings>,
    /// Who may bring calls over media streams; `None`: nobody.
    pub streams: Option<telephone::Streams>,
    /// Who answers.
    pub personas: Personas,
    /// What is logged.
    pub log: Log,
    /// How long calls may go on once the daemon goes down.
    pub drain_deadline: Duration,
}

impl Config {
    /// How many calls are taken at once: two rows of the recogniser are kept spare, because the
    /// row of a call that ended is free only after the next step; and there is a row of the voice
    /// for each, because a reply that found none would be lost.
    pub fn n_calls(&self) -> usize {
        self.listen
            .max_calls
            .min(self.ear.rows.saturating_sub(2))
            .min(self.voice.rows())
            .max(1)
    }
}

/// The listener and its limits.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who may use the API.
    pub keys: ApiKeys,
    /// TLS: the files of the certificate chain and of its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Host names that may be asked for, beside the address and localhost.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages that may use the API, beside the console's.
    pub allowed_origins: Vec<String>,
    /// Calls at once.
    pub max_calls: usize,
    /// Calls at once from one address.
    pub max_calls_per_address: usize,
    /// Connections at once that are no WebSocket calls.
    pub max_connections: usize,
    /// Of these, connections without a whole request yet.
    pub max_half_open: usize,
    /// Longest call.
    pub max_call: Duration,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Time for a request head to arrive.
    pub request_within: Duration,
    /// Whether unknown keys in a client's events are refused.
    pub strict: bool,
    /// Hosts of MCP servers that clients may name.
    pub tool_server_hosts: Vec<String>,
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
    /// The UDP port of all calls; 0 takes a free one.
    pub port: u16,
    /// Addresses to receive on; empty for those beside the listener's.
    pub addresses: Vec<IpAddr>,
    /// Addresses the other side is told instead; empty for the above.
    pub public_addresses: Vec<IpAddr>,
    /// Bits a second of the agent's voice.
    pub bitrate: u32,
    /// How hard the codec tries, 0 to 10.
    pub complexity: u8,
    /// Loss to be ready for, in per cent.
    pub expected_loss: u8,
    /// Time for a call to be connected.
    pub connect_within: Duration,
    /// Silence of the network after which a call is over.
    pub lost_after: Duration,
}

/// The chat model.
#[derive(Clone, Debug, PartialEq)]
pub struct Mind {
    /// Replies it writes at once.
    pub rows: usize,
    /// Which one.
    pub engine: MindEngine,
    /// Whether it takes pictures.
    pub images: bool,
}

/// Which chat model.
#[derive(Clone, Debug, PartialEq)]
pub enum MindEngine {
    /// The rules of each persona.
    Scripted,
    /// A chat server.
    OpenAi(Box<OpenAiSettings>),
    /// Always this.
    Fixed(FixedModel),
}

/// The synthesiser.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Replies it speaks at once; Voxtral has a number of its own.
    pub rows: usize,
    /// Which one.
    pub engine: VoiceEngine,
    /// Whose voice, where nobody says.
    pub voice: String,
    /// Its tempo.
    pub speed: f32,
}

/// Which synthesiser.
#[derive(Clone, Debug)]
pub enum VoiceEngine {
    /// flite.
    Flite,
    /// A hum.
    Tone,
    /// Voxtral TTS on this machine.
    Voxtral(Box<VoxtralVoice>),
    /// A server.
    Remote(Box<RemoteVoice>),
}

/// Voxtral TTS on this machine.
#[derive(Clone, Debug)]
pub struct VoxtralVoice {
    /// Its folder.
    pub model: PathBuf,
    /// How its parts are kept; the layers of a saved copy are as they were saved.
    pub formats: Formats,
    /// What was asked for, where something was.
    pub asked: Option<Format>,
    /// How it speaks.
    pub options: Options,
    /// Bytes it may take; `None` for what is free.
    pub memory: Option<u64>,
    /// What makes text speakable.
    pub normaliser: Normaliser,
    /// Folder of added voices.
    pub added: PathBuf,
    /// The codec's encoder.
    pub encoder: Option<PathBuf>,
    /// The model's own voices; empty when it could not be opened.
    pub presets: Vec<String>,
    /// Width of the model; 0 when it could not be opened.
    pub width: usize,
}

/// A synthesiser elsewhere.
#[derive(Clone, Debug)]
pub struct RemoteVoice {
    /// How it is reached and asked.
    pub settings: Settings,
    /// Voices that callers are offered.
    pub offered: Vec<String>,
}

/// What is done to the caller's sound before anybody hears it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Takes the agent's own voice out.
    pub echo_cancellation: bool,
    /// Takes steady noise out.
    pub noise_suppression: bool,
    /// Takes what lies below 80 Hz out.
    pub high_pass: bool,
}

/// This machine's microphone and loudspeaker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// Part of the microphone's name.
    pub microphone: Option<String>,
    /// Part of the loudspeaker's name.
    pub loudspeaker: Option<String>,
    /// What is done to the microphone.
    pub edge: Edge,
}

/// Who answers.
#[derive(Clone, Debug, Default)]
pub struct Personas {
    /// Everybody; the first is the default. Empty only when they were not needed.
    pub all: Vec<Persona>,
    /// Where they tell the time for.
    pub zone: Zone,
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
    /// The synthesiser and its model, or its key.
    pub voice: bool,
    /// API keys for the listener.
    pub listener: bool,
}

impl Needs {
    /// Everything: `serve` and `check`.
    pub const ALL: Needs = Needs {
        ear: true,
        mind: true,
        voice: true,
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
    if let Some(telephone) = &config.telephone {
        dial_plan::check_personas(&telephone.plan, &config.personas, &mut findings);
    }
    let origins = findings.origins.clone();
    // Without findings every part could be made; the default stands in only beside a finding.
    findings.into_result(Loaded {
        config,
        raw,
        origins,
    })
}

#[cfg(test)]
mod tests;
