//! Conversation items: as the wire writes them, as the conversation takes them, and the list the
//! client has been shown.
use std::{collections::HashMap, collections::VecDeque};

use serde_json::{Value, json};
use voiced_core::turn::{ItemId, Message, Place, Role, ToolCall};

use super::{events::WireError, fields::Fields};

/// Longest text of one item or of the instructions, in bytes: far above any prompt, far below what
/// would hurt.
pub const MAX_TEXT: usize = 1024 * 1024;
/// Longest id a client may give an item.
const MAX_ID: usize = 128;
/// How many items are kept to be retrieved; the oldest go first.
const MAX_ITEMS: usize = 2_000;

/// The items the client knows, in order.
#[derive(Debug, Default)]
pub struct Items {
    order: VecDeque<ItemId>,
    by_id: HashMap<ItemId, Value>,
}

impl Items {
    /// The item as it was last shown.
    pub fn get(&self, id: &ItemId) -> Option<&Value> {
        self.by_id.get(id)
    }

    /// Adds an item after `previous`; at the end when the client was never told of `previous`.
    /// Returns the id of the item before it, as the client sees it.
    pub fn insert(
        &mut self,
        id: &ItemId,
        previous: Option<&ItemId>,
        wire: Value,
    ) -> Option<String> {
        self.remove(id);
        let position = match previous {
            None => 0,
            Some(previous) => self
                .order
                .iter()
                .position(|known| known == previous)
                .map_or(self.order.len(), |at| at + 1),
        };
        self.order.insert(position, id.clone());
        self.by_id.insert(id.clone(), wire);
        let before = position
            .checked_sub(1)
            .and_then(|at| self.order.get(at))
            .map(ItemId::to_string);
        if self.order.len() > MAX_ITEMS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        before
    }

    /// Adds an item after everything else.
    pub fn append(&mut self, id: &ItemId, wire: Value) -> Option<String> {
        let last = self.order.back().cloned();
        self.insert(id, last.as_ref(), wire)
    }

    /// The id of the item before `id`, as the client sees it.
    pub fn before(&self, id: &ItemId) -> Option<String> {
        let position = self.order.iter().position(|known| known == id)?;
        let before = position.checked_sub(1)?;
        self.order.get(before).map(ItemId::to_string)
    }

    /// Shows an item differently from now on; ignored when it is not known.
    pub fn replace(&mut self, id: &ItemId, wire: Value) {
        if let Some(known) = self.by_id.get_mut(id) {
            *known = wire;
        }
    }

    /// Sets the transcript of an item's audio.
    pub fn set_transcript(&mut self, id: &ItemId, transcript: &str) {
        let part = self
            .by_id
            .get_mut(id)
            .and_then(|wire| wire.pointer_mut("/content/0"))
            .and_then(Value::as_object_mut)
            .filter(|part| part["type"] == "input_audio" || part["type"] == "output_audio");
        if let Some(part) = part {
            part.insert("transcript".into(), json!(transcript));
        }
    }

    /// Forgets an item.
    pub fn remove(&mut self, id: &ItemId) {
        if self.by_id.remove(id).is_some() {
            self.order.retain(|known| known != id);
        }
    }
}

/// What the caller said, as an item. `transcript` once it is known.
pub fn spoken_by_user(id: &ItemId) -> Value {
    json!({
        "id": &*id.0, "object": "realtime.item", "type": "message", "role": "user",
        "status": "completed", "content": [{"type": "input_audio", "transcript": ""}],
    })
}

/// The agent's message. `text` is `None` while it has no content.
pub fn said_by_agent(id: &ItemId, status: &str, spoken: bool, text: Option<&str>) -> Value {
    let content: Vec<Value> = text
        .map(|text| {
            if spoken {
                json!({"type": "output_audio", "transcript": text})
            } else {
                json!({"type": "output_text", "text": text})
            }
        })
        .into_iter()
        .collect();
    json!({
        "id": &*id.0, "object": "realtime.item", "type": "message", "role": "assistant",
        "status": status, "content": content,
    })
}

/// A call the model made, as an item.
pub fn called_by_agent(id: &ItemId, status: &str, call: &ToolCall, arguments: &str) -> Value {
    json!({
        "id": &*id.0, "object": "realtime.item", "type": "function_call", "status": status,
        "call_id": call.id, "name": call.name, "arguments": arguments,
    })
}

