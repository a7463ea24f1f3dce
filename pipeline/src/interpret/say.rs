//! Lines of one target to frames in its ring, and where in them each line ends. A line that cannot
//! be said is told of and the next one is tried with a new lease.
use tokio::sync::mpsc;
use voiced_core::{
    audio::SampleRate,
    engine::{Line, Speech},
    epoch::Epoch,
    interpret::{InterpretEvent, TargetId},
    playout::PlayoutWriter,
};

use super::Fact;
use crate::{
    lease::{EngineClient, Lease},
    ring::RingFiller,
};

/// A line to be said.
pub(super) struct Order {
    /// What and how.
    pub line: Line,
    /// Where it begins in the target's whole text, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// What the stage is made of.
pub(super) struct Say {
    /// For whom.
    pub target: TargetId,
    /// From the session.
    pub orders: mpsc::Receiver<Order>,
    /// The synthesiser.
    pub voice: EngineClient<Line, Speech>,
    /// Its row, held while the target lasts: a listener who was let in keeps their voice.
    pub lease: Option<Lease<Line, Speech>>,
    /// To the listeners.
    pub ring: PlayoutWriter,
    /// To the session.
    pub facts: mpsc::Sender<Fact>,
}

/// There is one voice per ring and nothing is ever interrupted.
const EPOCH: Epoch = Epoch(0);

/// Runs until the session is gone.
pub(super) async fn say(mut parts: Say) {
    let mut ring = RingFiller::new(parts.ring);
    let mut n_samples = 0;
    while let Some(order) = parts.orders.recv().await {
        let mut lease = match parts.lease.take() {
            Some(lease) => lease,
            None => match parts.voice.open().await {
                Ok(lease) => lease,
                Err(error) => {
                    let reason = error.to_string();
                    if !fail(&parts.facts, parts.target, reason).await {
                        return;
                    }
                    continue;
                }
            },
        };
        let mut is_said = lease.feed.send(order.line).await.is_ok();
        while is_said {
            match lease.yields.recv().await {
                Some(Speech::Audio(frame)) => {
                    debug_assert_eq!(frame.rate, SampleRate::SPEECH, "voices resample");
                    n_samples += ring.fill(EPOCH, &frame.samples).await;
                    // What is in the ring counts as lag, also before the line is complete.
                    if !voiced(&parts.facts, parts.target, n_samples, order.start).await {
                        return;
                    }
                }
                Some(Speech::Word { .. }) => {}
                Some(Speech::End) => break,
                None => is_said = false,
            }
        }
        n_samples += ring.flush(EPOCH).await;
        let told = if is_said {
            parts.lease = Some(lease);
            voiced(&parts.facts, parts.target, n_samples, order.end).await
        } else {
            fail(
                &parts.facts,
                parts.target,
                "the voice gave up on a line".to_owned(),
            )
            .await
        };
        if !told {
            return;
        }
    }
}

async fn voiced(
    facts: &mpsc::Sender<Fact>,
    target: TargetId,
    samples: u64,
    text_end: usize,
) -> bool {
    let event = InterpretEvent::Voiced {
        target,
        samples,
        text_end,
    };
    facts.send(Fact { asked: None, event }).await.is_ok()
}

async fn fail(facts: &mpsc::Sender<Fact>, target: TargetId, reason: String) -> bool {
    let event = InterpretEvent::VoiceFailed { target, reason };
    facts.send(Fact { asked: None, event }).await.is_ok()
}
