//! What a model may call on this machine, and the limits it is called within. A tool answers in
//! JSON, always, in bounded time and size; what a persona does not allow is refused whatever the
//! model says.
mod calculate;
mod clock;
mod limits;

use std::sync::Arc;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use voiced_core::turn::{ToolCall, ToolEffect, ToolRuns, ToolSpec};
use voiced_llm::numbers;
use voiced_pipeline::tools::{ToolAnswer, ToolFuture, ToolRunner};

pub use calculate::calculate;
pub use clock::{Zone, spoken_date, spoken_time};
pub use limits::Limited;

use crate::persona::Persona;

/// A tool of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// What time it is.
    CurrentTime,
    /// What day it is.
    CurrentDate,
    /// The value of an expression, in signs or words.
    Calculate,
    /// An order of the persona's table.
    LookUpOrder,
    /// Hands the caller to one of the persona's targets.
    Transfer,
    /// Lets another persona go on.
    HandOff,
    /// Ends the call.
    HangUp,
}

impl Builtin {
    /// All there are.
    pub const ALL: [Builtin; 7] = [
        Builtin::CurrentTime,
        Builtin::CurrentDate,
        Builtin::Calculate,
        Builtin::LookUpOrder,
        Builtin::Transfer,
        Builtin::HandOff,
        Builtin::HangUp,
    ];

    /// Its name, for models and personas.
    pub fn name(self) -> &'static str {
        match self {
            Builtin::CurrentTime => "current_time",
            Builtin::CurrentDate => "current_date",
            Builtin::Calculate => "calculate",
            Builtin::LookUpOrder => "look_up_order",
            Builtin::Transfer => "transfer",
            Builtin::HandOff => "hand_off",
            Builtin::HangUp => "hang_up",
        }
    }

    /// The tool of that name.
    pub fn named(name: &str) -> Option<Builtin> {
        Builtin::ALL.into_iter().find(|tool| tool.name() == name)
    }

    fn description(self) -> &'static str {
        match self {
            Builtin::CurrentTime => "Tells what time it is now.",
            Builtin::CurrentDate => "Tells what day it is today.",
            Builtin::Calculate => {
                "Calculates. Understands + - * / ^ ( ) and %, and words such as 'twelve plus \
                 thirty', 'twenty percent of fifty' or 'the square root of nine'."
            }
            Builtin::LookUpOrder => "Looks an order up by its number. Ask the caller for it first.",
            Builtin::Transfer => {
                "Hands the caller to a person, once your reply has been spoken. Only when the \
                 caller wants it."
            }
            Builtin::HandOff => {
                "Lets a colleague go on with the caller, once your reply has been spoken. Say who."
            }
            Builtin::HangUp => {
                "Ends the call, once your reply has been spoken. Say goodbye before."
            }
        }
    }
}

/// Somebody a caller may be handed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferTarget {
    /// What the model calls them.
    pub name: String,
    /// Where they are reached: a `sip:`, `sips:` or `tel:` address. Never told to the model.
    pub target: String,
    /// For the model: what they are for.
    pub about: String,
}

/// An order of the demonstration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// As the caller says it.
    pub number: String,
    /// What was ordered.
    pub item: String,
    /// How far it is: "on its way".
    pub status: String,
    /// One more sentence, or nothing.
    pub note: String,
}

/// The tools of one persona.
#[derive(Clone, Debug)]
pub struct Builtins(Arc<Kit>);

#[derive(Debug)]
struct Kit {
    allowed: Vec<Builtin>,
    zone: Zone,
    transfers: Vec<TransferTarget>,
    hand_off: Vec<String>,
    orders: Vec<Order>,
}

impl Builtins {
    /// What a persona may do, within limits, ready for its calls. Times are told for `zone`.
    pub fn of(persona: &Persona, zone: Zone) -> Limited<Builtins> {
        let kit = Kit {
            allowed: persona.tools.clone(),
            zone,
            transfers: persona.transfers.clone(),
            hand_off: persona.hand_off.clone(),
            orders: persona.orders.clone(),
        };
        Limited::new(Builtins(Arc::new(kit)))
    }
}

impl ToolRunner for Builtins {
    fn specs(&self) -> Vec<ToolSpec> {
        let specs = self.0.allowed.iter().map(|tool| ToolSpec {
            name: tool.name().to_owned(),
            description: tool.description().to_owned(),
            parameters: self.0.parameters(*tool).to_string(),
            runs: ToolRuns::Here,
        });
        specs.collect()
    }

