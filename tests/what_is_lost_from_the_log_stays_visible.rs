//! Whatever is cut, changed or taken away from the log is reported for ever, however often the gate starts after it; a power
//! cut never is. Rule 8 of the design.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::{Path, PathBuf};

use agegate::{
    audit::{
        AuditLog, Event, files, reader,
        verify::{Against, Report, verify},
    },
    config::LogConfig,
};
use common::{Daemon, agegate, text, write_config};
use proptest::prelude::*;

fn config(folder: &Path) -> LogConfig {
    LogConfig { folder: folder.join("log"), max_file_bytes: 4096, ..LogConfig::default() }
}

/// A start of the gate that writes some records and ends.
fn session(config: &LogConfig, records: usize) {
    let mut log = AuditLog::open(config).unwrap();
    for _ in 0..records {
        log.append(Event::Stop).unwrap();
    }
}

fn checked(config: &LogConfig) -> Report {
    verify(&config.folder, &Against::key_of(&config.folder, None).unwrap()).unwrap()
}

fn newest(config: &LogConfig) -> PathBuf {
    files::list(&config.folder).unwrap().pop().unwrap()
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(Into::into).collect()
}

/// Damages a log of two files and tells what verifying says before the next start, after it, and ten starts later.
fn damaged(damage: impl FnOnce(&LogConfig)) -> [Report; 3] {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    session(&config, 20);
    session(&config, 3);
    assert!(checked(&config).intact() && checked(&config).files >= 2);
    damage(&config);
    let before = checked(&config);
    session(&config, 3);
    let after = checked(&config);
    for _ in 0..10 {
        session(&config, 2);
    }
    [before, after, checked(&config)]
}

fn assert_visible(reports: &[Report; 3], words: &str) {
    for (report, when) in reports.iter().zip(["before the next start", "after it", "ten starts later"]) {
        assert!(!report.intact(), "{when}: {report:?}");
    }
    let last = &reports[2].faults;
    assert!(last.iter().any(|fault| fault.contains(words)), "{words:?} in {last:#?}");
}

#[test]
fn the_last_records_cut_off() {
    let reports = damaged(|config| {
        let path = newest(config);
        let kept = lines(&path);
        std::fs::write(&path, kept[..kept.len() - 2].join("\n") + "\n").unwrap();
    });
    assert_visible(&reports, "are missing at the end");
}

#[test]
fn the_last_file_taken_away() {
    assert_visible(&damaged(|config| std::fs::remove_file(newest(config)).unwrap()), "missing at the end");
}

#[test]
fn the_last_file_emptied() {
    assert_visible(&damaged(|config| std::fs::write(newest(config), "").unwrap()), "missing at the end");
}

#[test]
fn the_first_file_taken_away() {
    let reports = damaged(|config| std::fs::remove_file(&files::list(&config.folder).unwrap()[0]).unwrap());
    assert_visible(&reports, "missing at the beginning");
}

#[test]
fn all_files_taken_away_but_the_head() {
    let reports = damaged(|config| {
        for path in files::list(&config.folder).unwrap() {
            std::fs::remove_file(path).unwrap();
        }
    });
    assert_visible(&reports, "records 1 to");
}

#[test]
fn the_whole_folder_taken_away() {
    let reports = damaged(|config| std::fs::remove_dir_all(&config.folder).unwrap());
    assert_visible(&reports, "the whole log is lost");
    assert_eq!(reports[0].verdict(), "the log is LOST");
}

#[test]
fn the_head_taken_away() {
    assert_visible(&damaged(|config| std::fs::remove_file(config.folder.join("head")).unwrap()), "`head` is missing");
}

#[test]
fn the_head_taken_away_together_with_the_last_records() {
    let reports = damaged(|config| {
        let path = newest(config);
        let kept = lines(&path);
        std::fs::write(&path, kept[..kept.len() - 1].join("\n") + "\n").unwrap();
        std::fs::remove_file(config.folder.join("head")).unwrap();
    });
    assert_visible(&reports, "`head` is missing");
}

