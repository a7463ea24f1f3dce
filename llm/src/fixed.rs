//! Chat models that need no thinking, for tests and measurements: one says a fixed text, one says
//! back what it was told. They answer at once, or at a steady pace.
use std::time::Duration;

use voiced_core::{
    engine::{Prompt, ReplyEnd, ReplyPiece},
    turn::Role,
};
use voiced_pipeline::{
    lease::{EngineClient, Row},
    remote::serve_by_tasks,
};

use crate::pieces::{first_words, joint, n_words, pieces};

/// What is said to every prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saying {
    /// These words.
    Fixed(String),
    /// The caller's last words.
    Echo,
}

/// A chat model without thought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedModel {
    /// What it says.
    pub saying: Saying,
    /// How long it takes for each piece of about six words. Zero answers at once.
    pub pace: Duration,
}

impl FixedModel {
    /// Says `text` at once, whatever it is told.
    pub fn saying(text: impl Into<String>) -> Self {
        Self {
            saying: Saying::Fixed(text.into()),
            pace: Duration::ZERO,
        }
    }

    /// Says `n` words at once, a sentence of ten words each.
    pub fn words(n: usize) -> Self {
        const TEN: [&str; 10] = [
            "This",
            "is",
            "a",
            "sentence",
            "of",
            "exactly",
            "ten",
            "words",
            "for",
            "measuring.",
        ];
        let words: Vec<&str> = TEN.iter().copied().cycle().take(n).collect();
        Self::saying(words.join(" "))
    }

    /// Says back what it is told, at once.
    pub fn echo() -> Self {
        Self {
            saying: Saying::Echo,
            pace: Duration::ZERO,
        }
    }

    /// The same, taking `pace` for each piece.
    pub fn paced(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }

    /// Serves it to at most `rows` replies at once. Must be called inside a tokio runtime.
    pub fn serve(self, rows: usize) -> EngineClient<Prompt, ReplyPiece> {
        serve_by_tasks(rows, move |row| {
            let model = self.clone();
            async move { model.reply(row).await }
        })
    }

    async fn reply(self, mut row: Row<Prompt, ReplyPiece>) {
        let Some(prompt) = row.inputs.recv().await else {
            return;
        };
        let text = match self.saying {
            Saying::Fixed(text) => text,
            Saying::Echo => last_words(&prompt),
        };
        write(&row, &prompt, &text, None, self.pace).await;
    }
}

fn last_words(prompt: &Prompt) -> String {
    let said = prompt.messages.iter().rev().find(|m| m.role == Role::User);
    said.map_or_else(String::new, |message| message.text.clone())
}

/// Writes a finished reply to a row: its text in pieces within the prompt's limit, its call, its
/// end. One token is one word here. Returns early when the lease is gone.
pub(crate) async fn write(
    row: &Row<Prompt, ReplyPiece>,
    prompt: &Prompt,
    text: &str,
    call: Option<voiced_core::turn::ToolCall>,
    pace: Duration,
) {
    let most = prompt.max_tokens.map_or(usize::MAX, |most| most as usize);
    let (text, cut_short) = first_words(text, most);
    let joined;
    let text = match joint(prompt) {
        blank @ " " if !text.is_empty() => {
            joined = format!("{blank}{text}");
            joined.as_str()
        }
        _ => text,
    };
    let send = async |piece: ReplyPiece| {
        if !pace.is_zero() {
            tokio::select! {
                () = row.outputs.closed() => return false,
                () = tokio::time::sleep(pace) => {}
            }
        }
        row.outputs.send(piece).await.is_ok()
    };
    for piece in pieces(text) {
        if !send(ReplyPiece::Text(piece.to_owned())).await {
            return;
        }
    }
    if let Some(call) = call.filter(|_| !cut_short)
        && !send(ReplyPiece::ToolCall(call)).await
    {
        return;
    }
    let read: usize = prompt.messages.iter().map(|m| n_words(&m.text)).sum();
    let end = ReplyEnd {
        cut_short,
        input_tokens: u32::try_from(read).ok(),
        output_tokens: u32::try_from(n_words(text)).ok(),
    };
    // A lease that is gone wants no end either.
    let _ = row.outputs.send(ReplyPiece::End(end)).await;
}
