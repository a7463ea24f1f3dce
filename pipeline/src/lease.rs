//! A session's claim on one row of an engine, and how to get one. Dropping the lease frees the
//! row: that is how barge-in reaches a model, wherever it runs.
//!
//! Invariant: the session cannot tell an engine of this process from one elsewhere.
use std::thread::Thread;

use tokio::sync::{mpsc, oneshot, watch};

/// How many inputs wait for a row. Then feeding awaits.
pub const INPUTS_PER_ROW: usize = 8;
/// How many outputs wait for their session. Then the row skips steps and its inputs stay queued.
pub const OUTPUTS_PER_ROW: usize = 4;
/// How many sessions may wait for the answer to `open`.
const OPENS: usize = 64;

/// One stream of work: a call (recogniser) or a reply (chat model, synthesiser).
pub struct Lease<I, O> {
    /// Towards the engine.
    pub feed: Feed<I>,
    /// From the engine.
    pub yields: Yields<O>,
}

/// Towards the engine.
pub struct Feed<I> {
    inputs: mpsc::Sender<I>,
    worker: Worker,
}

/// From the engine.
pub struct Yields<O> {
    outputs: mpsc::Receiver<O>,
    worker: Worker,
}

/// The engine's end of a lease.
pub struct Row<I, O> {
    /// What the session sends. Closed when the lease is gone.
    pub inputs: mpsc::Receiver<I>,
    /// What the session receives. `is_closed()` once the lease is gone.
    pub outputs: mpsc::Sender<O>,
}

impl<I, O> Lease<I, O> {
    /// A lease and its other end. `worker` is the thread to wake, if a thread serves it.
    pub fn new(worker: Option<Thread>) -> (Self, Row<I, O>) {
        let worker = Worker(worker);
        let (inputs_tx, inputs) = mpsc::channel(INPUTS_PER_ROW);
        let (outputs, outputs_rx) = mpsc::channel(OUTPUTS_PER_ROW);
        let lease = Lease {
            feed: Feed {
                inputs: inputs_tx,
                worker: worker.clone(),
            },
            yields: Yields {
                outputs: outputs_rx,
                worker,
            },
        };
        (lease, Row { inputs, outputs })
    }
}

impl<I> Feed<I> {
    /// Waits for room in the row's queue.
    pub async fn send(&self, input: I) -> Result<(), Closed> {
        self.inputs.send(input).await.map_err(|_| Closed)?;
        self.worker.wake();
        Ok(())
    }
}

impl<O> Yields<O> {
    /// The next output; `None` when the engine gave the row up. Taking an output returns credit
    /// to the row, so the worker is told.
    pub async fn recv(&mut self) -> Option<O> {
        let output = self.outputs.recv().await;
        self.worker.wake();
        output
    }
}

/// The thread that serves a lease, if a thread does. Woken by hand, and when dropped: whoever holds
/// it declares it after the channel end whose closing the thread must notice.
#[derive(Clone, Default)]
struct Worker(Option<Thread>);

impl Worker {
    fn wake(&self) {
        if let Some(thread) = &self.0 {
            thread.unpark();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.wake();
    }
}

/// The engine gave the row up: bad input, or the engine is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Why there is no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Every row is taken.
    AtCapacity,
    /// The engine is gone.
    Closed,
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            OpenError::AtCapacity => "every row of the engine is taken",
            OpenError::Closed => "the engine is gone",
        })
    }
}

impl std::error::Error for OpenError {}

/// A session asking for a lease.
pub struct Open<I, O> {
    answer: oneshot::Sender<Option<Lease<I, O>>>,
}

impl<I, O> Open<I, O> {
    /// Grants it. A session that left meanwhile drops the lease, which frees the row.
    pub fn accept(self, lease: Lease<I, O>) {
        let _ = self.answer.send(Some(lease));
    }

    /// Refuses it: every row is taken.
    pub fn refuse(self) {
        let _ = self.answer.send(None);
    }
}

/// How sessions reach one engine.
pub struct EngineClient<I, O> {
    opens: mpsc::Sender<Open<I, O>>,
    worker: Worker,
    healthy: watch::Receiver<bool>,
}

impl<I, O> Clone for EngineClient<I, O> {
    fn clone(&self) -> Self {
        Self {
            opens: self.opens.clone(),
            worker: self.worker.clone(),
            healthy: self.healthy.clone(),
        }
    }
}

/// The engine's end of an [`EngineClient`].
pub struct EngineServer<I, O> {
    /// Sessions asking for a lease. Closed when nobody can ask any more.
    pub opens: mpsc::Receiver<Open<I, O>>,
    /// Set to `false` when the engine cannot go on; that ends the daemon.
    pub health: watch::Sender<bool>,
}

impl<I, O> EngineClient<I, O> {
    /// A client and the end that serves it. A thread that serves it names itself with
    /// [`EngineClient::woken`].
    pub fn new() -> (Self, EngineServer<I, O>) {
        let (opens_tx, opens) = mpsc::channel(OPENS);
        let (health, healthy) = watch::channel(true);
        (
            EngineClient {
                opens: opens_tx,
                worker: Worker::default(),
                healthy,
            },
            EngineServer { opens, health },
        )
    }

    /// The same client, waking `worker` when it asks.
    pub fn woken(mut self, worker: Thread) -> Self {
        self.worker = Worker(Some(worker));
        self
    }

    /// Asks for a row.
    pub async fn open(&self) -> Result<Lease<I, O>, OpenError> {
        let (answer, answered) = oneshot::channel();
        self.opens
            .send(Open { answer })
            .await
            .map_err(|_| OpenError::Closed)?;
        self.worker.wake();
        answered
            .await
            .map_err(|_| OpenError::Closed)?
            .ok_or(OpenError::AtCapacity)
    }

    /// Turns `false` when the engine cannot go on.
    pub fn healthy(&self) -> watch::Receiver<bool> {
        self.healthy.clone()
    }
}
