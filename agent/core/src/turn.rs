//! The vocabulary of a conversation: facts in, orders out, and what the caller is told.
//! Facts are past tense, orders are imperative; both sets are closed.
mod command;
mod policy;
mod told;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    engine::{HearingOptions, Prompt, ReplyEnd, Transcript},
    epoch::Epoch,
};

pub use command::{Command, CommandId, Place, Refusal, ReplyOptions, Settings};
pub use policy::{TurnMode, TurnPolicy};
pub use told::{CallEvent, EndReason, ReplyOutcome, TurnTimes};

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
    Final(Transcript),
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
    /// How the recogniser hears from now on.
    TuneHearing(HearingOptions),
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
