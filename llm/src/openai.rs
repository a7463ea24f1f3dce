//! Chat completions of any OpenAI-compatible server, streamed, with tools. One lease is one
//! request: when the lease is dropped the request is closed at once, which frees the server.
//!
//! A reply that fails before its first token is asked for again, with patience measured for a
//! caller who is listening; one that fails later gives its row up. Why is logged; what was said is
//! not.
mod assembly;
mod request;
mod settings;
mod thought;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Client, Response,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::Value;
use tokio::time::timeout;
use voiced_core::engine::{Prompt, ReplyPiece};
use voiced_pipeline::{
    lease::{EngineClient, Row},
    remote::serve_by_tasks,
    server::{Events, jittered, read_beginning, refusal, unreachable},
};

pub use settings::{LimitName, OpenAiError, OpenAiSettings};
pub use voiced_pipeline::server::{Failure, Secret};

use crate::pieces::joint;
use assembly::{Assembly, PartOfCall};
use settings::{Checked, check};

/// Largest answer of a server that does not stream.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
/// How long token counts and the end of the body are waited for after the last word: longer is
/// not worth the connection, which is then closed.
const AFTERWARDS: Duration = Duration::from_millis(300);
/// The first wait before asking again; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// A chat server.
#[derive(Clone, Debug)]
pub struct OpenAi {
    client: Client,
    settings: Arc<OpenAiSettings>,
    place: Arc<Checked>,
}

impl OpenAi {
    /// A chat server with these settings. Nothing is sent yet.
    ///
    /// Where the process has not chosen a TLS provider, ring becomes it.
    ///
    /// # Errors
    /// When a setting is unusable, or would send a key unprotected.
    pub fn new(settings: OpenAiSettings) -> Result<Self, OpenAiError> {
        let place = check(&settings)?;
        let client = place
            .place
            .client(settings.connect_within)
            .map_err(OpenAiError::from)?;
        Ok(Self::with_client(client, settings, place))
    }

    fn with_client(client: Client, settings: OpenAiSettings, place: Checked) -> Self {
        Self {
            client,
            settings: Arc::new(settings),
            place: Arc::new(place),
        }
    }

    /// Opens a connection and keeps it for the first reply. Servers without a list of models are
    /// fine: any answer but a refusal of the key will do.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the key.
    pub async fn warm_up(&self) -> Result<(), Failure> {
        let within = self.settings.first_token_within;
        let asked = async {
            let response = (self.client.get(self.place.models.clone()))
                .headers(self.place.place.headers.clone())
                .send()
                .await
                .map_err(unreachable)?;
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            // Read to its end, so that the connection can be used again.
            let body = read_bounded(response, LARGEST_ANSWER).await;
            if matches!(status, 401 | 403) {
                let body = body.unwrap_or_default();
                return Err(Failure::refused(status, &headers, &body));
            }
            Ok(())
        };
        timeout(within, asked).await.unwrap_or(Err(Failure::Late {
            what: "first token",
            within,
        }))
    }

    /// Serves at most `rows` replies at once. Must be called inside a tokio runtime.
    pub fn serve(self, rows: usize) -> EngineClient<Prompt, ReplyPiece> {
        serve_by_tasks(rows, move |mut row| {
            let server = self.clone();
            async move {
                let Some(prompt) = row.inputs.recv().await else {
                    return;
                };
                tokio::select! {
                    // Barge-in: dropping the reply closes its request.
                    () = row.outputs.closed() => {}
                    () = server.reply(&prompt, &row) => {}
                }
            }
        })
    }

    async fn reply(&self, prompt: &Prompt, row: &Row<Prompt, ReplyPiece>) {
        let body = Bytes::from(request::body(&self.settings, prompt).to_string());
        let mut wait = FIRST_WAIT;
        for attempt in 1..=self.settings.attempts {
            let (failure, wrote) = match self.attempt(body.clone(), joint(prompt), row).await {
                Ok(()) => return,
                Err(failed) => failed,
            };
            let asked = failure.wait().unwrap_or(Duration::ZERO);
            let again = !wrote
                && attempt < self.settings.attempts
                && failure.may_pass()
                && asked <= self.settings.retry_wait_at_most;
            if !again {
                tracing::warn!(attempt, wrote, reason = %failure, "the chat server failed");
                return;
            }
            let pause = asked.max(jittered(wait));
            tracing::info!(attempt, reason = %failure, ?pause, "asking the chat server again");
            tokio::time::sleep(pause).await;
            wait *= 2;
        }
    }

    /// One request. An error says whether something had been written by then. `joint` goes before
    /// the first text.
    async fn attempt(
        &self,
        body: Bytes,
        joint: &str,
        row: &Row<Prompt, ReplyPiece>,
    ) -> Result<(), (Failure, bool)> {
        let mut wrote = false;
        let written = self.request(body, joint, row, &mut wrote).await;
        written.map_err(|failure| (failure, wrote))
    }

