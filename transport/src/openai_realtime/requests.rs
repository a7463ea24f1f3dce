//! Client events: read, checked, and turned into commands, audio or an immediate answer. Nothing a
//! client can send ends the session; what does not fit is answered by `error`.
use serde_json::Value;
use voiced_core::{
    audio::SampleRate,
    turn::{Command, ItemId, Settings},
};

use super::{
    Carrier, Dialect, Received, SessionKind,
    asked::{Kind, commit_empty},
    events::{ServerEvent, WireError},
    fields::Fields,
    items::{self, Given},
    sound::SoundIn,
};

/// Least audio that can be committed.
const LEAST_COMMIT_MS: u64 = 100;
/// Longest `event_id` of a client.
const MAX_EVENT_ID: usize = 512;

pub(super) const CLIENT_EVENTS: [&str; 12] = [
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "output_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "conversation.item.truncate",
    "response.create",
    "response.cancel",
    "voiced.say",
];

/// What there is to ask for where nobody answers.
const FOR_TRANSCRIPTION: [&str; 4] = [
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
];

/// What every client event may have.
const EVERY: [&str; 2] = ["type", "event_id"];

impl Dialect {
    pub(super) fn request(&mut self, text: &str) -> Received {
        let mut received = Received::default();
        let event: Value = match serde_json::from_str(text) {
            Ok(event) => event,
            Err(error) => {
                let error = WireError::new(
                    "invalid_json",
                    format!("The event is not valid JSON: {error}."),
                    None,
                );
                self.out.error(&error, None);
                return received;
            }
        };
        // Echoed whatever else is wrong, so that the client can tell which of its events failed.
        let noise = self.session.noise_reduction();
        let event_id = event
            .get("event_id")
            .and_then(Value::as_str)
            .filter(|id| id.len() <= MAX_EVENT_ID);
        let answered = Fields::new("", &event, self.strict)
            .and_then(|fields| self.dispatch(&fields, event_id, &mut received));
        if let Err(error) = answered {
            self.out.error(&error, event_id);
        }
        let now = self.session.noise_reduction();
        received.noise = (now != noise).then_some(now);
        received
    }

    fn dispatch(
        &mut self,
        event: &Fields<'_>,
        event_id: Option<&str>,
        received: &mut Received,
    ) -> Result<(), WireError> {
        if event.string("event_id")?.is_some() && event_id.is_none() {
            return Err(event.invalid(
                "event_id",
                format!("An event_id has at most {MAX_EVENT_ID} characters."),
            ));
        }
        let kind = event.required_string("type")?;
        if self.session.kind == SessionKind::Transcription && !FOR_TRANSCRIPTION.contains(&kind) {
            return Err(event.unsupported("type", kind, &FOR_TRANSCRIPTION));
        }
        match kind {
            "session.update" => self.session_update(event, event_id, received),
            "input_audio_buffer.append" => self.append(event, received),
            "input_audio_buffer.commit" => self.commit(event, event_id, received),
            "input_audio_buffer.clear" => {
                event.only(&EVERY)?;
                self.uncommitted = 0;
                self.recall.cleared();
                self.command(received, Kind::Quiet, event_id, Command::Clear);
                Ok(())
            }
            "output_audio_buffer.clear" => self.clear_output(event, event_id, received),
            "conversation.item.create" => self.create_item(event, event_id, received),
            "conversation.item.delete" => {
                event.only(&["type", "event_id", "item_id"])?;
                let item = ItemId::from(event.required_string("item_id")?);
                self.command(received, Kind::Delete, event_id, Command::DeleteItem(item));
                Ok(())
            }
            "conversation.item.retrieve" => self.retrieve(event),
            "conversation.item.truncate" => self.truncate(event, event_id, received),
            "response.create" => self.create_response(event, event_id, received),
            "response.cancel" => self.cancel(event, event_id, received),
            "voiced.say" if self.extensions => {
                event.only(&["type", "event_id", "text"])?;
                let text = event.required_string("text")?;
                if text.trim().is_empty() || text.len() > items::MAX_TEXT {
                    return Err(event.invalid("text", "Expected words to say."));
                }
                self.command(received, Kind::Quiet, event_id, Command::Say(text.into()));
                Ok(())
            }
            other => {
                let known = CLIENT_EVENTS.len() - usize::from(!self.extensions);
                Err(event.unsupported("type", other, &CLIENT_EVENTS[..known]))
            }
        }
    }

