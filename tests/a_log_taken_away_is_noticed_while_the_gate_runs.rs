//! A record that went nowhere is no record: what is deleted, moved or replaced under the running gate is noticed with the very
//! next decision, which is not acted on; and what is no file never hangs anything.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use agegate::{
    audit::{
        AuditError, AuditLog, Event, files,
        verify::{Against, Report, verify},
    },
    config::LogConfig,
};
use common::{Daemon, agegate, agegate_in_time, text, write_config};

fn config(folder: &Path) -> LogConfig {
    LogConfig { folder: folder.join("log"), ..LogConfig::default() }
}

fn checked(config: &LogConfig) -> Report {
    verify(&config.folder, &Against::key_of(&config.folder, None).unwrap()).unwrap()
}

/// Does something to the log of a running gate: the next record is refused, the one after it is written, and the loss shows
/// for ever.
fn noticed(what: impl FnOnce(&LogConfig), words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut log = AuditLog::open(&config).unwrap();
    for _ in 0..3 {
        log.append(Event::Stop).unwrap();
    }
    what(&config);
    let error = log.append(Event::Stop).unwrap_err();
    assert!(matches!(error, AuditError::Lost { .. }) && error.to_string().contains(words), "{error}");
    log.append(Event::Stop).unwrap();
    log.append(Event::Stop).unwrap();
    for _ in 0..3 {
        let report = checked(&config);
        assert!(report.records > 0 && report.faults.iter().any(|f| f.contains("tells of a loss")), "{report:#?}");
        drop(log);
        log = AuditLog::open(&config).unwrap();
        log.append(Event::Stop).unwrap();
    }
}

fn file(config: &LogConfig) -> std::path::PathBuf {
    files::list(&config.folder).unwrap().pop().unwrap()
}

#[test]
fn the_file_deleted() {
    noticed(|c| std::fs::remove_file(file(c)).unwrap(), "deleted");
}

#[test]
fn the_folder_deleted() {
    noticed(|c| std::fs::remove_dir_all(&c.folder).unwrap(), "deleted or moved");
}

#[test]
fn the_folder_moved_away() {
    noticed(|c| std::fs::rename(&c.folder, c.folder.with_file_name("elsewhere")).unwrap(), "moved away");
}

#[test]
fn the_folder_put_back_to_an_older_copy() {
    noticed(
        |c| {
            let (copy, gone) = (c.folder.with_file_name("copy"), c.folder.with_file_name("gone"));
            assert!(Command::new("cp").arg("-a").args([&c.folder, &copy]).status().unwrap().success());
            let path = copy.join(file(c).file_name().unwrap());
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.lines().take(2).map(|l| format!("{l}\n")).collect::<String>()).unwrap();
            std::fs::rename(&c.folder, gone).unwrap();
            std::fs::rename(copy, &c.folder).unwrap();
        },
        "replaced by another file",
    );
}

#[test]
fn the_file_replaced_by_a_copy_of_itself() {
    noticed(
        |c| {
            let bytes = std::fs::read(file(c)).unwrap();
            std::fs::remove_file(file(c)).unwrap();
            std::fs::write(c.folder.join("x"), "so that the copy has another inode").unwrap();
            std::fs::write(file_name(c), bytes).unwrap();
        },
        "replaced by another file",
    );
}

fn file_name(config: &LogConfig) -> std::path::PathBuf {
    let now = jiff::Timestamp::now().to_string();
    config.folder.join(format!("decisions-{}-000.jsonl", &now[..10]))
}

#[test]
fn the_file_cut() {
    noticed(
        |c| {
            let file = std::fs::OpenOptions::new().write(true).open(file(c)).unwrap();
            file.set_len(10).unwrap();
        },
        "it has 10 bytes",
    );
}

#[test]
fn something_written_to_the_file_by_another() {
    noticed(
        |c| {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new().append(true).open(file(c)).unwrap();
            file.write_all(b"hello\n").unwrap();
        },
        "the gate had written",
    );
}

