//! What is remembered of a transaction.
use std::time::Duration;

use super::{Flow, T1};
use crate::sip::message::Request;

pub(super) struct Server {
    pub(super) flow: Flow,
    pub(super) is_invite: bool,
    /// The last answer, repeated when the request is.
    pub(super) answer: Option<Vec<u8>>,
    pub(super) state: ServerState,
    pub(super) repeat: Repeat,
    pub(super) ends: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerState {
    /// No final answer yet.
    Proceeding,
    /// A final answer is on its way (an INVITE's waits for its ACK).
    Completed,
    /// An INVITE was accepted, or its ACK came: repeats are absorbed.
    Quiet,
}

pub(super) struct Client {
    pub(super) flow: Flow,
    pub(super) request: Request,
    pub(super) bytes: Vec<u8>,
    /// The acknowledgement of a refusal, repeated with it.
    pub(super) ack: Option<Vec<u8>>,
    pub(super) state: ClientState,
    pub(super) repeat: Repeat,
    pub(super) ends: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientState {
    Calling,
    Proceeding,
    Done,
}

/// When something is sent again; `None`: not at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    pub(super) at: Option<Duration>,
    pub(super) pause: Duration,
}

impl Repeat {
    pub(super) const NEVER: Repeat = Repeat {
        at: None,
        pause: T1,
    };

    pub(super) fn over(flow: Flow, now: Duration) -> Repeat {
        let at = (!flow.transport.is_reliable()).then_some(now + T1);
        Repeat { at, pause: T1 }
    }

    pub(super) fn again(&mut self, now: Duration, most: Duration) {
        self.pause = (self.pause * 2).min(most);
        self.at = Some(now + self.pause);
    }
}
