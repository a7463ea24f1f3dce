//! Server-sent events: one JSON object each, in the form the OpenAI clients read.
use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::Stream;
use serde_json::Value;

/// One event as bytes.
pub fn event(event: &Value) -> Bytes {
    Bytes::from(format!("data: {event}\n\n"))
}

/// What a client is told when the stream cannot go on. The status has been sent long ago.
pub fn error(message: &str, code: &str) -> Bytes {
    let error = serde_json::json!({
        "message": message, "type": "server_error", "param": null, "code": code,
    });
    event(&serde_json::json!({"type": "error", "error": error}))
}

/// A body of events, sent as they come. It ends in its own way: an error is an event.
pub fn response(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let events = futures::StreamExt::map(events, Ok::<_, std::convert::Infallible>);
    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
    // Proxies that gather whole answers are asked not to.
    let at_once = (
        header::HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    (
        [(header::CONTENT_TYPE, kind), at_once],
        Body::from_stream(events),
    )
        .into_response()
}
