//! The MCP servers of a persona, read from its file.
use voiced_core::turn::Hidden;
use voiced_llm::strict::{Findings, Table};

use crate::mcp::Place;

/// An MCP server of a persona.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpServer {
    /// For logs.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Only these tools; empty: all.
    pub allowed: Vec<String>,
}

/// Reads the `[[mcp]]` tables.
pub(super) fn read(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Vec<McpServer> {
    let mut servers: Vec<McpServer> = Vec::new();
    for mut entry in table.tables("mcp", findings) {
        let name = entry.required_text("name", findings);
        let url = entry.text("url", findings);
        let command = entry.texts("command", findings);
        let variable = entry.text("token_env", findings);
        let allowed = entry.texts("tools", findings);
        if let Some(name) = &name
            && servers.iter().any(|known| known.name == name.value)
        {
            let what = format!("there are two MCP servers `{}`", name.value);
            findings.note(&name.place, what);
        }
        let mut authorization = None;
        if let Some(variable) = &variable {
            match std::env::var(&variable.value) {
                Ok(token) if !token.trim().is_empty() => {
                    authorization = Some(Hidden::new(token.trim()));
                }
                _ => {
                    let what = format!(
                        "the environment variable {} is not set or empty: put the token in it",
                        variable.value
                    );
                    findings.note(&variable.place, what);
                }
            }
        }
        let place = match (url, command.split_first()) {
            (Some(url), None) => {
                let known = ["http://", "https://"];
                if !known.iter().any(|scheme| url.value.starts_with(scheme)) {
                    findings.note(&url.place, "`mcp.url` must begin with http:// or https://");
                }
                Some(Place::Url {
                    url: url.value,
                    authorization,
                    headers: Vec::new(),
                })
            }
            (None, Some((program, arguments))) => Some(Place::Program {
                program: program.value.clone(),
                arguments: arguments.iter().map(|text| text.value.clone()).collect(),
            }),
            _ => {
                let what = "an MCP server has either a `url` or a `command`";
                findings.note(entry.place(), what);
                None
            }
        };
        entry.finish(findings);
        if let (Some(name), Some(place)) = (name, place) {
            servers.push(McpServer {
                name: name.value,
                place,
                allowed: allowed.into_iter().map(|tool| tool.value).collect(),
            });
        }
    }
    servers
}
