//! `GET /v1/audio/voices` and `GET /v1/models`: what can be chosen.
use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{Doors, Refusal, admission::enter};

/// A list, as the API has them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    /// Always `list`.
    object: &'static str,
    /// The models.
    data: Vec<Model>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub struct Model {
    /// Its name.
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Always 0: it is as old as the daemon.
    created: u64,
    /// Always `voiced`.
    owned_by: &'static str,
}

/// The voices there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoiceList {
    /// Always `list`.
    object: &'static str,
    /// The voices.
    data: Vec<Voice>,
    /// The same, where some clients look for them.
    voices: Vec<Voice>,
}

/// A voice.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Voice {
    /// What to ask for.
    id: String,
    /// The same.
    name: String,
    /// Always `audio.voice`.
    object: &'static str,
    /// Such as `en-US`.
    language: String,
    /// A few words about it.
    description: String,
}

/// List the models
#[utoipa::path(get, path = "/v1/models", tag = "models",
    responses((status = 200, description = "The models", body = ModelList)))]
pub async fn models(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
) -> Result<Json<ModelList>, Refusal> {
    enter(&doors, &headers)?;
    Ok(Json(ModelList {
        object: "list",
        data: vec![described(&doors.catalogue.model)],
    }))
}

/// Describe a model
#[utoipa::path(get, path = "/v1/models/{id}", tag = "models",
    params(("id" = String, Path, description = "The model's name")),
    responses(
        (status = 200, description = "The model", body = Model),
        (status = 404, description = "There is no such model", body = crate::http::ErrorBody),
    ))]
pub async fn model(
    State(doors): State<Arc<Doors>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Model>, Refusal> {
    enter(&doors, &headers)?;
    if id == doors.catalogue.model {
        return Ok(Json(described(&id)));
    }
    let id: String = id.chars().take(128).collect();
    let message = format!("The model '{id}' does not exist.");
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "model_not_found", message);
    Err(refusal.about("model"))
}

fn described(id: &str) -> Model {
    Model {
        id: id.to_owned(),
        object: "model",
        created: 0,
        owned_by: "voiced",
    }
}

/// List the voices
#[utoipa::path(get, path = "/v1/audio/voices", tag = "audio",
    responses((status = 200, description = "The voices", body = VoiceList)))]
pub async fn voices(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
) -> Result<Json<VoiceList>, Refusal> {
    enter(&doors, &headers)?;
    let known = doors.catalogue.voices.iter();
    let voices: Vec<Voice> = known
        .map(|voice| Voice {
            id: voice.name.clone(),
            name: voice.name.clone(),
            object: "audio.voice",
            language: voice.language.clone(),
            description: voice.description.clone(),
        })
        .collect();
    Ok(Json(VoiceList {
        object: "list",
        data: voices.clone(),
        voices,
    }))
}
