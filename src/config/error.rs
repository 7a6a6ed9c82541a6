//! Why a configuration is refused: always with the file, the line, the key, what was found and what was expected.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("configuration {}: cannot read it: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or has an unknown key or a value of the wrong type.
    #[error("configuration {}, line {line}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A value out of range.
    #[error("configuration {}, line {line}: `{key}` is {found}, expected {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Line of the key, or of its table, or 1 where the value is a default.
        line: usize,
        /// Dotted key.
        key: String,
        /// What was found.
        found: String,
        /// What would do.
        expected: String,
    },
}

/// What is wrong with a value, before it is known where it stands.
pub(super) struct Fault {
    pub(super) key: String,
    pub(super) found: String,
    pub(super) expected: String,
}

impl Fault {
    pub(super) fn new(key: &str, found: impl fmt::Display, expected: &str) -> Self {
        Self { key: key.into(), found: found.to_string(), expected: expected.into() }
    }

    pub(super) fn at(self, text: &str, path: &Path) -> ConfigError {
        ConfigError::Value {
            path: path.into(),
            line: line_of_key(text, &self.key),
            key: self.key,
            found: self.found,
            expected: self.expected,
        }
    }
}

/// Reads TOML into a type; unknown keys and wrong types are errors with their line.
pub(super) fn parse_toml<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        let message = match setting_at(text, start) {
            // Errors of a field name it; those of a value's type say what is wanted, but neither where nor what was found.
            Some((key, value)) if !message.contains(" field `") => format!("`{key}` is {value}: {message}"),
            _ => message,
        };
        ConfigError::Parse { path: path.into(), line: line_of(text, start), message }
    })
}

/// The key and the value of the line at an offset, if it is a line of that form.
fn setting_at(text: &str, offset: usize) -> Option<(&str, &str)> {
    let line = text.lines().nth(line_of(text, offset) - 1)?;
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim(), value.split('#').next()?.trim());
    let is_key = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    (!key.is_empty() && key.chars().all(is_key) && !value.is_empty()).then_some((key, value))
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

/// The line on which a dotted key stands, or the one of its table, or 1.
fn line_of_key(text: &str, key: &str) -> usize {
    let Ok(root) = toml::de::DeTable::parse(text) else { return 1 };
    let (mut table, mut line) = (root.get_ref(), 1);
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else { break };
        line = line_of(text, name.span().start);
        match value.get_ref().as_table() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    line
}