#[test]
fn the_head_set_back_to_a_shorter_chain_by_somebody_without_the_key() {
    let reports = damaged(|config| {
        let path = newest(config);
        let kept = lines(&path);
        let (last, before) = (&kept[kept.len() - 1], &kept[kept.len() - 2]);
        let field = |line: &str, name: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()[name].to_string().trim_matches('"').to_owned()
        };
        std::fs::write(&path, kept[..kept.len() - 1].join("\n") + "\n").unwrap();
        let (seq, hash) = (field(before, "seq"), field(last, "prev"));
        let head = std::fs::read_to_string(config.folder.join("head")).unwrap();
        let code = head.trim_end().rsplit(' ').next().unwrap().to_owned();
        std::fs::write(config.folder.join("head"), format!("{:020} {hash} {code}\n", seq.parse::<u64>().unwrap()))
            .unwrap();
    });
    assert_visible(&reports, "`head` does not bear the code of this key");
}

#[test]
fn a_last_line_damaged_is_no_power_cut() {
    let reports = damaged(|config| {
        let path = newest(config);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 30]).unwrap();
    });
    assert_visible(&reports, "missing at the end");
    assert!(reports.iter().all(|report| report.torn.is_empty()), "{reports:#?}");
}

#[test]
fn a_last_line_changed_within() {
    let reports = damaged(|config| {
        let path = newest(config);
        let mut kept = lines(&path);
        let last = kept.len() - 1;
        kept[last] = kept[last].replace("\"mono_ms\":", "\"mono_ms\":9");
        std::fs::write(&path, kept.join("\n") + "\n").unwrap();
    });
    assert_visible(&reports, "it was changed");
}

#[test]
fn a_record_appended_by_somebody_without_the_key() {
    let reports = damaged(|config| {
        let path = newest(config);
        let text = std::fs::read_to_string(&path).unwrap();
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let hash = agegate::audit::hash_line(text.lines().last().unwrap().as_bytes());
        let mut forged = last.clone();
        forged["seq"] = (last["seq"].as_u64().unwrap() + 1).into();
        forged["prev"] = hash.into();
        std::fs::write(&path, format!("{text}{forged}\n")).unwrap();
    });
    assert_visible(&reports, "does not bear the code of this key");
}

#[test]
fn the_gate_numbers_its_own_records_whatever_somebody_else_numbers() {
    for number in [0, 2, 5, 40, (1 << 52) - 1, (1 << 53) - 1, 1 << 53, u64::MAX] {
        for at in [0, 1] {
            let folder = tempfile::tempdir().unwrap();
            let config = config(folder.path());
            session(&config, 3);
            let path = newest(&config);
            let mut kept = lines(&path);
            let forged = kept[2].replace("\"seq\":3", &format!("\"seq\":{number}"));
            kept.insert(kept.len() - at, forged);
            std::fs::write(&path, kept.join("\n") + "\n").unwrap();
            session(&config, 1);
            session(&config, 1);
            let next = AuditLog::open(&config).unwrap().append(Event::Stop).unwrap();
            assert!((7..=8).contains(&next), "{number} put at {at}: {next}");
            let report = checked(&config);
            // The forged line and what it does not follow from, and a gap where it stood at the end; nothing of what is the gate's own.
            assert!(!report.intact() && report.faults.len() <= 3 && report.last == next, "{number}, {at}: {report:#?}");
            assert_eq!((report.first, report.records), (1, next), "{number}, {at}: {report:#?}");
        }
    }
}

/// What a log of several files is like after somebody did something to it, and the gate ran several times after.
fn lived_on(harm: impl Fn(&LogConfig)) -> (tempfile::TempDir, LogConfig, Report) {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    session(&config, 40);
    harm(&config);
    for _ in 0..4 {
        session(&config, 10);
    }
    let report = checked(&config);
    (folder, config, report)
}

