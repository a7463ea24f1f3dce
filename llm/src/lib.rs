//! Chat models: what a reply says.
//!
//! In reading order: [`openai`] asks any OpenAI-compatible server; [`scripted`] answers by rules
//! from a file and needs nothing; [`glossary`] translates by a phrase table; [`fixed`] answers
//! without thought, for measurements. Under them:
//! [`pieces`] cuts text as a model would write it, [`numbers`] turns said numbers into figures and
//! back, [`sound`] knows which words are easily misheard for each other, [`strict`] reads
//! hand-written files and finds every mistake.
//!
//! Invariant: a lease is one reply. Dropping it ends the work, also at a server elsewhere.
//! Invariant: nothing here knows a call, a voice or a microphone.
//! Invariant: what is said in a call is never logged.
pub mod fixed;
pub mod glossary;
pub mod numbers;
pub mod openai;
pub mod pieces;
pub mod scripted;
pub mod sound;
pub mod strict;
