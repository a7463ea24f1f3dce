//! SIP without sockets and clocks: bytes, orders and the time in; bytes and facts out.
//!
//! In reading order: [`uri`], [`params`], [`headers`] and [`message`] are the language,
//! [`framing`] cuts streams, [`digest`] proves who one is, [`transactions`] get things through,
//! `leg` is one call, [`agent`] all of them.
pub mod agent;
pub mod digest;
pub mod framing;
pub mod headers;
mod leg;
pub mod message;
pub mod params;
pub mod transactions;
pub mod uri;

pub use leg::LegId;

#[cfg(test)]
mod tests;
