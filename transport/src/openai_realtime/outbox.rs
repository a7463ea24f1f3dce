//! Server events on their way out: numbered, written as JSON, in order.
use serde::Serialize;

use super::events::{ErrorBody, ServerEvent, WireError};

/// Server events on their way out, numbered.
#[derive(Debug)]
pub struct Outbox {
    /// Random part of this connection's event ids.
    name: String,
    sent: u64,
    lines: Vec<String>,
}

#[derive(Serialize)]
struct Numbered<'e, 'a> {
    event_id: &'e str,
    #[serde(flatten)]
    event: &'e ServerEvent<'a>,
}

impl Outbox {
    /// An empty outbox whose ids contain `name`.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            sent: 0,
            lines: Vec::new(),
        }
    }

    /// Numbers an event and keeps it as JSON text.
    pub fn send(&mut self, event: ServerEvent<'_>) {
        self.sent += 1;
        let event_id = format!("event_{}_{}", self.name, self.sent);
        let line = serde_json::to_string(&Numbered {
            event_id: &event_id,
            event: &event,
        })
        .expect("server events have string keys and finite numbers");
        self.lines.push(line);
    }

    /// Sends an `error`, naming the client event that caused it.
    pub fn error(&mut self, error: &WireError, event_id: Option<&str>) {
        self.send(ServerEvent::Error {
            error: ErrorBody {
                kind: error.kind,
                code: Some(error.code),
                message: &error.message,
                param: error.param.as_deref(),
                event_id,
            },
        });
    }

    /// Puts lines back that were taken and are still to be sent first.
    pub fn put_back(&mut self, mut lines: Vec<String>) {
        lines.append(&mut self.lines);
        self.lines = lines;
    }

    /// How many events are waiting.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Takes what is waiting, oldest first.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}
