//! The daemon: configuration in, engines built, everything wired, served and drained. In reading
//! order:
//!
//! - [`cli`]: what can be typed;
//! - [`config`]: what it is told, checked and typed;
//! - [`terminal`]: what it says.
//!
//! Invariant: nothing here decides anything about a conversation.
pub mod cli;
pub mod config;
pub mod terminal;
