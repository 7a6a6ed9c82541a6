//! A log file with any content is read, verified and opened for appending, or refused; never a panic, whatever was
//! appended to it is there afterwards, and that the rest is not the gate's own is said for ever.
#![no_main]

use std::{path::PathBuf, sync::LazyLock};

use agegate::{
    audit::{AuditLog, Event, reader, verify},
    config::LogConfig,
};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PathBuf::from(format!("/dev/shm/agegate-fuzz-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder in memory");
    folder
});

fuzz_target!(|input: &[u8]| {
    // A log file; after a zero byte, the head.
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let (content, head) = (parts.next().unwrap_or_default(), parts.next());
    let folder = &*FOLDER;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
    std::fs::write(folder.join("decisions-2026-01-01.jsonl"), content).expect("written");
    if let Some(head) = head {
        std::fs::write(folder.join("head"), head).expect("written");
    }
    let config = LogConfig { folder: folder.clone(), keep_days: 3650, ..LogConfig::default() };
    // With a head: a log of version 0.1.0, to which no key belongs yet. Without: one that took the place of the gate's own.
    let key = folder.with_extension("key");
    let _ = std::fs::remove_file(&key);
    if head.is_none() {
        std::fs::write(&key, format!("agegate-log-key 1 {}\n", "5a".repeat(32))).expect("written");
    }
    let against = verify::Against::key_of(folder, None).expect("the key is ours");
    let _ = verify::verify(folder, &against);
    let _ = verify::verify(folder, &verify::Against::default());
    let _ = reader::records(folder, |_| ());
    if let Ok(mut log) = AuditLog::open(&config) {
        let number = log.append(Event::Stop).expect("an open log takes a record");
        drop(log);
        let mut told: Vec<u64> = Vec::new();
        let _ = reader::records(folder, |record| told.push(record.seq));
        assert_eq!(told.pop(), Some(number), "the last record is the one appended");
        let against = verify::Against::key_of(folder, None).expect("the key is ours");
        let report = verify::verify(folder, &against).expect("the log can be read");
        assert!(head.is_some() || !report.faults.is_empty(), "what is not the gate's own is reported for ever");
    }
});
