//! A line over HTTP: asked with one request, answered with samples in the body, or with events
//! that carry them.
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use reqwest::{Response, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::time::timeout;
use voiced_core::engine::Line;
use voiced_pipeline::server::{Events, Failure, refusal, unreachable};

use super::{
    Dialect, FIRST, NEXT, Sink, SpeechServer,
    pcm::{Encoding, NotBare, Samples},
};

/// Largest answer of a server that does not stream: minutes of sound.
const LARGEST: usize = 64 * 1024 * 1024;

impl SpeechServer {
    /// Asks for a line and hands on its sound.
    pub(super) async fn ask(&self, line: &Line, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let settings = &self.settings;
        let within = settings.first_sound_within;
        let late = |what, within| move |_| Failure::Late { what, within };
        let begun = timeout(within, self.begin(line)).await;
        let (mut answer, mut sound) = begun.map_err(late(FIRST, within))??;
        let next = settings.next_sound_within;
        loop {
            let ended = sound.is_none();
            if let Some(samples) = sound {
                sink.give(&samples).await;
            }
            if ended {
                return Ok(());
            }
            let read = timeout(next, answer.next()).await;
            sound = read.map_err(late(NEXT, next))??;
        }
    }

    /// Asks, and reads up to the first sound.
    async fn begin(&self, line: &Line) -> Result<(Answer, Option<Vec<f32>>), Failure> {
        let response = (self.client.post(self.place.below(&["audio", "speech"])))
            .headers(self.place.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(self.body(line).to_string())
            .send()
            .await
            .map_err(unreachable)?;
        if response.status().as_u16() != 200 {
            return Err(refusal(response).await);
        }
        let mut answer = Answer::new(response, self.settings.dialect)?;
        let sound = answer.next().await?;
        Ok((answer, sound))
    }

    fn body(&self, line: &Line) -> Value {
        let settings = &self.settings;
        let mut body = json!({
            "model": settings.model,
            "input": line.text,
            "response_format": "pcm",
        });
        let voice = Value::from(self.voice(line));
        if settings.dialect == Dialect::OpenAi {
            body["voice"] = voice;
            if let Some(instructions) = &settings.instructions {
                body["instructions"] = instructions.as_str().into();
            }
            if let Some(speed) = line.speed.filter(|s| settings.speed_by_server && *s != 1.0) {
                body["speed"] = json!((f64::from(speed) * 1e3).round() / 1e3);
            }
        } else {
            body["voice_id"] = voice;
            body["stream"] = true.into();
            if let Some(expressiveness) = settings.expressiveness {
                body["expressiveness"] = json!(expressiveness);
            }
        }
        for (name, value) in &settings.extra {
            body[name.as_str()] = value.clone();
        }
        body
    }
}

/// An answer being read.
struct Answer {
    response: Response,
    samples: Samples,
    form: Form,
}

enum Form {
    /// The body is the sound.
    Bare,
    /// Events carry it; true once the last has come.
    Events(Events, bool),
    /// One object carries it whole; true once it was read.
    Whole(bool),
}

impl Answer {
    fn new(response: Response, dialect: Dialect) -> Result<Answer, Failure> {
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let form = match kind.split(';').next().unwrap_or_default().trim() {
            "text/event-stream" => Form::Events(Events::default(), false),
            "application/json" => Form::Whole(false),
            "audio/pcm" | "audio/l16" | "application/octet-stream" | "audio/raw" | "" => Form::Bare,
            // Some servers call their samples what they would be in a file; files are told by
            // their first bytes.
            other if other.starts_with("audio/") => Form::Bare,
            other => {
                let other: String = other.chars().take(60).collect();
                return Err(Failure::Malformed(format!("{other} is no sound")));
            }
        };
        let encoding = match dialect {
            Dialect::OpenAi => Encoding::Int16,
            Dialect::Mistral | Dialect::MistralRealtime => Encoding::Float32,
        };
        Ok(Answer {
            response,
            samples: Samples::new(encoding),
            form,
        })
    }

    /// The next samples, at least one; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<f32>>, Failure> {
        let mut out = Vec::new();
        while out.is_empty() {
            let bytes = match &mut self.form {
                Form::Bare => match self.response.chunk().await {
                    Ok(Some(bytes)) => bytes.to_vec(),
                    Ok(None) => return Ok(None),
                    Err(error) => return Err(broken(error)),
                },
                Form::Events(events, ended) => {
                    match next_event(&mut self.response, events, ended).await? {
                        Some(bytes) => bytes,
                        None => return Ok(None),
                    }
                }
                Form::Whole(true) => return Ok(None),
                Form::Whole(read) => {
                    *read = true;
                    whole(&mut self.response).await?
                }
            };
            self.samples.push(&bytes, &mut out).map_err(not_bare)?;
        }
        Ok(Some(out))
    }
}

fn broken(error: reqwest::Error) -> Failure {
    Failure::Broken(error.without_url().to_string())
}

pub(super) fn not_bare(NotBare(kind): NotBare) -> Failure {
    Failure::Malformed(format!("it is {kind} where bare samples were asked for"))
}

/// The bytes of the next event with sound; `None` after the last.
async fn next_event(
    response: &mut Response,
    events: &mut Events,
    ended: &mut bool,
) -> Result<Option<Vec<u8>>, Failure> {
    loop {
        while let Some(event) = events.next() {
            if event.trim() == "[DONE]" {
                *ended = true;
                return Ok(None);
            }
            if event.trim().is_empty() {
                continue;
            }
            let event: Value = serde_json::from_str(&event).map_err(|e| malformed(&e))?;
            if let Some(failure) = Failure::in_stream(&event) {
                return Err(failure);
            }
            match event["type"].as_str() {
                Some("speech.audio.delta") => return sound_of(&event).map(Some),
                Some("speech.audio.done") => {
                    *ended = true;
                    return Ok(None);
                }
                // Newer servers say more.
                _ => (),
            }
        }
        if *ended {
            return Err(Failure::Broken("the events ended before the sound".into()));
        }
        match response.chunk().await {
            Ok(Some(bytes)) => events.push(&bytes),
            Ok(None) => {
                *ended = true;
                events.finish()
            }
            Err(error) => return Err(broken(error)),
        }
        .map_err(|error| Failure::Malformed(error.to_string()))?;
    }
}

async fn whole(response: &mut Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(broken)? {
        body.extend_from_slice(&bytes);
        if body.len() > LARGEST {
            return Err(Failure::Malformed("the answer does not end".into()));
        }
    }
    let answer: Value = serde_json::from_slice(&body).map_err(|e| malformed(&e))?;
    if let Some(failure) = Failure::in_stream(&answer) {
        return Err(failure);
    }
    sound_of(&answer)
}

/// The bytes an event or an answer carries: Mistral's name for them, or OpenAI's.
pub(super) fn sound_of(event: &Value) -> Result<Vec<u8>, Failure> {
    let text = event["audio_data"].as_str().or(event["audio"].as_str());
    let bytes = text.and_then(|text| BASE64.decode(text).ok());
    bytes.ok_or_else(|| Failure::Malformed("an event carries no sound in base64".to_owned()))
}

/// Without the text around the mistake, which may be part of the line.
pub(super) fn malformed(error: &serde_json::Error) -> Failure {
    let (line, column) = (error.line(), error.column());
    Failure::Malformed(format!("no JSON at line {line} column {column}"))
}
