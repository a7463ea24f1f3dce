//! MCP servers: tools that run elsewhere, reached over HTTP or as a program of this machine.
//!
//! Guarantees: every question ends in bounded time with an answer of bounded size; redirects are
//! not followed, so that a server cannot send this daemon to an address nobody allowed; what is
//! secret is not logged.
use std::{collections::HashMap, process::Stdio, sync::Arc, time::Duration};

use axum::http::{HeaderName, HeaderValue};
use rmcp::{
    RoleClient, ServiceError, ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
    transport::{
        StreamableHttpClientTransport, TokioChildProcess,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Map, Value};
use tokio::{process::Command, sync::Mutex, time::timeout};
use voiced_core::turn::{
    Hidden, ServerCallError, ToolCall, ToolEffect, ToolRuns, ToolServer, ToolSpec,
};
use voiced_pipeline::{
    tool_servers::{Connected, ConnectedServer, ServerFuture, ToolServers},
    tools::{ToolAnswer, ToolFuture, ToolRunner},
};

/// How long a server may take to be reached and to list its tools.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a call may take: less than a reply waits.
const CALL_WITHIN: Duration = Duration::from_secs(15);
/// Most tools of one server; more would not fit a prompt.
const MOST_TOOLS: usize = 128;
/// How much an answer may say.
const MOST_BYTES: usize = 16 * 1024;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an address.
    Url {
        /// The address.
        url: String,
        /// Sent as a bearer token.
        authorization: Option<Hidden>,
        /// Sent with every request.
        headers: Vec<(String, Hidden)>,
    },
    /// A program that speaks on its standard input and output.
    Program {
        /// Its name or path.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// A server that was reached.
struct Connection(RunningService<RoleClient, ()>);

impl Connection {
    async fn open(place: &Place) -> Result<Self, String> {
        let opening = async {
            match place {
                Place::Url {
                    url,
                    authorization,
                    headers,
                } => {
                    let client = client()?;
                    let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                        .custom_headers(http_headers(headers)?)
                        .max_sse_event_size(1024 * 1024);
                    if let Some(token) = authorization {
                        config = config.auth_header(token.reveal());
                    }
                    let transport = StreamableHttpClientTransport::with_client(client, config);
                    let service = ().serve(transport).await;
                    service.map_err(|error| error.to_string())
                }
                Place::Program { program, arguments } => {
                    let mut command = Command::new(program);
                    command.args(arguments).kill_on_drop(true);
                    let (process, _) = TokioChildProcess::builder(command)
                        .stderr(Stdio::null())
                        .spawn()
                        .map_err(|error| format!("cannot start {program}: {error}"))?;
                    let service = ().serve(process).await;
                    service.map_err(|error| error.to_string())
                }
            }
        };
        match timeout(CONNECT_WITHIN, opening).await {
            Ok(opened) => opened.map(Connection),
            Err(_) => Err(format!("it did not answer within {CONNECT_WITHIN:?}")),
        }
    }

    async fn tools(&self) -> Result<Vec<ToolSpec>, String> {
        let listed = timeout(CONNECT_WITHIN, self.0.list_all_tools()).await;
        let listed = listed.map_err(|_| "it did not list its tools in time".to_owned())?;
        let tools = listed.map_err(|error| error.to_string())?;
        let tools = tools.into_iter().take(MOST_TOOLS).map(|tool| ToolSpec {
            name: tool.name.into_owned(),
            description: tool.description.unwrap_or_default().into_owned(),
            parameters: Value::Object((*tool.input_schema).clone()).to_string(),
            runs: ToolRuns::Here,
        });
        Ok(tools.filter(|tool| is_callable(&tool.name)).collect())
    }

    async fn call(&self, call: &ToolCall) -> Result<String, ServerCallError> {
        let arguments: Map<String, Value> = if call.arguments.trim().is_empty() {
            Map::new()
        } else {
            let wrong =
                |error| ServerCallError::Tool(format!("the arguments are no object: {error}"));
            serde_json::from_str(&call.arguments).map_err(wrong)?
        };
        let request = CallToolRequestParams::new(call.name.clone()).with_arguments(arguments);
        match timeout(CALL_WITHIN, self.0.call_tool(request)).await {
            Ok(Ok(result)) => told(&result),
            Ok(Err(ServiceError::McpError(error))) => Err(ServerCallError::Protocol {
                code: error.code.0,
                message: error.message.into_owned(),
            }),
            Ok(Err(error)) => Err(ServerCallError::Unreachable(error.to_string())),
            Err(_) => Err(ServerCallError::Unreachable(format!(
                "it did not answer within {CALL_WITHIN:?}"
            ))),
        }
    }
}

/// Whether chat servers take a tool of this name.
fn is_callable(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= 64 && name.chars().all(legal)
}

fn client() -> Result<reqwest::Client, String> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    reqwest::Client::builder()
        .user_agent(concat!("voiced/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())
}

fn http_headers(headers: &[(String, Hidden)]) -> Result<HashMap<HeaderName, HeaderValue>, String> {
    let read = headers.iter().map(|(name, value)| {
        let wrong = || format!("'{name}' is no header");
        let key = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value.reveal()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        Ok((key, value))
    });
    read.collect()
}

/// What a tool said, as text.
fn told(result: &CallToolResult) -> Result<String, ServerCallError> {
    let texts = result.content.iter().filter_map(|block| block.as_text());
    let mut text = texts
        .map(|block| block.text.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    if text.is_empty()
        && let Some(structured) = &result.structured_content
    {
        text = structured.to_string();
    }
    if text.len() > MOST_BYTES {
        text.truncate(text.floor_char_boundary(MOST_BYTES));
        text.push_str(" [cut]");
    }
    if result.is_error == Some(true) {
        Err(ServerCallError::Tool(text))
    } else {
        Ok(text)
    }
}

/// Reaches the servers that clients name. Which may be named is checked before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reach;

impl ToolServers for Reach {
    fn connect(&self, server: ToolServer) -> ServerFuture<Result<Connected, String>> {
        Box::pin(async move {
            let place = Place::Url {
                url: server.url,
                authorization: server.authorization,
                headers: server.headers,
            };
            let connection = Connection::open(&place).await?;
            let tools = connection.tools().await?;
            Ok(Connected {
                tools,
                server: Arc::new(Shared(Arc::new(connection))),
            })
        })
    }
}

struct Shared(Arc<Connection>);

impl ConnectedServer for Shared {
    fn call(&self, call: ToolCall) -> ServerFuture<Result<String, ServerCallError>> {
        let connection = self.0.clone();
        Box::pin(async move { connection.call(&call).await })
    }
}

/// A server of a persona, shared by its calls and reached again when it was lost.
pub struct PersonaServer {
    /// What it is called in logs.
    pub label: String,
    place: Place,
    /// Only these tools; empty: all.
    allowed: Vec<String>,
    live: Mutex<Option<Arc<Connection>>>,
}

impl PersonaServer {
    /// A server that is not reached yet.
    pub fn new(label: String, place: Place, allowed: Vec<String>) -> Self {
        Self {
            label,
            place,
            allowed,
            live: Mutex::new(None),
        }
    }

    /// Reaches it and asks for its tools.
    ///
    /// # Errors
    /// Why it could not be reached.
    pub async fn list(&self) -> Result<Vec<ToolSpec>, String> {
        let tools = self.connection().await?.tools().await?;
        let is_allowed =
            |tool: &ToolSpec| self.allowed.is_empty() || self.allowed.contains(&tool.name);
        Ok(tools.into_iter().filter(is_allowed).collect())
    }

    async fn connection(&self) -> Result<Arc<Connection>, String> {
        let mut live = self.live.lock().await;
        if let Some(connection) = live.as_ref().filter(|live| !live.0.is_closed()) {
            return Ok(connection.clone());
        }
        let connection = Arc::new(Connection::open(&self.place).await?);
        *live = Some(connection.clone());
        Ok(connection)
    }
}

/// A persona's tools with those of its servers behind them.
pub struct WithServers<R> {
    own: R,
    servers: Vec<(Arc<PersonaServer>, Vec<ToolSpec>)>,
}

impl<R: ToolRunner> WithServers<R> {
    /// Reaches the servers. One that is not there is left out and told in the log.
    pub async fn reach(own: R, servers: Vec<PersonaServer>) -> Self {
        let mut reached = Vec::new();
        for server in servers {
            match server.list().await {
                Ok(tools) => reached.push((Arc::new(server), tools)),
                Err(reason) => {
                    tracing::error!(server = server.label, reason, "an MCP server is left out");
                }
            }
        }
        Self {
            own,
            servers: reached,
        }
    }
}

impl<R: ToolRunner> ToolRunner for WithServers<R> {
    fn specs(&self) -> Vec<ToolSpec> {
        let mut specs = self.own.specs();
        for tool in self.servers.iter().flat_map(|(_, tools)| tools) {
            if !specs.iter().any(|known| known.name == tool.name) {
                specs.push(tool.clone());
            }
        }
        specs
    }

    fn run(&self, call: ToolCall) -> ToolFuture {
        let is_own = self.own.specs().iter().any(|tool| tool.name == call.name);
        let server = (self.servers.iter())
            .find(|(_, tools)| tools.iter().any(|tool| tool.name == call.name))
            .map(|(server, _)| server.clone());
        let (Some(server), false) = (server, is_own) else {
            return self.own.run(call);
        };
        Box::pin(async move {
            let answered = match server.connection().await {
                Ok(connection) => connection.call(&call).await,
                Err(reason) => Err(ServerCallError::Unreachable(reason)),
            };
            let output = answered.unwrap_or_else(|error| {
                tracing::warn!(server = server.label, tool = call.name, "a tool failed");
                serde_json::json!({"error": error.text()}).to_string()
            });
            ToolAnswer {
                output,
                effect: ToolEffect::None,
            }
        })
    }
}

#[cfg(test)]
mod tests;
