//! The engines: built as configured, warmed, each given its thread or its tasks. When one cannot
//! go on, the daemon cannot either.
pub mod ear;

use std::sync::Arc;

use tokio::sync::watch;
use voiced_asr::{turn::WordTurns, vad::Earshot};
use voiced_core::engine::{
    Heard, Hearing, Line, Prompt, ReplyPiece, Speech, TurnDetector, VoiceActivityDetector,
};
use voiced_llm::{openai::OpenAi, scripted};
use voiced_pipeline::{calls::DetectorFactory, lease::EngineClient};
use voiced_transport::rest::EarAbilities;

use crate::{
    config::{Config, Ear, EarEngine, Mind, MindEngine, Voice},
    persona::Persona,
};

mod voice;

pub use voice::voice;

/// The engines every call shares.
#[derive(Clone)]
pub struct Engines {
    /// The recogniser.
    pub ear: EngineClient<Hearing, Heard>,
    /// The chat model, where all personas share one; `None` where each has a script of its own.
    mind: Option<EngineClient<Prompt, ReplyPiece>>,
    /// Replies written at once.
    mind_rows: usize,
    /// The synthesiser.
    pub voice: EngineClient<Line, Speech>,
    health: Vec<(&'static str, watch::Receiver<bool>)>,
}

/// An engine that cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {engine} is lost; the log says why")]
pub struct EngineLost {
    /// Which one.
    pub engine: &'static str,
}

impl Engines {
    /// Builds and warms all of them. Must be called inside the runtime.
    ///
    /// # Errors
    /// When one cannot be had here.
    pub async fn start(config: &Config) -> anyhow::Result<Engines> {
        // Rows of their own for speech without a call: calls keep all of theirs.
        let hearing = Ear {
            rows: config.ear.rows + config.services.transcriptions,
            ..config.ear.clone()
        };
        let ear = ear::start(&hearing, config.models.threads).await?;
        let voice = voice(&Voice {
            rows: config.voice.rows + config.services.speeches,
            ..config.voice.clone()
        })
        .await?;
        let mind = mind(&config.mind).await?;
        let mut health = vec![("recogniser", ear.healthy()), ("voice", voice.healthy())];
        if let Some(mind) = &mind {
            health.push(("chat model", mind.healthy()));
        }
        Ok(Engines {
            ear,
            mind,
            mind_rows: config.mind.rows,
            voice,
            health,
        })
    }

    /// The chat model that speaks for a persona. Must be called inside the runtime.
    pub fn mind_of(&self, persona: &Persona) -> EngineClient<Prompt, ReplyPiece> {
        match (&self.mind, &persona.script) {
            (Some(mind), _) => mind.clone(),
            (None, Some(script)) => scripted::serve(script.clone(), self.mind_rows),
            (None, None) => unreachable!("a persona without a script is a mistake that was told"),
        }
    }

    /// An engine that cannot go on, if there is one.
    pub fn unhealthy(&self) -> Option<&'static str> {
        let mut engines = self.health.iter();
        engines
            .find(|(_, healthy)| !*healthy.borrow())
            .map(|(engine, _)| *engine)
    }

    /// Returns when an engine cannot go on.
    pub async fn lost(&self) -> EngineLost {
        let mut waits = tokio::task::JoinSet::new();
        for (engine, mut healthy) in self.health.clone() {
            waits.spawn(async move {
                if healthy.wait_for(|healthy| !*healthy).await.is_err() {
                    // It ended without being lost: nobody needs it any more.
                    std::future::pending::<()>().await;
                }
                EngineLost { engine }
            });
        }
        match waits.join_next().await {
            Some(Ok(lost)) => lost,
            _ => std::future::pending().await,
        }
    }
}

/// What can be asked of the recogniser.
pub fn abilities(ear: &Ear) -> EarAbilities {
    match &ear.engine {
        EarEngine::PocketSphinx { .. } => EarAbilities {
            languages: vec!["en".to_owned()],
            words: true,
        },
        // It finds the language out, and knows when each word was said.
        EarEngine::Voxtral(_) => EarAbilities {
            languages: Vec::new(),
            words: true,
        },
        EarEngine::Scripted { .. } | EarEngine::Remote(_) => EarAbilities::default(),
    }
}

/// A chat model that all personas share.
async fn mind(mind: &Mind) -> anyhow::Result<Option<EngineClient<Prompt, ReplyPiece>>> {
    Ok(match &mind.engine {
        MindEngine::Scripted => None,
        MindEngine::Fixed(model) => Some(model.clone().serve(mind.rows)),
        MindEngine::OpenAi(settings) => {
            let server = OpenAi::new((**settings).clone())?;
            if let Err(failure) = server.warm_up().await {
                // It may come up later; until then callers hear an apology.
                tracing::warn!(reason = %failure, "the chat server does not answer yet");
            }
            Some(server.serve(mind.rows))
        }
    })
}

/// Voice activity, one detector per call.
pub fn activity_detector() -> DetectorFactory<dyn VoiceActivityDetector> {
    Arc::new(|| Box::new(Earshot::new()))
}

/// End of turn, one detector per call.
pub fn turn_detector() -> DetectorFactory<dyn TurnDetector> {
    Arc::new(|| Box::new(WordTurns))
}
