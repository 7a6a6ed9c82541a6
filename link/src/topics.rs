//! Topics and payloads: what goes out, and under which name. All payloads are JSON objects.
//!
//! | topic | kept by the broker | payload |
//! |---|---|---|
//! | `PREFIX/GATE/record` | no | each record or notice of the log, in order |
//! | `PREFIX/GATE/anchor` | yes | number, hash and anchor of the last record, and the state of the chain |
//! | `PREFIX/GATE/status` | yes | how the gate is, its last decision, counters |
//! | `PREFIX/GATE/days` | yes | decisions by day |
//! | `PREFIX/GATE/link` | yes | `{"state":"online"}`; the last will says `offline` |

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{json, value::RawValue};

use crate::{
    config::Config,
    counts::{Counts, describe},
    gate_status::Seen,
    queue::{Cursor, Item, What, anchor::anchor},
};

/// The topics of a gate.
#[derive(Clone, Debug)]
pub struct Topics {
    base: String,
}

impl Topics {
    /// Those of the configured gate.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { base: format!("{}/{}", config.topics.prefix, config.gate) }
    }

    /// One of them.
    #[must_use]
    pub fn named(&self, leaf: &str) -> String {
        format!("{}/{leaf}", self.base)
    }
}

/// What a record goes out as: the line is the last member, byte for byte, so that its hash can be checked.
#[derive(Serialize)]
struct RecordPayload<'a> {
    gate: &'a str,
    seq: u64,
    hash: &'a str,
    record: &'a RawValue,
}

/// The payload of what the log gave.
#[must_use]
pub fn item(gate: &str, item: &Item) -> Vec<u8> {
    match &item.what {
        What::Record { record, line, hash } => {
            let raw = std::str::from_utf8(line).ok().and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
            match raw {
                Some(raw) => bytes(&RecordPayload { gate, seq: record.seq, hash, record: raw }),
                // A record is JSON, or it would not have been read as one.
                None => bytes(&json!({"gate": gate, "seq": record.seq, "hash": hash})),
            }
        }
        What::Notice(notice) => {
            let mut value = serde_json::to_value(notice).unwrap_or_default();
            value["gate"] = json!(gate);
            value["after"] = json!(item.after.seq);
            value["words"] = json!(describe(notice));
            bytes(&value)
        }
    }
}

/// Number, hash and anchor of what was sent last, and whether the chain held.
#[must_use]
pub fn chain(gate: &str, cursor: &Cursor, counts: &Counts) -> Vec<u8> {
    bytes(&json!({
        "gate": gate,
        "time": now(),
        "seq": cursor.seq,
        "hash": cursor.hash,
        "anchor": anchor(cursor.seq, &cursor.hash),
        "record_time": counts.last_time,
        "chain": if counts.faults == 0 { "whole" } else { "faults" },
        "faults": counts.faults,
        "last_fault": counts.last_fault,
        "missed": counts.missed,
        "unlogged": counts.unlogged,
    }))
}

/// How the gate is.
#[must_use]
pub fn status(config: &Config, seen: &Seen, counts: &Counts, cursor: &Cursor, log_trouble: Option<&str>) -> Vec<u8> {
    let file = seen.file();
    let head = crate::queue::head(&config.log.folder);
    bytes(&json!({
        "gate": config.gate,
        "time": now(),
        "every_seconds": config.status.every_seconds,
        "state": seen.state(),
        "since": seen.since(),
        "camera": if seen.alive() { file.map(|f| f.camera.as_str()) } else { None },
        "door": if seen.alive() { file.map(|f| f.door.as_str()) } else { None },
        "alarms": if seen.alive() { file.map(|f| f.alarms.clone()).unwrap_or_default() } else { Vec::new() },
        "last_frame": file.and_then(|f| f.last_frame.as_deref()),
        "version": file.map(|f| f.version.as_str()),
        "policy": file.map(|f| f.policy.as_str()),
        "last_decision": counts.last,
        "decisions": {
            "allow": counts.outcome("Allow"),
            "refer": counts.outcome("Refer"),
            "deny": counts.outcome("Deny"),
            "none": counts.outcome("NoDecision"),
        },
        "openings": counts.acts.get("opened").copied().unwrap_or(0),
        "chain_faults": counts.faults,
        "log_trouble": log_trouble,
        "sent": cursor.seq,
        "waiting": head.map(|head| head.saturating_sub(cursor.seq)),
    }))
}

/// Decisions by day.
#[must_use]
pub fn days(gate: &str, counts: &Counts) -> Vec<u8> {
    bytes(&json!({"gate": gate, "days": counts.days}))
}

/// Whether the link is there.
#[must_use]
pub fn link(gate: &str, online: bool) -> Vec<u8> {
    // The will is written when the link comes, so it cannot say when it went.
    bytes(&json!({"gate": gate, "state": if online { "online" } else { "offline" }}))
}

fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
