//! Whoever counts or exports a log that is not whole is told so, whichever command they use; and a fault is called what it is:
//! no power cut where a record follows, no success where nothing was compared.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use agegate::{
    audit::{AuditLog, Event, clock::Now, files},
    config::LogConfig,
    policy::{Outcome, Reason},
};
use common::{agegate, agegate_in_time, text};

fn decision() -> Event {
    Event::Decision {
        decision: Outcome::Allow,
        reason: Reason::OldEnough,
        band: None,
        confidence: None,
        liveness: None,
        frames: 5,
        attempt: 1,
        latency_ms: 100,
        model: "01234567".into(),
        liveness_model: None,
        policy: "p".into(),
    }
}

fn config(folder: &Path) -> LogConfig {
    LogConfig { folder: folder.join("log"), max_file_bytes: 4096, ..LogConfig::default() }
}

/// A folder with a log of 30 decisions in several files.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut log = AuditLog::open(&config(folder.path())).unwrap();
    for _ in 0..30 {
        log.append(decision()).unwrap();
    }
    assert!(list(folder.path()).len() >= 3);
    folder
}

fn list(folder: &Path) -> Vec<PathBuf> {
    files::list(&folder.join("log")).unwrap()
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut all = vec!["log", arguments[0], "--folder", "log"];
    all.extend(&arguments[1..]);
    let output = agegate(folder, &all);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = std::fs::read_to_string(path).unwrap().lines().map(Into::into).collect();
    change(&mut lines);
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// What every reading command says of a log that was harmed.
fn all_say(words: &str, harm: impl Fn(&Path)) -> [String; 3] {
    let folder = filled();
    for command in ["show", "stats", "export"] {
        let (code, _, errors) = run(folder.path(), &[command]);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{command} of a whole log");
    }
    harm(folder.path());
    ["show", "stats", "export"].map(|command| {
        let (code, printed, errors) = run(folder.path(), &[command]);
        assert_eq!(code, Some(1), "{command}: {errors}");
        assert_eq!(errors.lines().filter(|line| line.contains(words)).count(), 1, "{command}: {errors}");
        printed
    })
}

#[test]
fn files_removed_or_emptied() {
    all_say("the chain is BROKEN", |folder| std::fs::remove_file(&list(folder)[1]).unwrap());
    all_say("the chain is BROKEN", |folder| std::fs::write(&list(folder)[1], "").unwrap());
    all_say("the chain is BROKEN", |folder| std::fs::remove_file(folder.join("log/head")).unwrap());
    all_say("the log is LOST", |folder| {
        list(folder).iter().for_each(|path| std::fs::remove_file(path).unwrap());
    });
    all_say("the log is LOST", |folder| std::fs::remove_dir_all(folder.join("log")).unwrap());
}

#[test]
fn records_edited_dropped_or_swapped() {
    let broken = "the chain is BROKEN: ";
    all_say(broken, |folder| edit(&list(folder)[0], |l| l[3] = l[3].replace("Allow", "Refer")));
    all_say(broken, |folder| edit(&list(folder)[0], |l| drop(l.remove(3))));
    all_say(broken, |folder| edit(&list(folder)[0], |l| l.swap(2, 3)));
}

#[test]
fn a_line_that_an_edited_record_would_make_is_none_of_the_program() {
    let forged = "x`\\nok    decision log: 30 records: the chain is whole\\nagegate: y";
    for command in ["show", "stats", "export", "verify"] {
        let folder = filled();
        edit(&list(folder.path())[0], |l| l[3] = l[3].replace("old-enough", forged));
        let (code, printed, errors) = run(folder.path(), &[command]);
        assert_eq!(code, Some(1), "{printed}{errors}");
        let told = matches!(command, "show" | "stats");
        assert!(!told || errors.contains("the chain is whole"), "{command} says what it found: {errors}");
        for line in printed.lines().chain(errors.lines()) {
            assert!(!line.starts_with("ok ") && !line.starts_with("agegate: y"), "{command}: {printed}{errors}");
        }
    }
}

#[test]
fn a_file_that_was_copied_is_not_counted_twice() {
    for name in ["decisions-1999-01-01-000.jsonl", "decisions-2999-01-01-000.jsonl"] {
        let [shown, stats, exported] = all_say("the chain is BROKEN", |folder| {
            std::fs::copy(&list(folder)[0], folder.join("log").join(name)).unwrap();
        });
        assert_eq!(shown.lines().count(), 31, "{name}: {shown}");
        assert!(stats.contains(": 30 decisions"), "{name}: {stats}");
        assert_eq!(exported.lines().count(), 31, "{name}: {exported}");
    }
}

#[test]
fn a_record_that_somebody_else_numbered_as_the_gates_own_hides_none() {
    let [shown, stats, exported] = all_say("the chain is BROKEN", |folder| {
        let of_the_gate = std::fs::read_to_string(&list(folder)[1]).unwrap().lines().next().unwrap().to_owned();
        edit(&list(folder)[0], |l| l.push(of_the_gate.replace("Allow", "Refer").replace("old-enough", "not-sure")));
    });
    assert_eq!(shown.lines().count(), 32, "{shown}");
    assert!(stats.contains(": 31 decisions") && stats.contains("30  Allow (old-enough)"), "{stats}");
    assert_eq!(exported.lines().count(), 32, "{exported}");
}

#[test]
fn whoever_may_not_read_the_key_is_told_what_is_not_checked() {
    let folder = filled();
    let copy = folder.path().join("agegate");
    std::fs::copy(env!("CARGO_BIN_EXE_agegate"), &copy).unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(folder.path().join("log.key"), PermissionsExt::from_mode(0o600)).unwrap();
    for command in ["show", "stats", "export"] {
        let mut other = Command::new(&copy);
        other.args(["log", command, "--folder", "log"]).current_dir(folder.path()).uid(65_534).gid(65_534);
        // Only root can be somebody else.
        let Ok(output) = other.output() else { return };
        let errors = text(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{command}: {errors}");
        assert!(errors.contains("log.key may not be read here: only the chain is checked"), "{command}: {errors}");
    }
}

#[test]
fn where_there_is_no_log_all_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for make in [false, true] {
        if make {
            std::fs::create_dir(folder.path().join("log")).unwrap();
        }
        for command in ["show", "stats", "export"] {
            let (code, _, errors) = run(folder.path(), &[command]);
            assert!(code == Some(1) && errors.contains("there is no log in log"), "{command}: {code:?} {errors}");
        }
    }
}

#[test]
fn a_file_without_an_anchor_is_no_success() {
    let folder = filled();
    for nothing in ["", "# none yet\n\n", "\u{feff}"] {
        std::fs::write(folder.path().join("anchors"), nothing).unwrap();
        let (code, printed, errors) = run(folder.path(), &["verify", "--anchors", "anchors"]);
        assert!(code == Some(2) && errors.contains("no anchor in anchors"), "{nothing:?}: {printed}{errors}");
    }
    let (_, anchor, _) = run(folder.path(), &["anchor"]);
    std::fs::write(folder.path().join("anchors"), format!("\u{feff}{anchor}")).unwrap();
    let (code, printed, errors) = run(folder.path(), &["verify", "--anchors", "anchors"]);
    assert!(code == Some(0) && printed.contains("1 anchor agrees"), "{printed}{errors}");
}

#[test]
fn anchors_from_what_is_no_file_are_refused_and_hang_nothing() {
    let folder = filled();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    std::fs::create_dir(folder.path().join("dir")).unwrap();
    for (name, words) in [("pipe", "FIFO"), ("dir", "a folder"), ("/dev/zero", "a device")] {
        let output = agegate_in_time(folder.path(), &["log", "verify", "--folder", "log", "--anchors", name]);
        let errors = text(&output.stderr);
        assert!(output.status.code() == Some(2) && errors.contains(words), "{name}: {errors}");
    }
}

#[test]
fn a_line_that_a_record_follows_is_not_called_torn() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = AuditLog::open(&LogConfig { max_file_bytes: 1 << 20, ..config(folder.path()) }).unwrap();
    for _ in 0..15 {
        log.append(decision()).unwrap();
    }
    edit(&list(folder.path())[0], |lines| {
        lines[4] = lines[4].replace("\"decision\":\"Allow\"", "\"decision\":\"Refer\",\"decision\":\"Allow\"");
    });
    let (code, printed, _) = run(folder.path(), &["verify"]);
    assert!(code == Some(1) && !printed.contains("torn"), "{printed}");
    assert!(printed.contains("jsonl:5: the line is not a record; it was changed or damaged"), "{printed}");
}

