//! The exchange: the sockets of signalling, the user agent behind them, and a task per call.
//!
//! Guarantees: the user agent is touched by one task alone; no call can make it wait; when it ends,
//! every call has ended.
use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, UdpSocket},
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use voiced_pipeline::{calls::Calls, drain::Drain};
use voiced_transport::pacer::Clock;

use crate::{
    connections::{Connections, Heard},
    line::{self, Dialled, LineParts},
    ports::Ports,
    random_bytes,
    settings::{TelephoneError, TelephoneSettings},
    sip::{
        LegId,
        agent::{AgentSettings, Invite, Output, Told, UserAgent},
        transactions::{Flow, Transmit, Transport},
        uri::Uri,
    },
};

mod desk;
mod orders;
mod sockets;

pub use desk::Desk;
use sockets::{accept, receive, until};

/// Orders of calls that wait for the user agent.
const ORDERS: usize = 512;
/// Messages of streams that wait for it.
const HEARD: usize = 256;
/// Facts that wait for a call; one that does not read them is ended.
const FACTS: usize = 64;
/// The longest datagram.
const DATAGRAM: usize = 65_536;
/// Datagrams read in one go.
const BATCH: usize = 64;

/// What a call asks of the user agent.
pub(crate) enum Order {
    Ring(LegId),
    Accept(LegId, String),
    Reject(LegId, u16),
    AnswerOffer(LegId, Option<String>),
    HangUp(LegId),
    Refer(LegId, Uri),
    NotifyRefer(LegId, u16),
    Invite(Box<Invite>, mpsc::Sender<Told>, oneshot::Sender<LegId>),
    Dial(Box<Dialled>),
}

/// The telephone, open and not yet served.
pub struct Telephone {
    settings: Arc<TelephoneSettings>,
    udp: Option<UdpSocket>,
    tcp: Option<TcpListener>,
    tls: Option<TcpListener>,
    orders: mpsc::Sender<Order>,
    to_do: mpsc::Receiver<Order>,
}

impl Telephone {
    /// Binds every socket.
    ///
    /// # Errors
    /// When one cannot be bound.
    pub async fn open(settings: TelephoneSettings) -> Result<Telephone, TelephoneError> {
        let failed = |transport: &'static str, address: SocketAddr| {
            move |source| TelephoneError::Listen {
                address,
                transport,
                source,
            }
        };
        let udp = match settings.udp {
            Some(address) => Some(
                UdpSocket::bind(address)
                    .await
                    .map_err(failed("UDP", address))?,
            ),
            None => None,
        };
        let tcp = match settings.tcp {
            Some(address) => Some(
                TcpListener::bind(address)
                    .await
                    .map_err(failed("TCP", address))?,
            ),
            None => None,
        };
        let tls = match settings
            .tls_address
            .filter(|_| settings.tls.server.is_some())
        {
            Some(address) => Some(
                TcpListener::bind(address)
                    .await
                    .map_err(failed("TLS", address))?,
            ),
            None => None,
        };
        let (orders, to_do) = mpsc::channel(ORDERS);
        let settings = Arc::new(settings);
        Ok(Telephone {
            settings,
            udp,
            tcp,
            tls,
            orders,
            to_do,
        })
    }

    /// Where calls are ordered.
    pub fn desk(&self) -> Desk {
        Desk {
            orders: self.orders.clone(),
            settings: self.settings.clone(),
        }
    }

    /// Where it is reached, by transport.
    pub fn addresses(&self) -> Vec<(Transport, SocketAddr)> {
        let udp = self
            .udp
            .as_ref()
            .and_then(|socket| socket.local_addr().ok());
        let tcp = self
            .tcp
            .as_ref()
            .and_then(|socket| socket.local_addr().ok());
        let tls = self
            .tls
            .as_ref()
            .and_then(|socket| socket.local_addr().ok());
        let all = [
            (Transport::Udp, udp),
            (Transport::Tcp, tcp),
            (Transport::Tls, tls),
        ];
        all.into_iter()
            .filter_map(|(transport, address)| Some((transport, address?)))
            .collect()
    }

    /// Serves calls until the daemon drains and the last of them is over.
    ///
    /// # Errors
    /// When a socket fails.
    pub async fn serve(self, calls: Calls, drain: Drain) -> Result<(), TelephoneError> {
        let settings = self.settings.clone();
        let public = |(transport, mut address): (Transport, SocketAddr)| {
            if let Some(ip) = settings.public_address {
                address.set_ip(ip);
            }
            (transport, address)
        };
        let mut seed = [0; 32];
        seed.copy_from_slice(&random_bytes(32));
        let agent = UserAgent::new(AgentSettings {
            addresses: self.addresses().into_iter().map(public).collect(),
            trunks: settings.trunks.clone(),
            accounts: settings.accounts.clone(),
            realm: settings.realm.clone(),
            rate: settings.rate,
            session_expires: settings.session_expires,
            seed,
        });
        let (heard, hearing) = mpsc::channel(HEARD);
        let ports = Ports::new(settings.media_address, settings.media_ports.clone());
        let mut exchange = Exchange {
            agent,
            clock: Clock::start(),
            lines: HashMap::new(),
            tasks: JoinSet::new(),
            connections: Connections::new(heard, settings.tls.clone()),
            udp: self.udp,
            parts: LineParts {
                settings: settings.clone(),
                ports: Arc::new(ports),
                calls,
                orders: self.orders,
                drain: drain.clone(),
            },
        };
        exchange.register().await;
        exchange
            .run(self.tcp, self.tls, self.to_do, hearing, &drain)
            .await
    }
}

struct Exchange {
    agent: UserAgent,
    clock: Clock,
    lines: HashMap<LegId, mpsc::Sender<Told>>,
    tasks: JoinSet<()>,
    connections: Connections,
    udp: Option<UdpSocket>,
    parts: LineParts,
}

