//! As much of a record as the link needs: its number, what it is chained to, and what it counts. All else goes out as it
//! stands, so that a record of a newer gate is passed on too. The format is the gate's (`agegate::audit`).

use serde::Deserialize;

/// Hash before the first record of all.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is read of a record.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Record {
    /// Its number, from 1.
    pub seq: u64,
    /// Hash of the line before.
    pub prev: String,
    /// Wall-clock time, UTC, RFC 3339.
    pub time: String,
    /// Its kind.
    pub event: String,
    /// Outcome of a decision; number of the decision in an `act`.
    #[serde(default)]
    pub decision: Option<serde_json::Value>,
    /// Reason of a decision or an act.
    #[serde(default)]
    pub reason: Option<String>,
    /// What the door did.
    #[serde(default)]
    pub act: Option<String>,
    /// Milliseconds from the frame to the decision or the act.
    #[serde(default)]
    pub latency_ms: Option<u64>,
    /// What a `gap` or an `unlogged` record says.
    #[serde(default)]
    pub what: Option<String>,
    /// How many events an `unlogged` record stands for.
    #[serde(default)]
    pub count: Option<u64>,
    /// Last number that a `retention` record says was deleted.
    #[serde(default)]
    pub removed_through: Option<u64>,
}

impl Record {
    /// No record has this number or a greater one.
    const MOST: u64 = 1 << 53;

    /// The record in a line; `None` if it is none.
    #[must_use]
    pub fn of(line: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(line).ok()?;
        ((1..Self::MOST).contains(&record.seq) && record.prev.len() == 64).then_some(record)
    }

    /// The outcome, if this is a decision.
    #[must_use]
    pub fn outcome(&self) -> Option<&str> {
        (self.event == "decision").then_some(self.decision.as_ref()?.as_str()).flatten()
    }

    /// The day in UTC, `YYYY-MM-DD`.
    #[must_use]
    pub fn day(&self) -> &str {
        self.time.get(..10).unwrap_or_default()
    }
}

/// BLAKE3 of a line without its line end, in hex.
#[must_use]
pub fn hash_line(line: &[u8]) -> String {
    blake3::hash(line).to_hex().to_string()
}
