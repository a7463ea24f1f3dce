//! The listener: takes connections, bounded in number and in patience, and lets them end when the
//! daemon goes down.
//!
//! Guarantees: a connection that sends no request, or half of one, is closed after a stated time;
//! when too many of those are open the oldest makes room, so that a thousand of them do not keep
//! anybody out.
use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;
use voiced_pipeline::drain::Drain;

use super::PeerAddress;

/// How many connections, and how patient with them.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Connections at once, WebSockets not counted: those are calls.
    pub connections: usize,
    /// Of these, connections that have not sent a whole request yet.
    pub half_open: usize,
    /// A request's head must have come by then; an idle connection is closed after as long.
    pub head_within: Duration,
    /// How long connections have to end once the daemon goes down and the last call is over.
    pub end_within: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            half_open: 256,
            head_within: Duration::from_secs(10),
            end_within: Duration::from_secs(5),
        }
    }
}

/// After running out of file descriptors the next connection is tried for this much later.
const BREATH: Duration = Duration::from_millis(50);

/// Serves, over TLS when given one, until the daemon drains and its last call is over. Dropping it closes every connection
/// that is not a WebSocket at once.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: ServeLimits,
    sockets: TaskTracker,
    drain: Drain,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(limits.connections));
    let half_open = Arc::new(HalfOpen::default());
    let closing = CancellationToken::new();
    let mut connections = JoinSet::new();
    let over = async {
        drain.draining().await;
        drain.finished(Duration::MAX).await;
    };
    tokio::pin!(over);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = &mut over => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let (stream, address, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let seen = half_open.clone();
        let id = half_open.next_id();
        let (router, closing, tls) = (router.clone(), closing.clone(), tls.clone());
        let task = connections.spawn(async move {
            let half_open = (seen.clone(), id);
            match tls {
                None => talk(stream, address, router, limits, half_open, closing).await,
                Some(tls) => {
                    // A handshake is half a request: as patient, and counted as one.
                    let shaken = tokio::time::timeout(limits.head_within, tls.accept(stream));
                    if let Ok(Ok(stream)) = shaken.await {
                        talk(stream, address, router, limits, half_open, closing).await;
                    }
                }
            }
            seen.is_no_longer(id);
            drop(permit);
        });
        half_open.watch(id, task, limits.half_open);
    }
    drop(listener);
    sockets.close();
    closing.cancel();
    let ended = tokio::time::timeout(limits.end_within, async {
        while connections.join_next().await.is_some() {}
        sockets.wait().await;
    });
    if ended.await.is_err() {
        tracing::info!("connections were still open at the end");
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await;
    let permit = permit.expect("the semaphore is never closed");
    let (stream, address) = listener.accept().await?;
    // Events are small and must not wait for each other.
    stream.set_nodelay(true)?;
    Ok((stream, address, permit))
}

/// Serves one connection until it ends, or the listener does.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    address: SocketAddr,
    router: Router,
    limits: ServeLimits,
    half_open: (Arc<HalfOpen>, u64),
    closing: CancellationToken,
) {
    let connection = connection(stream, address, router, limits, half_open);
    let mut connection = std::pin::pin!(connection);
    // What a client does to its own connection is its own affair.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// One connection, as a future.
fn connection<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    address: SocketAddr,
    router: Router,
    limits: ServeLimits,
    (half_open, id): (Arc<HalfOpen>, u64),
) -> http1::UpgradeableConnection<
    TokioIo<S>,
    impl hyper::service::Service<
        hyper::Request<Incoming>,
        Response = Response,
        Error = Infallible,
        Future: Send + 'static,
    > + Send
    + 'static,
> {
    let asked = AtomicBool::new(false);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        if !asked.swap(true, Ordering::Relaxed) {
            half_open.is_no_longer(id);
        }
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddress(address));
        // A router is always ready.
        router.clone().call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
}

/// Connections that have not sent a whole request yet, oldest first.
#[derive(Default)]
struct HalfOpen {
    state: Mutex<HalfOpenState>,
}

#[derive(Default)]
struct HalfOpenState {
    last: u64,
    waiting: BTreeMap<u64, Option<AbortHandle>>,
}

impl HalfOpen {
    fn state(&self) -> std::sync::MutexGuard<'_, HalfOpenState> {
        // No code panics while holding it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_id(&self) -> u64 {
        let mut state = self.state();
        state.last += 1;
        let id = state.last;
        state.waiting.insert(id, None);
        id
    }

    /// Remembers how to end connection `id`, unless it has sent its request already, and ends the
    /// oldest when there are more than `limit`.
    fn watch(&self, id: u64, task: AbortHandle, limit: usize) {
        let mut state = self.state();
        if let Some(waiting) = state.waiting.get_mut(&id) {
            *waiting = Some(task);
        }
        while state.waiting.len() > limit {
            let Some((_, oldest)) = state.waiting.pop_first() else {
                break;
            };
            if let Some(oldest) = oldest {
                oldest.abort();
            }
        }
    }

    fn is_no_longer(&self, id: u64) {
        self.state().waiting.remove(&id);
    }
}
