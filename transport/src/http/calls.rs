//! `POST /v1/realtime/calls`: a session over WebRTC, by its offer; and hanging up on one.
use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{
        FromRequest, Multipart, Path, Query as QueryOf, Request, State, rejection::QueryRejection,
    },
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{
    Doors, PeerAddress, Refusal,
    admission::{self, Prepared, Query, enter, prepare},
    realtime::bad_query,
};
use crate::{openai_realtime::Carrier, webrtc::Offer};

/// Begin a call over WebRTC
///
/// Nothing is begun for an offer that could not be answered.
#[utoipa::path(post, path = "/v1/realtime/calls", tag = "realtime",
    request_body(content = String, content_type = "application/sdp",
        description = "The offer; or a form with the parts `sdp` and `session`"),
    responses(
        (status = 201, description = "The answer; `Location` is the call", body = String,
            content_type = "application/sdp"),
        (status = 400, description = "What is wrong with the offer", body = super::ErrorBody),
        (status = 503, description = "No line is free", body = super::ErrorBody),
    ))]
pub(crate) async fn begin(
    State(doors): State<Arc<Doors>>,
    query: Result<QueryOf<Query>, QueryRejection>,
    address: Option<Extension<PeerAddress>>,
    request: Request,
) -> Result<Response, Refusal> {
    let entry = enter(&doors, request.headers())?;
    let QueryOf(query) = query.map_err(bad_query)?;
    let (offer, session) = read(&doors, request).await?;
    let offer = Offer::read(&offer)?;
    let Some(peers) = &doors.peers else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "webrtc_disabled",
            "WebRTC is switched off here; use the WebSocket.",
        ));
    };
    let address = address.map(|Extension(address)| address);
    let Prepared { dialect, request } = prepare(
        &doors,
        Carrier::WebRtc,
        &query,
        &entry,
        session.as_ref(),
        address,
    )?;
    let call = doors
        .calls
        .begin(request)
        .await
        .map_err(|refused| Refusal::of_call(&refused, doors.limits.retry_after))?;
    let answer = peers.answer(offer, call, dialect).await?;
    let location = format!("/v1/realtime/calls/{}", answer.call_id);
    let location = HeaderValue::from_str(&location).expect("call ids are plain ASCII");
    let sdp = HeaderValue::from_static("application/sdp");
    let headers = [(header::CONTENT_TYPE, sdp), (header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, answer.sdp).into_response())
}

/// The offer, and the session object where one came with it.
async fn read(doors: &Doors, request: Request) -> Result<(String, Option<Value>), Refusal> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let multipart = match kind.as_str() {
        "application/sdp" => false,
        "multipart/form-data" => true,
        _ => {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the offer as 'application/sdp', or as 'multipart/form-data' with the parts \
                 'sdp' and 'session'.",
            ));
        }
    };
    let headers = request.headers().clone();
    let body = admission::body(doors, request).await?;
    if !multipart {
        return Ok((text(&body, "sdp")?, None));
    }
    let mut whole = Request::new(Body::from(body));
    *whole.headers_mut() = headers;
    read_parts(whole).await
}

async fn read_parts(request: Request) -> Result<(String, Option<Value>), Refusal> {
    let damaged = |what: String| {
        Refusal::bad_request(
            "invalid_multipart",
            format!("The form cannot be read: {what}."),
        )
    };
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|rejection| damaged(rejection.body_text()))?;
    let mut offer = None;
    let mut session = None;
    while let Some(part) = parts
        .next_field()
        .await
        .map_err(|error| damaged(error.body_text()))?
    {
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part
            .bytes()
            .await
            .map_err(|error| damaged(error.body_text()))?;
        match name.as_str() {
            "sdp" => offer = Some(text(&bytes, "sdp")?),
            "session" => session = Some(admission::json(&bytes)?),
            _ => {}
        }
    }
    let offer = offer.ok_or_else(|| {
        let message = "The form has no part 'sdp'.";
        Refusal::bad_request("missing_required_parameter", message).about("sdp")
    })?;
    Ok((offer, session))
}

fn text(bytes: &[u8], param: &str) -> Result<String, Refusal> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| Refusal::bad_request("invalid_value", "Expected UTF-8 text.").about(param))
}

/// End a call
#[utoipa::path(post, path = "/v1/realtime/calls/{id}/hangup", tag = "realtime",
    params(("id" = String, Path, description = "The call's id")),
    responses(
        (status = 200, description = "It is over"),
        (status = 404, description = "There is no such call", body = super::ErrorBody),
    ))]
pub(crate) async fn hang_up(
    State(doors): State<Arc<Doors>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    enter(&doors, request.headers())?;
    let found = doors.peers.as_ref().is_some_and(|peers| peers.hang_up(&id));
    if found {
        return Ok(StatusCode::OK);
    }
    Err(Refusal::new(
        StatusCode::NOT_FOUND,
        "call_not_found",
        "There is no such call, or it is over.",
    ))
}
