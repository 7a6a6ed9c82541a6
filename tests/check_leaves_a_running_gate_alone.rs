//! `agegate check` beside a gate at work: opening its pin would release it, and opening its panel would reset it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use common::{Daemon, agegate, clip, text, visitor, write_config, write_config_with_an_adult};

#[test]
fn the_live_pin_is_left_alone_and_check_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "lock = \"fail-safe\"");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    let in_use = format!("pin 17 is in use by the gate that runs (process {}); left alone", daemon.child.id());
    let printed = text(&agegate(folder.path(), &["check", "--config", "agegate.toml"]).stdout);
    assert!(printed.lines().any(|l| l.starts_with("note  relay") && l.contains(&in_use)), "{printed}");
    // Its own configuration may ask for another pin or log by now: nothing of it is a hindrance.
    let output = agegate(folder.path(), &["check", "--config", "agegate.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    daemon.kill();
    // Without the gate it is looked at again.
    std::thread::sleep(Duration::from_millis(500));
    let printed = text(&agegate(folder.path(), &["check", "--config", "agegate.toml"]).stdout);
    assert!(printed.lines().any(|l| l.starts_with("ok    relay")), "{printed}");
}

/// A gate whose recording lasts for some minutes: whatever is checked, it is there.
fn config_of_a_long_recording(folder: &Path) -> PathBuf {
    let (room, play) = (folder.join("room.png"), folder.join("play"));
    std::fs::create_dir(&play).unwrap();
    visitor("nobody")[0].save(&room).unwrap();
    (0..4000).for_each(|k| std::os::unix::fs::symlink(&room, play.join(format!("{k:04}.png"))).unwrap());
    let config = write_config(folder, "");
    let text = std::fs::read_to_string(&config).unwrap().replace(&format!("{:?}", clip()), &format!("{play:?}"));
    std::fs::write(&config, text).unwrap();
    config
}

#[test]
fn what_another_gate_has_makes_check_fail_and_is_told_with_that_gate() {
    let folder = tempfile::tempdir().unwrap();
    let lines =
        "[inputs]\nstaff = { line = 5, chip = \"simulated\" }\n[outputs]\nlamp = { line = 12, chip = \"simulated\" }\n";
    let config = config_of_a_long_recording(folder.path());
    let whole = std::fs::read_to_string(&config).unwrap() + lines;
    std::fs::write(&config, &whole).unwrap();
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    let other = folder.path().join("other.toml");
    let check = |text_of_it: &str| {
        std::fs::write(&other, text_of_it).unwrap();
        let output = agegate(folder.path(), &["check", "--config", "other.toml"]);
        (output.status.code(), text(&output.stdout))
    };
    let holder = format!("held by the gate that runs with {} (process {})", config.display(), daemon.child.id());
    let line = whole.lines().position(|line| line.starts_with("folder")).unwrap() + 1;
    // The same log and the same lines.
    let (code, printed) = check(&whole);
    let log = printed.lines().find(|l| l.starts_with("FAIL  decision log: ")).unwrap_or_else(|| panic!("{printed}"));
    assert!(log.contains(&holder) && log.contains(&format!("(`log.folder`, line {line} of other.toml)")), "{log}");
    for key in ["inputs.staff", "outputs.lamp"] {
        let told =
            printed.lines().find(|l| l.starts_with(&format!("FAIL  {key}: "))).unwrap_or_else(|| panic!("{printed}"));
        assert!(told.contains(&holder) && told.contains(&format!("`{key}`")), "{told}");
    }
    assert_eq!(code, Some(1), "{printed}");
    assert_eq!(agegate(folder.path(), &["run", "--config", "other.toml"]).status.code(), Some(2), "as `run` says");
    // A copy of the gate's own configuration, as an editor or Ansible has it checked, or a link to it.
    let copy = ["check", "--config", "other.toml", "--in-place-of", "agegate.toml"];
    assert_eq!(agegate(folder.path(), &copy).status.code(), Some(0));
    std::os::unix::fs::symlink("agegate.toml", folder.path().join("link.toml")).unwrap();
    assert_eq!(agegate(folder.path(), &["check", "--config", "link.toml"]).status.code(), Some(0));
    // A line of another purpose, and a log of its own.
    let own_log = whole.replace("/log\"", "/other-log\"").replace("line = 12", "line = 13");
    let (code, printed) = check(&own_log);
    assert!(code == Some(1) && printed.lines().filter(|l| l.starts_with("FAIL")).count() == 1, "{printed}");
    let (code, printed) = check(&own_log.replace("line = 5,", "line = 6,"));
    assert!(code == Some(0), "nothing in common: {printed}");
    // Its own configuration is none of others.
    let output = agegate(folder.path(), &["check", "--config", "agegate.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    daemon.kill();
}

#[test]
fn a_camera_that_another_gate_has_makes_check_fail() {
    let folder = tempfile::tempdir().unwrap();
    let camera = folder.path().join("camera");
    let link = folder.path().join("by-id");
    std::fs::write(&camera, "no camera, but one that a gate waits for").unwrap();
    std::os::unix::fs::symlink(&camera, &link).unwrap();
    let write = |name: &str, device: &std::path::Path, log: &str| {
        let path = folder.path().join(name);
        let text = format!("[camera]\ndevice = {device:?}\n[relay]\ndriver = \"simulated\"\n[log]\nfolder = {log:?}\n");
        std::fs::write(&path, text).unwrap();
        path
    };
    let config = write("agegate.toml", &camera, "log");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    write("other.toml", &link, "other-log");
    let printed = text(&agegate(folder.path(), &["check", "--config", "other.toml"]).stdout);
    let told = printed.lines().find(|l| l.starts_with("FAIL  camera: ")).unwrap_or_else(|| panic!("{printed}"));
    let holder = format!("held by the gate that runs with {} (process {})", config.display(), daemon.child.id());
    assert!(told.contains(&holder) && told.contains("`camera.device`, line 2 of other.toml"), "{told}");
    daemon.kill();
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
