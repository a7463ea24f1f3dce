//! A recording into words: cut at its pauses, each stretch given to the recogniser as a call
//! would, faster than life.
use std::{fmt::Write as _, time::Duration};

use voiced_core::{
    activity::{ActivityChange, ActivityPolicy, SpeechActivity, level_dbfs},
    audio::{AudioFrame, SampleRate},
    engine::{EngineError, Heard, Hearing, Progress, SlotId, Transcriber, VoiceActivityDetector},
};

use crate::cli::TranscriptFormat;

/// A pause that ends an utterance. Longer than in a call: nobody waits for an answer, and the
/// recogniser does better with whole sentences.
const PAUSE: Duration = Duration::from_millis(500);
/// An utterance longer than this is cut all the same, so that words keep coming.
const UTTERANCE_AT_MOST: Duration = Duration::from_secs(20);
/// Silence after the recording, so that its last words end like the others.
const TAIL: Duration = Duration::from_millis(700);

/// A stretch of speech.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    /// Where it begins in the recording.
    pub from: Duration,
    /// Where it ends.
    pub to: Duration,
    /// What was said.
    pub words: String,
}

/// Hears a whole recording of mono samples at `SampleRate::HEARING`.
///
/// # Errors
/// When the recogniser fails.
pub fn transcribe(
    engine: &mut impl Transcriber,
    detector: &mut dyn VoiceActivityDetector,
    policy: ActivityPolicy,
    samples: &[f32],
) -> Result<Vec<Utterance>, EngineError> {
    let rate = SampleRate::HEARING;
    let window = detector.window();
    let window_time = rate.duration_of(window as u64);
    let mut activity = SpeechActivity::new(ActivityPolicy {
        silence_after: PAUSE,
        ..policy
    });
    let mut row = Row::open(engine);
    let mut utterances = Vec::new();
    let mut speaking_since = None;
    let tail = rate.samples_in(TAIL) as usize + window;
    let mut heard = 0_u64;
    let padded = samples
        .iter()
        .copied()
        .chain(std::iter::repeat_n(0.0, tail));
    let mut frame = Vec::with_capacity(window);
    for sample in padded {
        frame.push(sample);
        if frame.len() < window {
            continue;
        }
        heard += window as u64;
        let now = rate.duration_of(heard);
        let probability = detector.push(&frame);
        let change = activity.push(probability, window_time, level_dbfs(&frame));
        row.feed(Hearing::Audio(AudioFrame::new(rate, frame.as_slice())))?;
        frame.clear();
        if let Some(ActivityChange::Started { onset_before }) = change {
            speaking_since = Some(now.saturating_sub(onset_before));
            row.feed(Hearing::SpeechStarted)?;
        }
        let Some(from) = speaking_since else { continue };
        let to = match change {
            Some(ActivityChange::Stopped { silence }) => now.saturating_sub(silence),
            _ if now.saturating_sub(from) >= UTTERANCE_AT_MOST => now,
            _ => continue,
        };
        let words = row.finish()?;
        if !words.is_empty() {
            utterances.push(Utterance { from, to, words });
        }
        // Cut for its length, speech goes on where it was cut.
        speaking_since = activity.is_speaking().then_some(to);
        if speaking_since.is_some() {
            row.feed(Hearing::SpeechStarted)?;
        }
    }
    if let Some(from) = speaking_since {
        let words = row.finish()?;
        let to = rate.duration_of(samples.len() as u64);
        if !words.is_empty() {
            utterances.push(Utterance { from, to, words });
        }
    }
    Ok(utterances)
}

/// The one row of an engine that is stepped by hand.
struct Row<'a, E: Transcriber> {
    engine: &'a mut E,
    ready: Vec<bool>,
    finals: Vec<String>,
}

impl<'a, E: Transcriber> Row<'a, E> {
    fn open(engine: &'a mut E) -> Self {
        engine.open(SlotId(0));
        let mut ready = vec![false; engine.slots()];
        ready[0] = true;
        Self {
            engine,
            ready,
            finals: Vec::new(),
        }
    }

    fn feed(&mut self, hearing: Hearing) -> Result<(), EngineError> {
        self.engine.feed(SlotId(0), hearing)?;
        let finals = &mut self.finals;
        let mut keep = |_, heard| {
            if let Heard::Final(words) = heard {
                finals.push(words);
            }
        };
        while self.engine.step(&self.ready, &mut keep)? == Progress::Stepped {}
        Ok(())
    }

    fn finish(&mut self) -> Result<String, EngineError> {
        self.feed(Hearing::Finalize)?;
        let words: Vec<_> = self.finals.drain(..).collect();
        Ok(words.join(" ").trim().to_owned())
    }
}

impl<E: Transcriber> Drop for Row<'_, E> {
    fn drop(&mut self) {
        self.engine.close(SlotId(0));
    }
}