/// A message that was added by command, as an item.
pub fn added(id: &ItemId, message: &Message) -> Value {
    let (role, part) = match message.role {
        Role::Tool => {
            return json!({
                "id": &*id.0, "object": "realtime.item", "type": "function_call_output",
                "status": "completed", "output": message.text,
                "call_id": message.answers.as_deref().unwrap_or_default(),
            });
        }
        Role::System => ("system", "input_text"),
        Role::User => ("user", "input_text"),
        Role::Assistant => match message.tool_calls.first() {
            Some(call) => return called_by_agent(id, "completed", call, &call.arguments),
            None => ("assistant", "output_text"),
        },
    };
    json!({
        "id": &*id.0, "object": "realtime.item", "type": "message", "role": role,
        "status": "completed", "content": [{"type": part, "text": message.text}],
    })
}

/// Reads the `item` of a `conversation.item.create`: its id, if given, and what it says.
pub fn read_item(item: &Fields<'_>) -> Result<(Option<ItemId>, Message), WireError> {
    let id = match item.string("id")? {
        None => None,
        Some(id) if id.is_empty() || id.len() > MAX_ID => {
            return Err(item.invalid("id", format!("An id has 1 to {MAX_ID} characters.")));
        }
        Some(id) => Some(ItemId::from(id)),
    };
    item.word("object", &["realtime.item"])?;
    item.word("status", &["completed", "incomplete", "in_progress"])?;
    let kinds = ["message", "function_call", "function_call_output"];
    item.required_string("type")?;
    let message = match item.word("type", &kinds)? {
        Some("function_call") => {
            item.only(&[
                "id",
                "object",
                "type",
                "status",
                "name",
                "arguments",
                "call_id",
            ])?;
            let call = ToolCall {
                id: item.string("call_id")?.unwrap_or_default().to_owned(),
                name: item.required_string("name")?.to_owned(),
                arguments: short(item, "arguments", item.required_string("arguments")?)?,
            };
            Message {
                tool_calls: vec![call],
                ..Message::new(Role::Assistant, "")
            }
        }
        Some("function_call_output") => {
            item.only(&["id", "object", "type", "status", "call_id", "output"])?;
            Message {
                answers: Some(item.required_string("call_id")?.to_owned()),
                ..Message::new(
                    Role::Tool,
                    short(item, "output", item.required_string("output")?)?,
                )
            }
        }
        _ => {
            item.only(&["id", "object", "type", "status", "role", "content"])?;
            read_message(item)?
        }
    };
    Ok((id, message))
}

fn read_message(item: &Fields<'_>) -> Result<Message, WireError> {
    item.required_string("role")?;
    let role = match item.word("role", &["system", "user", "assistant"])? {
        Some("system") => Role::System,
        Some("assistant") => Role::Assistant,
        _ => Role::User,
    };
    let Some(parts) = item.objects("content")? else {
        return Err(item.missing("content"));
    };
    let mut text = String::new();
    for part in &parts {
        let words = read_part(role, part)?;
        if !text.is_empty() && !words.is_empty() {
            text.push('\n');
        }
        text.push_str(&words);
    }
    Ok(Message::new(role, short(item, "content", &text)?))
}

fn read_part(role: Role, part: &Fields<'_>) -> Result<String, WireError> {
    let kind = part.required_string("type")?;
    match (role, kind) {
        (Role::Assistant, "output_text") | (Role::System | Role::User, "input_text") => {
            part.only(&["type", "text"])?;
            Ok(part.required_string("text")?.to_owned())
        }
        // The agent's own voice cannot be put in its mouth; its words can.
        (Role::Assistant, "output_audio") => {
            part.only(&["type", "transcript", "audio"])?;
            Ok(part.required_string("transcript")?.to_owned())
        }
        (Role::User, "input_audio") => {
            part.only(&["type", "transcript", "audio"])?;
            match part.string("transcript")? {
                Some(words) => Ok(words.to_owned()),
                None => Err(part.invalid(
                    "audio",
                    "Audio in an item needs its 'transcript'; to have audio transcribed, append \
                     it to the input audio buffer.",
                )),
            }
        }
        (Role::User, "input_image") => Err(part.invalid(
            "type",
            "Images are not understood here; send text or audio.",
        )),
        (Role::Assistant, _) => {
            Err(part.unsupported("type", kind, &["output_text", "output_audio"]))
        }
        (Role::User, _) => Err(part.unsupported("type", kind, &["input_text", "input_audio"])),
        _ => Err(part.unsupported("type", kind, &["input_text"])),
    }
}

fn short(item: &Fields<'_>, key: &str, text: &str) -> Result<String, WireError> {
    if text.len() > MAX_TEXT {
        return Err(item.invalid(
            key,
            format!("Text longer than {MAX_TEXT} bytes; shorten it."),
        ));
    }
    Ok(text.to_owned())
}

/// Reads `previous_item_id`.
pub fn read_place(event: &Fields<'_>) -> Result<Place, WireError> {
    Ok(match event.string("previous_item_id")? {
        None => Place::End,
        Some("root") => Place::Start,
        Some(id) => Place::After(ItemId::from(id)),
    })
}
