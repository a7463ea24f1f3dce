//! A recording into words: cut at its pauses, each stretch given to the recogniser as a call
//! would, faster than life.
use std::{collections::VecDeque, time::Duration};

use tokio::sync::mpsc;

use voiced_core::{
    activity::{ActivityChange, ActivityPolicy, SpeechActivity, level_dbfs},
    audio::{AudioFrame, SampleRate},
    engine::{Heard, Hearing, HearingOptions, Transcript, VoiceActivityDetector},
};
use voiced_pipeline::lease::{Closed, EngineClient, Feed, OpenError};
use voiced_transport::subtitles;

use crate::cli::TranscriptFormat;

/// A pause that ends an utterance. Longer than in a call: nobody waits for an answer, and the
/// recogniser does better with whole sentences.
const PAUSE: Duration = Duration::from_millis(500);
/// An utterance longer than this is cut all the same, so that words keep coming.
const UTTERANCE_AT_MOST: Duration = Duration::from_secs(20);
/// Silence after the recording, so that its last words end like the others.
const TAIL: Duration = Duration::from_millis(700);

pub use voiced_transport::rest::Utterance;

/// How many stretches wait to be told.
const UTTERANCES: usize = 64;

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
    let (told, mut telling) = mpsc::channel(UTTERANCES);
    let work = transcribe_into(engine, detector, policy, samples, None, told);
    let gather = async {
        let mut utterances = Vec::new();
        while let Some(utterance) = telling.recv().await {
            utterances.push(utterance);
        }
        utterances
    };
    let (done, utterances) = tokio::join!(work, gather);
    done.map(|()| utterances)
}

/// The same, each stretch told as soon as it is known. Nobody listening any more ends it.
///
/// # Errors
/// When the recogniser gives up.
pub async fn transcribe_into(
    engine: &EngineClient<Hearing, Heard>,
    detector: &mut dyn VoiceActivityDetector,
    policy: ActivityPolicy,
    samples: &[f32],
    language: Option<String>,
    told: mpsc::Sender<Utterance>,
) -> Result<(), TranscribeError> {
    let lease = engine.open().await?;
    let (mut yields, feed) = (lease.yields, lease.feed);
    if language.is_some() {
        let options = HearingOptions {
            language,
            ..HearingOptions::default()
        };
        feed.send(Hearing::Tune(options)).await?;
    }
    let (spans, mut cut) = mpsc::channel(UTTERANCES);
    let cutter = Cutter {
        feed,
        activity: SpeechActivity::new(ActivityPolicy {
            silence_after: PAUSE,
            ..policy
        }),
        spans,
        speaking_since: None,
        now: Duration::ZERO,
    };
    // Feeding and hearing side by side: both queues are short.
    let feeding = cutter.cut(detector, samples);
    tokio::pin!(feeding);
    let mut fed: Option<Feed<Hearing>> = None;
    // What was cut and what was heard, in the same order; either may come first.
    let mut waiting: VecDeque<Span> = VecDeque::new();
    let mut words: VecDeque<Transcript> = VecDeque::new();
    while fed.is_none() || !waiting.is_empty() {
        tokio::select! {
            biased;
            Some(span) = cut.recv() => waiting.push_back(span),
            heard = yields.recv() => match heard {
                Some(Heard::Final(heard)) => words.push_back(heard),
                Some(Heard::Partial(_)) => (),
                None => return Err(TranscribeError::GaveUp),
            },
            done = &mut feeding, if fed.is_none() => fed = Some(done?),
        }
        while let (Some((from, to)), Some(_)) = (waiting.front().copied(), words.front()) {
            waiting.pop_front();
            let heard = words.pop_front().expect("it is there");
            let utterance = utterance(from, to, heard);
            if !utterance.text.is_empty() && told.send(utterance).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn utterance(from: Duration, to: Duration, heard: Transcript) -> Utterance {
    Utterance {
        from,
        to,
        text: heard.text.trim().to_owned(),
        words: heard.words,
    }
}

/// From and to in the recording.
type Span = (Duration, Duration);

/// Cuts a recording at its pauses and feeds it to the recogniser.
struct Cutter {
    feed: Feed<Hearing>,
    activity: SpeechActivity,
    /// Towards whoever waits for the words of stretches the recogniser was asked to finish.
    spans: mpsc::Sender<Span>,
    speaking_since: Option<Duration>,
    now: Duration,
}

impl Cutter {
    /// The feed, which must outlive the words.
    async fn cut(
        mut self,
        detector: &mut dyn VoiceActivityDetector,
        samples: &[f32],
    ) -> Result<Feed<Hearing>, Closed> {
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
        Ok(self.feed)
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
        self.spans.send((from, to)).await.map_err(|_| Closed)
    }
}

/// The transcript in the form asked for.
pub fn format(utterances: &[Utterance], format: TranscriptFormat) -> String {
    let cues = utterances.iter().map(|u| (u.from, u.to, u.text.as_str()));
    match format {
        TranscriptFormat::Text => utterances.iter().map(|u| u.text.clone() + "\n").collect(),
        TranscriptFormat::Json => {
            let utterances = utterances.iter().map(|utterance| {
                serde_json::json!({
                    "from": seconds(utterance.from),
                    "to": seconds(utterance.to),
                    "text": utterance.text,
                })
            });
            format!("{}\n", serde_json::Value::Array(utterances.collect()))
        }
        TranscriptFormat::Srt => subtitles::srt(cues),
        TranscriptFormat::Vtt => subtitles::vtt(cues),
    }
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1_000.0
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
                Heard::Final(std::mem::take(&mut self.loud).to_string().into()),
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
            .map(|u| (ms(u.from), ms(u.to), u.text))
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
            text: "it said \"hello\"".to_owned(),
            words: Vec::new(),
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
