//! What was said in a call, as heard: the only memory the chat model is given.
//!
//! Invariant: an interrupted reply is remembered up to the last word that was heard, never to what
//! was written.
use std::time::Duration;

use crate::{
    audio::SampleRate,
    turn::{Image, ItemId, Message, Place, Role, ToolCall, Truncation},
};

/// Characters a voice says in a second, for the part of a line whose timing is not known yet.
/// English at a natural pace; an estimate that is replaced as soon as the line is complete.
const CHARS_PER_SECOND: u64 = 14;

/// Which text of a reply has been said when so many of its samples have been played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    written: String,
    /// (samples, bytes of `written` said by then), both growing.
    marks: Vec<(u64, usize)>,
}

impl Ledger {
    /// Appends what the model wrote.
    pub fn write(&mut self, text: &str) {
        self.written.push_str(text);
    }

    /// Notes that the text up to `text_end` has been said when `samples` have been played.
    pub fn mark(&mut self, samples: u64, text_end: usize) {
        let text_end = floor_char(&self.written, text_end);
        if self
            .marks
            .last()
            .is_none_or(|last| last.0 <= samples && last.1 <= text_end)
        {
            self.marks.push((samples, text_end));
        }
    }

    /// All that was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Bytes of the written text heard after `samples`, cut at the last whole word.
    pub fn heard(&self, samples: u64) -> usize {
        let next = self.marks.partition_point(|mark| mark.0 <= samples);
        let (from, said) = match next {
            0 => (0, 0),
            n => self.marks[n - 1],
        };
        let since = samples - from;
        let more = match self.marks.get(next) {
            Some((until, text_end)) => {
                let text = (text_end - said) as u64;
                // `until > samples >= from`, so the divisor is not zero.
                text * since / (until - from)
            }
            None => since * CHARS_PER_SECOND / u64::from(SampleRate::SPEECH.hz()),
        };
        let reached = said + usize::try_from(more).unwrap_or(usize::MAX - said);
        self.word_before(said, reached)
    }

    /// The end of the last whole word in `written[..reached]`, not before `said`.
    fn word_before(&self, said: usize, reached: usize) -> usize {
        if reached >= self.written.len() {
            return self.written.len();
        }
        let reached = floor_char(&self.written, reached);
        if reached <= said {
            return said;
        }
        match self.written[said..reached].rfind(char::is_whitespace) {
            Some(space) => said + space,
            None => said,
        }
    }
}

fn floor_char(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One item of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub id: ItemId,
    /// What it is.
    pub content: Content,
}

impl Item {
    /// How much of a prompt it takes, in bytes; a picture about as much as a paragraph.
    fn size(&self) -> usize {
        const IMAGE: usize = 2_000;
        match &self.content {
            Content::Message { text, images, .. } => text.len() + IMAGE * images.len(),
            Content::Call(call) => call.arguments.len(),
            Content::Answer { output, .. } => output.len(),
            Content::Note => 0,
        }
    }
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Something said or typed, or instructions.
    Message {
        /// By whom.
        role: Role,
        /// As heard.
        text: String,
        /// For what the agent spoke: where its words lie in its audio.
        spoken: Option<Ledger>,
        /// What the caller showed beside it.
        images: Vec<Image>,
    },
    /// Something between the client and the daemon, which no model is told.
    Note,
    /// A call the agent made.
    Call(ToolCall),
    /// Its answer.
    Answer {
        /// `ToolCall::id`.
        call: String,
        /// What the model is told.
        output: String,
    },
}

impl Content {
    /// What a message is as an item.
    pub fn of(message: &Message) -> Content {
        match (&message.answers, message.tool_calls.first()) {
            (Some(call), _) => Content::Answer {
                call: call.clone(),
                output: message.text.clone(),
            },
            (None, Some(call)) => Content::Call(call.clone()),
            (None, None) => Content::Message {
                role: message.role,
                text: message.text.clone(),
                spoken: None,
                images: message.images.clone(),
            },
        }
    }
}

/// Why an item could not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryError {
    /// No item of that name.
    NoSuchItem,
    /// An item of that name exists.
    Duplicate,
    /// The agent did not speak it.
    NotSpoken,
}

/// The items of a call, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    items: Vec<Item>,
    /// The oldest item the model is still given, where items are left out many at once.
    kept_from: Option<ItemId>,
}

impl History {
    /// The items, oldest first.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The newest item.
    pub fn last(&self) -> Option<&ItemId> {
        self.items.last().map(|item| &item.id)
    }

    /// Adds an item the conversation made itself; its name is new by construction.
    pub fn push(&mut self, id: ItemId, content: Content) {
        let called = match &content {
            Content::Call(call) => Some(call.id.clone()),
            _ => None,
        };
        self.items.push(Item { id, content });
        // A client answers a call as soon as it is told of it, which may be before the reply that
        // makes it is part of the history. No model understands an answer before its call.
        let early = called.and_then(|called| {
            let answers = |item: &Item| matches!(&item.content, Content::Answer { call, .. } if *call == called);
            self.items.iter().position(answers)
        });
        if let Some(early) = early {
            let answer = self.items.remove(early);
            self.items.push(answer);
        }
    }

    /// Adds an item at a place; returns the item before it.
    pub fn insert(
        &mut self,
        id: ItemId,
        place: &Place,
        content: Content,
    ) -> Result<Option<ItemId>, HistoryError> {
        if self.position(&id).is_some() {
            return Err(HistoryError::Duplicate);
        }
        let at = match place {
            Place::End => self.items.len(),
            Place::Start => 0,
            Place::After(before) => 1 + self.position(before).ok_or(HistoryError::NoSuchItem)?,
        };
        self.items.insert(at, Item { id, content });
        Ok(at
            .checked_sub(1)
            .map(|before| self.items[before].id.clone()))
    }

