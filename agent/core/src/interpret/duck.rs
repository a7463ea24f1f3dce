//! How loud the original is under its interpreter: open while nobody interprets, low while somebody
//! does, without a click between. The way of voice-over: first the speaker, then both.
use std::time::Duration;

use crate::playout::FRAME;

/// How loud, and how quickly that changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DuckPolicy {
    /// Gain of the original while nothing is interpreted; 0 leaves it out.
    pub open: f32,
    /// Gain under the interpreter.
    pub under: f32,
    /// The interpreter counts as speaking for so long after its last sound.
    pub hold: Duration,
}

impl Default for DuckPolicy {
    fn default() -> Self {
        Self {
            open: 0.5,
            under: 0.1,
            hold: Duration::from_millis(1_200),
        }
    }
}

/// Share of the way to its goal that the gain goes in 20 ms: down within 60 ms, up within half a
/// second.
const DOWN: f32 = 0.7;
const UP: f32 = 0.12;

/// The gain of one original for one listener.
#[derive(Clone, Debug)]
pub struct Ducker {
    policy: DuckPolicy,
    gain: f32,
    held: Duration,
}

impl Ducker {
    /// Open.
    pub fn new(policy: DuckPolicy) -> Self {
        Self {
            gain: policy.open,
            policy,
            held: Duration::ZERO,
        }
    }

    /// Adds 20 ms of the original to `mix`; `is_interpreted` says whether its interpreter sounds in
    /// them. The gain moves in a line across the frame.
    pub fn mix(
        &mut self,
        original: Option<&[f32; FRAME]>,
        is_interpreted: bool,
        mix: &mut [f32; FRAME],
    ) {
        if is_interpreted {
            self.held = self.policy.hold;
        } else {
            self.held = self.held.saturating_sub(Duration::from_millis(20));
        }
        let goal = if self.held.is_zero() {
            self.policy.open
        } else {
            self.policy.under
        };
        let from = self.gain;
        let share = if goal < from { DOWN } else { UP };
        self.gain += (goal - from) * share;
        let Some(original) = original else { return };
        let step = (self.gain - from) / FRAME as f32;
        for (n, (out, sample)) in mix.iter_mut().zip(original).enumerate() {
            *out += sample * (from + step * n as f32);
        }
    }
}

/// Brings a sum of voices back into -1 to 1: the whole frame is made quieter, so that two voices
/// at once do not crackle.
pub fn limit(mix: &mut [f32; FRAME]) {
    let peak = mix
        .iter()
        .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak > 1.0 {
        for sample in mix {
            *sample /= peak;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last sample of a frame of ones.
    fn gain(ducker: &mut Ducker, is_interpreted: bool) -> f32 {
        let mut mix = [0.0; FRAME];
        ducker.mix(Some(&[1.0; FRAME]), is_interpreted, &mut mix);
        mix[FRAME - 1]
    }

    #[test]
    fn the_original_goes_under_at_once_and_comes_back_slowly() {
        let mut ducker = Ducker::new(DuckPolicy::default());
        assert_eq!(gain(&mut ducker, false), 0.5);
        let mut before = 0.5;
        for _ in 0..3 {
            let now = gain(&mut ducker, true);
            assert!(now < before && before - now < 0.3);
            before = now;
        }
        assert!(before < 0.12);
        for _ in 0..59 {
            assert!(gain(&mut ducker, false) < 0.12, "held between two lines");
        }
        for _ in 0..40 {
            gain(&mut ducker, false);
        }
        assert!(gain(&mut ducker, false) > 0.45);
    }

    #[test]
    fn a_loud_sum_is_made_quieter_as_a_whole() {
        let mut mix = [0.5; FRAME];
        mix[7] = -2.0;
        limit(&mut mix);
        assert_eq!((mix[7], mix[8]), (-1.0, 0.25));
    }
}
