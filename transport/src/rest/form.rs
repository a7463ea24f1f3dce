//! An upload: a form with one file and a few words, read within its limits. Fields nobody knows
//! are refused by name, so that no wish is silently ignored.
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Multipart, Request, multipart::MultipartError},
    http::{StatusCode, header},
};

use super::RoomLimits;
use crate::http::Refusal;

/// Longest field that is not the file, in bytes.
const LONGEST_WORD: usize = 16 * 1024;
/// Most fields.
const MOST_FIELDS: usize = 64;

/// What was sent.
#[derive(Debug, Default)]
pub struct Form {
    /// The file, and its name.
    pub file: Option<(String, Bytes)>,
    /// The other fields in order; a list's name is without its brackets.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// Reads a form whose file is in the field `file`.
    pub async fn read(request: Request, limits: RoomLimits) -> Result<Form, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("multipart/form-data") {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the recording as 'multipart/form-data' with the parts 'file' and 'model'.",
            ));
        }
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let most = limits.upload + MOST_FIELDS * LONGEST_WORD;
        if announced.is_some_and(|length| length > most) {
            return Err(too_large(limits.upload));
        }
        let (parts, body) = request.into_parts();
        let body = Body::new(http_body_util::Limited::new(body, most));
        let request = Request::from_parts(parts, body);
        let reading = tokio::time::timeout(limits.upload_within, read(request, limits.upload));
        reading.await.unwrap_or_else(|_| {
            let message = "The recording did not come in time.";
            Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                message,
            ))
        })
    }

    /// The last field of this name that is not empty.
    pub fn word(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter().rev();
        let found = fields.find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// Every field of this name.
    pub fn words<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let fields = self.fields.iter().filter(move |(known, _)| known == name);
        fields.map(|(_, value)| value.as_str())
    }
}

async fn read(request: Request, largest: usize) -> Result<Form, Refusal> {
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|rejection| Refusal::bad_request("invalid_multipart", rejection.body_text()))?;
    let mut form = Form::default();
    while let Some(mut part) = parts.next_field().await.map_err(|e| damaged(&e, largest))? {
        let name = part.name().unwrap_or_default();
        let name = name.strip_suffix("[]").unwrap_or(name).to_owned();
        if name == "file" {
            let file = part.file_name().unwrap_or_default().to_owned();
            let bytes = gather(&mut part, largest, largest).await?;
            form.file = Some((file, bytes));
            continue;
        }
        if form.fields.len() == MOST_FIELDS {
            let message = format!("The form has more than {MOST_FIELDS} fields.");
            return Err(Refusal::bad_request("invalid_multipart", message));
        }
        let bytes = gather(&mut part, LONGEST_WORD, largest).await?;
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            Refusal::bad_request("invalid_value", "Expected UTF-8 text.").about(name.clone())
        })?;
        form.fields.push((name, text.to_owned()));
    }
    Ok(form)
}

async fn gather(
    part: &mut axum::extract::multipart::Field<'_>,
    most: usize,
    largest: usize,
) -> Result<Bytes, Refusal> {
    let mut bytes = bytes::BytesMut::new();
    while let Some(chunk) = part.chunk().await.map_err(|e| damaged(&e, largest))? {
        if bytes.len() + chunk.len() > most {
            return Err(too_large(most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn too_large(most: usize) -> Refusal {
    let message = format!("The upload is larger than {most} bytes.");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message).about("file")
}

fn damaged(error: &MultipartError, largest: usize) -> Refusal {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large(largest);
    }
    let message = format!("The form cannot be read: {}.", error.body_text());
    Refusal::bad_request("invalid_multipart", message)
}
