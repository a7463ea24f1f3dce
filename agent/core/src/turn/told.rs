//! What the caller's side is told. Carriers translate it; nothing else leaves a call but audio.
use std::time::Duration;

use super::{CommandId, ItemId, Message, Refusal, ToolCall, ToolRuns};
use crate::{
    engine::{HeardWord, ReplyEnd},
    epoch::Epoch,
};

/// What the caller's side is told. Carriers translate it; nothing else leaves a call but audio.
#[derive(Clone, Debug, PartialEq)]
pub enum CallEvent {
    /// The caller began to speak (told at once when the agent is silent, and with the decision
    /// to give way when it is not).
    SpeechStarted {
        /// The item the words will become.
        item: ItemId,
        /// Position in the caller's audio.
        at: Duration,
    },
    /// The caller stopped.
    SpeechStopped {
        /// As in `SpeechStarted`.
        item: ItemId,
        /// Position in the caller's audio.
        at: Duration,
    },
    /// The caller's words so far; replaces the previous partial of this item.
    Partial {
        /// The item they will become.
        item: ItemId,
        /// All words of the item so far.
        text: String,
    },
    /// The caller's turn ended; its text follows in `UserSaid`.
    Committed {
        /// The item.
        item: ItemId,
        /// The item before it.
        previous: Option<ItemId>,
    },
    /// The final words of a committed item.
    UserSaid {
        /// The item.
        item: ItemId,
        /// Its words.
        text: String,
        /// Length of the caller's audio in it.
        audio: Duration,
        /// The words one by one, times counted in the caller's audio, as far as the recogniser
        /// knows them.
        words: Vec<HeardWord>,
    },
    /// There were no words in it: nothing came of the item.
    Discarded {
        /// The item announced by `SpeechStarted`.
        item: ItemId,
    },
    /// An item was added by command.
    ItemAdded {
        /// The item.
        item: ItemId,
        /// The item before it.
        previous: Option<ItemId>,
        /// What it says.
        message: Message,
    },
    /// An item was removed by command.
    ItemDeleted {
        /// The item.
        item: ItemId,
    },
    /// What the agent remembers of an item was cut by command or interruption.
    ItemTruncated {
        /// The item.
        item: ItemId,
        /// How much of its audio was heard.
        audio_end: Duration,
    },
    /// The input buffer was cleared by command.
    InputCleared,
    /// A reply began.
    ReplyStarted {
        /// Its epoch.
        epoch: Epoch,
        /// The item it becomes.
        item: ItemId,
        /// The item before it.
        previous: Option<ItemId>,
        /// Whether it is spoken.
        spoken: bool,
        /// The `Command::Respond` it answers; `None` when nobody asked by command.
        asked: Option<CommandId>,
    },
    /// The agent wrote more.
    ReplyText {
        /// Which reply.
        epoch: Epoch,
        /// To be appended.
        text: String,
    },
    /// The model called a tool.
    ToolCalled {
        /// Which reply.
        epoch: Epoch,
        /// The item of the call.
        item: ItemId,
        /// The call.
        call: ToolCall,
        /// Who carries it out.
        runs: ToolRuns,
    },
    /// A tool that runs here answered.
    ToolReturned {
        /// Which reply.
        epoch: Epoch,
        /// The item of the answer.
        item: ItemId,
        /// `ToolCall::id`.
        call: String,
        /// What the model was told.
        output: String,
    },
    /// The reply's first audio was played.
    ReplyHeard {
        /// Which reply.
        epoch: Epoch,
    },
    /// The speaker is held: somebody made a sound over the agent.
    Held,
    /// It was nothing: the agent goes on.
    Resumed,
    /// The reply is over. Exactly one for every `ReplyStarted`.
    ReplyEnded {
        /// Which reply.
        epoch: Epoch,
        /// Its item.
        item: ItemId,
        /// How it ended.
        outcome: ReplyOutcome,
        /// All that was written.
        written: String,
        /// Bytes of `written` that were heard.
        heard: usize,
        /// How much audio was heard.
        audio: Duration,
        /// Token counts, summed over legs, where the model reports them.
        end: ReplyEnd,
    },
    /// Where the time went in the turn whose reply just began to sound.
    TurnTimed(TurnTimes),
    /// Hand the caller over.
    TransferRequested {
        /// To whom.
        target: String,
    },
    /// A command was refused.
    Refused {
        /// `TurnEvent::Command`'s id.
        id: CommandId,
        /// Why.
        refusal: Refusal,
    },
    /// The call is over.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// How a reply ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyOutcome {
    /// All was said.
    Completed,
    /// The model stopped at its token limit; what it wrote was said.
    CutShort,
    /// The caller spoke over it.
    Interrupted,
    /// The client cancelled it.
    Cancelled,
    /// A stage failed; the text may be shown.
    Failed(String),
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The caller left or was disconnected.
    CallerLeft,
    /// The agent hung up.
    AgentHungUp,
    /// The daemon is shutting down.
    Draining,
    /// A stage of the call broke.
    Failed,
    /// The client did not read what it was told.
    NotReading,
    /// The call reached its longest allowed length.
    TooLong,
}

/// Where the time of one turn went. Each is the time since the caller's speech ended; `None`
/// where the step did not happen (typed text has no speech).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnTimes {
    /// Which reply.
    pub epoch: Epoch,
    /// The recogniser's final words.
    pub final_words: Option<Duration>,
    /// The decision that the turn is over.
    pub decided: Option<Duration>,
    /// The model's first text.
    pub first_text: Option<Duration>,
    /// The first audio in the ring.
    pub first_audio: Option<Duration>,
    /// The first audio played.
    pub heard: Option<Duration>,
}
