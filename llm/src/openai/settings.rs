//! How a chat server is reached, checked whole before the first call.
use std::time::Duration;

use reqwest::Url;
use serde_json::{Map, Value};
use voiced_pipeline::server::{Place, Secret, ServerError};

/// How a chat server is reached and asked.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenAiSettings {
    /// Up to and without `/chat/completions`: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model's name there.
    pub model: String,
    /// Sent as bearer token.
    pub key: Option<Secret>,
    /// More headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// More fields of every request, over those made here: `{"reasoning_effort": "low"}`.
    pub extra: Map<String, Value>,
    /// 0 to 2; the server's own when absent.
    pub temperature: Option<f32>,
    /// Most tokens of a reply whose prompt does not say.
    pub max_tokens: Option<u32>,
    /// How the server calls that limit.
    pub limit_name: LimitName,
    /// Whether token counts are asked for. Off for servers that refuse `stream_options`.
    pub usage: bool,
    /// How long a connection may take, TLS included.
    pub connect_within: Duration,
    /// How long the first token may take, from asking, connection included.
    pub first_token_within: Duration,
    /// How long the next may take after that.
    pub next_token_within: Duration,
    /// How often a reply is asked for in all when it fails before its first token.
    pub attempts: u32,
    /// A server that wants a longer wait than this is given up at once: somebody is listening.
    pub retry_wait_at_most: Duration,
    /// Sends keys over plain HTTP to other machines too.
    pub key_over_plain_http: bool,
}

/// How a server calls the limit of a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitName {
    /// `max_tokens`: nearly all servers.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`: OpenAI's reasoning models.
    MaxCompletionTokens,
}

impl OpenAiSettings {
    /// A server and a model; all else as is usual for speech.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            key: None,
            headers: Vec::new(),
            extra: Map::new(),
            temperature: None,
            max_tokens: None,
            limit_name: LimitName::default(),
            usage: true,
            connect_within: Duration::from_secs(3),
            first_token_within: Duration::from_secs(10),
            next_token_within: Duration::from_secs(10),
            attempts: 3,
            retry_wait_at_most: Duration::from_secs(3),
            key_over_plain_http: false,
        }
    }
}

/// Why a chat server cannot be set up. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum OpenAiError {
    /// The server cannot be used.
    #[error("the chat server: {0}")]
    Server(#[from] ServerError),
    /// A number is out of range.
    #[error("{0}")]
    OutOfRange(&'static str),
}

/// The settings as they are used.
#[derive(Debug)]
pub(super) struct Checked {
    pub completions: Url,
    pub models: Url,
    pub place: Place,
}

pub(super) fn check(settings: &OpenAiSettings) -> Result<Checked, OpenAiError> {
    let place = Place::new(
        &settings.base_url,
        settings.key.as_ref(),
        &settings.headers,
        settings.key_over_plain_http,
    )?;
    let too_hot = |t: f32| !(0.0..=2.0).contains(&t);
    if settings.temperature.is_some_and(too_hot) {
        return Err(OpenAiError::OutOfRange(
            "the temperature must be between 0 and 2",
        ));
    }
    if settings.attempts == 0 {
        return Err(OpenAiError::OutOfRange(
            "a reply must be asked for at least once",
        ));
    }
    let waits = [
        settings.connect_within,
        settings.first_token_within,
        settings.next_token_within,
    ];
    if waits.iter().any(Duration::is_zero) {
        return Err(OpenAiError::OutOfRange(
            "the chat server's time limits must not be zero",
        ));
    }
    Ok(Checked {
        completions: place.below(&["chat", "completions"]),
        models: place.below(&["models"]),
        place,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(url: &str) -> OpenAiSettings {
        OpenAiSettings {
            key: Some(Secret::new("hush")),
            ..OpenAiSettings::new(url, "m")
        }
    }

    #[test]
    fn requests_go_below_the_base() {
        let checked = check(&with("https://a.example/v1")).unwrap();
        let paths = [checked.completions.path(), checked.models.path()];
        assert_eq!(paths, ["/v1/chat/completions", "/v1/models"]);
    }

    #[test]
    fn unusable_settings_are_refused_without_telling_secrets() {
        let open = check(&with("http://models.example/v1")).unwrap_err();
        assert!(open.to_string().contains("plain HTTP"), "{open}");
        let broken = OpenAiSettings {
            key: Some(Secret::new("two\nlines")),
            ..with("https://a.example")
        };
        let refused = check(&broken).unwrap_err().to_string();
        assert!(!refused.contains("lines"), "{refused}");
        assert!(!format!("{broken:?}").contains("lines"));
        let hot = OpenAiSettings {
            temperature: Some(3.0),
            ..with("https://a.example")
        };
        assert!(check(&hot).is_err());
        let never = OpenAiSettings {
            attempts: 0,
            ..with("https://a.example")
        };
        assert!(check(&never).is_err());
    }
}
