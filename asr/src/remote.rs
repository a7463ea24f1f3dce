//! Recognisers that run elsewhere, behind the same lease: vLLM's `/v1/realtime`, Mistral's realtime
//! transcription and OpenAI's realtime transcription sessions.
//!
//! Voice activity here decides what is sent: half a second before an utterance, the utterance, and
//! a commit at its end; silence costs nothing. Each lease has a connection of its own. When it
//! breaks, the utterance is kept and said again over the next one; when none can be had, the caller
//! hears an apology and the log says why. What was said is never logged, a key neither.
//!
//! Invariant: every finalise is answered by exactly one final, whatever the server does, or the
//! lease ends.
use std::{sync::Arc, time::Duration};

use voiced_core::engine::{Heard, Hearing};
use voiced_pipeline::{
    lease::EngineClient,
    remote::serve_by_tasks,
    server::{Failure, Place, Secret, ServerError},
};

mod dialect;
mod link;
mod row;
mod utterance;

pub use dialect::Dialect;

/// How a recogniser elsewhere is reached and asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteSettings {
    /// What it speaks.
    pub dialect: Dialect,
    /// Up to and including the version: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model's name there.
    pub model: String,
    /// Sent as bearer token.
    pub key: Option<Secret>,
    /// Sends the key over plain HTTP to other machines too.
    pub key_over_plain_http: bool,
    /// The language expected, where a lease does not say; `None` leaves it to the model.
    pub language: Option<String>,
    /// How long the model listens on before it writes, where the server can be told.
    pub delay: Option<Duration>,
    /// How long a connection may take, greeting included.
    pub connect_within: Duration,
    /// How long the final words may take after the end of an utterance.
    pub final_within: Duration,
    /// How often an utterance is tried in all.
    pub attempts: u32,
    /// The wait before the second attempt to connect; it doubles with each.
    pub retry_after: Duration,
}

impl RemoteSettings {
    /// A server and a model; all else as is usual for speech.
    pub fn new(dialect: Dialect, base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            dialect,
            base_url: base_url.into(),
            model: model.into(),
            key: None,
            key_over_plain_http: false,
            language: None,
            delay: None,
            connect_within: Duration::from_secs(3),
            final_within: Duration::from_secs(3),
            attempts: 3,
            retry_after: Duration::from_millis(250),
        }
    }
}

/// A recogniser elsewhere.
#[derive(Clone, Debug)]
pub struct RemoteEar {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: RemoteSettings,
    place: Place,
}

impl RemoteEar {
    /// Checks the settings. Nothing is sent.
    ///
    /// # Errors
    /// When the address is unusable, or the key would travel unprotected.
    pub fn new(settings: RemoteSettings) -> Result<RemoteEar, ServerError> {
        let key = settings.key.as_ref();
        let place = Place::new(&settings.base_url, key, &[], settings.key_over_plain_http)?;
        Ok(RemoteEar {
            shared: Arc::new(Shared { settings, place }),
        })
    }

    /// Connects once and waits for the greeting.
    ///
    /// # Errors
    /// Why the server cannot be used now.
    pub async fn warm_up(&self) -> Result<(), Failure> {
        link::connect(&self.shared, &Default::default())
            .await
            .map(drop)
    }

    /// Hands out at most `rows` leases at once. Must be called inside a tokio runtime.
    pub fn serve(self, rows: usize) -> EngineClient<Hearing, Heard> {
        serve_by_tasks(rows, move |row| row::serve(self.shared.clone(), row))
    }
}

#[cfg(test)]
mod tests;
