//! Writes `config/agegate.toml` out of the table: `make config` puts it there, a test compares.

use std::fmt::Write as _;

use super::{
    table::{Key, SECTIONS, Section, Shown},
    tree::Config,
};

/// Column at which the comments begin.
const COLUMN: usize = 31;

/// The example configuration.
///
/// # Panics
/// Never: the tree of defaults is plain TOML.
#[must_use]
pub fn text() -> String {
    with(&[])
}

/// A configuration with some values of its own: table, key and value as the file is to have it; `None` leaves the key out.
///
/// # Panics
/// Never: the tree of defaults is plain TOML.
#[must_use]
pub fn with(own: &[(&str, &str, Option<String>)]) -> String {
    let defaults = toml::Table::try_from(Config::default()).expect("the defaults are plain TOML");
    let mut text = String::new();
    for section in SECTIONS {
        if !text.is_empty() {
            text.push('\n');
        }
        if !section.intro.is_empty() {
            text += &format!("{}\n", section.intro);
        }
        let commented = section.name.starts_with("policy");
        if !section.name.is_empty() {
            text += &format!("{}[{}]\n", if commented { "# " } else { "" }, section.name);
        }
        for key in section.keys.iter().filter(|key| !matches!(key.shown, Shown::Never)) {
            match own.iter().find(|(table, name, _)| (*table, *name) == (section.name, key.name)) {
                None => line(&mut text, section, key, &defaults, None),
                Some((.., Some(value))) => line(&mut text, section, key, &defaults, Some(value)),
                Some((.., None)) => {}
            }
        }
    }
    text
}

fn line(text: &mut String, section: &Section, key: &Key, defaults: &toml::Table, own: Option<&str>) {
    let default = || {
        let value = defaults.get(section.name).and_then(|s| s.get(key.name));
        value.map(show).unwrap_or_default()
    };
    let setting = match key.shown {
        _ if own.is_some() => format!("{} = {}", key.name, own.unwrap_or_default()),
        Shown::Default => format!("{} = {}", key.name, default()),
        Shown::Set(value) => format!("{} = {value}", key.name),
        Shown::Commented(value) => format!("# {} = {value}", key.name),
        Shown::Never => return,
    };
    let range = key.range.to_string();
    let comment = [key.note, &range].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    // Writing to a String cannot fail.
    let _ = match comment.as_str() {
        "" => writeln!(text, "{setting}"),
        comment => writeln!(text, "{setting:<COLUMN$}# {comment}", setting = setting.clone() + " "),
    };
}

/// A default as one would write it.
fn show(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(v) => format!("{:?}", *v as f32),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_shipped_example_is_the_one_that_the_table_writes() {
        let shipped =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/agegate.toml")).unwrap();
        assert!(shipped == text(), "config/agegate.toml is not what src/config/table.rs says: run `make config`");
    }

    #[test]
    fn the_example_is_valid_and_differs_from_the_defaults_by_the_wired_reset_alone() {
        let mut example = Config::parse(&text(), Path::new("agegate.toml")).unwrap();
        assert_eq!(example.display.reset_line.take(), Some(24));
        assert_eq!(example, Config::default());
    }

    #[test]
    fn every_commented_key_may_be_uncommented_alone() {
        for (k, _) in text().lines().enumerate().filter(|(_, l)| l.starts_with("# ") && l.contains(" = ")) {
            let lines: Vec<String> = text().lines().map(str::to_owned).collect();
            let mut lines = lines;
            let key = lines[k].trim_start_matches("# ").to_owned();
            if ["policy_file", "texts_file"].iter().any(|f| key.starts_with(f)) {
                continue; // They must be there.
            }
            let policy = SECTIONS.iter().filter(|s| s.name.starts_with("policy"));
            let in_policy = policy.flat_map(|s| s.keys).any(|p| key.starts_with(p.name));
            if in_policy {
                continue; // A policy is whole or not there.
            }
            lines[k] = key;
            let changed = lines.join("\n");
            assert!(Config::parse(&changed, Path::new("a.toml")).is_ok(), "{}", lines[k]);
        }
    }

    #[test]
    fn the_policy_of_the_example_may_be_uncommented_whole() {
        let text = text();
        let begin = text.find("# [policy]").unwrap();
        let end = begin + text[begin..].find("\n\n[").unwrap();
        let lines = text[begin..end].lines().filter(|l| l.contains(" = ") || l.starts_with("# ["));
        let policy: String = lines.map(|l| l.trim_start_matches("# ").to_owned() + "\n").collect();
        let config = Config::parse(&(text[..begin].to_owned() + &policy + &text[end..]), Path::new("a.toml")).unwrap();
        assert_eq!(config.policy().challenge_age, 25);
        assert_eq!(config.policy().liveness.unwrap().confidence, 0.9);
    }
}
