//! The runtime given to one peer connection: tokio, except that its UDP sockets are the peer's
//! place on the shared port.
use std::{
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::net::UdpSocket;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

use super::routes::Line;

type Promise<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub(super) struct PeerRuntime {
    line: Arc<Line>,
    sockets: Vec<Arc<UdpSocket>>,
    addresses: Vec<SocketAddr>,
}

impl PeerRuntime {
    pub(super) fn new(
        line: Arc<Line>,
        sockets: Vec<Arc<UdpSocket>>,
        addresses: Vec<SocketAddr>,
    ) -> Self {
        Self {
            line,
            sockets,
            addresses,
        }
    }
}

impl fmt::Debug for PeerRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerRuntime")
    }
}

impl Runtime for PeerRuntime {
    fn spawn(&self, future: Promise<'static, ()>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    /// Closes the socket it is given and answers for it: what the stack takes for its own address
    /// is known to nobody else.
    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let imagined = socket.local_addr()?;
        let index = self
            .addresses
            .iter()
            .position(|address| address.ip() == imagined.ip())
            .ok_or_else(|| io::Error::other("the port does not listen on that address"))?;
        Ok(Arc::new(PeerSocket {
            line: self.line.clone(),
            socket: self.sockets[index].clone(),
            index,
            imagined,
        }))
    }

    fn wrap_tcp_listener(
        &self,
        listener: std::net::TcpListener,
    ) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        _remote: SocketAddr,
    ) -> Promise<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        // Peers reach us; we never dial out.
        Box::pin(std::future::ready(Err(io::ErrorKind::Unsupported.into())))
    }

    fn resolve_host<'a>(&'a self, _host: &'a str) -> Promise<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(std::future::ready(Err(io::ErrorKind::Unsupported.into())))
    }

    fn sleep(&self, duration: Duration) -> Promise<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> Promise<'static, ()> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio, shared port"
    }
}

/// One peer's place on one of the sockets.
struct PeerSocket {
    line: Arc<Line>,
    socket: Arc<UdpSocket>,
    index: usize,
    imagined: SocketAddr,
}

impl fmt::Debug for PeerSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSocket")
            .field("imagined", &self.imagined)
            .finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for PeerSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.imagined)
    }

    /// Never waits: when the kernel's buffer is full the packet is lost, as it might be on any
    /// later hop, and no peer holds up another.
    fn poll_send(&self, _cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if let Err(error) = self
            .socket
            .try_send_to(transmit.contents, transmit.destination)
        {
            tracing::trace!(%error, "UDP send");
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        };
        self.line
            .poll(self.index, cx, buffer)
            .map(|(source, length)| {
                *meta = RecvMeta::default();
                meta.addr = source;
                meta.len = length;
                meta.stride = length.max(1);
                Ok(1)
            })
    }
}
