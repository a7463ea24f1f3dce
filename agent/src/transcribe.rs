//! A recording into words: cut at its pauses, each stretch given to the recogniser as a call
//! would, faster than life.
use std::{fmt::Write as _, time::Duration};

use voiced_core::{
    activity::{ActivityChange, ActivityPolicy, SpeechActivity, level_dbfs},
    audio::{AudioFrame, SampleRate},
    engine::{Heard, Hearing, VoiceActivityDetector},
};
use voiced_pipeline::lease::{Closed, EngineClient, Feed, OpenError};

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

/// Why a recording could not be heard.
#[derive(Debug, thiserror::Error)]
pub enum TranscribeError {
    /// There is no row of the recogniser to be had.
    #[error("the recogniser is not available")]
    NoEar(#[from] OpenError),
    /// The recogniser gave up; its log says why.
    #[error("the recogniser gave up in the middle of the recording")]
    GaveUp,
}

impl From<Closed> for TranscribeError {
    fn from(_: Closed) -> Self {
        TranscribeError::GaveUp
    }
}

/// Hears a whole recording of mono samples at `SampleRate::HEARING`.
///
/// # Errors
/// When the recogniser gives up.
pub async fn transcribe(
    engine: &EngineClient<Hearing, Heard>,
    detector: &mut dyn VoiceActivityDetector,
    policy: ActivityPolicy,
    samples: &[f32],
) -> Result<Vec<Utterance>, TranscribeError> {
    let lease = engine.open().await?;
    let mut yields = lease.yields;
    let cutter = Cutter {
        feed: lease.feed,
        activity: SpeechActivity::new(ActivityPolicy {
            silence_after: PAUSE,
            ..policy
        }),
        spans: Vec::new(),
        speaking_since: None,
        now: Duration::ZERO,
    };
    // Feeding and hearing side by side: both queues are short.
    let feeding = cutter.cut(detector, samples);
    tokio::pin!(feeding);
    let mut spans: Option<(Vec<Span>, Feed<Hearing>)> = None;
    let mut words = Vec::new();
    while spans
        .as_ref()
        .is_none_or(|(spans, _)| words.len() < spans.len())
    {
        tokio::select! {
            cut = &mut feeding, if spans.is_none() => spans = Some(cut?),
            heard = yields.recv() => match heard {
                Some(Heard::Final(text)) => words.push(text),
                Some(Heard::Partial(_)) => (),
                None => return Err(TranscribeError::GaveUp),
            },
        }
    }
    let (spans, _feed) = spans.expect("the loop ends only with them");
    let heard = spans.into_iter().zip(words);
    let heard = heard.map(|((from, to), words)| Utterance {
        from,
        to,
        words: words.trim().to_owned(),
    });
    Ok(heard.filter(|heard| !heard.words.is_empty()).collect())
}

/// From and to in the recording.
type Span = (Duration, Duration);

/// Cuts a recording at its pauses and feeds it to the recogniser.
struct Cutter {
    feed: Feed<Hearing>,
    activity: SpeechActivity,
    /// Stretches the recogniser was asked to finish, in order.
    spans: Vec<Span>,
    speaking_since: Option<Duration>,
    now: Duration,
}

impl Cutter {
    /// The stretches, and the feed, which must outlive their words.
    async fn cut(
        mut self,
        detector: &mut dyn VoiceActivityDetector,
        samples: &[f32],
    ) -> Result<(Vec<Span>, Feed<Hearing>), Closed> {
        let rate = SampleRate::HEARING;
        let window = detector.window();
        let tail = rate.samples_in(TAIL) as usize + window;
        let padded = samples
            .iter()
            .copied()
            .chain(std::iter::repeat_n(0.0, tail));
        let mut frame = Vec::with_capacity(window);
        for sample in padded {
            frame.push(sample);
            if frame.len() == window {
                let probability = detector.push(&frame);
                let window = rate.duration_of(window as u64);
                let level = level_dbfs(&frame);
                self.now += window;
                let change = self.activity.push(probability, window, level);
                let audio = AudioFrame::new(rate, frame.as_slice());
                self.feed.send(Hearing::Audio(audio)).await?;
                frame.clear();
                self.change(change).await?;
            }
        }
        if let Some(from) = self.speaking_since {
            self.finish(from, rate.duration_of(samples.len() as u64))
                .await?;
        }
        Ok((self.spans, self.feed))
    }

    async fn change(&mut self, change: Option<ActivityChange>) -> Result<(), Closed> {
        if let Some(ActivityChange::Started { onset_before }) = change {
            self.speaking_since = Some(self.now.saturating_sub(onset_before));
            self.feed.send(Hearing::SpeechStarted).await?;
        }
        let Some(from) = self.speaking_since else {
            return Ok(());
        };
        match change {
            Some(ActivityChange::Stopped { silence }) => {
                self.speaking_since = None;
                self.finish(from, self.now.saturating_sub(silence)).await
            }
            _ if self.now.saturating_sub(from) >= UTTERANCE_AT_MOST => {
                // Cut for its length, speech goes on where it was cut.
                self.finish(from, self.now).await?;
                self.speaking_since = Some(self.now);
                self.feed.send(Hearing::SpeechStarted).await
            }
            _ => Ok(()),
        }
    }

    async fn finish(&mut self, from: Duration, to: Duration) -> Result<(), Closed> {
        self.feed.send(Hearing::Finalize).await?;
        self.spans.push((from, to));
        Ok(())
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
    use voiced_core::engine::{Engine, EngineError, Progress, SlotId, SpeechProbability};
    use voiced_pipeline::worker;

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
            if self.finals == 0 || !ready[0] {
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

    async fn utterances(stretches: &[(f32, u64)]) -> Vec<(u64, u64, String)> {
        let mut samples = Vec::new();
        for (level, ms) in stretches {
            samples.extend(std::iter::repeat_n(*level, (*ms * 16) as usize));
        }
        let policy = ActivityPolicy::default();
        let engine = worker::spawn("counting", Counting::default()).expect("a thread");
        let heard = transcribe(&engine, &mut Loud, policy, &samples).await;
        let heard = heard.expect("this engine does not fail");
        let ms = |time: Duration| u64::try_from(time.as_millis()).expect("short");
        heard
            .into_iter()
            .map(|u| (ms(u.from), ms(u.to), u.words))
            .collect()
    }

    #[tokio::test]
    async fn pauses_cut_and_breaths_do_not() {
        let heard = utterances(&[
            (0.0, 1_000),
            (0.5, 400),
            (0.0, 300),
            (0.5, 400),
            (0.0, 900),
            (0.5, 100),
        ])
        .await;
        assert_eq!(
            heard,
            [
                (1_000, 2_100, "80".to_owned()),
                (3_000, 3_100, "10".to_owned())
            ]
        );
    }

    #[tokio::test]
    async fn endless_speech_is_cut_without_losing_any() {
        let heard = utterances(&[(0.5, 50_000)]).await;
        let words: usize = heard
            .iter()
            .map(|(_, _, words)| words.parse::<usize>().unwrap_or(0))
            .sum();
        assert_eq!(words, 5_000);
        assert_eq!(heard.len(), 3);
        assert_eq!(heard[1].0, heard[0].1, "no gap between the stretches");
    }

    #[tokio::test]
    async fn silence_says_nothing() {
        assert!(utterances(&[(0.0, 3_000)]).await.is_empty());
        assert!(utterances(&[]).await.is_empty());
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
