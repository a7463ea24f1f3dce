//! One thread per engine, serving many leases. The only loop that steps a model.
//!
//! Invariant: rows, inboxes and outboxes live in the worker thread alone; there is no lock and no
//! "is this still the same caller?" check to forget.
use std::thread;

use metrics::{counter, gauge, histogram};
use tokio::sync::mpsc;
use voiced_core::engine::{Engine, EngineError, FaultKind, Progress, SlotId};

use crate::{
    clock::StepTimer,
    lease::{EngineClient, EngineServer, Lease, Open, Row},
    metrics::names,
};

/// Gives `engine` its thread. The thread ends when the last client and the last lease are gone, or
/// with the engine, which is told by [`EngineClient::healthy`].
pub fn spawn<E: Engine>(
    name: &str,
    engine: E,
) -> std::io::Result<EngineClient<E::Input, E::Output>> {
    let (client, EngineServer { opens, health }) = EngineClient::new();
    let label = name.to_owned();
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let mut worker = Worker::new(label, engine, opens);
            // A panicking engine is a bug in it, not a reason to go on without it.
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| worker.run()));
            match ended {
                Ok(Ok(())) => (),
                Ok(Err(error)) => {
                    tracing::error!(engine = worker.name, %error, "engine lost");
                    health.send_replace(false);
                }
                Err(_) => {
                    tracing::error!(engine = worker.name, "engine lost: it panicked");
                    health.send_replace(false);
                }
            }
        })?;
    Ok(client.woken(thread.thread().clone()))
}

struct Worker<E: Engine> {
    name: String,
    engine: E,
    opens: mpsc::Receiver<Open<E::Input, E::Output>>,
    rows: Vec<Option<Row<E::Input, E::Output>>>,
    ready: Vec<bool>,
}

impl<E: Engine> Worker<E> {
    fn new(name: String, engine: E, opens: mpsc::Receiver<Open<E::Input, E::Output>>) -> Self {
        let slots = engine.slots();
        Self {
            name,
            engine,
            opens,
            rows: (0..slots).map(|_| None).collect(),
            ready: vec![false; slots],
        }
    }

    fn run(&mut self) -> Result<(), EngineError> {
        loop {
            // Rows are closed before leases are counted: the last one must not be waited for.
            self.feed_rows()?;
            if !self.take_leases() {
                return Ok(());
            }
            if self.step()? == Progress::Idle {
                // Every sender unparks after it sends; a token kept from before makes this a no-op.
                thread::park();
            }
        }
    }

    /// `false` when nobody holds or can get a lease any more.
    fn take_leases(&mut self) -> bool {
        loop {
            match self.opens.try_recv() {
                Ok(open) => self.admit(open),
                Err(mpsc::error::TryRecvError::Empty) => return true,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    return self.rows.iter().any(Option::is_some);
                }
            }
        }
    }

    fn admit(&mut self, open: Open<E::Input, E::Output>) {
        // A row whose lease was dropped is free from now, not from the end of the next step.
        let free = self.rows.iter().position(|row| match row {
            None => true,
            Some(row) => row.outputs.is_closed(),
        });
        let Some(free) = free else {
            counter!(names::ENGINE_REFUSED, "engine" => self.name.clone()).increment(1);
            open.refuse();
            return;
        };
        if self.rows[free].take().is_some() {
            self.engine.close(SlotId(free));
        }
        let (lease, row) = Lease::new(Some(thread::current()));
        self.engine.open(SlotId(free));
        self.rows[free] = Some(row);
        open.accept(lease);
    }

    fn feed_rows(&mut self) -> Result<(), EngineError> {
        for (idx, slot) in self.rows.iter_mut().enumerate() {
            let Some(row) = slot else { continue };
            let keep = !row.outputs.is_closed() && feed_row(&mut self.engine, SlotId(idx), row)?;
            if !keep {
                self.engine.close(SlotId(idx));
                *slot = None;
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Progress, EngineError> {
        let (mut n_ready, mut n_stalled) = (0_u32, 0_u32);
        for (ready, row) in self.ready.iter_mut().zip(&self.rows) {
            *ready = row.as_ref().is_some_and(|row| row.outputs.capacity() > 0);
            n_ready += u32::from(*ready);
            n_stalled += u32::from(row.is_some() && !*ready);
        }
        gauge!(names::ENGINE_ROWS_READY, "engine" => self.name.clone()).set(n_ready);
        gauge!(names::ENGINE_ROWS_STALLED, "engine" => self.name.clone()).set(n_stalled);
        let timer = StepTimer::start();
        let rows = &self.rows;
        let progress = self.engine.step(&self.ready, &mut |slot, output| {
            if let Some(row) = &rows[slot.0] {
                // A ready row has room for one; a closed one has been abandoned meanwhile.
                let _ = row.outputs.try_send(output);
            }
        })?;
        if progress == Progress::Stepped {
            histogram!(names::ENGINE_STEP_SECONDS, "engine" => self.name.clone())
                .record(timer.seconds());
        }
        Ok(progress)
    }
}

/// Hands over waiting inputs, unless the session has stopped taking outputs: its inputs then stay
/// in its own bounded queue and push back on nobody else. `false` when the row must close.
fn feed_row<E: Engine>(
    engine: &mut E,
    slot: SlotId,
    row: &mut Row<E::Input, E::Output>,
) -> Result<bool, EngineError> {
    while row.outputs.capacity() > 0 && engine.has_room(slot) {
        let Ok(input) = row.inputs.try_recv() else {
            break;
        };
        match engine.feed(slot, input) {
            Ok(()) => (),
            Err(fault) if fault.kind == FaultKind::BadInput => {
                tracing::warn!(error = %fault, "an engine refused its input");
                return Ok(false);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
