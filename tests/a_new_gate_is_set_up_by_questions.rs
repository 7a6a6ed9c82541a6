//! `agegate setup` writes a configuration that `agegate check` passes, by flags or by answers, shows the wiring of exactly these
//! pins, and never touches a file that is there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use common::{agegate, clip, text};

/// Runs the program with these lines as answers.
fn answered(folder: &Path, arguments: &[&str], answers: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_agegate"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read them all.
    let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
    child.wait_with_output().unwrap()
}

fn recording() -> String {
    clip().display().to_string()
}

#[test]
fn flags_alone_write_a_configuration_that_check_passes() {
    let folder = tempfile::tempdir().unwrap();
    let output = agegate(
        folder.path(),
        &["setup", "--yes", "--out", "gate.toml", "--camera", &recording(), "--relay", "simulated", "--log", "log"],
    );
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said} {}", text(&output.stderr));
    assert!(said.contains("ok    configuration: gate.toml") && said.contains("written: gate.toml"), "{said}");
    let again = agegate(folder.path(), &["check", "--config", "gate.toml"]);
    assert!(again.status.success(), "{}", text(&again.stdout));
}

#[test]
fn answers_are_taken_and_an_empty_one_is_what_is_proposed() {
    let folder = tempfile::tempdir().unwrap();
    // Camera, rotation (twice, the first is none), relay, display, start, language.
    let answers = format!("{}\n45\n\nsimulated\n\n\nde\n", recording());
    let output = answered(folder.path(), &["setup", "--out", "gate.toml", "--log", "log"], &answers);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said} {}", text(&output.stderr));
    assert!(said.contains("\"45\" is none of them"), "{said}");
    let written = std::fs::read_to_string(folder.path().join("gate.toml")).unwrap();
    for line in ["source = \"replay\"", "rotation = 0", "driver = \"simulated\"", "language = \"de\""] {
        assert!(written.lines().any(|l| l.starts_with(line)), "{line}: {written}");
    }
}

#[test]
fn the_wiring_is_that_of_these_pins() {
    let folder = tempfile::tempdir().unwrap();
    let output = agegate(
        folder.path(),
        &[
            "setup",
            "--yes",
            "--out",
            "gate.toml",
            "--camera",
            "pipe",
            "--relay",
            "cdev:pinctrl-rp1:5",
            "--active",
            "low",
            "--display",
            "st7789",
            "--start",
            "button",
            "--log",
            "log",
        ],
    );
    let said = text(&output.stdout);
    // There are no such pins here: `check` says so, and the configuration is written all the same.
    assert_eq!(output.status.code(), Some(1), "{said} {}", text(&output.stderr));
    for part in ["BCM 5 (pin 29)", "pull-up", "BCM 27 (pin 13)", "BCM 25 (pin 22)", "FAIL  display"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(folder.path().join("gate.toml").is_file());
}

#[test]
fn a_file_that_is_there_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.toml");
    std::fs::write(&path, "mine").unwrap();
    let output = agegate(folder.path(), &["setup", "--yes", "--out", "gate.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("is there already and is not touched"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn what_cannot_be_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let camera = recording();
    for (arguments, expected) in [
        (&["--relay", "gpio17"][..], "expected rppal:17"),
        (&["--relay", "simulated", "--display", "tft"], "expected none, st7789, ili9341, ssd1306"),
        // On the panel's own bus.
        (&["--relay", "rppal:10", "--display", "st7789"], "relay.pin"),
    ] {
        let mut all = vec!["setup", "--yes", "--out", "gate.toml", "--camera", &camera];
        all.extend(arguments);
        let output = agegate(folder.path(), &all);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
        assert!(!folder.path().join("gate.toml").exists());
    }
    let output = answered(folder.path(), &["setup", "--out", "gate.toml", "--camera", &camera], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("nothing was written"), "{}", text(&output.stderr));
    assert!(!folder.path().join("gate.toml").exists());
}
