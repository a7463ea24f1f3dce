//! A text into speech, sentence by sentence, each given to the synthesiser as a reply's line
//! would; sound leaves as soon as it is made.
use voiced_core::{
    engine::{Line, Speech},
    sentences::Sentences,
};
use voiced_pipeline::lease::{EngineClient, OpenError};

/// Why a text could not be spoken.
#[derive(Debug, thiserror::Error)]
pub enum SpeakError {
    /// There is no row of the synthesiser to be had.
    #[error("the voice is not available")]
    NoVoice(#[from] OpenError),
    /// The synthesiser gave up; its log says why.
    #[error("the voice gave up in the middle of the text")]
    GaveUp,
    /// The sound could not be written.
    #[error("cannot write the sound")]
    Sink(#[from] std::io::Error),
    /// There was nothing to say.
    #[error("there is no text to speak")]
    Nothing,
}

/// Speaks `text`, giving `sink` samples at `SampleRate::SPEECH` as they come.
///
/// # Errors
/// When there is nothing to say, the engine gives up, or the sink does.
pub async fn speak(
    engine: &EngineClient<Line, Speech>,
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
    let mut lease = engine.open().await?;
    for line in lines {
        let line = Line {
            text: line.text,
            voice: voice.map(str::to_owned),
            speed,
        };
        let fed = lease.feed.send(line).await;
        fed.map_err(|_| SpeakError::GaveUp)?;
        loop {
            match lease.yields.recv().await.ok_or(SpeakError::GaveUp)? {
                Speech::Audio(frame) => sink(&frame.samples)?,
                Speech::Word { .. } => (),
                Speech::End => break,
            }
        }
    }
    Ok(())
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
        let said = speak(&engine, text, None, Some(0.5), &mut sink).await;
        said.unwrap();
        // The spaces between the lines are not spoken.
        assert_eq!(samples.len(), text.len() - 3);
        assert!(samples.iter().all(|sample| *sample == 0.5));
    }

    #[tokio::test]
    async fn nothing_to_say_an_engine_that_gives_up_and_a_full_disk_are_errors() {
        let engine = worker::spawn("letters", Letters::default()).unwrap();
        let nothing = speak(&engine, "  \n", None, Some(1.0), &mut |_| Ok(())).await;
        assert!(matches!(nothing, Err(SpeakError::Nothing)));
        let mut full = |_: &[f32]| Err(std::io::Error::other("no space"));
        let full = speak(&engine, "hello", None, Some(1.0), &mut full).await;
        assert!(matches!(full, Err(SpeakError::Sink(_))), "{full:?}");
        let choked = speak(&engine, "I choke.", None, Some(1.0), &mut |_| Ok(())).await;
        assert!(matches!(choked, Err(SpeakError::GaveUp)), "{choked:?}");
    }
}
