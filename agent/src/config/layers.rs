//! Built-in defaults < file < environment < flags, resolved once. Each layer is held against the
//! table of keys first, so that every mistake is found with its place; what is wrong is left out
//! and the rest is still checked.
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use config::{Value, ValueKind};
use toml_edit::{Document, Item, TableLike};

use crate::config::{
    findings::{Findings, Origin},
    keys::{Key, Kind},
    raw::{self, RawConfig},
};

/// Before the section and between section and key: `VOICED__LISTEN__ADDRESS`. Two underscores,
/// because key names hold single ones.
pub const VARIABLE_PREFIX: &str = "VOICED__";

/// Where the settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The configuration file, if one was named.
    pub file: Option<PathBuf>,
    /// The environment. Also where secrets are looked up by name.
    pub environment: BTreeMap<String, String>,
    /// From the command line: the flag as typed, the setting, its value.
    pub flags: Vec<(String, String, String)>,
}

impl Sources {
    /// A file and flags over this process's environment.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String, String)>) -> Self {
        // What is not Unicode cannot be a setting of ours.
        let text = |text: OsString| text.into_string().ok();
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
            .collect();
        Self {
            file,
            environment,
            flags,
        }
    }
}

/// All layers, one over the other, and what was wrong with them.
pub fn merge(sources: &Sources) -> (RawConfig, Findings) {
    let mut findings = Findings::default();
    let mut layers = Vec::new();
    if let Some(path) = &sources.file {
        layers.push(file_layer(path, &mut findings));
    }
    layers.push(environment_layer(&sources.environment, &mut findings));
    layers.push(flag_layer(&sources.flags, &mut findings));

    let mut builder = config::Config::builder();
    for layer in layers {
        for (key, (origin, _)) in &layer.settings {
            findings.origins.insert(key.clone(), origin.clone());
        }
        builder = builder.add_source(layer);
    }
    let raw = builder
        .build()
        .and_then(config::Config::try_deserialize)
        .unwrap_or_else(|error| {
            // The layers hold nothing that is not in the table with its type; say it all the same.
            findings.note(Origin::Default, "", error.to_string());
            RawConfig::default()
        });
    (raw, findings)
}

/// One layer: settings that passed the table, with their places.
#[derive(Clone, Debug, Default)]
struct Layer {
    settings: BTreeMap<String, (Origin, Value)>,
}

impl Layer {
    fn set(&mut self, key: String, origin: Origin, kind: ValueKind) {
        let value = Value::new(Some(&origin.to_string()), kind);
        self.settings.insert(key, (origin, value));
    }
}

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<config::Map<String, Value>, config::ConfigError> {
        let settings = self.settings.iter();
        Ok(settings
            .map(|(key, (_, value))| (key.clone(), value.clone()))
            .collect())
    }
}

fn file_layer(path: &Path, findings: &mut Findings) -> Layer {
    let mut walk = Walk {
        path,
        text: String::new(),
        layer: Layer::default(),
        findings,
    };
    match std::fs::read_to_string(path) {
        Ok(text) => walk.text = text,
        Err(error) => {
            let origin = Origin::Flag("--config".to_owned());
            let message = format!("cannot read {}: {error}", path.display());
            walk.findings.note(origin, "", message);
            return walk.layer;
        }
    }
    match Document::parse(walk.text.clone()) {
        Ok(document) => walk.table("", document.as_table()),
        Err(error) => {
            let origin = walk.place(error.span().map_or(0, |span| span.start));
            walk.findings.note(origin, "", error.message().trim());
        }
    }
    walk.layer
}

/// Holds a file against the table of keys.
struct Walk<'a> {
    path: &'a Path,
    text: String,
    layer: Layer,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    fn table(&mut self, section: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let path = join(section, name);
            let at = table
                .get_key_value(name)
                .and_then(|(key, _)| key.span())
                .or_else(|| item.span())
                .map_or(0, |span| span.start);
            let origin = self.place(at);
            match (raw::key(&path), item.as_table_like()) {
                (Some(key), _) => self.setting(path, key, item, origin),
                (None, Some(table)) if raw::has_section(&path) => self.table(&path, table),
                (None, None) if raw::has_section(&path) => {
                    let message = format!("is a section: write it as [{path}]");
                    self.findings.note(origin, path, message);
                }
                (None, _) => {
                    let message = unknown(&path, name);
                    self.findings.note(origin, path, message);
                }
            }
        }
    }

    fn setting(&mut self, path: String, key: &Key, item: &Item, origin: Origin) {
        match value_of_item(key.kind, item) {
            Ok(kind) => {
                let kind = self.resolved(key.kind, kind);
                self.layer.set(path, origin, kind);
            }
            Err(message) => self.findings.note(origin, path, message),
        }
    }

    /// A relative path counts from the file's folder.
    fn resolved(&self, kind: Kind, value: ValueKind) -> ValueKind {
        let is_path = |text: &str| kind == Kind::Path || kind == Kind::Model && text.contains('/');
        match (kind, value) {
            (_, ValueKind::String(path)) if is_path(&path) && Path::new(&path).is_relative() => {
                let folder = self.path.parent().unwrap_or(Path::new(""));
                ValueKind::String(folder.join(path).to_string_lossy().into_owned())
            }
            (_, value) => value,
        }
    }

    fn place(&self, at: usize) -> Origin {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        Origin::File {
            path: self.path.to_owned(),
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        }
    }
}

