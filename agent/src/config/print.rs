//! The configuration as text: every default with its sentence, or the effective settings with the
//! place each was made. Secrets are named and shown as `***`.
use std::collections::BTreeMap;

use toml::Value;

use crate::config::{
    findings::Origin,
    keys::{Kind, is_variable_name},
    raw::{self, RawConfig},
};

/// `configs/default.toml`.
pub fn defaults() -> String {
    let values = values_of(&RawConfig::default());
    let mut text = String::from(
        "# Every setting of voiced with its default. Written by `voiced check --print-default`;\n\
         # a file of your own needs only what differs. Each setting can also be given as an\n\
         # environment variable (VOICED__LISTEN__ADDRESS=127.0.0.1:9000, lists separated by\n\
         # commas) or a flag (--set listen.address=127.0.0.1:9000): defaults < file <\n\
         # environment < flags.\n",
    );
    for section in raw::SECTIONS {
        text.push('\n');
        comment(&mut text, section.doc);
        text.push_str(&format!("[{}]\n", section.path));
        for key in section.keys {
            comment(&mut text, key.doc);
            if let Kind::Whole(..) | Kind::Number(..) = key.kind {
                text.push_str(&format!("# ({})\n", key.kind.allowed()));
            }
            match value_at(&values, section.path, key.name) {
                Some(value) => text.push_str(&format!("{} = {value}\n", key.name)),
                None => {
                    let example = key.example.expect("a key without default has an example");
                    text.push_str(&format!("# {} = {example}\n", key.name));
                }
            }
        }
    }
    text
}

/// The effective settings; what is not built in says where it comes from, what names a secret
/// says whether it is there.
pub fn effective(
    raw: &RawConfig,
    origins: &BTreeMap<String, Origin>,
    environment: &BTreeMap<String, String>,
) -> String {
    let values = values_of(raw);
    let mut text = String::new();
    for section in raw::SECTIONS {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("[{}]\n", section.path));
        for key in section.keys {
            let Some(value) = value_at(&values, section.path, key.name) else {
                text.push_str(&format!("# {} is not set\n", key.name));
                continue;
            };
            text.push_str(&format!("{} = {}", key.name, value));
            let mut notes = Vec::new();
            if let (Kind::Variable, Some(name)) = (key.kind, value.as_str()) {
                notes.push(secret(name, environment));
            }
            if let Some(origin) = origins.get(&format!("{}.{}", section.path, key.name)) {
                notes.push(origin.to_string());
            }
            if !notes.is_empty() {
                text.push_str(&format!("  # {}", notes.join(", ")));
            }
            text.push('\n');
        }
    }
    text
}

fn secret(name: &str, environment: &BTreeMap<String, String>) -> String {
    debug_assert!(is_variable_name(name), "the layers let only names through");
    match environment.get(name) {
        Some(_) => format!("{name} is ***"),
        None => format!("{name} is not set"),
    }
}

fn values_of(raw: &RawConfig) -> toml::Table {
    toml::Table::try_from(raw).expect("the settings are plain TOML")
}

fn value_at<'a>(values: &'a toml::Table, section: &str, key: &str) -> Option<&'a Value> {
    let mut table = values;
    for name in section.split('.') {
        table = table.get(name)?.as_table()?;
    }
    table.get(key)
}

fn comment(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push_str(&format!("#{line}\n"));
    }
}
