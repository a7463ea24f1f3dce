//! Microphone to facts: voice activity and the recogniser's words.
//!
//! Invariant: a fact about speech is told before the recogniser is asked about it, so that its
//! answer never overtakes the question.
use std::time::Duration;

use tokio::{sync::mpsc, time::timeout};
use voiced_core::{
    activity::{ActivityChange, ActivityPolicy, SpeechActivity, level_dbfs},
    audio::{AudioFrame, SampleRate},
    engine::{Heard, Hearing, HearingOptions, VoiceActivityDetector},
    turn::{EndReason, TurnEvent, TurnMode},
};

use crate::{
    call::MicReceiver,
    lease::{Closed, Feed, Lease, Yields},
};

/// A microphone that sends nothing for this long while somebody speaks has paused: carriers with
/// discontinuous transmission, and clients that stop sending when a key is released.
const STARVED: Duration = Duration::from_millis(400);

/// What the session wants of `listen`.
#[derive(Clone, Debug)]
pub enum ListenOrder {
    /// Have the recogniser say what it has.
    Finish,
    /// Have it forget.
    Forget,
    /// How speech is cut from now on.
    SetMode(TurnMode),
    /// How the recogniser hears.
    Tune(HearingOptions),
}

/// What `listen` is made of.
pub struct Listen {
    /// The caller's audio.
    pub mic: MicReceiver,
    /// Voice activity.
    pub detector: Box<dyn VoiceActivityDetector>,
    /// How activity becomes speech.
    pub activity: ActivityPolicy,
    /// The recogniser.
    pub ear: Lease<Hearing, Heard>,
    /// From the session.
    pub orders: mpsc::Receiver<ListenOrder>,
    /// To the session.
    pub facts: mpsc::Sender<TurnEvent>,
}

/// Runs until the carrier or the recogniser is gone.
pub async fn listen(parts: Listen) {
    let Lease { feed, yields } = parts.ear;
    let feeder = Feeder {
        window: parts.detector.window(),
        detector: parts.detector,
        activity: SpeechActivity::new(parts.activity),
        ear: feed,
        facts: parts.facts.clone(),
        pending: Vec::new(),
        n_samples: 0,
        is_manual: false,
        manual_begun: false,
    };
    // Two loops, so that a full queue towards the model never stops us hearing from it.
    let reason = tokio::select! {
        _ = feeder.run(parts.mic, parts.orders) => EndReason::CallerLeft,
        () = hear(yields, &parts.facts) => EndReason::Failed,
    };
    // The session may be gone already.
    let _ = parts.facts.send(TurnEvent::CallEnded(reason)).await;
}

struct Feeder {
    detector: Box<dyn VoiceActivityDetector>,
    window: usize,
    activity: SpeechActivity,
    ear: Feed<Hearing>,
    facts: mpsc::Sender<TurnEvent>,
    /// Samples that do not fill a window yet.
    pending: Vec<f32>,
    /// The caller's audio so far.
    n_samples: u64,
    is_manual: bool,
    /// In manual mode: whether the recogniser knows that a turn has begun.
    manual_begun: bool,
}

impl Feeder {
    async fn run(
        mut self,
        mut mic: MicReceiver,
        mut orders: mpsc::Receiver<ListenOrder>,
    ) -> Result<(), Closed> {
        loop {
            tokio::select! {
                biased;
                // Orders first: they are about audio already heard.
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await?,
                    None => return Ok(()),
                },
                frame = timeout(STARVED, mic.recv()) => match frame {
                    Ok(Some(frame)) => self.take(frame).await?,
                    Ok(None) => return Ok(()),
                    Err(_) if self.activity.is_speaking() => self.stop(STARVED).await?,
                    Err(_) => (),
                },
            }
        }
    }

    async fn obey(&mut self, order: ListenOrder) -> Result<(), Closed> {
        match order {
            ListenOrder::Finish => {
                self.ear.send(Hearing::Finalize).await?;
                self.manual_begun = false;
                if self.activity.is_speaking() {
                    self.ear.send(Hearing::SpeechStarted).await?;
                }
            }
            ListenOrder::Forget => {
                self.ear.send(Hearing::Discard).await?;
                self.manual_begun = false;
                self.forget();
            }
            ListenOrder::Tune(options) => self.ear.send(Hearing::Tune(options)).await?,
            ListenOrder::SetMode(mode) => {
                self.is_manual = mode == TurnMode::Manual;
                self.manual_begun = false;
                self.forget();
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.activity.reset();
        self.detector.reset();
        self.pending.clear();
    }

    async fn take(&mut self, frame: AudioFrame) -> Result<(), Closed> {
        debug_assert_eq!(frame.rate, SampleRate::HEARING, "carriers resample");
        self.n_samples += frame.samples.len() as u64;
        if self.is_manual {
            if !std::mem::replace(&mut self.manual_begun, true) {
                self.ear.send(Hearing::SpeechStarted).await?;
            }
            return self.ear.send(Hearing::Audio(frame)).await;
        }
        self.pending.extend_from_slice(&frame.samples);
        self.ear.send(Hearing::Audio(frame)).await?;
        while self.pending.len() >= self.window {
            let window = &self.pending[..self.window];
            let probability = self.detector.push(window);
            let level = level_dbfs(window);
            let lasts = SampleRate::HEARING.duration_of(self.window as u64);
            self.pending.drain(..self.window);
            match self.activity.push(probability, lasts, level) {
                Some(ActivityChange::Started { onset_before }) => self.start(onset_before).await?,
                Some(ActivityChange::Stopped { silence }) => self.stop(silence).await?,
                None => (),
            }
        }
        Ok(())
    }

    /// Where in the caller's audio the window just looked at ends.
    fn position(&self) -> Duration {
        SampleRate::HEARING.duration_of(self.n_samples - self.pending.len() as u64)
    }

    async fn start(&mut self, onset_before: Duration) -> Result<(), Closed> {
        let at = self.position().saturating_sub(onset_before);
        self.tell(TurnEvent::SpeechStarted { at }).await?;
        self.ear.send(Hearing::SpeechStarted).await
    }

    async fn stop(&mut self, silence: Duration) -> Result<(), Closed> {
        self.activity.reset();
        let at = self.position();
        self.tell(TurnEvent::SpeechEnded { at, silence }).await?;
        self.ear.send(Hearing::Finalize).await
    }

    async fn tell(&mut self, fact: TurnEvent) -> Result<(), Closed> {
        self.facts.send(fact).await.map_err(|_| Closed)
    }
}

async fn hear(mut ear: Yields<Heard>, facts: &mpsc::Sender<TurnEvent>) {
    while let Some(heard) = ear.recv().await {
        let fact = match heard {
            Heard::Partial(text) => TurnEvent::Partial(text),
            Heard::Final(said) => TurnEvent::Final(said),
        };
        if facts.send(fact).await.is_err() {
            return;
        }
    }
}
