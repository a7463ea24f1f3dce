//! Time since the call began. The core never reads a clock: every input carries its time.
use std::{fmt, ops::Add, time::Duration};

/// A moment of one call, counted from its beginning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SessionTime(Duration);

impl SessionTime {
    /// The moment `ms` milliseconds into the call.
    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: SessionTime) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `d` before this one, not before the call began.
    pub fn minus(self, d: Duration) -> SessionTime {
        SessionTime(self.0.saturating_sub(d))
    }

    /// Time since the call began.
    pub fn elapsed(self) -> Duration {
        self.0
    }

    /// Whole milliseconds since the call began.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl From<Duration> for SessionTime {
    fn from(d: Duration) -> Self {
        Self(d)
    }
}

impl Add<Duration> for SessionTime {
    type Output = SessionTime;
    fn add(self, d: Duration) -> SessionTime {
        SessionTime(self.0 + d)
    }
}

impl fmt::Debug for SessionTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.as_millis())
    }
}