/// What somebody does to a log.
type Harm<'a> = &'a dyn Fn(&LogConfig);

fn with_name(config: &LogConfig, name: &str) -> PathBuf {
    config.folder.join(name)
}

#[test]
fn zeros_that_are_longer_than_any_record_are_no_power_cut() {
    let (_folder, _, report) = lived_on(|config| {
        let mut bytes = std::fs::read(newest(config)).unwrap();
        bytes.resize(bytes.len() + 8000, 0);
        std::fs::write(newest(config), bytes).unwrap();
    });
    assert!(!report.intact() && report.torn.is_empty() && report.first == 1, "{report:#?}");
}

#[test]
fn what_is_not_the_gates_own_displaces_none_of_its_records() {
    let small = |config: &LogConfig| LogConfig { max_total_bytes: 40_000, ..config.clone() };
    let junk = |config: &LogConfig, name: &str| {
        std::fs::File::create(with_name(config, name)).unwrap().set_len(200_000_000).unwrap();
    };
    let harms: [Harm; 5] = [
        &|config| junk(config, "decisions-2026-01-01-000.jsonl"),
        &|config| junk(config, "decisions-9999-12-31-4294967295.jsonl"),
        &|config| {
            let file = std::fs::OpenOptions::new().append(true).open(newest(config)).unwrap();
            file.set_len(30_000_000).unwrap();
        },
        // Records that bear no code, as many as the limit allows for.
        &|config| {
            let mut forged = lines(&newest(config)).pop().unwrap().replace("\"mac\":\"", "\"mac\":\"0");
            forged.push('\n');
            std::fs::write(with_name(config, "decisions-2099-01-01-000.jsonl"), forged.repeat(200)).unwrap();
        },
        // Copies.
        &|config| {
            for number in 0..20 {
                let name = format!("decisions-2026-01-01-{number:03}.jsonl");
                std::fs::copy(newest(config), with_name(config, &name)).unwrap();
            }
        },
    ];
    for (k, harm) in harms.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        session(&config, 40);
        harm(&config);
        for _ in 0..2 {
            session(&small(&config), 10);
        }
        let report = checked(&config);
        let mut told = Vec::new();
        reader::records(&config.folder, |record| told.push(record.seq)).unwrap();
        assert!(!report.intact() && (1..60).all(|number| told.contains(&number)), "{k}: {told:?}");
    }
}

#[test]
fn records_are_deleted_where_the_log_says_so_and_nowhere_else() {
    let small = |config: &LogConfig| LogConfig { max_total_bytes: 16_384, ..config.clone() };
    let harms: [(&str, Harm); 4] = [
        ("a copied record in an older file", &|config| {
            let line = lines(&files::list(&config.folder).unwrap()[2])[0].clone() + "\n";
            std::fs::write(with_name(config, "decisions-2000-01-01-000.jsonl"), line).unwrap();
        }),
        ("a high number in an older file", &|config| {
            let line = lines(&newest(config))[0].replacen("\"seq\":", "\"seq\":9", 1) + "\n";
            std::fs::write(with_name(config, "decisions-2000-01-01-000.jsonl"), line).unwrap();
        }),
        ("the last name of all, empty", &|config| {
            std::fs::write(with_name(config, "decisions-9999-12-31-4294967295.jsonl"), "").unwrap();
        }),
        ("a name of a day to come, empty", &|config| {
            std::fs::write(with_name(config, "decisions-9000-01-01-000.jsonl"), "").unwrap();
        }),
    ];
    for (what, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        session(&config, 60);
        harm(&config);
        for _ in 0..6 {
            session(&small(&config), 20);
        }
        let mut removed = 0;
        let mut kept = Vec::new();
        reader::records(&config.folder, |record| {
            if let Event::Retention { removed_through, .. } = record.event {
                removed = removed.max(removed_through);
            }
            kept.push(record.seq);
        })
        .unwrap();
        let own = |number: &u64| *number < 1000;
        let first = kept.iter().copied().filter(own).filter(|number| *number > removed).min().unwrap();
        assert_eq!(first, removed + 1, "{what}: {removed}, {kept:?}");
        let bytes: u64 = files::list(&config.folder).unwrap().iter().map(|path| path.metadata().unwrap().len()).sum();
        assert!(removed > 100 && bytes < 18_000, "{what}: {removed}, {bytes} bytes, {kept:?}");
    }
}

