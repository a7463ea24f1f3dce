//! How an interpreter keeps up: faster speech, then shorter words, then silence about what is too
//! old to be of use. So the lag is bounded whatever the engines do.
use std::time::Duration;

/// When the interpreter hurries. Each is a lag: the age of the words being interpreted plus the
/// speech that is still to sound before them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PacePolicy {
    /// From here on speech is faster; at twice as much it is `fastest`.
    pub quicken_after: Duration,
    /// The highest tempo.
    pub fastest: f32,
    /// From here on the translator is asked to be brief.
    pub brief_after: Duration,
    /// Words that would sound later than this are shown but not said.
    pub skip_after: Duration,
}

impl Default for PacePolicy {
    fn default() -> Self {
        Self {
            quicken_after: Duration::from_secs(3),
            fastest: 1.25,
            brief_after: Duration::from_secs(8),
            skip_after: Duration::from_secs(15),
        }
    }
}

impl PacePolicy {
    /// The tempo at a lag, 1.0 to `fastest`.
    pub fn speed(&self, lag: Duration) -> f32 {
        let begins = self.quicken_after.as_secs_f32();
        let share = (lag.as_secs_f32() - begins) / begins.max(0.1);
        1.0 + (self.fastest - 1.0).max(0.0) * share.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tempo_rises_with_lag_and_not_without() {
        let pace = PacePolicy::default();
        let speed = |ms| pace.speed(Duration::from_millis(ms));
        assert_eq!((speed(0), speed(3_000)), (1.0, 1.0));
        assert!((speed(4_500) - 1.125).abs() < 1e-6);
        assert_eq!((speed(6_000), speed(60_000)), (1.25, 1.25));
    }
}
