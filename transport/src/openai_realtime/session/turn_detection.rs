//! Turn detection as the wire knows it, and the turn policy it stands for.
use std::time::Duration;

use serde_json::{Value, json};
use voiced_core::turn::{TurnMode, TurnPolicy};

use crate::openai_realtime::{events::WireError, fields::Fields};

/// `audio.input.turn_detection`; the wire's null is `Option::None`.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnDetection {
    kind: Kind,
    create_response: bool,
    interrupt_response: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Server {
        threshold: f64,
        prefix_padding_ms: u64,
        silence_duration_ms: u64,
        idle_timeout_ms: Option<u64>,
    },
    Semantic {
        eagerness: Eagerness,
    },
}

/// How soon a semantic turn detector answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eagerness {
    Low,
    Medium,
    High,
    /// As the daemon is configured, which is `Medium` unless it says otherwise.
    Auto,
}

const EAGERNESS: [&str; 4] = ["low", "medium", "high", "auto"];

impl TurnDetection {
    /// How the daemon's own policy reads on the wire.
    pub fn of(policy: &TurnPolicy) -> Option<Self> {
        let kind = match policy.mode {
            TurnMode::Manual => return None,
            TurnMode::Silence(silence) => Kind::Server {
                threshold: policy.threshold.map_or(0.5, f64::from),
                prefix_padding_ms: 300,
                silence_duration_ms: millis(silence),
                idle_timeout_ms: policy.idle.map(millis),
            },
            TurnMode::Detector { .. } => Kind::Semantic {
                eagerness: Eagerness::Auto,
            },
        };
        Some(Self {
            kind,
            create_response: policy.reply,
            interrupt_response: policy.interrupt,
        })
    }

    /// `current` with the keys of `fields` in their place; a change of type starts from that
    /// type's defaults.
    pub fn updated(current: Option<&Self>, fields: &Fields<'_>) -> Result<Self, WireError> {
        let kinds = ["server_vad", "semantic_vad"];
        let same = match (fields.word("type", &kinds)?, current) {
            (None, None) => return Err(fields.missing("type")),
            (Some("server_vad"), Some(now)) => matches!(now.kind, Kind::Server { .. }),
            (Some(_), Some(now)) => matches!(now.kind, Kind::Semantic { .. }),
            (None, Some(_)) => true,
            (Some(_), None) => false,
        };
        let mut next = match (fields.string("type")?, current) {
            (_, Some(now)) if same => now.clone(),
            (Some("server_vad"), _) => Self::server_vad(),
            _ => Self::semantic_vad(),
        };
        next.take(fields)?;
        Ok(next)
    }

    fn server_vad() -> Self {
        Self {
            kind: Kind::Server {
                threshold: 0.5,
                prefix_padding_ms: 300,
                silence_duration_ms: 500,
                idle_timeout_ms: None,
            },
            create_response: true,
            interrupt_response: true,
        }
    }

    fn semantic_vad() -> Self {
        Self {
            kind: Kind::Semantic {
                eagerness: Eagerness::Auto,
            },
            create_response: true,
            interrupt_response: true,
        }
    }

    fn take(&mut self, fields: &Fields<'_>) -> Result<(), WireError> {
        match &mut self.kind {
            Kind::Server {
                threshold,
                prefix_padding_ms,
                silence_duration_ms,
                idle_timeout_ms,
            } => {
                fields.only(&[
                    "type",
                    "threshold",
                    "prefix_padding_ms",
                    "silence_duration_ms",
                    "idle_timeout_ms",
                    "create_response",
                    "interrupt_response",
                ])?;
                set(threshold, fields.number("threshold", 0.0..=1.0)?);
                set(
                    prefix_padding_ms,
                    fields.integer("prefix_padding_ms", 0..=10_000)?,
                );
                set(
                    silence_duration_ms,
                    fields.integer("silence_duration_ms", 0..=60_000)?,
                );
                if let Some(value) = fields.raw("idle_timeout_ms") {
                    *idle_timeout_ms = match value {
                        Value::Null => None,
                        _ => fields.integer("idle_timeout_ms", 5_000..=30_000)?,
                    };
                }
            }
            Kind::Semantic { eagerness } => {
                fields.only(&["type", "eagerness", "create_response", "interrupt_response"])?;
                set(
                    eagerness,
                    fields.word("eagerness", &EAGERNESS)?.map(Eagerness::read),
                );
            }
        }
        set(
            &mut self.create_response,
            fields.boolean("create_response")?,
        );
        set(
            &mut self.interrupt_response,
            fields.boolean("interrupt_response")?,
        );
        Ok(())
    }

    /// The daemon's policy `base` with what the client chose in its place.
    pub fn policy(this: Option<&Self>, base: &TurnPolicy) -> TurnPolicy {
        let mut policy = base.clone();
        let Some(chosen) = this else {
            policy.mode = TurnMode::Manual;
            policy.reply = false;
            policy.interrupt = false;
            return policy;
        };
        policy.reply = chosen.create_response;
        policy.interrupt = chosen.interrupt_response;
        match &chosen.kind {
            Kind::Server {
                threshold,
                prefix_padding_ms,
                silence_duration_ms,
                idle_timeout_ms,
            } => {
                policy.mode = TurnMode::Silence(Duration::from_millis(*silence_duration_ms));
                policy.idle = idle_timeout_ms.map(Duration::from_millis);
                policy.idle_by_model = true;
                // The protocol's default is the daemon's own idea of a voice.
                policy.threshold = (*threshold != 0.5).then_some(*threshold as f32);
                policy.prefix = Duration::from_millis(*prefix_padding_ms);
            }
            Kind::Semantic { eagerness } => policy.mode = eagerness.mode(&base.mode),
        }
        policy
    }

    /// As the wire shows it.
    pub fn to_wire(&self) -> Value {
        match &self.kind {
            Kind::Server {
                threshold,
                prefix_padding_ms,
                silence_duration_ms,
                idle_timeout_ms,
            } => json!({
                "type": "server_vad",
                "threshold": threshold,
                "prefix_padding_ms": prefix_padding_ms,
                "silence_duration_ms": silence_duration_ms,
                "idle_timeout_ms": idle_timeout_ms,
                "create_response": self.create_response,
                "interrupt_response": self.interrupt_response,
            }),
            Kind::Semantic { eagerness } => json!({
                "type": "semantic_vad",
                "eagerness": eagerness.word(),
                "create_response": self.create_response,
                "interrupt_response": self.interrupt_response,
            }),
        }
    }
}

impl Eagerness {
    fn read(word: &str) -> Self {
        match word {
            "low" => Eagerness::Low,
            "medium" => Eagerness::Medium,
            "high" => Eagerness::High,
            _ => Eagerness::Auto,
        }
    }

    fn word(self) -> &'static str {
        EAGERNESS[self as usize]
    }

    /// The longest waits are the protocol's (8, 4 and 2 s); how sure the detector must be to
    /// answer sooner is ours.
    fn mode(self, configured: &TurnMode) -> TurnMode {
        let (sure, at_least_ms, patience_s) = match (self, configured) {
            (Eagerness::Auto, TurnMode::Detector { .. }) => return configured.clone(),
            (Eagerness::Low, _) => (0.8, 500, 8),
            (Eagerness::Medium | Eagerness::Auto, _) => (0.6, 350, 4),
            (Eagerness::High, _) => (0.45, 250, 2),
        };
        TurnMode::Detector {
            sure,
            at_least: Duration::from_millis(at_least_ms),
            patience: Duration::from_secs(patience_s),
        }
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
