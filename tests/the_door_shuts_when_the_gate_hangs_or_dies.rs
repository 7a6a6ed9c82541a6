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

use agegate::{
    audit::ActReason,
    clock::monotonic_now,
    config::{Lock, RelayConfig, RelayDriver},
    relay::{
        door::Shut,
        protocol::{Answer, Order, Said, Settings},
    },
};
use common::{Daemon, signal, write_config_with_an_adult};

struct Keeper {
    child: Child,
    /// Time and state of each change of the relay, as the keeper tells it on its standard error.
    changes: Receiver<(Instant, bool)>,
    said: Receiver<Said>,
    number: u64,
}

const PATIENCE: Duration = Duration::from_secs(10);

/// The real process, with the settings that a gate would give it.
fn keeper(change: impl FnOnce(&mut RelayConfig)) -> Keeper {
    let mut config = RelayConfig { driver: RelayDriver::Simulated, ..RelayConfig::default() };
    change(&mut config);
    let mut child = Command::new(env!("CARGO_BIN_EXE_agegate"))
        .arg("relay-keeper")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (to_changes, changes) = channel();
    let (to_said, said) = channel();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in errors.lines().map_while(Result::ok) {
            if line.contains("simulated relay ") {
                let _ = to_changes.send((Instant::now(), line.contains("energised")));
            }
        }
    });
    std::thread::spawn(move || {
        output.lines().map_while(Result::ok).for_each(|line| drop(to_said.send(Said::parse(&line).unwrap())));
    });
    writeln!(child.stdin.as_mut().unwrap(), "{}", Settings::new(&config).line()).unwrap();
    let keeper = Keeper { child, changes, said, number: 0 };
    assert_eq!(keeper.said.recv_timeout(PATIENCE).unwrap(), Said::Ready);
    keeper
}

fn times(open: f32, most: f32) -> impl FnOnce(&mut RelayConfig) {
    move |config| (config.open_seconds, config.max_open_seconds) = (open, most)
}

impl Keeper {
    /// Gives an order; the answer, and what was said before it.
    fn order(&mut self, order: &Order) -> (Answer, Vec<Said>) {
        self.number += 1;
        writeln!(self.child.stdin.as_mut().unwrap(), "{}", order.line(self.number)).unwrap();
        let mut before = Vec::new();
        loop {
            match self.said.recv_timeout(PATIENCE).unwrap() {
                Said::Answer(number, answer) if number == self.number => return (answer, before),
                said => before.push(said),
            }
        }
    }

    fn open(&mut self, decision: u64) -> Answer {
        self.order(&Order::Open { decision, expires: monotonic_now() + Duration::from_secs(2) }).0
    }

    fn change(&self) -> (Instant, bool) {
        self.changes.recv_timeout(PATIENCE).expect("the relay changes")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_gate_that_hangs_does_not_leave_the_door_open() {
    let mut keeper = keeper(times(0.6, 1.0));
    assert_eq!(keeper.open(7), Answer::Ok);
    let (opened, on) = keeper.change();
    assert!(on);
    // No more orders: the gate hangs. Its pipe stays open.
    let (shut, on) = keeper.change();
    assert!(!on);
    let open = shut.duration_since(opened);
    assert!(open >= Duration::from_millis(500) && open < Duration::from_millis(1100), "open for {open:?}");
    let said = keeper.said.recv_timeout(PATIENCE).unwrap();
    assert_eq!(said, Said::Shut(Shut { decision: 7, why: ActReason::TimeUp }), "the gate hears of it when it wakes up");
}

#[test]
fn a_gate_that_dies_shuts_the_door_at_once() {
    let mut keeper = keeper(times(20.0, 20.0));
    keeper.open(1);
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
    let mut keeper = keeper(|config| config.lock = Lock::FailSafe);
    keeper.order(&Order::Alive);
    assert!(keeper.change().1, "locked while the gate lives");
    let (_, locked) = keeper.change();
    assert!(!locked, "and open without it");
}

#[test]
fn an_order_to_open_that_comes_too_late_opens_nothing() {
    let mut keeper = keeper(times(1.0, 1.0));
    // A gate that was stopped after its look at the clock writes this when it wakes up.
    let late = Order::Open { decision: 3, expires: monotonic_now().saturating_sub(Duration::from_millis(1)) };
    assert_eq!(keeper.order(&late).0, Answer::Refused(ActReason::TooOld));
    assert_eq!(keeper.open(4), Answer::Ok);
    assert!(keeper.change().1, "the first change is the opening for decision 4");
}

#[test]
fn an_allow_close_to_the_longest_time_does_not_open_for_a_fraction_of_a_second() {
    let mut keeper = keeper(times(0.8, 1.0));
    assert_eq!(keeper.open(1), Answer::Ok);
    let (opened, _) = keeper.change();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(keeper.open(2), Answer::Refused(ActReason::DoorLimit));
    let (shut, on) = keeper.change();
    assert!(
        !on && shut.duration_since(opened) < Duration::from_millis(1200),
        "the first opening ends when it would have"
    );
    assert_eq!(keeper.open(3), Answer::Ok, "and then it opens for its whole time");
    let (opened, _) = keeper.change();
    let (shut, _) = keeper.change();
    assert!(shut.duration_since(opened) >= Duration::from_millis(750));
}

#[test]
fn what_is_no_settings_drives_no_pin() {
    for first in ["open 1 99999999999\n", "{\"protocol\":999,\"relay\":{}}\n", "{}\n", "\n"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_agegate"))
            .arg("relay-keeper")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(first.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{first}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("failed ") && !said.contains("ready"), "{first}: {said}");
    }
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
