//! What is outside an interpreting session sees of it: who translates, who listens, and how it is
//! steered.
use tokio::sync::{mpsc, oneshot};
use voiced_core::{
    engine::{Prompt, ReplyPiece},
    interpret::{Language, TargetId, Told},
    playout::PlayoutReader,
    turn::EndReason,
};

use crate::{call::MicSender, lease::EngineClient};

/// Finds who translates from one language into another.
pub trait Translators: Send + Sync {
    /// The chat model that is asked; `source` is `None` where nobody knows what will be spoken.
    ///
    /// # Errors
    /// When nobody here translates that.
    fn between(
        &self,
        source: Option<&Language>,
        target: &Language,
    ) -> Result<EngineClient<Prompt, ReplyPiece>, NoTranslator>;
}

/// Nobody here translates that; the text says what can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTranslator(pub String);

impl std::fmt::Display for NoTranslator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoTranslator {}

/// Where nothing is translated.
#[derive(Clone, Copy, Debug)]
pub struct NoTranslators;

impl Translators for NoTranslators {
    fn between(
        &self,
        _: Option<&Language>,
        _: &Language,
    ) -> Result<EngineClient<Prompt, ReplyPiece>, NoTranslator> {
        Err(NoTranslator("nothing is translated here".to_owned()))
    }
}

/// Why a target was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetRefused {
    /// Every row of the voice is taken.
    Full,
    /// Nobody here translates into it.
    NoTranslator(NoTranslator),
    /// The voice is gone.
    NoVoice,
}

impl std::fmt::Display for TargetRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TargetRefused::Full => f.write_str("every voice is taken, try again shortly"),
            TargetRefused::NoTranslator(reason) => reason.fmt(f),
            TargetRefused::NoVoice => f.write_str("the voice is not available"),
        }
    }
}

impl std::error::Error for TargetRefused {}

/// A language somebody listens to.
#[derive(Clone, Debug)]
pub struct TargetRequest {
    /// Which.
    pub language: Language,
    /// The voice's name; `None` is the synthesiser's default.
    pub voice: Option<String>,
    /// Tempo when nothing hurries.
    pub speed: f32,
    /// Whether it is spoken or only written.
    pub spoken: bool,
}

/// What the speaker's side asks for.
pub(super) enum InterpretCommand {
    Add {
        request: TargetRequest,
        answer: oneshot::Sender<Result<Listening, TargetRefused>>,
    },
    Remove(TargetId),
    Overhear(String),
    Finish,
}

/// A target's sound, for whoever plays it.
pub struct Listening {
    /// Which target of its speaker.
    pub target: TargetId,
    /// Its ring, to be pulled every 20 ms; `None` when it is only written.
    pub ring: Option<PlayoutReader>,
}

/// What the speaker's side is told.
#[derive(Clone, Debug, PartialEq)]
pub enum InterpretTold {
    /// Something was heard, translated or said.
    Told(Told),
    /// It is over; nothing follows.
    Ended(EndReason),
}

/// Steers one interpreted speaker. Cheap to clone.
#[derive(Clone)]
pub struct InterpretControl {
    pub(super) commands: mpsc::Sender<InterpretCommand>,
}

impl InterpretControl {
    /// From now on somebody listens to this language too.
    ///
    /// # Errors
    /// When there is no translator or no voice for it, or the session is over.
    pub async fn add(&self, request: TargetRequest) -> Result<Listening, TargetRefused> {
        let (answer, answered) = oneshot::channel();
        let command = InterpretCommand::Add { request, answer };
        let over = |_| TargetRefused::NoVoice;
        self.commands
            .send(command)
            .await
            .map_err(|_| TargetRefused::NoVoice)?;
        answered.await.map_err(over)?
    }

    /// Nobody listens to this target any more. Frees its voice.
    pub async fn remove(&self, target: TargetId) {
        self.command(InterpretCommand::Remove(target)).await;
    }

    /// What somebody else said, for the translators' understanding. Never waits: a session that
    /// is busy does without.
    pub fn overhear(&self, note: &str) {
        let _ = self
            .commands
            .try_send(InterpretCommand::Overhear(note.to_owned()));
    }

    /// No more will be said: what was heard is translated and said, then the session ends.
    pub async fn finish(&self) {
        self.command(InterpretCommand::Finish).await;
    }

    async fn command(&self, command: InterpretCommand) {
        // A session that is over has nothing to be told.
        let _ = self.commands.send(command).await;
    }
}

/// The speaker's side. Dropping `mic` ends the session.
pub struct InterpretHandle {
    /// What is said: mono 16 kHz frames of at most 20 ms.
    pub mic: MicSender,
    /// Targets.
    pub control: InterpretControl,
    /// What is told. Ends after `InterpretTold::Ended`.
    pub events: mpsc::Receiver<InterpretTold>,
}
