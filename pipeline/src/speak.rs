//! Lines of a reply to frames in the playout ring, and which word lies where in them.
use tokio::sync::{mpsc, watch};
use voiced_core::{
    audio::SampleRate,
    engine::{Line, Speech},
    epoch::Epoch,
    playout::PlayoutWriter,
    turn::TurnEvent,
};

use crate::{
    lease::{EngineClient, Lease},
    ring::RingFiller,
    think::Spoken,
};

/// What `speak` is made of.
pub struct Speak {
    /// From `think`.
    pub lines: mpsc::Receiver<Spoken>,
    /// The synthesiser.
    pub voice: EngineClient<Line, Speech>,
    /// The epoch now.
    pub epochs: watch::Receiver<Epoch>,
    /// To the loudspeaker.
    pub ring: PlayoutWriter,
    /// To the session.
    pub facts: mpsc::Sender<TurnEvent>,
}

/// The session is gone.
struct Gone;

/// Runs until `think` or the session is gone.
pub async fn speak(parts: Speak) {
    let Speak {
        mut lines,
        voice,
        epochs,
        ring,
        facts,
    } = parts;
    let mut mouth = Mouth {
        voice,
        ring: RingFiller::new(ring),
        facts,
        reply: None,
    };
    while let Some(spoken) = lines.recv().await {
        let (Spoken::Line { epoch, .. } | Spoken::End(epoch)) = spoken;
        let mut stale = epochs.clone();
        let said = tokio::select! {
            biased;
            stale = stale.wait_for(|now| epoch < *now) => {
                // The lease drops here, which frees the row within one step.
                mouth.reply = None;
                stale.map(drop).map_err(|_| Gone)
            }
            said = mouth.say(spoken) => said,
        };
        if said.is_err() {
            return;
        }
    }
}

struct Mouth {
    voice: EngineClient<Line, Speech>,
    ring: RingFiller,
    facts: mpsc::Sender<TurnEvent>,
    reply: Option<Reply>,
}

/// The reply being said.
struct Reply {
    epoch: Epoch,
    /// A lease is a reply; `None` once the synthesiser gave up on it.
    lease: Option<Lease<Line, Speech>>,
    /// Samples put into the ring.
    n_samples: u64,
}

impl Mouth {
    async fn say(&mut self, spoken: Spoken) -> Result<(), Gone> {
        match spoken {
            Spoken::Line {
                epoch,
                line,
                start,
                end,
            } => self.say_line(epoch, line, start, end).await,
            Spoken::End(epoch) => {
                // Its lease ends with it.
                self.reply = None;
                self.ring.end(epoch).await;
                Ok(())
            }
        }
    }

    async fn say_line(
        &mut self,
        epoch: Epoch,
        line: Line,
        start: usize,
        end: usize,
    ) -> Result<(), Gone> {
        if self.reply.as_ref().is_none_or(|reply| reply.epoch != epoch) {
            let lease = match self.voice.open().await {
                Ok(lease) => Some(lease),
                Err(error) => {
                    self.fail(epoch, format!("no voice: {error}")).await?;
                    None
                }
            };
            self.reply = Some(Reply {
                epoch,
                lease,
                n_samples: 0,
            });
            self.ring.clear();
        }
        let Some(mut reply) = self.reply.take() else {
            return Ok(());
        };
        let Some(mut lease) = reply.lease.take() else {
            self.reply = Some(reply);
            return Ok(());
        };
        let began = reply.n_samples;
        let mut is_said = lease.feed.send(line).await.is_ok();
        while is_said {
            match lease.yields.recv().await {
                Some(Speech::Audio(frame)) => {
                    debug_assert_eq!(frame.rate, SampleRate::SPEECH, "voices resample");
                    let n_samples = self.ring.fill(epoch, &frame.samples).await;
                    self.told_of(&mut reply, n_samples).await?;
                }
                Some(Speech::Word { end: word, at }) => {
                    let samples = began + SampleRate::SPEECH.samples_in(at);
                    self.mark(epoch, samples, start + word).await?;
                }
                Some(Speech::End) => break,
                None => is_said = false,
            }
        }
        let n_samples = self.ring.flush(epoch).await;
        self.told_of(&mut reply, n_samples).await?;
        if is_said {
            self.mark(epoch, reply.n_samples, end).await?;
            reply.lease = Some(lease);
        } else {
            self.fail(epoch, "the voice gave up".to_owned()).await?;
        }
        self.reply = Some(reply);
        Ok(())
    }

    async fn told_of(&mut self, reply: &mut Reply, n_samples: u64) -> Result<(), Gone> {
        if reply.n_samples == 0 && n_samples > 0 {
            let epoch = reply.epoch;
            self.tell(TurnEvent::AudioReady { epoch }).await?;
        }
        reply.n_samples += n_samples;
        Ok(())
    }

    async fn mark(&mut self, epoch: Epoch, samples: u64, text_end: usize) -> Result<(), Gone> {
        self.tell(TurnEvent::Voiced {
            epoch,
            samples,
            text_end,
        })
        .await
    }

    async fn fail(&mut self, epoch: Epoch, reason: String) -> Result<(), Gone> {
        tracing::warn!(epoch = epoch.0, reason, "a reply failed");
        self.tell(TurnEvent::EngineFailed { epoch, reason }).await
    }

    async fn tell(&mut self, fact: TurnEvent) -> Result<(), Gone> {
        self.facts.send(fact).await.map_err(|_| Gone)
    }
}
