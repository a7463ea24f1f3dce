//! The clock of the measurements, and the only place here that reads one.
use std::time::Duration;

pub use tokio::time::Instant;

/// This moment.
pub fn now() -> Instant {
    Instant::now()
}

/// One frame of a microphone.
pub const FRAME: Duration = Duration::from_millis(20);

/// A microphone's beat: a frame every 20 ms from `begin` on, made up for when late.
pub fn microphone(begin: Instant) -> tokio::time::Interval {
    let mut beat = tokio::time::interval_at(begin, FRAME);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    beat
}

/// Waits until `due`.
pub async fn until(due: Instant) {
    tokio::time::sleep_until(due).await;
}

/// `work`, or `None` when it takes longer than `limit`.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}
