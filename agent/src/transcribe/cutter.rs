//! Where a recording pauses.
use std::time::Duration;

use tokio::sync::mpsc;
use voiced_core::{
    activity::{ActivityChange, ActivityPolicy, SpeechActivity, level_dbfs},
    audio::{AudioFrame, SampleRate},
    engine::{Hearing, VoiceActivityDetector},
};
use voiced_pipeline::lease::{Closed, Feed};

use super::{Sound, TranscribeError};

/// A pause that ends an utterance. Longer than in a call: nobody waits for an answer, and the
/// recogniser does better with whole sentences.
const PAUSE: Duration = Duration::from_millis(500);
/// An utterance longer than this is cut all the same, so that words keep coming.
const UTTERANCE_AT_MOST: Duration = Duration::from_secs(20);
/// Silence after the recording, so that its last words end like the others.
const TAIL: Duration = Duration::from_millis(700);

/// From and to in the recording.
pub(super) type Span = (Duration, Duration);

/// Cuts a recording at its pauses and feeds it to the recogniser.
pub(super) struct Cutter {
    feed: Feed<Hearing>,
    activity: SpeechActivity,
    /// Stretches the recogniser was asked to finish, in order.
    spans: mpsc::Sender<Span>,
    /// How far the recording was heard.
    heard: mpsc::Sender<Duration>,
    finished: usize,
    speaking_since: Option<Duration>,
    now: Duration,
    /// Samples that do not fill a window yet.
    pending: Vec<f32>,
    told: Duration,
}

impl Cutter {
    pub fn new(
        feed: Feed<Hearing>,
        policy: ActivityPolicy,
        spans: mpsc::Sender<Span>,
        heard: mpsc::Sender<Duration>,
    ) -> Cutter {
        Cutter {
            feed,
            activity: SpeechActivity::new(ActivityPolicy {
                silence_after: PAUSE,
                ..policy
            }),
            spans,
            heard,
            finished: 0,
            speaking_since: None,
            now: Duration::ZERO,
            pending: Vec::new(),
            told: Duration::ZERO,
        }
    }

    /// How many stretches there were, and the feed, which must outlive their words.
    pub async fn cut(
        mut self,
        detector: &mut dyn VoiceActivityDetector,
        mut sound: Sound,
    ) -> Result<(usize, Feed<Hearing>), TranscribeError> {
        let rate = SampleRate::HEARING;
        let mut samples = 0;
        while let Some(stretch) = sound.recv().await {
            let stretch = stretch?;
            samples += stretch.len() as u64;
            self.hear(detector, &stretch).await?;
        }
        let tail = rate.samples_in(TAIL) as usize + detector.window();
        self.hear(detector, &vec![0.0; tail]).await?;
        if let Some(from) = self.speaking_since {
            self.finish(from, rate.duration_of(samples)).await?;
        }
        Ok((self.finished, self.feed))
    }

    async fn hear(
        &mut self,
        detector: &mut dyn VoiceActivityDetector,
        samples: &[f32],
    ) -> Result<(), Closed> {
        let rate = SampleRate::HEARING;
        let window = detector.window();
        self.pending.extend_from_slice(samples);
        let pending = std::mem::take(&mut self.pending);
        let mut windows = pending.chunks_exact(window);
        for frame in &mut windows {
            let probability = detector.push(frame);
            let lasts = rate.duration_of(window as u64);
            let level = level_dbfs(frame);
            self.now += lasts;
            let change = self.activity.push(probability, lasts, level);
            let audio = AudioFrame::new(rate, frame);
            self.feed.send(Hearing::Audio(audio)).await?;
            self.change(change).await?;
        }
        self.pending = windows.remainder().to_vec();
        if self.now.saturating_sub(self.told) >= Duration::from_secs(1) {
            self.told = self.now;
            // Whoever shows progress shows the next.
            let _ = self.heard.try_send(self.now);
        }
        Ok(())
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
        self.finished += 1;
        self.spans.send((from, to)).await.map_err(|_| Closed)?;
        self.feed.send(Hearing::Finalize).await
    }
}
