//! A reply outside the conversation: asked of the chat model, spoken if wanted, told piece by piece.
//!
//! Guarantees: exactly one `Ended`, unless it is dropped; sound is told at most twice as fast as it
//! lasts, so that a client that reads at all keeps up.
use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use voiced_core::{
    engine::{Line, Prompt, ReplyEnd, ReplyPiece, Speech},
    sentences::Sentences,
    turn::{AsideEvent, AsideOrder, CommandId, ItemId, ReplyOutcome, TurnEvent},
};

use crate::{
    lease::{EngineClient, Lease},
    think::ask,
};

/// What such a reply is made of.
pub struct Aside {
    /// What to make.
    pub order: AsideOrder,
    /// The chat model.
    pub mind: EngineClient<Prompt, ReplyPiece>,
    /// The synthesiser.
    pub voice: EngineClient<Line, Speech>,
    /// To the session.
    pub facts: mpsc::Sender<TurnEvent>,
}

/// Why it ended before its end.
enum Stopped {
    /// The session is gone.
    Gone,
    /// An engine failed.
    Failed(String),
}

/// Makes the reply.
pub async fn aside(parts: Aside) {
    let Aside {
        order,
        mind,
        voice,
        facts,
    } = parts;
    let teller = Teller {
        id: order.id,
        facts,
    };
    let (outcome, end) = match make(order, &mind, voice, &teller).await {
        Ok(end) if end.cut_short => (ReplyOutcome::CutShort, end),
        Ok(end) => (ReplyOutcome::Completed, end),
        Err(Stopped::Gone) => return,
        Err(Stopped::Failed(reason)) => {
            tracing::warn!(reason, "a reply outside the conversation failed");
            (ReplyOutcome::Failed(reason), ReplyEnd::default())
        }
    };
    // The session may be gone by now; then nobody wants to know.
    let _ = teller.tell(AsideEvent::Ended { outcome, end }).await;
}

async fn make(
    order: AsideOrder,
    mind: &EngineClient<Prompt, ReplyPiece>,
    voice: EngineClient<Line, Speech>,
    teller: &Teller,
) -> Result<ReplyEnd, Stopped> {
    let mut lease = ask(mind, order.prompt).await.map_err(Stopped::Failed)?;
    let mut mouth = Mouth {
        voice: order.spoken.then_some(voice),
        lease: None,
        manner: Line {
            voice: order.voice,
            speed: order.speed,
            ..Line::default()
        },
    };
    let mut sentences = Sentences::new(0);
    loop {
        match lease.yields.recv().await {
            Some(ReplyPiece::Text(text)) => {
                let lines = sentences.push(&text);
                teller.tell(AsideEvent::Text(text)).await?;
                for line in lines {
                    mouth.say(line.text, teller).await?;
                }
            }
            // Whole calls are told; there is no item yet that parts could belong to.
            Some(ReplyPiece::ToolArguments { .. }) => {}
            Some(ReplyPiece::ToolCall(call)) => {
                let item = ItemId::from("");
                teller.tell(AsideEvent::Called { item, call }).await?;
            }
            Some(ReplyPiece::End(end)) => {
                if let Some(line) = sentences.finish() {
                    mouth.say(line.text, teller).await?;
                }
                return Ok(end);
            }
            None => return Err(Stopped::Failed("the chat model gave up".into())),
        }
    }
}

struct Teller {
    id: CommandId,
    facts: mpsc::Sender<TurnEvent>,
}

impl Teller {
    async fn tell(&self, event: AsideEvent) -> Result<(), Stopped> {
        let fact = TurnEvent::Aside { id: self.id, event };
        self.facts.send(fact).await.map_err(|_| Stopped::Gone)
    }
}

/// Speaks the lines, if any are spoken.
struct Mouth {
    voice: Option<EngineClient<Line, Speech>>,
    lease: Option<Lease<Line, Speech>>,
    /// How lines are said; the text is filled in.
    manner: Line,
}

impl Mouth {
    async fn say(&mut self, text: String, teller: &Teller) -> Result<(), Stopped> {
        let Some(voice) = &self.voice else {
            return Ok(());
        };
        let failed = |reason: &str| Stopped::Failed(reason.to_owned());
        let lease = match &mut self.lease {
            Some(lease) => lease,
            none => {
                let lease = voice.open().await;
                let lease = lease.map_err(|error| failed(&format!("no voice: {error}")))?;
                none.insert(lease)
            }
        };
        let line = Line {
            text,
            ..self.manner.clone()
        };
        if lease.feed.send(line).await.is_err() {
            return Err(failed("the voice gave up"));
        }
        loop {
            match lease.yields.recv().await {
                Some(Speech::Audio(frame)) => {
                    let lasts: Duration = frame.duration();
                    let samples: Arc<[f32]> = frame.samples.into();
                    teller.tell(AsideEvent::Audio(samples)).await?;
                    sleep(lasts / 2).await;
                }
                Some(Speech::Word { .. }) => {}
                Some(Speech::End) => return Ok(()),
                None => return Err(failed("the voice gave up")),
            }
        }
    }
}
