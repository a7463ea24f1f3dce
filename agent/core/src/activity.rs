//! When somebody speaks: probabilities in, starts and stops out, with hysteresis.
//!
//! Guarantees: changes alternate, beginning with a start, and neither comes earlier than the policy
//! allows.
use std::time::Duration;

use crate::engine::SpeechProbability;

/// What counts as speech, and for how long it must.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivityPolicy {
    /// Probability from which a window counts towards a start.
    pub start: f32,
    /// Probability below which a window counts towards a stop. Less than `start`, so that a voice
    /// that hovers in between changes nothing.
    pub stop: f32,
    /// How much speech makes a start. Longer than a click.
    pub speech_after: Duration,
    /// How much silence makes a stop. Longer than a plosive's closure.
    pub silence_after: Duration,
    /// Windows quieter than this, in dB of full scale, never count towards a start: the
    /// detector knows voices, and a television next door is one.
    pub min_level: f32,
}

impl Default for ActivityPolicy {
    fn default() -> Self {
        Self {
            start: 0.5,
            stop: 0.35,
            speech_after: Duration::from_millis(60),
            silence_after: Duration::from_millis(200),
            min_level: -55.0,
        }
    }
}

impl ActivityPolicy {
    /// This policy with speech beginning at `start`; where it stops keeps its proportion.
    pub fn with_start(self, start: f32) -> Self {
        let proportion = if self.start > 0.0 {
            self.stop / self.start
        } else {
            0.0
        };
        Self {
            start,
            stop: start * proportion,
            ..self
        }
    }
}

/// What changed with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityChange {
    /// Somebody speaks.
    Started {
        /// How long before the end of the window the speech began.
        onset_before: Duration,
    },
    /// Nobody speaks any more.
    Stopped {
        /// How long before the end of the window the speech ended.
        silence: Duration,
    },
}

/// A window this much quieter than the voice before it, in dB, is silence whatever the detector
/// says: a network remembers, and notices the end of a voice up to 200 ms late. Deeper than the
/// quiet sounds of speech; in a noisy room the detector alone decides.
const FALL: f32 = 30.0;
/// How quickly a loud sound is forgotten, in dB a second, so that it does not make what is said
/// after it silence.
const FORGET: f32 = 6.0;

/// A change may take this many times as long as its evidence, windows that say nothing included;
/// then what came first has nothing to do with what comes now.
const HOVER: u32 = 4;

/// Turns the windows of one microphone into starts and stops.
#[derive(Clone, Debug)]
pub struct SpeechActivity {
    policy: ActivityPolicy,
    speaking: bool,
    /// How loud the voice is, in dB of full scale: its peaks, slowly forgotten.
    loudness: f32,
    /// Windows that speak for a change.
    evidence: Duration,
    /// Time since the first of them, windows that say nothing included.
    since: Duration,
}

impl SpeechActivity {
    /// Silence, until shown otherwise.
    pub fn new(policy: ActivityPolicy) -> Self {
        Self {
            policy,
            speaking: false,
            loudness: f32::NEG_INFINITY,
            evidence: Duration::ZERO,
            since: Duration::ZERO,
        }
    }

    /// Judges by another policy from the next window on.
    pub fn set_policy(&mut self, policy: ActivityPolicy) {
        self.policy = policy;
    }

    /// Whether somebody speaks.
    pub fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// Takes the next window: how likely it is speech, how long it is and how loud
    /// ([`level_dbfs`]). A probability that is not a number is silence.
    pub fn push(
        &mut self,
        probability: SpeechProbability,
        window: Duration,
        level_dbfs: f32,
    ) -> Option<ActivityChange> {
        let voice = probability.0 >= self.policy.start && level_dbfs >= self.policy.min_level;
        let fell = self.has_fallen(voice, window, level_dbfs);
        let silence = probability.0 < self.policy.stop || probability.0.is_nan() || fell;
        let (for_change, against) = if self.speaking {
            (silence, !silence)
        } else {
            (voice, silence)
        };
        if against {
            self.forget();
            return None;
        }
        if for_change {
            self.evidence += window;
        }
        if self.evidence.is_zero() {
            return None;
        }
        self.since += window;
        let needed = if self.speaking {
            self.policy.silence_after
        } else {
            self.policy.speech_after
        };
        if self.evidence < needed {
            if self.since > needed * HOVER {
                self.forget();
            }
            return None;
        }
        let since = self.since;
        self.forget();
        self.speaking = !self.speaking;
        Some(if self.speaking {
            ActivityChange::Started {
                onset_before: since,
            }
        } else {
            ActivityChange::Stopped { silence: since }
        })
    }

    /// Follows the loudness of the voice; whether this window is far below it.
    fn has_fallen(&mut self, voice: bool, window: Duration, level: f32) -> bool {
        self.loudness -= FORGET * window.as_secs_f32();
        if voice && level > self.loudness {
            self.loudness = level;
        }
        self.speaking && level < self.loudness - FALL
    }

    /// Back to silence without saying so: the microphone starts anew.
    pub fn reset(&mut self) {
        self.speaking = false;
        self.loudness = f32::NEG_INFINITY;
        self.forget();
    }

    fn forget(&mut self) {
        self.evidence = Duration::ZERO;
        self.since = Duration::ZERO;
    }
}

/// Level of a window in dB of full scale; -120 for silence, nothing, and samples that are no
/// numbers.
pub fn level_dbfs(samples: &[f32]) -> f32 {
    let power: f32 = samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32;
    if power.is_finite() && power > 1e-12 {
        10.0 * power.log10()
    } else {
        -120.0
    }
}

#[cfg(test)]
mod tests;
