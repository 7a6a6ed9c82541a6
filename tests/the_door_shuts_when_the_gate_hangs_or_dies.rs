//! The lease: the keeper process releases the relay at its deadline when no more orders come (a gate that hangs), and at
//! once when its input closes (a gate that died). The relay here is simulated; its keeper is the real process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use common::{Daemon, signal, write_config, write_config_with_an_adult};

struct Keeper {
    child: Child,
    /// Time and state of each change of the relay, as the keeper tells it on its standard error.
    changes: Receiver<(Instant, bool)>,
    answers: Receiver<String>,
}

fn keeper(folder: &std::path::Path, relay: &str) -> Keeper {
    let config = write_config(folder, "");
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace("driver = \"simulated\"", &format!("driver = \"simulated\"\n{relay}"));
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_agegate"))
        .args(["relay-keeper", "--config"])
        .arg(&config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (to_changes, changes) = channel();
    let (to_answers, answers) = channel();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in errors.lines().map_while(Result::ok) {
            if line.contains("simulated relay ") {
                let _ = to_changes.send((Instant::now(), line.contains("energised")));
            }
        }
    });
    std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| drop(to_answers.send(line))));
    Keeper { child, changes, answers }
}

impl Keeper {
    fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
        assert_eq!(self.answers.recv_timeout(Duration::from_secs(2)).unwrap(), "ok");
    }

    fn change(&self) -> (Instant, bool) {
        self.changes.recv_timeout(Duration::from_secs(5)).expect("the relay changes")
    }
}

#[test]
fn a_gate_that_hangs_does_not_leave_the_door_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut keeper = keeper(folder.path(), "open_seconds = 0.6\nmax_open_seconds = 1.0");
    keeper.order("open");
    let (opened, on) = keeper.change();
    assert!(on);
    // No more orders: the gate hangs. Its pipe stays open.
    let (shut, on) = keeper.change();
    assert!(!on);
    let open = shut.duration_since(opened);
    assert!(open >= Duration::from_millis(500) && open < Duration::from_millis(1100), "open for {open:?}");
    keeper.child.kill().unwrap();
}

#[test]
fn a_gate_that_dies_shuts_the_door_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut keeper = keeper(folder.path(), "open_seconds = 20.0\nmax_open_seconds = 20.0");
    keeper.order("open");
    assert!(keeper.change().1);
    let died = Instant::now();
    // What the kernel does to the pipe of a process that was killed.
    drop(keeper.child.stdin.take());
    let (shut, on) = keeper.change();
    assert!(!on && shut.duration_since(died) < Duration::from_millis(500));
    assert!(keeper.child.wait().unwrap().success());
}

#[test]
fn a_fail_safe_lock_lets_go_when_the_gate_gives_no_sign_of_life() {
    let folder = tempfile::tempdir().unwrap();
    let mut keeper = keeper(folder.path(), "lock = \"fail-safe\"");
    keeper.order("alive");
    assert!(keeper.change().1, "locked while the gate lives");
    let (_, locked) = keeper.change();
    assert!(!locked, "and open without it");
    keeper.child.kill().unwrap();
}

/// The whole daemon with its keeper, an adult before the camera for as long as it takes.
fn daemon(folder: &std::path::Path, relay: &str) -> Daemon {
    Daemon::start(&["run"], &write_config_with_an_adult(folder, relay))
}

#[test]
fn sigstop_of_the_daemon_while_the_door_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(folder.path(), "open_seconds = 1.0\nmax_open_seconds = 1.0");
    let (opened, _) = daemon.wait_for("simulated relay energised");
    daemon.signal("-STOP");
    let (shut, _) = daemon.wait_for("simulated relay released");
    assert!(shut.duration_since(opened) < Duration::from_millis(1600), "open for {:?}", shut.duration_since(opened));
    daemon.signal("-CONT");
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
}

#[test]
fn kill_9_of_the_daemon_while_the_door_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(folder.path(), "open_seconds = 20.0\nmax_open_seconds = 20.0");
    daemon.wait_for("simulated relay energised");
    let killed = Instant::now();
    daemon.child.kill().unwrap();
    let (shut, _) = daemon.wait_for("simulated relay released");
    assert!(
        shut.duration_since(killed) < Duration::from_millis(500),
        "open for {:?} after",
        shut.duration_since(killed)
    );
    daemon.child.wait().unwrap();
}

#[test]
fn kill_9_of_the_keeper_while_the_door_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(folder.path(), "open_seconds = 20.0\nmax_open_seconds = 20.0");
    daemon.wait_for("simulated relay energised");
    let killed = Instant::now();
    signal("-KILL", daemon.started("relay-keeper")[0]);
    let (released, _) = daemon.wait_for("the relay was released by the gate itself");
    assert!(released.duration_since(killed) < Duration::from_secs(2), "after {:?}", released.duration_since(killed));
    // Another keeper takes over, and the next adult gets in.
    daemon.wait_for("simulated relay energised");
    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
}
