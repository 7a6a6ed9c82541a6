//! `agegate supervise`: what systemd's unit promises, on boards without systemd.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::{Duration, Instant};

use agegate::runtime::Process;
use common::{Daemon, children, signal, write_config, write_config_with_an_adult};

fn supervised(folder: &std::path::Path, relay: &str) -> Daemon {
    Daemon::start(&["supervise", "--watchdog-seconds", "3"], &write_config_with_an_adult(folder, relay))
}

#[test]
fn kill_9_of_gate_and_keeper_with_the_door_open_releases_the_relay_and_restarts_the_gate() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervised(folder.path(), "open_seconds = 20.0\nmax_open_seconds = 20.0");
    supervisor.wait_for("simulated relay energised");
    let gate = supervisor.started("run")[0];
    let keeper = children(gate, "relay-keeper")[0];
    let killed = Instant::now();
    signal("-KILL", keeper);
    signal("-KILL", gate);
    let (released, line) = supervisor.wait_for("the relay is released, the gate is started again");
    assert!(line.contains("signal: 9"), "{line}");
    assert!(released.duration_since(killed) < Duration::from_secs(2), "after {:?}", released.duration_since(killed));
    supervisor.wait_for("simulated relay energised");
    supervisor.signal("-TERM");
    assert!(supervisor.child.wait().unwrap().success());
}

#[test]
fn a_gate_that_hangs_is_killed_by_the_watchdog_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervised(folder.path(), "open_seconds = 1.0\nmax_open_seconds = 1.0");
    supervisor.wait_for("agegate 0.1.0 runs");
    signal("-STOP", supervisor.started("run")[0]);
    supervisor.wait_for("no progress for 3 s; it is killed");
    supervisor.wait_for("agegate 0.1.0 runs");
    supervisor.signal("-TERM");
    assert!(supervisor.child.wait().unwrap().success());
}

#[test]
fn a_stopped_keeper_of_a_killed_gate_does_not_hold_the_pin_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervised(folder.path(), "open_seconds = 20.0\nmax_open_seconds = 20.0");
    supervisor.wait_for("simulated relay energised");
    let gate = supervisor.started("run")[0];
    let keeper = children(gate, "relay-keeper")[0];
    let left = Process::of(keeper).unwrap();
    signal("-STOP", keeper);
    signal("-KILL", gate);
    supervisor.wait_for("it is killed");
    supervisor.wait_for("the relay is released, the gate is started again");
    assert!(!left.exists());
    supervisor.wait_for("simulated relay energised");
    supervisor.signal("-TERM");
    assert!(supervisor.child.wait().unwrap().success());
}

#[test]
fn a_supervisor_that_was_stopped_itself_does_not_kill_a_healthy_gate() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervised(folder.path(), "");
    supervisor.wait_for("agegate 0.1.0 runs");
    let gate = supervisor.started("run");
    supervisor.signal("-STOP");
    std::thread::sleep(Duration::from_secs(6));
    supervisor.signal("-CONT");
    let lines = supervisor.lines_for(Duration::from_secs(3));
    assert!(!lines.iter().any(|(_, line)| line.contains("is killed")), "{lines:?}");
    assert_eq!(supervisor.started("run"), gate, "the same gate goes on");
    supervisor.signal("-TERM");
    assert!(supervisor.child.wait().unwrap().success());
}

/// Models load from a slow card: a gate that is killed for it is started again for ever.
#[test]
fn a_gate_may_need_longer_to_start_than_the_watchdog_allows_it_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervised(folder.path(), "");
    let until = Instant::now() + Duration::from_secs(10);
    let gate = loop {
        if let Some(gate) = supervisor.started("run").first().copied() {
            break gate;
        }
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(1));
    };
    signal("-STOP", gate);
    let lines = supervisor.lines_for(Duration::from_secs(6));
    assert!(!lines.iter().any(|(_, line)| line.contains("agegate 0.1.0 runs") || line.contains("killed")), "{lines:?}");
    signal("-CONT", gate);
    supervisor.wait_for("agegate 0.1.0 runs");
    assert_eq!(supervisor.started("run"), [gate]);
    supervisor.signal("-TERM");
    assert!(supervisor.child.wait().unwrap().success());
}

#[test]
fn what_a_killed_supervisor_left_behind_is_cleared_away_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervised(folder.path(), "open_seconds = 20.0\nmax_open_seconds = 20.0");
    supervisor.wait_for("simulated relay energised");
    let gate = supervisor.started("run")[0];
    let left = [gate, children(gate, "relay-keeper")[0]];
    let processes = left.map(|pid| Process::of(pid).unwrap());
    left.iter().for_each(|pid| signal("-STOP", *pid));
    supervisor.kill();
    let config = folder.path().join("agegate.toml");
    let mut next = Daemon::start(&["supervise", "--watchdog-seconds", "2"], &config);
    next.wait_for("agegate 0.1.0 runs");
    assert!(processes.iter().all(|process| !process.exists()));
    next.signal("-TERM");
    assert!(next.child.wait().unwrap().success());
}

#[test]
fn a_configuration_that_is_broken_by_then_does_not_keep_the_relay_from_being_released() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervised(folder.path(), "open_seconds = 20.0\nmax_open_seconds = 20.0");
    supervisor.wait_for("simulated relay energised");
    let config = folder.path().join("agegate.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, "= no TOML").unwrap();
    signal("-KILL", supervisor.started("run")[0]);
    supervisor.wait_for("the relay is released, the gate is started again");
    // It goes on trying, and is back with a good file.
    supervisor.wait_for("the relay is released, the gate is started again");
    std::fs::write(&config, good).unwrap();
    supervisor.wait_for("agegate 0.1.0 runs");
    supervisor.signal("-TERM");
    assert!(supervisor.child.wait().unwrap().success());
}

#[test]
fn a_gate_at_work_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervised(folder.path(), "");
    let (first, _) = supervisor.wait_for("agegate 0.1.0 runs");
    let gate = supervisor.started("run");
    // Twice the watchdog's time.
    std::thread::sleep(Duration::from_secs(6).saturating_sub(first.elapsed()));
    assert_eq!(supervisor.started("run"), gate);
    supervisor.signal("-TERM");
    assert!(supervisor.child.wait().unwrap().success());
}

#[test]
fn sigterm_ends_both_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervised(folder.path(), "");
    supervisor.wait_for("agegate 0.1.0 runs");
    let asked = Instant::now();
    supervisor.signal("-TERM");
    supervisor.wait_for("agegate stops; the door is shut");
    assert!(supervisor.child.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_gate_whose_supervisor_dies_ends_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervised(folder.path(), "");
    supervisor.wait_for("agegate 0.1.0 runs");
    supervisor.signal("-KILL");
    supervisor.wait_for("agegate stops; the door is shut");
    supervisor.child.wait().unwrap();
}

#[test]
fn a_wrong_configuration_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), "[visit]\ngood_frames = 99\n");
    let mut supervisor = Daemon::start(&["supervise"], &config);
    let (_, line) = supervisor.wait_for("`visit.good_frames` is 99");
    assert!(line.contains("line"), "{line}");
    assert_eq!(supervisor.child.wait().unwrap().code(), Some(2));
}
