//! How transactions and the ways of their messages are named.
use std::net::SocketAddr;

use crate::sip::message::{Essentials, Method};

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams: everything may be lost.
    Udp,
    /// A stream.
    Tcp,
    /// A stream nobody else reads.
    Tls,
}

impl Transport {
    /// Its name in `Via`.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// Whether what is sent arrives or the connection breaks.
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }
}

/// Where messages come from and go to: over UDP an address, otherwise a connection with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// The far end.
    pub remote: SocketAddr,
}

/// Names a server transaction: an answer is given to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey {
    pub(super) branch: String,
    pub(super) sent_by: String,
    pub(super) method: String,
}

/// Names a client transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey {
    pub(super) branch: String,
    pub(super) method: String,
}

/// Bytes to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where.
    pub flow: Flow,
    /// What.
    pub bytes: Vec<u8>,
}

impl ServerKey {
    /// The transaction a request belongs to; `None` for a peer of before RFC 3261.
    pub fn of(essentials: &Essentials) -> Option<ServerKey> {
        let via = &essentials.via;
        let method = match &essentials.cseq.method {
            Method::Ack => Method::Invite,
            method => method.clone(),
        };
        Some(ServerKey {
            branch: via.branch()?.to_owned(),
            sent_by: format!("{}:{}", via.host, via.port.unwrap_or(0)),
            method: method.name().to_owned(),
        })
    }

    /// The INVITE a CANCEL is about.
    pub fn of_cancelled(&self) -> ServerKey {
        let method = Method::Invite.name().to_owned();
        ServerKey {
            method,
            ..self.clone()
        }
    }
}
