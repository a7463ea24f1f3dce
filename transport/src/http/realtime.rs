//! `GET /v1/realtime`: a session over a WebSocket.
use std::sync::Arc;

use axum::{
    Extension,
    extract::{
        Query as QueryOf, State,
        rejection::QueryRejection,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    response::Response,
};
use tracing::Instrument;

use super::{
    Doors, PeerAddress, Refusal,
    admission::{Prepared, Query, enter, prepare},
};
use crate::{
    openai_realtime::Carrier,
    websocket::{self, LONGEST_READ},
};

/// Begin a conversation over a WebSocket
///
/// The call is taken before the answer, so that a refusal is an HTTP status.
#[utoipa::path(get, path = "/v1/realtime", tag = "realtime",
    params(
        ("model" = Option<String>, Query, description = "Any name"),
        ("persona" = Option<String>, Query, description = "Who answers"),
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
    let upgrade = upgrade.map_err(|rejection| {
        Refusal::new(
            rejection.status(),
            "upgrade_required",
            format!("This is a WebSocket: {}.", rejection.body_text()),
        )
    })?;
    let address = address.map(|Extension(address)| address);
    let Prepared { dialect, request } =
        prepare(&doors, Carrier::WebSocket, &query, &entry, None, address)?;
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

pub(super) fn bad_query(rejection: QueryRejection) -> Refusal {
    Refusal::bad_request("invalid_value", rejection.body_text())
}
