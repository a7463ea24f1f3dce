//! What is wrong with a configuration, all of it at once, each mistake with the place it was made
//! and what to do about it.
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// Where a setting was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Built in.
    Default,
    /// A line of a file; the first line is 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line; 0 for the whole file.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A command-line flag, dashes included.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("built-in default"),
            Origin::File { path, line: 0 } => write!(f, "{}", path.display()),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where it was made.
    pub origin: Origin,
    /// The setting, dotted: `listen.address`. Empty when the mistake is not in one setting.
    pub key: String,
    /// What is wrong and what to do. Never holds a secret.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// All mistakes of a configuration, in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// At least one.
    pub findings: Vec<Finding>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mistakes = match self.findings.len() {
            1 => "one mistake".to_owned(),
            n => format!("{n} mistakes"),
        };
        write!(f, "{mistakes} in the configuration:")?;
        for finding in &self.findings {
            write!(f, "\n  {finding}")?;
        }
        Ok(())
    }
}

/// Gathers mistakes, knowing where each setting was made.
#[derive(Debug, Default)]
pub struct Findings {
    /// Where each setting that is not the built-in one was made.
    pub origins: BTreeMap<String, Origin>,
    found: Vec<Finding>,
}

impl Findings {
    /// Notes a mistake made at `origin`.
    pub fn note(&mut self, origin: Origin, key: impl Into<String>, message: impl Into<String>) {
        self.found.push(Finding {
            origin,
            key: key.into(),
            message: message.into(),
        });
    }

    /// Notes a mistake in a setting, wherever that was made.
    pub fn note_at(&mut self, key: &str, message: impl Into<String>) {
        let origin = self.origins.get(key).cloned().unwrap_or(Origin::Default);
        self.note(origin, key, message);
    }

    /// `value`, when nothing was noted.
    pub fn into_result<T>(mut self, value: T) -> Result<T, ConfigError> {
        if self.found.is_empty() {
            return Ok(value);
        }
        self.found.sort();
        self.found.dedup();
        Err(ConfigError {
            findings: self.found,
        })
    }
}
