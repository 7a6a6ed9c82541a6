//! `agegate check` beside a gate at work: opening its pin would release it, and opening its panel would reset it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use common::{Daemon, agegate, text, write_config_with_an_adult};

#[test]
fn the_live_pin_is_left_alone_and_check_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "lock = \"fail-safe\"");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    let in_use = format!("pin 17 is in use by the gate that runs (process {}); left alone", daemon.child.id());
    let printed = text(&agegate(folder.path(), &["check", "--config", "agegate.toml"]).stdout);
    assert!(printed.lines().any(|l| l.starts_with("note  relay") && l.contains(&in_use)), "{printed}");
    // Trying another file beside the gate is what `check` is for; the pin is the same.
    std::fs::copy(&config, folder.path().join("next.toml")).unwrap();
    let output = agegate(folder.path(), &["check", "--config", "next.toml"]);
    let printed = text(&output.stdout);
    assert!(printed.contains(&in_use), "{printed}");
    assert_eq!(output.status.code(), Some(0), "{printed}");
    daemon.kill();
    // Without the gate it is looked at again.
    std::thread::sleep(Duration::from_millis(500));
    let printed = text(&agegate(folder.path(), &["check", "--config", "agegate.toml"]).stdout);
    assert!(printed.lines().any(|l| l.starts_with("ok    relay")), "{printed}");
}

#[test]
fn a_second_gate_on_the_same_configuration_does_not_touch_the_pin_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    // Another log, so that it is not the log that stops it.
    let other = std::fs::read_to_string(&config).unwrap().replace("/log\"", "/other-log\"");
    std::fs::write(&config, other).unwrap();
    let second = agegate(folder.path(), &["run", "--config", "agegate.toml"]);
    assert_eq!(second.status.code(), Some(2));
    let said = text(&second.stderr);
    assert!(said.contains("another gate runs") && !said.contains("holds the pin"), "{said}");
    daemon.kill();
}