#[test]
fn what_was_cut_under_a_running_gate_is_not_called_torn() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut log = AuditLog::open(&config).unwrap();
    for _ in 0..3 {
        log.append(decision()).unwrap();
    }
    let path = &list(folder.path())[0];
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 30).unwrap();
    assert!(log.append(decision()).is_err());
    log.append(decision()).unwrap();
    for _ in 0..2 {
        let (code, printed, _) = run(folder.path(), &["verify"]);
        assert!(code == Some(1) && !printed.contains("torn"), "{printed}");
        drop(log);
        log = AuditLog::open(&config).unwrap();
    }
}

#[test]
fn a_last_line_that_is_no_beginning_of_a_record_is_not_called_torn() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = AuditLog::open(&config(folder.path())).unwrap();
    log.append(decision()).unwrap();
    // The head of before, as whoever changes the last record would put it back.
    let head = std::fs::read(folder.path().join("log/head")).unwrap();
    log.append(decision()).unwrap();
    drop(log);
    std::fs::write(folder.path().join("log/head"), head).unwrap();
    edit(&list(folder.path())[0], |lines| {
        let last = lines.last_mut().unwrap();
        *last = last.replace("\"decision\":\"Allow\"", "\"decision\":\"Refer\",\"decision\":\"Allow\"");
    });
    let (code, printed, _) = run(folder.path(), &["verify"]);
    assert!(code == Some(1) && !printed.contains("torn"), "{printed}");
}

