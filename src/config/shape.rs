//! The shape of a file, before anything reads it into types: which keys stand where, and of which kind their values are. Told
//! by the table of keys, in words of whoever wrote the file.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    error::{cut, line_of, shown},
    table::{Key, Range, SECTIONS, Section},
};

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// A configuration.
    Configuration,
    /// A policy in a file of its own.
    Policy,
}

/// The first thing in a text that has no place there or is of the wrong kind: its line, and what is to be said. What is no
/// TOML at all is for whoever reads it to tell.
pub(super) fn misfit(text: &str, file: File) -> Option<(usize, String)> {
    let root = DeTable::parse(text).ok()?;
    let mut walk = Walk { text, file, found: Vec::new() };
    walk.table(root.get_ref(), "");
    if walk.found.is_empty() && file == File::Configuration {
        walk.whole_policy(root.get_ref());
    }
    let (at, message) = walk.found.into_iter().min_by_key(|(at, _)| *at)?;
    Some((line_of(text, at), message))
}

/// Keys without which a policy is none.
const REQUIRED: [&str; 3] = ["threshold_age", "challenge_age", "confidence"];

struct Walk<'t> {
    text: &'t str,
    file: File,
    /// Offsets, and what is wrong there.
    found: Vec<(usize, String)>,
}

