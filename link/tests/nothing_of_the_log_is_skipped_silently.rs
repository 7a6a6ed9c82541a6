//! The log is the queue: through new files, deleted ones, torn lines, gaps, rewriting and copies, every record comes in its
//! order, or something says that it does not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

use agegate_link::queue::{self, Cursor, Landmarks, Notice, What};
use common::{Log, decision};
use proptest::prelude::*;
use serde_json::json;

/// A reader that takes what there is.
#[derive(Default)]
struct Reader {
    cursor: Cursor,
    landmarks: Landmarks,
}

impl Reader {
    /// What comes until nothing more does: numbers of records, and notices.
    fn read(&mut self, folder: &Path) -> (Vec<u64>, Vec<Notice>) {
        let (mut numbers, mut notices) = (Vec::new(), Vec::new());
        loop {
            let items = queue::next(folder, &self.cursor, &self.landmarks).unwrap();
            if items.is_empty() {
                return (numbers, notices);
            }
            for item in items {
                match item.what {
                    What::Record { record, hash, line } => {
                        assert_eq!(queue::record::hash_line(&line), hash);
                        self.landmarks.add(record.seq, &hash);
                        numbers.push(record.seq);
                    }
                    What::Notice(notice) => notices.push(notice),
                }
                self.cursor = item.after;
            }
        }
    }
}

fn log() -> (tempfile::TempDir, Log) {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::new(folder.path());
    (folder, log)
}

#[test]
fn records_come_in_order_through_all_files() {
    let (folder, mut log) = log();
    log.visits(300)
        .begin("decisions-2026-03-01-001.jsonl")
        .visits(300)
        .begin("decisions-2026-03-02-000.jsonl")
        .visits(3);
    let mut reader = Reader::default();
    assert_eq!(reader.read(folder.path()), ((1..=603).collect(), vec![]));
    log.visits(2);
    assert_eq!(reader.read(folder.path()), (vec![604, 605], vec![]));
    log.begin("decisions-2026-03-03-000.jsonl").visits(1);
    assert_eq!(reader.read(folder.path()), (vec![606], vec![]));
}

#[test]
fn a_line_without_its_end_waits_for_the_rest() {
    let (folder, mut log) = log();
    log.visits(2);
    let line = log.line(&decision("Allow", "old-enough")) + "\n";
    let mut reader = Reader::default();
    for (k, byte) in line.as_bytes().iter().enumerate() {
        let expected = if k == 0 { vec![1, 2] } else { vec![] };
        assert_eq!(reader.read(folder.path()), (expected, vec![]), "byte {k}");
        log.raw(&[*byte]);
    }
    assert_eq!(reader.read(folder.path()), (vec![3], vec![]));
}

#[test]
fn what_a_power_cut_tore_is_told_by_the_gates_own_record() {
    let (folder, mut log) = log();
    log.visits(2);
    let mut reader = Reader::default();
    reader.read(folder.path());
    log.raw(b"{\"seq\":3,\"prev\":\"");
    assert_eq!(reader.read(folder.path()), (vec![], vec![]));
    log.raw(b"\n");
    assert_eq!(reader.read(folder.path()), (vec![], vec![]), "it may still be noted by the gate");
    log.append(&json!({"event": "torn", "bytes": 17, "hash": "0".repeat(64), "lines": 1})).visits(1);
    assert_eq!(reader.read(folder.path()), (vec![3, 4], vec![]));
}

#[test]
fn a_line_that_is_no_record_is_told_in_its_place() {
    let (folder, mut log) = log();
    log.visits(2);
    log.raw(b"rubbish\n");
    log.visits(2);
    let (numbers, notices) = Reader::default().read(folder.path());
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert!(matches!(&notices[..], [Notice::Unreadable { bytes: 7, .. }]), "{notices:?}");
}

#[test]
fn what_stands_at_the_end_and_is_no_record_is_seen_before_the_next_one_comes() {
    let (folder, mut log) = log();
    let tail = |reader: &Reader| queue::look(folder.path(), &reader.cursor, &reader.landmarks).unwrap().tail;
    let mut reader = Reader::default();
    assert_eq!(tail(&reader), None);
    log.visits(2);
    reader.read(folder.path());
    assert_eq!(tail(&reader), None);
    let offset = std::fs::metadata(log.path()).unwrap().len();
    for (bytes, seen) in [(&b"rub"[..], 3), (b"bish\n", 7), (b"\0\0\0", 10)] {
        log.raw(bytes);
        assert_eq!(reader.read(folder.path()), (vec![], vec![]));
        let found = tail(&reader).unwrap();
        assert_eq!((found.file.as_str(), found.offset, found.bytes), ("decisions-2026-03-01-000.jsonl", offset, seen));
    }
    log.raw(b"\n");
    log.visits(1);
    assert_eq!(reader.read(folder.path()).0, [3]);
    assert_eq!(tail(&reader), None);
}

