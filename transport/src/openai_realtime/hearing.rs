//! Call events that are not part of a reply: the caller's speech and words, items, refusals, and
//! the end of the call.
use std::time::Duration;

use voiced_core::turn::{CallEvent, CommandId, EndReason, ItemId, Message, Refusal, TurnTimes};

use super::{
    Carrier, Dialect,
    captions::Caption,
    events::{ServerEvent, TranscriptionUsage, WireError},
    items,
};

/// Items whose words are still awaited: one being spoken, one being finished, and room.
const CAPTIONS: usize = 8;

impl Dialect {
    pub(super) fn heard(&mut self, event: CallEvent) {
        match event {
            CallEvent::SpeechStarted { item, at } if !self.session.is_manual() => {
                self.out.send(ServerEvent::SpeechStarted {
                    audio_start_ms: millis(at),
                    item_id: &item.0,
                });
            }
            CallEvent::SpeechStopped { item, at } if !self.session.is_manual() => {
                self.out.send(ServerEvent::SpeechStopped {
                    audio_end_ms: millis(at),
                    item_id: &item.0,
                });
            }
            CallEvent::Partial { item, text } => self.partial(item, &text),
            CallEvent::Committed { item, previous } => self.committed(&item, previous.as_ref()),
            CallEvent::UserSaid {
                item, text, audio, ..
            } => self.user_said(&item, &text, audio),
            CallEvent::Discarded { item } => {
                self.captions.retain(|caption| caption.item != item);
                if self.extensions {
                    self.out
                        .send(ServerEvent::VoicedDiscarded { item_id: &item.0 });
                }
            }
            CallEvent::ItemAdded {
                item,
                previous,
                message,
            } => self.item_added(&item, previous.as_ref(), &message),
            CallEvent::ItemDeleted { item } => {
                self.items.remove(&item);
                self.out.send(ServerEvent::ItemDeleted { item_id: &item.0 });
            }
            CallEvent::ItemTruncated { item, audio_end } => self.truncated(&item, audio_end),
            CallEvent::InputCleared => {
                self.uncommitted = 0;
                self.out.send(ServerEvent::InputCleared {});
            }
            CallEvent::Refused { id, refusal } => self.refused(id, refusal),
            CallEvent::TransferRequested { target } if self.extensions => {
                self.out
                    .send(ServerEvent::VoicedTransfer { target: &target });
            }
            CallEvent::TurnTimed(times) if self.extensions => self.timed(&times),
            CallEvent::Ended { reason } => self.call_ended(reason),
            // Speech in a manual session, and extensions nobody asked for; the rest is a reply's.
            _ => {}
        }
    }

    fn partial(&mut self, item: ItemId, text: &str) {
        let known = self.captions.iter().position(|c| c.item == item);
        let at = known.unwrap_or_else(|| {
            if self.captions.len() == CAPTIONS {
                self.captions.remove(0);
            }
            self.captions.push(Caption::new(item.clone()));
            self.captions.len() - 1
        });
        let delta = self.captions[at].partial(text);
        if let Some(delta) = delta.filter(|_| self.session.transcribes()) {
            self.out.send(ServerEvent::TranscriptionDelta {
                item_id: &item.0,
                content_index: 0,
                delta: &delta,
            });
        }
        if self.extensions {
            self.out.send(ServerEvent::VoicedPartial {
                item_id: &item.0,
                text,
            });
        }
    }

    fn committed(&mut self, item: &ItemId, previous: Option<&ItemId>) {
        self.uncommitted = 0;
        let wire = items::spoken_by_user(item);
        let previous = self.items.insert(item, previous, wire.clone());
        let previous_item_id = previous.as_deref();
        self.out.send(ServerEvent::Committed {
            item_id: &item.0,
            previous_item_id,
        });
        self.show_item(previous_item_id, &wire);
    }

    fn show_item(&mut self, previous_item_id: Option<&str>, item: &serde_json::Value) {
        self.out.send(ServerEvent::ItemAdded {
            previous_item_id,
            item,
        });
        self.out.send(ServerEvent::ItemDone {
            previous_item_id,
            item,
        });
    }