impl Walk<'_> {
    /// The section of a table of the file.
    fn section(&self, name: &str) -> Option<&'static Section> {
        let whole = self.whole_name(name);
        SECTIONS.iter().find(|section| section.name == whole)
    }

    /// A table's name as it is in a configuration.
    fn whole_name(&self, name: &str) -> String {
        match (self.file, name) {
            (File::Configuration, name) => name.to_owned(),
            (File::Policy, "") => "policy".to_owned(),
            (File::Policy, name) => format!("policy.{name}"),
        }
    }

    fn table(&mut self, table: &DeTable<'_>, above: &str) {
        let keys = self.section(above).map_or(&[][..], |section| section.keys);
        for (name, value) in table {
            let (at, name) = (name.span().start, &**name.get_ref());
            let dotted = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
            if self.section(&dotted).is_some() {
                match value.get_ref() {
                    DeValue::Table(inner) => self.table(inner, &dotted),
                    _ => self.no_table(at, &dotted, value),
                }
            } else if let Some(key) = keys.iter().find(|key| key.name == name) {
                self.value(at, &dotted, key, value);
            } else {
                let said = self.unknown(above, name);
                self.found.push((at, said));
            }
        }
    }

    /// A policy in a configuration, of which a table inside it alone may be written: what it lacks is its own.
    fn whole_policy(&mut self, root: &DeTable<'_>) {
        let Some((name, policy)) = root.iter().find(|(name, _)| name.get_ref() == "policy") else { return };
        let (at, Some(policy)) = (name.span().start, policy.get_ref().as_table()) else { return };
        if let Some(lacking) = REQUIRED.iter().find(|key| !policy.contains_key(**key)) {
            let all = REQUIRED.map(|key| format!("`{key}`")).join(", ");
            self.found.push((at, format!("`policy` lacks `{lacking}`; expected a whole policy in [policy]: {all}")));
        }
    }

    /// What should be one table and is none, or several.
    fn no_table(&mut self, at: usize, dotted: &str, value: &Spanned<DeValue<'_>>) {
        let expected = format!("a table: a line [{dotted}], and its keys below it");
        let said = match in_double_brackets(at, value) {
            true => format!("`{dotted}` is written [[{dotted}]], expected [{dotted}]: it stands in the file once"),
            false => format!("`{dotted}` is {}, expected {expected}", shown(self.text, value)),
        };
        self.found.push((at, said));
    }

    fn value(&mut self, at: usize, dotted: &str, key: &Key, value: &Spanned<DeValue<'_>>) {
        match (key.range, value.get_ref()) {
            (Range::Keys(keys), DeValue::Table(inner)) => self.line_of_keys(dotted, keys, inner),
            (Range::Keys(_), _) if in_double_brackets(at, value) => self.no_table(at, dotted, value),
            (Range::Controls, DeValue::Table(inner)) => self.controls(dotted, inner),
            (range, found) => {
                // A number that is too large for any key is one that its key does not take.
                let expected = match plain(found) {
                    Some(value) => range.misses(&value),
                    None => range.misses(&toml::Value::Integer(i64::MAX)).or_else(|| Some(range.to_string())),
                };
                if let Some(expected) = expected {
                    let at = stray(range, found).unwrap_or(at);
                    self.found.push((at, format!("`{dotted}` is {}, expected {expected}", shown(self.text, value))));
                }
            }
        }
    }

    /// The table of an input or an output.
    fn line_of_keys(&mut self, above: &str, keys: &[Key], table: &DeTable<'_>) {
        for (name, value) in table {
            let (at, name) = (name.span().start, &**name.get_ref());
            match keys.iter().find(|key| key.name == name) {
                Some(key) => self.value(at, &format!("{above}.{name}"), key, value),
                None => self.found.push((at, format!("`{above}` has no key `{name}`; it has {}", names(keys)))),
            }
        }
    }

    fn controls(&mut self, above: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let fits = match value.get_ref() {
                DeValue::String(_) | DeValue::Boolean(_) => true,
                number @ DeValue::Integer(_) => plain(number).is_some(),
                _ => false,
            };
            if !fits {
                let expected = "a whole number, true or false, or an entry of a menu in quotes";
                let (name, found) = (name.get_ref(), shown(self.text, value));
                self.found.push((value.span().start, format!("`{above}.{name}` is {found}, expected {expected}")));
            }
        }
    }

    /// What to say of a key that its table does not have: where it belongs, or what there is.
    fn unknown(&self, table: &str, name: &str) -> String {
        let (table, name) = (&*cut(table), &*cut(name));
        if self.file == File::Policy {
            let of = self.section(table).map_or(&[][..], |section| section.keys);
            let place = if table.is_empty() { "a policy".to_owned() } else { format!("[{table}] of a policy") };
            return format!("{place} has no key `{name}`; it has {}{}", names(of), self.tables_inside(table));
        }
        let place = |table: &str| match table {
            "" => "above the first table of the file".to_owned(),
            table => format!("in [{table}]"),
        };
        let belongs: Vec<String> = SECTIONS
            .iter()
            .filter(|section| section.keys.iter().any(|key| key.name == name))
            .map(|section| place(section.name))
            .collect();
        if !belongs.is_empty() {
            let why = match table {
                "" => "",
                _ => ": a key belongs to the last [table] above it",
            };
            return format!("`{name}` stands {}{why}; it belongs {}", place(table), belongs.join(" or "));
        }
        let keys = self.section(table).map_or(&[][..], |section| section.keys);
        match table {
            "" => {
                let tables: Vec<String> =
                    SECTIONS.iter().filter(|s| !s.name.is_empty()).map(|s| format!("[{}]", s.name)).collect();
                format!("there is no key or table `{name}`; there are {} and {}", names(keys), tables.join(", "))
            }
            _ => format!("[{table}] has no key `{name}`; it has {}{}", names(keys), self.tables_inside(table)),
        }
    }

    /// The tables that a table has below its keys, as what follows on a list of these.
    fn tables_inside(&self, table: &str) -> String {
        let whole = self.whole_name(table);
        let above = if self.file == File::Policy { "policy." } else { "" };
        let inside = SECTIONS.iter().filter(|section| {
            section
                .name
                .strip_prefix(&*whole)
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|rest| !rest.contains('.'))
        });
        inside.map(|section| format!(", and a table [{}]", section.name.trim_start_matches(above))).collect()
    }
}

fn names(keys: &[Key]) -> String {
    keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ")
}

/// Where in a list the first element stands that would not do in any.
fn stray(range: Range, found: &DeValue<'_>) -> Option<usize> {
    let wrong = |element: &Spanned<DeValue<'_>>| match (range, element.get_ref()) {
        (Range::Numbers(_), element) => !matches!(element, DeValue::Integer(_) | DeValue::Float(_)),
        (range, element) => {
            plain(element).is_none_or(|element| range.misses(&toml::Value::Array(vec![element])).is_some())
        }
    };
    found.as_array()?.iter().find(|element| wrong(element)).map(|element| element.span().start)
}

