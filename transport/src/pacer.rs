//! The 20 ms beat of carriers, and how far ahead of real time one may run.
//!
//! Guarantees: the beat does not drift (every deadline is counted from the beginning, not from the
//! tick before), makes up for a short delay and skips after a long one; and this is the only file
//! of the crate that reads a clock.
use std::time::Duration;

use tokio::time::Instant;
use voiced_core::{audio::SampleRate, playout::FRAME};

/// One frame of audio in either direction.
pub const BEAT: Duration = Duration::from_millis(20);

/// How many missed beats are made up for, one directly after the other: 100 ms. More would pour
/// old silence into the call and fill the far end's buffer; they are skipped instead.
pub const CATCH_UP: u64 = 5;

/// Histogram: how late a beat was, in seconds, by `carrier`.
pub const TICK_LATENESS: &str = "voiced_tick_lateness_seconds";

/// Counter: beats that were skipped because the machine was late by more than [`CATCH_UP`] beats,
/// by `carrier`.
pub const TICKS_SKIPPED: &str = "voiced_ticks_skipped_total";

/// Time since a carrier began. A stopwatch: it can be read and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts the stopwatch.
    pub fn start() -> Self {
        Clock(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// The present moment, for libraries that want to be told.
    pub fn now(self) -> std::time::Instant {
        (self.0 + self.0.elapsed()).into_std()
    }
}

/// One beat has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Beats since the beginning, skipped ones included: the position in the stream.
    pub number: u64,
    /// Beats left out just before this one.
    pub skipped: u64,
    /// How long after its deadline it came.
    pub late: Duration,
}

/// When beats are due. Pure: time is passed in, counted from the carrier's beginning.
#[derive(Clone, Debug)]
pub struct Beat {
    period: Duration,
    catch_up: u64,
    next: u64,
}

impl Beat {
    /// Beats at 0, `period`, twice `period`, …; after a delay at most `catch_up` of them come in
    /// quick succession.
    pub fn new(period: Duration, catch_up: u64) -> Self {
        Self {
            period,
            catch_up,
            next: 0,
        }
    }

    /// When the next beat is due.
    pub fn due(&self) -> Duration {
        at(self.period, self.next)
    }

    /// Takes the next beat, if it is due at `now`.
    pub fn tick(&mut self, now: Duration) -> Option<Tick> {
        let late = now.checked_sub(self.due())?;
        let behind = u64::try_from(late.as_nanos() / self.period.as_nanos()).unwrap_or(u64::MAX);
        let skipped = behind.saturating_sub(self.catch_up);
        let number = self.next + skipped;
        self.next = number + 1;
        Some(Tick {
            number,
            skipped,
            late,
        })
    }
}

fn at(period: Duration, number: u64) -> Duration {
    // Whole nanoseconds: 2^64 of them are 584 years.
    let nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos.saturating_mul(number))
}

/// A [`Beat`] on the real clock, which measures how late it was.
pub struct Pacer {
    clock: Clock,
    beat: Beat,
    lateness: metrics::Histogram,
    skipped: metrics::Counter,
}

impl Pacer {
    /// A beat of 20 ms, counted from the start of `clock` (the first beat that is not already
    /// past). `carrier` labels the metrics.
    pub fn new(clock: Clock, carrier: &'static str) -> Self {
        let mut beat = Beat::new(BEAT, CATCH_UP);
        beat.next =
            u64::try_from(clock.elapsed().as_nanos().div_ceil(BEAT.as_nanos())).unwrap_or(u64::MAX);
        Self {
            clock,
            beat,
            lateness: metrics::histogram!(TICK_LATENESS, "carrier" => carrier),
            skipped: metrics::counter!(TICKS_SKIPPED, "carrier" => carrier),
        }
    }

    /// Waits for the next beat. Cancel safe: a beat not returned is not lost.
    pub async fn tick(&mut self) -> Tick {
        loop {
            if let Some(tick) = self.beat.tick(self.clock.elapsed()) {
                self.lateness.record(tick.late.as_secs_f64());
                if tick.skipped > 0 {
                    self.skipped.increment(tick.skipped);
                }
                return tick;
            }
            tokio::time::sleep_until(self.clock.0 + self.beat.due()).await;
        }
    }
}

/// How much of what was sent the far end still holds, for carriers whose far end plays from a
/// buffer of its own (WebSocket). Pure: time is passed in.
///
/// Keeping the lead small is what makes an interruption immediate: what is in the far buffer can
/// no longer be taken back, only be asked to be cleared.
#[derive(Clone, Debug)]
pub struct FarBuffer {
    lead: Duration,
    /// When the far end runs dry if nothing more is sent.
    dry_at: Duration,
    sent: Duration,
}

impl FarBuffer {
    /// The lead that rides out the jitter of a usual connection.
    pub const LEAD: Duration = Duration::from_millis(200);

    /// A far end that holds nothing and is to hold at most `lead`.
    pub fn new(lead: Duration) -> Self {
        Self {
            lead,
            dry_at: Duration::ZERO,
            sent: Duration::ZERO,
        }
    }

    /// How much the far end holds.
    pub fn held(&self, now: Duration) -> Duration {
        self.dry_at.saturating_sub(now)
    }

    /// How many frames may be sent now.
    pub fn room(&self, now: Duration) -> usize {
        let room = self.lead.saturating_sub(self.held(now));
        usize::try_from(room.as_nanos() / BEAT.as_nanos()).unwrap_or(0)
    }

    /// A frame of [`FRAME`] samples at `SampleRate::SPEECH` was sent.
    pub fn sent_frame(&mut self, now: Duration) {
        let frame = SampleRate::SPEECH.duration_of(FRAME as u64);
        self.dry_at = self.dry_at.max(now) + frame;
        self.sent += frame;
    }

    /// The far end was told to forget what it holds.
    pub fn cleared(&mut self, now: Duration) {
        self.sent = self.heard(now);
        self.dry_at = now;
    }

    /// How much of what was ever sent (and not cleared) has been heard: the position.
    pub fn heard(&self, now: Duration) -> Duration {
        self.sent.saturating_sub(self.held(now))
    }
}

#[cfg(test)]
mod tests;
