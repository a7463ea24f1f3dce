//! What the caller's side may ask of a conversation, and why it may be refused.
use std::time::Duration;

use super::{ItemId, Message, ToolServer, ToolSpec, TurnPolicy};
use crate::engine::{Effort, ToolChoice};

/// Pairs a command with its refusal. Chosen by the carrier; zero when it does not care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CommandId(pub u64);

/// What the caller's side may ask for.
#[expect(
    clippy::large_enum_variant,
    reason = "commands are few; 64 of them wait at most"
)]
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
    /// Stops a reply outside the conversation.
    CancelAside(CommandId),
    /// Allows or forbids a call of a tool server that the client was asked about.
    Approve {
        /// The name of the answer's own item; `None` lets the conversation choose.
        id: Option<ItemId>,
        /// The item that asked.
        request: ItemId,
        /// Whether the call may be made.
        approve: bool,
        /// Why not, for the model.
        reason: Option<String>,
    },
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
    /// Most tokens it may write; `Some(None)` lifts the session's limit.
    pub max_tokens: Option<Option<u32>>,
    /// The client's tools for this reply; the daemon's own stay.
    pub tools: Option<Vec<ToolSpec>>,
    /// Whether and what the model must call.
    pub tool_choice: Option<ToolChoice>,
    /// The voice's name.
    pub voice: Option<String>,
    /// What the model is given in place of the conversation.
    pub input: Option<Vec<Input>>,
    /// Outside the conversation: it is told to the client and remembered by nobody, and goes on
    /// beside whatever else is being said.
    pub aside: bool,
}

/// One piece of a reply's own context.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// This.
    Message(Message),
    /// What this item of the conversation says.
    Item(ItemId),
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
    pub tool_choice: Option<ToolChoice>,
    /// The client's tool servers, in place of those it named before.
    pub tool_servers: Option<Vec<ToolServer>>,
    /// Whether the model may call several tools at once; `Some(None)` leaves it to the model.
    pub parallel_calls: Option<Option<bool>>,
    /// How hard the model thinks; `Some(None)` leaves it to the model.
    pub effort: Option<Option<Effort>>,
    /// What becomes of a conversation that outgrows the model.
    pub truncation: Option<Truncation>,
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

impl Settings {
    /// These where they say something, `earlier` elsewhere.
    pub fn over(self, earlier: Settings) -> Settings {
        Settings {
            policy: self.policy.or(earlier.policy),
            instructions: self.instructions.or(earlier.instructions),
            client_tools: self.client_tools.or(earlier.client_tools),
            tool_choice: self.tool_choice.or(earlier.tool_choice),
            tool_servers: self.tool_servers.or(earlier.tool_servers),
            parallel_calls: self.parallel_calls.or(earlier.parallel_calls),
            effort: self.effort.or(earlier.effort),
            truncation: self.truncation.or(earlier.truncation),
            voice: self.voice.or(earlier.voice),
            speed: self.speed.or(earlier.speed),
            spoken: self.spoken.or(earlier.spoken),
            max_tokens: self.max_tokens.or(earlier.max_tokens),
            hearing: self.hearing.or(earlier.hearing),
        }
    }
}

/// What becomes of a conversation that outgrows what the model is given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Truncation {
    /// The oldest items are left out.
    #[default]
    Auto,
    /// The reply fails.
    Disabled,
    /// So many of the oldest items are left out at once that a part of the room is free again.
    Ratio {
        /// How much of the room is kept, 0 to 1.
        keep: f32,
        /// The room, in characters; `None` is the daemon's own.
        chars: Option<usize>,
    },
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
    /// An item of a reply's own context does not exist.
    NoSuchInput(usize),
    /// Nobody asked for that approval, or it was given.
    NoSuchRequest,
    /// Too many replies are being made outside the conversation.
    TooManyAsides,
}
