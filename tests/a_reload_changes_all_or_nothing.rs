//! SIGHUP: what is the same is kept, what differs is handed over without a gap, and what cannot be put into force changes
//! nothing at all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{path::Path, time::Duration};

use common::{Daemon, agegate, signal, text, write_config_with_an_adult};

/// A fail-safe gate at work: the relay is energised, which locks the door.
fn locked(folder: &Path, relay: &str) -> Daemon {
    let config = write_config_with_an_adult(folder, &format!("lock = \"fail-safe\"\n{relay}"));
    // An adult who cannot be let in: nothing but the reload may move the lock.
    rewrite(
        folder,
        "[log]",
        "[liveness]\nmode = \"off\"\n[policy]\nthreshold_age = 18\nchallenge_age = 60\nconfidence = 0.99\n[log]",
    );
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("simulated relay energised");
    daemon.wait_for("agegate 0.1.0 runs");
    daemon
}

fn rewrite(folder: &Path, from: &str, to: &str) {
    let config = folder.join("agegate.toml");
    let before = std::fs::read_to_string(&config).unwrap();
    let after = before.replacen(from, to, 1);
    assert_ne!(before, after);
    std::fs::write(config, after).unwrap();
}

fn moves(lines: &[(std::time::Instant, String)]) -> Vec<&str> {
    let moves = lines.iter().filter_map(|(_, line)| line.split_once("simulated relay ").map(|(_, what)| what));
    moves.collect()
}

#[test]
fn a_reload_that_no_longer_asks_for_a_living_face_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    rewrite(folder.path(), "[log]", "[liveness]\nmode = \"off\"\n[log]");
    daemon.signal("-HUP");
    daemon.wait_for("liveness off: a photo of an adult, held before the camera, may open the door");
    daemon.kill();
}

#[test]
fn other_times_and_another_policy_never_let_a_fail_safe_lock_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = locked(folder.path(), "open_seconds = 1.0");
    let keeper = daemon.started("relay-keeper");
    rewrite(folder.path(), "open_seconds = 1.0", "open_seconds = 2.0");
    rewrite(folder.path(), "confidence = 0.99", "confidence = 0.98");
    daemon.signal("-HUP");
    let mut lines = daemon.lines_until("configuration read anew");
    lines.extend(daemon.lines_for(Duration::from_secs(4)));
    assert_eq!(moves(&lines), Vec::<&str>::new(), "{lines:?}");
    assert_eq!(daemon.started("relay-keeper"), keeper, "one keeper all the way");
    daemon.kill();
}

#[test]
fn another_pin_is_driven_before_the_old_one_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = locked(folder.path(), "pin = 17");
    rewrite(folder.path(), "pin = 17", "pin = 5");
    daemon.signal("-HUP");
    let mut lines = daemon.lines_until("configuration read anew");
    lines.extend(daemon.lines_for(Duration::from_secs(4)));
    assert_eq!(moves(&lines), ["energised (pin 5)", "released (pin 17)"], "{lines:?}");
    // Whoever cleans up after this gate knows the new pin.
    daemon.kill();
    let said = text(&agegate(folder.path(), &["relay", "--off", "--config", "agegate.toml"]).stdout);
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn another_key_of_the_same_log_and_another_name_of_its_mark_need_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    rewrite(folder.path(), "[log]", "[log]\nkey_file = \"other.key\"");
    daemon.signal("-HUP");
    daemon.wait_for("the key of a log is taken at the start: restart the gate for another `log.key_file`");
    assert!(!folder.path().join("other.key").exists());
    // The same folder by another name, with its own key named: the log goes on. Once the cover was opened, its mark bears the old name.
    std::os::unix::fs::symlink("log", folder.path().join("called")).unwrap();
    rewrite(folder.path(), "key_file = \"other.key\"", "key_file = \"log.key\"");
    rewrite(folder.path(), &format!("folder = {:?}", folder.path().join("log")), "folder = \"called\"");
    daemon.signal("-HUP");
    daemon.wait_for("configuration read anew");
    rewrite(folder.path(), "folder = \"called\"", "folder = \"log\"");
    std::fs::write(folder.path().join("called.tampered"), "").unwrap();
    daemon.signal("-HUP");
    daemon.wait_for("what says that the cover was opened lies beside the log's folder");
    daemon.kill();
}

