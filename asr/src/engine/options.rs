//! What of the engine may be chosen, and what the model was made for.
use std::time::Duration;

/// How an engine hears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How long the model listens on before it writes where a session does not say, in positions of 80 ms: 1 to 15, or 30. The
    /// published accuracy is for 6 (480 ms); fewer is quicker and less exact.
    pub delay: usize,
    /// What a token that says "over" means to a stream that goes on.
    pub eos: EosPolicy,
    /// Makes blanks less likely after 16 s of nothing else: a known rut of this model.
    pub blank_penalty: bool,
    /// Starts a row anew, from its last two seconds, when it writes nothing for four seconds of
    /// loud audio.
    pub watchdog: bool,
    /// After this long a row starts anew in the next pause, which bounds what attention reads.
    /// `None` never does.
    pub roll_after: Option<Duration>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            delay: 6,
            eos: EosPolicy::FeedBack,
            blank_penalty: true,
            watchdog: true,
            roll_after: Some(Duration::from_secs(240)),
        }
    }
}

impl Options {
    /// Whether the model was made for this delay.
    pub fn check(&self) -> Result<(), String> {
        match self.delay {
            1..=15 | 30 => Ok(()),
            other => Err(format!(
                "a delay of {} ms: 80 to 1200 in steps of 80, or 2400",
                other * 80
            )),
        }
    }
}

/// The delay the model was made for that is nearest to `delay`, in positions.
pub(super) fn nearest(delay: Duration) -> usize {
    match delay.as_millis() {
        0..80 => 1,
        80..1_800 => ((delay.as_millis() + 40) / 80).min(15) as usize,
        _ => 30,
    }
}

/// What the token that says "over" means in a live stream, where it is no end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EosPolicy {
    /// It is fed back like any other, as the vendor's server does.
    #[default]
    FeedBack,
    /// It is never chosen; the next best is normally a blank.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_delay_becomes_one_of_the_model() {
        for (ms, positions) in [
            (0, 1),
            (80, 1),
            (130, 2),
            (480, 6),
            (1_200, 15),
            (1_700, 15),
            (1_800, 30),
            (9_000, 30),
        ] {
            assert_eq!(nearest(Duration::from_millis(ms)), positions, "{ms} ms");
        }
    }

    #[test]
    fn only_the_delays_of_the_model_are_taken() {
        for (delay, fits) in [(0, false), (1, true), (15, true), (16, false), (30, true)] {
            let options = Options {
                delay,
                ..Options::default()
            };
            assert_eq!(options.check().is_ok(), fits, "{delay}");
        }
    }
}
