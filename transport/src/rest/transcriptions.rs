//! `POST /v1/audio/transcriptions`: a recording into words, as a whole or as they are heard.
use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    EarAbilities, Hearing, Recording, StudioError,
    form::Form,
    room::Place,
    sse,
    written::{ResponseFormat, Transcript, Transcription},
};
use crate::http::{Doors, Refusal, admission::enter};

/// Fields that are understood.
const KNOWN: [&str; 6] = [
    "model",
    "language",
    "response_format",
    "timestamp_granularities",
    "stream",
    "temperature",
];
/// Fields of the OpenAI API that mean something there and could mean nothing here.
const UNSUPPORTED: [&str; 8] = [
    "prompt",
    "include",
    "chunking_strategy",
    "known_speaker_names",
    "known_speaker_references",
    "keywords",
    "languages",
    "diarize",
];

/// The form of a transcription request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; this describes it")]
pub struct TranscriptionForm {
    /// The recording: WAV, FLAC, MP3, Ogg or MP4.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Any name; there is one recogniser.
    model: Option<String>,
    /// ISO 639-1 code of the language spoken.
    language: Option<String>,
    /// Form of the answer.
    response_format: Option<ResponseFormat>,
    /// `word`, `segment` or both; needs `verbose_json`.
    #[schema(rename = "timestamp_granularities[]")]
    timestamp_granularities: Option<Vec<String>>,
    /// Whether the words are sent as server-sent events while they are heard.
    stream: Option<bool>,
    /// Only 0: the recogniser does not gamble.
    temperature: Option<f32>,
}

/// What was asked for.
#[derive(Debug)]
struct Wish {
    recording: Recording,
    format: ResponseFormat,
    words: bool,
    segments: bool,
    stream: bool,
}

/// Transcribe a recording
///
/// The answer comes when all of it was heard, or, with `stream`, utterance by utterance. A client
/// that goes away is not heard for any longer.
#[utoipa::path(
    post, path = "/v1/audio/transcriptions", tag = "audio",
    request_body(content = TranscriptionForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The transcript, in the form asked for", body = Transcription),
        (status = 400, description = "What is wrong with the request", body = crate::http::ErrorBody),
        (status = 413, description = "The recording is too large or too long", body = crate::http::ErrorBody),
        (status = 429, description = "Too many at once; `Retry-After` says when", body = crate::http::ErrorBody),
    ),
)]
pub async fn transcribe(
    State(doors): State<Arc<Doors>>,
    request: Request,
) -> Result<Response, Refusal> {
    enter(&doors, request.headers())?;
    // A place first: an upload takes memory.
    let retry = doors.limits.retry_after;
    let place = doors.room.to_transcribe(&doors.drain, retry).await?;
    let form = Form::read(request, doors.room.limits).await?;
    let wish = read(form, &doors)?;
    let language = wish.recording.language.clone().unwrap_or_else(|| {
        let languages = doors.studio.ear().languages;
        languages
            .first()
            .filter(|_| languages.len() == 1)
            .cloned()
            .unwrap_or_default()
    });
    let heard = doors.studio.hear(wish.recording);
    let ending = doors.drain.clone();
    let heard = heard
        .take_until(Box::pin(async move { ending.ending().await }))
        .boxed();
    if wish.stream {
        return streamed(heard, place).await;
    }
    let mut transcript = Transcript {
        utterances: Vec::new(),
        length: Default::default(),
        language,
        words: wish.words,
        segments: wish.segments,
    };
    let mut heard = heard;
    loop {
        match heard.next().await {
            Some(Ok(Hearing::Utterance(utterance))) => transcript.utterances.push(utterance),
            Some(Ok(Hearing::End(length))) => {
                transcript.length = length;
                drop(place);
                return Ok(transcript.respond(wish.format));
            }
            Some(Err(error)) => return Err(error.into()),
            None => return Err(cut_short()),
        }
    }
}

fn cut_short() -> Refusal {
    let message = "The server is going down.";
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "server_shutting_down",
        message,
    )
}

/// What is to be done, or which field cannot be.
fn read(mut form: Form, doors: &Doors) -> Result<Wish, Refusal> {
    if doors.strict {
        refuse_unknown(&form)?;
    }
    let format = format(&form)?;
    let granularities: Vec<&str> = form.words("timestamp_granularities").collect();
    if let Some(other) = granularities
        .iter()
        .find(|g| !["word", "segment"].contains(g))
    {
        return Err(invalid(
            "timestamp_granularities",
            other,
            "'word' and 'segment'",
        ));
    }
    let ear = doors.studio.ear();
    let words = granularities.contains(&"word");
    if words && !ear.words {
        let message = "The recogniser in use does not tell when each word was said.";
        return Err(unsupported("timestamp_granularities", message));
    }
    if !granularities.is_empty() && format != ResponseFormat::VerboseJson {
        let message = "Times are told in 'verbose_json' only.";
        return Err(unsupported("timestamp_granularities", message));
    }
    let stream = match form.word("stream") {
        None | Some("false" | "False" | "0") => false,
        Some("true" | "True" | "1") => true,
        Some(other) => return Err(invalid("stream", other, "'true' and 'false'")),
    };
    if stream && !matches!(format, ResponseFormat::Json | ResponseFormat::Text) {
        let message = "Only 'json' and 'text' can be streamed.";
        return Err(unsupported("response_format", message));
    }
    if let Some(temperature) = form.word("temperature")
        && temperature.parse::<f32>().ok() != Some(0.0)
    {
        return Err(invalid(
            "temperature",
            temperature,
            "0: the recogniser does not gamble",
        ));
    }
    let language = language(form.word("language"), &ear)?;
    let segments = granularities.is_empty() || granularities.contains(&"segment");
    let Some((name, bytes)) = form.file.take() else {
        let message = "The form has no part 'file'.";
        return Err(Refusal::bad_request("missing_required_parameter", message).about("file"));
    };
    Ok(Wish {
        recording: Recording {
            bytes,
            name,
            language,
            at_most: doors.room.limits.recording,
        },
        format,
        words,
        segments,
        stream,
    })
}