    /// Puts other content under a name; ignored when there is no item of that name.
    pub fn replace(&mut self, id: &ItemId, content: Content) {
        if let Some(at) = self.position(id) {
            self.items[at].content = content;
        }
    }

    /// Removes an item.
    pub fn delete(&mut self, id: &ItemId) -> Result<(), HistoryError> {
        let at = self.position(id).ok_or(HistoryError::NoSuchItem)?;
        self.items.remove(at);
        Ok(())
    }

    /// Cuts a spoken item to what its first `audio_end` says. An end beyond its audio changes
    /// nothing: clients measure by their own clock.
    pub fn truncate(&mut self, id: &ItemId, audio_end: Duration) -> Result<(), HistoryError> {
        let at = self.position(id).ok_or(HistoryError::NoSuchItem)?;
        let Content::Message {
            text,
            spoken: Some(ledger),
            ..
        } = &mut self.items[at].content
        else {
            return Err(HistoryError::NotSpoken);
        };
        let heard = ledger.heard(SampleRate::SPEECH.samples_in(audio_end));
        if heard < text.len() {
            text.truncate(heard);
        }
        Ok(())
    }

    /// The text the agent said last; empty at the beginning.
    pub fn last_said(&self) -> &str {
        self.items
            .iter()
            .rev()
            .find_map(|item| match &item.content {
                Content::Message {
                    role: Role::Assistant,
                    text,
                    ..
                } if !text.is_empty() => Some(text.as_str()),
                _ => None,
            })
            .unwrap_or("")
    }

    /// Whether more was said than fits into `chars`.
    pub fn outgrows(&self, chars: usize) -> bool {
        self.items.iter().map(Item::size).sum::<usize>() > chars
    }

    /// With `Truncation::Ratio`: leaves out the oldest items, many at once, when what is left
    /// outgrows the room, so that the beginning of prompts stays the same for long.
    pub fn make_room(&mut self, truncation: Truncation, chars: usize) {
        let Truncation::Ratio { keep, .. } = truncation else {
            self.kept_from = None;
            return;
        };
        let kept = self.kept_from.as_ref().and_then(|id| self.position(id));
        let from = kept.unwrap_or(0);
        let size: usize = self.items[from..].iter().map(Item::size).sum();
        if chars < size {
            let room = (chars as f32 * keep.clamp(0.0, 1.0)) as usize;
            let first = self.first_that_fits(room);
            self.kept_from = self.items.get(first).map(|item| item.id.clone());
        }
    }

    /// What the item of that name is.
    pub fn of_item(&self, id: &ItemId) -> Option<&Content> {
        Some(&self.items[self.position(id)?].content)
    }

    /// What the model is given: instructions first, then as many of the newest items as fit into
    /// `chars`. Neighbouring messages of the caller are one, as chat templates demand; a call
    /// without an answer gets one that says so; empty messages are left out.
    pub fn messages(&self, instructions: &str, chars: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        if !instructions.is_empty() {
            messages.push(Message::new(Role::System, instructions));
        }
        let kept = self.kept_from.as_ref().and_then(|id| self.position(id));
        let first = kept.unwrap_or(0).max(self.first_that_fits(chars));
        for item in &self.items[first..] {
            self.append(&mut messages, item);
        }
        messages
    }

    fn append(&self, messages: &mut Vec<Message>, item: &Item) {
        match &item.content {
            Content::Note => (),
            Content::Message { text, images, .. }
                if text.trim().is_empty() && images.is_empty() => {}
            Content::Message {
                role, text, images, ..
            } => match messages.last_mut() {
                Some(last) if last.role == Role::User && *role == Role::User => {
                    last.text.push(' ');
                    last.text.push_str(text);
                    last.images.extend(images.iter().cloned());
                }
                _ => messages.push(Message {
                    images: images.clone(),
                    ..Message::new(*role, text.trim())
                }),
            },
            Content::Call(call) => {
                match messages.last_mut() {
                    Some(last) if last.role == Role::Assistant => {
                        last.tool_calls.push(call.clone());
                    }
                    _ => {
                        let mut message = Message::new(Role::Assistant, "");
                        message.tool_calls.push(call.clone());
                        messages.push(message);
                    }
                }
                if !self.is_answered(&call.id) {
                    messages.push(answer(&call.id, "(no result yet)"));
                }
            }
            // An answer whose call is not in sight would be refused by chat servers.
            Content::Answer { call, output } => {
                let called = messages
                    .iter()
                    .any(|message| message.tool_calls.iter().any(|known| known.id == *call));
                if called {
                    messages.push(answer(call, output));
                }
            }
        }
    }

    fn is_answered(&self, id: &str) -> bool {
        self.items
            .iter()
            .any(|item| matches!(&item.content, Content::Answer { call, .. } if call == id))
    }

    /// The oldest item such that it and all newer ones fit into `chars`; at least the newest.
    fn first_that_fits(&self, chars: usize) -> usize {
        let mut left = chars;
        let mut first = self.items.len();
        for (at, item) in self.items.iter().enumerate().rev() {
            let size = item.size();
            if left < size && first < self.items.len() {
                break;
            }
            left = left.saturating_sub(size);
            first = at;
        }
        first
    }

    fn position(&self, id: &ItemId) -> Option<usize> {
        self.items.iter().position(|item| item.id == *id)
    }
}

fn answer(call: &str, output: &str) -> Message {
    Message {
        answers: Some(call.to_owned()),
        ..Message::new(Role::Tool, output)
    }
}

#[cfg(test)]
mod tests;
