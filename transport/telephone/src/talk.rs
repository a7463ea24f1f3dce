//! The conversation's side of a call, whatever carries it: what it is asked, what it tells, and what
//! is written down of it.
use tokio::sync::mpsc;
use voiced_core::turn::{
    CallEvent, Command, CommandId, Message, Place, ReplyOptions, Role, TurnTimes,
};

use crate::record::{CallRecord, Entry, LineQuality, Way, ms};

/// The conversation's side of a call.
pub(crate) struct Talk {
    pub record: CallRecord,
    /// `None` once the conversation has said its last.
    events: Option<mpsc::Receiver<CallEvent>>,
    commands: mpsc::Sender<(CommandId, Command)>,
    times: Option<TurnTimes>,
}

impl Talk {
    pub fn new(
        record: CallRecord,
        commands: mpsc::Sender<(CommandId, Command)>,
        events: mpsc::Receiver<CallEvent>,
    ) -> Talk {
        Talk {
            record,
            events: Some(events),
            commands,
            times: None,
        }
    }

    /// What the conversation tells next; waits for ever once it has said its last.
    pub async fn event(&mut self) -> Option<CallEvent> {
        match &mut self.events {
            Some(events) => events.recv().await,
            None => std::future::pending().await,
        }
    }

    /// The conversation has said its last.
    pub fn silence(&mut self) {
        self.events = None;
    }

    /// Asks the conversation for something; it is not waited for.
    pub async fn command(&self, command: Command) {
        // The session never waits, so there is room or the call is over.
        let _ = self.commands.send((CommandId(0), command)).await;
    }

    /// The caller typed a number: it is said like words.
    pub async fn typed(&mut self, at_ms: u64, keys: &str) {
        self.record.add(Entry::Keys {
            at_ms,
            keys: keys.to_owned(),
        });
        let spaced: Vec<String> = keys.chars().map(String::from).collect();
        self.command(Command::Say(spaced.join(" "))).await;
    }

    /// Notes why the call ended; the first reason counts.
    pub fn ended(&mut self, why: &str) {
        if self.record.ended.is_empty() {
            why.clone_into(&mut self.record.ended);
        }
    }

    /// Tells the model something that happened, and has it speak.
    pub async fn inform(&self, what: String) {
        let message = Message::new(Role::System, what);
        self.command(Command::AddItem {
            id: None,
            place: Place::End,
            message,
        })
        .await;
        self.command(Command::Respond(ReplyOptions::default()))
            .await;
    }

    pub fn note(&mut self, at_ms: u64, event: &CallEvent) {
        match event {
            CallEvent::UserSaid { text, .. } if !text.is_empty() => {
                self.record.add(Entry::Caller {
                    at_ms,
                    text: text.clone(),
                });
            }
            CallEvent::TurnTimed(times) => self.times = Some(*times),
            CallEvent::ReplyEnded {
                epoch,
                written,
                heard,
                ..
            } => {
                let text = written.get(..*heard).unwrap_or(written).to_owned();
                let times = self.times.take().filter(|times| times.epoch == *epoch);
                let latency_ms = times.and_then(|times| times.heard).map(ms);
                if !text.is_empty() {
                    self.record.add(Entry::Agent {
                        at_ms,
                        text,
                        latency_ms,
                    });
                }
            }
            CallEvent::ToolCalled { call, .. } => {
                self.record.add(Entry::Tool {
                    at_ms,
                    name: call.name.clone(),
                });
            }
            _ => {}
        }
    }
}

/// A record of a call of which nothing is known yet but how it began.
pub(crate) fn blank(name: &str, door: &str, way: Way, persona: Option<String>) -> CallRecord {
    CallRecord {
        name: name.to_owned(),
        way,
        door: door.to_owned(),
        from: String::new(),
        to: String::new(),
        persona,
        began: voiced_transport::keys::unix_now(),
        lasted_ms: 0,
        codec: None,
        encrypted: false,
        entries: Vec::new(),
        quality: LineQuality::default(),
        ended: String::new(),
    }
}

/// Writes a finished record down: to the log, and to whoever keeps them.
pub(crate) fn file(record: CallRecord, records: Option<&mpsc::Sender<CallRecord>>) {
    tracing::info!(
        name = record.name,
        door = record.door,
        ended = record.ended,
        lasted_ms = record.lasted_ms,
        codec = record.codec,
        packets = record.quality.packets,
        lost = record.quality.lost,
        jitter_ms = record.quality.jitter_ms,
        mos = record.quality.mos,
        "a call ended"
    );
    if let Some(records) = records
        && records.try_send(record).is_err()
    {
        tracing::warn!("a record of a call was lost: they are not written fast enough");
    }
}
