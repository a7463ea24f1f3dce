//! What the telephone is told: where it listens, whom it serves, whom it may call.
use std::{net::IpAddr, net::SocketAddr, ops::RangeInclusive, time::Duration};

use voiced_core::turn::EndReason;

use crate::{
    connections::Tls,
    keypad::KeypadSettings,
    plan::DialPlan,
    policy::{DialPolicy, Network, RateLimit},
    sdp::{Codec, Protect},
    sip::{digest::Account, uri::Uri},
    sound::media::SoundSettings,
};

/// Everything about it.
#[derive(Clone, Debug)]
pub struct TelephoneSettings {
    /// Where datagrams are received.
    pub udp: Option<SocketAddr>,
    /// Where connections are received.
    pub tcp: Option<SocketAddr>,
    /// Where encrypted connections are received; needs `tls.server`.
    pub tls_address: Option<SocketAddr>,
    /// Certificates.
    pub tls: Tls,
    /// Where the media are received.
    pub media_address: IpAddr,
    /// On which ports.
    pub media_ports: RangeInclusive<u16>,
    /// The address others are told, where it is another than the one listened on.
    pub public_address: Option<IpAddr>,
    /// Who may call without an account.
    pub trunks: Vec<Network>,
    /// Who may call with one.
    pub accounts: Vec<Account>,
    /// Where those are known.
    pub realm: String,
    /// How often anybody may knock.
    pub rate: RateLimit,
    /// Codecs in the order they are offered.
    pub codecs: Vec<Codec>,
    /// Whether media are encrypted.
    pub protect: Protect,
    /// What is done to the sound.
    pub sound: SoundSettings,
    /// Who answers what.
    pub plan: DialPlan,
    /// Whom we may call.
    pub dial: DialPolicy,
    /// Where calls go out.
    pub outbound: Option<Outbound>,
    /// Where we are registered.
    pub registrations: Vec<Registrar>,
    /// Calls at once.
    pub max_calls: usize,
    /// How long a call of ours may ring.
    pub ring_for: Duration,
    /// A call nothing is heard from for so long is over.
    pub lost_after: Duration,
    /// Time between refreshes of a session (RFC 4028).
    pub session_expires: Duration,
    /// How keys are gathered.
    pub keypad: KeypadSettings,
    /// Where records of calls go.
    pub records: Option<tokio::sync::mpsc::Sender<crate::record::CallRecord>>,
}

/// Where calls go out.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The trunk's address, which numbers are called at.
    pub trunk: Uri,
    /// As whom we call.
    pub from: Uri,
    /// Credentials, where the trunk asks for them.
    pub account: Option<Account>,
}

/// Where we are registered.
#[derive(Clone, Debug)]
pub struct Registrar {
    /// Its address.
    pub registrar: Uri,
    /// The address that is to lead to us.
    pub record: Uri,
    /// Credentials.
    pub account: Account,
    /// For how long at a time.
    pub expires: Duration,
}

/// The telephone cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum TelephoneError {
    /// A port is taken, or an address is not this machine's.
    #[error("cannot listen for calls on {address} ({transport}): {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// How.
        transport: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The sockets failed.
    #[error("the telephone's socket failed: {0}")]
    Socket(std::io::Error),
}

/// Why a call of ours was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDialled {
    /// Policy forbids it.
    #[error("calling {0} is not allowed: see telephone.dial_prefixes and telephone.dial_hosts")]
    Forbidden(String),
    /// There is nowhere to send it.
    #[error("there is no way to {0}: set telephone.outbound_trunk")]
    NoWay(String),
    /// The name does not lead anywhere.
    #[error("the address of {0} cannot be found")]
    NoAddress(String),
    /// The telephone is going down, or was never opened.
    #[error("the telephone is closed")]
    Closed,
    /// All lines are busy.
    #[error("all lines are busy")]
    Full,
    /// They did not take it.
    #[error("the call was not taken (status {0})")]
    Refused(u16),
}

/// The reason a call ended, for records.
pub(crate) fn reason_name(reason: EndReason) -> &'static str {
    match reason {
        EndReason::CallerLeft => "caller_left",
        EndReason::AgentHungUp => "agent_hung_up",
        EndReason::Draining => "draining",
        EndReason::Failed => "failed",
        EndReason::NotReading => "not_reading",
        EndReason::TooLong => "too_long",
    }
}
