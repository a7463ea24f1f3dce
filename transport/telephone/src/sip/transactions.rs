//! Transactions (RFC 3261, section 17, with RFC 6026): every request and every final answer gets
//! through or is given up, repeats are absorbed. Pure: time is passed in.
//!
//! Driving rule: after each call drain [`Transactions::outbox`]; call [`Transactions::tick`] at
//! [`Transactions::deadline`].
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::message::{Essentials, Method, Request, Response};

mod names;
mod same_hop;
mod state;

pub use names::{ClientKey, Flow, ServerKey, Transmit, Transport};
use same_hop::{acknowledge, of_same_hop};
use state::{Client, ClientState, Repeat, Server, ServerState};

/// Round-trip estimate.
pub const T1: Duration = Duration::from_millis(500);
/// The longest pause between repeats.
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may linger in the network.
pub const T4: Duration = Duration::from_secs(5);
/// How long anything is tried: 64 · T1.
pub const GIVE_UP: Duration = Duration::from_secs(32);
/// The most transactions at once; a new one beyond it is not begun.
const MOST: usize = 8_192;

/// A request that was never answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedOut(pub ClientKey);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Server(ServerKey),
    Client(ClientKey),
}

/// What to do with a request that came.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrived {
    /// It is new: answer it under this name.
    New(ServerKey),
    /// It was seen before, or acknowledges a refusal.
    Absorbed,
    /// An `ACK` that belongs to a dialog.
    Ack,
}

/// All transactions of an agent.
#[derive(Default)]
pub struct Transactions {
    servers: HashMap<ServerKey, Server>,
    clients: HashMap<ClientKey, Client>,
    /// When each transaction next wants a tick.
    due: BTreeSet<(Duration, Key)>,
    due_of: HashMap<Key, Duration>,
    /// To be sent, oldest first.
    pub outbox: Vec<Transmit>,
}

