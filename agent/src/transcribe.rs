//! A recording into words: cut at its pauses, each stretch given to the recogniser as a call
//! would, faster than life, and written down as it is understood. A live stream likewise, at the
//! pace of life.
//!
//! Invariant: what is held does not grow with the recording.
use std::time::Duration;

use tokio::sync::mpsc;
use voiced_core::{
    activity::ActivityPolicy,
    engine::{Heard, Hearing, HearingOptions, Transcript, VoiceActivityDetector},
};
use voiced_pipeline::lease::{Closed, EngineClient, OpenError};

use crate::recording::RecordingError;

mod command;
mod cutter;
mod form;

pub use command::run;
pub use form::{Form, seconds};

use cutter::{Cutter, Span};

/// Stretches of speech that wait for their words.
const WAITING: usize = 64;

pub use voiced_transport::rest::Utterance;

/// What is told while a recording is heard.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Words so far of what is being said; may still change.
    Partial(String),
    /// A stretch of speech, for good.
    Said(Utterance),
    /// The recording was heard up to here.
    Heard(Duration),
}

/// Why a recording could not be heard.
#[derive(Debug, thiserror::Error)]
pub enum TranscribeError {
    /// It cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// There is no row of the recogniser to be had.
    #[error("the recogniser is not available")]
    NoEar(#[from] OpenError),
    /// The recogniser gave up; its log says why.
    #[error("the recogniser gave up in the middle of the recording")]
    GaveUp,
    /// What was understood cannot be written.
    #[error("cannot write what was heard")]
    Write(#[from] std::io::Error),
}

impl From<Closed> for TranscribeError {
    fn from(_: Closed) -> Self {
        TranscribeError::GaveUp
    }
}

/// Sound of a recording, a stretch at a time: mono at `SampleRate::HEARING`.
pub type Sound = mpsc::Receiver<Result<Vec<f32>, RecordingError>>;

/// Hears a recording to its end and tells what it says as it is understood.
///
/// # Errors
/// When it cannot be read, the recogniser gives up, or `tell` fails.
pub async fn transcribe(
    engine: &EngineClient<Hearing, Heard>,
    detector: &mut dyn VoiceActivityDetector,
    policy: ActivityPolicy,
    sound: Sound,
    tell: &mut (dyn FnMut(Told) -> std::io::Result<()> + Send),
) -> Result<(), TranscribeError> {
    let options = HearingOptions::default();
    transcribe_as(engine, options, detector, policy, sound, tell).await
}

/// The same, heard in a way of its own.
///
/// # Errors
/// When it cannot be read, the recogniser gives up, or `tell` fails.
pub async fn transcribe_as(
    engine: &EngineClient<Hearing, Heard>,
    options: HearingOptions,
    detector: &mut dyn VoiceActivityDetector,
    policy: ActivityPolicy,
    sound: Sound,
    tell: &mut (dyn FnMut(Told) -> std::io::Result<()> + Send),
) -> Result<(), TranscribeError> {
    let lease = engine.open().await?;
    let mut yields = lease.yields;
    if options != HearingOptions::default() {
        lease.feed.send(Hearing::Tune(options)).await?;
    }
    let (spans_tx, mut spans) = mpsc::channel(WAITING);
    let (heard_tx, mut heard) = mpsc::channel(WAITING);
    // Feeding and hearing side by side: both queues are short.
    let feeding = Cutter::new(lease.feed, policy, spans_tx, heard_tx).cut(detector, sound);
    tokio::pin!(feeding);
    let mut feed = None;
    let mut expected = None;
    let mut finals = 0_usize;
    while expected.is_none_or(|expected| finals < expected) {
        tokio::select! {
            cut = &mut feeding, if feed.is_none() => {
                let (count, kept) = cut?;
                // The feed must outlive the words.
                feed = Some(kept);
                expected = Some(count);
            }
            Some(to) = heard.recv() => tell(Told::Heard(to))?,
            said = yields.recv() => match said {
                Some(Heard::Partial(text)) => tell(Told::Partial(text))?,
                Some(Heard::Final(said)) => {
                    finals += 1;
                    let Some(span) = spans.recv().await else {
                        return Err(TranscribeError::GaveUp);
                    };
                    if let Some(utterance) = utterance(span, said) {
                        tell(Told::Said(utterance))?;
                    }
                }
                None => return Err(TranscribeError::GaveUp),
            },
        }
    }
    Ok(())
}

fn utterance((from, to): Span, said: Transcript) -> Option<Utterance> {
    let text = said.text.trim().to_owned();
    (!text.is_empty()).then_some(Utterance {
        from,
        to,
        text,
        words: said.words,
    })
}

#[cfg(test)]
mod tests;
