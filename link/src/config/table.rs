//! The table of keys: what each number may be, and what is said about each key. It checks, words the errors and writes
//! `link/link.toml`; no range stands anywhere else.

use std::fmt::Write as _;

use super::{Config, error::Fault};

struct Section {
    name: &'static str,
    intro: &'static str,
    keys: &'static [Key],
}

struct Key {
    name: &'static str,
    /// Lowest and highest value, and the unit.
    range: Option<(i64, i64, &'static str)>,
    /// What the example shows commented out, where there is no default.
    commented: Option<&'static str>,
    note: &'static str,
}

const fn key(name: &'static str, note: &'static str) -> Key {
    Key { name, range: None, commented: None, note }
}

const fn number(name: &'static str, range: (i64, i64, &'static str), note: &'static str) -> Key {
    Key { name, range: Some(range), commented: None, note }
}

const fn commented(name: &'static str, value: &'static str, note: &'static str) -> Key {
    Key { name, range: None, commented: Some(value), note }
}

const SECTIONS: &[Section] = &[
    Section {
        name: "",
        intro: "\
# agegate-link: the configuration. Every key is here, most with their default; unknown keys are errors.
# After a change: `agegate-link check`, then `systemctl restart agegate-link`.",
        keys: &[key("gate", "name of this gate in topics and metrics: letters, digits, `-` and `_`")],
    },
    Section {
        name: "log",
        intro: "",
        keys: &[
            key("folder", "the gate's log; the link reads it and never writes there"),
            number("poll_ms", (50, 60_000, "milliseconds"), "how often it is looked at"),
        ],
    },
    Section {
        name: "status",
        intro: "",
        keys: &[
            key("folder", "the gate's run-time directory"),
            key("gate_config", "the gate's configuration: by its path its status is known"),
            number("stale_seconds", (2, 3600, "seconds"), "without a newer status the gate counts as not running"),
            number("every_seconds", (1, 86_400, "seconds"), "how often the status goes out when nothing changes"),
        ],
    },
    Section {
        name: "broker",
        intro: "",
        keys: &[
            key("host", "name or address of the MQTT broker"),
            number("port", (1, 65_535, ""), "8883 with TLS by custom, 1883 without"),
            key("tls", "false only for a broker on this computer"),
            commented("ca_file", "\"/etc/agegate-link/ca.pem\"", "absent: the system's certificates"),
            commented("user", "\"front-door\"", ""),
            commented(
                "password_file",
                "\"/etc/agegate-link/password\"",
                "one line, readable for the link's user alone",
            ),
            commented("certificate_file", "\"/etc/agegate-link/client.pem\"", "instead of a password, or with one"),
            commented("key_file", "\"/etc/agegate-link/client.key\"", ""),
            commented("client_id", "\"agegate-front-door\"", "absent: `agegate-` and the gate's name"),
            number("keep_alive_seconds", (5, 3600, "seconds"), ""),
            number(
                "resend_seconds",
                (0, 86_400, "seconds"),
                "after a lost connection, what the broker took for so long before is sent again",
            ),
        ],
    },
    Section {
        name: "topics",
        intro: "",
        keys: &[
            key("prefix", "topics are PREFIX/GATE/record and so on; a site may be a level of it: \"agegate/berlin-1\""),
            key("home_assistant", "Home Assistant's discovery prefix; \"\": nothing is announced"),
        ],
    },
    Section {
        name: "metrics",
        intro: "",
        keys: &[
            key("listen", "/metrics and /healthz; \"\": none"),
            commented(
                "textfile",
                "\"/var/lib/prometheus/node-exporter/agegate.prom\"",
                "for node_exporter, where nothing may listen",
            ),
        ],
    },
    Section { name: "state", intro: "", keys: &[key("folder", "the link's own: how far it has sent")] },
];

/// The values that are out of their range.
pub(super) fn faults(values: &toml::Table) -> Vec<Fault> {
    let mut faults = Vec::new();
    for section in SECTIONS {
        for key in section.keys {
            let Some((low, high, unit)) = key.range else { continue };
            let table = values.get(section.name).and_then(toml::Value::as_table);
            let Some(value) = table.and_then(|t| t.get(key.name)).and_then(toml::Value::as_integer) else { continue };
            if !(low..=high).contains(&value) {
                let expected = format!("{low} to {high} {unit}");
                faults.push(Fault::new(&format!("{}.{}", section.name, key.name), value, expected.trim_end()));
            }
        }
    }
    faults
}

/// Column at which the comments begin.
const COLUMN: usize = 42;

/// The example configuration.
///
/// # Panics
/// Never: the tree of defaults is plain TOML.
#[must_use]
pub fn example() -> String {
    let defaults = toml::Table::try_from(Config::default()).expect("the defaults are plain TOML");
    let mut text = String::new();
    for section in SECTIONS {
        match section.name {
            "" => text += &format!("{}\n", section.intro),
            name => text += &format!("\n[{name}]\n"),
        }
        for key in section.keys {
            let table = if section.name.is_empty() { Some(&defaults) } else { defaults[section.name].as_table() };
            let setting = match key.commented {
                Some(value) => format!("# {} = {value} ", key.name),
                None => format!("{} = {} ", key.name, table.map(|t| t[key.name].to_string()).unwrap_or_default()),
            };
            let range = key.range.map(|(low, high, unit)| format!("{low} to {high} {unit}")).unwrap_or_default();
            let comment =
                [key.note, range.trim_end()].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("; ");
            // Writing to a String cannot fail.
            let _ = match comment.as_str() {
                "" => writeln!(text, "{}", setting.trim_end()),
                comment => writeln!(text, "{setting:<COLUMN$}# {comment}"),
            };
        }
    }
    text
}
