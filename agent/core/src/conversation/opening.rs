//! What a conversation starts with, and what its client may change later.
use crate::{
    engine::{HearingOptions, ToolChoice},
    turn::{Settings, ToolRuns, ToolSpec, TurnPolicy},
};

/// The settings of one conversation.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Random part of item names; unique among calls.
    pub name: String,
    /// How turns are taken.
    pub policy: TurnPolicy,
    /// What the model is told it is.
    pub instructions: String,
    /// Said first.
    pub greeting: Option<String>,
    /// Said when a stage failed.
    pub apology: String,
    /// Said when the caller is silent for `TurnPolicy::idle`.
    pub reminder: String,
    /// The voice's name.
    pub voice: Option<String>,
    /// Tempo of the voice.
    pub speed: Option<f32>,
    /// What the model may call.
    pub tools: Vec<ToolSpec>,
    /// Whether and what it must call.
    pub tool_choice: ToolChoice,
    /// Most tokens a reply may have.
    pub max_tokens: Option<u32>,
    /// Whether replies are spoken.
    pub spoken: bool,
    /// How much of the history the model is given, in characters (about four to a token).
    pub context_chars: usize,
    /// How the recogniser hears.
    pub hearing: HearingOptions,
}

impl Default for Opening {
    fn default() -> Self {
        Self {
            name: "0".into(),
            policy: TurnPolicy::default(),
            instructions: String::new(),
            greeting: None,
            apology: "Sorry, something went wrong on my side. Could you say that again?".into(),
            reminder: "Are you still there?".into(),
            voice: None,
            speed: None,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            max_tokens: None,
            spoken: true,
            context_chars: 32_000,
            hearing: HearingOptions::default(),
        }
    }
}

impl Opening {
    /// Takes over what `settings` gives.
    pub fn apply(&mut self, settings: Settings) {
        let Settings {
            policy,
            instructions,
            client_tools,
            tool_choice,
            voice,
            speed,
            spoken,
            max_tokens,
            hearing,
        } = settings;
        if let Some(policy) = policy {
            self.policy = policy;
        }
        if let Some(instructions) = instructions {
            self.instructions = instructions;
        }
        if let Some(tools) = client_tools {
            self.tools.retain(|tool| tool.runs == ToolRuns::Here);
            self.tools.extend(tools);
        }
        if let Some(tool_choice) = tool_choice {
            self.tool_choice = tool_choice;
        }
        self.voice = voice.or_else(|| self.voice.take());
        self.speed = speed.or(self.speed);
        self.spoken = spoken.unwrap_or(self.spoken);
        self.max_tokens = max_tokens.unwrap_or(self.max_tokens);
        if let Some(hearing) = hearing {
            self.hearing = hearing;
        }
    }
}