    fn command(
        &mut self,
        received: &mut Received,
        kind: Kind,
        event_id: Option<&str>,
        command: Command,
    ) {
        let id = self.asked.note(kind, event_id);
        received.commands.push((id, command));
    }

    /// Takes a session object: `session.update`, or what came with a secret or an offer.
    pub(super) fn take_session(&mut self, update: &Fields<'_>) -> Result<Settings, WireError> {
        let (session, settings) = self.session.updated(update)?;
        if session.input_format != self.sound_in.format() {
            self.sound_in = SoundIn::new(session.input_format);
        }
        self.session = session;
        Ok(settings)
    }

    fn session_update(
        &mut self,
        event: &Fields<'_>,
        event_id: Option<&str>,
        received: &mut Received,
    ) -> Result<(), WireError> {
        event.only(&["type", "event_id", "session"])?;
        let Some(update) = event.object("session")? else {
            return Err(event.missing("session"));
        };
        let settings = self.take_session(&update)?;
        if settings != Settings::default() {
            self.command(
                received,
                Kind::Quiet,
                event_id,
                Command::Configure(settings),
            );
        }
        self.out.send(ServerEvent::SessionUpdated {
            session: &self.session.to_wire(),
        });
        Ok(())
    }

    fn append(&mut self, event: &Fields<'_>, received: &mut Received) -> Result<(), WireError> {
        event.only(&["type", "event_id", "audio"])?;
        if self.carrier == Carrier::WebRtc {
            return Err(wrong_transport("input_audio_buffer.append", "WebSocket"));
        }
        received.audio = self.sound_in.take(event.required_string("audio")?)?;
        self.recall.hear(&received.audio);
        self.uncommitted += received.audio.len() as u64;
        Ok(())
    }

    fn commit(
        &mut self,
        event: &Fields<'_>,
        event_id: Option<&str>,
        received: &mut Received,
    ) -> Result<(), WireError> {
        event.only(&EVERY)?;
        // With voice activity the conversation knows what is uncommitted, as long as there is any;
        // without, only we do.
        let least = match self.session.is_manual() {
            true => u64::from(SampleRate::HEARING.hz()) * LEAST_COMMIT_MS / 1_000,
            false => 1,
        };
        let too_little = self.uncommitted < least;
        if self.carrier == Carrier::WebSocket && too_little {
            return Err(commit_empty());
        }
        self.uncommitted = 0;
        self.recall.commit_asked();
        self.command(received, Kind::Commit, event_id, Command::Commit);
        Ok(())
    }

    fn clear_output(
        &mut self,
        event: &Fields<'_>,
        event_id: Option<&str>,
        received: &mut Received,
    ) -> Result<(), WireError> {
        event.only(&EVERY)?;
        if self.carrier == Carrier::WebSocket {
            return Err(wrong_transport("output_audio_buffer.clear", "WebRTC"));
        }
        // A reply is not over before it was heard, so clearing what is left of it is ending it.
        if self.reply.is_some() {
            self.command(received, Kind::Quiet, event_id, Command::Cancel);
        }
        Ok(())
    }

