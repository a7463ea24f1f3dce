//! What follows a value with `;name=value`, and lists whose commas may be quoted.
use std::fmt;

/// The most parameters that are read of one value.
const MOST: usize = 32;

/// Parameters in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Reads `a=1;b;c="x;y"`, without a leading semicolon. What is no parameter is left out.
    pub fn parse(text: &str) -> Params {
        let parts = split(text, ';').into_iter().map(str::trim);
        let read = parts.filter(|part| !part.is_empty()).take(MOST);
        Params(
            read.map(|part| match part.split_once('=') {
                Some((name, value)) => {
                    let value = value.trim();
                    let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
                    (
                        name.trim().to_owned(),
                        Some(bare.unwrap_or(value).to_owned()),
                    )
                }
                None => (part.to_owned(), None),
            })
            .collect(),
        )
    }

    /// The value of a parameter; empty for one without a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_deref().unwrap_or(""))
    }

    /// Whether a parameter is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets a parameter, in the place of one of that name.
    pub fn set(&mut self, name: &str, value: Option<String>) {
        match (self.0.iter_mut()).find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                if value.contains([';', ',', ' ', '?']) {
                    write!(f, "=\"{value}\"")?;
                } else {
                    write!(f, "={value}")?;
                }
            }
        }
        Ok(())
    }
}

/// Splits at a separator that stands neither in quotes nor in angle brackets.
pub fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut quoted, mut escaped, mut depth, mut start) = (false, false, 0_u32, 0);
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match c {
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => depth += 1,
            '>' if !quoted => depth = depth.saturating_sub(1),
            c if c == separator && !quoted && depth == 0 => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
