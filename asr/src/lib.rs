//! Everything that listens: voices noticed, words recognised, ends of turns judged. In reading
//! order:
//!
//! - [`vad`]: whether a window holds a voice;
//! - [`turn`]: whether the words so far are all the speaker wants to say;
//! - [`embedded`]: the recogniser that needs no download, on PocketSphinx;
//! - [`scripted`]: a recogniser for benches and tests that hears energy and says given words;
//! - `cepstra` (an utterance as the recogniser sees it), `credible` (what was speech at all),
//!   `sphinx` (the C library): how [`embedded`] does it;
//! - [`mel`], [`voxtral`], [`words`], [`engine`]: Voxtral Realtime, the recogniser for those who have
//!   its weights: spectrogram, model, tokens to words, rows stepped together;
//! - [`remote`]: recognisers that run elsewhere, behind the same lease;
//! - [`bench`]: how fast this machine runs it.
//!
//! Invariants: nothing here knows a session; a recogniser answers each `Finalize` with exactly one
//! `Final`; a row remembers nothing of the lease before; no sound, however odd, panics.
pub mod vad;

pub mod turn;

pub mod embedded;
pub mod scripted;

pub mod mel;
pub mod voxtral;
pub mod words;

pub mod engine;

pub mod remote;

pub mod bench;

mod cepstra;
mod credible;
mod sphinx;