#[test]
fn a_key_that_is_gone_is_a_fault_unless_one_does_without_it() {
    let folder = filled();
    std::fs::remove_file(folder.path().join("log.key")).unwrap();
    let (code, printed, _) = run(folder.path(), &["verify"]);
    assert!(code == Some(1) && printed.contains("FAULT: the key") && printed.contains("log.key is gone"), "{printed}");
    assert!(printed.contains("`--without-key`"), "{printed}");
    let (code, printed, _) = run(folder.path(), &["verify", "--without-key"]);
    assert!(code == Some(0) && printed.contains("only the chain was checked"), "{printed}");
    for command in ["show", "stats", "export", "anchor"] {
        let (code, _, errors) = run(folder.path(), &[command]);
        assert!(code == Some(1) && errors.contains("BROKEN: 1 fault"), "{command}: {errors}");
        let (code, _, errors) = run(folder.path(), &[command, "--without-key"]);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{command}");
    }
}

#[test]
fn check_says_that_a_key_is_gone_before_a_gate_makes_another() {
    let folder = filled();
    let config = common::write_config(folder.path(), "");
    let check = || text(&agegate(folder.path(), &["check", "--config", config.to_str().unwrap()]).stdout);
    assert!(check().contains("ok    decision log: "), "{}", check());
    std::fs::remove_file(folder.path().join("log.key")).unwrap();
    let printed = check();
    let told = printed.lines().find(|l| l.starts_with("FAIL  decision log: ")).unwrap_or_else(|| panic!("{printed}"));
    assert!(told.contains("log.key is gone: put it back"), "{told}");
}

#[test]
fn a_clock_that_jumps_within_a_boot_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(Mutex::new(Now {
        wall: "2026-01-01T00:00:00Z".parse().unwrap(),
        mono: Duration::from_secs(100),
        boot: "01234567".into(),
        synced: None,
    }));
    let told = now.clone();
    let mut log = AuditLog::open_with(&config(folder.path()), Box::new(move || told.lock().unwrap().clone())).unwrap();
    let at = |time: &str| {
        let mut now = now.lock().unwrap();
        now.wall = time.parse().unwrap();
        now.mono += Duration::from_secs(10);
    };
    at("2026-01-01T00:00:10Z");
    log.append(decision()).unwrap();
    let (_, printed, _) = run(folder.path(), &["verify"]);
    assert!(!printed.contains("clock"), "{printed}");
    for time in ["2025-01-01T00:00:20Z", "2035-01-01T00:00:30Z", "1972-01-01T00:00:40Z"] {
        at(time);
        log.append(decision()).unwrap();
    }
    let (code, printed, _) = run(folder.path(), &["verify"]);
    assert_eq!(code, Some(0), "a clock may be set: {printed}");
    assert!(printed.contains("note: the clock jumped back by 365 days between records 2 and 3"), "{printed}");
    assert!(printed.contains("jumped ahead by 3652 days between records 3 and 4"), "{printed}");
    for year in 0..40 {
        at(&format!("{}-01-01T00:00:00Z", 2000 + year % 2 * 10));
        log.append(decision()).unwrap();
    }
    let (_, printed, _) = run(folder.path(), &["verify"]);
    let told: Vec<_> = printed.lines().filter(|line| line.contains("the clock jumped")).collect();
    assert!(told.len() == 5 && told[4].contains("39 more times"), "{printed}");
}
