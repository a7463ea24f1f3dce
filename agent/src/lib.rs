//! The daemon: configuration in, engines built, everything wired, served and drained. In reading
//! order:
//!
//! - [`cli`]: what can be typed;
//! - [`config`]: what it is told, checked and typed;
//! - [`logging`]: what it tells its keeper;
//! - [`recording`], [`transcribe`], [`speak`]: recordings into words, words into recordings;
//! - [`bench`]: what it reaches, measured;
//! - [`terminal`]: what it says.
//!
//! Invariant: nothing here decides anything about a conversation.
pub mod bench;
pub mod cli;
pub mod config;
pub mod logging;
pub mod measures;
pub mod recording;
pub mod speak;
pub mod terminal;
pub mod transcribe;
