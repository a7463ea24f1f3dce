//! The routes of the API and their OpenAPI description, which are one list: a route cannot be
//! served without being described.
use std::sync::Arc;

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    response::{IntoResponse, Response},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Description,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::http::{self, Doors, calls, console, realtime, secrets};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "voiced",
        description = "Spoken conversations, transcription and speech. The events of a \
                       conversation are those of the OpenAI Realtime API.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "realtime", description = "Conversations"),
        (name = "audio", description = "Speech without a conversation"),
        (name = "models", description = "What can be asked for"),
        (name = "operations", description = "For operators"),
    ),
    modifiers(&Keys),
)]
struct Api;

/// Every request may need a key.
struct Keys;

impl Modify for Keys {
    fn modify(&self, description: &mut Description) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = description.components.get_or_insert_with(Default::default);
        components.add_security_scheme("key", bearer);
        let none: [&str; 0] = [];
        description.security = Some(vec![SecurityRequirement::new("key", none)]);
    }
}

/// Every route of the API, its description included.
pub(crate) fn routes() -> Router<Arc<Doors>> {
    let (router, description) = described().split_for_parts();
    let description = Arc::new(description);
    router.route(
        "/openapi.json",
        axum::routing::get(move || async move { served(&description) }),
    )
}

fn served(description: &Description) -> Response {
    Json(description).into_response()
}

fn described() -> OpenApiRouter<Arc<Doors>> {
    // The upload's own limits are stricter than a flat number of bytes.
    let uploads = OpenApiRouter::new()
        .routes(routes!(super::transcriptions::transcribe))
        .layer(DefaultBodyLimit::disable());
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(realtime::open))
        .routes(routes!(calls::begin))
        .routes(routes!(calls::hang_up))
        .routes(routes!(secrets::mint))
        .routes(routes!(secrets::mint_for_mistral))
        .routes(routes!(realtime::transcribe_live))
        .merge(uploads)
        .routes(routes!(super::speech::speak))
        .routes(routes!(super::catalogue::voices))
        .routes(routes!(super::catalogue::models))
        .routes(routes!(super::catalogue::model))
        .routes(routes!(console::catalogue))
        .routes(routes!(http::healthz))
        .routes(routes!(http::ready))
        .routes(routes!(http::metrics))
}

#[cfg(test)]
pub(crate) fn description() -> Description {
    described().split_for_parts().1
}
