//! Media streams: calls that a carrier (Twilio, Telnyx, Plivo, Vonage, Exotel) brings over a
//! WebSocket of its own opening, once it proved who it is.
//!
//! In reading order: `door` lets carriers in; `dialect` is what they all say, in their five ways;
//! `carry` is one call.
mod carry;
mod dialect;
mod door;
mod signature;
mod wire;

#[cfg(test)]
mod tests;

pub use door::{StreamDoor, StreamSettings};
