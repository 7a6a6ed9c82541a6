//! Why a configuration is refused: always with the file, the line, the key, what was found and what was expected.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A file of settings, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFile {
    /// What it is: a configuration, a policy.
    pub kind: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

impl SettingsFile {
    pub(super) fn configuration(path: &Path) -> Self {
        Self { kind: "configuration", path: path.into() }
    }

    pub(super) fn policy(path: &Path) -> Self {
        Self { kind: "policy", path: path.into() }
    }
}

impl fmt::Display for SettingsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.path.display())
    }
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{file}: cannot read it: {source}")]
    Read {
        /// The file.
        file: SettingsFile,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or has an unknown key or a value of the wrong type.
    #[error("{file}, line {line}: {message}")]
    Parse {
        /// The file.
        file: SettingsFile,
        /// Line, from 1.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A value out of range.
    #[error("{file}, line {line}: `{key}` is {found}, expected {expected}")]
    Value {
        /// The file.
        file: SettingsFile,
        /// Line of the key, or of its table, or 1 where the value is a default.
        line: usize,
        /// Dotted key.
        key: String,
        /// What was found.
        found: String,
        /// What would do.
        expected: String,
    },
    /// What a key names cannot be used.
    #[error("{source} ({place})")]
    Unusable {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// Which key, and where it stands.
        place: Place,
    },
}

/// A key and where it stands, for messages about what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The configuration; empty where there is no file.
    pub file: PathBuf,
    /// Line, from 1; absent where the file leaves it at its default.
    pub line: Option<usize>,
    /// Dotted key.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, key) = (self.file.display(), &self.key);
        match self.line {
            Some(line) => write!(f, "`{key}`, line {line} of {file}"),
            None if self.file.as_os_str().is_empty() => write!(f, "`{key}`"),
            None => write!(f, "`{key}`, which {file} leaves at its default"),
        }
    }
}

/// The text of a configuration, so that what its keys name can be told with their place. Two configurations that say the same
/// are the same, wherever that is written.
#[derive(Clone, Default)]
pub struct Written {
    file: PathBuf,
    text: Arc<str>,
}

impl Written {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        Self { file: file.into(), text: text.into() }
    }

    /// Where a key stands.
    #[must_use]
    pub fn place(&self, key: &str) -> Place {
        Place { file: self.file.clone(), line: line_if_written(&self.text, key), key: key.into() }
    }
}

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What is wrong with a value, before it is known where it stands.
pub(super) struct Fault {
    pub(super) key: String,
    pub(super) found: String,
    pub(super) expected: String,
    /// Another key, whose value is its bound.
    bound: Option<String>,
}

impl Fault {
    pub(super) fn new(key: &str, found: impl fmt::Display, expected: &str) -> Self {
        Self { key: key.into(), found: found.to_string(), expected: expected.into(), bound: None }
    }

    /// That the bound is the value of another key.
    pub(super) fn bounded_by(self, key: Option<String>) -> Self {
        Self { bound: key, ..self }
    }

    pub(super) fn at(self, text: &str, file: &SettingsFile) -> ConfigError {
        let written = line_if_written(text, &self.key);
        // A value that nobody wrote misses a bound that somebody did.
        let bound = self.bound.filter(|_| written.is_none()).and_then(|key| line_if_written(text, &key));
        ConfigError::Value {
            file: file.clone(),
            line: written.or(bound).unwrap_or_else(|| line_of_key(text, &self.key)),
            key: self.key,
            found: if bound.is_some() {
                format!("{} where the file has no line for it", self.found)
            } else {
                self.found
            },
            expected: self.expected,
        }
    }
}

/// Reads TOML into a type; unknown keys and wrong types are errors with their line.
pub(super) fn parse_toml<T: serde::de::DeserializeOwned + serde::Serialize>(
    text: &str,
    file: &SettingsFile,
) -> Result<T, ConfigError> {
    let refused =
        |at: usize, message: String| ConfigError::Parse { file: file.clone(), line: line_of(text, at), message };
    let value: T = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        if DeTable::parse(text).is_err() {
            let (line, message) = no_toml(text, start, &message);
            return ConfigError::Parse { file: file.clone(), line, message };
        }
        match setting_at(text, start) {
            // At the beginning of a file it is the file that lacks it.
            Some((key, _)) if start > 0 && message.starts_with("missing field `") => {
                refused(start, format!("`{key}` lacks {}", message.trim_start_matches("missing field ")))
            }
            // Errors of a field name it; those of a value's type say what is wanted, but neither where nor what was found.
            Some((key, found)) if !message.contains(" field `") => {
                refused(start, format!("`{key}` is {found}: {}", in_plain_words(&message)))
            }
            _ => refused(start, message),
        }
    })?;
    // Serde takes a struct's fields from a list too, by their order, and a word from a table: nobody means that.
    if let (Ok(found), Ok(shape)) = (DeTable::parse(text), toml::Table::try_from(&value))
        && let Some(misfit) = misfit(found.get_ref(), &shape, "")
    {
        let Misfit { key, found, expected } = misfit;
        return Err(refused(found.span().start, format!("`{key}` is {}, expected {expected}", shown(text, found))));
    }
    Ok(value)
}

