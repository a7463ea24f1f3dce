//! The engines: built as configured, warmed, each given its thread or its tasks. When one cannot
//! go on, the daemon cannot either.
use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use tokio::sync::watch;
use voiced_asr::{
    embedded::{PocketSphinx, PocketSphinxSettings},
    scripted::ScriptedEar,
};
use voiced_core::engine::{Heard, Hearing, Line, Prompt, ReplyPiece, Speech};
use voiced_llm::{
    fixed::FixedModel,
    openai::OpenAi,
    scripted::{self, Script},
};
use voiced_pipeline::{lease::EngineClient, worker};
use voiced_tts::{embedded::Flite, tone::Tone};

use crate::config::{Config, Ear, EarEngine, Mind, MindEngine, Voice, VoiceEngine};

/// The engines every call shares.
pub struct Engines {
    /// The recogniser.
    pub ear: EngineClient<Hearing, Heard>,
    /// The synthesiser.
    pub voice: EngineClient<Line, Speech>,
    health: Vec<(&'static str, watch::Receiver<bool>)>,
}

/// An engine that cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {engine} is lost: the log says why; start the daemon again")]
pub struct EngineLost {
    /// Which one.
    pub engine: &'static str,
}
