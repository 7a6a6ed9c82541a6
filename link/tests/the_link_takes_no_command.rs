//! Nobody can tell the link anything: it subscribes to nothing, what is published to its topics moves nothing, its HTTP
//! server changes nothing, and nothing that it announces can be commanded.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use common::{Log, Mosquitto, Receiver, Running, configure, free_port, http};

#[test]
fn it_never_subscribes() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office");
    let folder = tempfile::tempdir().unwrap();
    Log::new(&folder.path().join("log")).visits(3);
    let _link = Running::start(&["run"], &configure(folder.path(), &broker, "door", ""));
    receiver.wait("agegate/door/record", 30, |found| found.len() == 3);
    receiver.wait("agegate/door/status", 30, |found| found.len() >= 2);
    let log = broker.log();
    assert!(log.contains("Received SUBSCRIBE from office"), "mosquitto notes subscriptions");
    assert!(log.contains("Received PUBLISH from agegate-door"));
    assert!(!log.contains("SUBSCRIBE from agegate-door"), "{log}");
    // No entity that it announces has anything to command.
    let discovery = receiver.wait("homeassistant/device/agegate_door/config", 30, |found| !found.is_empty());
    assert!(!discovery[0].to_string().contains("command"), "{}", discovery[0]);
}

#[test]
fn its_source_has_no_subscription_outside_the_fleets_reader() {
    let source = common::repository().join("link/src");
    let mut folders = vec![source.clone()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            seen += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            if path != source.join("fleet/collect.rs") {
                assert!(!text.contains("subscribe("), "{}", path.display());
            } else {
                assert!(!text.contains("publish("), "the fleet's reader publishes nothing");
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn over_http_nothing_can_be_changed() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    Log::new(&folder.path().join("log")).visits(1);
    let port = free_port();
    let more = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n");
    let link = Running::start(&["run"], &configure(folder.path(), &broker, "door", &more));
    link.wait_for("metrics on");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "XYZ"] {
        assert!(http(port, &format!("{method} /metrics")).starts_with("HTTP/1.1 405 "), "{method}");
    }
    assert!(http(port, "GET /open").starts_with("HTTP/1.1 404 "));
    assert!(http(port, "HEAD /metrics").starts_with("HTTP/1.1 200 "));
}

#[test]
fn the_gates_program_has_no_network_code() {
    let output = std::process::Command::new(env!("CARGO"))
        .current_dir(common::repository())
        .args(["tree", "--package", "agegate", "--edges", "normal", "--prefix", "none", "--locked", "--offline"])
        .output()
        .unwrap();
    let tree = common::text(&output.stdout);
    assert!(tree.contains("tract-onnx"), "{}", common::text(&output.stderr));
    for name in ["tokio", "rustls", "mio", "socket2", "hyper", "rumqttc", "ring ", "native-tls", "agegate-link"] {
        assert!(!tree.lines().any(|line| line.starts_with(name)), "the gate depends on {name}");
    }
}