#[test]
fn a_copy_of_the_gates_own_records_is_no_end_and_makes_nothing_young_old() {
    let harms: [(&str, Harm); 5] = [
        ("a line at the end", &|config| {
            let line = lines(&files::list(&config.folder).unwrap()[0])[0].clone();
            let kept = std::fs::read_to_string(newest(config)).unwrap();
            std::fs::write(newest(config), format!("{kept}{line}\n")).unwrap();
        }),
        ("a file at the end", &|config| {
            let first = files::list(&config.folder).unwrap()[0].clone();
            std::fs::copy(first, with_name(config, "decisions-2099-01-01-000.jsonl")).unwrap();
        }),
        ("an old line in a newer file", &|config| {
            let files = files::list(&config.folder).unwrap();
            let line = lines(&files[0])[0].clone();
            let kept = std::fs::read_to_string(&files[2]).unwrap();
            std::fs::write(&files[2], format!("{kept}{line}\n")).unwrap();
        }),
        ("an old line before a newer file", &|config| {
            let files = files::list(&config.folder).unwrap();
            let line = lines(&files[0])[0].clone();
            let kept = std::fs::read_to_string(&files[2]).unwrap();
            std::fs::write(&files[2], format!("{line}\n{kept}")).unwrap();
        }),
        ("junk and a line", &|config| {
            let line = lines(&newest(config)).pop().unwrap();
            let junk = "x".repeat(20_000);
            std::fs::write(with_name(config, "decisions-2030-01-01-000.jsonl"), format!("{junk}\n{line}\n")).unwrap();
        }),
    ];
    for (what, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        let config = LogConfig { max_total_bytes: 24_000, ..config(folder.path()) };
        session(&config, 70);
        harm(&config);
        session(&config, 3);
        let report = checked(&config);
        assert!(!report.intact(), "{what}");
        assert!(!report.faults.iter().any(|fault| fault.contains("missing at the end")), "{what}: {report:#?}");
        let mut told = Vec::new();
        reader::records(&config.folder, |record| told.push(record.seq)).unwrap();
        // What is kept is the youngest, without a hole.
        told.sort_unstable();
        told.dedup();
        let young: Vec<u64> = told.iter().copied().filter(|number| *number > 30).collect();
        let last = *young.last().unwrap();
        assert_eq!(young, (31..=last).collect::<Vec<_>>(), "{what}: {told:?}");
        for _ in 0..6 {
            session(&config, 20);
        }
        let mut late = Vec::new();
        reader::records(&config.folder, |record| late.push(record.seq)).unwrap();
        let kept = late.iter().filter(|number| **number <= last).count();
        assert!(kept <= 30, "{what}: old ones go all the same: {late:?}");
    }
}

#[test]
fn a_number_at_the_end_of_numbers_is_gone_on_from_under_no_key() {
    for in_use in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        session(&config, 2);
        let path = newest(&config);
        let forged = lines(&path)[0].replace("\"seq\":1", "\"seq\":9007199254740991");
        std::fs::write(&path, forged + "\n").unwrap();
        std::fs::remove_file(config.folder.join("head")).unwrap();
        let key = folder.path().join("log.key");
        std::fs::remove_file(&key).unwrap();
        if in_use {
            std::fs::write(&key, format!("agegate-log-key 1 {}\n", "5a".repeat(32))).unwrap();
        }
        let number = AuditLog::open(&config).unwrap().append(Event::Stop).unwrap();
        let mut told = Vec::new();
        reader::records(&config.folder, |record| told.push(record.seq)).unwrap();
        assert!(number < 10 && told.last() == Some(&number) && !checked(&config).intact(), "{in_use}: {told:?}");
    }
}

