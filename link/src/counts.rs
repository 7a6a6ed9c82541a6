//! What the link counts of the records it sends: for metrics, for Home Assistant and for the fleet's page. It is kept with the
//! cursor, so a record counts once however often it is sent, and a restart counts on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::queue::{Notice, record::Record};

/// Days that are kept.
const DAYS: usize = 35;
/// Upper bounds of the latency histogram, milliseconds.
pub const BUCKETS_MS: [u64; 7] = [250, 500, 750, 1000, 1500, 2000, 5000];

/// Decisions of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Let in.
    #[serde(default)]
    pub allow: u64,
    /// Asked for ID.
    #[serde(default)]
    pub refer: u64,
    /// Refused.
    #[serde(default)]
    pub deny: u64,
    /// Visits that ended without a decision.
    #[serde(default)]
    pub none: u64,
}

impl Day {
    /// Visits that were decided.
    #[must_use]
    pub fn decided(&self) -> u64 {
        self.allow + self.refer + self.deny
    }

    fn add(&mut self, outcome: &str) {
        match outcome {
            "Allow" => self.allow += 1,
            "Refer" => self.refer += 1,
            "Deny" => self.deny += 1,
            _ => self.none += 1,
        }
    }
}

/// The last decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// Number of its record.
    pub seq: u64,
    /// Wall-clock time.
    pub time: String,
    /// The outcome, as the log has it.
    pub outcome: String,
    /// Why.
    pub reason: String,
}

/// The last thing that was wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// At which record.
    pub seq: u64,
    /// What, in words.
    pub what: String,
}

/// All counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Records.
    pub records: u64,
    /// Decisions by outcome and reason, `OUTCOME/REASON`.
    pub decisions: BTreeMap<String, u64>,
    /// What the door did.
    pub acts: BTreeMap<String, u64>,
    /// Starts of the gate.
    pub starts: u64,
    /// Faults of the chain: gaps that the gate noted, and what the link could not follow.
    pub faults: u64,
    /// The last of them.
    pub last_fault: Option<Fault>,
    /// Records that were deleted for their age before the link could send them.
    pub missed: u64,
    /// Events that the gate could not write, by its own word.
    pub unlogged: u64,
    /// Decisions by latency, one more than there are bounds.
    pub latency: [u64; BUCKETS_MS.len() + 1],
    /// Sum of the latencies, milliseconds.
    pub latency_sum_ms: u64,
    /// Decisions by day, `YYYY-MM-DD` in UTC.
    pub days: BTreeMap<String, Day>,
    /// The last decision.
    pub last: Option<Last>,
    /// Wall-clock time of the last record.
    pub last_time: Option<String>,
}

impl Counts {
    /// A record was sent.
    pub fn record(&mut self, record: &Record) {
        self.records += 1;
        self.last_time = Some(record.time.clone());
        match record.event.as_str() {
            "decision" => self.decision(record),
            "act" => *self.acts.entry(record.act.clone().unwrap_or_default()).or_default() += 1,
            "start" => self.starts += 1,
            "gap" => self.fault(record.seq, record.what.clone().unwrap_or_else(|| "a gap".into())),
            "unlogged" => self.unlogged = self.unlogged.saturating_add(record.count.unwrap_or(1)),
            _ => {}
        }
    }

    fn decision(&mut self, record: &Record) {
        let Some(outcome) = record.outcome() else { return };
        let reason = record.reason.clone().unwrap_or_default();
        *self.decisions.entry(format!("{outcome}/{reason}")).or_default() += 1;
        if let Some(ms) = record.latency_ms {
            self.latency[BUCKETS_MS.partition_point(|bound| *bound < ms)] += 1;
            self.latency_sum_ms = self.latency_sum_ms.saturating_add(ms);
        }
        if record.day().len() == 10 {
            self.days.entry(record.day().into()).or_default().add(outcome);
        }
        while self.days.len() > DAYS {
            self.days.pop_first();
        }
        self.last = Some(Last { seq: record.seq, time: record.time.clone(), outcome: outcome.into(), reason });
    }

    /// Something was sent that the link could not follow.
    pub fn notice(&mut self, seq: u64, notice: &Notice) {
        match notice {
            Notice::Missed { from, through, deleted: true } => self.missed += through.saturating_sub(*from) + 1,
            other => self.fault(seq, describe(other)),
        }
    }

    fn fault(&mut self, seq: u64, what: String) {
        self.faults += 1;
        self.last_fault = Some(Fault { seq, what });
    }

    /// Decisions of an outcome.
    #[must_use]
    pub fn outcome(&self, outcome: &str) -> u64 {
        let of = |key: &String| key.split('/').next() == Some(outcome);
        self.decisions.iter().filter(|(key, _)| of(key)).map(|(_, count)| count).sum()
    }
}

/// A notice in words.
#[must_use]
pub fn describe(notice: &Notice) -> String {
    match notice {
        Notice::Missed { from, through, deleted: true } => {
            format!("records {from} to {through} were deleted for their age before they were sent")
        }
        Notice::Missed { from, through, .. } => format!("records {from} to {through} are missing"),
        Notice::Rewritten { seq, after: 0, .. } => {
            format!("record {seq} was sent and is gone: another log stands there, sent from its beginning")
        }
        Notice::Rewritten { seq, after, .. } => {
            format!("record {seq} was sent and is gone or another one now: sent again from record {}", after + 1)
        }
        Notice::Broken { seq, .. } => format!("record {seq} does not bear the hash of the one before"),
        Notice::Unreadable { file, offset, .. } => format!("{file}: the line at byte {offset} is no record"),
        Notice::Repeated { file, from, through } => format!("{file}: records {from} to {through} stand there again"),
    }
}
