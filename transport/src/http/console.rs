//! The console: a page embedded in the binary that loads nothing from anywhere else, and what its
//! pickers offer.
use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{Doors, Refusal, admission};

/// What the page may do: run its own script, ask its own server, use the microphone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; img-src 'self' data:; media-src 'self' blob:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// What can be chosen at this daemon.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The model's name, as sessions show it.
    pub model: String,
    /// Who answers; the first is the default.
    pub personas: Vec<PersonaEntry>,
    /// The voices there are.
    pub voices: Vec<VoiceEntry>,
    /// What hears, thinks and speaks.
    pub engines: Engines,
}

/// One persona, as it is offered.
#[derive(Clone, Debug, Default)]
pub struct PersonaEntry {
    /// Its name.
    pub name: String,
    /// One sentence about it.
    pub description: String,
    /// Its voice; `None` is the synthesiser's default.
    pub voice: Option<String>,
    /// What its sessions show as instructions; may be empty when they are nobody's business.
    pub instructions: String,
}

/// One voice, as it is offered.
#[derive(Clone, Debug, Default)]
pub struct VoiceEntry {
    /// Its name.
    pub name: String,
    /// Such as `en-US`.
    pub language: String,
    /// A few words about it.
    pub description: String,
}

/// The names of the engines.
#[derive(Clone, Debug, Default)]
pub struct Engines {
    /// The recogniser.
    pub ear: String,
    /// The chat model.
    pub mind: String,
    /// The synthesiser.
    pub voice: String,
}

/// One file of the page.
#[derive(Debug)]
pub struct Asset {
    /// Where it is served.
    pub path: &'static str,
    kind: &'static str,
    body: &'static str,
}

macro_rules! asset {
    ($path:literal, $file:literal, $kind:literal) => {
        Asset {
            path: $path,
            kind: $kind,
            body: include_str!(concat!("../../console/", $file)),
        }
    };
}

/// Every file of the page.
pub static ASSETS: &[Asset] = &[
    asset!("/", "index.html", "text/html; charset=utf-8"),
    asset!("/console.css", "console.css", "text/css; charset=utf-8"),
    asset!(
        "/console.js",
        "console.js",
        "text/javascript; charset=utf-8"
    ),
    asset!("/call.js", "call.js", "text/javascript; charset=utf-8"),
    asset!(
        "/conversation.js",
        "conversation.js",
        "text/javascript; charset=utf-8"
    ),
    asset!(
        "/problems.js",
        "problems.js",
        "text/javascript; charset=utf-8"
    ),
    asset!("/score.js", "score.js", "text/javascript; charset=utf-8"),
    asset!(
        "/waterfall.js",
        "waterfall.js",
        "text/javascript; charset=utf-8"
    ),
];

/// Serves a file, or says that the browser has it already.
pub(super) async fn asset(asset: &'static Asset, headers: HeaderMap) -> Response {
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, asset.body.as_bytes()));
    let tag = format!("\"{}\"", &hash[..22]);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok())
        .is_some_and(|tags| tags == "*" || tags.split(',').any(|t| t.trim().ends_with(&tag)));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        asset.body.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(
        header::ETAG,
        HeaderValue::from_str(&tag).expect("base64 is plain ASCII"),
    );
    for (name, value) in [
        // Ask every time, load once: a new daemon has a new page.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "microphone=(self), camera=(), geolocation=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What the page's pickers offer
#[utoipa::path(get, path = "/v1/console/catalogue", tag = "console",
    responses((status = 200, description = "Personas, voices and engines", body = Object)))]
pub(crate) async fn catalogue(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    admission::enter(&doors, &headers)?;
    let catalogue = &doors.catalogue;
    let personas = catalogue.personas.iter().map(|persona| {
        json!({
            "name": persona.name, "description": persona.description, "voice": persona.voice,
        })
    });
    let voices = catalogue.voices.iter().map(|voice| {
        json!({
            "name": voice.name, "language": voice.language, "description": voice.description,
        })
    });
    let engines = &catalogue.engines;
    Ok(Json(json!({
        "model": catalogue.model,
        "personas": personas.collect::<Vec<_>>(),
        "voices": voices.collect::<Vec<_>>(),
        "engines": {"ear": engines.ear, "mind": engines.mind, "voice": engines.voice},
    })))
}
