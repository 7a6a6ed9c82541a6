//! `agegate relay --off`, the unit's `ExecStopPost`: whatever the configuration says by then, and whoever holds the line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{path::Path, time::Duration};

use agegate::runtime::Process;
use common::{Daemon, agegate, signal, text, write_config_with_an_adult};

/// Exit code, standard output, standard error.
fn off(folder: &Path) -> (Option<i32>, String, String) {
    let output = agegate(folder, &["relay", "--off", "--config", "agegate.toml"]);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn killed_gate(folder: &Path) -> std::path::PathBuf {
    let config = write_config_with_an_adult(folder, "open_seconds = 20.0\nmax_open_seconds = 20.0");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("simulated relay energised");
    daemon.kill();
    config
}

#[test]
fn with_a_configuration_that_is_broken_missing_or_names_another_relay() {
    let folder = tempfile::tempdir().unwrap();
    let config = killed_gate(folder.path());
    let good = std::fs::read_to_string(&config).unwrap();
    for text in [good.clone() + "[visit]\ngood_frames = 99\n", "= no TOML".into(), good.replace("simulated", "cdev")] {
        std::fs::write(&config, &text).unwrap();
        let (code, said, error) = off(folder.path());
        assert_eq!(
            (code, said.as_str()),
            (Some(0), "simulated relay (no pin is driven): released\n"),
            "{text}\n{error}"
        );
    }
    std::fs::remove_file(&config).unwrap();
    assert_eq!(off(folder.path()).0, Some(0));
}

#[test]
fn where_no_gate_has_run_only_the_relay_table_has_to_be_readable() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("agegate.toml"), text).unwrap();
    write("[visit]\ngood_frames = 99\n[relay]\ndriver = \"simulated\"\nopen_seconds = 900\n");
    assert_eq!(off(folder.path()).0, Some(0));
    write("= no TOML\n[relay]\ndriver = \"simulated\"\n");
    assert_eq!(off(folder.path()).0, Some(0));
    write("[relay]\ndriver = \"none\"\n");
    let (code, _, error) = off(folder.path());
    assert!(code == Some(2) && error.contains("[relay]") && error.contains("none"), "{error}");
}

#[test]
fn a_stopped_keeper_of_a_killed_gate_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "open_seconds = 20.0\nmax_open_seconds = 20.0");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("simulated relay energised");
    let keeper = daemon.started("relay-keeper")[0];
    let process = Process::of(keeper).unwrap();
    signal("-STOP", keeper);
    daemon.kill();
    assert!(process.exists(), "it neither sees the pipe close nor its deadline");
    let (code, _, error) = off(folder.path());
    assert!(code == Some(0) && error.contains("it is killed"), "{error}");
    assert!(process.wait(Duration::from_secs(2)));
}

#[test]
fn a_stopped_gate_and_a_stopped_keeper_do_not_keep_the_door_open() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "open_seconds = 20.0\nmax_open_seconds = 20.0");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("simulated relay energised");
    let keeper = daemon.started("relay-keeper")[0];
    let process = Process::of(keeper).unwrap();
    daemon.signal("-STOP");
    signal("-STOP", keeper);
    assert_eq!(off(folder.path()).0, Some(0));
    // A zombie until its gate is gone too.
    assert!(process.wait(Duration::from_secs(2)));
    daemon.kill();
}

#[test]
fn the_relay_of_a_gate_at_work_is_not_pulled_from_under_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    let (code, _, error) = off(folder.path());
    assert_eq!(code, Some(2));
    assert!(error.contains(&format!("process {}", daemon.child.id())) && error.contains("stop it first"), "{error}");
    daemon.kill();
}
