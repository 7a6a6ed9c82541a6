//! Wrong configuration is refused with the file, the line and the key, before anything is connected; `check` names what does
//! not work.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use common::{Log, Mosquitto, Running, configure, free_port, link, text, write_status};
use serde_json::json;

#[test]
fn every_command_says_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("link.toml"), "gate = \"a\"\n[broker]\nhost = \"example.org\"\ntls = false\n")
        .unwrap();
    for command in ["run", "check", "fleet"] {
        let output = link(folder.path(), &[command, "--config", "link.toml"]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let said = text(&output.stderr);
        assert!(said.contains("link.toml, line 4: `broker.tls` is false, expected true"), "{command}: {said}");
    }
    std::fs::write(folder.path().join("link.toml"), "[topics]\nprefix = \"agegate/+\"\n").unwrap();
    let said = text(&link(folder.path(), &["run", "--config", "link.toml"]).stderr);
    assert!(said.contains("line 2: `topics.prefix`"), "what is for `fleet` alone: {said}");
    let said = text(&link(folder.path(), &["run", "--config", "none.toml"]).stderr);
    assert!(said.contains("configuration none.toml: cannot read it"), "{said}");
}

#[test]
fn check_names_what_works_and_what_does_not() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), &broker, "door", "");
    let config = config.to_str().unwrap();
    let output = link(folder.path(), &["check", "--config", config]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("log        WRONG") && said.contains("gate       WRONG   not-running"), "{said}");
    Log::new(&folder.path().join("log")).visits(2);
    write_status(folder.path(), json!({}));
    let output = link(folder.path(), &["check", "--config", config]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("2 records") && said.contains("broker     ok") && said.contains("TLS"), "{said}");
    std::fs::write(broker.path("gate.password"), "another\n").unwrap();
    let said = text(&link(folder.path(), &["check", "--config", config]).stdout);
    assert!(said.contains("broker     WRONG"), "{said}");
}

#[test]
fn check_makes_nothing_looks_at_the_metrics_and_reads_the_whole_log() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut log = Log::new(&folder.join("log"));
    log.visits(2);
    write_status(folder, json!({}));
    let check = |metrics: &str| {
        let config = configure(folder, &broker, "door", &format!("[metrics]\n{metrics}\n"));
        let output = link(folder, &["check", "--config", config.to_str().unwrap()]);
        (output.status.code(), text(&output.stdout))
    };
    let port = free_port();
    let listen = format!("listen = \"127.0.0.1:{port}\"");
    let (code, said) = check(&listen);
    assert!(code == Some(0) && said.contains(&format!("metrics    ok      127.0.0.1:{port} is free")), "{said}");
    assert!(said.contains("nothing sent yet") && !folder.join("state").exists(), "it has only looked: {said}");
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (code, said) = check(&listen);
    assert!(code == Some(1) && said.contains("metrics    WRONG   `metrics.listen`: 127.0.0.1"), "{said}");
    drop(taken);
    let (code, said) = check("listen = \"\"\ntextfile = \"nowhere/agegate.prom\"");
    assert!(code == Some(1) && said.contains("`metrics.textfile`") && said.contains("there is no folder"), "{said}");
    let running = configure(folder, &broker, "door", &format!("[metrics]\n{listen}\n"));
    let mut daemon = Running::start(&["run"], &running);
    daemon.wait_for("connected to the broker");
    let (code, said) = check(&listen);
    assert!(code == Some(0) && said.contains("is in use by the link that runs"), "{said}");
    daemon.kill();
    let head = folder.join("log/head");
    let kept = std::fs::read(&head).ok();
    let _ = std::fs::remove_file(&head);
    let (code, said) = check(&listen);
    assert!(code == Some(1) && said.contains("`head` is missing or damaged, though there is a record"), "{said}");
    if let Some(kept) = kept {
        std::fs::write(&head, kept).unwrap();
    }
    log.raw(b"rubbish\n");
    let (code, said) = check(&listen);
    assert!(
        code == Some(1) && said.contains("log        WRONG") && said.contains("its end is no record: 7 bytes"),
        "{said}"
    );
    log.visits(1);
    let (code, said) = check(&listen);
    assert!(code == Some(1) && said.contains("log        WRONG") && said.contains("it is not whole"), "{said}");
}

#[test]
fn a_state_that_is_none_is_not_written_over() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    Log::new(&folder.path().join("log")).visits(2);
    let config = configure(folder.path(), &broker, "door", "");
    std::fs::create_dir(folder.path().join("state")).unwrap();
    std::fs::write(folder.path().join("state/door.json"), "my notes").unwrap();
    let output = link(folder.path(), &["run", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("this is no state of agegate-link"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(folder.path().join("state/door.json")).unwrap(), "my notes");
}
