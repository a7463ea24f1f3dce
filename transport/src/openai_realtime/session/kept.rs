//! Keys of the session that are kept as the client wrote them, and what they stand for.
use serde_json::{Value, json};
use voiced_core::{
    engine::Effort,
    turn::{Settings, Truncation},
};

use crate::openai_realtime::{events::WireError, fields::Fields};

/// Each key as the wire shows it; null is the wire's null.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// `audio.input.noise_reduction`.
    pub noise_reduction: Value,
    /// `audio.input.transcription`.
    pub transcription: Value,
    /// `include`.
    pub include: Value,
    /// `tracing`.
    pub tracing: Value,
    /// `truncation`.
    pub truncation: Value,
    /// `prompt`.
    pub prompt: Value,
    /// `reasoning`.
    pub reasoning: Value,
    /// `parallel_tool_calls`.
    pub parallel_tool_calls: Value,
}

impl Kept {
    /// Takes the session's own keys; those of `audio.input` are merged by the session.
    pub fn take(&mut self, update: &Fields<'_>, settings: &mut Settings) -> Result<(), WireError> {
        let parallel = update.boolean("parallel_tool_calls")?;
        if update.raw("parallel_tool_calls").is_some() {
            settings.parallel_calls = Some(parallel);
        }
        if update.raw("reasoning").is_some() {
            settings.effort = Some(None);
        }
        if let Some(reasoning) = update.object("reasoning")? {
            reasoning.only(&["effort"])?;
            let effort = reasoning.word("effort", &Effort::WORDS)?;
            settings.effort = Some(effort.and_then(Effort::named));
        }
        for include in update.list("include")?.unwrap_or_default() {
            if include.as_str() != Some("item.input_audio_transcription.logprobs") {
                return Err(update.invalid(
                    "include",
                    "Supported values are: 'item.input_audio_transcription.logprobs'.",
                ));
            }
        }
        if update.value("tracing").is_some_and(Value::is_string) {
            update.word("tracing", &["auto"])?;
        } else if let Some(tracing) = update.object("tracing")? {
            tracing.only(&["workflow_name", "group_id", "metadata"])?;
        }
        if update.value("truncation").is_some_and(Value::is_string) {
            update.word("truncation", &["auto", "disabled"])?;
        } else if let Some(truncation) = update.object("truncation")? {
            truncation.only(&["type", "retention_ratio", "token_limits"])?;
            truncation.word("type", &["retention_ratio"])?;
            let keep = truncation.number("retention_ratio", 0.0..=1.0)?;
            let mut chars = None;
            if let Some(limits) = truncation.object("token_limits")? {
                limits.only(&["post_instructions"])?;
                let tokens = limits.integer("post_instructions", 0..=10_000_000)?;
                // About four characters to a token, as everywhere here.
                chars = tokens.and_then(|tokens| usize::try_from(tokens * 4).ok());
            }
            settings.truncation = Some(Truncation::Ratio {
                keep: keep.unwrap_or(0.8) as f32,
                chars,
            });
        }
        match update.raw("truncation").map(Value::as_str) {
            Some(Some("disabled")) => settings.truncation = Some(Truncation::Disabled),
            Some(Some(_)) => settings.truncation = Some(Truncation::Auto),
            Some(None) if update.value("truncation").is_none() => {
                settings.truncation = Some(Truncation::Auto);
            }
            _ => {}
        }
        if let Some(prompt) = update.object("prompt")? {
            prompt.only(&["id", "version", "variables"])?;
            prompt.required_string("id")?;
            return Err(update.invalid(
                "prompt",
                "There are no hosted prompts here; give 'instructions'.",
            ));
        }
        let keys = [
            ("include", &mut self.include),
            ("tracing", &mut self.tracing),
            ("truncation", &mut self.truncation),
            ("prompt", &mut self.prompt),
            ("reasoning", &mut self.reasoning),
            ("parallel_tool_calls", &mut self.parallel_tool_calls),
        ];
        for (key, kept) in keys {
            if let Some(value) = update.raw(key) {
                *kept = value.clone();
            }
        }
        if self.truncation.is_null() {
            self.truncation = json!("auto");
        }
        Ok(())
    }
}

/// Objects merge key by key, null clears, absence keeps.
pub fn merge(kept: &mut Value, update: Option<&Value>) {
    match (kept, update) {
        (_, None) => {}
        (Value::Object(kept), Some(Value::Object(update))) => {
            for (key, value) in update {
                kept.insert(key.clone(), value.clone());
            }
        }
        (kept, Some(update)) => *kept = update.clone(),
    }
}
