//! What is kept of a call: who, when, in what words, how good the line was and why it ended.
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// They called.
    Inbound,
    /// We called.
    Outbound,
}

/// One thing that was said or done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// The caller said something.
    Caller {
        /// Milliseconds since the call was taken.
        at_ms: u64,
        /// Their words.
        text: String,
    },
    /// The agent said something.
    Agent {
        /// Milliseconds since the call was taken.
        at_ms: u64,
        /// What was heard of it.
        text: String,
        /// From the end of the caller's words to the agent's first sound.
        latency_ms: Option<u64>,
    },
    /// The caller pressed keys.
    Keys {
        /// Milliseconds since the call was taken.
        at_ms: u64,
        /// Which.
        keys: String,
    },
    /// A tool was called.
    Tool {
        /// Milliseconds since the call was taken.
        at_ms: u64,
        /// Its name.
        name: String,
    },
}

/// How good the line was, seen from here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineQuality {
    /// Packets that came.
    pub packets: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Stretches that were guessed.
    pub concealed: u64,
    /// Inter-arrival jitter at the end.
    pub jitter_ms: f64,
    /// Mean opinion score estimate, 1 to 4.4.
    pub mos: f64,
    /// Share of our packets the far end misses, where it said.
    pub far_loss: Option<f64>,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Its name, as in the log.
    pub name: String,
    /// Who called whom.
    pub way: Way,
    /// By which door: `sip`, `twilio`, …
    pub door: String,
    /// Who called, as they said.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// Who answered.
    pub persona: Option<String>,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// How long it lasted from being taken to its end.
    pub lasted_ms: u64,
    /// What was spoken.
    pub codec: Option<String>,
    /// Whether the media were encrypted.
    pub encrypted: bool,
    /// What was said and done.
    pub entries: Vec<Entry>,
    /// How good the line was.
    pub quality: LineQuality,
    /// Why it ended.
    pub ended: String,
}

/// The most entries kept of a call.
const MOST_ENTRIES: usize = 2_000;

impl CallRecord {
    /// Adds an entry, unless there are too many.
    pub fn add(&mut self, entry: Entry) {
        if self.entries.len() < MOST_ENTRIES {
            self.entries.push(entry);
        }
    }
}

/// Milliseconds of a duration.
pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
