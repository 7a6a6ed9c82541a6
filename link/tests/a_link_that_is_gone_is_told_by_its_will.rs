//! Retained status and last will: who subscribes at any time knows whether a gate's link is there, and how the gate was.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use common::{Log, Mosquitto, Receiver, Running, configure, write_status};
use serde_json::json;

#[test]
fn the_broker_tells_it_when_a_link_is_killed_and_keeps_the_status() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office");
    let folder = tempfile::tempdir().unwrap();
    Log::new(&folder.path().join("log")).visits(3);
    write_status(folder.path(), json!({}));
    let config = configure(folder.path(), &broker, "door", "");
    let mut link = Running::start(&["run"], &config);
    receiver.wait("agegate/door/link", 30, |found| found.last().is_some_and(|p| p["state"] == "online"));
    receiver.wait("agegate/door/status", 30, |found| {
        found.last().is_some_and(|p| p["sent"] == 3 && p["state"] == "in-use")
    });
    write_status(folder.path(), json!({"state": "camera-lost", "camera": "lost", "since": "2026-03-01T11:00:00.000Z"}));
    let told =
        receiver.wait("agegate/door/status", 30, |found| found.last().is_some_and(|p| p["state"] == "camera-lost"));
    assert_eq!(told.last().unwrap()["since"], "2026-03-01T11:00:00.000Z");
    link.kill();
    receiver.wait("agegate/door/link", 30, |found| found.last().is_some_and(|p| p["state"] == "offline"));
    // Who comes later is told the same.
    let late = Receiver::start(&broker, "late");
    let status = late.wait("agegate/door/status", 30, |found| !found.is_empty());
    assert_eq!(status[0]["state"], "camera-lost");
    assert_eq!(late.wait("agegate/door/link", 30, |found| !found.is_empty())[0]["state"], "offline");
    assert!(late.all().iter().all(|m| m.topic != "agegate/door/record"), "records are not retained");
}

#[test]
fn a_gate_that_does_not_renew_its_status_is_not_responding() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office");
    let folder = tempfile::tempdir().unwrap();
    Log::new(&folder.path().join("log")).visits(1);
    write_status(folder.path(), json!({}));
    let config = configure(folder.path(), &broker, "door", "");
    let text =
        std::fs::read_to_string(&config).unwrap().replace("every_seconds = 1", "every_seconds = 60\nstale_seconds = 2");
    std::fs::write(&config, text).unwrap();
    let _link = Running::start(&["run"], &config);
    receiver.wait("agegate/door/status", 30, |found| found.last().is_some_and(|p| p["state"] == "in-use"));
    let told =
        receiver.wait("agegate/door/status", 30, |found| found.last().is_some_and(|p| p["state"] == "not-responding"));
    assert_eq!(
        (&told.last().unwrap()["door"], &told.last().unwrap()["camera"]),
        (&json!(null), &json!(null)),
        "nobody knows"
    );
}
