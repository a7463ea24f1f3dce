//! `POST /v1/realtime/client_secrets`: a short-lived key for a browser, with the session it opens.
use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::{
    Doors, Refusal,
    admission::{self, Query, defaults, enter, name},
};
use crate::{
    keys::{DEFAULT_SECRET_SECONDS, Entry, SECRET_SECONDS, unix_now},
    openai_realtime::{Carrier, Dialect, DialectOptions, fields::Fields},
};

/// Make a short-lived secret
///
/// Only an API key may: a secret cannot prolong itself.
#[utoipa::path(post, path = "/v1/realtime/client_secrets", tag = "realtime",
    request_body(content = Object, description = "`expires_after` and `session`, both optional"),
    responses(
        (status = 200, description = "The secret, when it expires, and its session", body = Object),
        (status = 403, description = "Asked with a secret", body = super::ErrorBody),
    ))]
pub(crate) async fn mint(
    State(doors): State<Arc<Doors>>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    if let Entry::Secret(_) = enter(&doors, request.headers())? {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "insufficient_permissions",
            "A client secret cannot make another; use an API key.",
        ));
    }
    let body = admission::body(&doors, request).await?;
    let body = if body.is_empty() {
        json!({})
    } else {
        admission::json(&body)?
    };
    let asked = Fields::new("", &body, doors.strict)?;
    asked.only(&["expires_after", "session"])?;
    let mut seconds = DEFAULT_SECRET_SECONDS;
    if let Some(expiry) = asked.object("expires_after")? {
        expiry.only(&["anchor", "seconds"])?;
        expiry.word("anchor", &["created_at"])?;
        if let Some(asked) = expiry.integer("seconds", SECRET_SECONDS)? {
            seconds = asked;
        }
    }
    let session = asked.value("session").cloned();
    // What a session would be refused for, its secret is refused for already.
    let options = DialectOptions {
        carrier: Carrier::WebRtc,
        name: name(),
        strict: doors.strict,
        extensions: false,
        expires_at: None,
    };
    let own = defaults(&doors, &Query::default(), [session.as_ref()]);
    let mut dialect = Dialect::new(options, own);
    if let Some(session) = &session {
        dialect.configured(session)?;
    }
    let mut shown = dialect.session();
    let (value, expires_at) = doors
        .keys
        .mint(session, Duration::from_secs(seconds), unix_now())
        .map_err(|error| Refusal {
            retry_after: Some(doors.limits.retry_after),
            ..Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_exceeded",
                error.to_string(),
            )
        })?;
    shown["expires_at"] = json!(expires_at);
    Ok(Json(json!({
        "value": value, "expires_at": expires_at, "session": shown,
    })))
}
