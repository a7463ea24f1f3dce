//! The session object of the dialect: what a client may set, merged key by key, and what the
//! daemon makes of it. An update that does not fit changes nothing.
mod kept;
mod tools;
mod turn_detection;
mod voices;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use voiced_core::{
    engine::{HearingOptions, ToolChoice},
    turn::{Settings, ToolSpec, TurnPolicy},
};

pub use self::tools::{GivenTools, read_tool_choice, read_tools};
use self::{
    kept::{Kept, merge},
    tools::{tool_choice_to_wire, tools_to_wire},
    turn_detection::TurnDetection,
    voices::FOREIGN_VOICES,
};
use super::{SessionKind, events::WireError, fields::Fields, items::Takes, sound::Format};

/// What a session is before its client says anything.
#[derive(Clone, Debug)]
pub struct SessionDefaults {
    /// Shown as the session's model.
    pub model: String,
    /// The voice's name.
    pub voice: String,
    /// Shown as the session's instructions; may be empty when they are nobody's business.
    pub instructions: String,
    /// How turns are taken.
    pub policy: TurnPolicy,
    /// Tempo of the voice, 1.0 is natural.
    pub speed: f32,
    /// The recogniser's name when transcripts are sent without being asked for; `None` is the
    /// protocol's default, off.
    pub transcription: Option<String>,
    /// The voices there are. A client that asks for one of OpenAI's by name gets `voice`; any
    /// other unknown name is refused. Empty: every name is passed on.
    pub voices: Vec<String>,
    /// Whether the model behind it takes pictures.
    pub images: bool,
    /// The languages the recogniser knows, as ISO 639-1 codes. Empty: every one is passed on.
    pub languages: Vec<String>,
    /// Hosts of tool servers that clients may name, `*.` in front for those below; `*` is every
    /// one. Empty: none.
    pub tool_hosts: Vec<String>,
}

impl Default for SessionDefaults {
    fn default() -> Self {
        Self {
            model: "voiced".into(),
            voice: "default".into(),
            instructions: String::new(),
            policy: TurnPolicy::default(),
            speed: 1.0,
            transcription: None,
            voices: Vec::new(),
            images: false,
            languages: Vec::new(),
            tool_hosts: Vec::new(),
        }
    }
}