fn value_of_item(kind: Kind, item: &Item) -> Result<ValueKind, String> {
    let value = match kind {
        Kind::Flag => item.as_bool().map(ValueKind::Boolean),
        Kind::Whole(..) => item.as_integer().map(ValueKind::I64),
        Kind::Number(..) => item
            .as_float()
            .or_else(|| item.as_integer().map(|whole| whole as f64))
            .map(ValueKind::Float),
        Kind::Text | Kind::OneOf(_) | Kind::Path | Kind::Model | Kind::Variable => {
            item.as_str().map(|text| ValueKind::String(text.to_owned()))
        }
        Kind::Texts => item.as_array().and_then(|texts| {
            let texts: Option<Vec<_>> = texts.iter().map(toml_edit::Value::as_str).collect();
            Some(texts_value(texts?.into_iter()))
        }),
    };
    match value {
        Some(value) => within(kind, value),
        None => Err(format!(
            "is {}, but must be {}",
            item.type_name(),
            kind.allowed()
        )),
    }
}

fn environment_layer(environment: &BTreeMap<String, String>, findings: &mut Findings) -> Layer {
    let mut layer = Layer::default();
    for (variable, text) in environment {
        let Some(name) = variable.strip_prefix(VARIABLE_PREFIX) else {
            continue;
        };
        let path = name.to_ascii_lowercase().replace("__", ".");
        set_text(
            &mut layer,
            findings,
            path,
            Origin::Variable(variable.clone()),
            text,
        );
    }
    layer
}

fn flag_layer(flags: &[(String, String, String)], findings: &mut Findings) -> Layer {
    let mut layer = Layer::default();
    for (flag, path, text) in flags {
        let origin = Origin::Flag(flag.clone());
        set_text(&mut layer, findings, path.clone(), origin, text);
    }
    layer
}

fn set_text(layer: &mut Layer, findings: &mut Findings, path: String, origin: Origin, text: &str) {
    let Some(key) = raw::key(&path) else {
        let name = path.rsplit('.').next().unwrap_or(&path);
        let message = if raw::has_section(&path) {
            "is a section: name one of its settings".to_owned()
        } else {
            unknown(&path, name)
        };
        findings.note(origin, path, message);
        return;
    };
    match value_of_text(key.kind, text) {
        Ok(value) => layer.set(path, origin, value),
        Err(message) => findings.note(origin, path, message),
    }
}

fn value_of_text(kind: Kind, text: &str) -> Result<ValueKind, String> {
    let value = match kind {
        Kind::Flag => text.parse().ok().map(ValueKind::Boolean),
        Kind::Whole(..) => text.parse().ok().map(ValueKind::I64),
        Kind::Number(..) => text.parse().ok().map(ValueKind::Float),
        Kind::Text | Kind::OneOf(_) | Kind::Path | Kind::Model | Kind::Variable => {
            Some(ValueKind::String(text.to_owned()))
        }
        Kind::Texts => {
            let texts = text.split(',').map(str::trim);
            Some(texts_value(texts.filter(|text| !text.is_empty())))
        }
    };
    match value {
        Some(value) => within(kind, value),
        None => Err(format!("must be {}", kind.allowed())),
    }
}

fn texts_value<'a>(texts: impl Iterator<Item = &'a str>) -> ValueKind {
    ValueKind::Array(texts.map(Value::from).collect())
}

/// The value, when it lies within what its kind allows.
fn within(kind: Kind, value: ValueKind) -> Result<ValueKind, String> {
    let fault = match (kind, &value) {
        (Kind::Whole(least, most), ValueKind::I64(n)) if *n < least || *n > most => n.to_string(),
        (Kind::Number(least, most), ValueKind::Float(n)) if !(least..=most).contains(n) => {
            n.to_string()
        }
        (Kind::OneOf(words), ValueKind::String(word)) if !words.contains(&word.as_str()) => {
            let hint = closest(word, words.iter().copied());
            let hint = hint.map_or_else(String::new, |word| format!("; did you mean \"{word}\"?"));
            return Err(format!(
                "is \"{word}\", but must be {}{hint}",
                kind.allowed()
            ));
        }
        (Kind::Text | Kind::Path | Kind::Model, ValueKind::String(text))
            if text.trim().is_empty() =>
        {
            "empty".to_owned()
        }
        (Kind::Variable, ValueKind::String(name))
            if !crate::config::keys::is_variable_name(name) =>
        {
            // Never shown: somebody may have written the secret itself.
            return Err(
                "must be the NAME of an environment variable (capitals, digits and \
                 underscores), not the secret itself"
                    .to_owned(),
            );
        }
        _ => return Ok(value),
    };
    Err(format!("is {fault}, but must be {}", kind.allowed()))
}

/// What to say of a key that is not in the table.
fn unknown(path: &str, name: &str) -> String {
    let section = path.rsplit_once('.').map_or("", |(section, _)| section);
    if let Some(near) = closest(name, raw::names_in(section)) {
        return format!("is not a setting; did you mean '{}'?", join(section, near));
    }
    let all: Vec<String> = raw::paths().collect();
    let elsewhere = all
        .iter()
        .find(|other| other.rsplit('.').next() == Some(name));
    let near = elsewhere
        .map(String::as_str)
        .or_else(|| closest(path, all.iter().map(String::as_str)));
    match near {
        Some(near) => format!("is not a setting; did you mean '{near}'?"),
        None => "is not a setting; `voiced check --print-default` lists them all".to_owned(),
    }
}

fn join(section: &str, name: &str) -> String {
    match section {
        "" => name.to_owned(),
        section => format!("{section}.{name}"),
    }
}

/// The nearest of `words` that a slip of the finger could have turned into `typed`.
fn closest<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    words
        .map(|word| (distance(typed, word), word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).max(1))
        .min()
        .map(|(_, word)| word)
}

/// Letters inserted, left out or swapped for others between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