fn refuse_unknown(form: &Form) -> Result<(), Refusal> {
    for (name, value) in &form.fields {
        if UNSUPPORTED.contains(&name.as_str()) {
            // The default of some clients, and what happens anyway.
            if value.is_empty() || (name == "chunking_strategy" && value == "auto") {
                continue;
            }
            let message = format!("'{name}' has no effect on the recogniser here; leave it out.");
            return Err(unsupported(name, &message));
        }
        if !KNOWN.contains(&name.as_str()) {
            let name: String = name.chars().take(128).collect();
            let message = format!("Unknown parameter: '{name}'.");
            return Err(Refusal::bad_request("unknown_parameter", message).about(name));
        }
    }
    Ok(())
}

fn format(form: &Form) -> Result<ResponseFormat, Refusal> {
    let Some(asked) = form.word("response_format") else {
        return Ok(ResponseFormat::default());
    };
    let mut known = ResponseFormat::ALL.iter();
    match known.find(|(name, _)| *name == asked) {
        Some((_, format)) => Ok(*format),
        None => Err(invalid(
            "response_format",
            asked,
            "'json', 'text', 'srt', 'vtt' and 'verbose_json'",
        )),
    }
}

/// The language asked for, if the recogniser hears it.
fn language(asked: Option<&str>, ear: &EarAbilities) -> Result<Option<String>, Refusal> {
    let Some(asked) = asked else { return Ok(None) };
    // Some clients send a region with it, or the English name.
    let code = asked
        .split(['-', '_'])
        .next()
        .unwrap_or(asked)
        .to_ascii_lowercase();
    let code = if code == "english" {
        "en".to_owned()
    } else {
        code
    };
    if ear.languages.is_empty() || ear.languages.contains(&code) {
        return Ok(Some(code));
    }
    let known: Vec<String> = ear.languages.iter().map(|l| format!("'{l}'")).collect();
    Err(invalid("language", asked, &known.join(", ")))
}

fn invalid(field: &str, value: &str, allowed: &str) -> Refusal {
    let value: String = value.chars().take(64).collect();
    let message = format!("Invalid value: '{value}'. Supported values are: {allowed}.");
    Refusal::bad_request("invalid_value", message).about(field)
}

fn unsupported(field: &str, message: &str) -> Refusal {
    Refusal::bad_request("unsupported_parameter", message).about(field)
}

/// The events of a transcription. The first thing that is heard decides the status.
async fn streamed(
    mut heard: BoxStream<'static, Result<Hearing, StudioError>>,
    place: Place,
) -> Result<Response, Refusal> {
    let first = match heard.next().await {
        None => return Err(cut_short()),
        Some(Err(error)) => return Err(error.into()),
        Some(first) => first,
    };
    let heard = futures::stream::once(async { first }).chain(heard);
    Ok(sse::response(events(heard, place)))
}

fn events(
    heard: impl Stream<Item = Result<Hearing, StudioError>> + Send + 'static,
    place: Place,
) -> impl Stream<Item = Bytes> + Send {
    let state = (Box::pin(heard), String::new(), Some(place));
    futures::stream::unfold(state, |(mut heard, mut said, place)| async move {
        // The place is given up with the last event.
        place.as_ref()?;
        let (event, place) = match heard.next().await {
            Some(Ok(Hearing::Utterance(utterance))) => {
                let space = if said.is_empty() { "" } else { " " };
                let delta = format!("{space}{}", utterance.text);
                said.push_str(&delta);
                let delta = json!({"type": "transcript.text.delta", "delta": delta});
                (sse::event(&delta), place)
            }
            Some(Ok(Hearing::End(length))) => {
                let seconds = length.as_millis() as f64 / 1_000.0;
                let done = json!({
                    "type": "transcript.text.done", "text": said,
                    "usage": {"type": "duration", "seconds": seconds},
                });
                (sse::event(&done), None)
            }
            Some(Err(error)) => (sse::error(&error.to_string(), "engine_unavailable"), None),
            None => {
                let cut = cut_short();
                (sse::error(&cut.message, cut.code), None)
            }
        };
        Some((event, (heard, said, place)))
    })
}
