//! The vocabulary and the brain of **voiced**: audio, time, turns, engine contracts, and the
//! conversation as a state machine. In reading order:
//!
//! - [`time`], [`audio`], [`epoch`]: what everything else counts in;
//! - [`turn`]: facts in, orders out, what the caller is told;
//! - [`conversation`]: the state machine; [`history`]: what was said, as heard;
//! - [`sentences`]: reply text into speakable lines;
//! - [`engine`]: what a model must do to serve calls;
//! - [`playout`]: the shared ring to the loudspeaker;
//! - [`resample`]: one rate to another, streamed;
//! - [`interpret`]: simultaneous translation as a state machine;
//! - [`record`]: the last events of a call, printable as a script.
//!
//! Invariant: nothing here waits, reads a clock, needs a runtime or knows a wire format.
pub mod activity;
pub mod audio;
pub mod conversation;
pub mod engine;
pub mod epoch;
pub mod history;
pub mod interpret;
pub mod playout;
pub mod record;
pub mod resample;
pub mod sentences;
pub mod time;
pub mod turn;
