//! The decision log: append-only JSON Lines, each record chained to the one before by its BLAKE3 hash, and each with a code
//! that only the gate's secret key makes.
//!
//! ```text
//! {"seq":7,"prev":"<hash of line 6>","time":...,"boot":...,"mono_ms":...,"clock_synced":...,"event":"decision",...,"mac":"..."}
//! ```
//!
//! One write and one `fdatasync` for each record, none between visits. Files are named `decisions-YYYY-MM-DD-NNN.jsonl`
//! and begin anew with the day and at the configured size; numbers and chain go on through all of them. `head` holds the
//! last number and hash. Beside the folder, not in it, `FOLDER.key` holds the key.
//!
//! What the chain shows, and what it does not:
//! - Without the key: every change, removal or reordering by somebody who does not rewrite all that follows. Whoever
//!   recomputes the hashes of records and `head` is not seen.
//! - With the key (the gate's user and root can read it, and whoever holds the card in hand): also every record that was not
//!   written by this gate, and a `head` that was not. Whoever can read the key can forge all of it.
//! - Neither shows that the folder, or its end and `head`, was put back to an older copy, nor that records were cut off which
//!   `head` did not tell of yet (the last half minute before a power cut). For this, and against whoever has the key, there are anchors: the last
//!   number and hash (`agegate log anchor`), kept where the board's owner cannot reach it.
//! - What was found lost or damaged once is a `gap` record; the gate goes on, and verifying reports it for ever.
//! - A new log is begun by moving the folder and its key away together, while the gate is stopped; one without the other is a loss.
//! - Records can be missing because they were never written: the log tells nothing of a gate that was switched off.

pub mod anchor;
pub mod clock;
pub mod files;
pub mod head;
mod jumps;
pub mod key;
pub mod lock;
pub mod logged;
pub mod medium;
pub mod reader;
mod retention;
mod tail;
pub mod verify;
pub mod writer;

pub use logged::{DecidedBy, Logged};
pub use writer::AuditLog;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    age::AgeGroup,
    policy::{Outcome, Reason},
};

/// Hash before the first record of all.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Name of the file with the last number and hash.
pub const HEAD: &str = "head";

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the record, from 1, without gaps through all files.
    pub seq: u64,
    /// BLAKE3 of the line before, without its line end; zeros before the first.
    pub prev: String,
    /// Wall-clock time, UTC, RFC 3339 with milliseconds.
    pub time: String,
    /// First 8 digits of the kernel's boot id.
    pub boot: String,
    /// Monotonic time in milliseconds: orders the records of a boot even where the wall clock is wrong.
    pub mono_ms: u64,
    /// Whether the clock was synchronised; `null` where the system does not tell.
    pub clock_synced: Option<bool>,
    /// Seconds since the log began, as far as the log itself can vouch for them ([`clock::Span`]): by this, not by the
    /// wall clock, records grow old. Absent in logs of version 0.1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_s: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// The key's code over the line up to here. Absent in logs of version 0.1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

impl Record {
    /// No record has this number or a greater one: a log that grows by a record each microsecond would need 285 years.
    pub(crate) const MOST: u64 = 1 << 53;
    /// No record is longer, bytes.
    pub(crate) const LONGEST: u64 = 4096;
    /// Before a key is in use, the numbers below may be gone on from, whoever wrote them: what follows stays below
    /// [`Record::MOST`].
    pub(crate) const PLAUSIBLE: u64 = Self::MOST / 2;

