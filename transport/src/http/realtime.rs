//! `GET /v1/realtime`: a session over a WebSocket.
use std::sync::Arc;

use axum::{
    Extension,
    extract::{
        Query as QueryOf, State,
        rejection::QueryRejection,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode},
    response::Response,
};
use tracing::Instrument;
use voiced_pipeline::call::CallRequest;

use super::{
    Doors, PeerAddress, Refusal,
    admission::{Prepared, Query, enter, name, prepare},
};
use crate::{
    keys::{Entry, unix_now},
    mistral_realtime::{Mistral, MistralOptions},
    openai_realtime::Carrier,
    vllm_realtime::{Bare, VllmOptions},
    websocket::{self, LONGEST_READ, Wire, beside::LONGEST_EVENT},
};

/// Begin a conversation over a WebSocket
///
/// The call is taken before the answer, so that a refusal is an HTTP status.
#[utoipa::path(get, path = "/v1/realtime", tag = "realtime",
    params(
        ("model" = Option<String>, Query, description = "Any name"),
        ("persona" = Option<String>, Query, description = "Who answers"),
        ("intent" = Option<String>, Query, description = "`transcription` only writes down"),
        ("call_id" = Option<String>, Query, description = "Joins this WebRTC call instead"),
    ),
    responses(
        (status = 101, description = "The conversation begins"),
        (status = 503, description = "No line is free", body = super::ErrorBody),
    ))]
pub(crate) async fn open(
    State(doors): State<Arc<Doors>>,
    query: Result<QueryOf<Query>, QueryRejection>,
    address: Option<Extension<PeerAddress>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let entry = enter(&doors, &headers)?;
    let QueryOf(query) = query.map_err(bad_query)?;
    let upgrade = upgrade.map_err(no_upgrade)?;
    if let Some(call_id) = &query.call_id {
        return follow(&doors, &query, call_id, &entry, upgrade).await;
    }
    let address = address.map(|Extension(address)| address);
    let Prepared { dialect, request } =
        prepare(&doors, Carrier::WebSocket, &query, &entry, None, address)?;
    // A client that names nothing may be one of vLLM's; its first event will tell.
    let dialect: Box<dyn Wire> = if query.is_bare() && entry == Entry::Key {
        let options = VllmOptions {
            name: request.name.clone(),
            created: unix_now(),
            policy: doors.session.policy.clone(),
        };
        Box::new(Bare::new(dialect, options))
    } else {
        Box::new(dialect)
    };
    take(&doors, request, dialect, upgrade).await
}

/// Have speech written down as it is said, in Mistral's words
#[utoipa::path(get, path = "/v1/audio/transcriptions/realtime", tag = "audio",
    params(("model" = Option<String>, Query, description = "Any name")),
    responses(
        (status = 101, description = "The session begins"),
        (status = 503, description = "No line is free", body = super::ErrorBody),
    ))]
pub(crate) async fn transcribe_live(
    State(doors): State<Arc<Doors>>,
    query: Result<QueryOf<Query>, QueryRejection>,
    address: Option<Extension<PeerAddress>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    enter(&doors, &headers)?;
    let QueryOf(query) = query.map_err(bad_query)?;
    let upgrade = upgrade.map_err(no_upgrade)?;
    let name = name();
    let dialect = Mistral::new(MistralOptions {
        name: name.clone(),
        model: query.model.unwrap_or_else(|| doors.session.model.clone()),
        policy: doors.session.policy.clone(),
        strict: doors.strict,
        languages: doors.session.languages.clone(),
    });
    let request = CallRequest {
        carrier: websocket::CARRIER,
        address: address.map(|Extension(PeerAddress(address))| address.ip()),
        settings: dialect.settings(),
        name,
        ..CallRequest::default()
    };
    take(&doors, request, Box::new(dialect), upgrade).await
}

/// Takes the call and hands it to the socket.
async fn take(
    doors: &Arc<Doors>,
    request: CallRequest,
    dialect: Box<dyn Wire>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    let span = tracing::info_span!("websocket", call = request.name);
    let call = doors
        .calls
        .begin(request)
        .await
        .map_err(|refused| Refusal::of_call(&refused, doors.limits.retry_after))?;
    let settings = doors.websocket;
    let sockets = doors.sockets.clone();
    Ok(upgrade
        // Browsers fail a connection whose protocol is not one they offered; this they all offer.
        .protocols(["realtime"])
        .max_message_size(LONGEST_READ)
        .max_frame_size(LONGEST_READ)
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .on_upgrade(move |socket| {
            sockets.track_future(websocket::serve(socket, call, dialect, settings).instrument(span))
        }))
}

/// Joins a WebRTC call from beside. Only who has an API key may: a browser's secret opens its own
/// calls and nobody else's.
async fn follow(
    doors: &Arc<Doors>,
    query: &Query,
    call_id: &str,
    entry: &Entry,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    if let Entry::Secret(_) = entry {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "insufficient_permissions",
            "A client secret cannot join a call; use an API key.",
        ));
    }
    if query.model.is_some() || query.intent.is_some() {
        let message = "Give one of 'model', 'intent' and 'call_id'.";
        return Err(Refusal::bad_request("invalid_value", message).about("call_id"));
    }
    let beside = match &doors.peers {
        Some(peers) => peers.follow(call_id).await,
        None => None,
    };
    let Some(beside) = beside else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "call_not_found",
            "There is no such call, or it is over.",
        ));
    };
    let settings = doors.websocket;
    let sockets = doors.sockets.clone();
    Ok(upgrade
        .protocols(["realtime"])
        .max_message_size(LONGEST_EVENT)
        .max_frame_size(LONGEST_EVENT)
        .on_upgrade(move |socket| {
            sockets.track_future(websocket::beside::follow(socket, beside, settings))
        }))
}

fn no_upgrade(rejection: WebSocketUpgradeRejection) -> Refusal {
    Refusal::new(
        rejection.status(),
        "upgrade_required",
        format!("This is a WebSocket: {}.", rejection.body_text()),
    )
}

pub(super) fn bad_query(rejection: QueryRejection) -> Refusal {
    Refusal::bad_request("invalid_value", rejection.body_text())
}
