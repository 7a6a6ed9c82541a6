//! The link's configuration, in the gate's manner: one struct tree, one TOML file, unknown keys are errors, and every error
//! names the file, the line, the key, what was found and what was expected. `table.rs` has all ranges and writes the example.

// The gate's own: a file is refused alike by both programs. Its library would bring the models' runtime with it.
#[path = "../../../src/config/error.rs"]
#[allow(dead_code, reason = "the gate has policies and keys that name files, too")]
mod error;
pub mod table;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use error::ConfigError;
use error::{Fault, SettingsFile, parse_toml};

/// Where `agegate-link` looks without `--config`.
pub const DEFAULT_PATH: &str = "/etc/agegate-link/link.toml";
/// Largest configuration or file that it names, bytes.
pub(crate) const MOST_BYTES: u64 = 1_000_000;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name of this gate in topics and metrics; of the head office's computer for `fleet`.
    pub gate: String,
    /// The gate's log.
    pub log: LogConfig,
    /// The gate's status file.
    pub status: StatusConfig,
    /// The broker.
    pub broker: BrokerConfig,
    /// What is published where.
    pub topics: TopicsConfig,
    /// What Prometheus reads.
    pub metrics: MetricsConfig,
    /// What the link keeps.
    pub state: StateConfig,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The gate's log folder.
    pub folder: PathBuf,
    /// How often it is looked at, milliseconds.
    pub poll_ms: u64,
}

/// `[status]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusConfig {
    /// The gate's run-time directory.
    pub folder: PathBuf,
    /// The gate's configuration file, by which its status file is told from those of other gates.
    pub gate_config: PathBuf,
    /// Without a newer status file for so long the gate counts as not running, seconds.
    pub stale_seconds: u64,
    /// How often the status is published when nothing changes, seconds.
    pub every_seconds: u64,
}

/// `[broker]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrokerConfig {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether the connection is encrypted and the broker proves its name.
    pub tls: bool,
    /// Certificates that the broker's is checked against; absent: the system's.
    pub ca_file: Option<PathBuf>,
    /// User.
    pub user: Option<String>,
    /// File with the user's password.
    pub password_file: Option<PathBuf>,
    /// This gate's certificate.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's key.
    pub key_file: Option<PathBuf>,
    /// Client id; absent: `agegate-` and the gate's name.
    pub client_id: Option<String>,
    /// Seconds between signs of life.
    pub keep_alive_seconds: u16,
    /// After a connection was lost, what the broker took in the last so many seconds is sent again.
    pub resend_seconds: u64,
}

/// `[topics]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicsConfig {
    /// What every topic begins with.
    pub prefix: String,
    /// Home Assistant's discovery prefix; empty: nothing is announced.
    pub home_assistant: String,
}

/// `[metrics]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Address of `/metrics` and `/healthz`; empty: none.
    pub listen: String,
    /// File for node_exporter's textfile collector.
    pub textfile: Option<PathBuf>,
}

/// `[state]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StateConfig {
    /// Folder of the cursor.
    pub folder: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gate: "gate".into(),
            log: LogConfig::default(),
            status: StatusConfig::default(),
            broker: BrokerConfig::default(),
            topics: TopicsConfig::default(),
            metrics: MetricsConfig::default(),
            state: StateConfig::default(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { folder: "/var/lib/agegate/log".into(), poll_ms: 500 }
    }
}

impl Default for StatusConfig {
    fn default() -> Self {
        let gate_config = "/etc/agegate/agegate.toml".into();
        Self { folder: "/run/agegate".into(), gate_config, stale_seconds: 5, every_seconds: 60 }
    }
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            port: 8883,
            tls: true,
            ca_file: None,
            user: None,
            password_file: None,
            certificate_file: None,
            key_file: None,
            client_id: None,
            keep_alive_seconds: 30,
            resend_seconds: 120,
        }
    }
}

impl Default for TopicsConfig {
    fn default() -> Self {
        Self { prefix: "agegate".into(), home_assistant: "homeassistant".into() }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9467".into(), textfile: None }
    }
}

