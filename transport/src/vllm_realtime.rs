//! vLLM's realtime transcription dialect: `session.update` with a model at the top, audio, and
//! `commit` to begin and to end an utterance. Shares its address with the OpenAI dialect, so that
//! the client's first event decides which of the two it speaks.
//!
//! Guarantees: pure, like the dialect beside it; every utterance that was begun is answered by one
//! `transcription.done`.
use serde_json::{Value, json};
use voiced_core::{
    audio::SampleRate,
    engine::HearingOptions,
    turn::{CallEvent, Command, CommandId, EndReason, Settings, TurnMode, TurnPolicy},
};

use crate::{
    openai_realtime::{
        Caption, Dialect, Received,
        events::WireError,
        sound::{Format, SoundIn},
    },
    websocket::Wire,
};

/// A session that is not known yet to be either.
pub struct Bare {
    openai: Dialect,
    vllm: Vllm,
    choice: Option<Choice>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    OpenAi,
    Vllm,
}

/// What is fixed when a session begins.
#[derive(Clone, Debug)]
pub struct VllmOptions {
    /// Random part of its id.
    pub name: String,
    /// Unix seconds now.
    pub created: u64,
    /// How turns are taken where the client does not say; a session here takes them by hand.
    pub policy: TurnPolicy,
}

impl Bare {
    /// A session whose client has said nothing yet.
    pub fn new(openai: Dialect, options: VllmOptions) -> Self {
        Self {
            openai,
            vllm: Vllm::new(options),
            choice: None,
        }
    }

    fn decide(&mut self, text: &str) -> Choice {
        let event: Value = serde_json::from_str(text).unwrap_or_default();
        let is_vllm = event["type"] == "session.update"
            && event.get("model").is_some()
            && event.get("session").is_none();
        let choice = if is_vllm {
            Choice::Vllm
        } else {
            Choice::OpenAi
        };
        *self.choice.insert(choice)
    }
}

impl Wire for Bare {
    fn opened(&mut self) -> Vec<String> {
        let mut lines = self.openai.opened();
        // Both families ignore keys they do not know, so the first event can be that of both.
        if let Some(first) = lines.first_mut()
            && let Ok(mut event) = serde_json::from_str::<Value>(first)
        {
            event["id"] = json!(format!("sess-{}", self.vllm.options.name));
            event["created"] = json!(self.vllm.options.created);
            *first = event.to_string();
        }
        lines
    }

    fn received(&mut self, text: &str) -> Received {
        let first = self.choice.is_none();
        match self.choice.unwrap_or_else(|| self.decide(text)) {
            Choice::OpenAi => Dialect::received(&mut self.openai, text),
            Choice::Vllm => {
                let mut received = self.vllm.received(text);
                if first {
                    let settings = (CommandId(0), Command::Configure(self.vllm.settings()));
                    received.commands.insert(0, settings);
                }
                received
            }
        }
    }

    fn misread(&mut self, error: &WireError) -> Vec<String> {
        match self.choice {
            Some(Choice::Vllm) => vec![refusal(&error.message, Some(error.code))],
            _ => self.openai.misread(error),
        }
    }

    fn told(&mut self, event: CallEvent) -> Vec<String> {
        match self.choice {
            Some(Choice::Vllm) => self.vllm.told(event),
            _ => self.openai.told(event),
        }
    }

    fn played(&mut self, frame: &voiced_core::playout::PlayoutFrame) -> Vec<String> {
        match self.choice {
            Some(Choice::Vllm) => Vec::new(),
            _ => self.openai.played(frame),
        }
    }
}

/// A session of the dialect.
struct Vllm {
    options: VllmOptions,
    /// Named a model.
    is_ready: bool,
    /// Began an utterance.
    is_begun: bool,
    sound: SoundIn,
    caption: Option<Caption>,
    n_commands: u64,
    is_over: bool,
}

impl Vllm {
    fn new(options: VllmOptions) -> Self {
        Self {
            options,
            is_ready: false,
            is_begun: false,
            sound: SoundIn::new(Format::Pcm(SampleRate::HEARING)),
            caption: None,
            n_commands: 0,
            is_over: false,
        }
    }

