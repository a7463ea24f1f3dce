//! What a client may set before its first audio.
use std::time::Duration;

use serde_json::{Value, json};
use voiced_core::{
    engine::HearingOptions,
    turn::{Command, Settings},
};

use super::{
    Mistral,
    audio::{AudioDecoder, AudioFormat},
};
use crate::openai_realtime::{Received, events::WireError, fields::Fields};

impl Mistral {
    pub(super) fn update(
        &mut self,
        session: &Fields<'_>,
        received: &mut Received,
    ) -> Result<(), WireError> {
        session.only(&[
            "audio_format",
            "target_streaming_delay_ms",
            "diarize",
            "context_bias",
            "language",
            "speaker_references",
            "turn_detection",
        ])?;
        if self.is_begun {
            return Err(WireError::new(
                "invalid_event",
                "The session can only be changed before any audio.",
                Some("session".into()),
            ));
        }
        if session.boolean("diarize")? == Some(true) {
            return Err(session.invalid("diarize", "Speakers are not told apart here."));
        }
        for key in ["context_bias", "speaker_references"] {
            let given = session.value(key).is_some_and(|value| match value {
                Value::Array(list) => !list.is_empty(),
                Value::Object(map) => !map.is_empty(),
                _ => true,
            });
            if given {
                return Err(session.invalid(key, "The recogniser cannot be primed here."));
            }
        }
        let format = match session.object("audio_format")? {
            Some(format) => AudioFormat::read(&format)?,
            None => self.format,
        };
        let delay = session.integer("target_streaming_delay_ms", 0..=10_000)?;
        let language = session.string("language")?.map(str::to_ascii_lowercase);
        let known = &self.options.languages;
        if let Some(language) = &language
            && !known.is_empty()
            && !known.contains(language)
        {
            let words: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(session.unsupported("language", language, &words));
        }
        let detection = match session.object("turn_detection")? {
            Some(detection) => Some(read_detection(&detection)?),
            None => self.turn_detection.clone(),
        };
        self.format = format;
        self.decoder = AudioDecoder::new(format);
        self.delay_ms = delay.or(self.delay_ms);
        self.language = language.or(self.language.take());
        self.turn_detection = detection;
        let settings = Settings {
            policy: Some(self.policy()),
            hearing: Some(HearingOptions {
                delay: self.delay_ms.map(Duration::from_millis),
                language: self.language.clone(),
            }),
            ..Settings::default()
        };
        self.command(received, Command::Configure(settings));
        let updated = json!({"type": "session.updated", "session": self.session()});
        received.replies.push(updated.to_string());
        Ok(())
    }
}

fn read_detection(fields: &Fields<'_>) -> Result<Value, WireError> {
    fields.only(&[
        "start_threshold",
        "eager_end_threshold",
        "end_threshold",
        "min_silence_ms",
        "end_timeout_ms",
    ])?;
    let number = |key: &str, usual: f64| {
        let given = fields.number(key, 0.0..=1.0)?;
        Ok::<f64, WireError>(given.unwrap_or(usual))
    };
    let silence = fields.integer("min_silence_ms", 0..=60_000)?;
    Ok(json!({
        "start_threshold": number("start_threshold", 0.5)?,
        "eager_end_threshold": number("eager_end_threshold", 0.5)?,
        "end_threshold": number("end_threshold", 0.33)?,
        "min_silence_ms": silence.unwrap_or(500),
        "end_timeout_ms": fields.integer("end_timeout_ms", 0..=600_000)?,
    }))
}
