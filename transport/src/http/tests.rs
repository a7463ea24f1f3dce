//! Every door over a router without a network, and the listener over loopback.
#![allow(clippy::unwrap_used)]
pub(crate) mod front_desk;
mod listener;
mod page;
pub(crate) mod routes;
mod secrets;
mod tls;
