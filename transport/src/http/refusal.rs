//! How a request is turned away: a status, and why, in the form every client of the protocol reads.
use std::time::Duration;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use utoipa::ToSchema;
use voiced_pipeline::call::CallRefused;

use super::retry_after;
use crate::{keys::NoEntry, openai_realtime::events::WireError, webrtc::OfferError};

/// How a refusal looks.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written as JSON by hand; this describes it")]
pub struct ErrorBody {
    /// What was wrong.
    error: ErrorDetail,
}

/// What was wrong.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the same")]
pub struct ErrorDetail {
    /// For people.
    message: String,
    /// Such as `invalid_request_error`.
    #[schema(rename = "type")]
    kind: String,
    /// Dotted path of the offending key.
    param: Option<String>,
    /// What clients branch on.
    code: String,
}

/// A request that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// What clients branch on.
    pub code: &'static str,
    /// For people: what was wrong and what would be right.
    pub message: String,
    /// Dotted path of the offending key.
    pub param: Option<String>,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that names no key and no time.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            param: None,
            retry_after: None,
        }
    }

    /// What is wrong with the request itself.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// The same, about one key.
    pub fn about(self, param: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..self
        }
    }

    /// Why a call was not taken.
    pub fn of_call(refused: &CallRefused, wait: Duration) -> Self {
        let (status, code, wait) = match refused {
            CallRefused::Full => (StatusCode::SERVICE_UNAVAILABLE, "server_full", Some(wait)),
            CallRefused::TooManyFromAddress => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_exceeded",
                Some(wait),
            ),
            CallRefused::Draining => (
                StatusCode::SERVICE_UNAVAILABLE,
                "server_shutting_down",
                Some(wait),
            ),
            CallRefused::NoSuchPersona(_) => (StatusCode::NOT_FOUND, "persona_not_found", None),
            CallRefused::EngineUnavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "engine_unavailable",
                Some(wait),
            ),
        };
        Self {
            retry_after: wait,
            ..Self::new(status, code, refused.to_string())
        }
    }

    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        Self {
            param: error.param,
            ..Self::bad_request(error.code, error.message)
        }
    }
}

impl From<NoEntry> for Refusal {
    fn from(refused: NoEntry) -> Self {
        let message = match refused {
            NoEntry::Missing => "Give an API key: 'Authorization: Bearer KEY'.",
            NoEntry::Wrong => "The key is not one of ours, or its time is over.",
        };
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
    }
}

impl From<OfferError> for Refusal {
    fn from(error: OfferError) -> Self {
        let status = StatusCode::from_u16(error.status());
        Self::new(
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            "invalid_offer",
            error.to_string(),
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": {
            "message": self.message, "type": self.kind(), "param": self.param, "code": self.code,
        }});
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            let (name, value) = retry_after(wait);
            headers.insert(name, value);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = axum::http::HeaderValue::from_static("Bearer");
            headers.insert(axum::http::header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}
