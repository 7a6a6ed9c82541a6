//! Inputs that open are believed only when they were seen released: not when they are stuck, when the wire breaks, or when
//! they cannot be read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use common::{
    Daemon,
    door_unit::{EXIT, STAFF, cut, drive, line, press, story, write_unit},
};

#[test]
fn nor_does_a_button_that_is_stuck_or_a_line_that_cannot_be_read() {
    for (key, number) in [("staff", STAFF), ("exit", EXIT)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let unit = format!("[inputs]\n{key} = {}\nstaff_when = \"always\"\n", line(number));
        let config = write_unit(folder, &[("nobody", 600)], "", &unit);
        drive(folder, number, "0");
        let daemon = Daemon::start(&["run"], &config);
        let mut lines = daemon.lines_until("was not seen released");
        lines.extend(daemon.lines_for(Duration::from_millis(500)));
        drive(folder, number, "broken");
        lines.extend(daemon.lines_until("it counts as a broken wire"));
        lines.extend(daemon.lines_for(Duration::from_millis(500)));
        drive(folder, number, "0");
        lines.extend(daemon.lines_until("was not seen released"));
        cut(folder, number);
        lines.extend(daemon.lines_for(Duration::from_millis(500)));
        assert!(lines.iter().all(|(_, l)| !l.contains("energised")), "{key}: {lines:?}");
        assert_eq!(story(folder), Vec::<String>::new(), "{key}");
        // The wire is mended, and somebody presses.
        press(folder, number);
        daemon.wait_for("simulated relay energised");
    }
}
