//! Everything that listens: voices noticed, words recognised, ends of turns judged. In reading
//! order:
//!
//! - [`vad`]: whether a window holds a voice;
//! - [`turn`]: whether the words so far are all the speaker wants to say;
//! - [`embedded`]: the recogniser that needs no download, on PocketSphinx;
//! - [`scripted`]: a recogniser for benches and tests that hears energy and says given words;
//! - `cepstra` (an utterance as the recogniser sees it), `credible` (what was speech at all),
//!   `sphinx` (the C library): how [`embedded`] does it.
//!
//! Invariants: nothing here knows a session; a recogniser answers each `Finalize` with exactly one
//! `Final`; a row remembers nothing of the lease before; no sound, however odd, panics.
pub mod vad;

pub mod turn;

pub mod embedded;
pub mod scripted;

mod cepstra;
mod credible;
mod sphinx;