impl Default for StateConfig {
    fn default() -> Self {
        Self { folder: "/var/lib/agegate-link".into() }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`]: unreadable, no TOML, an unknown key, a value out of range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = crate::files::read_text(path, MOST_BYTES)
            .map_err(|source| ConfigError::Read { file: SettingsFile::configuration(path), source })?;
        Self::parse(text.strip_prefix('\u{feff}').unwrap_or(&text), path)
    }

    /// Checks the text of a file; `path` names it in messages, and relative paths are relative to its folder.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file = SettingsFile::configuration(path);
        parse_toml::<toml::Table>(text, &file)?;
        let mut config: Self = parse_toml(text, &file)?;
        if let Some(fault) = config.faults().into_iter().next() {
            return Err(fault.at(text, &file));
        }
        config.place(path);
        Ok(config)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = match toml::Table::try_from(self) {
            Ok(values) => table::faults(&values),
            // A path that is no text; TOML has none such.
            Err(error) => vec![Fault::new("configuration", error, "values that TOML can hold")],
        };
        let broker = &self.broker;
        let mut refuse = |key: &str, found: &dyn std::fmt::Display, expected: &str| {
            faults.push(Fault::new(key, found, expected));
        };
        if !is_name(&self.gate) {
            refuse(
                "gate",
                &format!("{:?}", self.gate),
                "1 to 64 letters, digits, `-` and `_`: it becomes a part of topics",
            );
        }
        if broker.host.is_empty() || broker.host.chars().any(char::is_whitespace) {
            refuse("broker.host", &format!("{:?}", broker.host), "a name or an address");
        }
        if !broker.tls && !is_loopback(&broker.host) {
            refuse(
                "broker.tls",
                &false,
                "true: without it records and passwords could be read and changed on the way; false is for a broker on this computer (localhost)",
            );
        }
        let files = [&broker.ca_file, &broker.certificate_file, &broker.key_file];
        if !broker.tls && files.iter().any(|file| file.is_some()) {
            refuse("broker.tls", &false, "true where a certificate or a key is named");
        }
        if broker.user.is_some() != broker.password_file.is_some() {
            let key = if broker.user.is_some() { "broker.user" } else { "broker.password_file" };
            refuse(key, &"set alone", "both `user` and `password_file`, or none of them");
        }
        if broker.certificate_file.is_some() != broker.key_file.is_some() {
            let key = if broker.key_file.is_some() { "broker.key_file" } else { "broker.certificate_file" };
            refuse(key, &"set alone", "both `certificate_file` and `key_file`, or none of them");
        }
        for (key, topic, may_be_empty) in [
            ("topics.prefix", &self.topics.prefix, false),
            ("topics.home_assistant", &self.topics.home_assistant, true),
        ] {
            let good = topic.split('/').all(|level| !level.is_empty()) && !topic.contains(['#', '\0', '$']);
            if !(good || may_be_empty && topic.is_empty()) {
                refuse(key, &format!("{topic:?}"), "levels separated by `/`, without `#` and `$`");
            }
        }
        if !self.metrics.listen.is_empty() && self.metrics.listen.parse::<std::net::SocketAddr>().is_err() {
            let expected = "an address and a port such as \"127.0.0.1:9467\", or \"\" for none";
            refuse("metrics.listen", &format!("{:?}", self.metrics.listen), expected);
        }
        faults
    }

    /// What only the link of one gate must keep to; `fleet` may look at many prefixes at once.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn for_publishing(self, path: &Path) -> Result<Self, ConfigError> {
        if self.topics.prefix.contains('+') {
            let fault = Fault::new(
                "topics.prefix",
                format!("{:?}", self.topics.prefix),
                "levels without `+`: what is published has one topic",
            );
            let text = crate::files::read_text(path, MOST_BYTES).unwrap_or_default();
            return Err(fault.at(&text, &SettingsFile::configuration(path)));
        }
        Ok(self)
    }

    fn place(&mut self, file: &Path) {
        let Some(folder) = std::path::absolute(file).ok().and_then(|file| Some(file.parent()?.to_owned())) else {
            return;
        };
        let broker = &mut self.broker;
        let named = [
            Some(&mut self.log.folder),
            Some(&mut self.status.folder),
            Some(&mut self.status.gate_config),
            Some(&mut self.state.folder),
            self.metrics.textfile.as_mut(),
            broker.ca_file.as_mut(),
            broker.password_file.as_mut(),
            broker.certificate_file.as_mut(),
            broker.key_file.as_mut(),
        ];
        for path in named.into_iter().flatten().filter(|path| path.is_relative()) {
            *path = folder.join(&*path);
        }
    }
}

/// Whether a text can be a gate's name: a level of a topic, a label, and a file's name.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_example_is_the_one_that_the_table_writes_and_the_defaults() {
        let shipped = include_str!("../../link.toml");
        assert!(
            shipped == table::example(),
            "link/link.toml is not what the table says: `agegate-link example > link/link.toml`"
        );
        let example = Config::parse(shipped, Path::new("/etc/agegate-link/link.toml")).unwrap();
        assert_eq!(example, Config::default());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        for (text, line, part) in [
            ("gate = \"a/b\"\n", 1, "`gate`"),
            ("[broker]\nport = 0\n", 2, "`broker.port`"),
            ("[broker]\nhost = \"example.org\"\ntls = false\n", 3, "expected true"),
            ("[broker]\nuser = \"a\"\n", 2, "password_file"),
            ("[broker]\ncertificate_file = \"a\"\n", 2, "key_file"),
            ("[topics]\nprefix = \"a//b\"\n", 2, "`topics.prefix`"),
            ("[metrics]\nlisten = \"here\"\n", 2, "127.0.0.1:9467"),
            ("[log]\npoll_ms = 1\n", 2, "50 to 60000"),
            ("[log]\nfolders = \"x\"\n", 2, "unknown field"),
            ("[log\n", 1, "line 1"),
        ] {
            let error = Config::parse(text, Path::new("l.toml")).unwrap_err().to_string();
            assert!(error.contains(&format!("l.toml, line {line}")) && error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn every_commented_key_may_be_uncommented() {
        let text = table::example();
        let lines: Vec<String> = text
            .lines()
            .map(|l| match l.strip_prefix("# ") {
                Some(setting) if setting.contains(" = ") => setting.into(),
                _ => l.to_owned(),
            })
            .collect();
        Config::parse(&lines.join("\n"), Path::new("l.toml")).unwrap();
    }
}
