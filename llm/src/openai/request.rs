//! A prompt as the body of a chat completion. Pure. Whatever an interrupted conversation looks
//! like, the body is one that strict servers accept.
use serde_json::{Map, Value, json};
use voiced_core::{
    engine::{Prompt, ToolChoice},
    turn::{Message, Role, ToolCall},
};

use super::settings::{LimitName, OpenAiSettings};

/// The body that asks for a reply.
pub(super) fn body(settings: &OpenAiSettings, prompt: &Prompt) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(settings.model));
    body.insert("messages".into(), messages(&prompt.messages));
    body.insert("stream".into(), json!(true));
    if settings.usage {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    if let Some(temperature) = settings.temperature {
        // As it was written: 0.7, not 0.699999988.
        let temperature: f64 = temperature.to_string().parse().unwrap_or(1.0);
        body.insert("temperature".into(), json!(temperature));
    }
    if let Some(most) = prompt.max_tokens.or(settings.max_tokens) {
        let name = match settings.limit_name {
            LimitName::MaxTokens => "max_tokens",
            LimitName::MaxCompletionTokens => "max_completion_tokens",
        };
        body.insert(name.into(), json!(most));
    }
    if !prompt.tools.is_empty() {
        body.insert("tools".into(), tools(prompt));
        let choice = match &prompt.tool_choice {
            ToolChoice::Auto => json!("auto"),
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!("required"),
            ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
        };
        body.insert("tool_choice".into(), choice);
        if let Some(parallel) = prompt.parallel_calls {
            body.insert("parallel_tool_calls".into(), json!(parallel));
        }
    }
    if let Some(effort) = prompt.effort {
        body.insert("reasoning_effort".into(), json!(effort.word()));
    }
    for (key, value) in &settings.extra {
        body.insert(key.clone(), value.clone());
    }
    Value::Object(body)
}

fn tools(prompt: &Prompt) -> Value {
    let tools = prompt.tools.iter().map(|tool| {
        let parameters: Value = serde_json::from_str(&tool.parameters)
            .unwrap_or_else(|_| json!({"type": "object", "properties": {}}));
        json!({
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": parameters,
            },
        })
    });
    Value::Array(tools.collect())
}

/// Messages that follow each other as servers demand: nothing empty, one message per speaker at a
/// time, every call answered right after it and every answer to a call.
fn messages(messages: &[Message]) -> Value {
    let mut written: Vec<Value> = Vec::new();
    let mut last_role = None;
    for (i, message) in messages.iter().enumerate() {
        match message.role {
            // Told beside their calls, below.
            Role::Tool => continue,
            Role::Assistant if !message.tool_calls.is_empty() => {
                written.push(calls(message));
                let later = &messages[i + 1..];
                written.extend(message.tool_calls.iter().map(|call| answer_to(call, later)));
                last_role = Some(Role::Tool);
                continue;
            }
            _ if message.text.is_empty() && message.images.is_empty() => continue,
            _ => {}
        }
        // Templates of several open models refuse two messages of one speaker in a row.
        if last_role == Some(message.role)
            && message.images.is_empty()
            && let Some(Value::String(content)) =
                written.last_mut().and_then(|last| last.get_mut("content"))
        {
            content.push('\n');
            content.push_str(&message.text);
            continue;
        }
        last_role = Some(message.role);
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant | Role::Tool => "assistant",
        };
        written.push(json!({"role": role, "content": content(message)}));
    }
    Value::Array(written)
}

/// Text alone as text, which every server takes; with pictures as parts.
fn content(message: &Message) -> Value {
    if message.images.is_empty() {
        return json!(message.text);
    }
    let text = Some(&message.text).filter(|text| !text.is_empty());
    let text = text.map(|text| json!({"type": "text", "text": text}));
    let images = message.images.iter().map(|image| {
        json!({"type": "image_url", "image_url": {"url": &*image.url, "detail": image.detail}})
    });
    text.into_iter().chain(images).collect()
}

fn calls(message: &Message) -> Value {
    let calls: Vec<Value> = (message.tool_calls.iter())
        .map(|call| {
            json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            })
        })
        .collect();
    let content = Some(&message.text).filter(|text| !text.is_empty());
    json!({"role": "assistant", "content": content, "tool_calls": calls})
}