#[test]
fn the_head_deleted() {
    noticed(|c| std::fs::remove_file(c.folder.join("head")).unwrap(), "head while the gate ran");
}

#[test]
fn the_key_deleted() {
    noticed(|c| std::fs::remove_file(c.folder.with_file_name("log.key")).unwrap(), "log.key while the gate ran");
}

/// What is done to a key while the gate runs is told, noted once, and the key is back. Returns what the gate said, and the folder.
fn key_comes_back(harm: impl FnOnce(&Path)) -> (String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut log = AuditLog::open(&config).unwrap();
    let path = folder.path().join("log.key");
    let key = std::fs::read(&path).unwrap();
    harm(&path);
    let said = log.append(Event::Stop).unwrap_err().to_string();
    for _ in 0..3 {
        log.append(Event::Stop).unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), key);
    let report = checked(&config);
    assert!(report.authentic == report.records && report.faults.len() == 1, "{report:#?}");
    (said, folder)
}

#[test]
fn a_key_that_was_deleted_is_put_back_since_the_gate_still_knows_it() {
    key_comes_back(|path| std::fs::remove_file(path).unwrap());
}

#[test]
fn a_key_that_was_overwritten_is_noted_and_put_back_since_the_gate_still_knows_it() {
    for other in [format!("agegate-log-key 1 {}\n", "5a".repeat(32)), String::new(), "a diary".into()] {
        let (said, _folder) = key_comes_back(|path| std::fs::write(path, other).unwrap());
        assert!(said.contains("log.key while the gate ran: it was overwritten"), "{said}");
    }
}

#[test]
fn what_replaced_a_key_is_noted_once_and_set_aside_and_the_key_is_back() {
    let other = |path: &Path| std::fs::write(path, format!("agegate-log-key 1 {}\n", "5a".repeat(32))).unwrap();
    let diary = |path: &Path| std::fs::write(path, "not made by the program").unwrap();
    let folder = |path: &Path| std::fs::create_dir(path).unwrap();
    let link = |path: &Path| std::os::unix::fs::symlink("kept", path).unwrap();
    let replacements: [&dyn Fn(&Path); 4] = [&other, &diary, &folder, &link];
    for replace in replacements {
        let mut kind = None;
        let (_, folder) = key_comes_back(|path| {
            std::fs::rename(path, path.with_file_name("kept")).unwrap();
            replace(path);
            kind = Some(std::fs::symlink_metadata(path).unwrap().file_type());
        });
        let aside = folder.path().join("log.key.replaced-1");
        assert_eq!(Some(std::fs::symlink_metadata(&aside).unwrap().file_type()), kind);
    }
}

#[test]
fn events_that_could_not_be_written_are_counted_by_the_next_record() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut log = AuditLog::open(&config).unwrap();
    let head = config.folder.join("head");
    std::fs::remove_file(&head).unwrap();
    std::fs::create_dir(&head).unwrap();
    for _ in 0..3 {
        log.append(Event::Stop).unwrap_err();
    }
    std::fs::remove_dir(&head).unwrap();
    log.append(Event::Stop).unwrap_err();
    for _ in 0..2 {
        log.append(Event::Stop).unwrap();
        let notes = checked(&config).notes;
        let told = notes.iter().filter(|note| note.contains("events could not be written: 4, from ")).count();
        assert_eq!(told, 1, "{notes:#?}");
    }
    drop(log);
    AuditLog::open(&config).unwrap();
    assert!(checked(&config).notes.iter().any(|note| note.contains("could not be written: 4")));
    let shown = text(&agegate(folder.path(), &["log", "show", "--folder", "log"]).stdout);
    assert_eq!(shown.lines().filter(|line| line.contains("unlogged   4 events from")).count(), 1, "{shown}");
}

