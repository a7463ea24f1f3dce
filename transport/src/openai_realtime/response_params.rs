//! The overrides of one `response.create`.
use serde_json::Value;
use voiced_core::turn::{ReplyOptions, Settings};

use super::{
    asked::Overrides,
    events::WireError,
    fields::Fields,
    session::{Session, read_max_tokens, read_modality, read_tool_choice, read_tools},
    sound::Format,
};

/// One `response.create`, read.
pub(super) struct AskedReply {
    pub options: ReplyOptions,
    /// Settings the conversation has no override for.
    pub around: Settings,
    pub overrides: Overrides,
}

impl AskedReply {
    /// A reply as the session has them.
    pub fn of(session: &Session) -> Self {
        Self {
            options: ReplyOptions::default(),
            around: Settings::default(),
            overrides: Overrides {
                metadata: Value::Null,
                format: session.output_format,
                voice: None,
                max_tokens: session.max_output_tokens,
            },
        }
    }
}

/// Reads the `response` object.
pub(super) fn read_response(
    session: &Session,
    response: &Fields<'_>,
) -> Result<AskedReply, WireError> {
    response.only(&[
        "conversation",
        "input",
        "instructions",
        "output_modalities",
        "audio",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning",
        "max_output_tokens",
        "metadata",
        "prompt",
    ])?;
    let mut asked = AskedReply::of(session);
    if response.string("conversation")? == Some("none") {
        return Err(response.invalid(
            "conversation",
            "Responses outside the conversation are not supported; use 'auto'.",
        ));
    }
    response.word("conversation", &["auto"])?;
    if response.list("input")?.is_some() {
        return Err(response.invalid(
            "input",
            "A response's own input is not supported; add items to the conversation.",
        ));
    }
    asked.options.instructions = response.string("instructions")?.map(str::to_owned);
    asked.options.spoken = read_modality(response)?;
    if let Some(tokens) = read_max_tokens(response)? {
        asked.options.max_tokens = tokens;
        asked.overrides.max_tokens = tokens;
    }
    asked.overrides.metadata = read_metadata(response)?;
    asked.around.client_tools = read_tools(response)?;
    asked.around.tool_choice = read_tool_choice(response)?;
    if let Some(audio) = response.object("audio")? {
        audio.only(&["output"])?;
        if let Some(output) = audio.object("output")? {
            output.only(&["format", "voice"])?;
            if let Some(format) = Format::read(&output)? {
                asked.overrides.format = format;
            }
            if let Some((shown, voice)) = session.read_voice(&output)? {
                let shown = shown.as_str().or_else(|| shown["id"].as_str());
                asked.overrides.voice = shown.map(str::to_owned);
                asked.around.voice = Some(voice);
            }
        }
    }
    Ok(asked)
}

/// At most 16 pairs of short strings, echoed as they are.
fn read_metadata(response: &Fields<'_>) -> Result<Value, WireError> {
    let fits = |(key, value): (&String, &Value)| {
        key.chars().count() <= 64 && value.as_str().is_some_and(|v| v.chars().count() <= 512)
    };
    match response.value("metadata") {
        None => Ok(Value::Null),
        Some(Value::Object(pairs)) if pairs.len() <= 16 && pairs.iter().all(fits) => {
            Ok(Value::Object(pairs.clone()))
        }
        Some(_) => Err(response.invalid(
            "metadata",
            "Metadata is at most 16 strings of at most 512 characters, named by at most 64.",
        )),
    }
}
