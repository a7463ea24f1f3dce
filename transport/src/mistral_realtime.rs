//! Mistral's realtime transcription dialect: audio goes in without turns, words come out as they
//! are settled, and `input_audio.end` asks for the rest.
//!
//! Guarantees: pure; one `transcription.done` or `error` ends every session.
mod audio;
mod settings;

use std::time::Duration;

use serde_json::{Value, json};
use voiced_core::{
    engine::HeardWord,
    turn::{CallEvent, Command, CommandId, EndReason, ItemId, Settings, TurnMode, TurnPolicy},
};

use self::audio::AudioDecoder;
pub use self::audio::AudioFormat;
use crate::{
    openai_realtime::{Caption, Received, events::WireError, fields::Fields},
    websocket::Wire,
};

/// Most audio in one append, decoded.
pub const LONGEST_APPEND: usize = 262_144;

/// What is fixed when a session begins.
#[derive(Clone, Debug)]
pub struct MistralOptions {
    /// Names the session.
    pub name: String,
    /// Shown as the session's model.
    pub model: String,
    /// How turns are taken where the client does not say.
    pub policy: TurnPolicy,
    /// Whether unknown keys are refused.
    pub strict: bool,
    /// The languages the recogniser knows; empty: every one is passed on.
    pub languages: Vec<String>,
}

/// A session of the dialect.
pub struct Mistral {
    options: MistralOptions,
    format: AudioFormat,
    decoder: AudioDecoder,
    delay_ms: Option<u64>,
    language: Option<String>,
    turn_detection: Option<Value>,
    /// Audio has come: the settings stand.
    is_begun: bool,
    /// The end was asked for; the words since the last commit are awaited.
    is_ending: bool,
    is_over: bool,
    captions: Vec<Caption>,
    n_commands: u64,
    /// Commits whose words are awaited.
    n_awaited: u32,
    text: String,
    segments: Vec<Value>,
    heard: Duration,
}

impl Mistral {
    /// A session nobody has heard of yet.
    pub fn new(options: MistralOptions) -> Self {
        let format = AudioFormat::default();
        Self {
            options,
            format,
            decoder: AudioDecoder::new(format),
            delay_ms: None,
            language: None,
            turn_detection: None,
            is_begun: false,
            is_ending: false,
            is_over: false,
            captions: Vec::new(),
            n_commands: 0,
            n_awaited: 0,
            text: String::new(),
            segments: Vec::new(),
            heard: Duration::ZERO,
        }
    }

    /// What the call must know from the first moment on: nobody answers.
    pub fn settings(&self) -> Settings {
        Settings {
            policy: Some(self.policy()),
            ..Settings::default()
        }
    }

    fn policy(&self) -> TurnPolicy {
        let detection = self.turn_detection.as_ref();
        let mode = match detection {
            // Words are settled by `flush` and `end` alone.
            None => TurnMode::Manual,
            Some(detection) => {
                let silence = detection["min_silence_ms"].as_u64().unwrap_or(500);
                TurnMode::Silence(Duration::from_millis(silence))
            }
        };
        let threshold = detection.and_then(|detection| detection["start_threshold"].as_f64());
        TurnPolicy {
            mode,
            reply: false,
            interrupt: false,
            idle: None,
            threshold: threshold.map(|threshold| threshold as f32),
            ..self.options.policy.clone()
        }
    }

    fn session(&self) -> Value {
        let mut session = json!({
            "request_id": self.options.name,
            "model": self.options.model,
            "audio_format": self.format.to_wire(),
        });
        let optional = [
            ("target_streaming_delay_ms", json!(self.delay_ms)),
            ("language", json!(self.language)),
            ("turn_detection", json!(self.turn_detection)),
        ];
        for (key, value) in optional {
            if !value.is_null() {
                session[key] = value;
            }
        }
        session
    }

    fn command(&mut self, received: &mut Received, command: Command) {
        self.n_commands += 1;
        received
            .commands
            .push((CommandId(self.n_commands), command));
    }

    fn take(&mut self, text: &str, received: &mut Received) -> Result<(), WireError> {
        let event: Value = serde_json::from_str(text).map_err(|error| {
            WireError::new(
                "invalid_json",
                format!("The event is not valid JSON: {error}."),
                None,
            )
        })?;
        let event = Fields::new("", &event, self.options.strict)?;
        match event.required_string("type")? {
            "session.update" => {
                event.only(&["type", "session"])?;
                let Some(session) = event.object("session")? else {
                    return Err(event.missing("session"));
                };
                self.update(&session, received)
            }
            "input_audio.append" => {
                event.only(&["type", "audio"])?;
                received.audio = self.decoder.take(event.required_string("audio")?)?;
                self.is_begun = true;
                Ok(())
            }
            "input_audio.flush" => {
                event.only(&["type"])?;
                self.commit(received);
                Ok(())
            }
            "input_audio.end" => {
                event.only(&["type"])?;
                self.is_ending = true;
                self.commit(received);
                Ok(())
            }
            other => Err(event.unsupported(
                "type",
                other,
                &[
                    "session.update",
                    "input_audio.append",
                    "input_audio.flush",
                    "input_audio.end",
                ],
            )),
        }
    }

