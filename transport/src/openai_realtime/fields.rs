//! Reads a client's JSON object key by key and refuses what does not fit, naming the key by its
//! dotted path. Never panics, whatever the client sent.
use serde_json::{Map, Value};

use super::events::WireError;

/// One JSON object of a client event.
#[derive(Clone, Debug)]
pub struct Fields<'v> {
    /// Dotted path of this object; empty for the event itself.
    path: String,
    map: &'v Map<String, Value>,
    strict: bool,
}

impl<'v> Fields<'v> {
    /// `value` as an object found at `path`; unknown keys are refused if `strict`.
    pub fn new(path: &str, value: &'v Value, strict: bool) -> Result<Self, WireError> {
        match value {
            Value::Object(map) => Ok(Self {
                path: path.to_owned(),
                map,
                strict,
            }),
            other => Err(wrong_type(path, "an object", other)),
        }
    }

    /// The dotted path of `key`.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Refuses keys that are not in `keys`, when strict.
    pub fn only(&self, keys: &[&str]) -> Result<(), WireError> {
        if !self.strict {
            return Ok(());
        }
        match self.map.keys().find(|key| !keys.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                // A key may be as long as the message: the answer is not.
                let key: String = key.chars().take(128).collect();
                let path = self.path_of(&key);
                Err(WireError::new(
                    "unknown_parameter",
                    format!("Unknown parameter: '{path}'."),
                    Some(path),
                ))
            }
        }
    }

    /// Every key with its value, as written.
    pub fn entries(&self) -> impl Iterator<Item = (&'v str, &'v Value)> {
        self.map.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The whole object as it was written.
    pub fn shown(&self) -> Value {
        Value::Object(self.map.clone())
    }

    /// The value as written, null included; `None` when the key is absent.
    pub fn raw(&self, key: &str) -> Option<&'v Value> {
        self.map.get(key)
    }

    /// The value; `None` when the key is absent or null.
    pub fn value(&self, key: &str) -> Option<&'v Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A nested object; `None` when absent or null.
    pub fn object(&self, key: &str) -> Result<Option<Fields<'v>>, WireError> {
        self.value(key)
            .map(|value| Fields::new(&self.path_of(key), value, self.strict))
            .transpose()
    }

    /// A nested list; `None` when absent or null.
    pub fn list(&self, key: &str) -> Result<Option<&'v [Value]>, WireError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(wrong_type(&self.path_of(key), "an array", other)),
        }
    }

    /// Each element of a list as an object, under the path `key[n]`.
    pub fn objects(&self, key: &str) -> Result<Option<Vec<Fields<'v>>>, WireError> {
        let Some(items) = self.list(key)? else {
            return Ok(None);
        };
        let path = self.path_of(key);
        items
            .iter()
            .enumerate()
            .map(|(n, item)| Fields::new(&format!("{path}[{n}]"), item, self.strict))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// A string; `None` when absent or null.
    pub fn string(&self, key: &str) -> Result<Option<&'v str>, WireError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(&self.path_of(key), "a string", other)),
        }
    }

    /// A string that must be there.
    pub fn required_string(&self, key: &str) -> Result<&'v str, WireError> {
        self.string(key)?.ok_or_else(|| self.missing(key))
    }

    /// One of a few words; `None` when absent or null.
    pub fn word(&self, key: &str, words: &[&str]) -> Result<Option<&'v str>, WireError> {
        match self.string(key)? {
            Some(word) if !words.contains(&word) => Err(self.unsupported(key, word, words)),
            word => Ok(word),
        }
    }

    /// A boolean; `None` when absent or null.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, WireError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(wrong_type(&self.path_of(key), "a boolean", other)),
        }
    }

    /// A whole number within `range`; `None` when absent or null. `500.0` is whole.
    pub fn integer(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, WireError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let Some(number) = value.as_f64() else {
            return Err(wrong_type(&self.path_of(key), "an integer", value));
        };
        if number.fract() != 0.0 {
            return Err(wrong_type(&self.path_of(key), "an integer", value));
        }
        // Beyond 2^53 an `f64` is imprecise, but every range ends far below.
        if number < *range.start() as f64 || number > *range.end() as f64 {
            return Err(self.out_of_range(key, &range.start(), &range.end()));
        }
        Ok(Some(number as u64))
    }

    /// A number within `range`; `None` when absent or null.
    pub fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<Option<f64>, WireError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.as_f64() {
            None => Err(wrong_type(&self.path_of(key), "a number", value)),
            Some(number) if !range.contains(&number) => {
                Err(self.out_of_range(key, &range.start(), &range.end()))
            }
            number => Ok(number),
        }
    }

    /// The refusal for a missing key.
    pub fn missing(&self, key: &str) -> WireError {
        let path = self.path_of(key);
        WireError::new(
            "missing_required_parameter",
            format!("Missing required parameter: '{path}'."),
            Some(path),
        )
    }

    /// The refusal for a value that is not one of `words`.
    pub fn unsupported(&self, key: &str, value: &str, words: &[&str]) -> WireError {
        let value: String = value.chars().take(128).collect();
        WireError::new(
            "invalid_value",
            format!(
                "Invalid value: '{value}'. Supported values are: '{}'.",
                words.join("', '")
            ),
            Some(self.path_of(key)),
        )
    }

    /// The refusal for a value that is understood and cannot be honoured.
    pub fn invalid(&self, key: &str, message: impl Into<String>) -> WireError {
        WireError::new("invalid_value", message, Some(self.path_of(key)))
    }

    fn out_of_range(
        &self,
        key: &str,
        low: &dyn std::fmt::Display,
        high: &dyn std::fmt::Display,
    ) -> WireError {
        let path = self.path_of(key);
        WireError::new(
            "invalid_value",
            format!("Invalid '{path}': expected a value between {low} and {high}."),
            Some(path),
        )
    }
}

fn wrong_type(path: &str, wanted: &str, got: &Value) -> WireError {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let shown = if path.is_empty() { "event" } else { path };
    WireError::new(
        "invalid_type",
        format!("Invalid type for '{shown}': expected {wanted}, but got {got} instead."),
        (!path.is_empty()).then(|| path.to_owned()),
    )
}
