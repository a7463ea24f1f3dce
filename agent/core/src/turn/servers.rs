//! Tool servers a client names for its session: where they are, what of theirs may be called, and
//! which calls must be allowed one by one.
use std::{fmt, sync::Arc};

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(Arc<str>);

impl Hidden {
    /// Hides `text`.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, for whoever must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A tool server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolServer {
    /// What the client calls it; unique in a session.
    pub label: String,
    /// Where it is reached.
    pub url: String,
    /// Sent as a bearer token.
    pub authorization: Option<Hidden>,
    /// Sent with every request: names and values.
    pub headers: Vec<(String, Hidden)>,
    /// The tools that may be called; `None` is all of them.
    pub allowed: Option<Vec<String>>,
    /// Which calls the client must allow.
    pub approval: Approval,
}

/// Which calls of a server the client must allow one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// Every one.
    #[default]
    Always,
    /// None.
    Never,
    /// All but those of these tools.
    AlwaysBut(Vec<String>),
    /// Only those of these tools.
    OnlyFor(Vec<String>),
}

impl Approval {
    /// Whether a call of `tool` must be allowed first.
    pub fn is_needed(&self, tool: &str) -> bool {
        match self {
            Approval::Always => true,
            Approval::Never => false,
            Approval::AlwaysBut(tools) => !tools.iter().any(|named| named == tool),
            Approval::OnlyFor(tools) => tools.iter().any(|named| named == tool),
        }
    }
}

/// Why a tool server did not answer a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerCallError {
    /// The tool itself failed; told to the model.
    Tool(String),
    /// The server answered with an error of the protocol.
    Protocol {
        /// Its number.
        code: i32,
        /// Its words.
        message: String,
    },
    /// The server could not be reached, or not in time.
    Unreachable(String),
}

impl ServerCallError {
    /// In words, for the model.
    pub fn text(&self) -> &str {
        match self {
            ServerCallError::Tool(text)
            | ServerCallError::Protocol { message: text, .. }
            | ServerCallError::Unreachable(text) => text,
        }
    }
}
