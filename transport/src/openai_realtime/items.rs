//! Conversation items: as the wire writes them, as the conversation takes them, and the list the
//! client has been shown.
mod reading;

use std::{collections::HashMap, collections::VecDeque};

use serde_json::{Value, json};
use voiced_core::turn::{ItemId, Message, Role, ToolCall, ToolSpec};

pub use self::reading::{Given, MAX_TEXT, Takes, read_input, read_item, read_place};

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
    let text = json!({"type": part, "text": message.text});
    let text = Some(text).filter(|_| message.images.is_empty() || !message.text.is_empty());
    let images = message.images.iter().map(
        |image| json!({"type": "input_image", "image_url": &*image.url, "detail": image.detail}),
    );
    json!({
        "id": &*id.0, "object": "realtime.item", "type": "message", "role": role,
        "status": "completed", "content": text.into_iter().chain(images).collect::<Vec<_>>(),
    })
}

/// The tools of a tool server, as an item.
pub fn tool_list(id: &ItemId, server: &str, tools: &[ToolSpec]) -> Value {
    let tools = tools.iter().map(|tool| {
        json!({
            "name": tool.name,
            "description": tool.description,
            "input_schema": serde_json::from_str::<Value>(&tool.parameters)
                .unwrap_or_else(|_| json!({})),
        })
    });
    json!({
        "id": &*id.0, "type": "mcp_list_tools", "server_label": server,
        "tools": tools.collect::<Vec<_>>(),
    })
}

/// The question whether a tool server's tool may be called.
pub fn approval_request(id: &ItemId, server: &str, call: &ToolCall) -> Value {
    json!({
        "id": &*id.0, "type": "mcp_approval_request", "server_label": server,
        "name": call.name, "arguments": call.arguments,
    })
}

/// Its answer.
pub fn approval_response(
    id: &ItemId,
    request: &ItemId,
    approve: bool,
    reason: Option<&str>,
) -> Value {
    let mut item = json!({
        "id": &*id.0, "type": "mcp_approval_response", "approval_request_id": &*request.0,
        "approve": approve,
    });
    if let Some(reason) = reason {
        item["reason"] = json!(reason);
    }
    item
}
