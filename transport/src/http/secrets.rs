//! `POST /v1/realtime/client_secrets`: a short-lived key for a browser, with the session it opens.
use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};

use super::{
    Doors, Refusal,
    admission::{self, MISTRAL_SECRET, Query, defaults, enter, name},
};
use crate::{
    keys::{DEFAULT_SECRET_SECONDS, Entry, SECRET_SECONDS, TooManySecrets, unix_now},
    openai_realtime::{Carrier, Dialect, DialectOptions, SessionKind, fields::Fields},
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
    with_key(&doors, request.headers())?;
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
        kind: match session.as_ref().map(|session| session["type"].as_str()) {
            Some(Some("transcription")) => SessionKind::Transcription,
            _ => SessionKind::Conversation,
        },
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
        .mint("ek_", session, Duration::from_secs(seconds), unix_now())
        .map_err(|error| too_many(&doors, &error))?;
    shown["expires_at"] = json!(expires_at);
    Ok(Json(json!({
        "value": value, "expires_at": expires_at, "session": shown,
    })))
}

/// Lets in who has an API key. A secret cannot prolong itself.
fn with_key(doors: &Doors, headers: &HeaderMap) -> Result<(), Refusal> {
    match enter(doors, headers)? {
        Entry::Key => Ok(()),
        Entry::Secret(_) => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "insufficient_permissions",
            "A client secret cannot make another; use an API key.",
        )),
    }
}

fn too_many(doors: &Doors, error: &TooManySecrets) -> Refusal {
    Refusal {
        retry_after: Some(doors.limits.retry_after),
        ..Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_exceeded",
            error.to_string(),
        )
    }
}

/// Make a short-lived secret for Mistral's realtime transcription
#[utoipa::path(post, path = "/v1/client/sessions", tag = "realtime",
    request_body(content = Object, description = "`purpose`: `realtime`; `model`; `ttl_seconds`"),
    responses(
        (status = 201, description = "The secret and when it expires", body = Object),
        (status = 403, description = "Asked with a secret", body = super::ErrorBody),
    ))]
pub(crate) async fn mint_for_mistral(
    State(doors): State<Arc<Doors>>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    with_key(&doors, request.headers())?;
    let body = admission::json(&admission::body(&doors, request).await?)?;
    let asked = Fields::new("", &body, doors.strict)?;
    asked.only(&["purpose", "model", "ttl_seconds"])?;
    asked.required_string("purpose")?;
    asked.word("purpose", &["realtime"])?;
    asked.string("model")?;
    let seconds = asked.integer("ttl_seconds", SECRET_SECONDS)?;
    let lifetime = Duration::from_secs(seconds.unwrap_or(DEFAULT_SECRET_SECONDS));
    // Whoever comes with it may only have speech written down.
    let session = json!({"type": "transcription"});
    let (value, expires_at) = doors
        .keys
        .mint(MISTRAL_SECRET, Some(session), lifetime, unix_now())
        .map_err(|error| too_many(&doors, &error))?;
    let expires_at = iso_8601(expires_at);
    let answer = json!({
        "object": "client.session", "purpose": "realtime", "expires_at": expires_at,
        "client_secret": {"value": value, "expires_at": expires_at},
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

/// A Unix second as `2026-11-20T19:30:00Z`. The calendar is Howard Hinnant's `civil_from_days`.
fn iso_8601(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::iso_8601;

    #[test]
    fn a_second_is_written_as_a_date() {
        for (unix, wanted) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_203_296, "2026-11-20T19:34:56Z"),
        ] {
            assert_eq!(iso_8601(unix), wanted);
        }
    }
}