    /// The record in a line without its line end.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn of(line: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        if !(1..Self::MOST).contains(&record.seq) {
            return Err(format!("no record has the number {}", record.seq));
        }
        Ok(record)
    }
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The gate started.
    Start {
        /// Program version.
        version: String,
        /// Face detector.
        detector: String,
        /// Age estimator.
        model: String,
        /// How a living face is asked for, and by which model; absent where none is, and in older logs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        liveness: Option<String>,
        /// Policy.
        policy: String,
        /// Why the policy's measured figures do not hold for the values in force; absent where they do, and in older logs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        figures: Option<String>,
    },
    /// A visit was decided.
    Decision {
        /// What was decided.
        decision: Outcome,
        /// Why.
        reason: Reason,
        /// Age band of the evidence, never the age.
        band: Option<AgeGroup>,
        /// P(age >= `sure_age`) of the policy, two decimals.
        confidence: Option<f32>,
        /// P(living), two decimals; absent where no living face is asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        liveness: Option<f32>,
        /// Good frames.
        frames: usize,
        /// Which try in a row.
        attempt: u32,
        /// Milliseconds from the capture of the deciding frame to the moment before this record was written: a record
        /// cannot hold the time of its own writing. The record of the act has the latency with it.
        latency_ms: u64,
        /// First 8 digits of the age model's hash.
        model: String,
        /// The same of the liveness model, where a living face is asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        liveness_model: Option<String>,
        /// Policy identity.
        policy: String,
    },
    /// What the door did about an `Allow`; written after it was done.
    Act {
        /// Number of the decision's record.
        decision: u64,
        /// What the door did.
        act: Act,
        /// Why, where it did not simply obey.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<ActReason>,
        /// What the system said, where something failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// Milliseconds from the capture of the deciding frame to the end of the act, the writing of the decision
        /// included; absent for `shut`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        latency_ms: Option<u64>,
    },
    /// An alarm of the door unit or the camera began or ended.
    Alarm {
        /// Which.
        alarm: Alarm,
        /// What became of it.
        change: AlarmChange,
    },
    /// The last line was torn by a power cut; its bytes are still there.
    Torn {
        /// Length of the torn line; of several, all together.
        bytes: u64,
        /// BLAKE3 of the torn line; of several, of their hashes, one a line.
        hash: String,
        /// How many lines: more than one where the power was cut again while the first was noted.
        #[serde(default = "one")]
        lines: u64,
    },
    /// Records were lost or damaged before this one: what was found was not what the gate had written.
    Gap {
        /// What is wrong, in words.
        what: String,
        /// The last number that the gate had written, where it is known.
        expected: Option<u64>,
        /// The hash of that record.
        expected_hash: Option<String>,
        /// The last number that was found; 0 for none.
        found: u64,
    },
    /// Events before this one could not be written: the medium was full, or could not be written to.
    Unlogged {
        /// How many.
        count: u64,
        /// Wall-clock time of the first, as that of a record.
        first: String,
        /// Wall-clock time of the last.
        last: String,
        /// Why the last could not be.
        what: String,
    },
    /// From here on the records bear the code of a key.
    Keyed {
        /// Format of what follows; 2.
        format: u32,
        /// Which key ([`key::Key::id`]).
        key: String,
    },
    /// Files beyond the retention were deleted.
    Retention {
        /// Last number that was deleted.
        removed_through: u64,
        /// Faults that were in the deleted records, those of their own `retention` records too: what was lost stays visible.
        #[serde(default)]
        faults: u64,
    },
    /// The gate stopped in good order.
    Stop,
}

/// What the door did about a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// It opened, for the configured time.
    Opened,
    /// It did not open, because it must not have.
    Refused,
    /// It should have opened and could not.
    Failed,
    /// An opening ended.
    Shut,
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Opened => "opened",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Shut => "shut",
        })
    }
}

/// What an alarm is raised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// The leaf opened while nobody was let through.
    Forced,
    /// The leaf stays open.
    HeldOpen,
    /// The cover of the unit was opened.
    Tamper,
    /// The camera is lost, and was not got back by trying and resetting it.
    CameraLost,
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Forced => "forced",
            Self::HeldOpen => "held-open",
            Self::Tamper => "tamper",
            Self::CameraLost => "camera-lost",
        })
    }
}

/// What became of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmChange {
    /// It began.
    Raised,
    /// Its cause is gone; that of `tamper` when a person has reset it.
    Ended,
}

impl std::fmt::Display for AlarmChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Raised => "raised",
            Self::Ended => "ended",
        })
    }
}

