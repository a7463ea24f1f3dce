//! What every engine that lives elsewhere needs: where its server is and who may be told the key
//! ([`Place`]), what it streams ([`Events`]), and how it fails ([`Failure`]).
//!
//! Invariant: a key is never shown, logged, or sent unprotected to another machine unless that was
//! asked for.
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::Duration,
};

use reqwest::{
    Client, Response, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};

mod events;
mod failure;

pub use events::{Events, EventsError, LARGEST_EVENT};
pub use failure::Failure;

/// How much of a refusal is read for its reason.
const REFUSAL: usize = 8 * 1024;

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
    pub fn from_env(variable: &str) -> Result<Self, ServerError> {
        match std::env::var(variable) {
            Ok(secret) if !secret.trim().is_empty() => Ok(Self(secret.trim().to_owned())),
            _ => Err(ServerError::NoKey(variable.to_owned())),
        }
    }

    /// The text, for whoever must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a server cannot be used. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The base URL is none.
    #[error("the base URL '{url}' is unusable: {reason}")]
    Url {
        /// As it was given, without what could be a password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key would travel unprotected.
    #[error("{0} would be sent a key over plain HTTP: use https, or allow it expressly")]
    KeyOverPlainHttp(String),
    /// The variable holds no key.
    #[error("the environment variable {0} holds no key: set it, or name no key")]
    NoKey(String),
    /// A header cannot be sent.
    #[error("the header '{0}' cannot be sent: names are ASCII tokens, values one line of ASCII")]
    Header(String),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

/// Where a server is, and what it is told with every request.
#[derive(Clone, Debug)]
pub struct Place {
    base: Url,
    /// Headers of every request, the key among them; marked as sensitive.
    pub headers: HeaderMap,
    /// Whether the server is on this machine: then no proxy stands between.
    pub loopback: bool,
}

impl Place {
    /// A server at `base_url`, up to and including the version; `key` is sent as bearer token.
    ///
    /// # Errors
    /// When the URL or a header is unusable, or a secret would be sent unprotected.
    pub fn new(
        base_url: &str,
        key: Option<&Secret>,
        headers: &[(String, Secret)],
        key_over_plain_http: bool,
    ) -> Result<Place, ServerError> {
        let base = base(base_url)?;
        let loopback = is_loopback(&base);
        let secret = key.is_some() || !headers.is_empty();
        if base.scheme() == "http" && secret && !loopback && !key_over_plain_http {
            let host = base.host_str().unwrap_or_default().to_owned();
            return Err(ServerError::KeyOverPlainHttp(host));
        }
        Ok(Place {
            base,
            headers: all_headers(key, headers)?,
            loopback,
        })
    }

    /// An address below the base, whose path and query are kept: gateways put versions in both.
    pub fn below(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A client for it. Where the process has not chosen a TLS provider, ring becomes it.
    ///
    /// # Errors
    /// When the system has no usable client.
    pub fn client(&self, connect_within: Duration) -> Result<Client, ServerError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another thread may have been faster, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut builder = Client::builder()
            .user_agent(concat!("voiced/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect_within)
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(30))
            .pool_idle_timeout(Duration::from_secs(300))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_while_idle(true);
        if self.loopback {
            builder = builder.no_proxy();
        }
        builder
            .build()
            .map_err(|error| ServerError::Client(error.to_string()))
    }
}

fn base(text: &str) -> Result<Url, ServerError> {
    let wrong = |reason: &str| ServerError::Url {
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
    for end in [
        "/chat/completions",
        "/audio/speech",
        "/audio/transcriptions",
    ] {
        if url.path().trim_end_matches('/').ends_with(end) {
            return Err(wrong(&format!("leave `{end}` out")));
        }
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

fn all_headers(
    key: Option<&Secret>,
    headers: &[(String, Secret)],
) -> Result<HeaderMap, ServerError> {
    let mut all = HeaderMap::new();
    let bearer = key.map(|key| {
        let value = Secret::new(format!("Bearer {}", key.reveal()));
        ("authorization".to_owned(), value)
    });
    for (name, value) in bearer.iter().chain(headers) {
        let wrong = || ServerError::Header(name.clone());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        all.insert(header, value);
    }
    Ok(all)
}

/// What a request that brought no answer says.
pub fn unreachable(error: reqwest::Error) -> Failure {
    // The innermost cause says what happened; the outer ones only that something did.
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Failure::Unreachable(cause.to_string())
}

/// What an answer that is no success says.
pub async fn refusal(response: Response) -> Failure {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let beginning = read_beginning(response, REFUSAL).await;
    Failure::refused(status, &headers, &beginning)
}

/// Up to `most` bytes of an answer.
pub async fn read_beginning(mut response: Response, most: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        let room = most - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if body.len() == most {
            break;
        }
    }
    body
}

/// Up to a quarter more, so that callers refused together do not come back together.
pub fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 256;
    wait + wait / 1024 * u32::try_from(random).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn place(url: &str, key: Option<&str>, plain: bool) -> Result<Place, ServerError> {
        Place::new(url, key.map(Secret::new).as_ref(), &[], plain)
    }

    #[test]
    fn paths_hang_below_the_base() {
        let table = [
            ("https://a.example/v1", "https://a.example/v1/x/y"),
            ("https://a.example/v1/", "https://a.example/v1/x/y"),
            ("https://a.example", "https://a.example/x/y"),
            ("https://a.example/d?v=1", "https://a.example/d/x/y?v=1"),
        ];
        for (base, expected) in table {
            let place = place(base, None, false).unwrap();
            assert_eq!(place.below(&["x", "y"]).as_str(), expected);
        }
    }

    #[test]
    fn a_key_is_not_sent_in_the_open() {
        for open in ["http://192.168.1.4:8000/v1", "http://models.example/v1"] {
            let refused = place(open, Some("hush"), false).unwrap_err();
            assert!(
                matches!(refused, ServerError::KeyOverPlainHttp(_)),
                "{open}"
            );
            assert!(place(open, Some("hush"), true).is_ok());
            assert!(place(open, None, false).is_ok());
            let header = [("api-key".to_owned(), Secret::new("hush"))];
            assert!(
                Place::new(open, None, &header, false).is_err(),
                "a header may be a key"
            );
        }
        for safe in [
            "http://127.0.0.1:1/v1",
            "http://localhost/v1",
            "http://[::1]:1/",
            "https://a.example",
        ] {
            assert!(place(safe, Some("hush"), false).is_ok(), "{safe}");
        }
    }

    #[test]
    fn what_is_unusable_is_refused_without_telling_secrets() {
        let urls = [
            "",
            "ftp://a",
            "a.example/v1",
            "https://me:pass@a.example",
            "https://a/v1/chat/completions",
            "https://a/v1/audio/speech/",
        ];
        for url in urls {
            let refused = place(url, Some("hush"), false).unwrap_err().to_string();
            assert!(refused.contains("base URL"), "{url}: {refused}");
            assert!(!refused.contains("pass"), "{refused}");
        }
        let refused = place("https://a.example", Some("two\nlines"), false).unwrap_err();
        let text = refused.to_string();
        assert!(
            text.contains("'authorization'") && !text.contains("lines"),
            "{text}"
        );
        let shown = format!("{:?}", place("https://a.example", Some("hush"), false));
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_key_comes_from_its_variable() {
        assert!(matches!(
            Secret::from_env("VOICED_TEST_NO_SUCH_KEY"),
            Err(ServerError::NoKey(name)) if name == "VOICED_TEST_NO_SUCH_KEY"
        ));
    }
}
