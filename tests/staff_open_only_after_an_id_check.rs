//! The staff key opens for a visitor who was referred, once, for a time; and it goes the way of every opening: the log first.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use common::{
    Daemon, agegate,
    door_unit::{EXIT, STAFF, drive, line, press, story, until, write_unit},
    text,
};

const LONG: &str = "open_seconds = 15.0\nmax_open_seconds = 15.0";

#[test]
fn once_for_each_visitor_who_was_referred_and_the_log_has_it_first() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unit = format!("[inputs]\nstaff = {}\n", line(STAFF));
    let config = write_unit(folder, &[("nobody", 80), ("child", 200), ("nobody", 400)], LONG, &unit);
    drive(folder, STAFF, "1");
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    std::thread::sleep(Duration::from_millis(300));
    press(folder, STAFF);
    daemon.wait_for("nobody waits for an ID check");
    daemon.wait_for("Refer");
    press(folder, STAFF);
    let lines = daemon.lines_until("door opened for decision");
    let place =
        |what: &str| lines.iter().position(|(_, l)| l.contains(what)).unwrap_or_else(|| panic!("{what}: {lines:?}"));
    assert!(place("Allow (staff)") < place("simulated relay energised"), "{lines:?}");
    press(folder, STAFF);
    daemon.wait_for("nobody waits for an ID check");
    assert_eq!(story(folder)[1..], ["Allow staff", "opened"]);
    let stats = text(&agegate(folder, &["log", "stats", "--config", "agegate.toml"]).stdout);
    assert!(stats.contains("Allow (staff)"), "{stats}");
}

#[test]
fn too_late_it_opens_nothing_unless_configured_apart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unit = format!("[inputs]\nstaff = {}\nstaff_seconds = 1.0\n", line(STAFF));
    let config = write_unit(folder, &[("child", 200), ("nobody", 400)], LONG, &unit);
    drive(folder, STAFF, "1");
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("Refer");
    std::thread::sleep(Duration::from_millis(1500));
    press(folder, STAFF);
    daemon.wait_for("after the last visitor was referred, and may for 1 s");
    let changed =
        std::fs::read_to_string(&config).unwrap().replace("staff_seconds", "staff_when = \"always\"\nstaff_seconds");
    std::fs::write(&config, changed).unwrap();
    daemon.signal("-HUP");
    daemon.wait_for("configuration read anew");
    press(folder, STAFF);
    daemon.wait_for("simulated relay energised");
    until("the act is in the log", || story(folder).last().is_some_and(|last| last == "opened"));
    assert_eq!(story(folder)[1..], ["Allow staff", "opened"]);
}

#[test]
fn the_way_out_is_free_and_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unit = format!("[inputs]\nexit = {}\n", line(EXIT));
    let config = write_unit(folder, &[("nobody", 400)], "open_seconds = 0.5", &unit);
    drive(folder, EXIT, "1");
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    std::thread::sleep(Duration::from_millis(300));
    press(folder, EXIT);
    daemon.wait_for("simulated relay energised");
    daemon.wait_for("door shut for decision");
    // Told first, then written.
    until("the end of the act is in the log", || story(folder).len() > 2);
    assert_eq!(story(folder), ["Allow exit", "opened", "shut time-up"]);
}

#[test]
fn what_cannot_be_logged_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unit = format!("[inputs]\nexit = {}\n", line(EXIT));
    let config = write_unit(folder, &[("nobody", 400)], "", &unit);
    drive(folder, EXIT, "1");
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    std::thread::sleep(Duration::from_millis(300));
    std::fs::rename(folder.join("log"), folder.join("gone")).unwrap();
    press(folder, EXIT);
    daemon.wait_for("the request (exit) is not acted on, the door stays shut");
    let after = daemon.lines_for(Duration::from_secs(1));
    assert!(after.iter().all(|(_, l)| !l.contains("energised")), "{after:?}");
}

#[test]
fn other_lines_are_taken_at_a_restart_only() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unit = format!("[inputs]\nexit = {}\n", line(EXIT));
    let config = write_unit(folder, &[("nobody", 400)], "", &unit);
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    let other = std::fs::read_to_string(&config).unwrap().replace("exit =", "staff =");
    std::fs::write(&config, other).unwrap();
    daemon.signal("-HUP");
    daemon.wait_for("the old one stays in force: the lines of [inputs] and [outputs] are taken at the start");
    drive(folder, EXIT, "1");
    std::thread::sleep(Duration::from_millis(300));
    press(folder, EXIT);
    daemon.wait_for("simulated relay energised");
}