impl Exchange {
    async fn run(
        &mut self,
        tcp: Option<TcpListener>,
        tls: Option<TcpListener>,
        mut to_do: mpsc::Receiver<Order>,
        mut hearing: mpsc::Receiver<Heard>,
        drain: &Drain,
    ) -> Result<(), TelephoneError> {
        let mut buffer = vec![0; DATAGRAM];
        let mut leaving = false;
        loop {
            self.settle();
            if leaving && self.tasks.is_empty() {
                return Ok(());
            }
            let due = self.agent.deadline();
            tokio::select! {
                order = to_do.recv() => {
                    // The sender lives in `self`.
                    let Some(order) = order else { return Ok(()) };
                    self.carry_out(order);
                }
                received = receive(self.udp.as_ref(), &mut buffer) => {
                    let (count, from) = received.map_err(TelephoneError::Socket)?;
                    self.received(from, &buffer[..count]);
                    self.receive_more(&mut buffer);
                }
                Some(heard) = hearing.recv() => match heard {
                    Heard::Message(flow, bytes) => self.agent.received(self.clock.elapsed(), flow, &bytes),
                    Heard::Closed(flow) => self.agent.lost(self.clock.elapsed(), flow),
                },
                accepted = accept(tcp.as_ref()) => self.accepted(Transport::Tcp, accepted),
                accepted = accept(tls.as_ref()) => self.accepted(Transport::Tls, accepted),
                flow = self.connections.closed() => self.agent.lost(self.clock.elapsed(), flow),
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                () = until(self.clock, due) => self.agent.tick(self.clock.elapsed()),
                () = drain.draining(), if !leaving => {
                    leaving = true;
                    self.agent.unregister(self.clock.elapsed());
                }
            }
        }
    }

    fn received(&mut self, from: SocketAddr, bytes: &[u8]) {
        let flow = Flow {
            transport: Transport::Udp,
            remote: from,
        };
        self.agent.received(self.clock.elapsed(), flow, bytes);
    }

    fn receive_more(&mut self, buffer: &mut [u8]) {
        for _ in 1..BATCH {
            let Some(udp) = &self.udp else { return };
            let Ok((count, from)) = udp.try_recv_from(buffer) else {
                return;
            };
            self.received(from, &buffer[..count]);
        }
    }

    fn accepted(
        &mut self,
        transport: Transport,
        accepted: std::io::Result<(tokio::net::TcpStream, SocketAddr)>,
    ) {
        // Too many open files, or a connection that was gone again: the next one may do.
        let Ok((stream, remote)) = accepted else {
            return;
        };
        let settings = &self.parts.settings;
        let is_trunk = settings
            .trunks
            .iter()
            .any(|network| network.contains(remote.ip()));
        if is_trunk || !settings.accounts.is_empty() {
            self.connections.accept(stream, remote, transport, is_trunk);
        }
    }

    /// Sends what is to be sent and tells what is to be told.
    fn settle(&mut self) {
        let settings = &self.parts.settings;
        let is_full = self.parts.drain.is_draining()
            || self.parts.calls.n_free() == 0
            || self.tasks.len() >= settings.max_calls;
        self.agent.set_full(is_full);
        while let Some(output) = self.agent.poll() {
            match output {
                Output::Transmit(transmit) => self.transmit(transmit),
                Output::Told(told) => self.tell(told),
            }
        }
    }

    fn transmit(&mut self, Transmit { flow, bytes }: Transmit) {
        match (flow.transport, &self.udp) {
            (Transport::Udp, Some(udp)) => {
                // A datagram that cannot be sent now is one that got lost: it is repeated.
                let _ = udp.try_send_to(&bytes, flow.remote);
            }
            (Transport::Udp, None) => {}
            _ => {
                if !self.connections.send(flow, None, bytes) {
                    self.agent.lost(self.clock.elapsed(), flow);
                }
            }
        }
    }

    fn tell(&mut self, told: Told) {
        match told {
            Told::Incoming { leg, invitation } => self.incoming(leg, *invitation),
            Told::Registration { index, state } => {
                tracing::info!(index, ?state, "registration");
            }
            Told::Ended { leg, end } => {
                if let Some(line) = self.lines.remove(&leg)
                    && line.try_send(Told::Ended { leg, end }).is_err()
                {
                    tracing::debug!("a call was over before its end was told");
                }
            }
            told => {
                let leg = told.leg();
                let Some(line) = leg.and_then(|leg| self.lines.get(&leg)) else {
                    return;
                };
                if let (Err(_), Some(leg)) = (line.try_send(told), leg) {
                    self.agent.hang_up(self.clock.elapsed(), leg);
                }
            }
        }
    }

    fn incoming(&mut self, leg: LegId, invitation: crate::sip::agent::Invitation) {
        let now = self.clock.elapsed();
        if let Some(taken_over) = invitation.replaces {
            // The call goes on with somebody else: its task decides.
            let Some(line) = self.lines.get(&taken_over).cloned() else {
                return self.agent.reject(now, leg, 481);
            };
            self.lines.insert(leg, line.clone());
            let told = Told::Incoming {
                leg,
                invitation: Box::new(invitation),
            };
            if line.try_send(told).is_err() {
                self.agent.reject(now, leg, 480);
            }
            return;
        }
        let Some(route) = self.parts.settings.plan.route(&invitation) else {
            return self.agent.reject(now, leg, 404);
        };
        let (facts, told) = mpsc::channel(FACTS);
        self.lines.insert(leg, facts.clone());
        let parts = self.parts.clone();
        self.tasks
            .spawn(line::answer(parts, leg, invitation, route, facts, told));
    }
}
