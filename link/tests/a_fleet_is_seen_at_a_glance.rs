//! `agegate-link fleet`: a table, a page and the anchors of all gates of a broker, from what it keeps. And the whole way once
//! with the real gate: its own log, sent by the real link, and its anchor taken by `agegate log verify`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use common::{Log, Mosquitto, Receiver, Running, configure, decision, link, text, write_status};
use serde_json::json;

/// The configuration of the head office.
fn office(folder: &Path, broker: &Mosquitto) -> PathBuf {
    let config = configure(folder, broker, "office", "");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("user = \"gate\"", "user = \"office\"").replace("gate.password", "office.password"),
    )
    .unwrap();
    config
}

/// A gate of its own folder, with a link.
fn gate(folder: &Path, broker: &Mosquitto, name: &str, referred: usize, change: serde_json::Value) -> Running {
    let folder = folder.join(name);
    let mut log = Log::new(&folder.join("log"));
    let yesterday = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24)).to_string();
    for k in 0..60 {
        let mut record = if k < referred { decision("Refer", "not-sure") } else { decision("Allow", "old-enough") };
        record["time"] = json!(yesterday);
        log.append(&record);
    }
    write_status(&folder, change);
    Running::start(&["run"], &configure(&folder, broker, name, ""))
}

#[test]
fn which_is_out_of_order_since_when_and_which_refers_too_many() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office-receiver");
    let folder = tempfile::tempdir().unwrap();
    let well = gate(folder.path(), &broker, "well", 6, json!({}));
    let dim = gate(folder.path(), &broker, "badly-lit", 40, json!({}));
    let lost = gate(
        folder.path(),
        &broker,
        "camera",
        5,
        json!({"state": "camera-lost", "camera": "lost", "since": "2026-03-01T06:30:00.000Z"}),
    );
    let mut gone = gate(folder.path(), &broker, "gone", 7, json!({"state": "<script>alert(1)</script>"}));
    for name in ["well", "badly-lit", "camera", "gone"] {
        receiver
            .wait(&format!("agegate/{name}/days"), 60, |found| found.iter().any(|p| p.to_string().contains("allow")));
        receiver.wait(&format!("agegate/{name}/anchor"), 60, |found| found.last().is_some_and(|p| p["seq"] == 60));
    }
    gone.kill();
    receiver.wait("agegate/gone/link", 30, |found| found.last().is_some_and(|p| p["state"] == "offline"));
    let config = office(folder.path(), &broker);
    // Statuses are of just now: gates renew theirs, which these files do not.
    let output = link(
        folder.path(),
        &["fleet", "--config", config.to_str().unwrap(), "--html", "fleet.html", "--anchors", "anchors"],
    );
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "something is to be looked after: {table} {}", text(&output.stderr));
    let line = |name: &str| {
        table.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name}: {table}")).to_owned()
    };
    assert!(line("camera").contains("out of order"), "{table}");
    assert!(line("gone").contains("offline: link offline"), "{table}");
    assert!(line("badly-lit").contains("66.7 % (54.1 to 77.3) !"), "{table}");
    assert!(line("well").contains("10.0 % (4.7 to 20.1)") && !line("well").contains(" !"), "{table}");
    assert!(line("well").contains("whole to 60"), "{table}");
    let page = std::fs::read_to_string(folder.path().join("fleet.html")).unwrap();
    assert!(page.contains("<b>badly-lit</b>") && !page.contains("<script"), "{page}");
    let anchors = std::fs::read_to_string(folder.path().join("anchors/agegate.well.anchors")).unwrap();
    assert!(anchors.starts_with("60-") && anchors.lines().count() == 1, "{anchors}");
    if let Some(kept) = std::env::var_os("AGEGATE_FLEET_PAGE") {
        std::fs::write(kept, page).unwrap();
    }
    drop((well, dim, lost));
}

#[test]
fn a_user_who_may_not_read_is_told() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let config = office(folder.path(), &broker);
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, good.replace("office.password", "gate.password")).unwrap();
    let output = link(folder.path(), &["fleet", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("broker localhost"), "{}", text(&output.stderr));
}

/// The gate's program, which `make link-test` builds.
fn agegate(folder: &Path, arguments: &[&str]) -> Command {
    let program = common::repository().join("target/release/agegate");
    assert!(program.exists(), "{} is missing: run `make link-test`, which builds it", program.display());
    let mut command = Command::new(program);
    command.current_dir(folder).env("RUNTIME_DIRECTORY", folder.join("run")).args(arguments);
    command
}

#[test]
fn an_anchor_that_went_out_exposes_a_log_that_was_cut_on_the_device() {
    let broker = Mosquitto::start();
    let receiver = Receiver::start(&broker, "office-receiver");
    let folder = tempfile::tempdir().unwrap();
    let clip = common::repository().join("demo/visitors.mjpeg");
    std::fs::create_dir(folder.path().join("run")).unwrap();
    std::fs::write(
        folder.path().join("agegate.toml"),
        format!(
            "[camera]\nsource = \"replay\"\npath = {clip:?}\n[relay]\ndriver = \"simulated\"\n[log]\nfolder = \"log\"\n"
        ),
    )
    .unwrap();
    let mut gate = agegate(folder.path(), &["run", "--config", "agegate.toml"]).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while !folder.path().join("log/head").exists() {
        assert!(Instant::now() < until, "the gate writes no log");
        std::thread::sleep(Duration::from_millis(50));
    }
    let _link = Running::start(&["run"], &configure(folder.path(), &broker, "door", ""));
    let topic = "agegate/door/record";
    let found =
        receiver.wait(topic, 120, |found| found.iter().filter(|p| p["record"]["event"] == "decision").count() >= 2);
    assert_eq!(found[0]["record"]["event"], "keyed", "{}", found[0]);
    receiver.wait("agegate/door/status", 30, |found| {
        found.iter().any(|p| p["state"] == "in-use" && p["camera"] == "watching")
    });
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {}", gate.id())]).status().unwrap().success());
    gate.wait().unwrap();
    receiver.wait("agegate/door/status", 30, |found| found.last().is_some_and(|p| p["state"] == "stopped"));
    let found = receiver.wait(topic, 30, |found| found.last().is_some_and(|p| p["record"]["event"] == "stop"));
    let last = found.last().unwrap()["seq"].as_u64().unwrap();
    let chain = receiver.wait("agegate/door/anchor", 30, |found| found.last().is_some_and(|p| p["seq"] == last));
    let anchor = chain.last().unwrap()["anchor"].as_str().unwrap().to_owned();
    let printed = agegate(folder.path(), &["log", "anchor", "--folder", "log"]).output().unwrap();
    assert!(text(&printed.stdout).contains(&anchor), "{anchor} is the gate's own: {}", text(&printed.stdout));
    let verify = |anchor: &str| {
        let output =
            agegate(folder.path(), &["log", "verify", "--folder", "log", "--anchor", anchor]).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    assert_eq!(verify(&anchor).0, Some(0), "{}", verify(&anchor).1);
    // Somebody with the card in hand cuts the end off, and puts an older head back.
    let file = std::fs::read_dir(folder.path().join("log"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some())
        .unwrap();
    let kept: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().map(Into::into).collect();
    std::fs::write(&file, kept[..kept.len() - 2].join("\n") + "\n").unwrap();
    let (code, said) = verify(&anchor);
    assert_eq!(code, Some(1), "{said}");
}
