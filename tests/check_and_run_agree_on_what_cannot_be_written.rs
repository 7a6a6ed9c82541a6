//! What the gate could not write on the day on which it must is told by `check`, with the key that says where it is, and keeps `run` from
//! starting: the door stays shut, and nobody relies on an alarm or a record that there will not be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    os::unix::fs::{PermissionsExt, lchown},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{
    door_unit::{TAMPER, drive, line, write_unit},
    run_folder, text,
};

/// Whoever is nobody; root may write anywhere.
const NOBODY: u32 = 65534;

/// A gate of its own, whose records, key and mark can each be sealed.
struct Board {
    folder: tempfile::TempDir,
}

impl Board {
    fn new(log: &str, unit: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_unit(folder.path(), &[("nobody", 600)], "", unit);
        drive(folder.path(), TAMPER, "0");
        let config = folder.path().join("agegate.toml");
        let whole = std::fs::read_to_string(&config).unwrap();
        let edited: Vec<&str> = whole.lines().map(|l| if l.starts_with("folder = ") { log } else { l }).collect();
        std::fs::write(&config, edited.join("\n")).unwrap();
        for name in ["place/log", "keys"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        std::fs::copy(env!("CARGO_BIN_EXE_agegate"), folder.path().join("agegate")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What nobody may write to from now on.
    fn seal(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn agegate(&self, command: &str) -> Output {
        let program = self.path("agegate");
        let mut run = if rustix::process::getuid().is_root() {
            own(self.folder.path());
            let mut run = Command::new("setpriv");
            run.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
            run
        } else {
            Command::new(program)
        };
        let run = run.args([command, "--config", "agegate.toml"]).current_dir(self.folder.path());
        run.env("RUNTIME_DIRECTORY", run_folder(self.folder.path())).output().unwrap()
    }

    /// What both say; `check` in a line that begins with FAIL.
    fn refused(&self, told: &str, key: &str) {
        let check = self.agegate("check");
        let printed = text(&check.stdout);
        let line = printed.lines().find(|l| l.contains(told)).unwrap_or_else(|| panic!("{told}: {printed}"));
        assert!(line.starts_with("FAIL  ") && line.contains(&format!("`{key}`")), "{line}");
        assert_eq!(check.status.code(), Some(1), "{printed}");
        let run = self.agegate("run");
        let said = text(&run.stderr);
        assert!(run.status.code() == Some(2) && said.contains(told) && said.contains(&format!("`{key}`")), "{said}");
        assert!(!said.contains("energised"), "{said}");
    }
}

/// Gives a folder and all in it to nobody.
fn own(path: &Path) {
    lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in std::fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path());
        }
    }
}

#[test]
fn the_mark_of_an_opened_cover() {
    let log = "folder = \"place/log\"\nkey_file = \"keys/log.key\"";
    let board = Board::new(log, &format!("[inputs]\ntamper = {}\n", line(TAMPER)));
    board.seal("place", 0o555);
    board.refused("that the cover was opened could not be kept there", "log.folder");
}

#[test]
fn the_key() {
    let board = Board::new("folder = \"place/log\"\nkey_file = \"keys/log.key\"", "");
    board.seal("keys", 0o555);
    board.refused("log.key", "log.key_file");
}

#[test]
fn the_folder_of_records() {
    let board = Board::new("folder = \"place/log\"", "");
    std::fs::write(board.path("place/log/decisions-2026-01-01-000.jsonl"), "").unwrap();
    std::fs::write(board.path("place/log/lock"), "").unwrap();
    std::fs::write(board.path("place/log/head"), "").unwrap();
    board.seal("place/log", 0o555);
    board.refused("writing to the folder failed", "log.folder");
}

#[test]
fn the_newest_file_of_records() {
    let board = Board::new("folder = \"place/log\"", "");
    std::fs::write(board.path("place/log/decisions-2026-01-01-000.jsonl"), "").unwrap();
    board.seal("place/log/decisions-2026-01-01-000.jsonl", 0o444);
    board.refused("decisions-2026-01-01-000.jsonl: opening failed", "log.folder");
}
