//! Everything that speaks: text into audio, line by line, streamed. In reading order:
//!
//! - [`spoken`]: a written line into clauses a voice can say;
//! - [`embedded`]: the synthesiser that needs no download, on flite, and its [`voices()`];
//! - [`engine`]: the synthesiser on Voxtral TTS: [`voxtral`] (text to codes), [`codec`] (codes to
//!   sound), [`mod@voices`] (presets and added ones), [`normalise`] (text to what can be said);
//! - [`remote`]: synthesisers that run elsewhere, behind the same lease;
//! - [`tempo`]: slower and faster with the pitch kept, [`tempered`]: for engines without a tempo;
//! - [`tone`]: a synthesiser that answers at once with a hum, for benches and tests;
//! - `crew` (threads that synthesise), `flite` (the C library), `trim` (silence at the ends): how
//!   [`embedded`] does it.
//!
//! Invariants: nothing here knows a session; `feed` and `close` return at once; whatever a model
//! writes, a line ends in speech, in silence or in a refusal, never in a hang or a panic.
pub mod spoken;

pub mod codec;
pub mod embedded;
pub mod engine;
pub mod normalise;
pub mod remote;
pub mod tempered;
pub mod tempo;
pub mod tone;
pub mod voices;
pub mod voxtral;

mod crew;
mod flite;
mod trim;

/// A voice one may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoiceInfo {
    /// What `Line::voice` calls it.
    pub name: &'static str,
    /// Its language, as a tag of BCP 47.
    pub language: &'static str,
    /// For people who choose one.
    pub description: &'static str,
}

/// The voices of the embedded synthesiser; the first is its default.
pub fn voices() -> Vec<VoiceInfo> {
    flite::VOICES.iter().map(|voice| voice.info).collect()
}
