//! The leaf's contact and the turnstile's sensor: one lease, one person; and a leaf that is forced or held open is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use common::{
    Daemon,
    door_unit::{ALARM, CONTACT, EXIT, ROTATION, cut, drive, is_on, line, press, story, until, write_unit},
};

const LONG: &str = "open_seconds = 15.0\nmax_open_seconds = 15.0";

#[test]
fn when_the_leaf_falls_shut_behind_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unit = format!("[inputs]\ncontact = {}\n", line(CONTACT));
    let config = write_unit(folder, &[("adult", 200), ("nobody", 400)], LONG, &unit);
    drive(folder, CONTACT, "0");
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("simulated relay energised");
    std::thread::sleep(Duration::from_millis(300));
    drive(folder, CONTACT, "1");
    std::thread::sleep(Duration::from_millis(600));
    drive(folder, CONTACT, "0");
    daemon.wait_for("simulated relay released");
    daemon.wait_for("(went-through)");
    assert_eq!(story(folder), ["Allow old-enough", "opened", "shut went-through"]);
}

#[test]
fn when_the_turnstile_turns_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unit = format!("[inputs]\nexit = {}\nrotation = {}\n", line(EXIT), line(ROTATION));
    let config = write_unit(folder, &[("nobody", 400)], LONG, &unit);
    drive(folder, EXIT, "1");
    // Stuck since the start: that is no person.
    drive(folder, ROTATION, "0");
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    std::thread::sleep(Duration::from_millis(300));
    press(folder, EXIT);
    daemon.wait_for("simulated relay energised");
    let lines = daemon.lines_for(Duration::from_secs(1));
    assert!(lines.iter().all(|(_, l)| !l.contains("released")), "{lines:?}");
    drive(folder, ROTATION, "1");
    std::thread::sleep(Duration::from_millis(300));
    press(folder, ROTATION);
    daemon.wait_for("simulated relay released");
    // The next one needs a decision of their own.
    press(folder, ROTATION);
    assert_eq!(story(folder), ["Allow exit", "opened", "shut went-through"]);
}

#[test]
fn a_leaf_that_is_forced_or_held_open_or_whose_wire_breaks_is_an_alarm_and_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unit =
        format!("[inputs]\ncontact = {}\nheld_open_seconds = 3.0\n[outputs]\nalarm = {}\n", line(CONTACT), line(ALARM));
    let config = write_unit(folder, &[("nobody", 600)], LONG, &unit);
    drive(folder, CONTACT, "0");
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!is_on(folder, ALARM));
    cut(folder, CONTACT);
    daemon.wait_for("alarm: the leaf opened, and nobody was let through");
    until("the alarm is on", || is_on(folder, ALARM));
    daemon.wait_for("alarm: the leaf stays open");
    drive(folder, CONTACT, "0");
    let lines = daemon.lines_until("the alarm (held-open) is over");
    until("the alarm is off", || !is_on(folder, ALARM));
    assert!(lines.iter().all(|(_, l)| !l.contains("energised")), "{lines:?}");
    assert_eq!(story(folder), ["forced raised", "held-open raised", "forced ended", "held-open ended"]);
}
