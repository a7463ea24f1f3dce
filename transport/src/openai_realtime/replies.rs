//! A reply as the wire's response: opened with its first words, filled by deltas, closed once.
//! Guarantees that every part that was added is done, and nothing follows `response.done`.
use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use voiced_core::{
    engine::ReplyEnd,
    epoch::Epoch,
    playout::PlayoutFrame,
    turn::{ItemId, ReplyOutcome, ToolCall},
};

use super::{
    Carrier, Dialect,
    asked::Overrides,
    events::{Part, Place, ServerEvent},
    items,
    outcome::{is_whole, outcome_word, status, usage},
    session::{max_tokens_to_wire, modality},
    sound::SoundOut,
};

/// The reply being made, and the settings it was begun with: later changes are for the next one.
pub(super) struct Reply {
    pub epoch: Epoch,
    pub id: String,
    pub item: ItemId,
    previous: Option<ItemId>,
    spoken: bool,
    overrides: Overrides,
    voice: String,
    /// Position of the message in the response, once it has words.
    message: Option<u32>,
    text: String,
    /// Finished items by position.
    done: BTreeMap<u32, Value>,
    next_index: u32,
    sound: SoundOut,
    /// The first audio has left.
    sounding: bool,
    /// All of the audio has left.
    sounded: bool,
    /// The item was cut while the reply was open; told once it is closed.
    pub cut: Option<Duration>,
}

/// How a reply ended, as `CallEvent::ReplyEnded` has it.
pub(super) struct Ending {
    pub outcome: ReplyOutcome,
    pub written: String,
    pub heard: usize,
    pub end: ReplyEnd,
}

impl Reply {
    fn at(&self, output_index: u32) -> Place<'_> {
        Place {
            response_id: &self.id,
            item_id: &self.item.0,
            output_index,
            content_index: 0,
        }
    }

    fn to_wire(&self, conversation: &str, status: &str, details: &Value, usage: &Value) -> Value {
        json!({
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": self.done.values().collect::<Vec<_>>(),
            "conversation_id": conversation,
            "output_modalities": [modality(self.spoken)],
            "max_output_tokens": max_tokens_to_wire(self.overrides.max_tokens),
            "audio": {"output": {
                "format": self.overrides.format.to_wire(),
                "voice": self.voice,
            }},
            "metadata": self.overrides.metadata,
            "usage": usage,
        })
    }
}

impl Dialect {
    /// The response id of a reply; known before and after the reply is open.
    pub(super) fn response_id(&self, epoch: Epoch) -> String {
        format!("resp_{}_{}", self.name, epoch.0)
    }

    fn conversation_id(&self) -> String {
        format!("conv_{}", self.name)
    }

    pub(super) fn reply_started(
        &mut self,
        epoch: Epoch,
        item: ItemId,
        previous: Option<ItemId>,
        spoken: bool,
        overrides: Option<Overrides>,
    ) {
        // A reply that was never closed would leave its client waiting for ever.
        self.abandon_reply();
        let overrides = overrides.unwrap_or(Overrides {
            metadata: Value::Null,
            format: self.session.output_format,
            voice: None,
            max_tokens: self.session.max_output_tokens,
        });
        let reply = Reply {
            epoch,
            id: self.response_id(epoch),
            item,
            previous,
            spoken,
            voice: overrides
                .voice
                .clone()
                .unwrap_or_else(|| self.session.voice_shown().to_owned()),
            message: None,
            text: String::new(),
            done: BTreeMap::new(),
            next_index: 0,
            sound: SoundOut::new(overrides.format),
            sounding: false,
            sounded: false,
            cut: None,
            overrides,
        };
        let conversation = self.conversation_id();
        let response = reply.to_wire(&conversation, "in_progress", &Value::Null, &Value::Null);
        self.out.send(ServerEvent::ResponseCreated {
            response: &response,
        });
        self.reply = Some(reply);
    }

    /// The open reply of `epoch`.
    fn open_reply(&mut self, epoch: Epoch) -> Option<&mut Reply> {
        self.reply.as_mut().filter(|reply| reply.epoch == epoch)
    }

