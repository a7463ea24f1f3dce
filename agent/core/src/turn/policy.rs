//! How turns are taken. Every wait has an end, so that no call falls silent for good.
use std::time::Duration;

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
    /// Whether the model finds the words for that; else they are given ones. The silence is then
    /// committed like a turn, and counts as often as it lasts.
    pub idle_by_model: bool,
    /// Probability from which a sound is a voice; `None` is the daemon's own.
    pub threshold: Option<f32>,
    /// How much before the first sound of a turn belongs to it.
    pub prefix: Duration,
    /// A tool that takes longer than this is bridged by a few words.
    pub filler_after: Duration,
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
            idle_by_model: false,
            threshold: None,
            prefix: Duration::ZERO,
            filler_after: Duration::from_millis(1_500),
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
