//! What the key shows, what it does not, and what only an anchor kept elsewhere shows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use agegate::{
    audit::{AuditLog, Event, GENESIS, files, hash_line},
    config::LogConfig,
};
use common::{agegate, repository, text};

fn session(folder: &Path, records: usize) {
    let config = LogConfig { folder: folder.join("log"), ..LogConfig::default() };
    let mut log = AuditLog::open(&config).unwrap();
    for _ in 0..records {
        log.append(Event::Stop).unwrap();
    }
}

fn only_file(folder: &Path) -> PathBuf {
    files::list(&folder.join("log")).unwrap().pop().unwrap()
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut all = vec!["log", arguments[0], "--folder", "log"];
    all.extend(&arguments[1..]);
    let output = agegate(folder, &all);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn anchor(folder: &Path) -> String {
    let (code, printed, errors) = run(folder, &["anchor"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    printed.trim_end().to_owned()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Rewrites a log as somebody would who has its folder but not the key: all hashes right, `head` too, no codes.
fn rewrite(folder: &Path) {
    let path = only_file(folder);
    let (mut prev, mut seq, mut new) = (GENESIS.to_owned(), 0, String::new());
    for line in std::fs::read_to_string(&path).unwrap().lines() {
        let mut record: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        if record["event"] == "keyed" {
            continue;
        }
        seq += 1;
        record.remove("mac");
        record.insert("seq".into(), seq.into());
        record.insert("prev".into(), prev.into());
        let line = serde_json::to_string(&record).unwrap();
        prev = hash_line(line.as_bytes());
        new += &(line + "\n");
    }
    std::fs::write(&path, new).unwrap();
    std::fs::write(folder.join("log/head"), format!("{seq:020} {prev}\n")).unwrap();
}

#[test]
fn an_anchor_fits_a_receipt_and_the_log_agrees_with_it_later() {
    let folder = tempfile::tempdir().unwrap();
    session(folder.path(), 4);
    let first = anchor(folder.path());
    assert!(first.len() <= 40 && !first.contains(' '), "{first}");
    session(folder.path(), 4);
    let second = anchor(folder.path());
    assert_ne!(first, second);
    let (code, printed, _) = run(folder.path(), &["verify", "--anchor", &first, "--anchor", &second.to_lowercase()]);
    assert!(code == Some(0) && printed.contains("2 anchors agree"), "{printed}");
    std::fs::write(folder.path().join("kept"), format!("# receipts\n{first}  # Monday\n\n{second}\n")).unwrap();
    let (code, printed, _) = run(folder.path(), &["verify", "--anchors", "kept"]);
    assert!(code == Some(0) && printed.contains("2 anchors agree"), "{printed}");
}

#[test]
fn a_typing_error_is_told_from_another_log() {
    let folder = tempfile::tempdir().unwrap();
    session(folder.path(), 4);
    let good = anchor(folder.path());
    let at = good.len() - 4;
    let digit = if good.as_bytes()[at] == b'7' { "8" } else { "7" };
    let (code, _, errors) =
        run(folder.path(), &["verify", "--anchor", &format!("{}{digit}{}", &good[..at], &good[at + 1..])]);
    assert!(code == Some(2) && errors.contains("mistyped"), "{errors}");
    let other = tempfile::tempdir().unwrap();
    session(other.path(), 4);
    let (code, printed, _) = run(other.path(), &["verify", "--anchor", &good]);
    assert!(code == Some(1) && printed.contains("is another one"), "{printed}");
}

#[test]
fn a_folder_put_back_to_an_older_copy_shows_against_an_anchor() {
    let folder = tempfile::tempdir().unwrap();
    session(folder.path(), 4);
    copy(&folder.path().join("log"), &folder.path().join("old"));
    session(folder.path(), 4);
    let kept = anchor(folder.path());
    std::fs::remove_dir_all(folder.path().join("log")).unwrap();
    std::fs::rename(folder.path().join("old"), folder.path().join("log")).unwrap();
    let (code, printed, _) = run(folder.path(), &["verify"]);
    assert!(code == Some(0), "nothing but an anchor can show this: {printed}");
    let (code, printed, _) = run(folder.path(), &["verify", "--anchor", &kept]);
    assert!(code == Some(1) && printed.contains("put back to an older copy"), "{printed}");
    session(folder.path(), 20);
    let (code, printed, _) = run(folder.path(), &["verify", "--anchor", &kept]);
    assert!(code == Some(1) && printed.contains("is another one"), "the log goes on, and it still shows: {printed}");
}

#[test]
fn a_log_rewritten_without_the_key_shows_with_the_key_and_against_an_anchor() {
    let folder = tempfile::tempdir().unwrap();
    session(folder.path(), 6);
    let kept = anchor(folder.path());
    rewrite(folder.path());
    let (code, printed, _) = run(folder.path(), &["verify"]);
    assert!(code == Some(1) && printed.contains("no record bears the code of this key"), "{printed}");
    session(folder.path(), 3);
    let (code, printed, _) = run(folder.path(), &["verify"]);
    assert!(code == Some(1) && printed.contains("tells of a loss"), "{printed}");
    // On another machine, without the key: the anchor shows it.
    let other = tempfile::tempdir().unwrap();
    copy(&folder.path().join("log"), &other.path().join("log"));
    let (code, printed, _) = run(other.path(), &["verify", "--without-key", "--anchor", &kept]);
    assert!(code == Some(1) && printed.contains("anchor"), "{printed}");
}

#[test]
fn without_the_key_it_is_said_what_could_not_be_checked() {
    let folder = tempfile::tempdir().unwrap();
    session(folder.path(), 3);
    let other = tempfile::tempdir().unwrap();
    copy(&folder.path().join("log"), &other.path().join("log"));
    let (code, printed, _) = run(other.path(), &["verify", "--without-key"]);
    assert!(code == Some(0) && printed.contains("the key is not at hand"), "{printed}");
    let key = folder.path().join("log.key");
    let (code, printed, _) = run(other.path(), &["verify", "--key", key.to_str().unwrap()]);
    assert!(code == Some(0) && printed.contains("4 bear the code of the key"), "{printed}");
    let (code, _, errors) = run(other.path(), &["verify", "--key", "none"]);
    assert!(code == Some(2) && errors.contains("none"), "{errors}");
}

#[test]
fn the_key_is_for_the_gate_alone_and_lies_beside_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    session(folder.path(), 1);
    let mode = std::fs::metadata(folder.path().join("log.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!folder.path().join("log.key.new").exists());
}

#[test]
fn a_log_of_version_0_1_0_goes_on_and_is_keyed_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    std::fs::create_dir(&log).unwrap();
    let mut prev = GENESIS.to_owned();
    let mut lines = String::new();
    for seq in 1..=3 {
        let line = format!(
            r#"{{"seq":{seq},"prev":"{prev}","time":"2026-01-01T00:00:0{seq}.000Z","boot":"0a1b2c3d","mono_ms":{seq}000,"clock_synced":null,"event":"stop"}}"#
        );
        prev = hash_line(line.as_bytes());
        lines += &(line + "\n");
    }
    std::fs::write(log.join("decisions-2026-01-01-000.jsonl"), lines).unwrap();
    std::fs::write(log.join("head"), format!("{:020} {prev}\n", 3)).unwrap();
    let (code, printed, _) = run(folder.path(), &["verify"]);
    assert!(code == Some(0) && printed.contains("version 0.1.0"), "{printed}");
    session(folder.path(), 2);
    let (code, printed, _) = run(folder.path(), &["verify"]);
    assert!(
        code == Some(0) && printed.contains("6 records (1 to 6)") && printed.contains("3 bear the code"),
        "{printed}"
    );
    // The old part is held by the record that begins the keyed one.
    let path = files::list(&log).unwrap().remove(0);
    let text = std::fs::read_to_string(&path).unwrap().replacen("\"mono_ms\":3000", "\"mono_ms\":3001", 1);
    std::fs::write(&path, text).unwrap();
    let (code, printed, _) = run(folder.path(), &["verify"]);
    assert!(code == Some(1) && printed.contains("that one was changed"), "{printed}");
}

#[test]
fn the_shipped_example_names_the_new_keys() {
    let text = std::fs::read_to_string(repository().join("config/agegate.toml")).unwrap();
    assert!(text.contains("max_total_bytes = ") && text.contains("# key_file = "));
}
