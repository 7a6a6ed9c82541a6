//! `/metrics`, node_exporter's textfile and `/healthz`: what promtool and a scraper expect, with the numbers of the log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]
#![allow(clippy::print_stdout, reason = "figures, for whoever runs it")]

mod common;

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{Log, Mosquitto, Receiver, Running, configure, free_port, http, write_status};
use serde_json::json;

/// Everything that promtool has to say about a text.
fn promtool(text: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Debian's prometheus is installed: `make link-test` does it");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = common::text(&output.stdout) + &common::text(&output.stderr);
    if output.status.success() { said } else { format!("{}: {said}", output.status) }
}

fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn promtool_has_nothing_to_say_and_the_numbers_are_those_of_the_log() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office");
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(&folder.path().join("log"));
    log.append(&json!({"event": "start", "version": "0.1.0"})).visits(5);
    log.append(&json!({"event": "act", "decision": 2, "act": "opened", "latency_ms": 700}));
    log.append(&json!({"event": "gap", "what": "a \"gap\"", "found": 7}));
    log.append(&json!({"event": "unlogged", "count": 4, "what": "full"}));
    write_status(folder.path(), json!({"alarms": ["dark"]}));
    let port = free_port();
    let more = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\ntextfile = \"agegate.prom\"\n");
    let _link = Running::start(&["run"], &configure(folder.path(), &broker, "door", &more));
    receiver.wait("agegate/door/record", 30, |found| found.len() == 9);
    receiver.wait("agegate/door/status", 30, |found| found.len() >= 2);
    // Renewed, for it is looked at whether the gate still says something.
    write_status(folder.path(), json!({"alarms": ["dark"]}));
    std::thread::sleep(Duration::from_millis(700));
    let answer = http(port, "GET /metrics");
    let (head, metrics) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("200 OK") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(promtool(metrics), "", "{metrics}");
    for (name, expected) in [
        ("agegate_up{gate=\"door\"}", 1.0),
        ("agegate_in_use{gate=\"door\"}", 1.0),
        ("agegate_alarm{gate=\"door\",alarm=\"dark\"}", 1.0),
        ("agegate_decisions_total{gate=\"door\",outcome=\"Allow\",reason=\"old-enough\"}", 3.0),
        ("agegate_decisions_total{gate=\"door\",outcome=\"Refer\",reason=\"not-sure\"}", 2.0),
        ("agegate_door_acts_total{gate=\"door\",act=\"opened\"}", 1.0),
        ("agegate_decision_latency_seconds_bucket{gate=\"door\",le=\"0.5\"}", 0.0),
        ("agegate_decision_latency_seconds_bucket{gate=\"door\",le=\"0.75\"}", 5.0),
        ("agegate_decision_latency_seconds_sum{gate=\"door\"}", 3.2),
        ("agegate_log_faults_total{gate=\"door\"}", 1.0),
        ("agegate_log_events_unlogged_total{gate=\"door\"}", 4.0),
        ("agegate_log_last_record{gate=\"door\"}", 9.0),
        ("agegate_link_waiting_records{gate=\"door\"}", 0.0),
        ("agegate_link_connected{gate=\"door\"}", 1.0),
        ("agegate_frames_judged_total{gate=\"door\"}", 100.0),
        ("agegate_last_frame_timestamp_seconds{gate=\"door\"}", 1_772_359_200.0),
    ] {
        assert_eq!(value(metrics, name), expected, "{name}");
    }
    // The same in node_exporter's file, less what node_exporter says of itself.
    let until = Instant::now() + Duration::from_secs(40);
    let file = loop {
        let text = std::fs::read_to_string(folder.path().join("agegate.prom")).unwrap_or_default();
        if text.contains("agegate_log_last_record{gate=\"door\"} 9") {
            break text;
        }
        assert!(Instant::now() < until, "{text}");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(promtool(&file), "");
    assert!(!file.contains("process_"), "{file}");
    // What the dashboard asks for is there.
    let dashboard = std::fs::read_to_string(common::repository().join("link/grafana/agegate-fleet.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let mut asked = 0;
    for expression in expressions(&dashboard) {
        for name in
            expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|w| w.starts_with("agegate_"))
        {
            asked += 1;
            assert!(metrics.contains(&format!("\n{name}{{")) || metrics.contains(&format!("# TYPE {name} ")), "{name}");
        }
    }
    assert!(asked > 10, "{asked}");
}

fn expressions(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(members) => members
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value) {
                ("expr", serde_json::Value::String(text)) => vec![text.clone()],
                (_, value) => expressions(value),
            })
            .collect(),
        serde_json::Value::Array(values) => values.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn healthz_names_what_is_not_well() {
    let mut broker = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&broker, "office");
    let mut log = Log::new(&folder.path().join("log"));
    log.visits(1);
    let port = free_port();
    let more = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n");
    let _link = Running::start(&["run"], &configure(folder.path(), &broker, "door", &more));
    let wait = |expected: &[&str]| {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(answer) = std::panic::catch_unwind(|| http(port, "GET /healthz"))
                && expected.iter().all(|part| answer.contains(part))
            {
                return;
            }
            assert!(Instant::now() < until, "{expected:?}: {}", http(port, "GET /healthz"));
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    wait(&["503", "gate: not-running"]);
    // A gate renews its file once a second.
    let (renewed, stop) = (folder.path().to_owned(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let stopped = std::sync::Arc::clone(&stop);
    let gate = std::thread::spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            write_status(&renewed, json!({}));
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    wait(&["200 OK", "\r\n\r\nok\n"]);
    // What stands at the end and is no record is told before the gate writes the next one.
    log.raw(b"rubbish\n");
    wait(&["503", "its end is no record: 7 bytes"]);
    receiver.wait("agegate/door/status", 30, |found| {
        found.last().is_some_and(|p| p["log_trouble"].as_str().is_some_and(|what| what.contains("no record")))
    });
    log.visits(1);
    wait(&["200 OK"]);
    receiver.wait("agegate/door/status", 30, |found| found.last().is_some_and(|p| p["log_trouble"].is_null()));
    broker.kill();
    wait(&["503", "broker: "]);
    broker.up();
    wait(&["200 OK"]);
    std::fs::rename(folder.path().join("log"), folder.path().join("elsewhere")).unwrap();
    wait(&["503", "log: decision log"]);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    gate.join().unwrap();
}

#[test]
fn a_real_link_takes_less_than_15_megabytes() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office");
    let folder = tempfile::tempdir().unwrap();
    Log::new(&folder.path().join("log")).visits(3000);
    let link = Running::start(&["run"], &configure(folder.path(), &broker, "door", ""));
    receiver.wait("agegate/door/record", 60, |found| found.len() >= 3000);
    let bytes = link.resident_bytes();
    println!("a link that has sent 3000 records over TLS: {:.1} MB resident at most", bytes as f64 / 1e6);
    assert!(bytes < 15_000_000, "{bytes}");
}
