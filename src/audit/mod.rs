//! The decision log: append-only JSON Lines, each record chained to the one before by its BLAKE3 hash.
//!
//! ```text
//! {"seq":7,"prev":"<hash of line 6>","time":...,"boot":...,"mono_ms":...,"clock_synced":...,"event":"decision",...}
//! ```
//!
//! One write and one `fdatasync` for each record, none between visits. Files are named `decisions-YYYY-MM-DD-NNN.jsonl`
//! and begin anew with the day and at the configured size; numbers and chain go on through all of them. `head` holds the
//! last number and hash, so that removing the newest records is noticed too.

pub mod reader;
pub mod verify;
pub mod writer;

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
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
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
        /// Policy.
        policy: String,
    },
    /// A visit was decided.
    Decision {
        /// What was decided.
        decision: Outcome,
        /// Why.
        reason: Reason,
        /// Age band of the evidence, never the age.
        band: Option<AgeGroup>,
        /// P(age >= T), two decimals.
        confidence: Option<f32>,
        /// Good frames.
        frames: usize,
        /// Which try in a row.
        attempt: u32,
        /// Milliseconds from the capture of the deciding frame to this record.
        latency_ms: u64,
        /// First 8 digits of the age model's hash.
        model: String,
        /// Policy identity.
        policy: String,
    },
    /// The last line was torn by a power cut; its bytes are still there.
    Torn {
        /// Length of the torn line.
        bytes: u64,
        /// BLAKE3 of the torn line.
        hash: String,
    },
    /// Files beyond the retention were deleted.
    Retention {
        /// Last number that was deleted.
        removed_through: u64,
    },
    /// The gate stopped in good order.
    Stop,
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
    /// Another program writes to the same log.
    #[error("decision log {}: another agegate writes to it", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The end of the chain is unreadable; nobody may append to it as if nothing had happened.
    #[error("decision log {}, line {line}: {what}; run `agegate log verify`, then move the folder away to begin a new log", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// BLAKE3 of a line without its line end, in hex.
#[must_use]
pub fn hash_line(line: &[u8]) -> String {
    blake3::hash(line).to_hex().to_string()
}
