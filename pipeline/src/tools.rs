//! What a model may call, carried out by this daemon.
use std::{future::Future, pin::Pin};

use voiced_core::turn::{ToolCall, ToolEffect, ToolSpec};

/// The answer to a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolAnswer {
    /// What the model is told; an error too is told in words.
    pub output: String,
    /// What else it did.
    pub effect: ToolEffect,
}

/// A future that a trait object can return.
pub type ToolFuture = Pin<Box<dyn Future<Output = ToolAnswer> + Send>>;

/// Carries out tool calls. It bounds its own time: the conversation waits for every answer.
pub trait ToolRunner: Send + Sync {
    /// What may be called.
    fn specs(&self) -> Vec<ToolSpec>;

    /// Carries out one call. An unknown tool or bad arguments are answered in words.
    fn run(&self, call: ToolCall) -> ToolFuture;
}

/// No tools.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTools;

impl ToolRunner for NoTools {
    fn specs(&self) -> Vec<ToolSpec> {
        Vec::new()
    }

    fn run(&self, call: ToolCall) -> ToolFuture {
        Box::pin(async move {
            ToolAnswer {
                output: format!("there is no tool '{}'", call.name),
                effect: ToolEffect::None,
            }
        })
    }
}