    async fn request(
        &self,
        body: Bytes,
        joint: &str,
        row: &Row<Prompt, ReplyPiece>,
        wrote: &mut bool,
    ) -> Result<(), Failure> {
        let first = self.settings.first_token_within;
        let late = |what, within| move |_| Failure::Late { what, within };
        let begun = timeout(first, self.begin(body)).await;
        let (mut reading, mut text) = begun.map_err(late("first token", first))??;
        let next = self.settings.next_token_within;
        loop {
            if !text.is_empty() {
                if !*wrote && !text.starts_with(char::is_whitespace) {
                    text.insert_str(0, joint);
                }
                *wrote = true;
                if row.outputs.send(ReplyPiece::Text(text)).await.is_err() {
                    return Ok(());
                }
            }
            for part in reading.assembly.take_parts() {
                *wrote = true;
                let PartOfCall { id, name, delta } = part;
                let part = ReplyPiece::ToolArguments { id, name, delta };
                if row.outputs.send(part).await.is_err() {
                    return Ok(());
                }
            }
            if reading.assembly.is_finished() {
                break;
            }
            let advanced = timeout(next, reading.advance()).await;
            text = advanced.map_err(late("next token", next))??;
        }
        for call in reading.assembly.take_calls() {
            *wrote = true;
            if row.outputs.send(ReplyPiece::ToolCall(call)).await.is_err() {
                return Ok(());
            }
        }
        // Counts come after the last word, from servers that count.
        let counted = async {
            while !reading.assembly.is_counted() && !reading.ended {
                if reading.advance().await.is_err() {
                    break;
                }
            }
        };
        let _ = timeout(AFTERWARDS, counted).await;
        let end = ReplyPiece::End(reading.assembly.end());
        if row.outputs.send(end).await.is_ok() {
            // A body read to its end leaves the connection for the next reply.
            let _ = timeout(AFTERWARDS, reading.drain()).await;
        }
        Ok(())
    }

    /// Asks, and reads up to the first sign of life. Returns the first text too.
    async fn begin(&self, body: Bytes) -> Result<(Reading, String), Failure> {
        let response = (self.client.post(self.place.completions.clone()))
            .headers(self.place.place.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("accept", "text/event-stream")
            .body(body)
            .send()
            .await
            .map_err(unreachable)?;
        if response.status().as_u16() != 200 {
            return Err(refusal(response).await);
        }
        let mut reading = Reading {
            whole: is_json(response.headers()),
            response,
            events: Events::default(),
            assembly: Assembly::default(),
            ended: false,
        };
        let mut text = String::new();
        while !reading.assembly.is_alive() {
            text.push_str(&reading.advance().await?);
        }
        Ok((reading, text))
    }
}

/// A reply being read.
struct Reading {
    response: Response,
    events: Events,
    assembly: Assembly,
    /// The server does not stream.
    whole: bool,
    /// Nothing more will come.
    ended: bool,
}

impl Reading {
    /// Reads what comes next and returns its text; may be empty.
    async fn advance(&mut self) -> Result<String, Failure> {
        if self.whole {
            return self.read_whole().await;
        }
        loop {
            while let Some(event) = self.events.next() {
                if event.trim() == "[DONE]" {
                    self.ended = true;
                    return self.assembly.close(true);
                }
                if event.trim().is_empty() {
                    continue;
                }
                let chunk: Value =
                    serde_json::from_str(&event).map_err(|error| malformed(&error))?;
                return self.assembly.push(&chunk);
            }
            if self.ended {
                return self.assembly.close(false);
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.events.push(&bytes),
                Ok(None) => {
                    self.ended = true;
                    self.events.finish()
                }
                Err(error) => return Err(Failure::Broken(error.without_url().to_string())),
            }
            .map_err(|error| Failure::Malformed(error.to_string()))?;
        }
    }

    async fn read_whole(&mut self) -> Result<String, Failure> {
        if self.ended {
            return self.assembly.close(false);
        }
        let mut body = Vec::new();
        while let Some(bytes) = self.response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&bytes);
            if body.len() > LARGEST_ANSWER {
                return Err(Failure::Malformed("the answer does not end".into()));
            }
        }
        self.ended = true;
        let completion: Value = serde_json::from_slice(&body).map_err(|error| malformed(&error))?;
        let mut text = self.assembly.push(&completion)?;
        text.push_str(&self.assembly.close(true)?);
        Ok(text)
    }

    async fn drain(&mut self) {
        while let Ok(Some(_)) = self.response.chunk().await {}
    }
}

/// Without the text around the mistake, which may be part of the reply.
fn malformed(error: &serde_json::Error) -> Failure {
    let (line, column) = (error.line(), error.column());
    Failure::Malformed(format!("no JSON at line {line} column {column}"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("application/json"))
}

async fn read_bounded(response: Response, most: usize) -> Option<Vec<u8>> {
    let body = read_beginning(response, most).await;
    (body.len() < most).then_some(body)
}
