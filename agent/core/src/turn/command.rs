//! What the caller's side may ask of a conversation, and why it may be refused.
use std::time::Duration;

use super::{ItemId, Message, ToolSpec, TurnPolicy};

/// Pairs a command with its refusal. Chosen by the carrier; zero when it does not care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CommandId(pub u64);

/// What the caller's side may ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Typed words: a user message and a reply to it, over whatever is being said.
    Say(String),
    /// Adds an item without asking for a reply.
    AddItem {
        /// Its name; `None` lets the conversation choose.
        id: Option<ItemId>,
        /// Where: at the end, first, or after another item.
        place: Place,
        /// What.
        message: Message,
    },
    /// Removes an item.
    DeleteItem(ItemId),
    /// Cuts what the agent remembers having said to the first `audio_end` of the item's audio.
    Truncate {
        /// An item the agent spoke.
        item: ItemId,
        /// How much of its audio was heard.
        audio_end: Duration,
    },
    /// Ends the caller's turn by hand.
    Commit,
    /// Forgets the caller's uncommitted audio.
    Clear,
    /// Asks for a reply now.
    Respond(ReplyOptions),
    /// Stops the reply being made.
    Cancel,
    /// Changes settings from now on.
    Configure(Settings),
    /// Ends the call.
    HangUp,
}

/// Where an item goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// After everything else.
    End,
    /// Before everything else.
    Start,
    /// After this item.
    After(ItemId),
}

/// Overrides for one reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplyOptions {
    /// The command that asked for it; filled in by the conversation.
    pub asked: Option<CommandId>,
    /// Instead of the session's instructions.
    pub instructions: Option<String>,
    /// Whether it is spoken; `None` is the session's setting.
    pub spoken: Option<bool>,
    /// Most tokens it may write.
    pub max_tokens: Option<u32>,
}

/// Settings of a call that its client may change. `None` keeps what is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// How turns are taken.
    pub policy: Option<TurnPolicy>,
    /// What the model is told it is.
    pub instructions: Option<String>,
    /// The client's tools, in place of those it gave before; the daemon's own stay.
    pub client_tools: Option<Vec<ToolSpec>>,
    /// Whether and what the model must call.
    pub tool_choice: Option<crate::engine::ToolChoice>,
    /// The voice's name.
    pub voice: Option<String>,
    /// Tempo of the voice.
    pub speed: Option<f32>,
    /// Whether replies are spoken or only written.
    pub spoken: Option<bool>,
    /// Most tokens a reply may have; `Some(None)` lifts the limit.
    pub max_tokens: Option<Option<u32>>,
    /// How the recogniser hears.
    pub hearing: Option<crate::engine::HearingOptions>,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A reply is already being made.
    ReplyActive,
    /// No reply is being made.
    NoReply,
    /// No audio to commit.
    NothingToCommit,
    /// No such item.
    NoSuchItem,
    /// The item exists already.
    DuplicateItem,
    /// The item was not spoken by the agent.
    NotSpoken,
}