/// What is done to the noise in the caller's sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoiseReduction {
    /// As the daemon is configured.
    #[default]
    Usual,
    /// For a microphone near the mouth, gently.
    Near,
    /// For a microphone near the mouth.
    NearStrong,
    /// For a microphone in the room, gently.
    Far,
    /// For a microphone in the room.
    FarStrong,
}

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

    /// This session with the keys of `update` in their place, and the settings that differ.
    pub fn updated(&self, update: &Fields<'_>) -> Result<(Session, Settings), WireError> {
        if self.kind == SessionKind::Transcription {
            return self.updated_transcription(update);
        }
        update.only(&[
            "type",
            "object",
            "id",
            "expires_at",
            "model",
            "output_modalities",
            "instructions",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "reasoning",
            "max_output_tokens",
            "audio",
            "include",
            "tracing",
            "truncation",
            "prompt",
        ])?;
        match update.required_string("type")? {
            "realtime" => {}
            other => return Err(update.unsupported("type", other, &["realtime"])),
        }
        // The model of a session is chosen at the door; many clients repeat theirs here.
        update.string("model")?;
        let mut next = self.clone();
        let mut settings = Settings::default();
        if let Some(spoken) = read_modality(update)? {
            next.spoken = spoken;
            settings.spoken = Some(spoken);
        }
        if let Some(instructions) = update.string("instructions")? {
            next.instructions = instructions.to_owned();
            settings.instructions = Some(instructions.to_owned());
        }
        if let Some(given) = read_tools(update, self.tool_hosts())? {
            next.tools.clone_from(&given.functions);
            next.servers = given.shown;
            settings.client_tools = Some(given.functions);
            settings.tool_servers = Some(given.servers);
        }
        if let Some(choice) = read_tool_choice(update)? {
            next.tool_choice = choice.clone();
            settings.tool_choice = Some(choice);
        }
        if let Some(tokens) = read_max_tokens(update)? {
            next.max_output_tokens = tokens;
            settings.max_tokens = Some(tokens);
        }
        if let Some(audio) = update.object("audio")? {
            next.take_audio(&audio, &mut settings)?;
        }
        next.kept.take(update, &mut settings)?;
        Ok((next, settings))
    }

    /// The same where speech is only written down.
    fn updated_transcription(&self, update: &Fields<'_>) -> Result<(Session, Settings), WireError> {
        update.only(&["type", "object", "id", "expires_at", "audio", "include"])?;
        match update.required_string("type")? {
            "transcription" => {}
            other => return Err(update.unsupported("type", other, &["transcription"])),
        }
        let mut next = self.clone();
        let mut settings = Settings::default();
        if let Some(audio) = update.object("audio")? {
            audio.only(&["input"])?;
            if let Some(input) = audio.object("input")? {
                next.take_input(&input, &mut settings)?;
            }
        }
        next.kept.take(update, &mut settings)?;
        settings.policy = Some(next.policy());
        Ok((next, settings))
    }

    fn take_audio(&mut self, audio: &Fields<'_>, settings: &mut Settings) -> Result<(), WireError> {
        audio.only(&["input", "output"])?;
        if let Some(input) = audio.object("input")? {
            self.take_input(&input, settings)?;
        }
        if let Some(output) = audio.object("output")? {
            output.only(&["format", "voice", "speed"])?;
            if let Some(format) = Format::read(&output)? {
                self.output_format = format;
            }
            if let Some(speed) = output.number("speed", 0.25..=1.5)? {
                self.speed = speed;
                settings.speed = Some(speed as f32);
            }
            if let Some((shown, voice)) = self.read_voice(&output)? {
                self.voice = shown;
                settings.voice = Some(voice);
            }
        }
        Ok(())
    }

    fn take_input(&mut self, input: &Fields<'_>, settings: &mut Settings) -> Result<(), WireError> {
        input.only(&[
            "format",
            "noise_reduction",
            "transcription",
            "turn_detection",
        ])?;
        if let Some(format) = Format::read(input)? {
            self.input_format = format;
        }
        if let Some(value) = input.raw("turn_detection") {
            self.turn_detection = if value.is_null() {
                None
            } else {
                input
                    .object("turn_detection")?
                    .map(|fields| TurnDetection::updated(self.turn_detection.as_ref(), &fields))
                    .transpose()?
            };
            settings.policy = Some(self.policy());
        }
        if let Some(fields) = input.object("noise_reduction")? {
            fields.only(&["type", "strength"])?;
            fields.word("type", &["near_field", "far_field"])?;
            fields.number("strength", 0.0..=1.0)?;
        }
        merge(&mut self.kept.noise_reduction, input.raw("noise_reduction"));
        if let Some(fields) = input.object("transcription")? {
            fields.only(&[
                "model",
                "language",
                "languages",
                "prompt",
                "keywords",
                "delay",
            ])?;
            for key in ["model", "language", "prompt"] {
                fields.string(key)?;
            }
            fields.list("languages")?;
            fields.list("keywords")?;
            fields.word("delay", &["minimal", "low", "medium", "high", "xhigh"])?;
        }
        merge(&mut self.kept.transcription, input.raw("transcription"));
        if input.raw("transcription").is_some() {
            settings.hearing = Some(self.hearing(input)?);
        }
        Ok(())
    }

    /// How the recogniser is to hear, from the transcription settings as they are now.
    fn hearing(&self, input: &Fields<'_>) -> Result<HearingOptions, WireError> {
        let kept = &self.kept.transcription;
        let named = kept["language"]
            .as_str()
            .or_else(|| kept["languages"][0].as_str());
        // "en-US" is "en"; an empty one is none.
        let language = named.map(|tag| {
            let primary = tag.split(['-', '_']).next().unwrap_or_default();
            primary.to_ascii_lowercase()
        });
        let language = language.filter(|language| !language.is_empty());
        let known = &self.defaults.languages;
        if let Some(language) = &language
            && !known.is_empty()
            && !known.contains(language)
        {
            let words: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(input.unsupported("transcription.language", language, &words));
        }
        let delay = kept["delay"].as_str().map(|word| match word {
            "minimal" => 160,
            "low" => 320,
            "medium" => 480,
            "high" => 960,
            _ => 2_400,
        });
        Ok(HearingOptions {
            delay: delay.map(Duration::from_millis),
            language,
        })
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