#[test]
fn a_pin_that_cannot_be_had_changes_nothing_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = locked(folder.path(), "open_seconds = 1.0");
    let keeper = daemon.started("relay-keeper");
    // The new log folder and the new policy would do; the chip would not.
    rewrite(folder.path(), "driver = \"simulated\"", "driver = \"cdev\"\nchip = \"no such chip\"\npin = 3");
    rewrite(folder.path(), "/log\"", "/other-log\"");
    rewrite(folder.path(), "confidence = 0.99", "confidence = 0.5");
    daemon.signal("-HUP");
    let mut lines = daemon.lines_until("the old one stays in force");
    assert!(lines.last().unwrap().1.contains("no such chip"), "{lines:?}");
    lines.extend(daemon.lines_for(Duration::from_secs(4)));
    assert_eq!(moves(&lines), Vec::<&str>::new(), "{lines:?}");
    assert_eq!(daemon.started("relay-keeper"), keeper);
    daemon.signal("-TERM");
    daemon.wait_for("agegate stops");
    let shown = text(&agegate(folder.path(), &["log", "show", "--folder", "log"]).stdout);
    assert!(shown.lines().last().unwrap().contains("stop"), "the old log was written to the end:\n{shown}");
    assert!(!shown.contains("P>=0.5") && shown.matches("  start  ").count() == 1, "{shown}");
}

#[test]
fn a_log_folder_that_cannot_be_used_changes_nothing_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = locked(folder.path(), "open_seconds = 1.0");
    rewrite(folder.path(), &format!("{:?}", folder.path().join("log")), "\"/proc/none\"");
    rewrite(folder.path(), "open_seconds = 1.0", "open_seconds = 2.0\npin = 5");
    daemon.signal("-HUP");
    let mut lines = daemon.lines_until("the old one stays in force");
    assert!(lines.last().unwrap().1.contains("/proc/none"), "{lines:?}");
    lines.extend(daemon.lines_for(Duration::from_secs(4)));
    assert_eq!(moves(&lines), Vec::<&str>::new(), "{lines:?}");
    daemon.kill();
}

#[test]
fn a_stopped_keeper_is_replaced_by_one_with_the_new_settings_and_does_not_hang_the_gate() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = locked(folder.path(), "pin = 17");
    rewrite(folder.path(), "pin = 17", "pin = 5");
    let keeper = daemon.started("relay-keeper")[0];
    signal("-STOP", keeper);
    daemon.signal("-HUP");
    let lines = daemon.lines_until("configuration read anew");
    assert_eq!(moves(&lines).last(), Some(&"energised (pin 5)"), "{lines:?}");
    assert_ne!(daemon.started("relay-keeper"), [keeper]);
    daemon.signal("-TERM");
    let asked = std::time::Instant::now();
    assert!(daemon.child.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(1));
}

#[test]
fn whoever_is_on_their_way_through_keeps_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "open_seconds = 6.0");
    let mut daemon = Daemon::start(&["run"], &config);
    let (opened, _) = daemon.wait_for("simulated relay energised");
    rewrite(folder.path(), "open_seconds = 6.0", "open_seconds = 1.0");
    daemon.signal("-HUP");
    let mut lines = daemon.lines_until("configuration read anew");
    if moves(&lines).is_empty() {
        lines.extend(daemon.lines_until("simulated relay released"));
    }
    let (shut, _) = lines.iter().find(|(_, l)| l.contains("simulated relay released")).unwrap();
    let open = shut.duration_since(opened);
    assert!(open > Duration::from_millis(5500) && open < Duration::from_millis(6800), "{open:?}");
    daemon.kill();
}

#[test]
fn the_log_moves_to_another_folder_with_both_chains_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = locked(folder.path(), "open_seconds = 1.0");
    rewrite(folder.path(), "/log\"", "/other-log\"");
    daemon.signal("-HUP");
    daemon.wait_for("configuration read anew");
    daemon.signal("-TERM");
    daemon.wait_for("agegate stops");
    daemon.child.wait().unwrap();
    for log in ["log", "other-log"] {
        assert!(agegate(folder.path(), &["log", "verify", "--folder", log]).status.success());
        let shown = text(&agegate(folder.path(), &["log", "show", "--folder", log]).stdout);
        assert!(shown.lines().last().unwrap().contains("stop"), "{log}:\n{shown}");
    }
}
