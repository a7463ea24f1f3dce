//! The harness of the whole-daemon tests: a daemon in a box, and callers that speak real sound.
//! Everything stays on loopback, and every wait has an end.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
pub mod caller;
pub mod daemon;
#[path = "../../tts/tests/support/small_checkpoint.rs"]
pub mod small_checkpoint;
pub mod sound;
