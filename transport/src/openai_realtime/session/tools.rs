//! The client's tools and tool choice, read from the wire and shown on it.
use serde_json::{Value, json};
use voiced_core::{
    engine::ToolChoice,
    turn::{Approval, Hidden, ToolRuns, ToolServer, ToolSpec},
};

use crate::openai_realtime::{events::WireError, fields::Fields};

/// Enough for every client seen; more would not fit a prompt either.
const MAX_TOOLS: usize = 128;

/// Most tool servers of one session: each is a connection.
const MAX_SERVERS: usize = 8;

/// The tools of a client.
#[derive(Clone, Debug, Default)]
pub struct GivenTools {
    /// What it carries out itself.
    pub functions: Vec<ToolSpec>,
    /// Servers this daemon is to ask.
    pub servers: Vec<ToolServer>,
    /// The same as the wire shows them: without what is secret.
    pub shown: Vec<Value>,
}

/// Reads a `tools` list. Tool servers are refused unless their host is one of `hosts`.
pub fn read_tools(fields: &Fields<'_>, hosts: &[String]) -> Result<Option<GivenTools>, WireError> {
    let Some(tools) = fields.objects("tools")? else {
        return Ok(None);
    };
    if tools.len() > MAX_TOOLS {
        return Err(fields.invalid("tools", format!("At most {MAX_TOOLS} tools can be given.")));
    }
    let mut given = GivenTools::default();
    for tool in &tools {
        if tool.string("type")? != Some("mcp") {
            let function = read_tool(tool)?;
            if given
                .functions
                .iter()
                .any(|known| known.name == function.name)
            {
                let message = format!("There are two tools '{}'.", function.name);
                return Err(tool.invalid("name", message));
            }
            given.functions.push(function);
            continue;
        }
        let (server, shown) = read_server(tool, hosts)?;
        if given
            .servers
            .iter()
            .any(|known| known.label == server.label)
        {
            let message = format!("There are two servers '{}'.", server.label);
            return Err(tool.invalid("server_label", message));
        }
        if given.servers.len() == MAX_SERVERS {
            let message = format!("At most {MAX_SERVERS} tool servers can be given.");
            return Err(fields.invalid("tools", message));
        }
        given.servers.push(server);
        given.shown.push(shown);
    }
    Ok(Some(given))
}

fn read_server(tool: &Fields<'_>, hosts: &[String]) -> Result<(ToolServer, Value), WireError> {
    tool.only(&[
        "type",
        "server_label",
        "server_url",
        "connector_id",
        "tunnel_id",
        "authorization",
        "headers",
        "allowed_tools",
        "require_approval",
        "server_description",
        "defer_loading",
        "allowed_callers",
    ])?;
    let label = tool.required_string("server_label")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if label.is_empty() || label.len() > 64 || !label.chars().all(legal) {
        return Err(tool.invalid(
            "server_label",
            "A server's label is 1 to 64 letters, digits, '_' or '-'.",
        ));
    }
    for key in ["connector_id", "tunnel_id"] {
        if tool.value(key).is_some() {
            let message = "There are no connectors or tunnels here; give a 'server_url'.";
            return Err(tool.invalid(key, message));
        }
    }
    let url = tool.required_string("server_url")?;
    if !is_allowed(url, hosts) {
        return Err(tool.invalid(
            "server_url",
            "Tool servers at this address are not allowed here; the server's configuration lists \
             those that are.",
        ));
    }
    let server = ToolServer {
        label: label.to_owned(),
        url: url.to_owned(),
        authorization: tool.string("authorization")?.map(Hidden::new),
        headers: read_headers(tool)?,
        allowed: read_allowed(tool)?,
        approval: read_approval(tool)?,
    };
    let mut shown = tool.shown();
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("authorization");
        shown.remove("headers");
    }
    Ok((server, shown))
}

