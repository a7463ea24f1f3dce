//! Tokio actors that move audio and words. They wait so that the core need not.
//!
//! One call, in reading order: [`call`] is what a carrier hands over, [`calls`] admits it,
//! [`listen`] hears, [`session`] decides, [`think`] words, [`speak`] sounds, [`aside`] does both
//! beside the conversation. All calls share the engines behind [`lease`]s, served by the
//! [`worker`] loop or by [`remote`] tasks, for which [`server`] knows how to reach what runs
//! elsewhere. [`tools`] is what a model may call, [`tool_servers`] what of it a client brings,
//! [`drain`] is shutdown, [`metrics`] names what is counted and [`clock`]
//! reads the time.
//!
//! Invariant: nothing here knows a model or a protocol.
pub mod aside;
pub mod call;
pub mod calls;
pub mod clock;
pub mod drain;
pub mod lease;
pub mod listen;
pub mod metrics;
pub mod remote;
pub mod server;
pub mod session;
pub mod speak;
pub mod think;
pub mod tool_servers;
pub mod tools;
pub mod worker;