impl Transactions {
    /// When [`Transactions::tick`] is next wanted.
    pub fn deadline(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Whether a request of ours is still remembered.
    pub fn is_asked(&self, key: &ClientKey) -> bool {
        self.clients.contains_key(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A request came.
    pub fn received(
        &mut self,
        now: Duration,
        flow: Flow,
        request: &Request,
        key: ServerKey,
    ) -> Arrived {
        if let Some(server) = self.servers.get_mut(&key) {
            if request.method == Method::Ack {
                if server.state == ServerState::Completed {
                    server.state = ServerState::Quiet;
                    server.repeat = Repeat::NEVER;
                    server.ends = if flow.transport.is_reliable() {
                        now
                    } else {
                        now + T4
                    };
                    self.schedule(Key::Server(key));
                    return Arrived::Absorbed;
                }
                return Arrived::Ack;
            }
            if let (Some(answer), true) = (
                &server.answer,
                server.state != ServerState::Quiet || !server.is_invite,
            ) {
                let bytes = answer.clone();
                self.outbox.push(Transmit {
                    flow: server.flow,
                    bytes,
                });
            }
            return Arrived::Absorbed;
        }
        if request.method == Method::Ack {
            return Arrived::Ack;
        }
        if self.len() >= MOST {
            return Arrived::Absorbed;
        }
        let is_invite = request.method == Method::Invite;
        let server = Server {
            flow,
            is_invite,
            answer: None,
            state: ServerState::Proceeding,
            repeat: Repeat::NEVER,
            // Every request is answered long before; this is against bugs, not against peers.
            ends: now
                + if is_invite {
                    Duration::from_secs(600)
                } else {
                    GIVE_UP
                },
        };
        self.servers.insert(key.clone(), server);
        self.schedule(Key::Server(key.clone()));
        Arrived::New(key)
    }

    /// Answers a request. A second final answer changes nothing.
    pub fn answer(&mut self, now: Duration, key: &ServerKey, response: &Response) {
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        if server.state != ServerState::Proceeding {
            return;
        }
        let bytes = response.to_bytes();
        server.answer = Some(bytes.clone());
        let flow = server.flow;
        self.outbox.push(Transmit { flow, bytes });
        if response.status < 200 {
            return;
        }
        let is_reliable = flow.transport.is_reliable();
        if server.is_invite && response.status >= 300 {
            server.state = ServerState::Completed;
            server.repeat = Repeat::over(flow, now);
            server.ends = now + GIVE_UP;
        } else {
            // The dialog repeats an accepted INVITE's answer itself.
            server.state = ServerState::Quiet;
            server.repeat = Repeat::NEVER;
            server.ends = if is_reliable && !server.is_invite {
                now
            } else {
                now + GIVE_UP
            };
        }
        self.schedule(Key::Server(key.clone()));
    }

    /// Whether a request was seen lately.
    pub fn is_known(&self, key: &ServerKey) -> bool {
        self.servers.contains_key(key)
    }

    /// Whether a request still waits for its final answer.
    pub fn is_open(&self, key: &ServerKey) -> bool {
        self.servers
            .get(key)
            .is_some_and(|server| server.state == ServerState::Proceeding)
    }

    /// Sends a request whose topmost `Via` holds `branch`.
    pub fn request(
        &mut self,
        now: Duration,
        flow: Flow,
        branch: &str,
        request: Request,
    ) -> ClientKey {
        let key = ClientKey {
            branch: branch.to_owned(),
            method: request.method.name().to_owned(),
        };
        let bytes = request.to_bytes();
        self.outbox.push(Transmit {
            flow,
            bytes: bytes.clone(),
        });
        let client = Client {
            flow,
            request,
            bytes,
            ack: None,
            state: ClientState::Calling,
            repeat: Repeat::over(flow, now),
            ends: now + GIVE_UP,
        };
        self.clients.insert(key.clone(), client);
        self.schedule(Key::Client(key.clone()));
        key
    }

    /// A response came. Gives the transaction when it is news to whoever sent the request: the
    /// right branch from the right place, not a repeated refusal.
    pub fn responded(
        &mut self,
        now: Duration,
        flow: Flow,
        response: &Response,
        essentials: &Essentials,
    ) -> Option<ClientKey> {
        let key = ClientKey {
            branch: essentials.via.branch()?.to_owned(),
            method: essentials.cseq.method.name().to_owned(),
        };
        let client = self.clients.get_mut(&key)?;
        if client.flow.remote.ip() != flow.remote.ip() {
            return None;
        }
        let is_invite = client.request.method == Method::Invite;
        let news = match (client.state, response.status) {
            (ClientState::Done, 200..300) if is_invite => true,
            (ClientState::Done, _) => {
                if let Some(bytes) = client.ack.clone() {
                    let flow = client.flow;
                    self.outbox.push(Transmit { flow, bytes });
                }
                false
            }
            (_, 100..200) => {
                client.state = ClientState::Proceeding;
                if is_invite {
                    // It rings; how long is for the caller to decide.
                    client.repeat = Repeat::NEVER;
                    client.ends = now + Duration::from_secs(600);
                }
                true
            }
            (_, status) => {
                client.state = ClientState::Done;
                client.repeat = Repeat::NEVER;
                let lingers = match (is_invite, client.flow.transport.is_reliable()) {
                    (true, _) => GIVE_UP,
                    (false, true) => Duration::ZERO,
                    (false, false) => T4,
                };
                client.ends = now + lingers;
                if is_invite && status >= 300 {
                    let bytes = acknowledge(&client.request, response).to_bytes();
                    client.ack = Some(bytes.clone());
                    let flow = client.flow;
                    self.outbox.push(Transmit { flow, bytes });
                }
                true
            }
        };
        self.schedule(Key::Client(key.clone()));
        news.then_some(key)
    }

    /// The CANCEL of an INVITE that was sent.
    pub fn cancel(&mut self, now: Duration, key: &ClientKey) {
        let Some(client) = self
            .clients
            .get(key)
            .filter(|client| client.state == ClientState::Proceeding)
        else {
            return;
        };
        let request = of_same_hop(&client.request, Method::Cancel);
        let flow = client.flow;
        self.request(now, flow, &key.branch, request);
        if let Some(client) = self.clients.get_mut(key) {
            // A 487 follows, or it never will (RFC 3261, section 9.1).
            client.ends = now + GIVE_UP;
            self.schedule(Key::Client(key.clone()));
        }
    }

    /// Whether an INVITE that was sent rings: only then it can be cancelled.
    pub fn is_proceeding(&self, key: &ClientKey) -> bool {
        self.clients
            .get(key)
            .is_some_and(|client| client.state == ClientState::Proceeding)
    }

    /// A connection broke: what waited on it will not be answered.
    pub fn lost(&mut self, flow: Flow) -> Vec<TimedOut> {
        let waiting = self
            .clients
            .iter()
            .filter(|(_, client)| client.flow == flow && client.state != ClientState::Done);
        let keys: Vec<ClientKey> = waiting.map(|(key, _)| key.clone()).collect();
        for key in &keys {
            self.forget(Key::Client(key.clone()));
        }
        keys.into_iter().map(TimedOut).collect()
    }

    /// Time has come: repeats what is due and gives up what was tried long enough.
    pub fn tick(&mut self, now: Duration) -> Vec<TimedOut> {
        let mut timed_out = Vec::new();
        while let Some((due, key)) = self.due.first().cloned() {
            if due > now {
                break;
            }
            match &key {
                Key::Server(name) => {
                    let Some(server) = self.servers.get_mut(name) else {
                        continue;
                    };
                    if server.ends <= now {
                        self.forget(key);
                        continue;
                    }
                    if server.repeat.at.is_some_and(|at| at <= now) {
                        server.repeat.again(now, T2);
                        if let Some(bytes) = server.answer.clone() {
                            let flow = server.flow;
                            self.outbox.push(Transmit { flow, bytes });
                        }
                    }
                }
                Key::Client(name) => {
                    let Some(client) = self.clients.get_mut(name) else {
                        continue;
                    };
                    if client.ends <= now {
                        if client.state != ClientState::Done {
                            timed_out.push(TimedOut(name.clone()));
                        }
                        self.forget(key);
                        continue;
                    }
                    if client.repeat.at.is_some_and(|at| at <= now) {
                        let is_invite = client.request.method == Method::Invite;
                        let most = if is_invite { GIVE_UP } else { T2 };
                        client.repeat.again(now, most);
                        let (flow, bytes) = (client.flow, client.bytes.clone());
                        self.outbox.push(Transmit { flow, bytes });
                    }
                }
            }
            self.schedule(key);
        }
        timed_out
    }

    fn schedule(&mut self, key: Key) {
        let next = match &key {
            Key::Server(name) => self
                .servers
                .get(name)
                .map(|server| (server.repeat, server.ends)),
            Key::Client(name) => self
                .clients
                .get(name)
                .map(|client| (client.repeat, client.ends)),
        };
        let Some((repeat, ends)) = next else { return };
        let due = repeat.at.map_or(ends, |at| at.min(ends));
        if let Some(old) = self.due_of.insert(key.clone(), due) {
            self.due.remove(&(old, key.clone()));
        }
        self.due.insert((due, key));
    }

    fn forget(&mut self, key: Key) {
        if let Some(old) = self.due_of.remove(&key) {
            self.due.remove(&(old, key.clone()));
        }
        match key {
            Key::Server(name) => drop(self.servers.remove(&name)),
            Key::Client(name) => drop(self.clients.remove(&name)),
        }
    }
}