/// The transcript in the form asked for.
pub fn format(utterances: &[Utterance], format: TranscriptFormat) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match format {
        TranscriptFormat::Text => utterances
            .iter()
            .try_for_each(|utterance| writeln!(text, "{}", utterance.words)),
        TranscriptFormat::Json => {
            let utterances: Vec<_> = utterances
                .iter()
                .map(|utterance| {
                    serde_json::json!({
                        "from": seconds(utterance.from),
                        "to": seconds(utterance.to),
                        "text": utterance.words,
                    })
                })
                .collect();
            writeln!(text, "{}", serde_json::Value::Array(utterances))
        }
        TranscriptFormat::Srt => utterances.iter().enumerate().try_for_each(|(i, u)| {
            let (from, to) = (clock(u.from, ','), clock(u.to, ','));
            writeln!(text, "{}\n{from} --> {to}\n{}\n", i + 1, u.words)
        }),
        TranscriptFormat::Vtt => {
            text.push_str("WEBVTT\n\n");
            utterances.iter().try_for_each(|u| {
                let (from, to) = (clock(u.from, '.'), clock(u.to, '.'));
                writeln!(text, "{from} --> {to}\n{}\n", u.words)
            })
        }
    };
    text
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1_000.0
}

fn clock(time: Duration, point: char) -> String {
    let (s, ms) = (time.as_secs(), time.subsec_millis());
    format!(
        "{:02}:{:02}:{:02}{point}{ms:03}",
        s / 3_600,
        s / 60 % 60,
        s % 60
    )
}

#[cfg(test)]
mod tests {
    use voiced_core::engine::{Engine, SpeechProbability};

    use super::*;

    /// Loud is speech.
    struct Loud;

    impl VoiceActivityDetector for Loud {
        fn window(&self) -> usize {
            160
        }
        fn push(&mut self, samples: &[f32]) -> SpeechProbability {
            SpeechProbability(if samples[0].abs() > 0.01 { 1.0 } else { 0.0 })
        }
        fn reset(&mut self) {}
    }

    /// Says how much speech it was given since it last said so.
    #[derive(Default)]
    struct Counting {
        loud: usize,
        finals: usize,
    }

    impl Engine for Counting {
        type Input = Hearing;
        type Output = Heard;
        fn slots(&self) -> usize {
            2
        }
        fn open(&mut self, _: SlotId) {}
        fn feed(&mut self, slot: SlotId, input: Hearing) -> Result<(), EngineError> {
            assert_eq!(slot, SlotId(0));
            match input {
                Hearing::Audio(frame) if frame.samples[0].abs() > 0.01 => self.loud += 1,
                Hearing::Finalize => self.finals += 1,
                _ => (),
            }
            Ok(())
        }
        fn close(&mut self, _: SlotId) {}
        fn step(
            &mut self,
            ready: &[bool],
            emit: &mut dyn FnMut(SlotId, Heard),
        ) -> Result<Progress, EngineError> {
            assert_eq!(ready, [true, false]);
            if self.finals == 0 {
                return Ok(Progress::Idle);
            }
            self.finals -= 1;
            emit(
                SlotId(0),
                Heard::Final(std::mem::take(&mut self.loud).to_string()),
            );
            Ok(Progress::Stepped)
        }
    }

    fn utterances(stretches: &[(f32, u64)]) -> Vec<(u64, u64, String)> {
        let mut samples = Vec::new();
        for (level, ms) in stretches {
            samples.extend(std::iter::repeat_n(*level, (*ms * 16) as usize));
        }
        let policy = ActivityPolicy::default();
        let heard = transcribe(&mut Counting::default(), &mut Loud, policy, &samples);
        let heard = heard.expect("this engine does not fail");
        let ms = |time: Duration| u64::try_from(time.as_millis()).expect("short");
        heard
            .into_iter()
            .map(|u| (ms(u.from), ms(u.to), u.words))
            .collect()
    }

    #[test]
    fn pauses_cut_and_breaths_do_not() {
        let heard = utterances(&[
            (0.0, 1_000),
            (0.5, 400),
            (0.0, 300),
            (0.5, 400),
            (0.0, 900),
            (0.5, 100),
        ]);
        assert_eq!(
            heard,
            [
                (1_000, 2_100, "80".to_owned()),
                (3_000, 3_100, "10".to_owned())
            ]
        );
    }

    #[test]
    fn endless_speech_is_cut_without_losing_any() {
        let heard = utterances(&[(0.5, 50_000)]);
        let words: usize = heard
            .iter()
            .map(|(_, _, words)| words.parse::<usize>().unwrap_or(0))
            .sum();
        assert_eq!(words, 5_000);
        assert_eq!(heard.len(), 3);
        assert_eq!(heard[1].0, heard[0].1, "no gap between the stretches");
    }

    #[test]
    fn silence_says_nothing() {
        assert!(utterances(&[(0.0, 3_000)]).is_empty());
        assert!(utterances(&[]).is_empty());
    }

    #[test]
    fn every_form_is_what_its_readers_expect() {
        let said = [Utterance {
            from: Duration::from_millis(1_500),
            to: Duration::from_millis(3_661_007),
            words: "it said \"hello\"".to_owned(),
        }];
        assert_eq!(format(&said, TranscriptFormat::Text), "it said \"hello\"\n");
        assert_eq!(
            format(&said, TranscriptFormat::Json),
            "[{\"from\":1.5,\"text\":\"it said \\\"hello\\\"\",\"to\":3661.007}]\n"
        );
        assert_eq!(
            format(&said, TranscriptFormat::Srt),
            "1\n00:00:01,500 --> 01:01:01,007\nit said \"hello\"\n\n"
        );
        assert_eq!(
            format(&said, TranscriptFormat::Vtt),
            "WEBVTT\n\n00:00:01.500 --> 01:01:01.007\nit said \"hello\"\n\n"
        );
    }
}