#[test]
fn a_file_too_long_to_be_read_is_named_and_nothing_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    session(&config, 5);
    let path = with_name(&config, "decisions-2099-01-01-000.jsonl");
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let error = AuditLog::open(&config).unwrap_err().to_string();
    assert!(
        error.contains("decisions-2099") && error.contains("1099511627776 bytes") && error.contains("move it away"),
        "{error}"
    );
    let report = checked(&config);
    assert!(report.records == 6 && report.faults.iter().any(|fault| fault.contains("decisions-2099")), "{report:#?}");
}

#[test]
fn the_anchor_and_the_range_are_of_the_gates_own_records() {
    for number in [3u64, 7, 46, 1 << 40] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        session(&config, 45);
        let own = checked(&config).end.unwrap();
        for path in [newest(&config), files::list(&config.folder).unwrap()[0].clone()] {
            let mut kept = lines(&path);
            kept.push(kept[2].replacen("\"seq\":", &format!("\"seq\":{number},\"was\":"), 1));
            std::fs::write(&path, kept.join("\n") + "\n").unwrap();
        }
        let report = checked(&config);
        assert_eq!(report.end, Some(own), "{number}");
        assert_eq!((report.records, report.first, report.last), (46, 1, 46), "{number}: {report:#?}");
    }
}

#[test]
fn check_says_what_the_next_start_will_note() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_config(folder.path(), "");
    session(&LogConfig { folder: folder.path().join("log"), ..LogConfig::default() }, 5);
    let check = || text(&agegate(folder.path(), &["check", "--config", path.to_str().unwrap()]).stdout);
    assert!(!check().contains("not as the gate left it"), "{}", check());
    std::fs::remove_file(folder.path().join("log/head")).unwrap();
    assert!(
        check().contains("note  decision log: it is not as the gate left it: `head` is missing; the next start"),
        "{}",
        check()
    );
}

#[test]
fn the_key_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    session(&config, 5);
    std::fs::remove_file(folder.path().join("log.key")).unwrap();
    session(&config, 5);
    session(&config, 5);
    let report = checked(&config);
    assert!(report.faults.iter().any(|f| f.contains("the key is gone")), "{report:#?}");
}

#[test]
fn a_loss_stays_visible_when_retention_deletes_the_record_that_tells_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = LogConfig { max_total_bytes: 16_384, ..config(folder.path()) };
    session(&config, 5);
    std::fs::remove_file(config.folder.join("head")).unwrap();
    session(&config, 5);
    for _ in 0..40 {
        session(&config, 10);
    }
    let report = checked(&config);
    assert!(report.first > 20 && report.records > 10, "{report:#?}");
    assert!(report.faults.iter().any(|f| f.contains("retention has deleted meanwhile: 1")), "{report:#?}");
}

#[test]
fn the_program_says_so_and_goes_on_saying_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), "");
    let log = folder.path().join("log");
    let run = || {
        let mut daemon = Daemon::start(&["run"], &config);
        daemon.wait_for("agegate 0");
        daemon.signal("-TERM");
        assert!(daemon.child.wait().unwrap().success());
    };
    let check = || {
        let output = agegate(folder.path(), &["log", "verify", "--folder", "log"]);
        (output.status.code(), text(&output.stdout))
    };
    run();
    let (code, printed) = check();
    assert!(code == Some(0) && printed.contains("the chain is whole"), "{printed}");
    for path in files::list(&log).unwrap() {
        std::fs::remove_file(path).unwrap();
    }
    for _ in 0..2 {
        let (code, printed) = check();
        assert!(code == Some(1) && !printed.contains("whole"), "{printed}");
        run();
    }
    let (code, printed) = check();
    assert!(code == Some(1) && printed.contains("tells of a loss") && printed.contains("BROKEN"), "{printed}");
}

