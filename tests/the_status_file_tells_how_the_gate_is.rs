//! Beside its run-time file the gate keeps a small status file, whole at every moment; and log and status can be read by the
//! group, as the unit has it, the key and the lock by nobody but the gate's user.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use agegate::status::{Camera, State};
use common::{Daemon, agegate, run_folder, status_path, wait_for_status as wait, write_config};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_tells_of_frames_decisions_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(run_folder(folder.path())).unwrap();
    let config = write_config(folder.path(), "");
    let mut daemon = Daemon::start(&["run"], &config);
    let status =
        wait(folder.path(), |s| s.counters.decisions.values().sum::<u64>() > 0 && s.counters.frames_judged > 5);
    assert_eq!((status.state, status.camera), (State::InUse, Camera::Watching), "{status:?}");
    assert_eq!((status.config.as_path(), status.pid), (config.canonicalize().unwrap().as_path(), daemon.child.id()));
    assert!(status.last_frame.is_some() && !status.policy.is_empty(), "{status:?}");
    let first = status.mono_ms;
    wait(folder.path(), |s| s.mono_ms > first);
    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
    assert_eq!(wait(folder.path(), |_| true).state, State::Stopped);
    let said = std::fs::read_to_string(status_path(folder.path()).unwrap()).unwrap();
    for word in ["band", "confidence", "estimate", "landmark"] {
        assert!(!said.contains(word), "nothing about a person: {said}");
    }
}

#[test]
fn a_log_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(run_folder(folder.path())).unwrap();
    let mut daemon = Daemon::start(&["run"], &write_config(folder.path(), ""));
    wait(folder.path(), |s| s.state == State::InUse && s.counters.frames_judged > 0);
    std::fs::rename(folder.path().join("log"), folder.path().join("elsewhere")).unwrap();
    std::fs::write(folder.path().join("log"), "no folder").unwrap();
    let status = wait(folder.path(), |s| s.state == State::LogFailed);
    assert!(status.counters.decisions_unlogged > 0 || status.since != status.started, "{status:?}");
    daemon.kill();
}

#[test]
fn as_the_unit_has_it_the_group_may_read_log_and_status_but_neither_key_nor_lock() {
    let unit = std::fs::read_to_string(common::repository().join("systemd/agegate.service")).unwrap();
    let umask = unit.lines().find_map(|l| l.strip_prefix("UMask=")).unwrap().to_owned();
    assert!(unit.contains("StateDirectoryMode=0750"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(run_folder(folder.path())).unwrap();
    let config = write_config(folder.path(), "");
    let command = format!("umask {umask}; exec {} run --config {}", env!("CARGO_BIN_EXE_agegate"), config.display());
    let mut child =
        Command::new("sh").args(["-c", &command]).env("RUNTIME_DIRECTORY", run_folder(folder.path())).spawn().unwrap();
    let status = wait(folder.path(), |s| s.counters.decisions.values().sum::<u64>() > 0);
    common::signal("-TERM", status.pid);
    child.wait().unwrap();
    let log = folder.path().join("log");
    let records = std::fs::read_dir(&log).unwrap().map(|e| e.unwrap().path());
    for path in records.filter(|p| p.extension().is_some_and(|e| e == "jsonl")) {
        assert_eq!(mode(&path), 0o640, "{}", path.display());
    }
    assert_eq!((mode(&log), mode(&log.join("head"))), (0o750, 0o640));
    assert_eq!(mode(&status_path(folder.path()).unwrap()), 0o640);
    // Who could take the lock could keep the gate from starting.
    assert_eq!((mode(&folder.path().join("log.key")), mode(&log.join("lock"))), (0o600, 0o600));
    assert!(agegate(folder.path(), &["log", "verify", "--folder", "log"]).status.success());
}
