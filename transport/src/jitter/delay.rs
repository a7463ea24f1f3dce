//! How irregularly packets arrive, and how long to wait because of it.
//!
//! Each packet's arrival is compared with its timestamp. The earliest of the last five seconds is
//! the network at its best; the spread above it is the jitter.
use std::time::Duration;

use super::CLOCK;

/// Packets remembered: five seconds of 20 ms.
const WINDOW: usize = 256;
/// How often the spread is worked out anew, in packets. It costs about 2 µs.
const RECOUNT: usize = 10;
/// The least and the most waiting.
const LEAST: Duration = Duration::from_millis(20);
const MOST: Duration = Duration::from_millis(120);
/// Waiting before anything is known: two frames.
const FIRST: Duration = Duration::from_millis(40);
/// Added to the spread: a decoder that asks every 20 ms may ask a little early.
const MARGIN: i64 = 5_000;

/// Arrival against timestamp, in microseconds, of the last packets.
pub(super) struct Delays {
    recent: Vec<i64>,
    at: usize,
    since_count: usize,
    best: i64,
    target: Duration,
}

impl Delays {
    pub(super) fn new() -> Self {
        Self {
            recent: Vec::with_capacity(WINDOW),
            at: 0,
            since_count: 0,
            best: i64::MAX,
            target: FIRST,
        }
    }

    pub(super) fn target(&self) -> Duration {
        self.target
    }

    /// Notes a packet of the unwrapped timestamp `at`.
    pub(super) fn arrived(&mut self, now: Duration, at: i64) {
        let delay = delay(now, at);
        if self.recent.len() < WINDOW {
            self.recent.push(delay);
        } else {
            self.recent[self.at] = delay;
            self.at = (self.at + 1) % WINDOW;
        }
        self.best = self.best.min(delay);
        self.since_count += 1;
        if self.since_count >= RECOUNT {
            self.since_count = 0;
            self.recount();
        }
    }

    /// Whether a packet of timestamp `at` has waited as long as wanted.
    pub(super) fn is_due(&self, now: Duration, at: i64) -> bool {
        self.waited(now, at) >= micros(self.target)
    }

    /// How much later than wanted a packet of timestamp `at` would be if played now.
    pub(super) fn lag(&self, now: Duration, at: i64) -> Duration {
        let lag = self.waited(now, at) - micros(self.target);
        Duration::from_micros(u64::try_from(lag).unwrap_or(0))
    }

    /// Waiting of a packet of timestamp `at`, had the network been at its best.
    fn waited(&self, now: Duration, at: i64) -> i64 {
        delay(now, at).saturating_sub(self.best)
    }

    fn recount(&mut self) {
        let mut sorted = self.recent.clone();
        sorted.sort_unstable();
        self.best = sorted[0];
        // 97 of 100 packets are in time; the rest is heard as one concealed frame each, and by
        // that moves the target up only when it becomes a habit.
        let usual = sorted[(sorted.len() - 1) * 97 / 100];
        let spread = usual - self.best + MARGIN;
        self.target = Duration::from_micros(u64::try_from(spread).unwrap_or(0)).clamp(LEAST, MOST);
    }
}

fn delay(now: Duration, at: i64) -> i64 {
    // Timestamps count from anywhere: only differences of this mean something.
    micros(now).saturating_sub(at.saturating_mul(1_000_000) / CLOCK)
}

fn micros(d: Duration) -> i64 {
    i64::try_from(d.as_micros()).unwrap_or(i64::MAX)
}
