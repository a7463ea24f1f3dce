//! The embedded responder: answers by the rules of a script, at once, without a model. It is what a
//! new user talks to first, through a modest recogniser, so its ear is forgiving; what it does not
//! understand it says so.
mod answer;
mod choice;
mod dialogue;
mod matching;
mod pattern;
mod schema;
mod script;
mod slots;
mod words;

use std::{sync::Arc, time::Duration};

use voiced_core::engine::{Prompt, ReplyPiece};
use voiced_pipeline::{lease::EngineClient, remote::serve_by_tasks};

pub use dialogue::{Answer, answer};
pub use script::Script;

use crate::fixed::write;

/// Serves a script to at most `rows` replies at once. Must be called inside a tokio runtime.
pub fn serve(script: Arc<Script>, rows: usize) -> EngineClient<Prompt, ReplyPiece> {
    serve_by_tasks(rows, move |mut row| {
        let script = script.clone();
        async move {
            let Some(prompt) = row.inputs.recv().await else {
                return;
            };
            let answer = answer(&script, &prompt);
            tracing::debug!(rule = answer.rule.as_deref(), "the script answered");
            write(&row, &prompt, &answer.text, answer.call, Duration::ZERO).await;
        }
    })
}

#[cfg(test)]
mod tests;
