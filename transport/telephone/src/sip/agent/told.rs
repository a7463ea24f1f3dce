//! What the user agent tells whoever owns the calls.
use crate::sip::{
    LegId,
    headers::NameAddr,
    message::Headers,
    transactions::{Flow, Transmit},
    uri::Uri,
};

use super::RegistrationState;

/// Why a leg is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegEnd {
    /// They hung up.
    TheyHungUp,
    /// They gave up before we answered.
    Cancelled,
    /// We hung up, refused or cancelled.
    WeHungUp,
    /// They refused our call, with this status.
    Refused(u16),
    /// They are not heard any more.
    Lost,
}

/// A call that comes in.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Who calls, as they say.
    pub from: NameAddr,
    /// Who is called.
    pub to: Uri,
    /// All headers, credentials left out.
    pub headers: Headers,
    /// What they can do; `None`: we offer.
    pub offer: Option<String>,
    /// The leg that this one takes over (RFC 3891).
    pub replaces: Option<LegId>,
    /// Where it came from.
    pub flow: Flow,
}

/// Facts for whoever owns the calls.
#[derive(Clone, Debug)]
pub enum Told {
    /// Somebody calls: ring, accept or reject.
    Incoming {
        /// The new leg.
        leg: LegId,
        /// Who and what.
        invitation: Box<Invitation>,
    },
    /// Our call rings, perhaps with sound already.
    Ringing {
        /// Which leg.
        leg: LegId,
        /// 180 or 183, mostly.
        status: u16,
        /// Their media.
        sdp: Option<String>,
    },
    /// Our call is to go elsewhere; its end follows.
    Redirected {
        /// Which leg.
        leg: LegId,
        /// Where, best first: to be checked like any other target.
        targets: Vec<Uri>,
    },
    /// Our call was taken.
    Answered {
        /// Which leg.
        leg: LegId,
        /// Their media.
        sdp: Option<String>,
    },
    /// Our answer arrived; holds theirs where we offered.
    Acknowledged {
        /// Which leg.
        leg: LegId,
        /// Their media.
        sdp: Option<String>,
    },
    /// They want the media changed: answer with [`UserAgent::answer_offer`].
    Offered {
        /// Which leg.
        leg: LegId,
        /// Their offer; `None`: we offer.
        sdp: Option<String>,
    },
    /// A key, by INFO.
    Key {
        /// Which leg.
        leg: LegId,
        /// The key: 0-9, A-D, `*`, `#`.
        key: char,
    },
    /// They want us to call somebody else instead: [`UserAgent::answer_refer`].
    ReferAsked {
        /// Which leg.
        leg: LegId,
        /// Whom.
        target: Uri,
    },
    /// How our transfer goes, as a SIP status.
    TransferProgress {
        /// Which leg.
        leg: LegId,
        /// 100 to 699.
        status: u16,
    },
    /// A leg is over. Exactly one for every leg.
    Ended {
        /// Which leg.
        leg: LegId,
        /// Why.
        end: LegEnd,
    },
    /// An account's registration changed.
    Registration {
        /// Which, in the order they were added.
        index: usize,
        /// How it stands.
        state: RegistrationState,
    },
}

impl Told {
    /// The leg a fact is about.
    pub fn leg(&self) -> Option<LegId> {
        match self {
            Told::Incoming { leg, .. }
            | Told::Ringing { leg, .. }
            | Told::Redirected { leg, .. }
            | Told::Answered { leg, .. }
            | Told::Acknowledged { leg, .. }
            | Told::Offered { leg, .. }
            | Told::Key { leg, .. }
            | Told::ReferAsked { leg, .. }
            | Told::TransferProgress { leg, .. }
            | Told::Ended { leg, .. } => Some(*leg),
            Told::Registration { .. } => None,
        }
    }
}

/// What comes out.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this.
    Transmit(Transmit),
    /// Know this.
    Told(Told),
}
