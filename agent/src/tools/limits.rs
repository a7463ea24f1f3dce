//! Bounds on any tool: how long it takes and how much it says.
use std::time::Duration;

use tokio::time::timeout;
use voiced_core::turn::{ToolCall, ToolSpec};
use voiced_pipeline::tools::{ToolFuture, ToolRunner};

use super::told;

/// A runner whose every call ends in time with an answer of bounded size.
#[derive(Clone, Debug)]
pub struct Limited<R> {
    inner: R,
    within: Duration,
    most_bytes: usize,
}

impl<R: ToolRunner> Limited<R> {
    /// How long a call may take: a caller waits in silence meanwhile.
    pub const WITHIN: Duration = Duration::from_secs(10);
    /// How much an answer may say: about a thousand tokens, more would be read to nobody.
    pub const MOST_BYTES: usize = 4 * 1024;

    /// Within the usual limits.
    pub fn new(inner: R) -> Self {
        Self::with(inner, Self::WITHIN, Self::MOST_BYTES)
    }

    /// Within these limits.
    pub fn with(inner: R, within: Duration, most_bytes: usize) -> Self {
        Self {
            inner,
            within,
            most_bytes,
        }
    }
}

impl<R: ToolRunner> ToolRunner for Limited<R> {
    fn specs(&self) -> Vec<ToolSpec> {
        self.inner.specs()
    }

    fn run(&self, call: ToolCall) -> ToolFuture {
        let name = call.name.clone();
        let running = self.inner.run(call);
        let (within, most_bytes) = (self.within, self.most_bytes);
        Box::pin(async move {
            let Ok(mut answer) = timeout(within, running).await else {
                tracing::warn!(tool = name, ?within, "a tool took too long");
                return told(Err("it took too long and was stopped".into()));
            };
            if answer.output.len() > most_bytes {
                let end = answer.output.floor_char_boundary(most_bytes);
                answer.output.truncate(end);
                answer.output.push_str(" [cut]");
            }
            answer
        })
    }
}
