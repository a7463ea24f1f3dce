//! The contract every model fulfils, whether it hears, thinks or speaks, and the two small
//! detectors a call owns.
//!
//! Invariant: an engine is neither async nor locked. It lives on one thread and owns its device.
use std::{error::Error, fmt, time::Duration};

use crate::{audio::AudioFrame, turn::Message, turn::ToolCall, turn::ToolSpec};

/// A row of the batch, held by one lease at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId(pub usize);

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// At least one row advanced: step again.
    Stepped,
    /// No ready row had work: wait until fed.
    Idle,
}

/// A model that serves `slots()` leases at once.
pub trait Engine: Send + 'static {
    /// What a lease sends.
    type Input: Send + 'static;
    /// What a lease receives.
    type Output: Send + 'static;

    /// How many leases it serves at once.
    fn slots(&self) -> usize;

    /// Resets a row for a new lease. A reused row remembers nothing.
    fn open(&mut self, slot: SlotId);

    /// Hands a row its next input. Must be quick: work belongs in `step`.
    fn feed(&mut self, slot: SlotId, input: Self::Input) -> Result<(), EngineError>;

    /// Whether a row takes more input now. While it does not, its inputs wait in its own bounded
    /// queue and push back on its session; asked again after every step.
    fn has_room(&self, slot: SlotId) -> bool {
        let _ = slot;
        true
    }

    /// Forgets a row. The barge-in path: bookkeeping only, no device work.
    fn close(&mut self, slot: SlotId);

    /// Advances, by one step, the rows in `ready` that have work. A row is ready when its lease
    /// has room for one more output: emit at most one output a row and step.
    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Self::Output),
    ) -> Result<Progress, EngineError>;
}

/// What a recogniser is given. Audio is continuous (silence included) at `SampleRate::HEARING`;
/// the marks let an engine that works utterance by utterance skip what is not speech.
#[derive(Clone, Debug)]
pub enum Hearing {
    /// The next stretch of the microphone, 16 kHz, any length.
    Audio(AudioFrame),
    /// Speech began in audio already sent (up to 300 ms ago): keep a pre-roll.
    SpeechStarted,
    /// Say what you have: the speaker paused or the turn was committed. Answered by exactly one
    /// `Heard::Final`, empty when nothing was said.
    Finalize,
    /// Forget what was heard since the last final.
    Discard,
    /// How to hear. Best sent before any audio: an engine that cannot change in the middle changes
    /// when it next starts anew, and one that has no such choice goes on as it does.
    Tune(HearingOptions),
}

/// How one lease of a recogniser hears. `None` is as the engine was configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HearingOptions {
    /// How long it listens on before it writes: longer is slower and more exact.
    pub delay: Option<Duration>,
    /// The language expected, as an ISO 639-1 code.
    pub language: Option<String>,
}

/// What a recogniser says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The whole hypothesis since the last final. May still change.
    Partial(String),
    /// The words since the last final, for good.
    Final(Transcript),
}

/// Words for good.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// All of them.
    pub text: String,
    /// One by one, where the recogniser knows when each was said; empty where it does not.
    pub words: Vec<HeardWord>,
}

impl From<String> for Transcript {
    fn from(text: String) -> Self {
        Transcript {
            text,
            words: Vec::new(),
        }
    }
}

impl From<&str> for Transcript {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A word and what the recogniser knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardWord {
    /// As written, without the space around it. Usually one word; a few that ended together.
    pub text: String,
    /// When it began, counted in the audio of the lease.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
    /// How sure the recogniser is, 0 to 1; 1 where it cannot tell.
    pub confidence: f32,
}

/// What a chat model is given: one reply's worth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// The conversation, oldest first, instructions included as the first message.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<ToolSpec>,
    /// Whether and what it must call.
    pub tool_choice: ToolChoice,
    /// Most tokens it may write; `None` is the model's own limit.
    pub max_tokens: Option<u32>,
    /// Whether it may call several tools at once; `None` leaves it to the model.
    pub parallel_calls: Option<bool>,
    /// How hard it is to think; `None` leaves it to the model.
    pub effort: Option<Effort>,
}

/// How hard a model that reasons is to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    ExtraHigh,
}

impl Effort {
    /// The words of chat APIs, in order.
    pub const WORDS: [&str; 5] = ["minimal", "low", "medium", "high", "xhigh"];

    /// The effort of that word.
    pub fn named(word: &str) -> Option<Effort> {
        use Effort::{ExtraHigh, High, Low, Medium, Minimal};
        let all = [Minimal, Low, Medium, High, ExtraHigh];
        let at = Effort::WORDS.iter().position(|known| *known == word)?;
        Some(all[at])
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        Effort::WORDS[self as usize]
    }
}

