//! The cover's contact: once it opened nothing opens, through a restart too, until a person on the board resets it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use agegate::status::{Alarm, Door, State};
use common::{
    Daemon, agegate,
    door_unit::{EXIT, TAMPER, cut, drive, line, press, story, write_unit},
    text, wait_for_status,
};

#[test]
fn and_the_log_tells_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unit = format!("[inputs]\nexit = {}\ntamper = {}\n", line(EXIT), line(TAMPER));
    let long = "open_seconds = 15.0\nmax_open_seconds = 15.0";
    let config = write_unit(folder, &[("nobody", 600)], long, &unit);
    drive(folder, EXIT, "1");
    drive(folder, TAMPER, "0");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    std::thread::sleep(Duration::from_millis(300));
    press(folder, EXIT);
    daemon.wait_for("simulated relay energised");
    // The cover comes off, or somebody cuts its wire: the door shuts at once.
    cut(folder, TAMPER);
    daemon.wait_for("alarm: the cover was opened");
    daemon.wait_for("simulated relay released");
    drive(folder, TAMPER, "0");
    press(folder, EXIT);
    daemon.wait_for("door refused for decision");
    let status = wait_for_status(folder, |status| status.door != Door::Shut);
    assert_eq!(
        (status.state, status.door, &status.alarms[..]),
        (State::DoorFailed, Door::OutOfOrder, &[Alarm::Tamper][..])
    );
    daemon.kill();

    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("the cover was opened before this start");
    daemon.wait_for("agegate 0.1.0 runs");
    std::thread::sleep(Duration::from_millis(300));
    press(folder, EXIT);
    let lines = daemon.lines_until("(tampered)");
    assert!(lines.iter().all(|(_, l)| !l.contains("energised")), "{lines:?}");
    let check = agegate(folder, &["check", "--config", "agegate.toml"]);
    assert!(text(&check.stdout).contains("FAIL  cover: it was opened"), "{}", text(&check.stdout));

    let reset = || agegate(folder, &["reset-tamper", "--config", "agegate.toml"]);
    let said = reset();
    assert!(said.status.success() && text(&said.stdout).starts_with("reset;"), "{}", text(&said.stdout));
    daemon.wait_for("the alarm (tamper) is over");
    press(folder, EXIT);
    daemon.wait_for("simulated relay energised");
    assert!(text(&reset().stdout).starts_with("nothing to reset"));
    assert_eq!(
        story(folder),
        [
            "Allow exit",
            "opened",
            "shut tampered",
            "tamper raised",
            "Allow exit",
            "refused tampered",
            "Allow exit",
            "refused tampered",
            "tamper ended",
            "Allow exit",
            "opened"
        ]
    );
    daemon.kill();
}
