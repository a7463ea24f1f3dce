//! Puts a reply together from the chunks of a chat completion, whatever their server leaves out.
//! Pure.
use serde_json::Value;
use voiced_core::{engine::ReplyEnd, turn::ToolCall};
use voiced_pipeline::server::Failure;

use super::thought::ThoughtFilter;

/// Most calls of one reply; more is a server gone wrong.
const MOST_CALLS: usize = 64;
/// Longest arguments of one call.
const LONGEST_ARGUMENTS: usize = 256 * 1024;

/// A reply being put together.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    thoughts: ThoughtFilter,
    calls: Vec<PartCall>,
    end: ReplyEnd,
    finish: Option<Finish>,
    alive: bool,
}

#[derive(Debug, Default)]
struct PartCall {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    /// Bytes of the arguments that were given out by [`Assembly::take_parts`].
    told: usize,
}

/// More of a call that is being written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartOfCall {
    pub id: String,
    pub name: String,
    pub delta: String,
}

/// How a reply said that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    Whole,
    CutShort,
}

impl Assembly {
    /// Takes in a chunk, or a whole completion of a server that does not stream. Returns the text
    /// to be spoken next; may be empty.
    pub fn push(&mut self, chunk: &Value) -> Result<String, Failure> {
        if let Some(failure) = Failure::in_stream(chunk) {
            return Err(failure);
        }
        self.count(chunk.get("usage"));
        let mut spoken = String::new();
        // One choice was asked for; the last chunk of usage has none.
        let Some(choice) = chunk.get("choices").and_then(|choices| choices.get(0)) else {
            return Ok(spoken);
        };
        if let Some(delta) = choice.get("delta").or(choice.get("message")) {
            if let Some(text) = delta.get("content").and_then(content) {
                self.alive |= !text.is_empty();
                spoken = self.thoughts.push(&text);
            }
            let thinking = ["reasoning_content", "reasoning"];
            self.alive |= (thinking.iter()).any(|key| {
                delta
                    .get(key)
                    .is_some_and(|value| !value.is_null() && value != "")
            });
            for call in delta
                .get("tool_calls")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.alive = true;
                self.push_call(call)?;
            }
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.alive = true;
            self.finish = Some(match reason {
                "length" => Finish::CutShort,
                _ => Finish::Whole,
            });
            spoken.push_str(&self.thoughts.finish());
        }
        Ok(spoken)
    }

    /// Whether the model has begun to write, if only thoughts.
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Whether the reply said that it is over; counts may still follow.
    pub fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Whether token counts have come.
    pub fn is_counted(&self) -> bool {
        self.end.output_tokens.is_some()
    }

    /// The stream is over, `said_so` when it ended with the word for it. The text that was held
    /// back; an error when nothing had come.
    pub fn close(&mut self, said_so: bool) -> Result<String, Failure> {
        if self.finish.is_none() {
            if !self.alive {
                return Err(Failure::Broken("it ended before its first token".into()));
            }
            // Said so far is said; that it may not be all must be known.
            let whole = if said_so {
                Finish::Whole
            } else {
                Finish::CutShort
            };
            self.finish = Some(whole);
            return Ok(self.thoughts.finish());
        }
        Ok(String::new())
    }

    /// What was written of calls since the last time. Calls that their server gives no id are
    /// only given whole.
    pub fn take_parts(&mut self) -> Vec<PartOfCall> {
        let named = |call: &&mut PartCall| {
            !call.id.is_empty() && !call.name.is_empty() && call.told < call.arguments.len()
        };
        let parts = self.calls.iter_mut().filter(named).map(|call| {
            let delta = call.arguments[call.told..].to_owned();
            call.told = call.arguments.len();
            PartOfCall {
                id: call.id.clone(),
                name: call.name.clone(),
                delta,
            }
        });
        parts.collect()
    }

    /// The calls, complete, in order; they are given once.
    pub fn take_calls(&mut self) -> Vec<ToolCall> {
        let calls = std::mem::take(&mut self.calls);
        (calls.into_iter().enumerate())
            .filter(|(_, call)| !call.name.is_empty())
            .map(|(i, call)| ToolCall {
                id: if call.id.is_empty() {
                    format!("call_{i}")
                } else {
                    call.id
                },
                name: call.name,
                arguments: if call.arguments.trim().is_empty() {
                    "{}".to_owned()
                } else {
                    call.arguments
                },
            })
            .collect()
    }

    /// How it ended and what it cost.
    pub fn end(&self) -> ReplyEnd {
        ReplyEnd {
            cut_short: self.finish == Some(Finish::CutShort),
            ..self.end
        }
    }

    fn count(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage.filter(|usage| usage.is_object()) else {
            return;
        };
        let tokens = |key: &str| {
            let n = usage.get(key)?.as_u64()?;
            u32::try_from(n).ok()
        };
        self.end.input_tokens = tokens("prompt_tokens").or(self.end.input_tokens);
        self.end.output_tokens = tokens("completion_tokens").or(self.end.output_tokens);
    }

    fn push_call(&mut self, delta: &Value) -> Result<(), Failure> {
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = text(delta.get("id"));
        let index = delta.get("index").and_then(Value::as_u64);
        let function = delta.get("function");
        let call = self.call_for(index, &id)?;
        if call.id.is_empty() {
            call.id = id;
        }
        // Some servers send the name with every part, some in parts: never both.
        let name = text(function.and_then(|function| function.get("name")));
        if call.name != name {
            call.name.push_str(&name);
        }
        match function.and_then(|function| function.get("arguments")) {
            Some(Value::String(part)) => call.arguments.push_str(part),
            // Whole at once, not as text.
            Some(object @ Value::Object(_)) if call.told == 0 => {
                call.arguments = object.to_string();
            }
            _ => {}
        }
        if call.arguments.len() > LONGEST_ARGUMENTS {
            return Err(Failure::Malformed("a call's arguments do not end".into()));
        }
        Ok(())
    }

    /// The call a part belongs to: by index, or, where a server gives none or always the same, by
    /// a new id; a part without either belongs to the last call.
    fn call_for(&mut self, index: Option<u64>, id: &str) -> Result<&mut PartCall, Failure> {
        let same_id = |call: &PartCall| id.is_empty() || call.id.is_empty() || call.id == id;
        let known = match index {
            Some(_) => self
                .calls
                .iter()
                .rposition(|call| call.index == index && same_id(call)),
            None => self
                .calls
                .len()
                .checked_sub(1)
                .filter(|last| same_id(&self.calls[*last])),
        };
        let at = match known {
            Some(at) => at,
            None if self.calls.len() == MOST_CALLS => {
                return Err(Failure::Malformed("the calls do not end".into()));
            }
            None => {
                self.calls.push(PartCall {
                    index,
                    ..PartCall::default()
                });
                self.calls.len() - 1
            }
        };
        Ok(&mut self.calls[at])
    }
}

