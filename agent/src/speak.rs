//! A text into speech, sentence by sentence, each given to the synthesiser as a reply's line
//! would; sound leaves as soon as it is made.
use voiced_core::{
    engine::{EngineError, Line, Progress, SlotId, Speech, Synthesizer},
    sentences::Sentences,
};

/// Why a text could not be spoken.
#[derive(Debug, thiserror::Error)]
pub enum SpeakError {
    /// The synthesiser failed.
    #[error("the voice failed: {0}")]
    Voice(#[from] EngineError),
    /// The sound could not be written.
    #[error("cannot write the sound: {0}")]
    Sink(#[from] std::io::Error),
    /// There was nothing to say.
    #[error("there is no text to speak")]
    Nothing,
}

/// Speaks `text`, giving `sink` samples at `SampleRate::SPEECH` as they come.
///
/// # Errors
/// When there is nothing to say, the engine fails, or the sink does.
pub fn speak(
    engine: &mut impl Synthesizer,
    text: &str,
    voice: Option<&str>,
    speed: Option<f32>,
    sink: &mut dyn FnMut(&[f32]) -> std::io::Result<()>,
) -> Result<(), SpeakError> {
    let mut sentences = Sentences::new(0);
    let mut lines = sentences.push(text);
    lines.extend(sentences.finish());
    if lines.is_empty() {
        return Err(SpeakError::Nothing);
    }
    engine.open(SlotId(0));
    let mut ready = vec![false; engine.slots()];
    ready[0] = true;
    for line in lines {
        let line = Line {
            text: line.text,
            voice: voice.map(str::to_owned),
            speed,
        };
        engine.feed(SlotId(0), line)?;
        say_line(engine, &ready, sink)?;
    }
    engine.close(SlotId(0));
    Ok(())
}

fn say_line(
    engine: &mut impl Synthesizer,
    ready: &[bool],
    sink: &mut dyn FnMut(&[f32]) -> std::io::Result<()>,
) -> Result<(), SpeakError> {
    let mut ended = false;
    let mut written = Ok(());
    while !ended {
        let progress = engine.step(ready, &mut |_, speech| match speech {
            Speech::Audio(frame) if written.is_ok() => written = sink(&frame.samples),
            Speech::Audio(_) | Speech::Word { .. } => (),
            Speech::End => ended = true,
        })?;
        std::mem::replace(&mut written, Ok(()))?;
        if progress == Progress::Idle && !ended {
            return Err(EngineError::device("it stopped in the middle of a line").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use voiced_core::{
        audio::{AudioFrame, SampleRate},
        engine::Engine,
    };

    use super::*;

    /// Makes one sample per letter, three letters a step, and forgets to end when told to.
    #[derive(Default)]
    struct Letters {
        pending: Option<Line>,
        said: usize,
        forgets: bool,
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
            self.pending = Some(line);
            Ok(())
        }
        fn close(&mut self, _: SlotId) {}
        fn step(
            &mut self,
            _: &[bool],
            emit: &mut dyn FnMut(SlotId, Speech),
        ) -> Result<Progress, EngineError> {
            let Some(line) = &self.pending else {
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
            if !self.forgets {
                emit(SlotId(0), Speech::End);
            }
            Ok(Progress::Stepped)
        }
    }

    #[test]
    fn every_line_is_spoken_in_order_and_whole() {
        let mut samples = Vec::new();
        let text = "One sentence is here. Another one follows!  And the last";
        speak(
            &mut Letters::default(),
            text,
            None,
            Some(0.5),
            &mut |sound| {
                samples.extend_from_slice(sound);
                Ok(())
            },
        )
        .unwrap();
        // The spaces between the lines are not spoken.
        assert_eq!(samples.len(), text.len() - 3);
        assert!(samples.iter().all(|sample| *sample == 0.5));
    }

    #[test]
    fn nothing_to_say_a_broken_engine_and_a_full_disk_are_errors() {
        let mut letters = Letters::default();
        let nothing = speak(&mut letters, "  \n", None, Some(1.0), &mut |_| Ok(()));
        assert!(matches!(nothing, Err(SpeakError::Nothing)));
        let full = speak(&mut letters, "hello", None, Some(1.0), &mut |_| {
            Err(std::io::Error::other("no space"))
        });
        assert!(matches!(full, Err(SpeakError::Sink(_))), "{full:?}");
        let mut forgetful = Letters {
            forgets: true,
            ..Letters::default()
        };
        let broken = speak(&mut forgetful, "hello", None, Some(1.0), &mut |_| Ok(()));
        assert!(matches!(broken, Err(SpeakError::Voice(_))), "{broken:?}");
    }
}
