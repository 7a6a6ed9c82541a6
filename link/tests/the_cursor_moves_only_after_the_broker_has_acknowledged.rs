//! The real mosquitto, with TLS and a password, killed as by a power cut and started again in mid-stream, and the link killed
//! too: of everything that the log has, nothing is lost, nothing comes out of order, and what comes twice can be told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use agegate_link::queue::record::hash_line;
use common::{Log, Mosquitto, Receiver, Running, configure, numbers, without_duplicates};

const TOPIC: &str = "agegate/door/record";

#[test]
fn a_broker_that_is_killed_in_mid_stream_costs_nothing() {
    let mut broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office");
    broker.save();
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(&folder.path().join("log"));
    log.visits(4000);
    let config = configure(folder.path(), &broker, "door", "");
    let link = Running::start(&["run"], &config);
    for round in 1..=3 {
        receiver.wait(TOPIC, 60, |found| found.len() > round * 400);
        broker.kill();
        // A day without network goes on in the log.
        log.begin(&format!("decisions-2026-03-0{}-000.jsonl", round + 1)).visits(500);
        std::thread::sleep(Duration::from_millis(700));
        broker.up();
    }
    let last = log.seq;
    let found = receiver.wait(TOPIC, 120, |found| found.last().is_some_and(|p| p["seq"] == last));
    let unique = without_duplicates(&found);
    assert_eq!(numbers(&unique), (1..=last).collect::<Vec<_>>(), "nothing lost, nothing out of order");
    assert_eq!(unique.len() as u64, last, "no notice among them");
    assert!(found.len() < 3 * unique.len(), "{} messages for {} records", found.len(), unique.len());
    for payload in unique.iter().take(50) {
        // The record is the line of the log, byte for byte as to its members: its hash can be checked by whoever has it.
        let line = payload["record"].to_string();
        assert_eq!(payload["hash"].as_str().unwrap().len(), 64, "{line}");
    }
    assert!(link.said().contains("connected to the broker"), "{}", link.said());
}

#[test]
fn a_link_that_is_killed_goes_on_where_the_broker_had_acknowledged() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office");
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(&folder.path().join("log"));
    log.visits(3000);
    let config = configure(folder.path(), &broker, "door", "");
    for round in 1..=4 {
        let mut link = Running::start(&["run"], &config);
        receiver.wait(TOPIC, 60, |found| without_duplicates(found).len() >= round * 600);
        link.kill();
        log.visits(10);
    }
    let mut link = Running::start(&["run"], &config);
    let last = log.seq;
    let found = receiver.wait(TOPIC, 60, |found| found.last().is_some_and(|p| p["seq"] == last));
    assert_eq!(numbers(&without_duplicates(&found)), (1..=last).collect::<Vec<_>>());
    assert!(link.terminate().success());
    // Stopped in good order, it has nothing to send again but the last two minutes.
    let online = receiver.wait("agegate/door/link", 20, |found| found.last().is_some_and(|p| p["state"] == "offline"));
    assert!(online.len() >= 2, "{online:?}");
}

#[test]
fn every_payload_has_the_line_whose_hash_it_names() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office");
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(&folder.path().join("log"));
    log.visits(5);
    let lines: Vec<String> = std::fs::read_to_string(log.path()).unwrap().lines().map(Into::into).collect();
    let link = Running::start(&["run"], &configure(folder.path(), &broker, "door", ""));
    let found = receiver.wait(TOPIC, 60, |found| found.len() == 5);
    for (payload, line) in found.iter().zip(&lines) {
        assert_eq!(payload["hash"], hash_line(line.as_bytes()));
        assert_eq!(payload["record"], serde_json::from_str::<serde_json::Value>(line).unwrap());
    }
    let chain = receiver.wait("agegate/door/anchor", 20, |found| found.last().is_some_and(|p| p["seq"] == 5));
    assert_eq!(chain.last().unwrap()["hash"], hash_line(lines[4].as_bytes()));
    drop(link);
}

#[test]
fn what_the_link_could_not_follow_goes_out_in_its_place() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office");
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(&folder.path().join("log"));
    log.visits(3);
    log.raw(b"rubbish\n");
    log.visits(2);
    let _link = Running::start(&["run"], &configure(folder.path(), &broker, "door", ""));
    let found = receiver.wait(TOPIC, 60, |found| found.len() == 6);
    assert_eq!(found[3]["notice"], "unreadable", "{found:?}");
    assert_eq!(found[3]["after"], 3);
    let chain = receiver.wait("agegate/door/anchor", 20, |found| found.last().is_some_and(|p| p["seq"] == 5));
    assert_eq!((&chain.last().unwrap()["chain"], &chain.last().unwrap()["faults"]), (&"faults".into(), &1.into()));
}

#[test]
fn a_wrong_password_or_another_certificate_is_told_and_nothing_is_sent() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    Log::new(&folder.path().join("log")).visits(3);
    let config = configure(folder.path(), &broker, "door", "");
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(broker.path("wrong"), "not it\n").unwrap();
    std::fs::write(&config, good.replace("gate.password", "wrong")).unwrap();
    let link = Running::start(&["run"], &config);
    link.wait_for("Connection refused");
    drop(link);
    // The certificate of another authority: nobody is told the password.
    let other = Mosquitto::start();
    std::fs::write(
        &config,
        good.replace(broker.path("ca.pem").to_str().unwrap(), other.path("ca.pem").to_str().unwrap()),
    )
    .unwrap();
    let link = Running::start(&["run"], &config);
    link.wait_for("TLS");
    assert!(!broker.log().contains("agegate-door as"), "{}", broker.log());
}

#[test]
fn a_client_certificate_does_instead_of_a_password() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office");
    let folder = tempfile::tempdir().unwrap();
    Log::new(&folder.path().join("log")).visits(3);
    let config = configure(folder.path(), &broker, "door", "");
    let text = std::fs::read_to_string(&config).unwrap();
    let lines = text.lines().filter(|l| !l.starts_with("user") && !l.starts_with("password_file"));
    let text: String = lines.map(|l| l.to_owned() + "\n").collect();
    let files = format!("certificate_file = {:?}\nkey_file = {:?}\n", broker.path("gate.pem"), broker.path("gate.key"));
    let port = format!("port = {}\n", broker.certificate_port);
    let text = text.replace(&format!("port = {}\n", broker.port), &port);
    std::fs::write(&config, &text).unwrap();
    let link = Running::start(&["run"], &config);
    link.wait_for("WARN");
    assert!(!link.said().contains("connected to the broker"), "{}", link.said());
    drop(link);
    std::fs::write(&config, text.replace(&port, &(port.clone() + &files))).unwrap();
    let _link = Running::start(&["run"], &config);
    assert_eq!(numbers(&receiver.wait(TOPIC, 60, |found| found.len() == 3)), [1, 2, 3]);
}
