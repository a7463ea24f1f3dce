//! One UDP port for all peers. The WebRTC stack wants a socket per peer; it is given a queue that
//! looks like one, and packets find their queue by the name in their STUN requests and from then on
//! by where they come from.
//!
//! Invariant: an address is tied to a peer only by a STUN request signed with that peer's password,
//! so nobody can draw another caller's packets to themselves.
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use rtc::crypto::{CryptoError, RTCCryptoProvider};
use tokio::{net::UdpSocket, task::JoinSet};
use uuid::Uuid;
use webrtc::runtime::Runtime;

mod routes;
mod runtime;

use routes::{Line, Routes};
use runtime::PeerRuntime;

/// The longest datagram read: more than any path carries of WebRTC.
const DATAGRAM: usize = 2_048;

/// The sockets of all peers, one per local address, and the tasks that read them. Dropping it
/// closes them.
pub(super) struct Port {
    routes: Arc<Routes>,
    sockets: Vec<Arc<UdpSocket>>,
    addresses: Vec<SocketAddr>,
    _readers: JoinSet<()>,
}

/// One peer's place on the port. Packets are delivered until it is dropped.
pub(super) struct Place {
    routes: Arc<Routes>,
    line: Arc<Line>,
    sockets: Vec<Arc<UdpSocket>>,
    addresses: Vec<SocketAddr>,
}

impl Port {
    /// Binds every address at `port` (0: the same free port for all where possible). Must be
    /// called inside a tokio runtime. Wildcard addresses are refused: their packets would leave
    /// from an address nobody was told about.
    pub(super) fn open(addresses: &[IpAddr], port: u16) -> io::Result<Port> {
        let mut port = port;
        let mut sockets = Vec::new();
        let mut bound = Vec::new();
        for address in addresses {
            if address.is_unspecified() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "WebRTC needs explicit addresses, not a wildcard",
                ));
            }
            let socket = bind(*address, port, !bound.is_empty())?;
            let local = socket.local_addr()?;
            port = if port == 0 { local.port() } else { port };
            bound.push(local);
            sockets.push(Arc::new(socket));
        }
        if sockets.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "WebRTC needs at least one local address",
            ));
        }
        let crypto = rtc::crypto::default_provider().map_err(no_crypto)?;
        let routes = Arc::new(Routes::new(crypto));
        let mut readers = JoinSet::new();
        for (index, socket) in sockets.iter().enumerate() {
            readers.spawn(read(index, socket.clone(), routes.clone()));
        }
        Ok(Port {
            routes,
            sockets,
            addresses: bound,
            _readers: readers,
        })
    }

    /// Where packets are received.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What the peers' cryptography is done with.
    pub(super) fn crypto(&self) -> Arc<dyn RTCCryptoProvider> {
        self.routes.crypto()
    }

    /// A place for one more peer.
    pub(super) fn place(&self) -> Place {
        // RFC 8839 wants 24 and 128 bits of randomness; a UUID has 122 and two have plenty.
        let name = Uuid::new_v4().simple().to_string()[..16].to_owned();
        let password = Uuid::new_v4().simple().to_string();
        let line = Arc::new(Line::new(name, password, self.sockets.len()));
        self.routes.add(&line);
        Place {
            routes: self.routes.clone(),
            line,
            sockets: self.sockets.clone(),
            addresses: self.addresses.clone(),
        }
    }
}

impl Place {
    /// The ICE user fragment and password of the peer.
    pub(super) fn credentials(&self) -> (String, String) {
        (self.line.name.clone(), self.line.password.clone())
    }

    /// What the stack should ask for: one socket per local address, any port. It never gets them.
    pub(super) fn wanted_sockets(&self) -> Vec<SocketAddr> {
        let any = |address: &SocketAddr| SocketAddr::new(address.ip(), 0);
        self.addresses.iter().map(any).collect()
    }

    /// A runtime that hands out this place instead of sockets.
    pub(super) fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(PeerRuntime::new(
            self.line.clone(),
            self.sockets.clone(),
            self.addresses.clone(),
        ))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.routes.remove(&self.line);
    }
}

fn no_crypto(error: CryptoError) -> io::Error {
    io::Error::other(format!("no cryptography for WebRTC: {error}"))
}

/// `may_differ`: another address has the port already, this one may take any if it is not free.
fn bind(address: IpAddr, port: u16, may_differ: bool) -> io::Result<UdpSocket> {
    let socket = match std::net::UdpSocket::bind((address, port)) {
        Err(error) if may_differ && error.kind() == io::ErrorKind::AddrInUse => {
            std::net::UdpSocket::bind((address, 0))?
        }
        other => other.map_err(|error| {
            io::Error::new(error.kind(), format!("UDP {address} port {port}: {error}"))
        })?,
    };
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

async fn read(index: usize, socket: Arc<UdpSocket>, routes: Arc<Routes>) {
    let mut datagram = [0; DATAGRAM];
    loop {
        match socket.recv_from(&mut datagram).await {
            Ok((length, source)) => routes.deliver(index, source, &datagram[..length]),
            // Reports about packets sent earlier; the socket itself is fine. Not to be tight in
            // case it is not:
            Err(error) => {
                tracing::debug!(%error, "UDP receive");
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
