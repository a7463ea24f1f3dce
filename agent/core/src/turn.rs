//! The vocabulary of a conversation: facts in, orders out, and what the caller is told.
//! Facts are past tense, orders are imperative; both sets are closed.
use std::{fmt, sync::Arc, time::Duration};

use crate::{
    engine::{Prompt, ReplyEnd},
    epoch::Epoch,
};

/// Names one item of a conversation. Unique within the call; carriers show it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(pub Arc<str>);

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ItemId {
    fn from(id: &str) -> Self {
        ItemId(id.into())
    }
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// The caller.
    User,
    /// The agent.
    Assistant,
    /// The answer to a tool call.
    Tool,
}

/// One message as a chat model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// Its text; may be empty beside tool calls.
    pub text: String,
    /// Calls the agent made in this message.
    pub tool_calls: Vec<ToolCall>,
    /// For `Role::Tool`: the call this answers.
    pub answers: Option<String>,
}

impl Message {
    /// A message of text alone.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            text: text.into(),
            tool_calls: Vec::new(),
            answers: None,
        }
    }
}

/// Something the model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSpec {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON Schema of the arguments, as JSON text.
    pub parameters: String,
    /// Who carries the call out.
    pub runs: ToolRuns,
}

/// Who carries out a tool call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolRuns {
    /// This daemon; the reply goes on with the result.
    Here,
    /// The client; the reply ends with the call.
    AtClient,
}

/// A call the model made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Pairs the call with its result.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Arguments as JSON text.
    pub arguments: String,
}

/// What a tool did to the call itself, beside answering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolEffect {
    /// Nothing.
    #[default]
    None,
    /// End the call once the reply has been heard.
    HangUp,
    /// Hand the caller to somebody else once the reply has been heard.
    Transfer(String),
}

/// Facts, with the time they became known.
#[expect(
    clippy::large_enum_variant,
    reason = "facts are few; 64 of them wait at most"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum TurnEvent {
    /// Voice activity began. `at` counts the caller's audio.
    SpeechStarted {
        /// Position in the caller's audio, pre-roll included.
        at: Duration,
    },
    /// Voice activity ended, `silence` ago.
    SpeechEnded {
        /// Position in the caller's audio, silence included.
        at: Duration,
        /// How long it has been silent.
        silence: Duration,
    },
    /// The recogniser's hypothesis since its last final.
    Partial(String),
    /// The recogniser's final words since its last final; may be empty.
    Final(String),
    /// The turn detector's verdict on the pause.
    EndOfTurn(f32),
    /// The model wrote more.
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
        /// The call.
        call: ToolCall,
    },
    /// The model has written its last word (of this leg, when tools were called).
    ReplyEnded {
        /// Which reply.
        epoch: Epoch,
        /// Why and at what cost.
        end: ReplyEnd,
    },
    /// The first audio of a reply is in the ring.
    AudioReady {
        /// Which reply.
        epoch: Epoch,
    },
    /// When the ring has played `samples` of the reply, its text up to `text_end` has been said.
    Voiced {
        /// Which reply.
        epoch: Epoch,
        /// Samples of the reply at `SampleRate::SPEECH`.
        samples: u64,
        /// Bytes of the written reply.
        text_end: usize,
    },
    /// How far the loudspeaker is.
    Played {
        /// Which reply.
        epoch: Epoch,
        /// Samples of the reply heard so far, at `SampleRate::SPEECH`.
        samples: u64,
        /// Whether that was the last of it.
        last: bool,
    },
    /// A tool that runs here answered.
    ToolReturned {
        /// Which reply.
        epoch: Epoch,
        /// `ToolCall::id`.
        call: String,
        /// What the model is told.
        output: String,
        /// What else it did.
        effect: ToolEffect,
    },
    /// A stage could not do its part of a reply.
    EngineFailed {
        /// Which reply.
        epoch: Epoch,
        /// What the caller may know of it.
        reason: String,
    },
    /// The caller's side asks for something.
    Command {
        /// Echoed in a refusal.
        id: CommandId,
        /// What.
        command: Command,
    },
    /// The call is over for a reason outside the conversation: the caller left, the daemon drains.
    CallEnded(EndReason),
    /// A deadline the conversation asked for has passed.
    Tick,
}

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
}

