//! A text into speech, sentence by sentence, each given to the synthesiser as a reply's line
//! would; sound leaves as soon as it is made, and a book takes no more memory than a sentence.
use std::{io::BufRead, time::Duration};

use tokio::sync::mpsc;
use voiced_core::{
    audio::SampleRate,
    engine::{Line, Speech},
};
use voiced_pipeline::lease::{EngineClient, OpenError};

pub mod run;
pub mod sink;
pub mod text;

use self::text::{Passage, Passages, TextError};

/// Silence between two paragraphs: 600 ms.
const PAUSE: usize = 14_400;
/// Passages read ahead of the voice.
const AHEAD: usize = 8;

/// Why a text could not be spoken.
#[derive(Debug, thiserror::Error)]
pub enum SpeakError {
    /// There is no row of the synthesiser to be had.
    #[error("the voice is not available")]
    NoVoice(#[from] OpenError),
    /// The synthesiser gave up; its log says why.
    #[error("the voice gave up in the middle of the text")]
    GaveUp,
    /// The text could not be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The sound could not be written.
    #[error("cannot write the sound")]
    Sink(#[from] std::io::Error),
    /// There was nothing to say.
    #[error("there is no text to speak")]
    Nothing,
}

/// How far a text has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Where the line that is being said begins in the text, in bytes; its end once all is said.
    pub at: u64,
    /// Samples made.
    pub samples: u64,
}

impl Reached {
    /// How long the sound made so far lasts.
    pub fn sound(self) -> Duration {
        SampleRate::SPEECH.duration_of(self.samples)
    }
}

/// How every line is said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Manner<'a> {
    /// Whose voice; `None` is the engine's.
    pub voice: Option<&'a str>,
    /// Its tempo.
    pub speed: Option<f32>,
}

/// Where a text's sound goes.
pub trait Sink {
    /// Takes the next samples, at `SampleRate::SPEECH`.
    ///
    /// # Errors
    /// When they cannot be written.
    fn take(&mut self, samples: &[f32], reached: Reached) -> std::io::Result<()>;
}

impl<F: FnMut(&[f32]) -> std::io::Result<()>> Sink for F {
    fn take(&mut self, samples: &[f32], _: Reached) -> std::io::Result<()> {
        self(samples)
    }
}

/// Speaks a text of which the first `reached.at` bytes were spoken elsewhere, and counts on.
/// Everything goes through one lease, so that the voice stays the same throughout.
///
/// # Errors
/// When there is nothing to say, the engine gives up, the text cannot be read, or the sink fails;
/// `reached` then says how far it came.
pub async fn speak(
    engine: &EngineClient<Line, Speech>,
    text: impl BufRead + Send + 'static,
    manner: Manner<'_>,
    sink: &mut dyn Sink,
    reached: &mut Reached,
) -> Result<(), SpeakError> {
    let mut passages = read(text, reached.at);
    let mut lease = engine.open().await?;
    // A pause that turns out to be the end is none.
    let (mut pause, mut spoken) = (false, false);
    while let Some(passage) = passages.recv().await {
        let Passage::Line { text, start } = passage? else {
            pause = true;
            continue;
        };
        if std::mem::take(&mut pause) && spoken {
            reached.samples += PAUSE as u64;
            sink.take(&[0.0; PAUSE], *reached)?;
        }
        spoken = true;
        reached.at = start;
        let end = start + text.len() as u64;
        let line = Line {
            text,
            voice: manner.voice.map(str::to_owned),
            speed: manner.speed,
        };
        let fed = lease.feed.send(line).await;
        fed.map_err(|_| SpeakError::GaveUp)?;
        loop {
            match lease.yields.recv().await.ok_or(SpeakError::GaveUp)? {
                Speech::Audio(frame) => {
                    reached.samples += frame.samples.len() as u64;
                    sink.take(&frame.samples, *reached)?;
                }
                Speech::Word { .. } => (),
                Speech::End => break,
            }
        }
        reached.at = end;
    }
    match spoken {
        true => Ok(()),
        false => Err(SpeakError::Nothing),
    }
}

