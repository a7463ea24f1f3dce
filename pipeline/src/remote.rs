//! An engine served by tasks instead of a thread: one that runs elsewhere and is reached over the
//! network, or a scripted one. It hands out the same leases.
use std::{future::Future, sync::Arc};

use tokio::{
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
};

use crate::lease::{EngineClient, EngineServer, Lease, Row};

/// Serves every lease with one task, at most `rows` at once. `serve` owns the row: it returns when
/// the lease is gone (`inputs` ends, `outputs.closed()`), and dropping the row tells the session
/// that the engine gave up. Tasks end with the last client.
///
/// Must be called inside a tokio runtime.
pub fn serve_by_tasks<I, O, F, S>(rows: usize, serve: S) -> EngineClient<I, O>
where
    I: Send + 'static,
    O: Send + 'static,
    S: Fn(Row<I, O>) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (client, EngineServer { mut opens, health }) = EngineClient::new();
    let permits = Arc::new(Semaphore::new(rows));
    #[expect(clippy::disallowed_methods, reason = "ends with the last client")]
    tokio::spawn(async move {
        // Health is told for as long as the engine serves: it ends with its clients, not before.
        let _health = health;
        let mut tasks: JoinSet<()> = JoinSet::new();
        while let Some(open) = opens.recv().await {
            while tasks.try_join_next().is_some() {}
            let Ok(permit) = permits.clone().try_acquire_owned() else {
                open.refuse();
                continue;
            };
            let (lease, row) = Lease::new(None);
            let work = serve(row);
            let _: AbortHandle = tasks.spawn(async move {
                work.await;
                drop(permit);
            });
            open.accept(lease);
        }
    });
    client
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lease::OpenError;

    async fn echo(mut row: Row<u32, u32>) {
        while let Some(input) = row.inputs.recv().await {
            if row.outputs.send(input).await.is_err() {
                return;
            }
        }
    }

    #[tokio::test]
    async fn tasks_hand_out_leases_and_stay_healthy() {
        let client = serve_by_tasks(1, echo);
        let mut lease = client.open().await.unwrap();
        assert_eq!(client.open().await.err(), Some(OpenError::AtCapacity));
        lease.feed.send(7).await.unwrap();
        assert_eq!(lease.yields.recv().await, Some(7));
        let healthy = client.healthy();
        assert!(*healthy.borrow() && healthy.has_changed().is_ok());
        drop(lease);
        while client.open().await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
