//! `POST /v1/audio/speech`: a text into sound, sent as it is made.
use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{StudioError, Text, room::Place, sse};
use crate::{
    http::{
        Doors, Refusal,
        admission::{self, enter},
    },
    openai_realtime::fields::Fields,
    soundfile::{Form, SoundFile, SoundFileError, Target},
};

/// Longest text in characters, as in the OpenAI API.
pub const LONGEST_TEXT: usize = 4_096;
/// Tempos that are understood.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.25..=1.5;

/// What to say, and how.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read key by key; this describes it")]
pub struct SpeechRequest {
    /// The text, at most 4096 characters.
    input: String,
    /// Any name; there is one synthesiser.
    model: Option<String>,
    /// One of `GET /v1/audio/voices`; a voice of OpenAI's by name gets the default one.
    voice: Option<String>,
    /// `mp3` (the default), `wav`, `flac`, `opus` or `pcm`: 24 kHz, mono, 16 bits.
    response_format: Option<String>,
    /// Tempo, 0.25 to 1.5.
    speed: Option<f64>,
    /// `audio` (the default), or `sse` for server-sent events.
    stream_format: Option<String>,
}

/// What was asked for.
#[derive(Debug)]
struct Wish {
    text: Text,
    form: Form,
    events: bool,
}

/// Speak a text
///
/// The body is sent while it is made, except MP3, which leaves as a whole. A client that goes away
/// is not spoken to for any longer.
#[utoipa::path(
    post, path = "/v1/audio/speech", tag = "audio",
    request_body = SpeechRequest,
    responses(
        (status = 200, description = "The sound, or the events with the sound", content_type = "audio/mpeg"),
        (status = 400, description = "What is wrong with the request", body = crate::http::ErrorBody),
        (status = 429, description = "Too many at once; `Retry-After` says when", body = crate::http::ErrorBody),
    ),
)]
pub async fn speak(State(doors): State<Arc<Doors>>, request: Request) -> Result<Response, Refusal> {
    enter(&doors, request.headers())?;
    let body = admission::body(&doors, request).await?;
    let wish = read(&doors, &admission::json(&body)?)?;
    let retry = doors.limits.retry_after;
    let place = doors.room.to_speak(&doors.drain, retry).await?;
    let n_letters = wish.text.text.chars().count();
    let file = SoundFile::new(wish.form, Target::Stream).map_err(failed)?;
    let mut spoken = doors.studio.speak(wish.text);
    let ending = doors.drain.clone();
    // What cannot be spoken at all is told by the status.
    let first = match spoken.next().await {
        None => return Err(StudioError::NothingToSay.into()),
        Some(Err(error)) => return Err(error.into()),
        Some(first) => first,
    };
    let spoken = futures::stream::once(async { first }).chain(spoken);
    let spoken = spoken
        .take_until(Box::pin(async move { ending.ending().await }))
        .boxed();
    let encoded = encoded(spoken, file, place);
    if wish.events {
        return Ok(sse::response(events(encoded, n_letters)));
    }
    let kind = HeaderValue::from_static(wish.form.media_type());
    let name = format!("attachment; filename=\"speech.{}\"", extension(wish.form));
    let name = HeaderValue::from_str(&name).expect("extensions are plain ASCII");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(encoded)).into_response())
}

fn failed(error: SoundFileError) -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "encoder_failed",
        error.to_string(),
    )
}

fn extension(form: Form) -> &'static str {
    match form {
        Form::Wav => "wav",
        Form::Flac => "flac",
        Form::Opus => "opus",
        Form::Pcm => "pcm",
        Form::Mp3 => "mp3",
    }
}

