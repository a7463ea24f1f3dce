//! The one place that reads a clock: how long a listener has been listening.
use std::time::{Duration, Instant};

/// Time since any fixed moment.
pub type Clock = Box<dyn Fn() -> Duration + Send>;

/// The system's monotonic clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate's clock"
)]
pub(super) fn monotonic() -> Clock {
    let start = Instant::now();
    Box::new(move || start.elapsed())
}

/// How much a listener has been given, and since when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lead {
    since: Option<Duration>,
    given: Duration,
}

impl Lead {
    /// Whether nothing has been given yet.
    pub fn is_silent(&self) -> bool {
        self.since.is_none()
    }

    /// Counts audio given at `now`. A listener that ran dry begins to listen anew.
    pub fn give(&mut self, now: Duration, audio: Duration) {
        if self.ahead(now).is_zero() {
            *self = Lead {
                since: Some(now),
                given: Duration::ZERO,
            };
        }
        self.given += audio;
    }

    /// What was given and cannot have been heard yet.
    pub fn ahead(&self, now: Duration) -> Duration {
        match self.since {
            Some(since) => self.given.saturating_sub(now.saturating_sub(since)),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_uses_up_what_was_given() {
        let ms = Duration::from_millis;
        let mut lead = Lead::default();
        assert!(lead.is_silent());
        lead.give(ms(1000), ms(80));
        lead.give(ms(1010), ms(80));
        assert!(!lead.is_silent());
        assert_eq!(lead.ahead(ms(1010)), ms(150));
        assert_eq!(lead.ahead(ms(2000)), ms(0));
        // What comes after a gap is not heard in the past.
        lead.give(ms(3000), ms(80));
        assert_eq!(lead.ahead(ms(3020)), ms(60));
    }
}