/// Where a text that is no TOML goes wrong, and in which words to say it: the line at which the fault begins, which for a list or a
/// text without an end is not the one that the parser stopped at.
fn no_toml(text: &str, at: usize, message: &str) -> (usize, String) {
    let stopped = line_of(text, at);
    let lines: Vec<&str> = text.lines().collect();
    if text.len() > MOST_EXPLAINED {
        return (stopped, message.to_owned());
    }
    let whole_until = |line: usize| DeTable::parse(&lines[..line.min(lines.len())].join("\n")).is_ok();
    let begins = (1..=stopped).rev().find(|line| whole_until(line - 1)).unwrap_or(stopped);
    let line = lines.get(begins - 1).copied().unwrap_or_default();
    if begins < stopped {
        return (
            begins,
            format!("what begins with {} does not end as it should: line {stopped}: {message}", cut(line.trim())),
        );
    }
    (stopped, slip(line, &text[at.min(text.len())..], message))
}

/// A text that is longer is told in the parser's words: to look for where its fault begins would take long.
const MOST_EXPLAINED: usize = 50_000;

/// What is wrong with a line, where it is one of the usual slips of the pen; else in the parser's words. `rest` is the text from where
/// the parser stopped.
fn slip(line: &str, rest: &str, message: &str) -> String {
    let bare = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    // A `#` in quotes begins no comment; where there are quotes before it, it may be one.
    let code = match line.split_once('#') {
        Some((code, _)) if !code.contains(['"', '\'']) => code.trim(),
        _ => line.trim(),
    };
    if message == "duplicate key" {
        if code.starts_with('[') {
            return format!("{} stands here for the second time, expected all its keys below the first", cut(code));
        }
        let name = rest.split(['=', '.', ' ', '\t', ']', '\n']).next().unwrap_or_default();
        return format!("`{}` stands here for the second time, expected it once", cut(name));
    }
    if let Some(inner) = code.strip_prefix('[')
        && !inner.contains(']')
        && bare(inner)
    {
        return format!("[{inner} has no end, expected [{inner}]", inner = cut(inner));
    }
    let split = |at: char| code.split_once(at).map(|(name, value)| (name.trim(), value.trim()));
    if let Some((name, value)) = split(':').filter(|(name, _)| bare(name)) {
        return match value {
            "" => format!("expected a line [{name}] for a table, or {name} = and a value", name = cut(name)),
            _ if value.ends_with(',') => in_parsers_words(code, message),
            _ => format!("expected {} = {}, with `=` between a key and its value", cut(name), cut(value)),
        };
    }
    let Some((name, value)) = split('=') else { return in_parsers_words(code, message) };
    if !bare(name) {
        return in_parsers_words(code, message);
    }
    let (name, found) = (cut(name), cut(value));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match value {
        "" => format!("`{name}` has no value"),
        _ if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") => {
            format!("`{name}` is {found}, expected it in small letters: {}", value.to_ascii_lowercase())
        }
        _ if value
            .split_once(',')
            .is_some_and(|(whole, part)| digits(whole.trim_start_matches('-')) && digits(part)) =>
        {
            format!("`{name}` is {found}, expected a number without a comma; a fraction is written with a point")
        }
        _ if digits(value) && value.starts_with('0') => {
            format!("`{name}` is {found}, expected a number that does not begin with a zero")
        }
        _ if value.starts_with(['/', '~']) && !value.contains(['"', '\'']) => {
            format!("`{name}` is {found}, expected text in quotes: \"{found}\"")
        }
        _ if message.starts_with("string values must be quoted") => {
            format!("`{name}` is {found}, expected true, false, a number without a unit, or text in quotes")
        }
        _ => format!("`{name}` is {found}: {message}"),
    }
}

fn in_parsers_words(code: &str, message: &str) -> String {
    match cut(code) {
        code if code.is_empty() => message.to_owned(),
        code => format!("{code}: {message}"),
    }
}

/// What a message shows of a text, which may be of any length.
pub(crate) fn cut(text: &str) -> String {
    const MOST: usize = 60;
    let text = &text.replace(char::is_control, " ");
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A value of another kind than the one that it was read into.
struct Misfit<'a> {
    key: String,
    found: &'a Spanned<DeValue<'a>>,
    expected: &'static str,
}

