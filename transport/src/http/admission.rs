//! What every way of beginning a session has in common: who comes in, what they ask for, and the
//! dialect they will be spoken to in.
use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::LengthLimitError;
use serde::Deserialize;
use serde_json::Value;
use voiced_pipeline::call::CallRequest;

use super::{Doors, PeerAddress, Refusal};
use crate::{
    keys::{Entry, unix_now},
    openai_realtime::{Carrier, Dialect, DialectOptions, SessionKind, session::SessionDefaults},
};

/// How browsers, which cannot set headers on a WebSocket, give their token.
const TOKEN_PROTOCOL: &str = "openai-insecure-api-key.";

/// How the secrets of Mistral's clients begin.
pub(super) const MISTRAL_SECRET: &str = "rt_";

/// What may be asked for in the query of a session.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Query {
    /// The model; any name is good, and shown as the session's.
    pub model: Option<String>,
    /// The persona that answers.
    pub persona: Option<String>,
    /// `1`: the daemon's own events too.
    pub voiced: Option<String>,
    /// `1`: the agent speaks first, `0`: it waits. The console's default is the former.
    pub greet: Option<String>,
    /// Kinds of session.
    pub intent: Option<String>,
    /// Joining a session from outside.
    pub call_id: Option<String>,
}

impl Query {
    /// Whether nothing was asked for.
    pub fn is_bare(&self) -> bool {
        let asked = [
            &self.model,
            &self.persona,
            &self.voiced,
            &self.greet,
            &self.intent,
            &self.call_id,
        ];
        asked.iter().all(|asked| asked.is_none())
    }
}

/// Lets a request in by its token, or not.
pub(crate) fn enter(doors: &Doors, headers: &HeaderMap) -> Result<Entry, Refusal> {
    Ok(doors.keys.check(token(headers), unix_now())?)
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    bearer.or_else(|| {
        headers
            .get_all(header::SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .find_map(|protocol| {
                let protocol = protocol.trim();
                let token = protocol.strip_prefix(TOKEN_PROTOCOL);
                // Mistral's clients offer the secret as it is.
                token.or_else(|| protocol.starts_with(MISTRAL_SECRET).then_some(protocol))
            })
    })
}

/// A session that can begin: how it will be spoken to, and what is asked of the front desk.
pub(super) struct Prepared {
    pub dialect: Dialect,
    pub request: CallRequest,
}

/// Prepares a session as the query, the secret and the request's own session object ask, the later
/// over the earlier.
pub(super) fn prepare(
    doors: &Doors,
    carrier: Carrier,
    query: &Query,
    entry: &Entry,
    session: Option<&Value>,
    address: Option<PeerAddress>,
) -> Result<Prepared, Refusal> {
    let bound = match entry {
        Entry::Secret(session) => session.as_ref(),
        Entry::Key => None,
    };
    let kind = kind_of(query, [session, bound])?;
    let extensions = is_on(query.voiced.as_deref()).unwrap_or(false);
    let name = name();
    let mut dialect = Dialect::new(
        DialectOptions {
            carrier,
            kind,
            name: name.clone(),
            strict: doors.strict,
            extensions,
            expires_at: Some(unix_now() + doors.limits.max_call.as_secs()),
        },
        defaults(doors, query, [session, bound]),
    );
    let mut settings = dialect.settings();
    for object in [bound, session].into_iter().flatten() {
        settings = dialect.configured(object)?.over(settings);
    }
    let request = CallRequest {
        carrier: match carrier {
            Carrier::WebSocket => crate::websocket::CARRIER,
            Carrier::WebRtc => "webrtc",
        },
        address: address.map(|PeerAddress(address)| address.ip()),
        persona: query.persona.clone(),
        settings,
        greet: kind == SessionKind::Conversation
            && is_on(query.greet.as_deref()).unwrap_or(extensions),
        name,
    };
    Ok(Prepared { dialect, request })
}

/// What a session is for: as its objects say, as the query says, a conversation otherwise.
fn kind_of<'v>(
    query: &Query,
    sessions: impl IntoIterator<Item = Option<&'v Value>>,
) -> Result<SessionKind, Refusal> {
    let asked = match query.intent.as_deref() {
        None => None,
        Some("conversation" | "realtime") => Some(SessionKind::Conversation),
        Some("transcription") => Some(SessionKind::Transcription),
        Some(intent) => {
            let intent: String = intent.chars().take(64).collect();
            let message = format!(
                "Invalid value: '{intent}'. Supported values are: 'conversation' and \
                 'transcription'."
            );
            return Err(Refusal::bad_request("invalid_value", message).about("intent"));
        }
    };
    let mut sessions = sessions.into_iter().flatten();
    let given = sessions.find_map(|session| match session["type"].as_str() {
        Some("transcription") => Some(SessionKind::Transcription),
        Some("realtime") => Some(SessionKind::Conversation),
        _ => None,
    });
    match (asked, given) {
        (Some(asked), Some(given)) if asked != given => {
            let message = "The session that was given is of another kind than the intent.";
            Err(Refusal::bad_request("invalid_value", message).about("intent"))
        }
        (asked, given) => Ok(given.or(asked).unwrap_or_default()),
    }
}

fn is_on(value: Option<&str>) -> Option<bool> {
    value.map(|value| matches!(value, "1" | "true" | "yes" | ""))
}

/// Random part of a call's names.
pub(super) fn name() -> String {
    let mut name = uuid::Uuid::new_v4().simple().to_string();
    name.truncate(12);
    name
}

/// The persona's session, named as the client names its model.
pub(super) fn defaults<'v>(
    doors: &Doors,
    query: &Query,
    sessions: impl IntoIterator<Item = Option<&'v Value>>,
) -> SessionDefaults {
    let mut defaults = doors.session.clone();
    let asked = query.persona.as_deref();
    let personas = &doors.catalogue.personas;
    if let Some(persona) = personas.iter().find(|p| Some(p.name.as_str()) == asked) {
        if let Some(voice) = &persona.voice {
            defaults.voice.clone_from(voice);
        }
        defaults.instructions.clone_from(&persona.instructions);
    }
    let named = sessions
        .into_iter()
        .flatten()
        .find_map(|session| session["model"].as_str());
    if let Some(model) = query.model.as_deref().or(named) {
        defaults.model = model.chars().take(128).collect();
    }
    defaults
}

/// The whole body, if it is short enough and comes in time.
pub(crate) async fn body(doors: &Doors, request: Request) -> Result<Bytes, Refusal> {
    let limit = doors.limits.body;
    let too_long = || {
        let message = format!("The body is longer than {limit} bytes.");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    };
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_long());
    }
    let reading = axum::body::to_bytes(Body::new(request.into_body()), limit);
    match within(doors.limits.body_within, reading).await {
        None => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            "The body did not come in time.",
        )),
        Some(Ok(body)) => Ok(body),
        Some(Err(error)) if is_length_limit(&error) => Err(too_long()),
        Some(Err(_)) => Err(Refusal::bad_request(
            "body_incomplete",
            "The body did not come to its end.",
        )),
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A body that is to be a JSON object.
pub(crate) fn json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::bad_request(
            "invalid_json",
            format!("The body is not valid JSON: {error}."),
        )
    })
}
