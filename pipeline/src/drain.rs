//! Shutdown in three steps: stop admitting, wait with a deadline, drop. One [`Drain`] handle is
//! passed to everything that admits or serves.
use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// Tells everyone that the daemon is going down, and waits until the last call is over.
#[derive(Clone, Debug)]
pub struct Drain {
    signal: Arc<watch::Sender<Stage>>,
    /// One receiver per call that is alive.
    alive: Arc<watch::Sender<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    /// No new calls.
    Draining,
    /// Calls that are still alive end now.
    Ending,
}

/// Held by every call; `Drain::finished` waits for the last of them.
#[derive(Debug)]
pub struct Alive {
    _held: watch::Receiver<()>,
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drain {
    /// Nothing is going down yet.
    pub fn new() -> Self {
        Self {
            signal: Arc::new(watch::channel(Stage::Serving).0),
            alive: Arc::new(watch::channel(()).0),
        }
    }

    /// Stops admission everywhere. Idempotent.
    pub fn start(&self) {
        self.advance(Stage::Draining);
    }

    /// Ends the calls that are still alive. Idempotent.
    pub fn end_calls(&self) {
        self.advance(Stage::Ending);
    }

    fn advance(&self, to: Stage) {
        self.signal.send_if_modified(|stage| {
            let is_news = *stage < to;
            *stage = to.max(*stage);
            is_news
        });
    }

    /// Whether the daemon is going down.
    pub fn is_draining(&self) -> bool {
        *self.signal.borrow() >= Stage::Draining
    }

    /// Returns once the daemon is going down.
    pub async fn draining(&self) {
        self.reached(Stage::Draining).await;
    }

    /// Returns once calls must end.
    pub async fn ending(&self) {
        self.reached(Stage::Ending).await;
    }

    async fn reached(&self, stage: Stage) {
        let mut signal = self.signal.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = signal.wait_for(|now| *now >= stage).await;
    }

    /// A mark that one more call is alive.
    pub fn alive(&self) -> Alive {
        Alive {
            _held: self.alive.subscribe(),
        }
    }

    /// How many calls are alive.
    pub fn n_alive(&self) -> usize {
        self.alive.receiver_count()
    }

    /// Returns `true` when the last call is over, `false` when `deadline` passed first.
    pub async fn finished(&self, deadline: Duration) -> bool {
        tokio::time::timeout(deadline, self.alive.closed())
            .await
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_last_call_but_not_for_ever() {
        let drain = Drain::new();
        let call = drain.alive();
        drain.start();
        drain.draining().await;
        assert!(!drain.finished(Duration::from_secs(5)).await);
        drop(call);
        assert!(drain.finished(Duration::from_secs(5)).await);
    }
}
