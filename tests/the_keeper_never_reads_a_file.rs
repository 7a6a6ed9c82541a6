//! What the running gate was told is in force until it is told otherwise: a configuration that is broken, refused or only
//! edited changes neither the pin nor the time nor the lock, even when the keeper is started anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use common::{Daemon, agegate, signal, write_config_with_an_adult};

/// Stays broken: nobody repairs the file after the gate has looked at it.
fn break_file(config: &Path) {
    let good = std::fs::read_to_string(config).unwrap();
    std::fs::write(config, good.replace("open_seconds = 1.0", "open_seconds = 9.0") + "[visit]\ngood_frames = 99\n")
        .unwrap();
}

fn gate(folder: &Path) -> (Daemon, PathBuf) {
    let config = write_config_with_an_adult(folder, "open_seconds = 1.0\nmax_open_seconds = 9.0");
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    (daemon, config)
}

/// How long the next opening lasts.
fn next_opening(daemon: &Daemon) -> Duration {
    let (opened, line) = daemon.wait_for("simulated relay energised");
    assert!(line.contains("(pin 17)"), "{line}");
    daemon.wait_for("simulated relay released").0.duration_since(opened)
}

#[test]
fn a_reload_of_a_file_that_stays_broken_leaves_the_gate_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (mut daemon, config) = gate(folder.path());
    let keeper = daemon.started("relay-keeper");
    daemon.wait_for("simulated relay energised");
    break_file(&config);
    daemon.signal("-HUP");
    let lines = daemon.lines_until("the old one stays in force");
    assert!(lines.last().unwrap().1.contains("`visit.good_frames` is 99"), "{lines:?}");
    let touched = lines.iter().filter(|(_, l)| l.contains("simulated relay")).count();
    assert!(touched <= 1, "at most the end of the opening: {lines:?}");
    assert_eq!(daemon.started("relay-keeper"), keeper, "the keeper goes on");
    daemon.wait_for("door shut for decision");
    assert!(next_opening(&daemon) < Duration::from_secs(2));
    let shown = common::text(&agegate(folder.path(), &["log", "show", "--folder", "log"]).stdout);
    assert_eq!(shown.matches("  start  ").count(), 1, "the log was not begun anew:\n{shown}");
    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
}

#[test]
fn a_keeper_that_is_started_anew_has_what_the_gate_was_told_and_not_what_the_file_says_now() {
    let folder = tempfile::tempdir().unwrap();
    let (mut daemon, config) = gate(folder.path());
    let good = std::fs::read_to_string(&config).unwrap();
    // Edited and never reloaded: another time, another pin.
    let edited = good.replace("open_seconds = 1.0", "open_seconds = 9.0\npin = 5");
    assert_ne!(edited, good);
    std::fs::write(&config, edited).unwrap();
    signal("-KILL", daemon.started("relay-keeper")[0]);
    daemon.wait_for("another one holds the pin");
    assert!(next_opening(&daemon) < Duration::from_secs(2));
    // And not even when the file is gone.
    std::fs::remove_file(&config).unwrap();
    signal("-KILL", daemon.started("relay-keeper")[0]);
    daemon.wait_for("another one holds the pin");
    assert!(next_opening(&daemon) < Duration::from_secs(2));
    daemon.kill();
}

#[test]
fn the_keeper_takes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = agegate(folder.path(), &["relay-keeper", "--config", "a.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(common::text(&output.stderr).contains("--config"));
}