    fn run(&self, call: ToolCall) -> ToolFuture {
        let kit = self.0.clone();
        Box::pin(async move { kit.run(&call) })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expression {
    expression: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderNumber {
    /// Models write numbers as numbers too.
    number: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    #[serde(default)]
    #[allow(dead_code)] // Models like to give one; it is for the conversation, not for us.
    reason: Option<String>,
}

impl Kit {
    fn parameters(&self, tool: Builtin) -> Value {
        let object = |properties: Value, required: Value| {
            json!({
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            })
        };
        match tool {
            Builtin::CurrentTime | Builtin::CurrentDate => object(json!({}), json!([])),
            Builtin::Calculate => {
                let expression = json!({"type": "string", "description": "e.g. (12 + 30) / 2"});
                object(json!({"expression": expression}), json!(["expression"]))
            }
            Builtin::LookUpOrder => {
                let number =
                    json!({"type": "string", "description": "The order's number, in figures"});
                object(json!({"number": number}), json!(["number"]))
            }
            Builtin::Transfer => {
                let names: Vec<&str> = self.transfers.iter().map(|t| t.name.as_str()).collect();
                let about: Vec<String> = (self.transfers.iter())
                    .map(|target| format!("{}: {}", target.name, target.about))
                    .collect();
                let to = json!({"type": "string", "enum": names, "description": about.join("; ")});
                object(json!({"to": to}), json!(["to"]))
            }
            Builtin::HandOff => {
                let to = json!({"type": "string", "enum": self.hand_off});
                object(json!({"to": to}), json!(["to"]))
            }
            Builtin::HangUp => object(json!({"reason": {"type": "string"}}), json!([])),
        }
    }

    fn run(&self, call: &ToolCall) -> ToolAnswer {
        let allowed = Builtin::named(&call.name).filter(|tool| self.allowed.contains(tool));
        let Some(tool) = allowed else {
            let known: Vec<&str> = self.allowed.iter().map(|tool| tool.name()).collect();
            return told(Err(format!(
                "there is no tool '{}'; there are: {}",
                call.name,
                known.join(", ")
            )));
        };
        match self.carry_out(tool, call) {
            Ok((output, effect)) => ToolAnswer {
                output: output.to_string(),
                effect,
            },
            Err(why) => told(Err(why)),
        }
    }

    fn carry_out(&self, tool: Builtin, call: &ToolCall) -> Result<(Value, ToolEffect), String> {
        let output = match tool {
            Builtin::CurrentTime => {
                let Nothing {} = arguments(call)?;
                let now = self.zone.now();
                json!({
                    "time": format!("{:02}:{:02}", now.hour(), now.minute()),
                    "spoken": spoken_time(now.time()),
                    "time_zone": clock::zone_name(now.offset()),
                })
            }
            Builtin::CurrentDate => {
                let Nothing {} = arguments(call)?;
                let today = self.zone.now().date();
                json!({"date": today.to_string(), "spoken": spoken_date(today)})
            }
            Builtin::Calculate => {
                let Expression { expression } = arguments(call)?;
                let result = calculate(&expression).map_err(|error| error.to_string())?;
                json!({"result": numbers::plain(result), "spoken": numbers::spell(result)})
            }
            Builtin::LookUpOrder => {
                let OrderNumber { number } = arguments(call)?;
                self.order(&number)?
            }
            Builtin::Transfer => {
                let To { to } = arguments(call)?;
                let target = self.target(&to)?;
                let effect = ToolEffect::Transfer(target.target.clone());
                return Ok((json!({"transferring_to": target.name}), effect));
            }
            Builtin::HandOff => {
                let To { to } = arguments(call)?;
                let known = self
                    .hand_off
                    .iter()
                    .find(|name| name.eq_ignore_ascii_case(to.trim()));
                let name = known.ok_or_else(|| {
                    format!(
                        "there is no '{to}' to go on, only: {}",
                        self.hand_off.join(", ")
                    )
                })?;
                let effect = ToolEffect::HandOff(name.clone());
                return Ok((json!({"handing_over_to": name}), effect));
            }
            Builtin::HangUp => {
                let Why { .. } = arguments(call)?;
                return Ok((json!({"hanging_up": true}), ToolEffect::HangUp));
            }
        };
        Ok((output, ToolEffect::None))
    }

    fn order(&self, number: &Value) -> Result<Value, String> {
        let asked = match number {
            Value::String(text) => text.clone(),
            Value::Number(n) => n.to_string(),
            _ => return Err("`number` must be the order's number as text".into()),
        };
        let wanted = plain_number(&asked);
        let order = self
            .orders
            .iter()
            .find(|order| plain_number(&order.number) == wanted);
        let order = order.ok_or_else(|| format!("there is no order {wanted}"))?;
        Ok(json!({
            "number": order.number,
            "item": order.item,
            "status": order.status,
            "note": order.note,
        }))
    }

    fn target(&self, to: &str) -> Result<&TransferTarget, String> {
        let known = self
            .transfers
            .iter()
            .find(|target| target.name.eq_ignore_ascii_case(to.trim()));
        known.ok_or_else(|| {
            let names: Vec<&str> = self.transfers.iter().map(|t| t.name.as_str()).collect();
            format!(
                "callers cannot be transferred to '{to}', only to: {}",
                names.join(", ")
            )
        })
    }
}

/// "Order 427", "four two seven" and "4-2-7" are one number.
fn plain_number(text: &str) -> String {
    let text = text.to_lowercase();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    let said = words.iter().position(|word| numbers::is_number_word(word));
    let figures = said.and_then(|at| numbers::digits(&words[at..]));
    figures.unwrap_or_else(|| words.concat())
}

fn arguments<T: DeserializeOwned>(call: &ToolCall) -> Result<T, String> {
    let text = if call.arguments.trim().is_empty() {
        "{}"
    } else {
        &call.arguments
    };
    // An object first: serde would read a struct from a list too.
    let read = serde_json::from_str::<Map<String, Value>>(text)
        .and_then(|object| serde_json::from_value(Value::Object(object)));
    read.map_err(|error| format!("the arguments are not valid: {error}"))
}

/// An answer without effect.
fn told(result: Result<Value, String>) -> ToolAnswer {
    let output = match result {
        Ok(output) => output,
        Err(error) => json!({"error": error}),
    };
    ToolAnswer {
        output: output.to_string(),
        effect: ToolEffect::None,
    }
}

#[cfg(test)]
mod tests;
