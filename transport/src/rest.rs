//! Speech without a conversation: a recording into words, a text into sound, over plain HTTP.
//!
//! In reading order: [`Studio`] is what does the work, whatever engine it has; [`room`] says how
//! many requests at once; `form` reads an upload; `transcriptions`, `speech` and `catalogue` are
//! the doors; `written` is how a transcript is written down, `sse` how a stream of events.
//!
//! Invariant: a request holds its engine row exactly as long as somebody waits for its answer, and
//! none of a call's rows at all.
mod catalogue;
pub mod description;
mod form;
pub mod room;
mod speech;
mod sse;
mod transcriptions;
mod written;

use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use futures::stream::BoxStream;
use voiced_core::engine::HeardWord;

pub use self::room::{Room, RoomLimits};
use crate::http::Refusal;

/// Hears recordings and speaks texts with the daemon's engines. Whatever it gives out ends, and
/// frees its engine row, when it is dropped.
pub trait Studio: Send + Sync {
    /// Hears a whole recording, one stretch of speech after another.
    fn hear(&self, recording: Recording) -> BoxStream<'static, Result<Hearing, StudioError>>;

    /// Speaks a text: samples at `SampleRate::SPEECH` as they are made.
    fn speak(&self, text: Text) -> BoxStream<'static, Result<Vec<f32>, StudioError>>;

    /// What can be asked of the recogniser.
    fn ear(&self) -> EarAbilities;
}

/// What a recogniser can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EarAbilities {
    /// Languages it hears, as ISO 639-1 codes; empty where it finds out by itself.
    pub languages: Vec<String>,
    /// Whether it knows when each word was said.
    pub words: bool,
}

/// A recording to be heard.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The file as it was sent.
    pub bytes: Bytes,
    /// The name it was sent under, if any: its extension helps to tell what it is.
    pub name: String,
    /// The language it is in, when the sender says.
    pub language: Option<String>,
    /// A longer one is refused.
    pub at_most: Duration,
}

/// What is heard of a recording.
#[derive(Clone, Debug, PartialEq)]
pub enum Hearing {
    /// A stretch of speech.
    Utterance(Utterance),
    /// All of it was heard; it was this long.
    End(Duration),
}

/// A stretch of speech.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Utterance {
    /// Where it begins in the recording.
    pub from: Duration,
    /// Where it ends.
    pub to: Duration,
    /// What was said.
    pub text: String,
    /// When each word was said in the recording; empty where that is not known.
    pub words: Vec<HeardWord>,
}

/// A text to be spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// Never empty.
    pub text: String,
    /// Whose voice, by the synthesiser's name for it.
    pub voice: String,
    /// Its tempo, 1.0 is natural.
    pub speed: f32,
}

/// Why a recording was not heard or a text not spoken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StudioError {
    /// The recording is in no form that is understood.
    #[error("The file is no recording that can be read: {0}.")]
    Unreadable(String),
    /// It is too long.
    #[error("The recording is longer than {} minutes.", .0.as_secs() / 60)]
    TooLong(Duration),
    /// There is nothing in the text that could be spoken.
    #[error("There is nothing to say in the text.")]
    NothingToSay,
    /// Every row of the engine is taken.
    #[error("The {0} has no room at the moment.")]
    Busy(&'static str),
    /// The engine gave up.
    #[error("The {0} gave up; the server's log says why.")]
    GaveUp(&'static str),
}

impl From<StudioError> for Refusal {
    fn from(error: StudioError) -> Self {
        let (status, code, param) = match &error {
            StudioError::Unreadable(_) => {
                (StatusCode::BAD_REQUEST, "invalid_audio_file", Some("file"))
            }
            StudioError::TooLong(_) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "audio_too_long",
                Some("file"),
            ),
            StudioError::NothingToSay => (StatusCode::BAD_REQUEST, "invalid_value", Some("input")),
            StudioError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "server_full", None),
            StudioError::GaveUp(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "engine_unavailable",
                None,
            ),
        };
        let refusal = Refusal::new(status, code, error.to_string());
        match param {
            Some(param) => refusal.about(param),
            None => refusal,
        }
    }
}

#[cfg(test)]
mod tests;
