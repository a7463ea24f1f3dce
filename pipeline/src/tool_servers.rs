//! Tool servers that a client names for its session, as a session sees them.
use std::{pin::Pin, sync::Arc};

use voiced_core::turn::{ServerCallError, ToolCall, ToolServer, ToolSpec};

/// A future that a trait object can return.
pub type ServerFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Reaches tool servers. It bounds its own time: the conversation waits for every answer.
pub trait ToolServers: Send + Sync {
    /// Connects and asks for the tools. The reason for failing is told to the client.
    fn connect(&self, server: ToolServer) -> ServerFuture<Result<Connected, String>>;
}

/// A server that was reached.
pub struct Connected {
    /// Its tools, by its own names.
    pub tools: Vec<ToolSpec>,
    /// Carries out calls of them; dropping it ends the connection.
    pub server: Arc<dyn ConnectedServer>,
}

/// Carries out calls of one server.
pub trait ConnectedServer: Send + Sync {
    /// Carries out one call, by the server's own name of the tool.
    fn call(&self, call: ToolCall) -> ServerFuture<Result<String, ServerCallError>>;
}

/// Reaches none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoToolServers;

impl ToolServers for NoToolServers {
    fn connect(&self, _: ToolServer) -> ServerFuture<Result<Connected, String>> {
        Box::pin(async { Err("tool servers are switched off here".to_owned()) })
    }
}
