//! The session object of the dialect: what a client may set, merged key by key, and what the
//! daemon makes of it. An update that does not fit changes nothing.
mod defaults;
mod kept;
mod tools;
mod turn_detection;
mod updating;
mod voices;

use std::sync::Arc;

use serde_json::{Value, json};
use voiced_core::{
    engine::ToolChoice,
    turn::{Settings, ToolSpec, TurnPolicy},
};

pub use self::{
    defaults::{NoiseReduction, SessionDefaults},
    tools::{GivenTools, read_tool_choice, read_tools},
};
use self::{
    kept::Kept,
    tools::{tool_choice_to_wire, tools_to_wire},
    turn_detection::TurnDetection,
    voices::FOREIGN_VOICES,
};
use super::{SessionKind, events::WireError, fields::Fields, items::Takes, sound::Format};

/// One session's settings.
#[derive(Clone, Debug)]
pub struct Session {
    defaults: Arc<SessionDefaults>,
    /// What it is for.
    pub kind: SessionKind,
    /// `sess_…`.
    pub id: String,
    expires_at: Option<u64>,
    model: String,
    /// Whether replies are spoken.
    pub spoken: bool,
    instructions: String,
    /// The client's tools.
    pub tools: Vec<ToolSpec>,
    /// Its tool servers, as the wire shows them: without what is secret.
    servers: Vec<Value>,
    /// Whether and what the model must call.
    pub tool_choice: ToolChoice,
    /// Most tokens of a reply; `None` is "inf".
    pub max_output_tokens: Option<u32>,
    /// What the client sends.
    pub input_format: Format,
    turn_detection: Option<TurnDetection>,
    /// What the client is sent.
    pub output_format: Format,
    voice: Value,
    speed: f64,
    /// Keys that are checked, kept and shown, and that nothing here acts upon.
    kept: Kept,
}

impl Session {
    /// A session nobody has changed yet. `name` is the random part of its id.
    pub fn new(
        defaults: SessionDefaults,
        kind: SessionKind,
        name: &str,
        expires_at: Option<u64>,
    ) -> Self {
        let named = match kind {
            SessionKind::Conversation => defaults.transcription.as_ref(),
            // What it is for need not be asked for.
            SessionKind::Transcription => {
                Some(defaults.transcription.as_ref().unwrap_or(&defaults.model))
            }
        };
        let transcription = match named {
            Some(model) => json!({"model": model}),
            None => Value::Null,
        };
        Self {
            kind,
            id: format!("sess_{name}"),
            expires_at,
            model: defaults.model.clone(),
            spoken: true,
            instructions: defaults.instructions.clone(),
            tools: Vec::new(),
            servers: Vec::new(),
            tool_choice: ToolChoice::Auto,
            max_output_tokens: None,
            input_format: Format::default(),
            turn_detection: TurnDetection::of(&defaults.policy),
            output_format: Format::default(),
            voice: json!(defaults.voice),
            speed: f64::from((defaults.speed * 1_000.0).round()) / 1_000.0,
            kept: Kept {
                transcription,
                truncation: json!("auto"),
                ..Kept::default()
            },
            defaults: Arc::new(defaults),
        }
    }

    /// Whether the client wants transcripts of the caller.
    pub fn transcribes(&self) -> bool {
        !self.kept.transcription.is_null()
    }

    /// Whether the client ends the caller's turns itself.
    pub fn is_manual(&self) -> bool {
        self.turn_detection.is_none()
    }

    /// Whether the client wants to know how sure the recogniser is of each word.
    pub fn wants_logprobs(&self) -> bool {
        self.kept
            .include
            .as_array()
            .is_some_and(|list| !list.is_empty())
    }

    /// What the model behind it takes.
    pub fn takes(&self) -> Takes {
        Takes {
            images: self.defaults.images,
        }
    }

    /// Hosts of tool servers that its client may name.
    pub fn tool_hosts(&self) -> &[String] {
        &self.defaults.tool_hosts
    }

    /// What is done to the noise in the caller's sound.
    pub fn noise_reduction(&self) -> NoiseReduction {
        let kept = &self.kept.noise_reduction;
        let strong = kept["strength"].as_f64().unwrap_or(1.0) > 0.5;
        match (kept["type"].as_str(), strong) {
            (Some("near_field"), false) => NoiseReduction::Near,
            (Some("near_field"), true) => NoiseReduction::NearStrong,
            (Some(_), false) => NoiseReduction::Far,
            (Some(_), true) => NoiseReduction::FarStrong,
            (None, _) => NoiseReduction::Usual,
        }
    }

    /// What the conversation must know at once, whatever the client sends.
    pub fn first_settings(&self) -> Settings {
        match self.kind {
            SessionKind::Conversation => Settings::default(),
            SessionKind::Transcription => Settings {
                policy: Some(self.policy()),
                ..Settings::default()
            },
        }
    }

