//! Streams under signalling: TCP and TLS connections, accepted or opened, each a task that cuts
//! messages out of what comes and writes what is to go.
//!
//! Guarantees: their number is bounded; one that sends what is no message, or nothing for long, or
//! does not read in time is closed.
use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::sip::{
    framing::{Framed, Framing},
    transactions::{Flow, Transport},
};

/// Connections at once.
const MOST: usize = 512;
/// Connections at once from one address that is no trunk.
const MOST_PER_ADDRESS: usize = 8;
/// Messages that wait to be written.
const OUTGOING: usize = 64;
/// Time for a handshake or to connect.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// A connection nothing comes from is closed after so long; keep-alives come every two minutes.
const SILENT_AT_MOST: Duration = Duration::from_secs(600);

/// What a connection tells.
#[derive(Debug)]
pub enum Heard {
    /// A whole message.
    Message(Flow, Vec<u8>),
    /// It is over.
    Closed(Flow),
}

/// How TLS is spoken.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// As a server.
    pub server: Option<Arc<rustls::ServerConfig>>,
    /// As a client.
    pub client: Option<Arc<rustls::ClientConfig>>,
}

/// Every open connection.
pub struct Connections {
    open: HashMap<Flow, mpsc::Sender<Vec<u8>>>,
    tasks: JoinSet<Flow>,
    heard: mpsc::Sender<Heard>,
    tls: Tls,
}

impl Connections {
    /// None yet. What they hear goes to `heard`.
    pub fn new(heard: mpsc::Sender<Heard>, tls: Tls) -> Connections {
        Connections {
            open: HashMap::new(),
            tasks: JoinSet::new(),
            heard,
            tls,
        }
    }

    /// Takes a connection that came in, unless there are too many. `is_welcome`: it comes from a
    /// trunk.
    pub fn accept(
        &mut self,
        stream: TcpStream,
        remote: SocketAddr,
        transport: Transport,
        is_welcome: bool,
    ) {
        let from_there = self
            .open
            .keys()
            .filter(|flow| flow.remote.ip() == remote.ip())
            .count();
        if self.open.len() >= MOST || !is_welcome && from_there >= MOST_PER_ADDRESS {
            return;
        }
        let flow = Flow { transport, remote };
        let (outgoing, to_write) = mpsc::channel(OUTGOING);
        let heard = self.heard.clone();
        let server = self.tls.server.clone();
        self.open.insert(flow, outgoing);
        self.tasks.spawn(async move {
            let _ = stream.set_nodelay(true);
            match (transport, server) {
                (Transport::Tls, Some(server)) => {
                    let accepting = TlsAcceptor::from(server).accept(stream);
                    if let Ok(Ok(stream)) = timeout(READY_WITHIN, accepting).await {
                        carry(flow, stream, &heard, to_write).await;
                    }
                }
                _ => carry(flow, stream, &heard, to_write).await,
            }
            flow
        });
    }

    /// Sends over a connection, opening one where there is none. `false`: it cannot be sent.
    pub fn send(&mut self, flow: Flow, host: Option<&str>, bytes: Vec<u8>) -> bool {
        if let Some(outgoing) = self.open.get(&flow) {
            return outgoing.try_send(bytes).is_ok();
        }
        if self.open.len() >= MOST {
            return false;
        }
        let (outgoing, to_write) = mpsc::channel(OUTGOING);
        // The queue is new and has room.
        let _ = outgoing.try_send(bytes);
        self.open.insert(flow, outgoing);
        let heard = self.heard.clone();
        let client = self.tls.client.clone();
        let name =
            ServerName::try_from(host.map_or_else(|| flow.remote.ip().to_string(), str::to_owned));
        self.tasks.spawn(async move {
            let connecting = timeout(READY_WITHIN, TcpStream::connect(flow.remote)).await;
            if let Ok(Ok(stream)) = connecting {
                let _ = stream.set_nodelay(true);
                match (flow.transport, client, name) {
                    (Transport::Tcp, ..) => carry(flow, stream, &heard, to_write).await,
                    (Transport::Tls, Some(client), Ok(name)) => {
                        let connecting = TlsConnector::from(client).connect(name, stream);
                        match timeout(READY_WITHIN, connecting).await {
                            Ok(Ok(stream)) => carry(flow, stream, &heard, to_write).await,
                            _ => tracing::warn!(remote = %flow.remote, "no TLS connection could be made"),
                        }
                    }
                    _ => {}
                }
            }
            flow
        });
        true
    }

    /// The next connection that is over; waits for ever while there are none.
    pub async fn closed(&mut self) -> Flow {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(flow)) => {
                    self.open.remove(&flow);
                    return flow;
                }
                // A task that panicked told its panic; its flow closes when it is next used.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// Carries one connection to its end.
async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    flow: Flow,
    mut stream: S,
    heard: &mpsc::Sender<Heard>,
    mut to_write: mpsc::Receiver<Vec<u8>>,
) {
    let mut framing = Framing::default();
    let mut buffer = vec![0; 4_096];
    loop {
        tokio::select! {
            outgoing = to_write.recv() => {
                let Some(bytes) = outgoing else { break };
                if !matches!(timeout(READY_WITHIN, stream.write_all(&bytes)).await, Ok(Ok(()))) {
                    break;
                }
                let _ = stream.flush().await;
            }
            read = timeout(SILENT_AT_MOST, stream.read(&mut buffer)) => {
                let Ok(Ok(count @ 1..)) = read else { break };
                framing.push(&buffer[..count]);
                if !deliver(flow, &mut framing, &mut stream, heard).await {
                    break;
                }
            }
        }
    }
    // The telephone may be over too; then nobody needs to know.
    let _ = heard.send(Heard::Closed(flow)).await;
}

/// Passes on every whole message; `false` ends the connection.
async fn deliver<S: AsyncWrite + Unpin>(
    flow: Flow,
    framing: &mut Framing,
    stream: &mut S,
    heard: &mpsc::Sender<Heard>,
) -> bool {
    loop {
        match framing.next_message() {
            Ok(Some(Framed::Message(bytes))) => {
                if heard.send(Heard::Message(flow, bytes)).await.is_err() {
                    return false;
                }
            }
            Ok(Some(Framed::Ping)) => {
                if stream.write_all(b"\r\n").await.is_err() {
                    return false;
                }
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