    fn create_item(
        &mut self,
        event: &Fields<'_>,
        event_id: Option<&str>,
        received: &mut Received,
    ) -> Result<(), WireError> {
        event.only(&["type", "event_id", "previous_item_id", "item"])?;
        let place = items::read_place(event)?;
        let Some(item) = event.object("item")? else {
            return Err(event.missing("item"));
        };
        let (id, given) = items::read_item(&item, self.session.takes())?;
        let mut message = match given {
            Given::Message(message) => message,
            Given::Approval {
                request,
                approve,
                reason,
            } => {
                let command = Command::Approve {
                    id,
                    request,
                    approve,
                    reason,
                };
                self.command(received, Kind::Approve, event_id, command);
                return Ok(());
            }
        };
        for call in &mut message.tool_calls {
            if call.id.is_empty() {
                self.named += 1;
                call.id = format!("call_{}_{}", self.name, self.named);
            }
        }
        let command = Command::AddItem { id, place, message };
        self.command(received, Kind::Create, event_id, command);
        Ok(())
    }

    fn retrieve(&mut self, event: &Fields<'_>) -> Result<(), WireError> {
        event.only(&["type", "event_id", "item_id"])?;
        let item = ItemId::from(event.required_string("item_id")?);
        match self.items.get(&item) {
            Some(wire) => {
                let (input, output) = (self.session.input_format, self.session.output_format);
                let mut wire = wire.clone();
                // Beside the events there is no audio, and no room for it in them.
                let audio = (self.carrier == Carrier::WebSocket)
                    .then(|| self.recall.sound_of(&item, input, output))
                    .flatten();
                if let (Some(audio), Some(part)) = (audio, wire.pointer_mut("/content/0"))
                    && (part["type"] == "input_audio" || part["type"] == "output_audio")
                {
                    part["audio"] = Value::String(audio);
                }
                self.out.send(ServerEvent::ItemRetrieved { item: &wire });
                Ok(())
            }
            None => Err(WireError::new(
                "item_retrieve_invalid_item_id",
                "Error retrieving item: there is no item with this item_id.",
                Some("item_id".into()),
            )),
        }
    }

    fn truncate(
        &mut self,
        event: &Fields<'_>,
        event_id: Option<&str>,
        received: &mut Received,
    ) -> Result<(), WireError> {
        event.only(&[
            "type",
            "event_id",
            "item_id",
            "content_index",
            "audio_end_ms",
        ])?;
        let item = ItemId::from(event.required_string("item_id")?);
        match event.integer("content_index", 0..=u64::from(u32::MAX))? {
            Some(0) => {}
            Some(_) => return Err(event.invalid("content_index", "Expected 0.")),
            None => return Err(event.missing("content_index")),
        }
        // A day: longer than any call, so that what clients measure wrongly is merely clamped.
        let Some(end) = event.integer("audio_end_ms", 0..=86_400_000)? else {
            return Err(event.missing("audio_end_ms"));
        };
        let command = Command::Truncate {
            item: item.clone(),
            audio_end: std::time::Duration::from_millis(end),
        };
        self.command(received, Kind::Truncate(item), event_id, command);
        Ok(())
    }

    fn cancel(
        &mut self,
        event: &Fields<'_>,
        event_id: Option<&str>,
        received: &mut Received,
    ) -> Result<(), WireError> {
        event.only(&["type", "event_id", "response_id"])?;
        if let Some(response_id) = event.string("response_id")?
            && let Some((id, _)) = (self.asides.iter()).find(|(_, reply)| reply.id == response_id)
        {
            let command = Command::CancelAside(*id);
            self.command(received, Kind::Cancel, event_id, command);
            return Ok(());
        }
        if let Some(response_id) = event.string("response_id")?
            && self
                .reply
                .as_ref()
                .is_none_or(|(_, reply)| reply.id != response_id)
        {
            return Err(WireError::new(
                "response_cancel_not_active",
                "Cancellation failed: no active response found with this response_id",
                Some("response_id".into()),
            ));
        }
        self.command(received, Kind::Cancel, event_id, Command::Cancel);
        Ok(())
    }
}

fn wrong_transport(event: &str, transport: &str) -> WireError {
    WireError::new(
        "invalid_event_for_transport",
        format!("'{event}' is for {transport} sessions only."),
        Some("type".into()),
    )
}