    pub(super) fn reply_text(&mut self, epoch: Epoch, text: &str) {
        if text.is_empty() || self.open_reply(epoch).is_none() {
            return;
        }
        self.open_message();
        let Some(reply) = &mut self.reply else { return };
        let Some(index) = reply.message else { return };
        reply.text.push_str(text);
        let at = reply.at(index);
        self.out.send(if reply.spoken {
            ServerEvent::TranscriptDelta { at, delta: text }
        } else {
            ServerEvent::TextDelta { at, delta: text }
        });
    }

    /// Adds the message to the response and to the conversation, if that was not done yet.
    fn open_message(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        if reply.message.is_some() {
            return;
        }
        let index = reply.next_index;
        reply.next_index += 1;
        reply.message = Some(index);
        let item = items::said_by_agent(&reply.item, "in_progress", reply.spoken, None);
        self.out.send(ServerEvent::OutputItemAdded {
            response_id: &reply.id,
            output_index: index,
            item: &item,
        });
        let previous = self
            .items
            .insert(&reply.item, reply.previous.as_ref(), item.clone());
        self.out.send(ServerEvent::ItemAdded {
            previous_item_id: previous.as_deref(),
            item: &item,
        });
        let part = if reply.spoken {
            Part::Audio { transcript: "" }
        } else {
            Part::Text { text: "" }
        };
        self.out.send(ServerEvent::ContentPartAdded {
            at: reply.at(index),
            part,
        });
    }

    /// A call that the client is to carry out: a whole item at once.
    pub(super) fn client_tool_called(&mut self, epoch: Epoch, item: &ItemId, call: &ToolCall) {
        let Some(reply) = self.open_reply(epoch) else {
            return;
        };
        let index = reply.next_index;
        reply.next_index += 1;
        let response_id = reply.id.clone();
        let wire = items::called_by_agent(item, "in_progress", call, "");
        self.out.send(ServerEvent::OutputItemAdded {
            response_id: &response_id,
            output_index: index,
            item: &wire,
        });
        let previous = self.items.append(item, wire.clone());
        self.out.send(ServerEvent::ItemAdded {
            previous_item_id: previous.as_deref(),
            item: &wire,
        });
        self.out.send(ServerEvent::ArgumentsDelta {
            response_id: &response_id,
            item_id: &item.0,
            output_index: index,
            call_id: &call.id,
            delta: &call.arguments,
        });
        self.out.send(ServerEvent::ArgumentsDone {
            response_id: &response_id,
            item_id: &item.0,
            output_index: index,
            call_id: &call.id,
            name: &call.name,
            arguments: &call.arguments,
        });
        let wire = items::called_by_agent(item, "completed", call, &call.arguments);
        self.item_done(&response_id, index, item, &wire);
        if let Some(reply) = self.open_reply(epoch) {
            reply.done.insert(index, wire);
        }
    }

    /// A call that is carried out here: shown as an item, the client would carry it out too.
    pub(super) fn own_tool_called(&mut self, epoch: Epoch, call: &ToolCall) {
        if self.extensions {
            let response_id = self.response_id(epoch);
            self.out.send(ServerEvent::VoicedToolCalled {
                response_id: &response_id,
                call_id: &call.id,
                name: &call.name,
                arguments: &call.arguments,
            });
        }
    }

    /// The answer to such a call.
    pub(super) fn own_tool_returned(&mut self, epoch: Epoch, call: &str, output: &str) {
        if self.extensions {
            let response_id = self.response_id(epoch);
            self.out.send(ServerEvent::VoicedToolReturned {
                response_id: &response_id,
                call_id: call,
                output,
            });
        }
    }

    fn item_done(&mut self, response_id: &str, index: u32, item: &ItemId, wire: &Value) {
        self.items.replace(item, wire.clone());
        self.out.send(ServerEvent::ItemDone {
            previous_item_id: self.items.before(item).as_deref(),
            item: wire,
        });
        self.out.send(ServerEvent::OutputItemDone {
            response_id,
            output_index: index,
            item: wire,
        });
    }

