//! The client's tools and tool choice, read from the wire and shown on it.
use serde_json::{Value, json};
use voiced_core::{
    engine::ToolChoice,
    turn::{ToolRuns, ToolSpec},
};

use crate::openai_realtime::{events::WireError, fields::Fields};

/// Enough for every client seen; more would not fit a prompt either.
const MAX_TOOLS: usize = 128;

/// Reads a `tools` list. Only functions: a tool server elsewhere is configured at the daemon.
pub fn read_tools(fields: &Fields<'_>) -> Result<Option<Vec<ToolSpec>>, WireError> {
    let Some(tools) = fields.objects("tools")? else {
        return Ok(None);
    };
    if tools.len() > MAX_TOOLS {
        return Err(fields.invalid("tools", format!("At most {MAX_TOOLS} tools can be given.")));
    }
    tools
        .iter()
        .map(read_tool)
        .collect::<Result<_, _>>()
        .map(Some)
}

fn read_tool(tool: &Fields<'_>) -> Result<ToolSpec, WireError> {
    if tool.string("type")? == Some("mcp") {
        return Err(tool.invalid(
            "type",
            "Tools of type 'mcp' are not accepted from clients; give functions instead.",
        ));
    }
    tool.word("type", &["function"])?;
    tool.only(&["type", "name", "description", "parameters"])?;
    let name = tool.required_string("name")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        return Err(tool.invalid(
            "name",
            "A tool's name is 1 to 64 letters, digits, '_' or '-'.",
        ));
    }
    let parameters = match tool.value("parameters") {
        None => json!({"type": "object", "properties": {}}),
        Some(schema @ Value::Object(_)) => schema.clone(),
        Some(_) => return Err(tool.invalid("parameters", "Expected a JSON Schema object.")),
    };
    Ok(ToolSpec {
        name: name.to_owned(),
        description: tool.string("description")?.unwrap_or_default().to_owned(),
        parameters: parameters.to_string(),
        runs: ToolRuns::AtClient,
    })
}

/// The tools as the wire shows them; `description` always present, which strict clients require.
pub fn tools_to_wire(tools: &[ToolSpec]) -> Value {
    tools
        .iter()
        .map(|tool| {
            json!({
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": serde_json::from_str::<Value>(&tool.parameters)
                    .unwrap_or_else(|_| json!({})),
            })
        })
        .collect()
}

/// Reads `tool_choice`.
pub fn read_tool_choice(fields: &Fields<'_>) -> Result<Option<ToolChoice>, WireError> {
    let Some(value) = fields.value("tool_choice") else {
        return Ok(None);
    };
    if value.is_string() {
        let word = fields.word("tool_choice", &["none", "auto", "required"])?;
        return Ok(Some(match word {
            Some("none") => ToolChoice::None,
            Some("required") => ToolChoice::Required,
            _ => ToolChoice::Auto,
        }));
    }
    let Some(named) = fields.object("tool_choice")? else {
        return Ok(None);
    };
    named.only(&["type", "name"])?;
    named.word("type", &["function"])?;
    Ok(Some(ToolChoice::Named(
        named.required_string("name")?.to_owned(),
    )))
}

/// `tool_choice` as the wire shows it.
pub fn tool_choice_to_wire(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "name": name}),
    }
}