/// What is to be said, or which key cannot be.
fn read(doors: &Doors, body: &Value) -> Result<Wish, Refusal> {
    let asked = Fields::new("", body, doors.strict)?;
    asked.only(&[
        "input",
        "model",
        "voice",
        "instructions",
        "response_format",
        "speed",
        "stream_format",
    ])?;
    let text = asked.required_string("input")?;
    if text.trim().is_empty() {
        return Err(StudioError::NothingToSay.into());
    }
    if text.chars().count() > LONGEST_TEXT {
        let message = format!("The text is longer than {LONGEST_TEXT} characters.");
        return Err(Refusal::bad_request("string_above_max_length", message).about("input"));
    }
    if doors.strict
        && asked
            .string("instructions")?
            .is_some_and(|text| !text.is_empty())
    {
        let message = "The synthesiser in use cannot be told how to speak; leave it out.";
        let refusal = Refusal::bad_request("unsupported_parameter", message);
        return Err(refusal.about("instructions"));
    }
    let forms = ["mp3", "wav", "flac", "opus", "pcm"];
    let form = match asked.string("response_format")?.unwrap_or("mp3") {
        "mp3" => Form::Mp3,
        "wav" => Form::Wav,
        "flac" => Form::Flac,
        "opus" => Form::Opus,
        "pcm" => Form::Pcm,
        other => return Err(asked.unsupported("response_format", other, &forms).into()),
    };
    let events = asked
        .word("stream_format", &["audio", "sse"])?
        .unwrap_or("audio")
        == "sse";
    let speed = asked
        .number("speed", SPEEDS)?
        .unwrap_or(f64::from(doors.session.speed));
    let (_, voice) = doors.session.voice_of(&asked)?.unwrap_or_default();
    let voice = if voice.is_empty() {
        doors.session.voice.clone()
    } else {
        voice
    };
    let (text, speed) = (text.to_owned(), speed as f32);
    let text = Text { text, voice, speed };
    Ok(Wish { text, form, events })
}

/// The bytes of the file, as they come. An engine or an encoder that gives up ends the body short
/// of its end, which is how HTTP says so.
fn encoded(
    spoken: BoxStream<'static, Result<Vec<f32>, StudioError>>,
    file: SoundFile,
    place: Place,
) -> BoxStream<'static, Result<Bytes, std::io::Error>> {
    let state = Some((spoken, file, place));
    let stream = futures::stream::unfold(state, |state| async move {
        let (mut spoken, mut file, place) = state?;
        let mut out = Vec::new();
        loop {
            match spoken.next().await {
                Some(Ok(samples)) => {
                    if let Err(error) = file.push(&samples, &mut out) {
                        return Some((Err(std::io::Error::other(error)), None));
                    }
                    if !out.is_empty() {
                        return Some((Ok(Bytes::from(out)), Some((spoken, file, place))));
                    }
                }
                Some(Err(error)) => return Some((Err(std::io::Error::other(error)), None)),
                None => {
                    let end = file.finish(&mut out).map_err(std::io::Error::other);
                    return Some((end.map(|()| Bytes::from(out)), None));
                }
            }
        }
    });
    stream.boxed()
}

/// The same as server-sent events.
fn events(
    encoded: BoxStream<'static, Result<Bytes, std::io::Error>>,
    n_letters: usize,
) -> impl Stream<Item = Bytes> + Send {
    // Counted are letters in and kibibytes out: a synthesiser here has no tokens.
    let state = Some((encoded, 0_usize));
    futures::stream::unfold(state, move |state| async move {
        let (mut encoded, n_bytes) = state?;
        loop {
            match encoded.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    let audio = BASE64.encode(&bytes);
                    let delta = json!({"type": "speech.audio.delta", "audio": audio});
                    return Some((sse::event(&delta), Some((encoded, n_bytes + bytes.len()))));
                }
                Some(Err(error)) => {
                    let error = sse::error(&error.to_string(), "engine_unavailable");
                    return Some((error, None));
                }
                None => {
                    let n_out = n_bytes.div_ceil(1_024);
                    let usage = json!({
                        "input_tokens": n_letters, "output_tokens": n_out,
                        "total_tokens": n_letters + n_out,
                    });
                    let done = json!({"type": "speech.audio.done", "usage": usage});
                    return Some((sse::event(&done), None));
                }
            }
        }
    })
}
