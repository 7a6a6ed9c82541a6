//! Records are deleted when the log itself shows that they are old, or that there are too many; never because of a clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use agegate::{
    audit::{
        AuditLog, Event,
        clock::Now,
        files,
        verify::{Against, Report, verify},
    },
    config::LogConfig,
};
use jiff::{Timestamp, ToSpan};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A board: its clocks, and a gate that decides every hour.
struct Board {
    config: LogConfig,
    now: Arc<Mutex<Now>>,
    log: Option<AuditLog>,
}

impl Board {
    fn new(folder: &Path, change: impl FnOnce(&mut LogConfig)) -> Self {
        let mut config =
            LogConfig { folder: folder.join("log"), max_file_bytes: 4096, keep_days: 30, ..LogConfig::default() };
        change(&mut config);
        let now = Now {
            wall: "2026-03-01T08:00:00Z".parse().unwrap(),
            mono: Duration::from_secs(60),
            boot: "00000001".into(),
            synced: None,
        };
        let mut board = Self { config, now: Arc::new(Mutex::new(now)), log: None };
        board.start();
        board
    }

    fn start(&mut self) {
        self.log = None;
        let now = Arc::clone(&self.now);
        let clock = Box::new(move || now.lock().unwrap().clone());
        self.log = Some(AuditLog::open_with(&self.config, clock).unwrap());
    }

    /// Switches the board off and on again; its clock then says `wall`.
    fn boot(&mut self, wall: Timestamp) {
        let number = u32::from_str_radix(&self.now.lock().unwrap().boot, 16).unwrap() + 1;
        *self.now.lock().unwrap() =
            Now { wall, mono: Duration::from_secs(60), boot: format!("{number:08x}"), synced: None };
        self.start();
    }

    fn runs(&mut self, time: Duration) {
        for _ in 0..time.as_secs() / 3600 {
            {
                let mut now = self.now.lock().unwrap();
                now.wall += 1.hour();
                now.mono += Duration::from_secs(3600);
            }
            self.log.as_mut().unwrap().append(Event::Stop).unwrap();
        }
    }

    fn wall(&self) -> Timestamp {
        self.now.lock().unwrap().wall
    }

    fn jumps_to(&self, wall: Timestamp) {
        self.now.lock().unwrap().wall = wall;
    }

    fn report(&self) -> Report {
        verify(&self.config.folder, &Against::key_of(&self.config.folder, None).unwrap()).unwrap()
    }

    fn bytes(&self) -> u64 {
        files::list(&self.config.folder).unwrap().iter().map(|p| p.metadata().unwrap().len()).sum()
    }
}

#[test]
fn records_older_than_the_retention_go_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path(), |_| ());
    board.runs(29 * DAY);
    assert_eq!(board.report().first, 1);
    board.runs(20 * DAY);
    let report = board.report();
    assert!(report.intact() && (17 * 24..20 * 24).contains(&report.first), "{report:?}");
}

#[test]
fn a_clock_a_hundred_days_ahead_deletes_nothing_at_any_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path(), |_| ());
    board.runs(3 * DAY);
    board.jumps_to(board.wall() + (100 * 24).hours());
    board.runs(2 * DAY);
    // Back, and ahead once more, over a start each time.
    board.boot(board.wall() - (100 * 24).hours());
    board.runs(2 * DAY);
    board.boot(board.wall() + (100 * 24).hours());
    board.runs(2 * DAY);
    board.boot(board.wall() + (200 * 24).hours());
    board.runs(10 * DAY);
    let report = board.report();
    assert!(report.intact() && report.first == 1 && report.files > 5, "{report:?}");
}

#[test]
fn a_time_that_somebody_wrote_at_the_end_deletes_nothing() {
    for span in [3_650 * 86_400, 1 << 53, u64::MAX] {
        for whole_file in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let mut board = Board::new(folder.path(), |_| ());
            board.runs(5 * DAY);
            let path = files::list(&board.config.folder).unwrap().pop().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let mut forged: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
            forged["span_s"] = span.into();
            std::fs::write(&path, if whole_file { format!("{forged}\n") } else { format!("{text}{forged}\n") })
                .unwrap();
            board.start();
            board.runs(5 * DAY);
            let report = board.report();
            assert!(!report.intact() && report.first == 1 && report.files > 8, "{span}, {whole_file}: {report:#?}");
            board.runs(30 * DAY);
            assert!(board.report().first > 1, "{span}, {whole_file}: it grows old all the same");
        }
    }
}

#[test]
fn a_board_that_never_learns_the_time_forgets_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path(), |_| ());
    let always = board.wall();
    for _ in 0..50 {
        board.runs(DAY - Duration::from_secs(3600));
        board.boot(always);
    }
    let report = board.report();
    assert!(report.intact() && report.first > 10 * 23, "{report:?}");
    assert!(report.records > 25 * 23, "and nothing that is younger: {report:?}");
}

#[test]
fn the_total_size_holds_whatever_the_clock_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path(), |config| {
        config.max_total_bytes = 40_000;
        config.keep_days = 3650;
    });
    for _ in 0..20 {
        for _ in 0..40 {
            board.log.as_mut().unwrap().append(Event::Stop).unwrap();
            assert!(board.bytes() <= 40_000, "{}", board.bytes());
        }
        board.start();
    }
    let report = board.report();
    assert!(report.intact() && report.first > 500 && board.bytes() > 20_000, "{report:?}, {} bytes", board.bytes());
}

#[test]
fn a_smaller_total_size_holds_from_the_next_start_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path(), |_| ());
    board.runs(20 * DAY);
    board.config.max_total_bytes = 20_000;
    board.start();
    assert!(board.bytes() <= 20_000 && board.report().intact(), "{} {:?}", board.bytes(), board.report());
}

#[test]
fn files_that_are_only_named_alike_are_not_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path(), |config| config.max_total_bytes = 20_000);
    let foreign = board.config.folder.join("decisions-1999-01-01-000.jsonl");
    std::fs::write(&foreign, "a family chronicle\n".repeat(3000)).unwrap();
    board.start();
    board.runs(40 * DAY);
    assert!(foreign.exists());
    assert!(!board.report().intact(), "and verifying tells of it");
}
