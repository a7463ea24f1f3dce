//! How an update changes a session: key by key, all of it or nothing.
use std::time::Duration;

use voiced_core::{engine::HearingOptions, turn::Settings};

use super::{
    Session,
    kept::merge,
    read_max_tokens, read_modality,
    tools::{read_tool_choice, read_tools},
    turn_detection::TurnDetection,
};
use crate::openai_realtime::{SessionKind, events::WireError, fields::Fields, sound::Format};

impl Session {
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
}