    /// The policy its turn detection stands for. Where nobody answers, nobody is interrupted.
    fn policy(&self) -> TurnPolicy {
        let chosen = self.turn_detection.as_ref();
        let mut policy = TurnDetection::policy(chosen, &self.defaults.policy);
        if self.kind == SessionKind::Transcription {
            policy.reply = false;
            policy.interrupt = false;
            policy.idle = None;
        }
        policy
    }

    /// Shows another voice: that of the persona who goes on.
    pub fn set_voice(&mut self, voice: &str) {
        self.voice = json!(voice);
    }

    /// The voice as the wire shows it, and the daemon's name for it.
    pub fn read_voice(&self, output: &Fields<'_>) -> Result<Option<(Value, String)>, WireError> {
        self.defaults.voice_of(output)
    }

    /// The daemon's name for the session's voice, to go back to after a reply with another.
    pub fn voice_name(&self) -> String {
        let asked = self.voice.as_str().or_else(|| self.voice["id"].as_str());
        match asked {
            Some(name) if !FOREIGN_VOICES.contains(&name) => name.to_owned(),
            Some(name) if self.defaults.voices.iter().any(|voice| voice == name) => name.to_owned(),
            _ => self.defaults.voice.clone(),
        }
    }

    /// The voice as a response shows it: its name or its id.
    pub fn voice_shown(&self) -> &str {
        let named = self.voice.as_str().or_else(|| self.voice["id"].as_str());
        named.unwrap_or(&self.defaults.voice)
    }

    /// The whole session as the wire shows it.
    pub fn to_wire(&self) -> Value {
        let kept = &self.kept;
        let input = json!({
            "format": self.input_format.to_wire(),
            "transcription": kept.transcription,
            "noise_reduction": kept.noise_reduction,
            "turn_detection": self.turn_detection.as_ref().map(TurnDetection::to_wire),
        });
        if self.kind == SessionKind::Transcription {
            return self.transcription_to_wire(input);
        }
        let mut tools = tools_to_wire(&self.tools);
        tools.extend(self.servers.iter().cloned());
        let mut session = json!({
            "type": "realtime",
            "object": "realtime.session",
            "id": self.id,
            "model": self.model,
            "output_modalities": [modality(self.spoken)],
            "instructions": self.instructions,
            "tools": tools,
            "tool_choice": tool_choice_to_wire(&self.tool_choice),
            "max_output_tokens": max_tokens_to_wire(self.max_output_tokens),
            "truncation": kept.truncation,
            "prompt": kept.prompt,
            "tracing": kept.tracing,
            "include": kept.include,
            "audio": {
                "input": input,
                "output": {
                    "format": self.output_format.to_wire(),
                    "voice": self.voice,
                    "speed": self.speed,
                },
            },
        });
        // Shown only when they are there: strict readers take no null here.
        let optional = [
            ("expires_at", json!(self.expires_at)),
            ("reasoning", kept.reasoning.clone()),
            ("parallel_tool_calls", kept.parallel_tool_calls.clone()),
        ];
        for (key, value) in optional {
            if !value.is_null() {
                session[key] = value;
            }
        }
        session
    }
}

impl Session {
    fn transcription_to_wire(&self, mut input: Value) -> Value {
        // Whether to answer is not asked where nobody does.
        if let Some(detection) = input["turn_detection"].as_object_mut() {
            for key in ["create_response", "interrupt_response", "idle_timeout_ms"] {
                detection.remove(key);
            }
        }
        let mut session = json!({
            "type": "transcription",
            "object": "realtime.transcription_session",
            "id": self.id,
            "include": self.kept.include,
            "audio": {"input": input},
        });
        if let Some(expires_at) = self.expires_at {
            session["expires_at"] = json!(expires_at);
        }
        session
    }
}

/// Whether `output_modalities` asks for speech; the wire allows one of two lists.
pub fn read_modality(fields: &Fields<'_>) -> Result<Option<bool>, WireError> {
    let Some(list) = fields.list("output_modalities")? else {
        return Ok(None);
    };
    match list {
        [one] if one.as_str() == Some("audio") => Ok(Some(true)),
        [one] if one.as_str() == Some("text") => Ok(Some(false)),
        _ => Err(fields.invalid(
            "output_modalities",
            "Invalid modalities. Supported combinations are: ['text'] and ['audio'].",
        )),
    }
}

/// `output_modalities`' only element.
pub fn modality(spoken: bool) -> &'static str {
    if spoken { "audio" } else { "text" }
}

/// `max_output_tokens`: `Some(None)` is "inf".
pub fn read_max_tokens(fields: &Fields<'_>) -> Result<Option<Option<u32>>, WireError> {
    match fields.value("max_output_tokens") {
        None => Ok(None),
        Some(Value::String(word)) if word == "inf" => Ok(Some(None)),
        Some(_) => {
            let tokens = fields.integer("max_output_tokens", 1..=4096)?;
            Ok(tokens.map(|tokens| u32::try_from(tokens).ok()))
        }
    }
}

/// `max_output_tokens` as the wire shows it.
pub fn max_tokens_to_wire(tokens: Option<u32>) -> Value {
    tokens.map_or_else(|| json!("inf"), |tokens| json!(tokens))
}
