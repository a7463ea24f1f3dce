//! Reads hand-written TOML strictly: every mistake of a file is found in one go, each with its
//! line, and a key that nobody asked for is a mistake.
use std::{fmt, ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file as it was named to us.
    pub file: String,
    /// The line, counted from 1; 0 when the whole file is meant.
    pub line: usize,
    /// What is wrong and what to do about it.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.what)
        } else {
            write!(f, "{}:{}: {}", self.file, self.line, self.what)
        }
    }
}

/// All mistakes of one or several files, in the order of their places. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

/// Gathers the mistakes of one file.
#[derive(Debug)]
pub struct Findings<'a> {
    file: String,
    text: &'a str,
    found: Vec<Mistake>,
}

impl<'a> Findings<'a> {
    /// None yet, in a file of this name and content.
    pub fn new(file: impl Into<String>, text: &'a str) -> Self {
        Self {
            file: file.into(),
            text,
            found: Vec::new(),
        }
    }

    /// Notes a mistake at these bytes of the file.
    pub fn note(&mut self, place: &Range<usize>, what: impl Into<String>) {
        let before = self.text.get(..place.start).unwrap_or(self.text);
        self.found.push(Mistake {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            what: what.into(),
        });
    }

    /// Takes over the mistakes of another file.
    pub fn adopt(&mut self, mistakes: Mistakes) {
        self.found.extend(mistakes.0);
    }

    /// How many there are so far.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are none so far.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// `value`, when nothing was noted.
    ///
    /// # Errors
    /// Every mistake, ordered by line, each once.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Mistakes> {
        if self.found.is_empty() {
            return Ok(value);
        }
        self.found.sort();
        self.found.dedup();
        Err(Mistakes(self.found))
    }
}

/// Reads a text file, or says why not as a mistake of that file.
///
/// # Errors
/// One mistake, naming the file.
pub fn read_file(path: &Path) -> Result<String, Mistakes> {
    std::fs::read_to_string(path).map_err(|error| {
        Mistakes(vec![Mistake {
            file: path.display().to_string(),
            line: 0,
            what: format!("cannot be read: {error}"),
        }])
    })
}

/// Parses a TOML text and hands its table to `read`, which notes what it does not like.
///
/// # Errors
/// Every mistake, of form and of content; `read` sees what could be parsed even of a text with
/// errors of form, so that one mistake does not hide the others.
pub fn parse<T>(
    file: &str,
    text: &str,
    read: impl FnOnce(&mut Table<'_>, &mut Findings<'_>) -> T,
) -> Result<T, Mistakes> {
    let mut findings = Findings::new(file, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = error.span().unwrap_or(0..0);
        findings.note(&place, error.message().to_owned());
    }
    let mut table = Table::new(String::new(), 0..0, document.get_ref());
    let value = read(&mut table, &mut findings);
    table.finish(&mut findings);
    findings.into_result(value)
}

/// A value and the bytes of the file it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    /// What was read.
    pub value: T,
    /// Where.
    pub place: Range<usize>,
}

/// A table being read: every key taken from it is thereby known; [`Table::finish`] reports the
/// rest.
#[derive(Debug)]
pub struct Table<'a> {
    path: String,
    place: Range<usize>,
    entries: &'a DeTable<'a>,
    known: Vec<String>,
}

