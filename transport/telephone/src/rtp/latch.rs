//! Whose packets are believed. Behind routers media come from elsewhere than announced, and we
//! answer where they come from; but a stranger who sends packets to our port must never become the
//! one we send the call's sound to ("RTP bleed").
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// After an agreement the source may settle for so long.
const WINDOW: Duration = Duration::from_secs(10);
/// So many packets in a row decide.
const ENOUGH: u8 = 2;

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is theirs.
    Theirs,
    /// Somebody else's.
    Strangers,
}

/// Where the far end is.
#[derive(Debug)]
pub struct Latch {
    /// As described.
    announced: SocketAddr,
    /// Where its signalling comes from.
    signalling: IpAddr,
    /// Where its packets come from.
    latched: Option<SocketAddr>,
    candidate: Option<(SocketAddr, u32, u8)>,
    since: Option<Duration>,
    strangers: u64,
}

impl Latch {
    /// Nothing has come yet.
    pub fn new(announced: SocketAddr, signalling: IpAddr) -> Latch {
        Latch {
            announced,
            signalling,
            latched: None,
            candidate: None,
            since: None,
            strangers: 0,
        }
    }

    /// It was agreed on anew where they are.
    pub fn announced(&mut self, announced: SocketAddr) {
        if announced != self.announced {
            self.announced = announced;
            self.latched = None;
            self.candidate = None;
            self.since = None;
        }
    }

    /// Where to send to.
    pub fn remote(&self) -> SocketAddr {
        self.latched.unwrap_or(self.announced)
    }

    /// Packets of others so far.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }

    /// A packet of stream `ssrc` came from `from`.
    pub fn judge(&mut self, now: Duration, from: SocketAddr, ssrc: u32) -> Judged {
        let since = *self.since.get_or_insert(now);
        if self.latched == Some(from) {
            return Judged::Theirs;
        }
        if from == self.announced {
            // What was announced is always right.
            self.latched = Some(from);
            return Judged::Theirs;
        }
        let is_plausible = from.ip() == self.announced.ip() || from.ip() == self.signalling;
        let is_open = self.latched.is_none() && now.saturating_sub(since) <= WINDOW;
        if !is_plausible || !is_open {
            self.strangers += 1;
            return Judged::Strangers;
        }
        let seen = match self.candidate {
            Some((address, stream, seen)) if (address, stream) == (from, ssrc) => seen + 1,
            _ => 1,
        };
        self.candidate = Some((from, ssrc, seen));
        if seen >= ENOUGH {
            self.latched = Some(from);
            return Judged::Theirs;
        }
        Judged::Strangers
    }
}
