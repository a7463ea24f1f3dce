//! The daemon: configuration in, engines built, everything wired, served and drained. In reading
//! order:
//!
//! - [`cli`]: what can be typed; [`commands`]: what is done about it;
//! - [`config`]: what the daemon is told, checked and typed;
//! - [`daemon`]: the composition root: every part constructed in order, in plain sight;
//! - [`persona`]: who answers; [`tools`]: what they may do, [`mcp`]: also elsewhere;
//! - [`engines`]: what hears, thinks and speaks; [`catalogue`]: what callers are shown of it;
//! - [`logging`], [`measures`]: what its keeper is told;
//! - `talk`: a call with this machine's own microphone; [`call`]: a call to a telephone;
//! - [`reader`], [`recording`], [`transcribe`], [`speak`]: recordings into words, words into
//!   recordings;
//! - [`studio`]: both of them for requests over HTTP;
//! - [`voices`]: whose voices there are, added and tried;
//! - [`models`]: files of models fetched, looked through and quantised;
//! - [`inventory`]: what is available here; [`bench`]: what it reaches, measured;
//! - [`terminal`]: writing to standard output and error.
//!
//! Invariant: nothing here decides anything about a conversation.
pub mod bench;
pub mod call;
pub mod catalogue;
pub mod cli;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod engines;
pub mod inventory;
pub mod logging;
pub mod mcp;
pub mod measures;
pub mod models;
pub mod persona;
pub mod reader;
pub mod recording;
pub mod speak;
pub mod studio;
#[cfg(feature = "local-audio")]
pub mod talk;
pub mod terminal;
pub mod tools;
pub mod transcribe;
pub mod translators;
pub mod voices;