    /// Nobody answers, and the client ends its utterances itself.
    fn settings(&self) -> Settings {
        Settings {
            policy: Some(TurnPolicy {
                mode: TurnMode::Manual,
                reply: false,
                interrupt: false,
                idle: None,
                ..self.options.policy.clone()
            }),
            ..Settings::default()
        }
    }

    fn received(&mut self, text: &str) -> Received {
        let mut received = Received::default();
        if self.is_over {
            return received;
        }
        if let Err((message, code)) = self.take(text, &mut received) {
            received.replies.push(refusal(&message, Some(code)));
        }
        received
    }

    fn take(&mut self, text: &str, received: &mut Received) -> Result<(), (String, &'static str)> {
        let event: Value =
            serde_json::from_str(text).map_err(|_| ("Invalid JSON".to_owned(), "invalid_json"))?;
        match event["type"].as_str() {
            Some("session.update") => match event["model"].as_str() {
                // The recogniser is what it is; the name is taken as it comes.
                Some(model) if !model.is_empty() => {
                    self.is_ready = true;
                    if let Some(language) = event["language"].as_str() {
                        let settings = Settings {
                            hearing: Some(HearingOptions {
                                language: Some(language.chars().take(16).collect()),
                                ..HearingOptions::default()
                            }),
                            ..Settings::default()
                        };
                        self.command(received, Command::Configure(settings));
                    }
                    Ok(())
                }
                _ => Err(("'model' is required".to_owned(), "invalid_event")),
            },
            Some("input_audio_buffer.append") => {
                let Some(audio) = event["audio"].as_str() else {
                    return Err(("'audio' is required".to_owned(), "invalid_event"));
                };
                let heard = self.sound.take(audio);
                received.audio = heard.map_err(|error| (error.message, "invalid_audio"))?;
                Ok(())
            }
            Some("input_audio_buffer.commit") => {
                if !self.is_ready {
                    let message = "No model was named: send session.update first".to_owned();
                    return Err((message, "model_not_validated"));
                }
                let is_final = event["final"].as_bool().unwrap_or(false);
                if is_final {
                    self.is_begun = false;
                    self.command(received, Command::Commit);
                } else {
                    // What is being written goes on.
                    self.is_begun = true;
                }
                Ok(())
            }
            Some(kind) => {
                let kind: String = kind.chars().take(64).collect();
                Err((format!("Unknown event type: {kind}"), "unknown_event"))
            }
            None => Err(("'type' is required".to_owned(), "invalid_event")),
        }
    }

    fn command(&mut self, received: &mut Received, command: Command) {
        self.n_commands += 1;
        received
            .commands
            .push((CommandId(self.n_commands), command));
    }

    fn told(&mut self, event: CallEvent) -> Vec<String> {
        if self.is_over {
            return Vec::new();
        }
        match event {
            CallEvent::Partial { item, text } => {
                let caption = self.caption.get_or_insert_with(|| Caption::new(item));
                let delta = caption.partial(&text);
                delta.map(|delta| said(&delta)).into_iter().collect()
            }
            CallEvent::UserSaid { text, .. } => {
                let caption = self.caption.take();
                let rest = match &caption {
                    Some(caption) => caption.rest(&text),
                    None => Some(text.as_str()).filter(|text| !text.is_empty()),
                };
                let mut lines: Vec<String> = rest.map(said).into_iter().collect();
                // The recogniser does not work in tokens; none were read and none written.
                let usage = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
                let done = json!({"type": "transcription.done", "text": text, "usage": usage});
                lines.push(done.to_string());
                lines
            }
            CallEvent::Refused { .. } => {
                let message = "An utterance is still being finished";
                vec![refusal(message, Some("processing_error"))]
            }
            CallEvent::Ended { reason } => {
                self.is_over = true;
                match reason {
                    EndReason::CallerLeft => Vec::new(),
                    _ => {
                        let why = voiced_pipeline::call::end_reason_text(reason);
                        vec![refusal(why, Some("processing_error"))]
                    }
                }
            }
            _ => Vec::new(),
        }
    }
}

fn said(delta: &str) -> String {
    json!({"type": "transcription.delta", "delta": delta}).to_string()
}

/// In this dialect an error is a text beside its code.
fn refusal(message: &str, code: Option<&str>) -> String {
    json!({"type": "error", "error": message, "code": code}).to_string()
}

#[cfg(test)]
mod tests;