fn answer_to(call: &ToolCall, later: &[Message]) -> Value {
    let answer = later.iter().find(|message| {
        message.role == Role::Tool && message.answers.as_deref() == Some(call.id.as_str())
    });
    let content = answer.map_or("The call was interrupted before it answered.", |m| &m.text);
    json!({"role": "tool", "tool_call_id": call.id, "content": content})
}

#[cfg(test)]
mod tests {
    use super::*;
    use voiced_core::{
        engine::Effort,
        turn::{Image, ToolRuns, ToolSpec},
    };

    fn call(id: &str) -> ToolCall {
        ToolCall {
            id: id.into(),
            name: "look".into(),
            arguments: "{}".into(),
        }
    }

    #[test]
    fn a_plain_prompt_is_asked_plainly() {
        let prompt = Prompt {
            messages: vec![
                Message::new(Role::System, "Be brief."),
                Message::new(Role::User, "Hi."),
            ],
            ..Prompt::default()
        };
        let asked = body(&OpenAiSettings::new("https://a.example", "m"), &prompt);
        let expected = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi."},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        assert_eq!(asked, expected);
    }

    #[test]
    fn settings_and_prompt_reach_the_body() {
        let settings = OpenAiSettings {
            temperature: Some(0.7),
            max_tokens: Some(5),
            limit_name: LimitName::MaxCompletionTokens,
            usage: false,
            extra: Map::from_iter([("seed".to_owned(), json!(7))]),
            ..OpenAiSettings::new("https://a.example", "m")
        };
        let prompt = Prompt {
            tools: vec![ToolSpec {
                name: "look".into(),
                description: "Looks.".into(),
                parameters: "not json".into(),
                runs: ToolRuns::Here,
            }],
            tool_choice: ToolChoice::Named("look".into()),
            max_tokens: Some(9),
            ..Prompt::default()
        };
        let asked = body(&settings, &prompt);
        assert_eq!(asked["temperature"].to_string(), "0.7");
        assert_eq!(asked["max_completion_tokens"], 9);
        assert_eq!(asked["seed"], 7);
        assert_eq!(asked.get("stream_options"), None);
        assert_eq!(asked["tool_choice"]["function"]["name"], "look");
        assert_eq!(
            asked["tools"][0]["function"]["parameters"]["type"],
            "object"
        );
    }

    #[test]
    fn pictures_and_what_the_client_wants_of_the_model_reach_the_body() {
        let prompt = Prompt {
            messages: vec![
                Message::new(Role::User, "Look:"),
                Message {
                    images: vec![Image {
                        url: "data:image/png;base64,AA==".into(),
                        detail: "high",
                    }],
                    ..Message::new(Role::User, "a cat")
                },
            ],
            parallel_calls: Some(false),
            effort: Some(Effort::Low),
            ..Prompt::default()
        };
        let asked = body(&OpenAiSettings::new("https://a.example", "m"), &prompt);
        assert_eq!(
            asked["messages"][1]["content"],
            json!([
                {"type": "text", "text": "a cat"},
                {"type": "image_url",
                 "image_url": {"url": "data:image/png;base64,AA==", "detail": "high"}},
            ])
        );
        assert_eq!(asked["reasoning_effort"], "low");
        assert_eq!(asked.get("parallel_tool_calls"), None, "there are no tools");
    }

    #[test]
    fn a_ragged_conversation_is_made_whole() {
        let conversation = [
            Message::new(Role::User, "One"),
            Message::new(Role::User, "and two."),
            Message::new(Role::Assistant, ""),
            Message {
                tool_calls: vec![call("a"), call("b")],
                ..Message::new(Role::Assistant, "Let me look.")
            },
            Message::new(Role::User, "Wait!"),
            Message {
                answers: Some("a".into()),
                ..Message::new(Role::Tool, "found")
            },
            Message {
                answers: Some("nobody".into()),
                ..Message::new(Role::Tool, "lost")
            },
        ];
        let expected = json!([
            {"role": "user", "content": "One\nand two."},
            {"role": "assistant", "content": "Let me look.", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": "found"},
            {"role": "tool", "tool_call_id": "b",
             "content": "The call was interrupted before it answered."},
            {"role": "user", "content": "Wait!"},
        ]);
        assert_eq!(messages(&conversation), expected);
    }
}
