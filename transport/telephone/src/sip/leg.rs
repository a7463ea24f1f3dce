//! One side of one call as signalling sees it: the dialog (RFC 3261, section 12), what of it waits
//! for an answer, and its timers. Pure data; [`super::agent`] moves it.
use std::time::Duration;

use super::{
    digest::{Account, Challenge},
    message::{Headers, Method, Request},
    transactions::{ClientKey, Flow, GIVE_UP, ServerKey, T1, T2},
    uri::Uri,
};

/// Names a leg. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// They called; we have not decided.
    Ringing,
    /// We called; they have not decided.
    Calling,
    /// The call stands.
    Up,
    /// We asked for its end.
    Ending,
}

/// An INVITE of theirs that waits for our answer.
pub(super) struct Asking {
    pub key: ServerKey,
    pub request: Request,
    /// Its number: that of the ACK it will get.
    pub cseq: u32,
}

/// Something sent again and again until it is acknowledged.
pub(super) struct Unacknowledged {
    pub cseq: u32,
    pub bytes: Vec<u8>,
    pub at: Duration,
    pub pause: Duration,
    pub gives_up: Duration,
    /// `RSeq`, where it is a provisional answer.
    pub rseq: u32,
}

impl Unacknowledged {
    pub fn new(now: Duration, cseq: u32, bytes: Vec<u8>) -> Self {
        Unacknowledged {
            cseq,
            bytes,
            at: now + T1,
            pause: T1,
            gives_up: now + GIVE_UP,
            rseq: 0,
        }
    }

    pub fn again(&mut self, now: Duration) -> Vec<u8> {
        self.pause = (self.pause * 2).min(T2);
        self.at = now + self.pause;
        self.bytes.clone()
    }

    pub fn deadline(&self) -> Duration {
        self.at.min(self.gives_up)
    }
}

/// RFC 4028: a session that nobody refreshes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionTimer {
    pub interval: Duration,
    /// When we refresh; `None`: they do.
    pub refresh_at: Option<Duration>,
    /// When the call is given up.
    pub ends_at: Duration,
}

impl SessionTimer {
    pub fn new(now: Duration, interval: Duration, we_refresh: bool) -> Self {
        let early = (interval / 3).min(Duration::from_secs(32));
        SessionTimer {
            interval,
            refresh_at: we_refresh.then(|| now + interval / 2),
            ends_at: now + interval - early,
        }
    }

    pub fn restart(&mut self, now: Duration) {
        *self = SessionTimer::new(now, self.interval, self.refresh_at.is_some());
    }
}

/// An INVITE of ours that waits for its answer.
pub(super) struct Asked {
    pub key: ClientKey,
    /// It is to be cancelled as soon as it rings.
    pub cancel: bool,
    /// How often it was asked again with an account.
    pub attempts: u32,
}

/// One leg.
pub(super) struct Leg {
    pub id: LegId,
    pub phase: Phase,
    pub flow: Flow,
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: Option<String>,
    /// Our `From` or `To`, tag included.
    pub local: String,
    /// Theirs.
    pub remote: String,
    pub local_cseq: u32,
    pub remote_cseq: Option<u32>,
    pub routes: Vec<String>,
    /// Where requests of the dialog are addressed to.
    pub target: Uri,
    pub asking: Option<Asking>,
    pub asked: Option<Asked>,
    pub unacknowledged: Option<Unacknowledged>,
    pub provisional: Option<Unacknowledged>,
    /// The ACK of our INVITE and the number of that INVITE, for when the answer is repeated.
    pub ack: Option<(u32, Vec<u8>)>,
    /// What we last described of our media: the body of a refresh.
    pub described: Option<String>,
    pub session: Option<SessionTimer>,
    pub allows_update: bool,
    pub account: Option<Account>,
    pub challenge: Option<(Challenge, u32)>,
    /// Headers of our INVITE that are repeated when it is asked again.
    pub extra: Headers,
    /// When a re-INVITE of ours that collided is tried again.
    pub retry_at: Option<Duration>,
    /// Their REFER, whose progress they are told.
    pub referred: Option<u32>,
    /// When an answered dialog we no longer want may be forgotten.
    pub forget_at: Option<Duration>,
}

impl Leg {
    /// When the leg next wants a tick.
    pub fn deadline(&self) -> Option<Duration> {
        let session = self.session.filter(|_| self.phase == Phase::Up);
        [
            self.unacknowledged.as_ref().map(Unacknowledged::deadline),
            self.provisional.as_ref().map(Unacknowledged::deadline),
            session.map(|session| {
                session
                    .refresh_at
                    .map_or(session.ends_at, |at| at.min(session.ends_at))
            }),
            self.retry_at,
            self.forget_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether a dialog's request is one of this leg.
    pub fn is_named(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> bool {
        self.call_id == call_id
            && self.local_tag == local_tag
            && self
                .remote_tag
                .as_deref()
                .is_none_or(|tag| tag == remote_tag)
    }

    /// A request of this dialog, without its `Via`.
    pub fn request(&mut self, method: Method) -> (u32, Request) {
        let cseq = match method {
            Method::Ack | Method::Cancel => self.local_cseq,
            _ => {
                self.local_cseq += 1;
                self.local_cseq
            }
        };
        (cseq, self.request_numbered(method, cseq))
    }

    /// The same with a number of its own.
    pub fn request_numbered(&self, method: Method, cseq: u32) -> Request {
        let mut headers = Headers::default();
        headers.push("Max-Forwards", "70");
        headers.push("From", self.local.clone());
        headers.push("To", self.remote.clone());
        headers.push("Call-ID", self.call_id.clone());
        headers.push("CSeq", format!("{cseq} {}", method.name()));
        for route in &self.routes {
            headers.push("Route", route.clone());
        }
        Request {
            method,
            uri: self.target.clone(),
            headers,
            body: Vec::new(),
        }
    }
}
