//! One HTTP listener with every door: realtime sessions over WebSocket and WebRTC, short-lived
//! secrets, speech without a call, the console page, health and metrics.
//!
//! In reading order: [`router`] lists the doors; `trust` is who may knock at all; `refusal` is how
//! anybody is turned away; `realtime`, `calls` and `secrets` are the doors; [`console`] the page;
//! [`serve`] the listener.
//!
//! Invariant: nothing is begun for a request before its host, its origin and its key have been
//! checked.
pub(crate) mod admission;
pub(crate) mod calls;
pub mod console;
pub(crate) mod realtime;
mod refusal;
pub(crate) mod secrets;
pub mod serve;
pub mod tls;
mod trust;

#[cfg(test)]
pub(crate) mod tests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio_util::task::TaskTracker;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use voiced_pipeline::{calls::Calls, drain::Drain};

pub use self::{
    console::Catalogue,
    refusal::{ErrorBody, Refusal},
    serve::serve,
    trust::Trust,
};
use crate::{
    keys::Keys,
    openai_realtime::session::SessionDefaults,
    rest::{Room, Studio, description},
    webrtc::Peers,
    websocket::WebSocketSettings,
};

/// What stands behind the doors.
pub struct Doors {
    /// Takes the calls.
    pub calls: Calls,
    /// Says who may enter.
    pub keys: Keys,
    /// Says from where.
    pub trust: Trust,
    /// How much of anything.
    pub limits: Limits,
    /// What the default persona's session is before its client says anything.
    pub session: SessionDefaults,
    /// Whether unknown keys in events are refused.
    pub strict: bool,
    /// What can be chosen.
    pub catalogue: Catalogue,
    /// Hears recordings and speaks texts without a call.
    pub studio: Arc<dyn Studio>,
    /// How many of those at once.
    pub room: Room,
    /// WebSocket connections.
    pub websocket: WebSocketSettings,
    /// The open ones; [`serve`] waits for them.
    pub sockets: TaskTracker,
    /// WebRTC peers; `None` when that door is closed.
    pub peers: Option<Peers>,
    /// Shutdown.
    pub drain: Drain,
    /// Prometheus' text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether calls can be served, and if not, why.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// How much one request may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest body: an offer with its session. 256 KiB.
    pub body: usize,
    /// A body must have come by then.
    pub body_within: Duration,
    /// A call longer than this is ended; told as `expires_at`.
    pub max_call: Duration,
    /// When to come back after a refusal.
    pub retry_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 256 * 1024,
            body_within: Duration::from_secs(10),
            max_call: Duration::from_secs(3_600),
            retry_after: Duration::from_secs(5),
        }
    }
}

/// Where a request came from; [`serve`] puts it into every request.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Every door.
pub fn router(doors: Arc<Doors>) -> Router {
    let cors = cors(&doors.trust);
    let mut router = description::routes();
    for asset in console::ASSETS {
        router = router.route(
            asset.path,
            get(move |headers| console::asset(asset, headers)),
        );
    }
    let router = router
        .method_not_allowed_fallback(|| async {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This method is not supported here.",
            )
        })
        .fallback(|| async {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "unknown_url",
                "There is nothing at this address.",
            )
        })
        .layer(middleware::from_fn_with_state(doors.clone(), guard))
        .with_state(doors);
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// Turns away whoever must not knock, and has every answer say how it may be used.
async fn guard(State(doors): State<Arc<Doors>>, request: Request, next: Next) -> Response {
    let mut response = match doors.trust.judge(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Lets pages of the allowed origins in; nothing when there are none.
fn cors(trust: &Trust) -> Option<CorsLayer> {
    if trust.origins.is_empty() {
        return None;
    }
    let origins = if trust.origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let origins = trust.origins.iter();
        AllowOrigin::list(origins.filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    Some(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
            // Clients add headers of their own (`x-openai-agents-sdk` and the like).
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers([header::LOCATION, header::RETRY_AFTER])
            .max_age(Duration::from_secs(600)),
    )
}

/// Whether the daemon lives
#[utoipa::path(get, path = "/healthz", tag = "operations",
    responses((status = 200, description = "It does")))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether a call would be taken
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "It would"), (status = 503, description = "Why not"),
))]
pub(crate) async fn ready(State(doors): State<Arc<Doors>>) -> Response {
    let reason = if doors.drain.is_draining() {
        Some("draining".to_owned())
    } else if let Err(reason) = (doors.ready)() {
        Some(reason)
    } else if doors.calls.n_free() == 0 {
        Some("every line is busy".to_owned())
    } else {
        None
    };
    match reason {
        None => Json(json!({"ready": true})).into_response(),
        Some(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [retry_after(doors.limits.retry_after)],
            Json(json!({"ready": false, "reason": reason})),
        )
            .into_response(),
    }
}

/// Figures for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "The figures", content_type = "text/plain")))]
pub(crate) async fn metrics(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Refusal> {
    admission::enter(&doors, &headers)?;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], (doors.metrics)()))
}

fn retry_after(wait: Duration) -> (HeaderName, HeaderValue) {
    let seconds = wait.as_secs().max(1);
    (header::RETRY_AFTER, HeaderValue::from(seconds))
}
