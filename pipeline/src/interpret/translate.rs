//! One request to a translator: a prompt in, its answer as facts, and always an end.
use std::time::Duration;

use tokio::{sync::mpsc, time::timeout};
use voiced_core::{
    engine::{Prompt, ReplyPiece},
    interpret::{InterpretEvent, TargetId},
};

use super::Fact;
use crate::lease::EngineClient;

/// A translation that takes longer is of no use to a listener.
const WITHIN: Duration = Duration::from_secs(12);

/// Asks, and tells what comes.
pub(super) async fn translate(
    translator: EngineClient<Prompt, ReplyPiece>,
    prompt: Prompt,
    target: TargetId,
    asked: u64,
    facts: mpsc::Sender<Fact>,
) {
    let tell = async |event| {
        let asked = Some(asked);
        facts.send(Fact { asked, event }).await.is_ok()
    };
    let answer = async {
        let lease = translator.open().await.map_err(|error| error.to_string())?;
        let gone = "the translator gave up";
        lease.feed.send(prompt).await.map_err(|_| gone.to_owned())?;
        let mut yields = lease.yields;
        loop {
            match yields.recv().await {
                Some(ReplyPiece::Text(text)) => {
                    if !tell(InterpretEvent::Translated { target, text }).await {
                        return Ok(());
                    }
                }
                // It was given no tools; a model that calls one anyway says nothing by it.
                Some(ReplyPiece::ToolCall(_) | ReplyPiece::ToolArguments { .. }) => {}
                Some(ReplyPiece::End(_)) => return Ok(()),
                None => return Err(gone.to_owned()),
            }
        }
    };
    let end = match timeout(WITHIN, answer).await {
        Ok(Ok(())) => InterpretEvent::TranslationEnded { target },
        Ok(Err(reason)) => InterpretEvent::TranslationFailed { target, reason },
        Err(_) => InterpretEvent::TranslationFailed {
            target,
            reason: format!(
                "the translator did not answer within {} s",
                WITHIN.as_secs()
            ),
        },
    };
    tell(end).await;
}
