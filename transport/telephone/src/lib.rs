//! The telephone: calls over SIP and RTP, in and out, with no exchange of somebody else's between.
//! In reading order:
//!
//! - [`sip`]: signalling without sockets and clocks; [`sdp`]: what both sides agree on;
//! - [`rtp`]: packets, whom to believe, keys, reports, encryption; [`sound`]: from packets to the
//!   20 ms beat and back;
//! - [`policy`]: who may call and whom we may call; [`plan`]: who answers; [`keypad`]: keys into
//!   numbers; [`record`]: what is kept of a call;
//! - `talk`: the conversation's side of a call; `streams`: calls that carriers bring over WebSocket;
//! - [`ports`], [`connections`]: sockets; `line`: one call over SIP; [`exchange`]: all of them;
//!   [`settings`]: what it is told.
//!
//! Invariants: [`sip`], [`sdp`], [`rtp`] and [`sound`] read no clock and touch no socket; nobody is
//! called whom [`policy`] does not allow, whoever asks; strangers get no answer.
pub mod connections;
pub mod exchange;
pub mod keypad;
mod line;
pub mod plan;
pub mod policy;
pub mod ports;
pub mod record;
pub mod rtp;
pub mod sdp;
pub mod settings;
pub mod sip;
pub mod sound;
mod streams;
mod talk;

pub use exchange::{Desk, Telephone};
pub use settings::{NotDialled, Outbound, Registrar, TelephoneError, TelephoneSettings};
pub use streams::{StreamDoor, StreamSettings};

use ring::rand::{SecureRandom, SystemRandom};

/// Bytes nobody can guess.
pub(crate) fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers");
    bytes
}

/// A number nobody can guess.
pub(crate) fn random_number() -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&random_bytes(8));
    u64::from_be_bytes(number)
}

/// The random part of a call's names.
pub(crate) fn random_name() -> String {
    let mut name = uuid::Uuid::new_v4().simple().to_string();
    name.truncate(12);
    name
}