/// Whether a model may, must or must not call tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model sees fit.
    #[default]
    Auto,
    /// No calls.
    None,
    /// At least one call.
    Required,
    /// Exactly this tool.
    Named(String),
}

/// What a chat model says, in order; `End` is the last of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplyPiece {
    /// More text, to be appended as it is.
    Text(String),
    /// More of a call that is being written; optional. `ToolCall` follows with the same id.
    ToolArguments {
        /// `ToolCall::id`.
        id: String,
        /// The tool's name, whole from the first part on.
        name: String,
        /// To be appended to the arguments.
        delta: String,
    },
    /// A complete call: name and whole arguments.
    ToolCall(ToolCall),
    /// The reply is complete.
    End(ReplyEnd),
}

/// Why a reply ended, and what it cost where the model counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyEnd {
    /// The model stopped at its token limit rather than by itself.
    pub cut_short: bool,
    /// Tokens read, when the model reports them.
    pub input_tokens: Option<u32>,
    /// Tokens written, when the model reports them.
    pub output_tokens: Option<u32>,
}

/// One speakable stretch of a reply, and how to say it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Plain text, never empty.
    pub text: String,
    /// The voice's name; `None` is the engine's default.
    pub voice: Option<String>,
    /// Tempo, 1.0 is natural; 0.25–1.5.
    pub speed: Option<f32>,
}

/// What a synthesiser says; `End` is the last of a line, and a lease may be fed its next line.
#[derive(Clone, Debug)]
pub enum Speech {
    /// The next stretch at `SampleRate::SPEECH`, any length up to 200 ms.
    Audio(AudioFrame),
    /// Up to where of the line's text the speech has come when the audio of this line reaches
    /// `at`. Optional; may run ahead of the audio.
    Word {
        /// Bytes of `Line::text` spoken by then.
        end: usize,
        /// Position in this line's audio.
        at: Duration,
    },
    /// The line is complete.
    End,
}

/// An engine that turns speech into text. A lease is a call.
pub trait Transcriber: Engine<Input = Hearing, Output = Heard> {}
impl<E: Engine<Input = Hearing, Output = Heard>> Transcriber for E {}

/// An engine that writes replies. A lease is a reply.
pub trait ChatModel: Engine<Input = Prompt, Output = ReplyPiece> {}
impl<E: Engine<Input = Prompt, Output = ReplyPiece>> ChatModel for E {}

/// An engine that turns text into speech. A lease is a reply: lines are fed one after another.
pub trait Synthesizer: Engine<Input = Line, Output = Speech> {}
impl<E: Engine<Input = Line, Output = Speech>> Synthesizer for E {}

/// How likely it is that somebody speaks, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct SpeechProbability(pub f32);

/// Notices voices. Small, per call, on the CPU.
pub trait VoiceActivityDetector: Send {
    /// Samples per `push`, at `SampleRate::HEARING`: 10–32 ms.
    fn window(&self) -> usize;
    /// The probability of speech in the next window. `samples.len() == window()`.
    fn push(&mut self, samples: &[f32]) -> SpeechProbability;
    /// Forgets what was heard.
    fn reset(&mut self);
}

/// What a turn detector may look at when the speaker pauses.
#[derive(Clone, Copy, Debug)]
pub struct TurnContext<'a> {
    /// What was heard of this turn so far.
    pub words: &'a str,
    /// What the agent said last; empty at the beginning.
    pub question: &'a str,
}

/// Judges whether a pause is the end of a turn. Small, per call, on the CPU.
pub trait TurnDetector: Send {
    /// Probability, 0 to 1, that the speaker is done.
    fn end_of_turn(&mut self, context: TurnContext<'_>) -> f32;
}

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The input was unusable: this lease only.
    BadInput,
    /// The model or its device failed: every lease of this engine.
    Device,
}

/// A failed engine call.
#[derive(Debug)]
pub struct EngineError {
    /// How far it reaches.
    pub kind: FaultKind,
    /// What happened.
    pub source: Box<dyn Error + Send + Sync>,
}

impl EngineError {
    /// The input was unusable; only this lease ends.
    pub fn bad_input(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: FaultKind::BadInput,
            source: source.into(),
        }
    }

    /// The engine cannot go on.
    pub fn device(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: FaultKind::Device,
            source: source.into(),
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FaultKind::BadInput => write!(f, "unusable input: {}", self.source),
            FaultKind::Device => write!(f, "the engine failed: {}", self.source),
        }
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}
