//! How a speech server is reached and asked, checked whole before the first line.
use std::time::Duration;

use serde_json::{Map, Value};
use voiced_core::audio::SampleRate;
use voiced_pipeline::server::{Place, ServerError};

use super::Secret;

/// What a server understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `POST /v1/audio/speech` as OpenAI has it: 16-bit samples in the body, as they are made.
    OpenAi,
    /// `POST /v1/audio/speech` as Mistral has it: events with 32-bit float samples.
    Mistral,
    /// Mistral's `/v1/audio/speech/realtime`: a WebSocket.
    MistralRealtime,
}

impl Dialect {
    /// Whether requests may ask for a tempo.
    pub fn has_speed(self) -> bool {
        self == Dialect::OpenAi
    }
}

/// How a speech server is reached and asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What it understands.
    pub dialect: Dialect,
    /// Up to and without `/audio/speech`: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model's name there.
    pub model: String,
    /// Sent as bearer token.
    pub key: Option<Secret>,
    /// The voice of lines that ask for none, by the server's name for it.
    pub voice: String,
    /// How to speak, in words, for models that listen to it (OpenAI).
    pub instructions: Option<String>,
    /// Whether the server is asked for a tempo; otherwise sound is stretched here.
    pub speed_by_server: bool,
    /// Samples a second of the server's bare samples.
    pub sample_rate: SampleRate,
    /// Mistral: 1 and more, how much expression.
    pub expressiveness: Option<f32>,
    /// More fields of every request, over those made here: `{"stream": true}` for vLLM-Omni.
    pub extra: Map<String, Value>,
    /// How long a connection may take, TLS included.
    pub connect_within: Duration,
    /// How long the first sound may take, from asking, connection included.
    pub first_sound_within: Duration,
    /// How long the next may take after that.
    pub next_sound_within: Duration,
    /// How often a line is asked for in all when it fails before its first sound.
    pub attempts: u32,
    /// A server that wants a longer wait than this is given up at once: somebody is listening.
    pub retry_wait_at_most: Duration,
    /// Sends the key over plain HTTP to other machines too.
    pub key_over_plain_http: bool,
}

impl Settings {
    /// A server, a model and a voice; all else as is usual.
    pub fn new(dialect: Dialect, base_url: &str, model: &str, voice: &str) -> Settings {
        Settings {
            dialect,
            base_url: base_url.to_owned(),
            model: model.to_owned(),
            key: None,
            voice: voice.to_owned(),
            instructions: None,
            speed_by_server: true,
            sample_rate: SampleRate::SPEECH,
            expressiveness: None,
            extra: Map::new(),
            connect_within: Duration::from_secs(3),
            first_sound_within: Duration::from_secs(10),
            next_sound_within: Duration::from_secs(10),
            attempts: 3,
            retry_wait_at_most: Duration::from_secs(3),
            key_over_plain_http: false,
        }
    }

    /// Where the server is, when everything can be used.
    pub(super) fn check(&self) -> Result<Place, SettingsError> {
        let waits = [
            self.connect_within,
            self.first_sound_within,
            self.next_sound_within,
        ];
        if waits.iter().any(Duration::is_zero) || self.attempts == 0 {
            return Err(SettingsError::OutOfRange(
                "time limits and attempts of a speech server must not be zero",
            ));
        }
        if self
            .expressiveness
            .is_some_and(|e| !(1.0..=10.0).contains(&e))
        {
            return Err(SettingsError::OutOfRange(
                "expressiveness must be between 1 and 10",
            ));
        }
        let key = self.key.as_ref();
        Ok(Place::new(
            &self.base_url,
            key,
            &[],
            self.key_over_plain_http,
        )?)
    }
}

/// Why a speech server cannot be set up. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The server cannot be used.
    #[error("the speech server: {0}")]
    Server(#[from] ServerError),
    /// A number is out of range.
    #[error("{0}")]
    OutOfRange(&'static str),
}
