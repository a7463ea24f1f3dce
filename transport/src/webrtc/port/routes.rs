//! Which packet belongs to which peer.
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use rtc::{
    crypto::RTCCryptoProvider,
    stun::{integrity::MessageIntegrity, message::Message},
};

/// Datagrams that wait for one peer on one address; what comes beyond is dropped, as a full socket
/// would.
const INBOX: usize = 128;
/// Addresses one peer may come from: its interfaces and what NATs make of them.
const SOURCES: usize = 16;

/// One peer: how it signs, and what has come for it.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) password: String,
    /// One per socket.
    inboxes: Vec<Mutex<Inbox>>,
    sources: AtomicUsize,
}

#[derive(Default)]
struct Inbox {
    datagrams: VecDeque<(SocketAddr, Box<[u8]>)>,
    reader: Option<Waker>,
}

/// All peers of a port.
pub(super) struct Routes {
    table: RwLock<Table>,
    crypto: Arc<dyn RTCCryptoProvider>,
}

#[derive(Default)]
struct Table {
    by_name: HashMap<String, Arc<Line>>,
    by_source: HashMap<(usize, SocketAddr), Arc<Line>>,
}

impl Line {
    pub(super) fn new(name: String, password: String, sockets: usize) -> Self {
        Self {
            name,
            password,
            inboxes: (0..sockets).map(|_| Mutex::default()).collect(),
            sources: AtomicUsize::new(0),
        }
    }

    fn inbox(&self, socket: usize) -> std::sync::MutexGuard<'_, Inbox> {
        // Nothing panics while holding it.
        self.inboxes[socket]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, socket: usize, source: SocketAddr, datagram: &[u8]) {
        let mut inbox = self.inbox(socket);
        if inbox.datagrams.len() >= INBOX {
            return;
        }
        inbox.datagrams.push_back((source, datagram.into()));
        let reader = inbox.reader.take();
        drop(inbox);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Copies the next datagram to `into`: its source and length.
    pub(super) fn poll(
        &self,
        socket: usize,
        cx: &Context<'_>,
        into: &mut [u8],
    ) -> Poll<(SocketAddr, usize)> {
        let mut inbox = self.inbox(socket);
        match inbox.datagrams.pop_front() {
            Some((source, datagram)) => {
                let length = datagram.len().min(into.len());
                into[..length].copy_from_slice(&datagram[..length]);
                Poll::Ready((source, length))
            }
            None => {
                inbox.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Routes {
    pub(super) fn new(crypto: Arc<dyn RTCCryptoProvider>) -> Self {
        Self {
            table: RwLock::default(),
            crypto,
        }
    }

    pub(super) fn crypto(&self) -> Arc<dyn RTCCryptoProvider> {
        self.crypto.clone()
    }

    pub(super) fn add(&self, line: &Arc<Line>) {
        self.write().by_name.insert(line.name.clone(), line.clone());
    }

    pub(super) fn remove(&self, line: &Arc<Line>) {
        let mut table = self.write();
        table.by_name.remove(&line.name);
        table.by_source.retain(|_, other| !Arc::ptr_eq(other, line));
    }

    /// Gives a datagram to whom it belongs, if it belongs to anybody.
    pub(super) fn deliver(&self, socket: usize, source: SocketAddr, datagram: &[u8]) {
        let known = self.read().by_source.get(&(socket, source)).cloned();
        let line = match requested_name(datagram) {
            Some(name) => match known {
                Some(line) if line.name == name => Some(line),
                // A new address, or one that now belongs to another peer.
                _ => self.admit(socket, source, name, datagram),
            },
            None => known,
        };
        if let Some(line) = line {
            line.push(socket, source, datagram);
        }
    }

    fn admit(
        &self,
        socket: usize,
        source: SocketAddr,
        name: &str,
        datagram: &[u8],
    ) -> Option<Arc<Line>> {
        let line = self.read().by_name.get(name).cloned()?;
        if !self.is_signed(datagram, &line.password) {
            return None;
        }
        if line.sources.fetch_add(1, Ordering::Relaxed) >= SOURCES {
            return None;
        }
        self.write()
            .by_source
            .insert((socket, source), line.clone());
        Some(line)
    }

    fn is_signed(&self, datagram: &[u8], password: &str) -> bool {
        let mut message = Message {
            raw: datagram.to_vec(),
            ..Message::default()
        };
        message.decode().is_ok()
            && MessageIntegrity::check(&mut message, password.as_bytes(), self.crypto.crypto())
                .is_ok()
    }

    /// Peers on the port, and addresses tied to one.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        let table = self.read();
        (table.by_name.len(), table.by_source.len())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom a STUN binding request is for: the first half of its USERNAME. `None` for anything else.
pub(super) fn requested_name(datagram: &[u8]) -> Option<&str> {
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
    const USERNAME: u16 = 0x0006;
    let (header, mut attributes) = datagram.split_at_checked(20)?;
    if header[..2] != [0, 1] || header[4..8] != COOKIE {
        return None;
    }
    while let [a, b, c, d, rest @ ..] = attributes {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let value = rest.get(..length)?;
        if u16::from_be_bytes([*a, *b]) == USERNAME {
            return std::str::from_utf8(value).ok()?.split(':').next();
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}
