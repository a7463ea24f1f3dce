//! The worker on real threads, with an engine that counts.
#![allow(clippy::unwrap_used)]
use tokio::sync::mpsc;
use voiced_core::engine::{Engine, EngineError, Progress, SlotId};

use crate::lease::{EngineClient, Lease, OpenError};

/// Counts up to the number it is fed, one output per step; 13 is bad input, 666 breaks it.
struct Counter {
    rows: Vec<Option<(u32, u32)>>,
    widest: mpsc::Sender<usize>,
    fault: Option<EngineError>,
}

impl Counter {
    fn new(rows: usize) -> (Self, mpsc::Receiver<usize>) {
        let (widest, reports) = mpsc::channel(100_000);
        let counter = Counter {
            rows: vec![None; rows],
            widest,
            fault: None,
        };
        (counter, reports)
    }
}

impl Engine for Counter {
    type Input = u32;
    type Output = u32;

    fn slots(&self) -> usize {
        self.rows.len()
    }

    fn open(&mut self, slot: SlotId) {
        self.rows[slot.0] = None;
    }

    fn feed(&mut self, slot: SlotId, input: u32) -> Result<(), EngineError> {
        match input {
            13 => return Err(EngineError::bad_input("thirteen")),
            666 => self.fault = Some(EngineError::device("the device is on fire")),
            _ => self.rows[slot.0] = Some((0, input)),
        }
        Ok(())
    }

    fn close(&mut self, slot: SlotId) {
        self.rows[slot.0] = None;
    }

    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, u32),
    ) -> Result<Progress, EngineError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut n_active = 0;
        for (idx, row) in self.rows.iter_mut().enumerate() {
            let Some((at, to)) = row.filter(|_| ready[idx]) else {
                continue;
            };
            n_active += 1;
            emit(SlotId(idx), at);
            *row = (at + 1 < to).then_some((at + 1, to));
        }
        let _ = self.widest.try_send(n_active);
        Ok(if n_active == 0 {
            Progress::Idle
        } else {
            Progress::Stepped
        })
    }
}

async fn until_free(client: &EngineClient<u32, u32>) -> Lease<u32, u32> {
    loop {
        match client.open().await {
            Ok(lease) => return lease,
            Err(OpenError::AtCapacity) => tokio::task::yield_now().await,
            Err(OpenError::Closed) => panic!("the worker died"),
        }
    }
}

#[tokio::test]
async fn many_leases_share_steps_and_a_dropped_one_frees_its_row() {
    let (counter, mut widest) = Counter::new(4);
    let client = super::spawn("counter-0", counter).unwrap();
    let mut leases = Vec::new();
    for _ in 0..4 {
        leases.push(client.open().await.unwrap());
    }
    assert_eq!(client.open().await.err(), Some(OpenError::AtCapacity));
    for lease in &leases {
        lease.feed.send(1_000).await.unwrap();
    }
    // The last one never reads: only its own row stalls.
    let mut totals = [0_u32; 3];
    for _ in 0..1_000 {
        for (lease, total) in leases.iter_mut().zip(&mut totals) {
            *total += lease.yields.recv().await.unwrap();
        }
    }
    assert_eq!(totals, [499_500; 3]);
    drop(leases.pop());
    let mut lease = until_free(&client).await;
    lease.feed.send(1).await.unwrap();
    let first = lease.yields.recv().await;
    assert_eq!(first, Some(0), "a reused row remembers nothing");
    let mut most = 0;
    while let Ok(n) = widest.try_recv() {
        most = most.max(n);
    }
    assert!(most >= 2, "leases were batched");
}

#[tokio::test]
async fn bad_input_costs_its_own_lease_only() {
    let (counter, _widest) = Counter::new(2);
    let client = super::spawn("counter-1", counter).unwrap();
    let mut good = client.open().await.unwrap();
    let mut bad = client.open().await.unwrap();
    bad.feed.send(13).await.unwrap();
    assert_eq!(bad.yields.recv().await, None);
    good.feed.send(1).await.unwrap();
    assert_eq!(good.yields.recv().await, Some(0));
    assert!(*client.healthy().borrow());
}

#[tokio::test]
async fn a_lost_device_is_told_and_ends_every_lease() {
    let (counter, _widest) = Counter::new(2);
    let client = super::spawn("counter-2", counter).unwrap();
    let mut healthy = client.healthy();
    let mut one = client.open().await.unwrap();
    let other = client.open().await.unwrap();
    other.feed.send(666).await.unwrap();
    healthy.wait_for(|healthy| !healthy).await.unwrap();
    assert_eq!(one.yields.recv().await, None);
    assert_eq!(client.open().await.err(), Some(OpenError::Closed));
}

#[tokio::test]
async fn the_thread_ends_with_its_last_client() {
    let (counter, mut widest) = Counter::new(1);
    let client = super::spawn("counter-3", counter).unwrap();
    let lease = client.open().await.unwrap();
    drop(client);
    drop(lease);
    // The engine is dropped with its thread, which closes the report channel.
    while widest.recv().await.is_some() {}
}
