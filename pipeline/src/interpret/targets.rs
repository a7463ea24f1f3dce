//! The languages of one speaker that are listened to, each with its translator and its voice.
use tokio::{sync::mpsc, task::AbortHandle};
use tracing::Instrument;
use voiced_core::{
    engine::{Prompt, ReplyPiece},
    epoch::epoch,
    interpret::TargetId,
    playout::{PlayoutControl, RING_FRAMES, playout},
};

use super::{
    Interpreting, Listening, TargetRefused, TargetRequest,
    say::{Order, Say, say},
};
use crate::lease::{EngineClient, OpenError};

/// Lines that wait for the voice: as many as the interpreter hands over at once, and one more.
const LINES: usize = 3;

/// The stages of one target.
pub(super) struct Target {
    pub translator: EngineClient<Prompt, ReplyPiece>,
    /// The voice, where it is spoken.
    pub mouth: Option<Mouth>,
    /// The request that counts, and the task that makes it.
    pub asking: Option<(u64, AbortHandle)>,
}

pub(super) struct Mouth {
    pub lines: mpsc::Sender<Order>,
    task: AbortHandle,
    pub playback: PlayoutControl,
    pub played: u64,
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.asking {
            task.abort();
        }
        if let Some(mouth) = &self.mouth {
            mouth.task.abort();
        }
    }
}

impl Interpreting {
    pub(super) async fn add(&mut self, request: TargetRequest) -> Result<Listening, TargetRefused> {
        let translator = self
            .translators
            .between(self.language.as_ref(), &request.language)
            .map_err(TargetRefused::NoTranslator)?;
        self.n_targets += 1;
        let target = TargetId(self.n_targets);
        let (mouth, ring) = if request.spoken {
            let lease = self.voice.open().await.map_err(|error| match error {
                OpenError::AtCapacity => TargetRefused::Full,
                OpenError::Closed => TargetRefused::NoVoice,
            })?;
            let (_, epochs) = epoch();
            let (writer, reader, playback) = playout(RING_FRAMES, epochs);
            let (lines, orders) = mpsc::channel(LINES);
            let task = self.stages.spawn(
                say(Say {
                    target,
                    orders,
                    voice: self.voice.clone(),
                    lease: Some(lease),
                    ring: writer,
                    facts: self.facts_tx.clone(),
                })
                .in_current_span(),
            );
            let mouth = Mouth {
                lines,
                task,
                playback,
                played: 0,
            };
            (Some(mouth), Some(reader))
        } else {
            (None, None)
        };
        let spoken = mouth.is_some();
        self.targets.insert(
            target,
            Target {
                translator,
                mouth,
                asking: None,
            },
        );
        self.interpreter.add_target(
            target,
            request.language,
            request.voice,
            request.speed,
            spoken,
        );
        Ok(Listening { target, ring })
    }

    pub(super) fn remove(&mut self, target: TargetId) {
        self.targets.remove(&target);
        self.interpreter.remove_target(target);
    }
}