/// Why the door did what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActReason {
    /// The `Allow` was older than two seconds when it had been logged, or when the order reached the door.
    TooOld,
    /// The door has been open for so long that less than `open_seconds` would be left.
    DoorLimit,
    /// The opening lasted as long as it was to.
    TimeUp,
    /// The camera was lost.
    CameraLost,
    /// A model failed.
    ModelFailed,
    /// A record could not be written.
    LogFailed,
    /// The door did not do what it was told.
    DoorFailed,
    /// Whoever holds the relay died or did not answer.
    KeeperFailed,
    /// The gate stopped.
    Stopped,
    /// The configuration of the relay was changed.
    Reloaded,
    /// Whoever was let in went through.
    WentThrough,
    /// The cover of the unit was opened, and nobody has reset that.
    Tampered,
}

impl ActReason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::TooOld,
        Self::DoorLimit,
        Self::TimeUp,
        Self::CameraLost,
        Self::ModelFailed,
        Self::LogFailed,
        Self::DoorFailed,
        Self::KeeperFailed,
        Self::Stopped,
        Self::Reloaded,
        Self::WentThrough,
        Self::Tampered,
    ];

    /// The word for it, as in the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TooOld => "too-old",
            Self::DoorLimit => "door-limit",
            Self::TimeUp => "time-up",
            Self::CameraLost => "camera-lost",
            Self::ModelFailed => "model-failed",
            Self::LogFailed => "log-failed",
            Self::DoorFailed => "door-failed",
            Self::KeeperFailed => "keeper-failed",
            Self::Stopped => "stopped",
            Self::Reloaded => "reloaded",
            Self::WentThrough => "went-through",
            Self::Tampered => "tampered",
        }
    }
}

impl std::fmt::Display for ActReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// Why the log cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file or folder that cannot be used.
    #[error("decision log {}: {action} failed: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The records bear the code of a key that is not there any more.
    #[error("decision log {}: its records bear a code, and the key {} is gone: put it back, or `run` begins with a new one and `agegate log verify` says for ever that the chain is broken", folder.display(), key.display())]
    KeyGone {
        /// Where the key was looked for.
        key: PathBuf,
        /// The log's folder.
        folder: PathBuf,
    },
    /// Another program writes to the same log.
    #[error("decision log {}: another agegate writes to it{}", path.display(), by.map_or_else(String::new, |pid| format!(" (process {pid})")))]
    Busy {
        /// The folder.
        path: PathBuf,
        /// The process that does, where the kernel tells.
        by: Option<i32>,
    },
    /// Something else stands where the log's folder should be, or one above it.
    #[error("decision log {}: {} is {found}, expected a folder", folder.display(), path.display())]
    NotAFolder {
        /// The log's folder.
        folder: PathBuf,
        /// What is no folder.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// Something else stands where a file of the log should be.
    #[error("decision log {}: this is {found}, expected a regular file; move it away", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
        /// What stands there.
        found: &'static str,
    },
    /// A file bears the name of one of the log, and is longer than any is.
    #[error("decision log {}: {length} bytes, and no file of a log is longer than {}; move it away", path.display(), reader::MAX_FILE)]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
    },
    /// The log was deleted, moved, replaced or changed by somebody else while the gate wrote to it.
    #[error("decision log {}: {what}", path.display())]
    Lost {
        /// The file or folder.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The key cannot be read or made.
    #[error("key of the decision log {}: {what}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl AuditError {
    /// What it is about: a file, or a folder.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        match self {
            Self::Io { path, .. }
            | Self::Busy { path, .. }
            | Self::NotAFolder { path, .. }
            | Self::NotAFile { path, .. }
            | Self::TooLong { path, .. }
            | Self::Lost { path, .. }
            | Self::Key { path, .. } => path,
            Self::KeyGone { folder, .. } => folder,
        }
    }

    /// Whether there is no room, which may come back: the gate then runs, with the door shut.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    /// For `map_err`: an error of the system at a path.
    pub(crate) fn io(path: &std::path::Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }
}

fn one() -> u64 {
    1
}

/// BLAKE3 of a line without its line end, in hex.
#[must_use]
pub fn hash_line(line: &[u8]) -> String {
    blake3::hash(line).to_hex().to_string()
}
