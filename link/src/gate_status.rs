//! The gate's status file, as `agegate::status` writes it. Read leniently: a newer gate may say more.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{config::StatusConfig, files};

/// Formats that are understood.
const FORMAT: u32 = 1;
/// Largest status file, bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct File {
    /// Its format.
    pub format: u32,
    /// Program version.
    pub version: String,
    /// The gate's configuration.
    pub config: PathBuf,
    /// Policy in force.
    pub policy: String,
    /// Wall-clock time of the start.
    pub started: String,
    /// `in-use`, or what keeps it from that.
    pub state: String,
    /// Wall-clock time since when.
    pub since: String,
    /// `watching`, `idle` or `lost`.
    pub camera: String,
    /// Wall-clock time of the last judged frame.
    pub last_frame: Option<String>,
    /// `shut`, `open` or `out-of-order`.
    pub door: String,
    /// What to look after.
    pub alarms: Vec<String>,
    /// Counters since the start.
    pub counters: Counters,
    /// Wall-clock time of the file.
    pub written: String,
    /// First 8 digits of the boot id.
    pub boot: String,
    /// Monotonic time of the file, milliseconds.
    pub mono_ms: u64,
}

/// The gate's own counters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Frames that were judged.
    pub frames_judged: u64,
    /// Frames that a newer one replaced.
    pub frames_dropped: u64,
    /// Frames that could not be decoded.
    pub frames_broken: u64,
    /// Decisions that could not be logged.
    pub decisions_unlogged: u64,
}

/// How the gate is, as seen from outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It says so itself, and lately.
    Fresh(Box<File>),
    /// It does not renew its file any more: it was killed, or hangs.
    Silent(Box<File>),
    /// There is no file of this gate: it has not run since the start of the system.
    None,
    /// There is one that cannot be read.
    Unreadable(String),
}

impl Seen {
    /// Looks for the status of the gate with this configuration.
    #[must_use]
    pub fn look(config: &StatusConfig) -> Self {
        match find(config) {
            Ok(Some(file))
                if file.state == "stopped" || age_ms(&file).is_some_and(|ms| ms <= config.stale_seconds * 1000) =>
            {
                Self::Fresh(Box::new(file))
            }
            Ok(Some(file)) => Self::Silent(Box::new(file)),
            Ok(None) => Self::None,
            Err(what) => Self::Unreadable(what),
        }
    }

    /// The file, old or new.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        match self {
            Self::Fresh(file) | Self::Silent(file) => Some(file),
            _ => None,
        }
    }

    /// One word: the gate's own, or what is seen from here: `not-responding`, `not-running`, `unreadable`.
    #[must_use]
    pub fn state(&self) -> &str {
        match self {
            Self::Fresh(file) => &file.state,
            Self::Silent(_) => "not-responding",
            Self::None => "not-running",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Whether the gate can be used.
    #[must_use]
    pub fn in_use(&self) -> bool {
        self.state() == "in-use"
    }

    /// Whether a live gate says so.
    #[must_use]
    pub fn alive(&self) -> bool {
        matches!(self, Self::Fresh(file) if file.state != "stopped")
    }

    /// Since when, as far as that is known.
    #[must_use]
    pub fn since(&self) -> Option<&str> {
        match self {
            Self::Fresh(file) => Some(&file.since),
            Self::Silent(file) => Some(&file.written),
            _ => None,
        }
    }
}

/// How long ago the file was written; `None` after a reboot.
fn age_ms(file: &File) -> Option<u64> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot: String = boot.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now_ms = u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000;
    (boot == file.boot).then(|| now_ms.saturating_sub(file.mono_ms))
}

fn find(config: &StatusConfig) -> Result<Option<File>, String> {
    let wanted = settled(&config.gate_config);
    let entries = match std::fs::read_dir(&config.folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("status folder {}: reading it failed: {error}", config.folder.display())),
    };
    let mut trouble = None;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !(name.starts_with("status-") && name.ends_with(".json")) {
            continue;
        }
        let read = files::read(&path, MOST_BYTES).map_err(|e| e.to_string());
        match read.and_then(|bytes| serde_json::from_slice::<File>(&bytes).map_err(|e| e.to_string())) {
            Ok(file) if file.config != wanted => {}
            Ok(file) if file.format == FORMAT => return Ok(Some(file)),
            Ok(file) => trouble = Some(format!("format {}, expected {FORMAT}", file.format)),
            Err(what) => trouble = Some(format!("status file {}: {what}", path.display())),
        }
    }
    trouble.map_or(Ok(None), Err)
}

/// A path as the gate names it: its folder resolved, the last part as it is.
fn settled(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    match (path.parent().and_then(|p| p.canonicalize().ok()), path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}