/// The first value whose kind is not that of the same key in `shape`; a whole number may stand for a fraction.
fn misfit<'a>(found: &'a DeTable<'a>, shape: &toml::Table, above: &str) -> Option<Misfit<'a>> {
    found.iter().find_map(|(name, value)| {
        let name = name.get_ref();
        let key = if above.is_empty() { name.to_string() } else { format!("{above}.{name}") };
        misfit_of(value, shape.get(&**name)?, key)
    })
}

fn misfit_of<'a>(value: &'a Spanned<DeValue<'a>>, shape: &toml::Value, key: String) -> Option<Misfit<'a>> {
    use toml::Value as V;
    let expected = match (value.get_ref(), shape) {
        (DeValue::Table(found), V::Table(shape)) => return misfit(found, shape, &key),
        (DeValue::Array(found), V::Array(shape)) => {
            return found.iter().zip(shape).find_map(|(value, shape)| misfit_of(value, shape, key.clone()));
        }
        (DeValue::String(_), V::String(_))
        | (DeValue::Integer(_), V::Integer(_) | V::Float(_))
        | (DeValue::Float(_), V::Float(_))
        | (DeValue::Boolean(_), V::Boolean(_))
        | (DeValue::Datetime(_), V::Datetime(_)) => return None,
        (_, V::Table(_)) => "a table of keys, such as { key = value }",
        (_, V::Array(_)) => "a list in square brackets",
        (_, V::String(_)) => "a word in quotes",
        (_, V::Integer(_)) => "a whole number",
        (_, V::Float(_)) => "a number",
        (_, V::Boolean(_)) => "true or false",
        (_, V::Datetime(_)) => "a date",
    };
    Some(Misfit { key, found: value, expected })
}

/// The dotted key and the value at an offset, as they stand in the text: the innermost that is there.
fn setting_at(text: &str, offset: usize) -> Option<(String, String)> {
    fn innermost(table: &DeTable<'_>, text: &str, offset: usize, above: &str) -> Option<(String, String)> {
        table.iter().find_map(|(name, value)| {
            let key = if above.is_empty() { name.get_ref().to_string() } else { format!("{above}.{}", name.get_ref()) };
            // The tables of a file have the span of their heads: what is in them lies elsewhere.
            let tables = match value.get_ref() {
                DeValue::Table(table) => vec![table],
                DeValue::Array(values) => values.iter().filter_map(|value| value.get_ref().as_table()).collect(),
                _ => Vec::new(),
            };
            let inside = tables.into_iter().find_map(|table| innermost(table, text, offset, &key));
            inside.or_else(|| value.span().contains(&offset).then(|| (key, shown(text, value))))
        })
    }
    innermost(DeTable::parse(text).ok()?.get_ref(), text, offset, "")
}

/// A value as it stands in the text, as far as it can be read in a message.
pub(crate) fn shown(text: &str, value: &Spanned<DeValue<'_>>) -> String {
    let found = text.get(value.span()).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    match value.get_ref() {
        // Its head has nothing of its content.
        DeValue::Table(_) if !found.starts_with('{') => "a table".into(),
        DeValue::Array(_) if !found.ends_with(']') || found.starts_with("[[") => "a list".into(),
        _ if found.chars().count() <= 80 => found,
        _ => found.chars().take(80).collect::<String>() + " ...",
    }
}

/// What serde expects, without the names of Rust's types.
fn in_plain_words(message: &str) -> String {
    let Some((what, expected)) = message.rsplit_once("expected ") else { return message.into() };
    let plain = match expected {
        "u8" => "a whole number, 0 to 255",
        "u16" => "a whole number, 0 to 65535",
        "u32" => "a whole number, 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i64" => "a whole number",
        "f32" | "f64" => "a number",
        _ if expected.starts_with("struct ") => "a table of keys, such as { key = value }",
        _ => return message.into(),
    };
    format!("{what}expected {plain}")
}

pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

/// The line on which a dotted key stands, or the one of its table, or 1.
fn line_of_key(text: &str, key: &str) -> usize {
    followed(text, key).0
}

/// The line on which a dotted key stands.
fn line_if_written(text: &str, key: &str) -> Option<usize> {
    let (line, whole) = followed(text, key);
    whole.then_some(line)
}

/// The line of as much of a dotted key as is in the text, and whether that is all of it.
fn followed(text: &str, key: &str) -> (usize, bool) {
    let Ok(root) = DeTable::parse(text) else { return (1, false) };
    let (mut table, mut line) = (Some(root.get_ref()), 1);
    for part in key.split('.') {
        let found = table.and_then(|table| table.iter().find(|(name, _)| name.get_ref() == part));
        let Some((name, value)) = found else { return (line, false) };
        line = line_of(text, name.span().start);
        table = value.get_ref().as_table();
    }
    (line, true)
}