/// Whether a value is what `[[name]]` makes: its span is that of the head, in which the name stands.
fn in_double_brackets(at: usize, value: &Spanned<DeValue<'_>>) -> bool {
    matches!(value.get_ref(), DeValue::Array(_)) && value.span().contains(&at)
}

/// A value as the table of keys looks at it; `None` for a number beyond 64 bits.
fn plain(value: &DeValue<'_>) -> Option<toml::Value> {
    Some(match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => toml::Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => toml::Value::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(flag) => toml::Value::Boolean(*flag),
        DeValue::Datetime(time) => toml::Value::Datetime(*time),
        DeValue::Array(values) => {
            toml::Value::Array(values.iter().map(|value| plain(value.get_ref())).collect::<Option<_>>()?)
        }
        // Only that it is one counts.
        DeValue::Table(_) => toml::Value::Table(toml::Table::new()),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{
        Config, load_policy,
        parsed::{accepted, error},
    };

    #[test]
    fn a_value_of_the_wrong_kind_is_told_with_what_was_expected_in_words_of_the_file() {
        for (text, expected) in [
            ("[camera]\nmirror = 5 # once\n", "line 2: `camera.mirror` is 5, expected true or false"),
            ("[camera]\nrate = \"fast\"\n", "`camera.rate` is \"fast\", expected a number, 1 to 30 frames a second"),
            ("[camera]\nwidth = 640.5\n", "`camera.width` is 640.5, expected a whole number, 160 to 1920 pixels"),
            ("[camera]\nwidth = -1\n", "`camera.width` is -1, expected 160 to 1920 pixels"),
            ("[camera]\nwidth = 2020-01-01\n", "`camera.width` is 2020-01-01, expected a whole number, 160"),
            ("[visit]\nlost_seconds = 07:32:00\n", "`visit.lost_seconds` is 07:32:00, expected a number, 0.2"),
            (
                "[visit]\n\ngood_frames = 18446744073709551616\n",
                "line 3: `visit.good_frames` is 18446744073709551616, expected 1 to 50",
            ),
            ("[visit]\nlost_seconds = 99999999999999999999\n", "is 99999999999999999999, expected 0.2 to 10 seconds"),
            (
                "[liveness]\nmode = 1\n",
                "`liveness.mode` is 1, expected a word in quotes: \"off\", \"passive\" or \"turn\"",
            ),
            ("[liveness]\nmode = \"of\"\n", "`liveness.mode` is \"of\", expected \"off\", \"passive\" or \"turn\""),
            ("[liveness]\nmode = [\"off\"]\n", "`liveness.mode` is [\"off\"], expected a word in quotes"),
            ("[camera]\nsource = { v4l2 = {} }\n", "`camera.source` is { v4l2 = {} }, expected a word in quotes"),
            ("[camera]\nrotation = 45\n", "`camera.rotation` is 45, expected 0, 90, 180 or 270 degrees"),
            ("[camera]\nrotation = \"90\"\n", "`camera.rotation` is \"90\", expected a whole number, 0, 90, 180"),
            ("[camera]\nregion = [0.0, 0.0, 1.0]\n", "`camera.region` is [0.0, 0.0, 1.0], expected 4 numbers"),
            ("[camera]\nregion = 5\n", "`camera.region` is 5, expected 4 numbers in square brackets"),
            (
                "[camera]\ncommand = \"ffmpeg\"\n",
                "`camera.command` is \"ffmpeg\", expected a program and its arguments",
            ),
            ("[camera]\ncontrols = [\"a\"]\n", "`camera.controls` is [\"a\"], expected a table of names and values"),
            (
                "[camera]\ncontrols = { a = [1] }\n",
                "`camera.controls.a` is [1], expected a whole number, true or false",
            ),
            ("[camera.controls]\na = 1.5\n", "line 2: `camera.controls.a` is 1.5, expected a whole number"),
            ("[log]\nfolder = 5\n", "`log.folder` is 5, expected a path, in quotes"),
            ("[relay]\nchip = 0\n", "`relay.chip` is 0, expected a name, in quotes"),
            (
                "[outputs]\nalarm_on = \"forced\"\n",
                "`outputs.alarm_on` is \"forced\", expected a list in square brackets",
            ),
            (
                "[outputs]\nlamp = { line = 4, active = 1 }\n",
                "line 2: `outputs.lamp.active` is 1, expected a word in quotes",
            ),
            ("[inputs]\nstaff = 5\n", "`inputs.staff` is 5, expected a table of keys in braces, such as { line = 5 }"),
            (
                "[inputs]\nstaff = [{ line = 5 }]\n",
                "`inputs.staff` is [{ line = 5 }], expected a table of keys in braces",
            ),
            ("[inputs.exit]\n\nline = -5\n", "line 3: `inputs.exit.line` is -5, expected 0 to 511"),
            ("\nvisit = [5, 10]\n", "line 2: `visit` is [5, 10], expected a table: a line [visit]"),
            ("camera = \"/dev/video0\"\n", "line 1: `camera` is \"/dev/video0\", expected a table: a line [camera]"),
            (
                "[policy]\nthreshold_age = 18.5\n",
                "`policy.threshold_age` is 18.5, expected a whole number, 10 to 30 years",
            ),
        ] {
            let message = error(text);
            assert!(message.contains(expected), "{text}: {message}");
            for word in ["invalid type", "u32", "i128", "f32", "struct", "enum", "variant", "integer", "sequence"] {
                assert!(!message.contains(word), "{word}: {message}");
            }
        }
        assert!(accepted("[camera]\nrate = 10\nregion = [0, 0, 1, 1]\n[camera.controls]\ngain = 3\nauto = true\n"));
    }

    #[test]
    fn an_element_of_a_list_is_told_on_its_own_line() {
        for (text, expected) in [
            (
                "[camera]\nregion = [\n  0.0,\n  0.0,\n  \"1.0\",\n  1.0,\n]\n",
                "line 5: `camera.region` is [ 0.0, 0.0, \"1.0\", 1.0, ]",
            ),
            ("[outputs]\nalarm_on = [\n  \"forced\",\n  \"foced\",\n]\n", "line 4: `outputs.alarm_on` is "),
            ("[camera]\ncommand = [\n  \"ffmpeg\",\n  5,\n]\n", "line 4: `camera.command` is "),
            // Too few: none of them is wrong.
            ("[camera]\nregion = [\n  0.0,\n  0.0,\n]\n", "line 2: `camera.region` is "),
        ] {
            let message = error(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn a_table_with_a_slip_in_its_name_is_told_with_those_that_there_are() {
        let message = error("[policy.livenes]\nconfidence = 0.9\n");
        assert!(
            message.contains("[policy] has no key `livenes`; it has ")
                && message.contains(", and a table [policy.liveness]"),
            "{message}"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "threshold_age = 18\n[livenes]\nconfidence = 0.9\n").unwrap();
        let message = load_policy(file.path()).unwrap_err().to_string();
        assert!(
            message.contains("a policy has no key `livenes`; it has ") && message.contains(", and a table [liveness]"),
            "{message}"
        );
    }

    #[test]
    fn what_a_policy_lacks_is_told_as_lacking_in_it() {
        let whole = [("threshold_age", "18"), ("challenge_age", "25"), ("confidence", "0.9")];
        assert_eq!(whole.map(|(key, _)| key), super::REQUIRED);
        for lacking in super::REQUIRED {
            let lines: String = whole
                .iter()
                .filter(|(key, _)| *key != lacking)
                .map(|(key, value)| format!("{key} = {value}\n"))
                .collect();
            let message = error(&format!("[policy]\n{lines}"));
            assert!(message.contains(&format!("`policy` lacks `{lacking}`")), "{message}");
        }
        let message = error("\n[policy.liveness]\nconfidence = 0.9\n");
        assert!(
            message.contains("line 2: `policy` lacks `threshold_age`; expected a whole policy in [policy]"),
            "{message}"
        );
    }

    #[test]
    fn a_table_in_double_brackets_is_told_what_it_should_be() {
        for table in ["camera", "inputs", "liveness", "log", "policy", "inputs.staff", "policy.liveness"] {
            let message = error(&format!("# a file\n[[{table}]]\n"));
            let expected = format!("line 2: `{table}` is written [[{table}]], expected [{table}]");
            assert!(message.contains(&expected), "{message}");
        }
    }

    #[test]
    fn what_only_names_something_must_not_be_empty() {
        let keys = [
            ("", "policy_file"),
            ("camera", "device"),
            ("camera", "path"),
            ("models", "detector"),
            ("models", "age"),
            ("models", "liveness"),
            ("start", "chip"),
            ("relay", "chip"),
            ("display", "chip"),
            ("display", "spi"),
            ("display", "texts_file"),
            ("log", "folder"),
            ("log", "key_file"),
            ("inputs.staff", "chip"),
            ("outputs.wiegand", "chip"),
        ];
        for (table, key) in keys {
            for empty in ["\"\"", "\"  \"", "\"a\\u0000b\""] {
                let head = if table.is_empty() { "\n".to_owned() } else { format!("[{table}]\n") };
                let message = error(&format!("{head}{key} = {empty}\n"));
                let dotted = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
                assert!(message.starts_with(&format!("configuration gate.toml, line 2: `{dotted}` is ")), "{message}");
                assert!(
                    message.contains("the line left out")
                        || message.contains("zero character")
                        || message.contains("control characters"),
                    "{message}"
                );
            }
        }
    }

    #[test]
    fn a_key_below_the_wrong_line_is_told_where_it_stands_and_where_it_belongs() {
        for (text, expected) in [
            (
                "[camera]\n\npolicy_file = \"p.toml\"\n",
                "line 3: `policy_file` stands in [camera]: a key belongs to the last [table] above it; it belongs above the first table",
            ),
            ("[log]\nopen_seconds = 3\n", "line 2: `open_seconds` stands in [log]"),
            ("[log]\nopen_seconds = 3\n", "it belongs in [relay]"),
            ("pin = 5\n", "line 1: `pin` stands above the first table of the file; it belongs in [relay]"),
            ("[log]\nline = 3\n", "it belongs in [start]"),
        ] {
            let message = error(text);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_key_that_there_is_not_is_told_with_those_that_there_are() {
        assert!(error("[camera]\nfps = 10\n").contains("line 2: [camera] has no key `fps`; it has `source`, "));
        assert!(
            error("[inputs]\nstaff = { lines = 5 }\n").contains("`inputs.staff` has no key `lines`; it has `line`")
        );
        let message = error("[cameras]\n");
        assert!(message.contains("there is no key or table `cameras`") && message.contains("[camera]"), "{message}");
    }

    #[test]
    fn a_policy_in_a_file_of_its_own_is_looked_at_in_the_same_way() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let policy = "threshold_age = 18\nchallenge_age = 25\nconfidence = 0.9\n";
        for (more, expected) in [
            ("deny_confidence = \"no\"\n", "line 4: `deny_confidence` is \"no\", expected a number"),
            ("pin = 5\n", "line 4: a policy has no key `pin`; it has `threshold_age`"),
            ("[[liveness]]\nconfidence = 0.9\n", "`liveness` is written [[liveness]], expected [liveness]"),
            ("model = \"\"\n", "line 4: `model` is \"\", expected a name, or the line left out"),
        ] {
            std::fs::write(file.path(), format!("{policy}{more}")).unwrap();
            let message = load_policy(file.path()).unwrap_err().to_string();
            assert!(message.starts_with("policy /") && message.contains(expected), "{message}");
        }
        std::fs::write(file.path(), include_str!("../../models/policy.toml")).unwrap();
        load_policy(file.path()).unwrap();
    }

    #[test]
    fn what_a_configuration_writes_for_a_policy_is_read_back() {
        let policy = crate::policy::Policy::shipped();
        let text =
            toml::to_string(&toml::Table::from_iter([("policy".to_owned(), toml::Value::try_from(&policy).unwrap())]))
                .unwrap();
        assert_eq!(Config::parse(&text, Path::new("a.toml")).unwrap().policy.unwrap(), policy);
    }
}