    fn commit(&mut self, received: &mut Received) {
        self.n_awaited += 1;
        self.command(received, Command::Commit);
    }

    fn partial(&mut self, item: ItemId, text: &str) -> Vec<String> {
        let known = self
            .captions
            .iter()
            .position(|caption| caption.item == item);
        let at = known.unwrap_or_else(|| {
            self.captions.push(Caption::new(item));
            self.captions.len() - 1
        });
        let is_first = !self.text.is_empty() && self.captions[at].is_fresh();
        let delta = self.captions[at].partial(text);
        let joint = if is_first { " " } else { "" };
        delta
            .map(|delta| text_delta(&format!("{joint}{delta}")))
            .into_iter()
            .collect()
    }

    fn said(
        &mut self,
        item: &ItemId,
        text: &str,
        audio: Duration,
        words: &[HeardWord],
    ) -> Vec<String> {
        let known = self
            .captions
            .iter()
            .position(|caption| &caption.item == item);
        let caption = known.map(|at| self.captions.remove(at));
        let is_fresh = caption.as_ref().is_none_or(Caption::is_fresh);
        let joint = if is_fresh && !self.text.is_empty() {
            " "
        } else {
            ""
        };
        let rest = match &caption {
            Some(caption) => caption.rest(text),
            None => Some(text).filter(|text| !text.is_empty()),
        };
        let mut lines: Vec<String> = rest
            .map(|rest| text_delta(&format!("{joint}{rest}")))
            .into_iter()
            .collect();
        if !text.is_empty() {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(text);
            let start = words.first().map_or(self.heard, |word| word.start);
            let end = words.last().map_or(self.heard + audio, |word| word.end);
            let segment = json!({
                "type": "transcription.segment", "text": text,
                "start": start.as_secs_f64(), "end": end.as_secs_f64(),
            });
            lines.push(segment.to_string());
            let mut kept = segment;
            kept["type"] = json!("transcription_segment");
            self.segments.push(kept);
        }
        self.heard += audio;
        self.n_awaited = self.n_awaited.saturating_sub(1);
        if self.is_ending && self.n_awaited == 0 {
            lines.push(self.done());
        }
        lines
    }

    fn done(&mut self) -> String {
        self.is_over = true;
        let usage = json!({
            "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0,
            "prompt_audio_seconds": self.heard.as_secs_f64().ceil() as u64,
        });
        json!({
            "type": "transcription.done", "model": self.options.model, "text": self.text,
            "language": self.language, "usage": usage, "segments": self.segments,
        })
        .to_string()
    }
}

impl Wire for Mistral {
    fn opened(&mut self) -> Vec<String> {
        vec![json!({"type": "session.created", "session": self.session()}).to_string()]
    }

    fn received(&mut self, text: &str) -> Received {
        let mut received = Received::default();
        if self.is_over || self.is_ending {
            return received;
        }
        if let Err(error) = self.take(text, &mut received) {
            received.replies.push(refusal(&error.message, 400));
        }
        received
    }

    fn misread(&mut self, error: &WireError) -> Vec<String> {
        vec![refusal(&error.message, 400)]
    }

    fn told(&mut self, event: CallEvent) -> Vec<String> {
        if self.is_over {
            return Vec::new();
        }
        let turns = self.turn_detection.is_some();
        match event {
            CallEvent::SpeechStarted { at, .. } if turns => {
                vec![json!({"type": "turn.start", "time_s": at.as_secs_f64()}).to_string()]
            }
            CallEvent::SpeechStopped { at, .. } if turns => {
                let end = json!({
                    "type": "turn.end", "time_s": at.as_secs_f64(), "end_reason": "threshold",
                });
                vec![end.to_string()]
            }
            CallEvent::Partial { item, text } => self.partial(item, &text),
            CallEvent::UserSaid {
                item,
                text,
                audio,
                words,
            } => self.said(&item, &text, audio, &words),
            // A flush while another is being finished: its words come with that one's.
            CallEvent::Refused { .. } => {
                self.n_awaited = self.n_awaited.saturating_sub(1);
                let is_done = self.is_ending && self.n_awaited == 0;
                is_done.then(|| self.done()).into_iter().collect()
            }
            CallEvent::Ended { reason } => {
                self.is_over = true;
                match reason {
                    EndReason::CallerLeft => Vec::new(),
                    _ => vec![refusal(voiced_pipeline::call::end_reason_text(reason), 503)],
                }
            }
            _ => Vec::new(),
        }
    }

    fn is_done(&self) -> bool {
        self.is_over
    }
}

fn text_delta(text: &str) -> String {
    json!({"type": "transcription.text.delta", "text": text}).to_string()
}

/// In this dialect an error has a number like an HTTP status.
fn refusal(message: &str, code: u16) -> String {
    json!({"type": "error", "error": {"message": message, "code": code}}).to_string()
}

#[cfg(test)]
mod tests;