#[test]
fn a_record_that_was_taken_out_or_changed_is_told() {
    let (folder, mut log) = log();
    log.visits(6);
    let text = std::fs::read_to_string(log.path()).unwrap();
    let without: String = text.lines().enumerate().filter(|(k, _)| *k != 2).map(|(_, l)| l.to_owned() + "\n").collect();
    std::fs::write(log.path(), without).unwrap();
    let (numbers, notices) = Reader::default().read(folder.path());
    assert_eq!(numbers, [1, 2, 4, 5, 6]);
    assert_eq!(notices, [Notice::Missed { from: 3, through: 3, deleted: false }]);
    std::fs::write(log.path(), text.replacen("\"latency_ms\":640", "\"latency_ms\":641", 1)).unwrap();
    let (_, notices) = Reader::default().read(folder.path());
    assert!(matches!(&notices[..], [Notice::Broken { seq: 2, .. }]), "{notices:?}");
}

#[test]
fn what_was_deleted_for_its_age_before_it_was_sent_is_told_as_that() {
    let (folder, mut log) = log();
    log.visits(5);
    let mut reader = Reader::default();
    reader.read(folder.path());
    let old = log.path();
    log.visits(5).begin("decisions-2026-03-02-000.jsonl").visits(5);
    log.append(&json!({"event": "retention", "removed_through": 10, "faults": 0}));
    std::fs::remove_file(old).unwrap();
    let (numbers, notices) = reader.read(folder.path());
    assert_eq!(numbers, [11, 12, 13, 14, 15, 16]);
    assert_eq!(notices, [Notice::Missed { from: 6, through: 10, deleted: true }]);
    assert!(!notices[0].is_fault());
}

#[test]
fn a_file_taken_away_by_somebody_is_a_fault() {
    let (folder, mut log) = log();
    log.visits(5);
    let mut reader = Reader::default();
    reader.read(folder.path());
    let old = log.path();
    log.visits(5).begin("decisions-2026-03-02-000.jsonl").visits(5);
    std::fs::remove_file(old).unwrap();
    let (_, notices) = reader.read(folder.path());
    assert_eq!(notices, [Notice::Missed { from: 6, through: 10, deleted: false }]);
    assert!(notices[0].is_fault());
}

#[test]
fn what_was_sent_and_is_gone_is_told_and_what_stands_there_now_is_sent() {
    let (folder, mut log) = log();
    log.visits(40);
    let mut reader = Reader::default();
    reader.read(folder.path());
    // Put back to an older copy, and gone on from there.
    let text = std::fs::read_to_string(log.path()).unwrap();
    let kept: Vec<&str> = text.lines().take(30).collect();
    std::fs::write(log.path(), kept.join("\n") + "\n").unwrap();
    (log.seq, log.prev) = (30, queue::record::hash_line(kept[29].as_bytes()));
    log.append(&decision("Deny", "surely-minor")).visits(20);
    let (numbers, notices) = reader.read(folder.path());
    let Notice::Rewritten { seq: 40, after, .. } = notices[0] else { panic!("{notices:?}") };
    assert!((10..=30).contains(&after), "{after}");
    assert_eq!(numbers, (after + 1..=51).collect::<Vec<_>>(), "nothing from there on is left out");
    assert_eq!(reader.read(folder.path()), (vec![], vec![]));
}

#[test]
fn a_log_that_was_begun_anew_is_sent_from_its_beginning() {
    let (folder, mut log) = log();
    log.visits(40);
    let mut reader = Reader::default();
    reader.read(folder.path());
    std::fs::remove_file(log.path()).unwrap();
    assert_eq!(reader.read(folder.path()), (vec![], vec![]));
    let mut other = Log::new(folder.path());
    other.append(&json!({"event": "start", "version": "0.1.0"})).visits(2);
    let (numbers, notices) = reader.read(folder.path());
    assert_eq!(numbers, [1, 2, 3]);
    assert!(matches!(&notices[..], [Notice::Rewritten { seq: 40, after: 0, .. }]), "{notices:?}");
}

