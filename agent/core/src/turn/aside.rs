//! Replies outside the conversation: asked for by the client, told to it, and remembered by nobody.
use std::sync::Arc;

use super::{CommandId, ItemId, ReplyOutcome, ToolCall};
use crate::engine::{Prompt, ReplyEnd};

/// A reply to be made outside the conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct AsideOrder {
    /// The command that asked for it, by which it is known from now on.
    pub id: CommandId,
    /// What the model is asked.
    pub prompt: Prompt,
    /// Whether it is spoken; then its audio is told as `AsideEvent::Audio`.
    pub spoken: bool,
    /// The voice's name.
    pub voice: Option<String>,
    /// Tempo of the voice.
    pub speed: Option<f32>,
}

/// What happens to such a reply, in order: `Started`, any of the middle ones, `Ended`.
#[derive(Clone, Debug, PartialEq)]
pub enum AsideEvent {
    /// It began.
    Started {
        /// The item its message becomes.
        item: ItemId,
        /// Whether it is spoken.
        spoken: bool,
    },
    /// The model wrote more.
    Text(String),
    /// The model called a tool of the client.
    Called {
        /// The item of the call; the conversation fills it in.
        item: ItemId,
        /// The call.
        call: ToolCall,
    },
    /// More of its sound, at `SampleRate::SPEECH`.
    Audio(Arc<[f32]>),
    /// It is over.
    Ended {
        /// How.
        outcome: ReplyOutcome,
        /// At what cost.
        end: ReplyEnd,
    },
}
