//! Metrics as Prometheus' text format has them, names and units by its conventions: `agegate_` before all, seconds, `_total`
//! for what only grows, one name one meaning. `promtool check metrics` has nothing to say about them (`make link-test`).

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::{counts::BUCKETS_MS, link::View};

/// Whether the text is for `/metrics` or for node_exporter's textfile collector, which has process metrics of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// An HTTP answer.
    Scrape,
    /// A file.
    Textfile,
}

struct Text {
    out: String,
    gate: String,
}

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: String = labels.iter().map(|(key, value)| format!(",{key}=\"{}\"", escaped(value))).collect();
        let _ = writeln!(self.out, "{name}{{gate=\"{}\"{labels}}} {value}", self.gate);
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.value(name, &[], value);
    }

    fn flag(&mut self, name: &str, help: &str, value: bool) {
        self.one(name, "gauge", help, u8::from(value));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Seconds since 1970 of a time as a record has it.
fn seconds(time: &str) -> Option<f64> {
    time.parse::<Timestamp>().ok().map(|at| at.as_millisecond() as f64 / 1000.0)
}

/// The text for what a link shows.
#[must_use]
pub fn text(gate: &str, view: &View, purpose: For) -> String {
    let mut t = Text { out: String::with_capacity(8192), gate: escaped(gate) };
    of_the_gate(&mut t, view);
    of_the_log(&mut t, view);
    of_the_link(&mut t, view, purpose);
    t.out
}

fn of_the_gate(t: &mut Text, view: &View) {
    let (seen, file) = (&view.seen, view.seen.file());
    t.flag("agegate_up", "Whether the gate runs and says so.", seen.alive());
    t.flag("agegate_in_use", "Whether the gate can be used.", seen.in_use());
    t.family("agegate_state", "gauge", "1 for the state in which the gate is.");
    t.value("agegate_state", &[("state", seen.state())], 1);
    let Some(file) = file else { return };
    t.family("agegate_info", "gauge", "Version and policy of the gate.");
    t.value("agegate_info", &[("version", &file.version), ("policy", &file.policy)], 1);
    t.flag("agegate_camera_up", "Whether the camera is there.", seen.alive() && file.camera != "lost");
    t.flag("agegate_door_open", "Whether the relay is energised.", seen.alive() && file.door == "open");
    t.flag("agegate_door_ready", "Whether the door can be opened.", seen.alive() && file.door != "out-of-order");
    if !file.alarms.is_empty() {
        t.family("agegate_alarm", "gauge", "1 for each alarm that is on.");
        for alarm in &file.alarms {
            t.value("agegate_alarm", &[("alarm", alarm)], 1);
        }
    }
    if let Some(at) = file.last_frame.as_deref().and_then(seconds) {
        t.one("agegate_last_frame_timestamp_seconds", "gauge", "When a frame was judged last.", at);
    }
    if let Some(at) = seconds(&file.started) {
        t.one("agegate_start_timestamp_seconds", "gauge", "When the gate started.", at);
    }
    let c = &file.counters;
    t.one("agegate_frames_judged_total", "counter", "Frames that were judged since the gate started.", c.frames_judged);
    let help = "Frames that a newer one replaced before they were judged.";
    t.one("agegate_frames_dropped_total", "counter", help, c.frames_dropped);
    t.one("agegate_frames_broken_total", "counter", "Frames that could not be decoded.", c.frames_broken);
    let help = "Decisions that could not be logged, and so were not acted on.";
    t.one("agegate_decisions_unlogged_total", "counter", help, c.decisions_unlogged);
}

fn of_the_log(t: &mut Text, view: &View) {
    let c = &view.counts;
    t.family("agegate_decisions_total", "counter", "Decisions in the log.");
    for (key, count) in &c.decisions {
        let (outcome, reason) = key.split_once('/').unwrap_or((key, ""));
        t.value("agegate_decisions_total", &[("outcome", outcome), ("reason", reason)], count);
    }
    t.family("agegate_door_acts_total", "counter", "What the door did.");
    for (act, count) in &c.acts {
        t.value("agegate_door_acts_total", &[("act", act)], count);
    }
    let name = "agegate_decision_latency_seconds";
    t.family(name, "histogram", "From the deciding frame to the log.");
    let mut sum = 0;
    for (count, bound) in c.latency.iter().zip(BUCKETS_MS) {
        sum += count;
        t.value(&format!("{name}_bucket"), &[("le", &(bound as f64 / 1000.0).to_string())], sum);
    }
    sum += c.latency[BUCKETS_MS.len()];
    t.value(&format!("{name}_bucket"), &[("le", "+Inf")], sum);
    t.value(&format!("{name}_sum"), &[], c.latency_sum_ms as f64 / 1000.0);
    t.value(&format!("{name}_count"), &[], sum);
    t.one("agegate_starts_total", "counter", "Starts of the gate that are in the log.", c.starts);
    t.one("agegate_log_faults_total", "counter", "Faults of the log's chain: it is not whole.", c.faults);
    let help = "Records that were deleted for their age before they could be sent.";
    t.one("agegate_log_records_missed_total", "counter", help, c.missed);
    t.one("agegate_log_events_unlogged_total", "counter", "Events that the gate could not write.", c.unlogged);
    t.flag("agegate_log_readable", "Whether the link can read the log.", view.log_trouble.is_none());
    t.flag(
        "agegate_log_ends_well",
        "Whether the log ends in a record, and not in something else.",
        view.tail_trouble.is_none(),
    );
    if let Some(head) = view.head {
        t.one("agegate_log_last_record", "gauge", "Number of the last record in the log.", head);
        let waiting = head.saturating_sub(view.sent);
        t.one("agegate_link_waiting_records", "gauge", "Records that the broker has not taken yet.", waiting);
    }
}

fn of_the_link(t: &mut Text, view: &View, purpose: For) {
    t.family("agegate_link_info", "gauge", "Version of the link.");
    t.value("agegate_link_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    t.flag("agegate_link_connected", "Whether the broker is connected.", view.connected);
    t.one("agegate_link_connections_total", "counter", "Connections to the broker that were made.", view.connections);
    let help = "Messages that the broker has acknowledged.";
    t.one("agegate_link_messages_published_total", "counter", help, view.published);
    t.one("agegate_link_last_sent_record", "gauge", "Number of the last record that the broker has taken.", view.sent);
    if let Some(at) = view.last_published {
        let at = at.as_millisecond() as f64 / 1000.0;
        t.one("agegate_link_last_published_timestamp_seconds", "gauge", "When the broker acknowledged last.", at);
    }
    if purpose == For::Scrape {
        t.family("process_resident_memory_bytes", "gauge", "Resident memory of the link.");
        let _ = writeln!(t.out, "process_resident_memory_bytes {}", resident_bytes());
        t.family("process_start_time_seconds", "gauge", "When the link started.");
        let _ = writeln!(t.out, "process_start_time_seconds {}", view.started.as_millisecond() as f64 / 1000.0);
    }
}

/// Resident memory of this process.
#[must_use]
pub fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
