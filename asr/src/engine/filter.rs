//! What a fork said, the row says again a moment later: it is not passed on twice.
use std::{collections::VecDeque, time::Duration};

/// A word the fork said may come this much later from the row, which hears other things after it.
const LATER: Duration = Duration::from_millis(400);

/// Keeps words from being passed on twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// Words that ended until then were said or forgotten.
    pub until: Duration,
    /// What a fork said and the row is about to say.
    pub expected: VecDeque<String>,
}

impl Filter {
    /// Whether this is the next of the words a fork said, perhaps a little later than the fork
    /// thought.
    fn is_expected(&self, text: &str, end: Duration) -> bool {
        let next = self
            .expected
            .front()
            .is_some_and(|next| next.starts_with(text));
        next && end <= self.until + LATER
    }

    /// Whether a word that may still grow is new.
    pub fn would_pass(&self, text: &str, end: Duration) -> bool {
        end > self.until && !self.is_expected(text, end)
    }

    /// Whether a word is new.
    pub fn passes(&mut self, text: &str, end: Duration) -> bool {
        if self.is_expected(text, end) && self.expected.front().is_some_and(|n| n == text) {
            self.expected.pop_front();
            return false;
        }
        if end <= self.until {
            return false;
        }
        self.expected.clear();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_a_fork_said_is_not_said_again() {
        let mut filter = Filter {
            until: ms(1000),
            expected: [" so", " far"].map(str::to_owned).into(),
        };
        assert!(!filter.would_pass(" s", ms(900)));
        assert!(!filter.passes(" so", ms(880)));
        // The row hears a little more before it writes the last one.
        assert!(!filter.would_pass(" fa", ms(1080)));
        assert!(!filter.passes(" far", ms(1080)));
        assert!(filter.would_pass(" and", ms(1100)));
        assert!(filter.passes(" and", ms(1100)));
        assert!(filter.passes(" so", ms(1200)));
    }

    #[test]
    fn what_the_row_hears_otherwise_is_new_only_after_the_final() {
        let mut filter = Filter {
            until: ms(1000),
            expected: [" wor"].map(str::to_owned).into(),
        };
        assert!(!filter.passes(" what", ms(900)));
        assert!(filter.passes(" world", ms(1240)));
        assert!(filter.expected.is_empty());
    }

    #[test]
    fn the_same_word_much_later_is_new() {
        let mut filter = Filter {
            until: ms(1000),
            expected: [" yes"].map(str::to_owned).into(),
        };
        assert!(filter.passes(" yes", ms(3000)));
    }
}