/// Whether the host of `url` is one of `hosts`. Whatever is no plain address is not.
fn is_allowed(url: &str, hosts: &[String]) -> bool {
    let Ok(url) = url.parse::<axum::http::Uri>() else {
        return false;
    };
    let scheme = matches!(url.scheme_str(), Some("https" | "http"));
    // A name and a password in front of the host are how addresses pretend to be others.
    let plain = url
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    let Some(host) = url.host().filter(|_| scheme && plain) else {
        return false;
    };
    hosts
        .iter()
        .any(|allowed| match allowed.strip_prefix("*.") {
            Some(parent) => {
                let below = host.len().checked_sub(parent.len() + 1);
                below.is_some_and(|at| {
                    host.is_char_boundary(at)
                        && host[at..].starts_with('.')
                        && host[at + 1..].eq_ignore_ascii_case(parent)
                })
            }
            None => allowed == "*" || allowed.eq_ignore_ascii_case(host),
        })
}

fn read_headers(tool: &Fields<'_>) -> Result<Vec<(String, Hidden)>, WireError> {
    let Some(headers) = tool.object("headers")? else {
        return Ok(Vec::new());
    };
    let wrong = || {
        tool.invalid(
            "headers",
            "Expected at most 32 HTTP headers with texts as values.",
        )
    };
    let headers = headers.entries().map(|(name, value)| {
        let text = value.as_str().ok_or_else(wrong)?;
        let legal = axum::http::HeaderName::try_from(name).is_ok()
            && axum::http::HeaderValue::try_from(text).is_ok();
        legal
            .then(|| (name.to_owned(), Hidden::new(text)))
            .ok_or_else(wrong)
    });
    let headers: Vec<_> = headers.collect::<Result<_, _>>()?;
    if headers.len() > 32 {
        return Err(wrong());
    }
    Ok(headers)
}

/// The names in a list, or in a filter's `tool_names`.
fn read_allowed(tool: &Fields<'_>) -> Result<Option<Vec<String>>, WireError> {
    match tool.value("allowed_tools") {
        None => Ok(None),
        Some(Value::Array(_)) => Ok(Some(names(tool, "allowed_tools")?)),
        Some(_) => match tool.object("allowed_tools")? {
            Some(filter) => filter_names(&filter),
            None => Ok(None),
        },
    }
}

fn filter_names(filter: &Fields<'_>) -> Result<Option<Vec<String>>, WireError> {
    filter.only(&["tool_names", "read_only"])?;
    if filter.value("read_only").is_some() {
        let message = "Which tools only read is not known here; give 'tool_names'.";
        return Err(filter.invalid("read_only", message));
    }
    match filter.value("tool_names") {
        None => Ok(None),
        Some(_) => Ok(Some(names(filter, "tool_names")?)),
    }
}

fn names(fields: &Fields<'_>, key: &str) -> Result<Vec<String>, WireError> {
    let list = fields.list(key)?.unwrap_or_default();
    let names = list.iter().map(|name| name.as_str().map(str::to_owned));
    let names: Option<Vec<String>> = names.collect();
    names.ok_or_else(|| fields.invalid(key, "Expected a list of names of tools."))
}

fn read_approval(tool: &Fields<'_>) -> Result<Approval, WireError> {
    if tool.value("require_approval").is_some_and(Value::is_string) {
        let word = tool.word("require_approval", &["always", "never"])?;
        return Ok(match word {
            Some("never") => Approval::Never,
            _ => Approval::Always,
        });
    }
    let Some(filter) = tool.object("require_approval")? else {
        return Ok(Approval::Always);
    };
    filter.only(&["always", "never"])?;
    let named = |key: &str| match filter.object(key)? {
        Some(filter) => filter_names(&filter),
        None => Ok(None),
    };
    // What neither list names is asked about.
    Ok(match (named("always")?, named("never")?) {
        (_, Some(never)) => Approval::AlwaysBut(never),
        (Some(always), None) => Approval::OnlyFor(always),
        (None, None) => Approval::Always,
    })
}

fn read_tool(tool: &Fields<'_>) -> Result<ToolSpec, WireError> {
    tool.word("type", &["function", "mcp"])?;
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
pub fn tools_to_wire(tools: &[ToolSpec]) -> Vec<Value> {
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
    named.only(&["type", "name", "server_label"])?;
    if named.word("type", &["function", "mcp"])? == Some("mcp") {
        named.required_string("server_label")?;
        // Of a server without a tool's name any may be called, of all it must be some tool.
        return Ok(Some(match named.string("name")? {
            Some(name) => ToolChoice::Named(name.to_owned()),
            None => ToolChoice::Required,
        }));
    }
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