#[test]
fn no_log_is_not_called_whole() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for name in ["empty", "missing"] {
        let output = agegate(folder.path(), &["log", "verify", "--folder", name]);
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{name}: {printed}");
        assert!(printed.contains("there is no log") && !printed.contains("whole"), "{name}: {printed}");
    }
}

/// What somebody does to a log.
#[derive(Clone, Debug)]
enum Attack {
    /// Cuts a file at a share of its length.
    Cut(prop::sample::Index, f64),
    /// Flips a bit of a file.
    Flip(prop::sample::Index, prop::sample::Index, u8),
    /// Takes a file away.
    Remove(prop::sample::Index),
    /// Puts a line of a file into it once more, with another number and another time since the log began.
    Forge(prop::sample::Index, [prop::sample::Index; 2], u64, u64),
}

/// Small numbers, such as the gate's own, and those near which arithmetic ends.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..80,
        (50u32..=63, -2i64..3).prop_map(|(bits, by)| (1u64 << bits).saturating_add_signed(by)),
        Just(u64::MAX)
    ]
}

fn forging() -> impl Strategy<Value = Attack> {
    let index = any::<prop::sample::Index>;
    (index(), [index(), index()], number(), number())
        .prop_map(|(f, lines, seq, span)| Attack::Forge(f, lines, seq, span))
}

fn attack() -> impl Strategy<Value = Attack> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), 0.0f64..1.0).prop_map(|(f, share)| Attack::Cut(f, share)),
        (index(), index(), 0u8..8).prop_map(|(f, at, bit)| Attack::Flip(f, at, bit)),
        index().prop_map(Attack::Remove),
        forging(),
    ]
}

