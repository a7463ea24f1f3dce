//! Arguments for a tool that no rule knows: the least that satisfies its JSON Schema, filled from
//! what was said. Pure.
use serde_json::{Map, Value, json};

use crate::{
    numbers,
    scripted::{
        slots::Kind,
        words::{Token, tokens},
    },
};

/// How deep a schema is followed; deeper, `null` stands.
const DEEPEST: usize = 8;

/// Arguments for a schema given as JSON text. An unreadable schema gets none.
pub fn arguments_for(schema: &str, heard: &str) -> Value {
    let schema: Value = serde_json::from_str(schema).unwrap_or(Value::Null);
    let tokens = tokens(heard);
    match value_for(&schema, heard.trim(), &tokens, 0) {
        object @ Value::Object(_) => object,
        _ => json!({}),
    }
}

fn value_for(schema: &Value, heard: &str, said: &[Token], depth: usize) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return choice(choices, said);
    }
    match kind(schema) {
        "string" => json!(heard),
        "integer" => json!(number(said).unwrap_or(0.0).trunc() as i64),
        "number" => json!(number(said).unwrap_or(0.0)),
        "boolean" => json!(
            !said
                .iter()
                .any(|t| matches!(t.word.text.as_str(), "no" | "not" | "off"))
        ),
        "array" => json!([]),
        "null" => Value::Null,
        _ => object(schema, heard, said, depth),
    }
}

/// The schema's type; the first of several.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("object"),
        _ => "object",
    }
}

fn object(schema: &Value, heard: &str, said: &[Token], depth: usize) -> Value {
    let empty = Map::new();
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let required: Vec<&str> = (schema.get("required").and_then(Value::as_array))
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let filled = properties
        .iter()
        .filter(|(name, _)| required.contains(&name.as_str()))
        .map(|(name, schema)| (name.clone(), value_for(schema, heard, said, depth + 1)));
    Value::Object(filled.collect())
}

/// The choice that was said, else the first.
fn choice(choices: &[Value], said: &[Token]) -> Value {
    let named = choices.iter().find(|choice| {
        choice.as_str().is_some_and(|text| {
            let words: Vec<String> = tokens(text).into_iter().map(|t| t.word.text).collect();
            !words.is_empty()
                && (said.windows(words.len()))
                    .any(|run| run.iter().zip(&words).all(|(t, w)| t.word.text == *w))
        })
    });
    named.or(choices.first()).cloned().unwrap_or(Value::Null)
}

/// The longest number said first.
fn number(said: &[Token]) -> Option<f64> {
    for start in 0..said.len() {
        if !numbers::is_number_word(&said[start].word.text) {
            continue;
        }
        let longest = Kind::Number.longest().min(said.len() - start);
        let found = (1..=longest)
            .rev()
            .find_map(|n| Kind::Number.capture(&said[start..start + n]));
        if let Some(found) = found {
            return found.parse().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_arguments_are_filled_from_what_was_said() {
        let schema = json!({
            "type": "object",
            "properties": {
                "place": {"type": "string"},
                "days": {"type": "integer"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "exact": {"type": "boolean"},
                "note": {"type": "string"},
            },
            "required": ["place", "days", "unit", "exact"],
        });
        let heard = "the weather in Paris for twenty one days in fahrenheit";
        assert_eq!(
            arguments_for(&schema.to_string(), heard),
            json!({"place": heard, "days": 21, "unit": "fahrenheit", "exact": true}),
        );
    }

    #[test]
    fn a_schema_that_cannot_be_read_gets_no_arguments() {
        for schema in ["", "7", "{", "{\"type\":\"string\"}"] {
            assert_eq!(arguments_for(schema, "hello"), json!({}), "{schema}");
        }
    }

    #[test]
    fn a_bottomless_schema_ends() {
        let mut schema = json!({"type": "object"});
        for _ in 0..50 {
            schema = json!({"type": "object", "properties": {"a": schema}, "required": ["a"]});
        }
        assert!(
            arguments_for(&schema.to_string(), "x")
                .to_string()
                .ends_with("null}}}}}}}}}")
        );
    }
}
