//! `source = "pipe"`: however the gate ends, the camera's command and what it has started end too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use common::Daemon;

/// A gate whose camera is a shell script; each of its processes writes its number into the folder.
fn gate(folder: &Path, script: &str) -> Daemon {
    let config = folder.join("agegate.toml");
    let log = folder.join("log");
    let script = script.replace("MARK", folder.to_str().unwrap());
    let camera = format!("[camera]\nsource = \"pipe\"\ncommand = [\"sh\", \"-c\", {script:?}]\n");
    std::fs::write(&config, format!("{camera}[relay]\ndriver = \"simulated\"\n[log]\nfolder = {log:?}\n")).unwrap();
    Daemon::start(&["run"], &config)
}

/// The processes that the script wrote down, once there are so many.
fn processes(folder: &Path, count: usize) -> Vec<PathBuf> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let text = std::fs::read_to_string(folder.join("pids")).unwrap_or_default();
        let found: Vec<_> = text.lines().map(|pid| Path::new("/proc").join(pid)).collect();
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < until, "the command did not start: {text:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn all_gone(processes: &[PathBuf]) {
    let until = Instant::now() + Duration::from_secs(3);
    // A process that nobody has waited for yet has no memory any more.
    let alive = |p: &PathBuf| std::fs::read_to_string(p.join("statm")).is_ok_and(|m| !m.starts_with("0 "));
    while processes.iter().any(alive) {
        assert!(Instant::now() < until, "still there: {processes:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Says nothing, ignores that it is asked to end, and has a child that does so too.
const STUBBORN: &str = "trap '' TERM INT HUP; echo $$ >> MARK/pids; (trap '' TERM; echo $BASHPID$(exec sh -c 'echo $PPID') >> MARK/pids; sleep 300) & wait; sleep 300";

#[test]
fn what_left_the_commands_process_group_ends_before_the_command_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    // A child with a session of its own and no parent any more, which does not want to end, as a server in the background is.
    let mut daemon = gate(
        folder.path(),
        "(setsid sh -c 'trap \"\" TERM HUP; echo $$ >> MARK/pids; exec sleep 300' &); sleep 0.3; exit 1",
    );
    let started = processes(folder.path(), 3);
    all_gone(&started[..2]);
    assert!(daemon.child.try_wait().unwrap().is_none(), "the gate runs");
    daemon.signal("-TERM");
    daemon.child.wait().unwrap();
    all_gone(&started);
}

#[test]
fn what_guards_the_command_is_missed_when_it_is_killed_though_the_command_writes_on() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("room.jpg");
    common::visitor("nobody")[0].save(&picture).unwrap();
    let script = "echo $$ >> MARK/pids; while sleep 0.1; do cat MARK/room.jpg; done";
    let mut daemon = gate(folder.path(), script);
    let first = processes(folder.path(), 1);
    daemon.wait_for("camera command `sh");
    let [guard] = daemon.started("camera-command")[..] else { panic!("one guard") };
    common::signal("-KILL", guard);
    daemon.wait_for("it ended (signal: 9");
    assert!(processes(folder.path(), 2).len() >= 2, "the command is started again");
    daemon.signal("-TERM");
    daemon.child.wait().unwrap();
    // Nobody is left who could end the first one.
    common::signal("-KILL", first[0].file_name().unwrap().to_str().unwrap().parse().unwrap());
}

#[test]
fn a_command_that_never_said_anything_ends_when_the_gate_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = gate(folder.path(), "echo $$ >> MARK/pids; exec sleep 300");
    let started = processes(folder.path(), 1);
    daemon.signal("-TERM");
    daemon.child.wait().unwrap();
    all_gone(&started);
}

#[test]
fn a_command_that_does_not_want_to_end_is_killed_when_the_gate_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = gate(folder.path(), STUBBORN);
    let started = processes(folder.path(), 2);
    daemon.signal("-TERM");
    daemon.child.wait().unwrap();
    all_gone(&started);
}

#[test]
fn a_command_ends_when_the_gate_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = gate(folder.path(), STUBBORN);
    let started = processes(folder.path(), 2);
    daemon.kill();
    all_gone(&started);
}