#[test]
fn the_gates_own_gap_goes_out_as_the_record_it_is() {
    let (folder, mut log) = log();
    log.visits(3);
    let prev = log.prev.clone();
    log.visits(2);
    let text = std::fs::read_to_string(log.path()).unwrap();
    let kept: String = text.lines().take(3).map(|l| l.to_owned() + "\n").collect();
    std::fs::write(log.path(), kept).unwrap();
    // The gate goes on after what its head told of, chained to what it found.
    (log.seq, log.prev) = (5, prev);
    log.append(&json!({"event": "gap", "what": "records 4 to 5 are missing at the end", "expected": 5, "found": 3}))
        .visits(1);
    assert_eq!(Reader::default().read(folder.path()), (vec![1, 2, 3, 6, 7], vec![]));
}

#[test]
fn after_a_number_that_the_gate_did_not_believe_its_own_records_come() {
    for (number, is_record) in [((1u64 << 53) - 1, true), (1 << 53, false), (u64::MAX, false)] {
        let (folder, mut log) = log();
        log.visits(2);
        let forged = log.line(&decision("Allow", "old-enough")).replace("\"seq\":3", &format!("\"seq\":{number}"));
        log.raw(format!("{forged}\n").as_bytes());
        log.append(&json!({"event": "gap", "what": "no gate reaches that number", "expected": 2, "found": number}))
            .visits(2);
        let (numbers, notices) = Reader::default().read(folder.path());
        let expected = if is_record { vec![1, 2, number, 3, 4, 5] } else { vec![1, 2, 3, 4, 5] };
        assert_eq!(numbers, expected, "{notices:?}");
        assert_eq!(notices.len(), 1, "{notices:?}");
    }
}

#[test]
fn a_file_that_was_copied_is_told_and_moves_nothing() {
    let (folder, mut log) = log();
    log.visits(3);
    let first = log.path();
    log.begin("decisions-2026-03-02-000.jsonl").visits(2);
    std::fs::copy(first, folder.path().join("decisions-2026-03-02-001.jsonl")).unwrap();
    let mut reader = Reader::default();
    let (numbers, notices) = reader.read(folder.path());
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert!(matches!(&notices[..], [Notice::Repeated { from: 1, through: 3, .. }]), "{notices:?}");
    log.begin("decisions-2026-03-03-000.jsonl").visits(1);
    assert_eq!(reader.read(folder.path()), (vec![6], vec![]));
}

#[test]
fn a_link_or_a_pipe_with_the_name_of_a_file_is_an_error_and_no_wait() {
    let (folder, mut log) = log();
    log.visits(1);
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("decisions-2026-03-02-000.jsonl")).unwrap();
    let mut reader = Reader::default();
    let items = queue::next(folder.path(), &Cursor::default(), &Landmarks::default()).unwrap();
    reader.cursor = items[0].after.clone();
    let error = queue::next(folder.path(), &reader.cursor, &reader.landmarks).unwrap_err();
    assert!(error.to_string().contains("decisions-2026-03-02-000.jsonl"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever stands in the files and wherever a reader is interrupted: it ends, no record that stands there is left out, and
    /// what is read in two goes is what is read in one.
    #[test]
    fn any_files_can_be_read_and_in_any_goes(
        parts in prop::collection::vec((0u8..6, 1u64..40), 1..12), cut in 0usize..400,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path());
        for (k, (kind, count)) in parts.iter().enumerate() {
            match kind {
                0 => drop(log.begin(&format!("decisions-2026-03-{:02}-000.jsonl", k + 2))),
                1 => log.raw(b"\x00\xff no record\n"),
                2 => log.seq += count,
                3 => log.prev = "f".repeat(64),
                _ => drop(log.visits(*count)),
            }
        }
        let all = Reader::default().read(folder.path());
        let names = queue::names::list(folder.path()).unwrap();
        let lines: usize = names.iter().map(|n| {
            let bytes = std::fs::read(n.within(folder.path())).unwrap();
            bytes.split(|b| *b == b'\n').filter(|line| queue::record::Record::of(line).is_some()).count()
        }).sum();
        prop_assert_eq!(all.0.len(), lines);
        // The same, one item at a time up to a cut, then on from the cursor.
        let (mut cursor, mut numbers) = (Cursor::default(), Vec::new());
        for _ in 0..cut {
            let items = queue::next(folder.path(), &cursor, &Landmarks::default()).unwrap();
            let Some(item) = items.into_iter().find(|item| matches!(item.what, What::Record { .. }) || item.after != cursor) else { break };
            if let What::Record { record, .. } = &item.what { numbers.push(record.seq); }
            cursor = item.after;
        }
        let mut rest = Reader { cursor, landmarks: Landmarks::default() };
        numbers.extend(rest.read(folder.path()).0);
        prop_assert_eq!(numbers, all.0);
    }
}