type Entry<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    fn new(path: String, place: Range<usize>, entries: &'a DeTable<'a>) -> Self {
        Self {
            path,
            place,
            entries,
            known: Vec::new(),
        }
    }

    /// Where the table lies in the file.
    pub fn place(&self) -> &Range<usize> {
        &self.place
    }

    /// Its keys, in the order of the file. Does not make them known.
    pub fn keys(&self) -> Vec<Located<String>> {
        let mut keys: Vec<_> = (self.entries.iter())
            .map(|(key, _)| Located {
                value: key.get_ref().clone().into_owned(),
                place: key.span(),
            })
            .collect();
        keys.sort_by_key(|key| key.place.start);
        keys
    }

    fn take(&mut self, key: &str) -> Option<Entry<'a>> {
        if !self.known.iter().any(|known| known == key) {
            self.known.push(key.to_owned());
        }
        let found = self.entries.iter().find(|(name, _)| name.get_ref() == key);
        found.map(|(_, value)| value)
    }

    /// The key's whole name: `script.rule.say`.
    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn wrong(&self, key: &str, entry: Entry<'_>, wanted: &str, findings: &mut Findings<'_>) {
        let found = entry.get_ref().type_str();
        let what = format!("`{}` must be {wanted}, not {found}", self.dotted(key));
        findings.note(&entry.span(), what);
    }

    /// Whether the table has this key. Does not make it known.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name.get_ref() == key)
    }

    /// Whether this key holds a text. Does not make it known.
    pub fn is_text(&self, key: &str) -> bool {
        let found = self.entries.iter().find(|(name, _)| name.get_ref() == key);
        found.is_some_and(|(_, value)| value.get_ref().is_str())
    }

    /// Notes that a key is missing.
    pub fn missing(&self, key: &str, findings: &mut Findings<'_>) {
        findings.note(&self.place, format!("`{}` is missing", self.dotted(key)));
    }

    /// A text that is not empty.
    pub fn text(&mut self, key: &str, findings: &mut Findings<'_>) -> Option<Located<String>> {
        let entry = self.take(key)?;
        let Some(text) = entry.get_ref().as_str() else {
            self.wrong(key, entry, "a text", findings);
            return None;
        };
        if text.trim().is_empty() {
            findings.note(
                &entry.span(),
                format!("`{}` must not be empty", self.dotted(key)),
            );
            return None;
        }
        Some(Located {
            value: text.to_owned(),
            place: entry.span(),
        })
    }

    /// A text that must be there; `None` was noted.
    pub fn required_text(
        &mut self,
        key: &str,
        findings: &mut Findings<'_>,
    ) -> Option<Located<String>> {
        if !self.has(key) {
            self.take(key);
            self.missing(key, findings);
            return None;
        }
        self.text(key, findings)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &str, findings: &mut Findings<'_>) -> Option<bool> {
        let entry = self.take(key)?;
        let flag = entry.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(key, entry, "true or false", findings);
        }
        flag
    }

    /// A number within `range`, whole or not.
    pub fn number(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
        findings: &mut Findings<'_>,
    ) -> Option<f64> {
        let entry = self.take(key)?;
        let number = match entry.get_ref() {
            DeValue::Integer(i) if i.radix() == 10 => i.as_str().parse::<f64>().ok(),
            DeValue::Float(f) => f.as_str().parse::<f64>().ok(),
            _ => None,
        };
        let Some(number) = number else {
            self.wrong(key, entry, "a number", findings);
            return None;
        };
        if !range.contains(&number) {
            let what = format!(
                "`{}` must be between {} and {}, not {number}",
                self.dotted(key),
                range.start(),
                range.end()
            );
            findings.note(&entry.span(), what);
            return None;
        }
        Some(number)
    }

    /// A list of texts, or one text alone; nothing empty in it. An absent key is an empty list.
    pub fn texts(&mut self, key: &str, findings: &mut Findings<'_>) -> Vec<Located<String>> {
        let Some(entry) = self.take(key) else {
            return Vec::new();
        };
        if entry.get_ref().is_str() {
            return self.text(key, findings).into_iter().collect();
        }
        let Some(list) = entry.get_ref().as_array() else {
            self.wrong(key, entry, "a text or a list of texts", findings);
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(list.len());
        for item in list.iter() {
            match item.get_ref().as_str() {
                Some(text) if !text.trim().is_empty() => texts.push(Located {
                    value: text.to_owned(),
                    place: item.span(),
                }),
                Some(_) => {
                    let what = format!("`{}` must not hold an empty text", self.dotted(key));
                    findings.note(&item.span(), what);
                }
                None => self.wrong(key, item, "a list of texts", findings),
            }
        }
        texts
    }

    /// A table inside this one.
    pub fn table(&mut self, key: &str, findings: &mut Findings<'_>) -> Option<Table<'a>> {
        let entry = self.take(key)?;
        let Some(table) = entry.get_ref().as_table() else {
            self.wrong(key, entry, "a table", findings);
            return None;
        };
        Some(Table::new(self.dotted(key), entry.span(), table))
    }

    /// A list of tables (`[[key]]`). An absent key is an empty list.
    pub fn tables(&mut self, key: &str, findings: &mut Findings<'_>) -> Vec<Table<'a>> {
        let Some(entry) = self.take(key) else {
            return Vec::new();
        };
        let Some(list) = entry.get_ref().as_array() else {
            self.wrong(key, entry, "a list of tables", findings);
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(list.len());
        for item in list.iter() {
            match item.get_ref().as_table() {
                Some(table) => tables.push(Table::new(self.dotted(key), item.span(), table)),
                None => self.wrong(key, item, "a list of tables", findings),
            }
        }
        tables
    }

    /// Notes every key that nothing asked for, with the nearest one that exists.
    pub fn finish(self, findings: &mut Findings<'_>) {
        for key in self.keys() {
            if self.known.contains(&key.value) {
                continue;
            }
            let mut what = format!("there is no key `{}`", self.dotted(&key.value));
            let near = self.known.iter().map(|k| (distance(k, &key.value), k));
            match near.min() {
                Some((d, known)) if d <= 2 => what.push_str(&format!(", is `{known}` meant?")),
                _ => {
                    let mut known = self.known.clone();
                    known.sort();
                    what.push_str(&format!("; there are: {}", known.join(", ")));
                }
            }
            findings.note(&key.place, what);
        }
    }
}

/// Letters to change, add or drop between two words.
fn distance(a: &str, b: &str) -> usize {
    crate::sound::edits(a.as_bytes(), b.as_bytes())
}

#[cfg(test)]
mod tests;
