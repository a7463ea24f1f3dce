//! An engine served by tasks instead of a thread: one that runs elsewhere and is reached over the
//! network, or a scripted one. It hands out the same leases.
use std::{future::Future, sync::Arc};

use tokio::{
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
};

use crate::lease::{EngineClient, Lease, Row};

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
    let (client, mut server) = EngineClient::new();
    let permits = Arc::new(Semaphore::new(rows));
    #[expect(clippy::disallowed_methods, reason = "ends with the last client")]
    tokio::spawn(async move {
        let mut tasks: JoinSet<()> = JoinSet::new();
        while let Some(open) = server.opens.recv().await {
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