/// Whether it changed anything.
fn commit(attack: &Attack, config: &LogConfig) -> bool {
    let mut paths = files::list(&config.folder).unwrap();
    paths.push(config.folder.join("head"));
    let path = match attack {
        Attack::Cut(f, _) | Attack::Flip(f, _, _) | Attack::Remove(f) | Attack::Forge(f, ..) => f.get(&paths),
    };
    let Ok(mut bytes) = std::fs::read(path) else { return false };
    match attack {
        Attack::Remove(_) => std::fs::remove_file(path).unwrap(),
        _ if bytes.is_empty() => return false,
        Attack::Cut(_, share) => {
            bytes.truncate((bytes.len() as f64 * share) as usize);
            std::fs::write(path, bytes).unwrap();
        }
        Attack::Flip(_, at, bit) => {
            *at.get_mut(&mut bytes) ^= 1 << bit;
            std::fs::write(path, bytes).unwrap();
        }
        Attack::Forge(_, [from, to], seq, span) => {
            let mut lines: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(Into::into).collect();
            let Ok(mut record) = serde_json::from_str::<serde_json::Value>(&lines[from.index(lines.len())]) else {
                return false;
            };
            if record.is_object() {
                (record["seq"], record["span_s"]) = ((*seq).into(), (*span).into());
                // With the same numbers by chance it would say what the gate's own says.
                record["boot"] = "f0f0f0f0".into();
            }
            lines.insert(to.index(lines.len() + 1), record.to_string());
            std::fs::write(path, lines.join("\n") + "\n").unwrap();
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_flip_and_removal_is_reported_for_ever(
        before in prop::collection::vec(0usize..15, 1..4),
        attacks in prop::collection::vec((attack(), any::<bool>()), 1..4),
        after in prop::collection::vec(0usize..15, 0..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        for records in before {
            session(&config, records);
        }
        prop_assert!(checked(&config).intact());
        let mut harmed = false;
        for (attack, restart) in &attacks {
            harmed |= commit(attack, &config);
            if *restart {
                session(&config, 2);
            }
            prop_assert!(!harmed || !checked(&config).intact(), "{attack:?}, restart {restart}: {:#?}", checked(&config));
        }
        for records in after {
            session(&config, records);
            prop_assert!(!harmed || !checked(&config).intact(), "later: {:#?}", checked(&config));
        }
    }

    #[test]
    fn what_somebody_writes_into_the_log_hides_nothing_and_makes_nothing_old(
        rounds in prop::collection::vec((0usize..25, prop::collection::vec(forging(), 0..3)), 1..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let told = || {
            let mut told = Vec::new();
            reader::records(&config.folder, |record| told.push(record)).unwrap();
            told
        };
        let mut own = Vec::new();
        for (records, attacks) in rounds {
            let mut log = AuditLog::open(&config).unwrap();
            for _ in 0..records {
                let number = log.append(Event::Stop).unwrap();
                let last = told().pop().unwrap();
                prop_assert_eq!(last.seq, number);
                own.push(last);
            }
            drop(log);
            for attack in &attacks {
                commit(attack, &config);
            }
            let told = told();
            for record in &own {
                prop_assert_eq!(told.iter().filter(|other| *other == record).count(), 1, "{:?}", record);
            }
        }
    }

    /// At any moment the medium has all records but a beginning of the one being written, and a head as new as the last
    /// record or older.
    #[test]
    fn power_cuts_are_never_reported(
        cuts in prop::collection::vec((0usize..20, any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..3), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        session(&config, 0);
        for (records, head_at, cut_at, what) in cuts {
            let mut log = AuditLog::open(&config).unwrap();
            let head = config.folder.join("head");
            let mut heads = vec![std::fs::read(&head).unwrap()];
            for _ in 0..records {
                log.append(Event::Stop).unwrap();
                heads.push(std::fs::read(&head).unwrap());
            }
            let (path, kept) = (newest(&config), std::fs::read(newest(&config)).unwrap());
            let files_before = files::list(&config.folder).unwrap().len();
            log.append(Event::Stop).unwrap();
            drop(log);
            let now = newest(&config);
            let whole = std::fs::read(&now).unwrap();
            let old = if files::list(&config.folder).unwrap().len() > files_before { 0 } else { prop_assert_eq!(&now, &path); kept.len() };
            let mut left = whole[..old + cut_at.index(whole.len() - old + 1)].to_vec();
            match what {
                0 => {}
                // The size of the file reached the medium before its data.
                1 => left.resize(whole.len(), 0),
                _ => left.resize(whole.len() - 1, 0),
            }
            if left.len() > whole.len() {
                left.truncate(whole.len());
            }
            std::fs::write(&now, &left).unwrap();
            std::fs::write(&head, head_at.get(&heads)).unwrap();
            let report = checked(&config);
            prop_assert!(report.faults.is_empty(), "before the start: {report:#?}");
            session(&config, 1);
            let report = checked(&config);
            prop_assert!(report.intact(), "after the start: {report:#?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 15, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_reported_even_when_all_that_was_harmed_has_been_deleted_by_retention(
        attacks in prop::collection::vec(attack(), 1..3), restart in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let config = LogConfig { max_total_bytes: 32_768, ..config(folder.path()) };
        for _ in 0..8 {
            session(&config, 10);
        }
        let mut harmed = false;
        for attack in &attacks {
            harmed |= commit(attack, &config);
            if restart {
                session(&config, 2);
            }
        }
        for _ in 0..25 {
            session(&config, 10);
            prop_assert!(!harmed || !checked(&config).intact(), "{attacks:?}: {:#?}", checked(&config));
        }
        prop_assert!(checked(&config).first > 150);
    }

    #[test]
    fn a_log_that_nobody_harmed_stays_whole_under_retention(sessions in prop::collection::vec(0usize..20, 10..40)) {
        let folder = tempfile::tempdir().unwrap();
        let config = LogConfig { max_total_bytes: 16_384, ..config(folder.path()) };
        for records in sessions {
            session(&config, records);
            prop_assert!(checked(&config).intact(), "{:#?}", checked(&config));
        }
    }
}