/// Text, or the text parts of a list of parts.
fn content(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            Some(texts.collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn calls(deltas: &[Value]) -> Vec<(String, String, String)> {
        let mut assembly = Assembly::default();
        for delta in deltas {
            let chunk = json!({"choices": [{"delta": {"tool_calls": [delta]}}]});
            assembly.push(&chunk).unwrap();
        }
        let calls = assembly.take_calls().into_iter();
        calls
            .map(|call| (call.id, call.name, call.arguments))
            .collect()
    }

    fn named(id: &str, name: &str, arguments: &str) -> (String, String, String) {
        (id.into(), name.into(), arguments.into())
    }

    #[test]
    fn calls_are_put_together_by_index_even_when_interleaved() {
        let deltas = [
            json!({"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}}),
            json!({"index": 1, "id": "b", "function": {"name": "time", "arguments": "{"}}),
            json!({"index": 0, "function": {"arguments": "{\"n\":"}}),
            json!({"index": 1, "function": {"arguments": "}"}}),
            json!({"index": 0, "function": {"arguments": "1}"}}),
        ];
        let expected = [named("a", "look", "{\"n\":1}"), named("b", "time", "{}")];
        assert_eq!(calls(&deltas), expected);
    }

    #[test]
    fn calls_of_careless_servers_are_told_apart() {
        let same_index = [
            json!({"index": 0, "id": "a", "function": {"name": "x", "arguments": "{}"}}),
            json!({"index": 0, "id": "b", "function": {"name": "y", "arguments": "{}"}}),
        ];
        assert_eq!(
            calls(&same_index),
            [named("a", "x", "{}"), named("b", "y", "{}")]
        );
        let no_index = [
            json!({"id": "a", "function": {"name": "x", "arguments": "{\"n\""}}),
            json!({"function": {"arguments": ":2}"}}),
            json!({"id": "b", "function": {"name": "y"}}),
        ];
        assert_eq!(
            calls(&no_index),
            [named("a", "x", "{\"n\":2}"), named("b", "y", "{}")]
        );
        let bare = [json!({"function": {"name": "x", "arguments": {"n": 1}}})];
        assert_eq!(calls(&bare), [named("call_0", "x", "{\"n\":1}")]);
        let again = [
            json!({"index": 0, "id": "a", "function": {"name": "x", "arguments": "{"}}),
            json!({"index": 0, "id": "a", "function": {"name": "x", "arguments": "}"}}),
        ];
        assert_eq!(calls(&again), [named("a", "x", "{}")]);
    }

    #[test]
    fn calls_are_given_out_while_they_are_written() {
        let mut assembly = Assembly::default();
        let mut push = |delta: Value| {
            let chunk = json!({"choices": [{"delta": {"tool_calls": [delta]}}]});
            assembly.push(&chunk).unwrap();
            let parts = assembly.take_parts().into_iter();
            parts.map(|part| part.delta).collect::<Vec<_>>().concat()
        };
        assert_eq!(
            push(json!({"index": 0, "id": "a", "function": {"name": "x"}})),
            ""
        );
        assert_eq!(
            push(json!({"index": 0, "function": {"arguments": "{\"n\""}})),
            "{\"n\""
        );
        assert_eq!(
            push(json!({"index": 0, "function": {"arguments": ":1}"}})),
            ":1}"
        );
        assert_eq!(
            push(json!({"index": 1, "function": {"name": "y", "arguments": "{}"}})),
            ""
        );
        assert_eq!(assembly.take_calls().len(), 2);
    }

    #[test]
    fn missing_fields_are_no_error() {
        let mut assembly = Assembly::default();
        for chunk in [
            json!({}),
            json!({"choices": []}),
            json!({"choices": [{}]}),
            json!({"choices": [{"delta": {}}]}),
            json!({"choices": [{"delta": {"content": null, "role": "assistant"}}]}),
            json!({"usage": null}),
            json!(7),
        ] {
            assert_eq!(assembly.push(&chunk).unwrap(), "");
        }
        assert!(!assembly.is_alive());
        assert!(assembly.close(true).is_err());
    }

    #[test]
    fn a_whole_completion_is_taken_like_a_stream() {
        let mut assembly = Assembly::default();
        let whole = json!({
            "choices": [{"message": {"content": [{"type": "text", "text": "Hi."}]}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        });
        assert_eq!(assembly.push(&whole).unwrap(), "Hi.");
        assert!(assembly.is_finished() && assembly.is_counted());
        assert_eq!(assembly.end().input_tokens, Some(3));
    }

    #[test]
    fn a_stream_without_an_end_is_known_to_be_cut() {
        let mut assembly = Assembly::default();
        let chunk = json!({"choices": [{"delta": {"content": "Well <"}}]});
        assert_eq!(assembly.push(&chunk).unwrap(), "Well ");
        assert_eq!(assembly.close(false).unwrap(), "<");
        assert!(assembly.end().cut_short);
    }

    #[test]
    fn a_stream_that_says_done_without_a_reason_is_whole() {
        let mut assembly = Assembly::default();
        let chunk = json!({"choices": [{"delta": {"content": "Well."}}]});
        assert_eq!(assembly.push(&chunk).unwrap(), "Well.");
        assembly.close(true).unwrap();
        assert!(assembly.is_finished() && !assembly.end().cut_short);
    }

    #[test]
    fn reasoning_is_life_but_not_speech() {
        let mut assembly = Assembly::default();
        let chunk = json!({"choices": [{"delta": {"reasoning_content": "hm"}}]});
        assert_eq!(assembly.push(&chunk).unwrap(), "");
        assert!(assembly.is_alive());
    }

    #[test]
    fn endless_calls_are_refused() {
        let mut assembly = Assembly::default();
        let part = json!({"index": 0, "function": {"name": "x", "arguments": "y".repeat(100_000)}});
        let chunk = json!({"choices": [{"delta": {"tool_calls": [part]}}]});
        assert!((0..4).any(|_| assembly.push(&chunk).is_err()));
        let mut assembly = Assembly::default();
        let refused = (0..100).any(|i| {
            let part = json!({"index": i, "function": {"name": "x"}});
            let chunk = json!({"choices": [{"delta": {"tool_calls": [part]}}]});
            assembly.push(&chunk).is_err()
        });
        assert!(refused);
    }
}