#[test]
fn a_pipe_in_place_of_the_file_is_an_error_each_time_until_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut log = AuditLog::open(&config).unwrap();
    let path = file(&config);
    std::fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    for _ in 0..3 {
        assert!(log.append(Event::Stop).unwrap_err().to_string().contains("FIFO"));
    }
    std::fs::remove_file(&path).unwrap();
    assert!(log.append(Event::Stop).is_err());
    log.append(Event::Stop).unwrap();
    assert!(!checked(&config).intact());
}

/// Runs the program with a time limit.
fn within(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = agegate_in_time(folder, arguments);
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn what_is_no_file_is_named_and_hangs_nothing() {
    let kinds: [(&str, &[&str]); 4] = [
        ("FIFO", &["mkfifo"]),
        ("symbolic link", &["ln", "-s", "/dev/zero"]),
        ("folder", &["mkdir"]),
        ("device", &["mknod"]),
    ];
    for (kind, make) in kinds {
        for name in ["decisions-2030-01-01-000.jsonl", "head", "lock", "../log.key"] {
            let folder = tempfile::tempdir().unwrap();
            let toml = write_config(folder.path(), "");
            AuditLog::open(&config(folder.path())).unwrap().append(Event::Stop).unwrap();
            let path = folder.path().join("log").join(name);
            let _ = std::fs::remove_file(&path);
            let mut command = Command::new(make[0]);
            command.args(&make[1..]).arg(&path);
            if make[0] == "mknod" {
                command.args(["c", "1", "5"]);
            }
            if !command.stderr(Stdio::null()).status().unwrap().success() {
                assert_eq!(make[0], "mknod", "only devices need rights");
                continue;
            }
            let (code, said) = within(folder.path(), &["run", "--config", toml.to_str().unwrap()]);
            assert!(code == Some(2) && said.contains(kind), "run, {kind} as {name}: {code:?} {said}");
            let (code, said) = within(folder.path(), &["check", "--config", toml.to_str().unwrap()]);
            if name != "lock" {
                assert!(code == Some(1) && said.contains(kind), "check, {kind} as {name}: {code:?} {said}");
                let (code, said) = within(folder.path(), &["log", "verify", "--folder", "log"]);
                assert!(code != Some(0) && said.contains(kind), "verify, {kind} as {name}: {code:?} {said}");
            }
            for command in ["show", "stats", "export"] {
                let (code, said) = within(folder.path(), &["log", command, "--folder", "log"]);
                if name.starts_with("decisions") {
                    assert!(code == Some(1) && said.contains(kind), "{command}, {kind} as {name}: {code:?} {said}");
                }
            }
        }
    }
}

#[test]
fn show_stats_and_export_tell_what_they_could_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut log = AuditLog::open(&config).unwrap();
    for _ in 0..4 {
        log.append(Event::Stop).unwrap();
    }
    let path = file(&config);
    let mut lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(Into::into).collect();
    lines[2].truncate(40);
    lines[3] = "x".repeat(100_000);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    for command in ["show", "stats", "export"] {
        let output = agegate(folder.path(), &["log", command, "--folder", "log"]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(errors.contains("line 3: ") && errors.contains("line 4: ") && errors.contains("2 lines"), "{errors}");
    }
    let shown = text(&agegate(folder.path(), &["log", "show", "--folder", "log"]).stdout);
    assert_eq!(shown.lines().count(), 3, "the others are shown: {shown}");
}

#[test]
fn the_running_gate_says_so_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let toml = write_config(folder.path(), "");
    let mut daemon = Daemon::start(&["run"], &toml);
    daemon.wait_for("gate] decision");
    std::fs::remove_dir_all(folder.path().join("log")).unwrap();
    daemon.wait_for("is not acted on");
    daemon.signal("-TERM");
    daemon.child.wait().unwrap();
    let output = agegate(folder.path(), &["log", "verify", "--folder", "log"]);
    let printed = text(&output.stdout);
    assert!(output.status.code() == Some(1) && printed.contains("deleted or moved away"), "{printed}");
}
