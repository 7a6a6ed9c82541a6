//! SIGTERM ends the daemon within a second with its log whole; SIGHUP reads the configuration anew, or keeps the old one
//! and says why; `kill -9` leaves a log that verifies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use common::{Daemon, agegate, text, write_config};

fn start(config: &Path) -> Daemon {
    Daemon::start(&["run"], config)
}

fn verify(folder: &Path) -> (Option<i32>, String) {
    let output = agegate(folder, &["log", "verify", "--folder", folder.join("log").to_str().unwrap()]);
    (output.status.code(), text(&output.stdout))
}

#[test]
fn sigterm_ends_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = start(&write_config(folder.path(), ""));
    daemon.wait_for("decision");
    let asked = Instant::now();
    daemon.signal("-TERM");
    let status = daemon.child.wait().unwrap();
    assert!(status.success() && asked.elapsed() < Duration::from_secs(1), "{status} after {:?}", asked.elapsed());
    let (code, printed) = verify(folder.path());
    assert_eq!(code, Some(0), "{printed}");
    let shown = text(&agegate(folder.path(), &["log", "show", "--folder", "log"]).stdout);
    assert!(shown.lines().last().unwrap().contains("stop"), "{shown}");
}

#[test]
fn sighup_with_a_broken_file_keeps_the_old_configuration_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), "");
    let good = std::fs::read_to_string(&config).unwrap();
    let mut daemon = start(&config);
    daemon.wait_for("agegate 0.1.0 runs");
    std::fs::write(&config, good.clone() + "[visit]\ngood_frames = 99\n").unwrap();
    daemon.signal("-HUP");
    let (_, line) = daemon.wait_for("the old one stays in force");
    assert!(line.contains("`visit.good_frames` is 99"), "{line}");
    std::fs::write(&config, good + "[visit]\ngood_frames = 7\n").unwrap();
    daemon.signal("-HUP");
    daemon.wait_for("configuration read anew");
    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
}

#[test]
fn kill_9_leaves_a_log_that_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), "");
    for _ in 0..2 {
        let mut daemon = start(&config);
        daemon.wait_for("decision");
        daemon.child.kill().unwrap();
        daemon.child.wait().unwrap();
    }
    let (code, printed) = verify(folder.path());
    assert_eq!(code, Some(0), "{printed}");
}

#[test]
fn a_second_daemon_on_the_same_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), "");
    let mut daemon = start(&config);
    daemon.wait_for("agegate 0.1.0 runs");
    let second = agegate(folder.path(), &["run", "--config", config.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(2));
    assert!(text(&second.stderr).contains("another agegate writes to it"));
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
}
