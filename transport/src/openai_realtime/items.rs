//! Conversation items: as the wire writes them, as the conversation takes them, and the list the
//! client has been shown.
use std::{collections::HashMap, collections::VecDeque, sync::Arc};

use serde_json::{Value, json};
use voiced_core::turn::{Image, Input, ItemId, Message, Place, Role, ToolCall, ToolSpec};

use super::{events::WireError, fields::Fields};

/// Longest text of one item or of the instructions, in bytes: far above any prompt, far below what
/// would hurt.
pub const MAX_TEXT: usize = 1024 * 1024;
/// Most pictures in one item.
const MAX_IMAGES: usize = 16;
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

/// An item of the client's, read.
pub enum Given {
    /// Something said, called or answered.
    Message(Message),
    /// The answer to the question whether a tool server's tool may be called.
    Approval {
        /// The question's item.
        request: ItemId,
        /// Whether it may.
        approve: bool,
        /// Why not.
        reason: Option<String>,
    },
}

/// Reads one of a response's own inputs.
pub fn read_input(item: &Fields<'_>, limits: Takes) -> Result<Input, WireError> {
    if item.string("type")? == Some("item_reference") {
        item.only(&["id", "object", "type"])?;
        return Ok(Input::Item(ItemId::from(item.required_string("id")?)));
    }
    match read_item(item, limits)?.1 {
        Given::Message(message) => Ok(Input::Message(message)),
        Given::Approval { .. } => Err(item.invalid(
            "type",
            "An approval belongs to the conversation; create it as an item.",
        )),
    }
}

/// What the model behind a session can take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Takes {
    /// Pictures.
    pub images: bool,
}

/// Reads the `item` of a `conversation.item.create`: its id, if given, and what it says.
pub fn read_item(item: &Fields<'_>, takes: Takes) -> Result<(Option<ItemId>, Given), WireError> {
    let id = match item.string("id")? {
        None => None,
        Some(id) if id.is_empty() || id.len() > MAX_ID => {
            return Err(item.invalid("id", format!("An id has 1 to {MAX_ID} characters.")));
        }
        Some(id) => Some(ItemId::from(id)),
    };
    item.word("object", &["realtime.item"])?;
    item.word("status", &["completed", "incomplete", "in_progress"])?;
    let kinds = [
        "message",
        "function_call",
        "function_call_output",
        "mcp_approval_response",
    ];
    let kind = item.required_string("type")?;
    if let "mcp_list_tools" | "mcp_call" | "mcp_approval_request" = kind {
        let message = format!("Items of type '{kind}' are made by the server only.");
        return Err(item.invalid("type", message));
    }
    let message = match item.word("type", &kinds)? {
        Some("mcp_approval_response") => {
            item.only(&[
                "id",
                "object",
                "type",
                "approval_request_id",
                "approve",
                "reason",
            ])?;
            let Some(approve) = item.boolean("approve")? else {
                return Err(item.missing("approve"));
            };
            let given = Given::Approval {
                request: ItemId::from(item.required_string("approval_request_id")?),
                approve,
                reason: match item.string("reason")? {
                    Some(reason) => Some(short(item, "reason", reason)?),
                    None => None,
                },
            };
            return Ok((id, given));
        }
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
            read_message(item, takes)?
        }
    };
    Ok((id, Given::Message(message)))
}

fn read_message(item: &Fields<'_>, takes: Takes) -> Result<Message, WireError> {
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
    let mut images = Vec::new();
    for part in &parts {
        if role == Role::User && part.string("type")? == Some("input_image") {
            images.push(read_image(part, takes)?);
            continue;
        }
        let words = read_part(role, part)?;
        if !text.is_empty() && !words.is_empty() {
            text.push('\n');
        }
        text.push_str(&words);
    }
    if images.len() > MAX_IMAGES {
        let message = format!("At most {MAX_IMAGES} images can be in one item.");
        return Err(item.invalid("content", message));
    }
    Ok(Message {
        images,
        ..Message::new(role, short(item, "content", &text)?)
    })
}

/// A picture, whole, in the item itself: nothing is fetched from anywhere.
fn read_image(part: &Fields<'_>, takes: Takes) -> Result<Image, WireError> {
    part.only(&["type", "image_url", "detail"])?;
    let url = part.required_string("image_url")?;
    if !takes.images {
        return Err(part.invalid(
            "type",
            "The model behind this session does not take images; send text or audio.",
        ));
    }
    let kinds = ["data:image/png;base64,", "data:image/jpeg;base64,"];
    if !kinds.iter().any(|kind| url.starts_with(kind)) {
        return Err(part.invalid(
            "image_url",
            "Expected a data URI of a PNG or JPEG image in base64.",
        ));
    }
    let detail = match part.word("detail", &["auto", "low", "high"])? {
        Some("low") => "low",
        _ => "high",
    };
    Ok(Image {
        url: Arc::from(url),
        detail,
    })
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
        (Role::Assistant, _) => {
            Err(part.unsupported("type", kind, &["output_text", "output_audio"]))
        }
        (Role::User, _) => {
            Err(part.unsupported("type", kind, &["input_text", "input_audio", "input_image"]))
        }
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
