//! Every command survives a standard output that is closed or full.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    fs::OpenOptions,
    path::Path,
    process::{Command, Stdio},
};

use agegate::{
    audit::{AuditLog, Event},
    config::LogConfig,
};
use common::{close_view, text, write_config};

/// A folder with all that the commands need, and the commands: each prints something.
fn commands(folder: &Path) -> Vec<Vec<String>> {
    let config = write_config(folder, "");
    close_view("adult").save(folder.join("adult.png")).unwrap();
    let mut log = AuditLog::open(&LogConfig { folder: folder.join("log"), ..LogConfig::default() }).unwrap();
    for _ in 0..2000 {
        log.append(Event::Stop).unwrap();
    }
    let config = config.to_str().unwrap();
    [
        "--help",
        "--version",
        "log --help",
        "help run",
        "log show --folder log",
        "log show --json --folder log",
        "log verify --folder log",
        "log verify --json --folder log",
        "log anchor --folder log",
        "log stats --folder log",
        "log stats --json --folder log",
        "log export --folder log",
        &format!("check --config {config}"),
        &format!("relay --off --config {config}"),
        "replay adult.png --repeat 20 --frames",
        "detect adult.png",
    ]
    .iter()
    .map(|line| line.split(' ').map(Into::into).collect())
    .collect()
}

#[test]
fn a_full_output_is_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in commands(folder.path()) {
        let output = Command::new(env!("CARGO_BIN_EXE_agegate"))
            .current_dir(folder.path())
            .args(&arguments)
            .stdout(OpenOptions::new().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().filter(|l| l.contains("standard output")).count(), 1, "{arguments:?}: {errors}");
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_closed_output_ends_quietly_with_the_code_it_would_have() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in commands(folder.path()) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_agegate"))
            .current_dir(folder.path())
            .args(&arguments)
            .stdout(writer)
            .output()
            .unwrap();
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
        assert!(!errors.contains("panicked") && !errors.contains("standard output"), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_broken_chain_is_said_by_the_exit_code_even_to_a_closed_output() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_agegate"))
        .current_dir(folder.path())
        .args(["log", "verify", "--folder", "none"])
        .stdout(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn an_error_that_cannot_be_said_is_no_panic_either() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["run", "--config", "none.toml"][..], &["--nonsense"], &["log", "show", "--config", "none.toml"]]
    {
        let status = Command::new(env!("CARGO_BIN_EXE_agegate"))
            .current_dir(folder.path())
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(OpenOptions::new().write(true).open("/dev/full").unwrap())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}");
    }
}
