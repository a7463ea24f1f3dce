//! `response.create` and its overrides.
use serde_json::Value;
use voiced_core::turn::{Command, ReplyOptions};

use super::{
    Carrier, Dialect, Received,
    asked::{Kind, Overrides},
    events::WireError,
    fields::Fields,
    items::read_input,
    session::{Session, read_max_tokens, read_modality, read_tool_choice, read_tools},
    sound::Format,
};

/// Most items of a response's own context.
const MAX_INPUT: usize = 512;

/// One `response.create`, read.
pub(super) struct AskedReply {
    pub options: ReplyOptions,
    pub overrides: Overrides,
}

impl AskedReply {
    /// A reply as the session has them.
    pub fn of(session: &Session) -> Self {
        Self {
            options: ReplyOptions::default(),
            overrides: Overrides {
                metadata: Value::Null,
                format: session.output_format,
                voice: None,
                max_tokens: session.max_output_tokens,
            },
        }
    }
}

impl Dialect {
    pub(super) fn create_response(
        &mut self,
        event: &Fields<'_>,
        event_id: Option<&str>,
        received: &mut Received,
    ) -> Result<(), WireError> {
        event.only(&["type", "event_id", "response"])?;
        let asked = match event.object("response")? {
            Some(response) => read_response(&self.session, &response)?,
            None => AskedReply::of(&self.session),
        };
        if asked.options.aside && asked.options.spoken.unwrap_or(self.session.spoken) {
            self.check_aside_sound()?;
        }
        let id = self.asked.note(Kind::Respond, event_id);
        self.asked.note_reply(id, asked.overrides);
        received
            .commands
            .push((id, Command::Respond(asked.options)));
        Ok(())
    }

    /// Sound outside the conversation has nowhere to go where it is played here.
    fn check_aside_sound(&self) -> Result<(), WireError> {
        match self.carrier {
            Carrier::WebSocket => Ok(()),
            Carrier::WebRtc => Err(WireError::new(
                "invalid_value",
                "A response outside the conversation cannot be spoken over WebRTC; ask for \
                 'text'.",
                Some("response.output_modalities".into()),
            )),
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
    let conversation = response.word("conversation", &["auto", "none"])?;
    asked.options.aside = conversation == Some("none");
    if let Some(input) = response.objects("input")? {
        if input.len() > MAX_INPUT {
            let message = format!("At most {MAX_INPUT} items can be given.");
            return Err(response.invalid("input", message));
        }
        let input = input.iter().map(|item| read_input(item, session.takes()));
        asked.options.input = Some(input.collect::<Result<_, _>>()?);
    }
    asked.options.instructions = response.string("instructions")?.map(str::to_owned);
    asked.options.spoken = read_modality(response)?;
    if let Some(tokens) = read_max_tokens(response)? {
        asked.options.max_tokens = Some(tokens);
        asked.overrides.max_tokens = tokens;
    }
    asked.overrides.metadata = read_metadata(response)?;
    if let Some(given) = read_tools(response, session.tool_hosts())? {
        if !given.servers.is_empty() {
            return Err(response.invalid(
                "tools",
                "Tools of type 'mcp' are named in the session, not in a response.",
            ));
        }
        asked.options.tools = Some(given.functions);
    }
    asked.options.tool_choice = read_tool_choice(response)?;
    response.boolean("parallel_tool_calls")?;
    if response.object("prompt")?.is_some() {
        return Err(response.invalid(
            "prompt",
            "There are no hosted prompts here; give 'instructions'.",
        ));
    }
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
                asked.options.voice = Some(voice);
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
