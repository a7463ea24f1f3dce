//! Items as a client writes them: read, checked, and refused by the name of what does not fit.
use std::sync::Arc;

use voiced_core::turn::{Image, Input, ItemId, Message, Place, Role, ToolCall};

use crate::openai_realtime::{events::WireError, fields::Fields};

/// Longest text of one item or of the instructions, in bytes: far above any prompt, far below what
/// would hurt.
pub const MAX_TEXT: usize = 1024 * 1024;
/// Most pictures in one item.
const MAX_IMAGES: usize = 16;
/// Longest id a client may give an item.
const MAX_ID: usize = 128;

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