/// Reads a text on a thread of its own: a pipe may have nothing for a long time. It ends with the
/// text, or with whoever listens.
fn read(
    text: impl BufRead + Send + 'static,
    from: u64,
) -> mpsc::Receiver<Result<Passage, TextError>> {
    let (passages_tx, passages) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut passages = Passages::new(text, from);
        while let Some(passage) = passages.read_next().transpose() {
            let failed = passage.is_err();
            if passages_tx.blocking_send(passage).is_err() || failed {
                return;
            }
        }
    });
    passages
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use voiced_core::{
        audio::{AudioFrame, SampleRate},
        engine::{Engine, EngineError, Progress, SlotId},
    };
    use voiced_pipeline::worker;

    use super::*;

    /// Makes one sample per letter, three letters a step, and chokes on some words.
    #[derive(Default)]
    struct Letters {
        pending: Option<Line>,
        said: usize,
    }

    impl Engine for Letters {
        type Input = Line;
        type Output = Speech;
        fn slots(&self) -> usize {
            1
        }
        fn open(&mut self, _: SlotId) {}
        fn feed(&mut self, _: SlotId, line: Line) -> Result<(), EngineError> {
            assert!(self.pending.is_none(), "a line before the last one ended");
            if line.text.contains("choke") {
                return Err(EngineError::bad_input("it cannot be said"));
            }
            self.pending = Some(line);
            Ok(())
        }
        fn close(&mut self, _: SlotId) {}
        fn step(
            &mut self,
            ready: &[bool],
            emit: &mut dyn FnMut(SlotId, Speech),
        ) -> Result<Progress, EngineError> {
            let Some(line) = self.pending.as_ref().filter(|_| ready[0]) else {
                return Ok(Progress::Idle);
            };
            let left = line.text.len() - self.said;
            if left > 0 {
                let n = left.min(3);
                self.said += n;
                let frame = AudioFrame::new(SampleRate::SPEECH, vec![line.speed.unwrap(); n]);
                emit(SlotId(0), Speech::Audio(frame));
                return Ok(Progress::Stepped);
            }
            self.said = 0;
            self.pending = None;
            emit(SlotId(0), Speech::End);
            Ok(Progress::Stepped)
        }
    }

    #[tokio::test]
    async fn every_line_is_spoken_in_order_and_whole() {
        let engine = worker::spawn("letters", Letters::default()).unwrap();
        let mut samples = Vec::new();
        let text = "One sentence is here. Another one follows!  And the last";
        let mut sink = |sound: &[f32]| {
            samples.extend_from_slice(sound);
            Ok(())
        };
        let mut reached = Reached::default();
        let manner = Manner {
            voice: None,
            speed: Some(0.5),
        };
        let said = speak(&engine, text.as_bytes(), manner, &mut sink, &mut reached).await;
        said.unwrap();
        // The spaces between the lines are not spoken.
        assert_eq!(samples.len(), text.len() - 3);
        assert!(samples.iter().all(|sample| *sample == 0.5));
        let all = Reached {
            at: text.len() as u64,
            samples: samples.len() as u64,
        };
        assert_eq!(reached, all);
    }

    #[tokio::test]
    async fn paragraphs_are_kept_apart_and_a_failure_says_where() {
        let engine = worker::spawn("letters", Letters::default()).unwrap();
        let (said, got, _) = told(&engine, "One.\n\nTwo.\n\n").await;
        said.unwrap();
        assert_eq!(got.len(), 4 + PAUSE + 4);
        assert!(got[4..4 + PAUSE].iter().all(|s| *s == 0.0));
        let text = "First this.\n\nThen I choke. And never this.";
        let (said, got, reached) = told(&engine, text).await;
        assert!(matches!(said, Err(SpeakError::GaveUp)));
        assert!(
            text[reached.at as usize..].starts_with("Then I choke."),
            "{reached:?}"
        );
        assert_eq!(reached.samples as usize, got.len());
        let (said, ..) = told(&engine, "Caf\u{e9} first. ").await;
        said.unwrap();
    }

    async fn told(
        engine: &EngineClient<Line, Speech>,
        text: &'static str,
    ) -> (Result<(), SpeakError>, Vec<f32>, Reached) {
        let (mut samples, mut reached) = (Vec::new(), Reached::default());
        let mut sink = |sound: &[f32]| {
            samples.extend_from_slice(sound);
            Ok(())
        };
        let manner = Manner {
            voice: None,
            speed: Some(1.0),
        };
        let said = speak(engine, text.as_bytes(), manner, &mut sink, &mut reached).await;
        (said, samples, reached)
    }

    #[tokio::test]
    async fn nothing_to_say_and_a_full_disk_are_errors() {
        let engine = worker::spawn("letters", Letters::default()).unwrap();
        let (nothing, ..) = told(&engine, "  \n").await;
        assert!(matches!(nothing, Err(SpeakError::Nothing)));
        let mut full = |_: &[f32]| Err(std::io::Error::other("no space"));
        let manner = Manner {
            speed: Some(1.0),
            ..Manner::default()
        };
        let mut reached = Reached::default();
        let full = speak(&engine, "hello".as_bytes(), manner, &mut full, &mut reached).await;
        assert!(matches!(full, Err(SpeakError::Sink(_))), "{full:?}");
    }
}
