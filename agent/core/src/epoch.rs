//! The one cancellation. All output of the agent carries the epoch it was made for; anything of an
//! older epoch is dead on arrival.
//!
//! Invariant: there is one writer per call, and nothing else in the daemon cancels a reply.
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Which reply a thing belongs to. Grows by one with every reply and every interruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }
}

/// The only way to move the epoch. Not `Clone`: there is one writer per call.
#[derive(Debug)]
pub struct EpochWriter(Arc<AtomicU64>);

/// Tells whether something has gone stale.
#[derive(Clone, Debug)]
pub struct EpochReader(Arc<AtomicU64>);

/// The two ends of one call's epoch.
pub fn epoch() -> (EpochWriter, EpochReader) {
    let cell = Arc::new(AtomicU64::new(0));
    (EpochWriter(cell.clone()), EpochReader(cell))
}

impl EpochWriter {
    /// Makes everything older than `epoch` stale, for everyone, at once.
    pub fn advance_to(&mut self, epoch: Epoch) {
        debug_assert!(
            epoch.0 >= self.0.load(Ordering::Relaxed),
            "epochs only grow"
        );
        self.0.store(epoch.0, Ordering::Release);
    }
}

impl EpochReader {
    /// The epoch now.
    pub fn current(&self) -> Epoch {
        Epoch(self.0.load(Ordering::Acquire))
    }

    /// Whether what was made for `epoch` must not be heard any more.
    pub fn is_stale(&self, epoch: Epoch) -> bool {
        epoch < self.current()
    }
}
