//! The dialect against written-out transcripts, hostile input, random orders, and other people's
//! readers of the same protocol.
#![allow(clippy::unwrap_used)]
mod catalogue;
mod complete;
mod golden;
mod hostile;
mod invariants;
mod requests;
mod settings;
mod sound;

use std::time::Duration;

use serde_json::{Value, json};
use voiced_core::{
    engine::ReplyEnd,
    epoch::Epoch,
    playout::{FRAME, PlayoutFrame},
    turn::{CallEvent, Command, ItemId, ReplyOutcome, Settings},
};

use super::{Carrier, Dialect, DialectOptions, Received, SessionKind, session::SessionDefaults};

/// A session as the daemon makes them.
fn options(carrier: Carrier) -> DialectOptions {
    DialectOptions {
        carrier,
        kind: SessionKind::Conversation,
        name: "t".into(),
        strict: true,
        extensions: false,
        expires_at: Some(1_800_000_000),
    }
}

/// A dialect that was opened, its transcript so far forgotten.
fn dialect(carrier: Carrier) -> Dialect {
    let mut dialect = Dialect::new(options(carrier), SessionDefaults::default());
    dialect.opened();
    dialect
}

fn id(name: &str) -> ItemId {
    ItemId::from(name)
}

fn events(lines: Vec<String>) -> Vec<Value> {
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Sends one client event.
fn send(dialect: &mut Dialect, event: &Value) -> Received {
    dialect.received(&event.to_string())
}

/// Sends one client event that is to be answered at once by exactly one event.
fn answer(dialect: &mut Dialect, event: &Value) -> Value {
    let mut replies = events(send(dialect, event).replies);
    assert_eq!(replies.len(), 1, "{event} was answered by {replies:?}");
    replies.remove(0)
}

/// Sends one client event that is to become exactly one command.
fn command(dialect: &mut Dialect, event: &Value) -> Command {
    let mut received = send(dialect, event);
    assert_eq!(received.replies, Vec::<String>::new(), "{event}");
    assert_eq!(received.commands.len(), 1, "{event}");
    received.commands.remove(0).1
}

fn started(epoch: u64, item: &str, spoken: bool) -> CallEvent {
    CallEvent::ReplyStarted {
        epoch: Epoch(epoch),
        item: id(item),
        previous: None,
        spoken,
        asked: None,
    }
}

fn text(epoch: u64, text: &str) -> CallEvent {
    CallEvent::ReplyText {
        epoch: Epoch(epoch),
        text: text.into(),
    }
}

fn ended(epoch: u64, item: &str, outcome: ReplyOutcome, written: &str, heard: usize) -> CallEvent {
    CallEvent::ReplyEnded {
        epoch: Epoch(epoch),
        item: id(item),
        outcome,
        written: written.into(),
        heard,
        audio: Duration::from_millis(100),
        end: ReplyEnd::default(),
    }
}

fn frame(epoch: u64, level: f32) -> PlayoutFrame {
    PlayoutFrame {
        epoch: Epoch(epoch),
        samples: [level; FRAME],
        is_last: false,
    }
}

fn last_frame(epoch: u64) -> PlayoutFrame {
    PlayoutFrame {
        is_last: true,
        ..frame(epoch, 0.0)
    }
}

/// Tells the dialect all of it and gathers what the client sees.
fn tell(dialect: &mut Dialect, calls: impl IntoIterator<Item = CallEvent>) -> Vec<Value> {
    calls
        .into_iter()
        .flat_map(|event| events(dialect.told(event)))
        .collect()
}

/// Sends an update; what it is answered by, and the settings it becomes.
fn answer_and_settings(dialect: &mut Dialect, event: &Value) -> (Value, Settings) {
    let mut received = send(dialect, event);
    let Command::Configure(settings) = received.commands.remove(0).1 else {
        panic!("{event}");
    };
    (events(received.replies).remove(0), settings)
}

/// The types of the events, without what is common to all.
fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|e| e["type"].as_str().unwrap()).collect()
}

fn update(session: &Value) -> Value {
    let mut session = session.clone();
    session["type"] = json!("realtime");
    json!({"type": "session.update", "session": session})
}
