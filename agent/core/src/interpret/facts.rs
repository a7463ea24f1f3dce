//! The interpreter's vocabulary: how it is set, facts in, orders out, and what listeners are told.
use std::time::Duration;

use super::{CommitChoice, Language, PacePolicy, TargetId};
use crate::engine::{Line, Prompt};

/// How one speaker is interpreted.
#[derive(Clone, Debug)]
pub struct InterpretSettings {
    /// What is spoken; `None` where that is not known.
    pub language: Option<Language>,
    /// When heard words are translated.
    pub commit: CommitChoice,
    /// How the interpreter keeps up.
    pub pace: PacePolicy,
    /// A silence this long ends an utterance: what is unfinished is finished.
    pub utterance_gap: Duration,
    /// An utterance is cut after so much speech without a silence, so that a recogniser that works
    /// by utterances stays quick.
    pub cut_after: Duration,
    /// Who waits for whom.
    pub mode: InterpretMode,
}

impl Default for InterpretSettings {
    fn default() -> Self {
        Self {
            language: None,
            commit: CommitChoice::default(),
            pace: PacePolicy::default(),
            utterance_gap: Duration::from_millis(700),
            cut_after: Duration::from_secs(20),
            mode: InterpretMode::Simultaneous,
        }
    }
}

/// Who waits for whom.
#[derive(Clone, Copy, Debug)]
pub enum InterpretMode {
    /// Speaker and interpreter speak at once.
    Simultaneous,
    /// Two people share one device: each utterance is translated when it is complete, into the
    /// target it is not in, and nothing is heard while the interpreter speaks.
    Turns {
        /// Tells the language of a text, where it can.
        detect: fn(&str) -> Option<Language>,
    },
}

/// Facts, with the time they became known.
#[derive(Clone, Debug, PartialEq)]
pub enum InterpretEvent {
    /// The speaker began.
    SpeechStarted,
    /// The speaker has been silent for `silence`.
    SpeechEnded {
        /// How long.
        silence: Duration,
    },
    /// The recogniser's whole hypothesis since its last final.
    Partial(String),
    /// The recogniser's words since its last final, for good.
    Final(String),
    /// The translator wrote more.
    Translated {
        /// For whom.
        target: TargetId,
        /// To be appended.
        text: String,
    },
    /// The translator has answered.
    TranslationEnded {
        /// For whom.
        target: TargetId,
    },
    /// The translator could not answer.
    TranslationFailed {
        /// For whom.
        target: TargetId,
        /// What happened.
        reason: String,
    },
    /// When `samples` of a target's audio have been played, its text up to `text_end` was said.
    Voiced {
        /// Which target.
        target: TargetId,
        /// At `SampleRate::SPEECH`.
        samples: u64,
        /// Bytes of the target's whole text.
        text_end: usize,
    },
    /// How far the listener's side is.
    Played {
        /// Which target.
        target: TargetId,
        /// At `SampleRate::SPEECH`.
        samples: u64,
    },
    /// The voice could not say what it was given.
    VoiceFailed {
        /// Which target.
        target: TargetId,
        /// What happened.
        reason: String,
    },
    /// A deadline has passed.
    Tick,
}

/// Orders to the session.
#[derive(Clone, Debug, PartialEq)]
pub enum InterpretAction {
    /// Ask the translator. One request per target at a time.
    Translate {
        /// For whom.
        target: TargetId,
        /// What.
        prompt: Prompt,
    },
    /// Give the request up.
    StopTranslating {
        /// For whom.
        target: TargetId,
    },
    /// Say a line.
    Say {
        /// For whom.
        target: TargetId,
        /// What and how.
        line: Line,
        /// Where it begins in the target's whole text, in bytes.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// Have the recogniser say what it has.
    FinishHearing,
    /// Have it forget what it has.
    ForgetHearing,
    /// Tell the listeners.
    Tell(Told),
}

/// What listeners are told. Text only grows.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// More of what was said, for good.
    SourceText {
        /// To be appended.
        text: String,
    },
    /// What was heard beyond that and may still change; replaces the last guess.
    SourceGuess {
        /// May be empty.
        text: String,
    },
    /// The utterance is over.
    SourceEnded,
    /// More of a translation.
    TargetText {
        /// Which target.
        target: TargetId,
        /// To be appended.
        text: String,
    },
    /// A line begins to sound.
    Sounding {
        /// Which target.
        target: TargetId,
        /// Where it ends in the target's whole text, in bytes.
        text_end: usize,
        /// Ear-voice span: since the first words it interprets were heard.
        span: Duration,
    },
    /// Told as text but not said: the interpreter was too late.
    Skipped {
        /// Which target.
        target: TargetId,
        /// The line.
        text: String,
    },
    /// Never translated: the translator did not keep up.
    Untranslated {
        /// Which target.
        target: TargetId,
        /// The speaker's words.
        text: String,
    },
    /// A piece was lost to a failure of the translator.
    TranslationFailed {
        /// Which target.
        target: TargetId,
        /// What happened.
        reason: String,
    },
    /// A translation cannot be said; it goes on as text.
    VoiceFailed {
        /// Which target.
        target: TargetId,
        /// What happened.
        reason: String,
    },
}
