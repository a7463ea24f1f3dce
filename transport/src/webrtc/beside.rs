//! Those who follow a WebRTC call from beside, over a WebSocket of their own: they are told what
//! the peer is told, and may ask for what the peer may ask for.
//!
//! Guarantees: one that does not read is dropped and never holds up the call; what one asks wrongly
//! is answered to it alone.
use tokio::sync::mpsc;

use super::peer::{End, Peer};

/// How many of them one call has at most.
pub(super) const MOST: usize = 4;
/// Events that wait for one.
const EVENTS: usize = 512;
/// What they ask that waits for the call.
pub(super) const REQUESTS: usize = 64;

/// What comes from beside.
pub(super) enum FromBeside {
    /// Somebody joined.
    Joined {
        name: u64,
        events: mpsc::Sender<String>,
    },
    /// They ask for something.
    Asked { name: u64, text: String },
}

/// One who follows a call.
pub struct Beside {
    name: u64,
    /// What they are told. Ends with the call, or when they did not read.
    pub events: mpsc::Receiver<String>,
    requests: mpsc::Sender<FromBeside>,
}

impl Beside {
    /// Asks for something, as the peer would. `false` when the call is over.
    pub async fn ask(&self, text: String) -> bool {
        let name = self.name;
        let asked = FromBeside::Asked { name, text };
        self.requests.send(asked).await.is_ok()
    }
}

/// How to get to a call from beside.
#[derive(Clone)]
pub(super) struct Door {
    requests: mpsc::Sender<FromBeside>,
}

impl Door {
    /// The door of a call and its inner side.
    pub fn new() -> (Door, mpsc::Receiver<FromBeside>) {
        let (requests, inside) = mpsc::channel(REQUESTS);
        (Door { requests }, inside)
    }

    /// Follows the call; `None` when it is over.
    pub async fn join(&self) -> Option<Beside> {
        let (sender, events) = mpsc::channel(EVENTS);
        let name = uuid::Uuid::new_v4().as_u128() as u64;
        let joined = FromBeside::Joined {
            name,
            events: sender,
        };
        self.requests.send(joined).await.ok()?;
        Some(Beside {
            name,
            events,
            requests: self.requests.clone(),
        })
    }
}

/// Those who follow one call.
#[derive(Default)]
pub(super) struct Company(Vec<(u64, mpsc::Sender<String>)>);

impl Company {
    /// Takes one in; `false` when there are too many.
    pub fn take_in(&mut self, name: u64, events: mpsc::Sender<String>) -> bool {
        self.0.retain(|(_, events)| !events.is_closed());
        if self.0.len() >= MOST {
            return false;
        }
        self.0.push((name, events));
        true
    }

    /// Tells everybody. Who has no room does not read, and is dropped.
    pub fn tell(&mut self, line: &str) {
        self.0
            .retain(|(_, events)| events.try_send(line.to_owned()).is_ok());
    }

    /// Tells one.
    pub fn tell_one(&mut self, name: u64, line: &str) {
        self.0
            .retain(|(known, events)| *known != name || events.try_send(line.to_owned()).is_ok());
    }
}

impl Peer {
    pub(super) async fn take_beside(&mut self, event: FromBeside) -> Option<End> {
        match event {
            FromBeside::Joined { name, events } => {
                if !self.company.take_in(name, events) {
                    return None;
                }
                let opened = self.dialect.opened();
                if opened.is_empty() {
                    let line = self.dialect.introduction();
                    self.company.tell_one(name, &line);
                    return None;
                }
                self.tell(opened).await
            }
            FromBeside::Asked { name, text } => {
                let lines = self.take(&text).await;
                let (errors, others): (Vec<String>, Vec<String>) =
                    lines.into_iter().partition(|line| is_error(line));
                for line in errors {
                    self.company.tell_one(name, &line);
                }
                self.tell(others).await
            }
        }
    }
}

/// Whether a line is an `error` event; the dialect writes the type first.
fn is_error(line: &str) -> bool {
    line.contains(r#""type":"error""#)
}
