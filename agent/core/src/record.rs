//! The flight recorder: the last facts and orders of a call, always on, printable as the script of
//! a test. Bounded; what callers said is in it, so it is shown only to those who may see that.
use std::{collections::VecDeque, fmt};

use crate::{
    time::SessionTime,
    turn::{Action, TurnEvent},
};

/// How many entries are kept.
const ENTRIES: usize = 256;

/// The last events of one call.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    entries: VecDeque<(SessionTime, Entry)>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "a call keeps a fixed number of them"
)]
#[derive(Clone, Debug)]
enum Entry {
    Fact(TurnEvent),
    Order(Action),
}

impl Recorder {
    /// Keeps a fact.
    pub fn fact(&mut self, now: SessionTime, fact: &TurnEvent) {
        self.keep(now, Entry::Fact(fact.clone()));
    }

    /// Keeps an order.
    pub fn order(&mut self, now: SessionTime, order: &Action) {
        // What callers are told follows from the other orders and would drown them.
        if !matches!(order, Action::Tell(_)) {
            self.keep(now, Entry::Order(order.clone()));
        }
    }

    fn keep(&mut self, now: SessionTime, entry: Entry) {
        if self.entries.len() == ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back((now, entry));
    }
}

impl fmt::Display for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, entry) in &self.entries {
            match entry {
                Entry::Fact(fact) => writeln!(f, "{:>8} {fact:?}", at.as_millis())?,
                Entry::Order(order) => writeln!(f, "{:>8}   => {order:?}", at.as_millis())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_entries_only() {
        let mut recorder = Recorder::default();
        for ms in 0..1_000 {
            recorder.fact(SessionTime::from_millis(ms), &TurnEvent::Tick);
        }
        let text = recorder.to_string();
        assert_eq!(text.lines().count(), ENTRIES);
        assert!(text.starts_with("     744 Tick"), "{text}");
    }
}