    fn user_said(&mut self, item: &ItemId, text: &str, audio: Duration) {
        self.items.set_transcript(item, text);
        let known = self.captions.iter().position(|c| &c.item == item);
        let caption = known.map(|at| self.captions.remove(at));
        if !self.session.transcribes() {
            return;
        }
        let rest = match &caption {
            Some(caption) => caption.rest(text),
            None => Some(text).filter(|text| !text.is_empty()),
        };
        if let Some(delta) = rest {
            self.out.send(ServerEvent::TranscriptionDelta {
                item_id: &item.0,
                content_index: 0,
                delta,
            });
        }
        self.out.send(ServerEvent::TranscriptionCompleted {
            item_id: &item.0,
            content_index: 0,
            transcript: text,
            usage: TranscriptionUsage {
                seconds: audio.as_secs_f64(),
            },
        });
    }

    fn item_added(&mut self, item: &ItemId, previous: Option<&ItemId>, message: &Message) {
        let wire = items::added(item, message);
        let previous = self.items.insert(item, previous, wire.clone());
        self.show_item(previous.as_deref(), &wire);
    }

    fn truncated(&mut self, item: &ItemId, audio_end: Duration) {
        match &mut self.reply {
            Some(reply) if &reply.item == item => reply.cut = Some(audio_end),
            _ => self.item_truncated(item, audio_end),
        }
    }

    /// Tells that an item was cut, where the client is to know.
    pub(super) fn item_truncated(&mut self, item: &ItemId, at: Duration) {
        let asked = self.asked.truncation_of(item);
        // Over a WebSocket the client holds the audio and measures itself what was heard of it.
        let told = asked || self.carrier == Carrier::WebRtc;
        if asked {
            // Which words that leaves nobody knows; unheard ones must not be shown.
            self.items.set_transcript(item, "");
        }
        if told {
            self.out.send(ServerEvent::ItemTruncated {
                item_id: &item.0,
                content_index: 0,
                audio_end_ms: millis(at),
            });
        }
    }

    fn refused(&mut self, id: CommandId, refusal: Refusal) {
        if let Some((error, event_id)) = self.asked.refused(id, refusal) {
            self.out.error(&error, event_id.as_deref());
        }
    }

    fn timed(&mut self, times: &TurnTimes) {
        let response_id = self.response_id(times.epoch);
        self.out.send(ServerEvent::VoicedTimed {
            response_id: &response_id,
            final_ms: times.final_words.map(millis),
            decided_ms: times.decided.map(millis),
            first_text_ms: times.first_text.map(millis),
            first_audio_ms: times.first_audio.map(millis),
            heard_ms: times.heard.map(millis),
        });
    }

    fn call_ended(&mut self, reason: EndReason) {
        self.abandon_reply();
        let error = match reason {
            EndReason::TooLong => Some(WireError::new(
                "session_expired",
                "Your session reached its longest allowed duration.",
                None,
            )),
            EndReason::Draining => Some(WireError::server(
                "server_shutting_down",
                "The server is going down; connect again.",
            )),
            EndReason::Failed => Some(WireError::server(
                "server_error",
                "A part of the call failed; connect again.",
            )),
            EndReason::CallerLeft | EndReason::AgentHungUp | EndReason::NotReading => None,
        };
        if let Some(error) = error {
            self.out.error(&error, None);
        }
        if self.extensions {
            self.out.send(ServerEvent::VoicedCallEnded {
                reason: reason_word(reason),
            });
        }
        self.ended = true;
        self.items = items::Items::default();
        debug_assert!(self.reply.is_none(), "every reply is closed by now");
    }
}

fn reason_word(reason: EndReason) -> &'static str {
    match reason {
        EndReason::CallerLeft => "caller_left",
        EndReason::AgentHungUp => "agent_hung_up",
        EndReason::Draining => "draining",
        EndReason::Failed => "failed",
        EndReason::NotReading => "not_reading",
        EndReason::TooLong => "too_long",
    }
}

pub(super) fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
