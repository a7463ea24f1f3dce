//! How a chat server is reached, checked whole before the first call.
use std::{fmt, net::IpAddr, time::Duration};

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Map, Value};

/// A text that never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret held by an environment variable.
    ///
    /// # Errors
    /// When the variable is not set, empty or no text.
    pub fn from_env(variable: &str) -> Result<Self, OpenAiError> {
        match std::env::var(variable) {
            Ok(secret) if !secret.trim().is_empty() => Ok(Self(secret.trim().to_owned())),
            _ => Err(OpenAiError::NoKey(variable.to_owned())),
        }
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

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
    /// The base URL is none.
    #[error("the chat server's base URL '{url}' is unusable: {reason}")]
    Url {
        /// As it was given, without what could be a password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key would travel unprotected.
    #[error(
        "the chat server {0} would be sent a key over plain HTTP: use https, or allow it expressly"
    )]
    KeyOverPlainHttp(String),
    /// The variable holds no key.
    #[error("the environment variable {0} holds no key: set it, or name no key")]
    NoKey(String),
    /// A header cannot be sent.
    #[error("the header '{0}' cannot be sent: names are ASCII tokens, values one line of ASCII")]
    Header(String),
    /// A number is out of range.
    #[error("{0}")]
    OutOfRange(&'static str),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

/// The settings as they are used.
#[derive(Debug)]
pub(super) struct Checked {
    pub completions: Url,
    pub models: Url,
    pub headers: HeaderMap,
    /// Whether the server is on this machine: then no proxy stands between.
    pub loopback: bool,
}

pub(super) fn check(settings: &OpenAiSettings) -> Result<Checked, OpenAiError> {
    let base = base_url(&settings.base_url)?;
    let loopback = is_loopback(&base);
    let secret = settings.key.is_some() || !settings.headers.is_empty();
    if base.scheme() == "http" && secret && !loopback && !settings.key_over_plain_http {
        let host = base.host_str().unwrap_or_default().to_owned();
        return Err(OpenAiError::KeyOverPlainHttp(host));
    }
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
        completions: below(&base, &["chat", "completions"]),
        models: below(&base, &["models"]),
        headers: headers(settings)?,
        loopback,
    })
}

fn base_url(text: &str) -> Result<Url, OpenAiError> {
    let wrong = |reason: &str| OpenAiError::Url {
        // What stands before an @ may be a password.
        url: text.rsplit('@').next().unwrap_or_default().to_owned(),
        reason: reason.to_owned(),
    };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong(
            "it must begin with https:// or http:// and name a host",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "keys do not belong in it, name an environment variable",
        ));
    }
    if url
        .path()
        .trim_end_matches('/')
        .ends_with("/chat/completions")
    {
        return Err(wrong("leave `/chat/completions` out"));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The base's path and query kept: gateways put versions in both.
fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

fn headers(settings: &OpenAiSettings) -> Result<HeaderMap, OpenAiError> {
    let mut headers = HeaderMap::new();
    let bearer = settings.key.as_ref().map(|key| {
        let value = Secret::new(format!("Bearer {}", key.reveal()));
        ("authorization".to_owned(), value)
    });
    for (name, value) in bearer.iter().chain(&settings.headers) {
        let wrong = || OpenAiError::Header(name.clone());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
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
    fn paths_hang_below_the_base() {
        let table = [
            (
                "https://a.example/v1",
                "https://a.example/v1/chat/completions",
            ),
            (
                "https://a.example/v1/",
                "https://a.example/v1/chat/completions",
            ),
            ("https://a.example", "https://a.example/chat/completions"),
            (
                "https://a.example/d?api-version=1",
                "https://a.example/d/chat/completions?api-version=1",
            ),
        ];
        for (base, expected) in table {
            assert_eq!(check(&with(base)).unwrap().completions.as_str(), expected);
        }
    }

    #[test]
    fn a_key_is_not_sent_in_the_open() {
        for open in ["http://192.168.1.4:8000/v1", "http://models.example/v1"] {
            let refused = check(&with(open)).unwrap_err();
            assert!(
                matches!(refused, OpenAiError::KeyOverPlainHttp(_)),
                "{open}"
            );
            let allowed = OpenAiSettings {
                key_over_plain_http: true,
                ..with(open)
            };
            assert!(check(&allowed).is_ok());
            let keyless = OpenAiSettings {
                key: None,
                ..with(open)
            };
            assert!(check(&keyless).is_ok());
            let header = OpenAiSettings {
                headers: vec![("api-key".into(), Secret::new("hush"))],
                ..keyless
            };
            assert!(check(&header).is_err(), "a header may be a key");
        }
        for safe in [
            "http://127.0.0.1:1/v1",
            "http://localhost/v1",
            "http://[::1]:1/",
            "https://a.example",
        ] {
            assert!(check(&with(safe)).is_ok(), "{safe}");
        }
    }

    #[test]
    fn unusable_settings_are_refused_without_telling_secrets() {
        let urls = [
            "",
            "ftp://a",
            "a.example/v1",
            "https://me:pass@a.example",
            "https://a/v1/chat/completions",
        ];
        for url in urls {
            let refused = check(&with(url)).unwrap_err().to_string();
            assert!(refused.contains("base URL"), "{url}: {refused}");
            assert!(!refused.contains("pass"), "{refused}");
        }
        let broken = OpenAiSettings {
            key: Some(Secret::new("two\nlines")),
            ..with("https://a.example")
        };
        let refused = check(&broken).unwrap_err().to_string();
        assert!(
            refused.contains("'authorization'") && !refused.contains("lines"),
            "{refused}"
        );
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

    #[test]
    fn a_key_comes_from_its_variable() {
        assert!(matches!(
            Secret::from_env("VOICED_TEST_NO_SUCH_KEY"),
            Err(OpenAiError::NoKey(name)) if name == "VOICED_TEST_NO_SUCH_KEY"
        ));
    }
}
