//! What the three servers are sent, and what they mean. Pure.
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use voiced_core::{
    audio::{SampleRate, to_pcm16},
    engine::HearingOptions,
};
use voiced_pipeline::server::{Failure, Place};

use super::RemoteSettings;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// vLLM's `/v1/realtime`: one utterance from commit to commit, many over one connection.
    Vllm,
    /// Mistral's realtime transcription: one utterance, then the connection ends.
    Mistral,
    /// A transcription session of OpenAI's Realtime API.
    OpenAi,
}

/// What a server said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    /// The greeting.
    Created,
    /// More words of the utterance.
    Delta(String),
    /// All its words, for good.
    Done(String),
    /// It cannot.
    Failed(Failure),
    /// There was too little sound in the utterance to make words of.
    Empty,
    /// What is of no use here.
    Other,
}

impl Dialect {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Vllm => "vllm",
            Dialect::Mistral => "mistral",
            Dialect::OpenAi => "openai",
        }
    }

    /// Of the sound it wants.
    pub(super) fn rate(self) -> SampleRate {
        match self {
            Dialect::Vllm | Dialect::Mistral => SampleRate::HEARING,
            Dialect::OpenAi => SampleRate::SPEECH,
        }
    }

    /// Whether one connection serves one utterance after the other.
    pub(super) fn goes_on(self) -> bool {
        self != Dialect::Mistral
    }

    /// Where it listens, as a WebSocket address.
    pub(super) fn address(self, place: &Place, model: &str) -> String {
        let (path, query): (&[&str], _) = match self {
            Dialect::Vllm => (&["realtime"], None),
            Dialect::Mistral => (
                &["audio", "transcriptions", "realtime"],
                Some(("model", model)),
            ),
            Dialect::OpenAi => (&["realtime"], Some(("intent", "transcription"))),
        };
        let mut url = place.below(path);
        if let Some((name, value)) = query {
            url.query_pairs_mut().append_pair(name, value);
        }
        // The base is http or https, and both have their WebSocket twin.
        let twin = if url.scheme() == "http" { "ws" } else { "wss" };
        let _ = url.set_scheme(twin);
        url.into()
    }

    /// What is said after the greeting.
    pub(super) fn opening(self, settings: &RemoteSettings, options: &HearingOptions) -> Value {
        let language = options.language.as_ref().or(settings.language.as_ref());
        let delay = options.delay.or(settings.delay);
        match self {
            Dialect::Vllm => {
                let mut update = json!({"type": "session.update", "model": settings.model});
                if let Some(language) = language {
                    update["language"] = json!(language);
                }
                update
            }
            Dialect::Mistral => {
                let mut session = json!({
                    "audio_format": {"encoding": "pcm_s16le", "sample_rate": self.rate().hz()},
                });
                if let Some(language) = language {
                    session["language"] = json!(language);
                }
                if let Some(delay) = delay {
                    let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                    session["target_streaming_delay_ms"] = json!(ms);
                }
                json!({"type": "session.update", "session": session})
            }
            Dialect::OpenAi => {
                let mut transcription = json!({"model": settings.model});
                if let Some(language) = language {
                    transcription["language"] = json!(language);
                }
                json!({
                    "type": "session.update",
                    "session": {
                        "type": "transcription",
                        "audio": {"input": {
                            "format": {"type": "audio/pcm", "rate": self.rate().hz()},
                            "transcription": transcription,
                            // Turns are ended here.
                            "turn_detection": null,
                        }},
                    },
                })
            }
        }
    }

    /// What begins an utterance, where something does.
    pub(super) fn begin(self) -> Option<Value> {
        (self == Dialect::Vllm)
            .then(|| json!({"type": "input_audio_buffer.commit", "final": false}))
    }

    /// A stretch of sound at [`Dialect::rate`].
    pub(super) fn audio(self, samples: &[f32]) -> Value {
        let kind = match self {
            Dialect::Vllm | Dialect::OpenAi => "input_audio_buffer.append",
            Dialect::Mistral => "input_audio.append",
        };
        json!({"type": kind, "audio": BASE64.encode(to_pcm16(samples))})
    }

    /// What ends an utterance.
    pub(super) fn commit(self) -> &'static [&'static str] {
        match self {
            Dialect::Vllm => &[r#"{"type":"input_audio_buffer.commit","final":true}"#],
            Dialect::Mistral => &[
                r#"{"type":"input_audio.flush"}"#,
                r#"{"type":"input_audio.end"}"#,
            ],
            Dialect::OpenAi => &[r#"{"type":"input_audio_buffer.commit"}"#],
        }
    }

    /// What a message means.
    pub(super) fn understand(self, message: &str) -> Told {
        let Ok(event) = serde_json::from_str::<Value>(message) else {
            return Told::Failed(Failure::Malformed("no JSON".to_owned()));
        };
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let kind = event["type"].as_str().unwrap_or_default();
        match (self, kind) {
            (_, "session.created") => Told::Created,
            (_, "error") => failure(&event),
            (Dialect::Vllm, "transcription.delta") => Told::Delta(text("delta")),
            (Dialect::Mistral, "transcription.text.delta") => Told::Delta(text("text")),
            (Dialect::Vllm | Dialect::Mistral, "transcription.done") => Told::Done(text("text")),
            (Dialect::OpenAi, kind) => {
                match kind.strip_prefix("conversation.item.input_audio_transcription.") {
                    Some("delta") => Told::Delta(text("delta")),
                    Some("completed") => Told::Done(text("transcript")),
                    Some("failed") => failure(&event),
                    _ => Told::Other,
                }
            }
            _ => Told::Other,
        }
    }
}

/// vLLM tells an error as a string with a code beside it, Mistral as an object with a numeric code,
/// OpenAI as an object with a code in words. What it says of a request may quote the conversation
/// and is not kept.
fn failure(event: &Value) -> Told {
    let inner = &event["error"];
    let code = [&event["code"], &inner["code"], &inner["type"]];
    let words = code.iter().find_map(|code| code.as_str());
    let number = code.iter().find_map(|code| code.as_u64());
    if words == Some("input_audio_buffer_commit_empty") {
        return Told::Empty;
    }
    let status = match words {
        // What no repetition mends.
        Some("model_not_found" | "invalid_api_key" | "invalid_event" | "unknown_parameter") => 400,
        _ => number.and_then(|n| u16::try_from(n).ok()).unwrap_or(503),
    };
    Told::Failed(Failure::Refused {
        status,
        code: words.unwrap_or_default().chars().take(60).collect(),
        detail: String::new(),
        wait: None,
    })
}
