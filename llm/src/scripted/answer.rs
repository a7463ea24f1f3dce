//! The answers of a script: text with `{slot}`s to fill. Which slots an answer may name is checked
//! when the script is read, so that filling one in a call cannot fail by a slip of the pen.
use serde_json::Value;

use crate::numbers;

/// Slots that every answer may name, or that answers to tools may, and no pattern can take.
pub const RESERVED: [&str; 4] = ["result", "heard", "last", "self"];

/// A text with slots.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Slot(Slot),
}

#[derive(Clone, Debug, PartialEq)]
struct Slot {
    /// `result`, `heard`, `last`, `self` or a capture.
    name: String,
    /// The field of a tool's result; empty for all of it.
    field: String,
    filter: Filter,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Filter {
    AsIs,
    /// Figures in words, as one number: 42 is "forty-two".
    Number,
    /// Figures one by one: 427 is "four two seven".
    Digits,
    /// A word letter by letter: "cat" is "C, A, T".
    Letters,
}

/// What slots are filled with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    /// What the pattern took.
    pub captures: &'a [(String, String)],
    /// What a tool answered.
    pub result: Option<&'a Value>,
    /// What the caller said.
    pub heard: &'a str,
    /// What the agent said last.
    pub last: &'a str,
    /// The agent's name.
    pub own_name: &'a str,
}

impl Template {
    /// Reads a text. `{{` is a brace.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            plain.push_str(&rest[..open]);
            let brace = &rest[open..=open];
            rest = &rest[open + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let close = rest.find('}').filter(|_| brace == "{");
            let close = close.ok_or("braces do not pair; write `{{` for a brace")?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Slot(Slot::parse(&rest[..close])?));
            rest = &rest[close + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template { parts })
    }

    /// The slots it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot(slot) => Some(slot.name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Whether a text may have begun as this answer: it shares the words up to the first slot.
    pub fn begins(&self, said: &str) -> bool {
        match self.parts.first() {
            Some(Part::Text(text)) => {
                let said = said.trim();
                !said.is_empty() && (said.starts_with(text.trim()) || text.starts_with(said))
            }
            _ => false,
        }
    }

    /// The text with its slots filled; `None` when a tool's result lacks a field it names.
    pub fn fill(&self, values: &Values<'_>) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Slot(slot) => text.push_str(&slot.fill(values)?),
            }
        }
        Some(text)
    }
}

impl Slot {
    fn parse(text: &str) -> Result<Slot, String> {
        let (path, filter) = text.split_once('|').unwrap_or((text, ""));
        let (name, field) = path.split_once('.').unwrap_or((path, ""));
        if !super::pattern::is_name(name) {
            return Err(format!("`{{{text}}}` names no slot"));
        }
        if !field.is_empty() && name != "result" {
            return Err(format!("`{{{text}}}`: only `result` has fields"));
        }
        let filter = match filter {
            "" => Filter::AsIs,
            "number" => Filter::Number,
            "digits" => Filter::Digits,
            "letters" => Filter::Letters,
            _ => {
                return Err(format!(
                    "`{{{text}}}`: after `|` stands number, digits or letters"
                ));
            }
        };
        Ok(Slot {
            name: name.to_owned(),
            field: field.to_owned(),
            filter,
        })
    }

    fn fill(&self, values: &Values<'_>) -> Option<String> {
        let text = match self.name.as_str() {
            "heard" => values.heard.to_owned(),
            "last" => values.last.to_owned(),
            "self" => values.own_name.to_owned(),
            "result" if self.field.is_empty() => spoken(values.result?)?,
            "result" => spoken(values.result?.get(&self.field)?)?,
            name => {
                let captured = values.captures.iter().find(|(slot, _)| slot == name);
                captured.map(|(_, text)| text.clone()).unwrap_or_default()
            }
        };
        Some(match self.filter {
            Filter::AsIs => text,
            Filter::Number => text.parse().map_or(text, numbers::spell),
            Filter::Digits => numbers::spell_digits(&text),
            Filter::Letters => letters(&text),
        })
    }
}

/// What of a JSON value can be said; `None` for nothing.
pub fn spoken(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Number(n) => Some(n.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let said: Vec<String> = items.iter().filter_map(spoken).collect();
            (!said.is_empty()).then(|| said.join(", "))
        }
        Value::Object(fields) => {
            let said: Vec<String> = (fields.iter())
                .filter_map(|(key, value)| {
                    Some(format!("{}: {}", key.replace('_', " "), spoken(value)?))
                })
                .collect();
            (!said.is_empty()).then(|| said.join(", "))
        }
    }
}

fn letters(text: &str) -> String {
    let letters: Vec<String> = text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .map(|c| c.to_uppercase().collect())
        .collect();
    letters.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn fill(text: &str) -> Option<String> {
        let result = json!({"time": "ten past three", "n": 42, "open": true, "none": null});
        let captures = [("n".to_owned(), "427".to_owned())];
        Template::parse(text).unwrap().fill(&Values {
            captures: &captures,
            result: Some(&result),
            heard: "hi",
            last: "Hello.",
            own_name: "Vera",
        })
    }

    #[test]
    fn slots_are_filled() {
        let table = [
            ("plain", Some("plain")),
            (
                "I am {self}: {heard}. {last}",
                Some("I am Vera: hi. Hello."),
            ),
            ("It is {result.time}.", Some("It is ten past three.")),
            ("{result.n|number}", Some("forty-two")),
            ("{result.open}", Some("yes")),
            ("{n|digits} {n}", Some("four two seven 427")),
            ("{heard|letters}", Some("H, I")),
            ("{{braces}}", Some("{braces}")),
            ("{result.none}", None),
            ("{result.absent}", None),
        ];
        for (text, expected) in table {
            assert_eq!(fill(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_in_words() {
        let table = [
            ("{open", "do not pair"),
            ("close}", "do not pair"),
            ("{}", "names no slot"),
            ("{Name}", "names no slot"),
            ("{a.b}", "only `result` has fields"),
            ("{a|loud}", "number, digits or letters"),
        ];
        for (text, expected) in table {
            let found = Template::parse(text).unwrap_err();
            assert!(found.contains(expected), "{text}: {found}");
        }
    }

    #[test]
    fn an_answer_is_known_by_its_beginning() {
        let template = Template::parse("Why did the {heard}?").unwrap();
        assert!(template.begins("Why did the chicken cross the road?"));
        assert!(template.begins("Why did"));
        assert!(!template.begins("Because."));
        assert!(!template.begins(""));
    }
}
