//! The only place in this crate that reads a clock. Everything else is told the time.
use voiced_core::time::SessionTime;

/// The clock of one call. Follows tokio's paused time in tests.
#[derive(Clone, Copy, Debug)]
pub struct CallClock {
    began: tokio::time::Instant,
}

impl CallClock {
    /// A call that begins now.
    pub fn start() -> Self {
        Self {
            began: tokio::time::Instant::now(),
        }
    }

    /// Time since the call began.
    pub fn now(self) -> SessionTime {
        SessionTime::from(self.began.elapsed())
    }

    /// Waits until `due`, or for ever when there is nothing to wait for.
    pub async fn until(self, due: Option<SessionTime>) {
        match due {
            Some(due) => tokio::time::sleep_until(self.began + due.elapsed()).await,
            None => std::future::pending().await,
        }
    }
}

/// Measures how long one step of an engine takes, for its histogram.
#[derive(Clone, Copy, Debug)]
pub struct StepTimer(std::time::Instant);

impl StepTimer {
    /// Starts measuring.
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        Self(std::time::Instant::now())
    }

    /// Seconds since the start.
    pub fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