    /// The next 20 ms that left for the client.
    pub(super) fn frame_played(&mut self, frame: &PlayoutFrame) {
        if self
            .open_reply(frame.epoch)
            .is_none_or(|reply| !reply.spoken)
        {
            return;
        }
        if !frame.is_last {
            self.open_message();
        }
        let carrier = self.carrier;
        let Some(reply) = &mut self.reply else { return };
        if frame.is_last {
            reply.sounded = true;
        } else if !reply.sounding {
            reply.sounding = true;
            if carrier == Carrier::WebRtc {
                self.out.send(ServerEvent::OutputStarted {
                    response_id: &reply.id,
                });
            }
        }
        if carrier == Carrier::WebSocket
            && let Some(index) = reply.message
        {
            let delta = if frame.is_last {
                reply.sound.finish()
            } else {
                reply.sound.give(&frame.samples)
            };
            if !delta.is_empty() {
                self.out.send(ServerEvent::AudioDelta {
                    at: reply.at(index),
                    delta: &delta,
                });
            }
        }
    }

    pub(super) fn reply_ended(&mut self, epoch: Epoch, ending: &Ending) {
        let Some(open) = self.open_reply(epoch) else {
            return;
        };
        // Words that were written and not told one by one: an apology, a late piece.
        let rest = ending.written.strip_prefix(open.text.as_str());
        if let Some(rest) = rest.filter(|_| is_whole(&ending.outcome)) {
            self.reply_text(epoch, rest);
        }
        let Some(mut reply) = self.reply.take() else {
            return;
        };
        self.close_message(&mut reply, &ending.outcome);
        let conversation = self.conversation_id();
        let (status, details) = status(&ending.outcome);
        let response = reply.to_wire(&conversation, status, &details, &usage(&ending.end));
        self.out.send(ServerEvent::ResponseDone {
            response: &response,
        });
        if self.carrier == Carrier::WebRtc && reply.sounding {
            let response_id = reply.id.as_str();
            self.out
                .send(if reply.sounded || is_whole(&ending.outcome) {
                    ServerEvent::OutputStopped { response_id }
                } else {
                    ServerEvent::OutputCleared { response_id }
                });
        }
        let heard = ending.written.get(..ending.heard);
        if !is_whole(&ending.outcome) && reply.spoken {
            // From now on only what was heard is shown.
            self.items
                .set_transcript(&reply.item, heard.unwrap_or_default());
        }
        if let Some(audio_end) = reply.cut {
            self.item_truncated(&reply.item, audio_end);
        }
        if self.extensions {
            self.out.send(ServerEvent::VoicedEnded {
                response_id: &reply.id,
                item_id: &reply.item.0,
                outcome: outcome_word(&ending.outcome),
                text: &ending.written,
                heard_text: heard.unwrap_or(&ending.written),
            });
        }
    }

    fn close_message(&mut self, reply: &mut Reply, outcome: &ReplyOutcome) {
        let Some(index) = reply.message else { return };
        let status = match outcome {
            ReplyOutcome::Completed => "completed",
            _ => "incomplete",
        };
        let at = reply.at(index);
        let text = reply.text.as_str();
        if reply.spoken {
            self.out.send(ServerEvent::AudioDone { at });
            self.out.send(ServerEvent::TranscriptDone {
                at,
                transcript: text,
            });
        } else {
            self.out.send(ServerEvent::TextDone { at, text });
        }
        let part = if reply.spoken {
            Part::Audio { transcript: text }
        } else {
            Part::Text { text }
        };
        self.out.send(ServerEvent::ContentPartDone { at, part });
        let wire = items::said_by_agent(&reply.item, status, reply.spoken, Some(text));
        self.item_done(&reply.id, index, &reply.item, &wire);
        reply.done.insert(index, wire);
    }

    /// Closes a reply whose end was never told.
    pub(super) fn abandon_reply(&mut self) {
        let Some(reply) = &self.reply else { return };
        let epoch = reply.epoch;
        let ending = Ending {
            outcome: ReplyOutcome::Failed("the reply was abandoned".into()),
            written: reply.text.clone(),
            heard: 0,
            end: ReplyEnd::default(),
        };
        self.reply_ended(epoch, &ending);
    }
}
