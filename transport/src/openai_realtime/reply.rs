//! A response being made: opened with its first words, filled by deltas, closed once. Guarantees
//! that every item and part that was added is done, whatever happens to the response.
use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use voiced_core::turn::{ItemId, ReplyOutcome};

use super::{
    asked::Overrides,
    events::{Part, Place, ServerEvent},
    items::{self, Items},
    open_call::OpenCall,
    outbox::Outbox,
    session::{max_tokens_to_wire, modality},
    sound::{SoundOut, Take},
};

/// A response, and the settings it was begun with: later changes are for the next one.
pub(super) struct Reply {
    pub id: String,
    pub item: ItemId,
    pub previous: Option<ItemId>,
    pub spoken: bool,
    pub overrides: Overrides,
    pub voice: String,
    /// Whether it is beside the conversation: its items do not enter that.
    pub outside: bool,
    /// Position of the message in the response, once it has words.
    pub message: Option<u32>,
    pub text: String,
    /// Finished items by position.
    pub done: BTreeMap<u32, Value>,
    pub calls: Vec<OpenCall>,
    next_index: u32,
    pub sound: SoundOut,
    /// What was sent of its sound, to be shown when the item is retrieved.
    pub take: Take,
    /// The first audio has left.
    pub sounding: bool,
    /// All of the audio has left.
    pub sounded: bool,
    /// The item was cut while the reply was open; told once it is closed.
    pub cut: Option<Duration>,
}

impl Reply {
    pub fn new(
        id: String,
        item: ItemId,
        previous: Option<ItemId>,
        spoken: bool,
        voice: String,
        overrides: Overrides,
    ) -> Self {
        Self {
            id,
            item,
            previous,
            spoken,
            voice,
            outside: false,
            message: None,
            text: String::new(),
            done: BTreeMap::new(),
            calls: Vec::new(),
            next_index: 0,
            sound: SoundOut::new(overrides.format),
            take: Take::default(),
            sounding: false,
            sounded: false,
            cut: None,
            overrides,
        }
    }

    pub fn at(&self, output_index: u32) -> Place<'_> {
        Place {
            response_id: &self.id,
            item_id: &self.item.0,
            output_index,
            content_index: 0,
        }
    }

    pub fn take_index(&mut self) -> u32 {
        self.next_index += 1;
        self.next_index - 1
    }

    /// The whole response as the wire shows it. `conversation` is `None` outside of it.
    pub fn to_wire(
        &self,
        conversation: Option<&str>,
        status: &str,
        details: &Value,
        usage: &Value,
    ) -> Value {
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

    /// Adds an item to the response and, unless the response is outside of it, to the conversation.
    pub fn add_item(
        &self,
        out: &mut Outbox,
        items: &mut Items,
        id: &ItemId,
        index: u32,
        item: &Value,
    ) {
        out.send(ServerEvent::OutputItemAdded {
            response_id: &self.id,
            output_index: index,
            item,
        });
        if self.outside {
            return;
        }
        let previous = if *id == self.item {
            items.insert(id, self.previous.as_ref(), item.clone())
        } else {
            items.append(id, item.clone())
        };
        out.send(ServerEvent::ItemAdded {
            previous_item_id: previous.as_deref(),
            item,
        });
    }

    /// Shows an item for the last time.
    pub fn finish_item(
        &mut self,
        out: &mut Outbox,
        items: &mut Items,
        id: &ItemId,
        index: u32,
        item: Value,
    ) {
        if !self.outside {
            items.replace(id, item.clone());
            out.send(ServerEvent::ItemDone {
                previous_item_id: items.before(id).as_deref(),
                item: &item,
            });
        }
        out.send(ServerEvent::OutputItemDone {
            response_id: &self.id,
            output_index: index,
            item: &item,
        });
        self.done.insert(index, item);
    }

    /// More words of the message.
    pub fn write(&mut self, out: &mut Outbox, items: &mut Items, text: &str) {
        if text.is_empty() {
            return;
        }
        let index = self.open_message(out, items);
        self.text.push_str(text);
        let at = self.at(index);
        out.send(if self.spoken {
            ServerEvent::TranscriptDelta { at, delta: text }
        } else {
            ServerEvent::TextDelta { at, delta: text }
        });
    }

    /// Adds the message to the response, if that was not done yet; its position.
    pub fn open_message(&mut self, out: &mut Outbox, items: &mut Items) -> u32 {
        if let Some(index) = self.message {
            return index;
        }
        let index = self.take_index();
        self.message = Some(index);
        let item = items::said_by_agent(&self.item, "in_progress", self.spoken, None);
        self.add_item(out, items, &self.item.clone(), index, &item);
        let part = if self.spoken {
            Part::Audio { transcript: "" }
        } else {
            Part::Text { text: "" }
        };
        out.send(ServerEvent::ContentPartAdded {
            at: self.at(index),
            part,
        });
        index
    }

    /// More sound for a client that holds it itself.
    pub fn sound(&mut self, out: &mut Outbox, samples: Option<&[f32]>) {
        let Some(index) = self.message else { return };
        let delta = match samples {
            Some(samples) => {
                self.take.keep(samples);
                self.sound.give(samples)
            }
            None => self.sound.finish(),
        };
        if !delta.is_empty() {
            out.send(ServerEvent::AudioDelta {
                at: self.at(index),
                delta: &delta,
            });
        }
    }

    /// Closes everything that is open in it.
    pub fn close_items(&mut self, out: &mut Outbox, items: &mut Items, outcome: &ReplyOutcome) {
        for call in std::mem::take(&mut self.calls) {
            call.abandon(self, out, items);
        }
        let Some(index) = self.message else { return };
        let status = match outcome {
            ReplyOutcome::Completed => "completed",
            _ => "incomplete",
        };
        let text = self.text.clone();
        let at = self.at(index);
        if self.spoken {
            out.send(ServerEvent::AudioDone { at });
            out.send(ServerEvent::TranscriptDone {
                at,
                transcript: &text,
            });
        } else {
            out.send(ServerEvent::TextDone { at, text: &text });
        }
        let part = if self.spoken {
            Part::Audio { transcript: &text }
        } else {
            Part::Text { text: &text }
        };
        out.send(ServerEvent::ContentPartDone { at, part });
        let item = items::said_by_agent(&self.item, status, self.spoken, Some(&text));
        self.finish_item(out, items, &self.item.clone(), index, item);
    }
}