/// How turns are taken. Every wait has an end, so that no call falls silent for good.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnPolicy {
    /// Who ends the caller's turn.
    pub mode: TurnMode,
    /// Whether the end of a turn starts a reply by itself.
    pub reply: bool,
    /// Whether words over a reply interrupt it.
    pub interrupt: bool,
    /// Speech shorter than this never interrupts, whatever the recogniser made of it.
    pub interrupt_after: Duration,
    /// Words fewer than this never interrupt.
    pub interrupt_words: usize,
    /// Words that are agreement, not interruption ("mm-hm"); lower case.
    pub backchannels: Vec<String>,
    /// A reply held for a sound without words goes on after this long.
    pub hold_at_most: Duration,
    /// How long after the end of speech the recogniser's final words are waited for.
    pub final_within: Duration,
    /// A single stretch of speech longer than this is taken as a turn.
    pub speech_at_most: Duration,
    /// A model that writes or sounds nothing for this long has failed.
    pub reply_within: Duration,
    /// When nobody says anything for this long after a reply, the agent asks.
    pub idle: Option<Duration>,
}

impl Default for TurnPolicy {
    fn default() -> Self {
        Self {
            mode: TurnMode::default(),
            reply: true,
            interrupt: true,
            interrupt_after: Duration::from_millis(200),
            interrupt_words: 1,
            backchannels: ["mm-hm", "mhm", "uh-huh", "mm", "hmm", "uh", "um"]
                .map(str::to_owned)
                .into(),
            hold_at_most: Duration::from_millis(2_000),
            final_within: Duration::from_millis(1_500),
            speech_at_most: Duration::from_secs(60),
            reply_within: Duration::from_secs(20),
            idle: None,
        }
    }
}

/// Who ends the caller's turn.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnMode {
    /// Silence of a fixed length.
    Silence(Duration),
    /// The turn detector: at once when it is `sure`, else after `patience` of silence.
    Detector {
        /// Probability from which the turn ends after `at_least`.
        sure: f32,
        /// Silence that even a sure detector waits for.
        at_least: Duration,
        /// Silence after which the turn ends whatever the detector says.
        patience: Duration,
    },
    /// The client, by `Command::Commit`.
    Manual,
}

impl Default for TurnMode {
    fn default() -> Self {
        TurnMode::Detector {
            sure: 0.6,
            at_least: Duration::from_millis(350),
            patience: Duration::from_millis(1_200),
        }
    }
}

/// Orders to the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Ask the turn detector about these words.
    AssessTurn {
        /// What was heard of the turn so far.
        words: String,
    },
    /// Have the recogniser say what it has (end of a manual turn, or of an endless one).
    FinishHearing,
    /// Have the recogniser forget what it has.
    ForgetHearing,
    /// How `listen` cuts speech from now on.
    SetMode(TurnMode),
    /// Start a reply, or its next leg after tools returned. All older output is stale.
    StartReply(ReplyOrder),
    /// Play silence, keep the ring.
    HoldPlayback,
    /// Go on where the speaker was held.
    ResumePlayback,
    /// All output older than `epoch` is stale; releases a held speaker.
    Interrupt {
        /// The epoch from now on.
        epoch: Epoch,
    },
    /// Carry out a call; answer with `ToolReturned`.
    RunTool {
        /// Which reply.
        epoch: Epoch,
        /// The call.
        call: ToolCall,
    },
    /// Tell the caller's side.
    Tell(CallEvent),
    /// The call is over.
    EndCall,
}

/// A reply to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyOrder {
    /// Its epoch.
    pub epoch: Epoch,
    /// Zero, then one more after each round of tools. Same epoch: what was said goes on sounding.
    pub leg: u32,
    /// Bytes already written in earlier legs.
    pub written_before: usize,
    /// What to say or to ask the model.
    pub source: ReplySource,
    /// Whether it is spoken or only written.
    pub spoken: bool,
    /// The voice's name.
    pub voice: Option<String>,
    /// Tempo of the voice.
    pub speed: Option<f32>,
}

/// Where a reply's words come from.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplySource {
    /// The chat model.
    Model(Prompt),
    /// Given words: a greeting, an apology.
    Words(String),
}

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
