//! Verifying the chain: which record was changed, removed or reordered.

use std::path::Path;

use serde::Serialize;

use super::{AuditError, Event, GENESIS, HEAD, hash_line, reader, writer::Head};

/// What `agegate log verify` found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Files read.
    pub files: usize,
    /// Good records.
    pub records: u64,
    /// First and last number.
    pub first: u64,
    /// Last number.
    pub last: u64,
    /// Torn lines that the log itself tells of: power cuts.
    pub torn: Vec<String>,
    /// What is wrong.
    pub faults: Vec<String>,
    /// Things to know that are no fault.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn intact(&self) -> bool {
        self.faults.is_empty()
    }
}

/// The chain so far.
#[derive(Default)]
struct Chain {
    expected: Option<(u64, String)>,
    /// Unreadable lines that are not yet explained by a `torn` record: place, hash.
    unreadable: Vec<(String, String)>,
    removed_through: u64,
    head: Option<Head>,
    head_matches: bool,
}

/// Checks every record of a log.
///
/// A missing last record shows only if `head` tells of it; whoever can change the records and `head` together can shorten
/// the log unnoticed. Export the last number and hash to another machine where that matters.
///
/// # Errors
/// [`AuditError::Io`] if folder or files cannot be read.
pub fn verify(folder: &Path) -> Result<Report, AuditError> {
    let mut report = Report::default();
    let mut chain = Chain { head: Head::read(&folder.join(HEAD)), ..Chain::default() };
    let files = reader::files(folder)?;
    report.files = files.len();
    for path in &files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        reader::lines(path, |line| check(&mut report, &mut chain, &name, &line))?;
    }
    for (place, _) in std::mem::take(&mut chain.unreadable) {
        if report.last > 0 && place == last_place(&files) {
            report.notes.push(format!(
                "{place}: the last line is torn (power cut while writing?); the gate will note it at its next start"
            ));
        } else {
            report.faults.push(format!("{place}: the line is not a record; it was changed or damaged"));
        }
    }
    if report.first > 1 && chain.removed_through + 1 < report.first {
        report.faults.push(format!(
            "records {} to {} are missing at the beginning",
            chain.removed_through + 1,
            report.first - 1
        ));
    }
    match &chain.head {
        Some(head) if head.seq > report.last => {
            report.faults.push(format!("records {} to {} are missing at the end", report.last + 1, head.seq));
        }
        Some(head) if !chain.head_matches && head.seq >= report.first && report.records > 0 => {
            report
                .faults
                .push(format!("record {}: it is not the one that the log's head tells of; it was changed", head.seq));
        }
        None if report.records > 0 => {
            report.notes.push("the file `head` is missing or unreadable: a missing last record would not show".into());
        }
        _ => {}
    }
    Ok(report)
}

fn last_place(files: &[std::path::PathBuf]) -> String {
    let Some(path) = files.last() else { return String::new() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = std::fs::read(path).map_or(0, |bytes| bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).count());
    format!("{name}:{count}")
}

fn check(report: &mut Report, chain: &mut Chain, name: &str, line: &reader::Line) {
    let place = format!("{name}:{}", line.number);
    let hash = hash_line(&line.bytes);
    let record = match line.record() {
        Ok(record) => record,
        Err(_) => {
            chain.unreadable.push((place, hash));
            return;
        }
    };
    match &chain.expected {
        None => {
            report.first = record.seq;
            if record.seq == 1 && record.prev != GENESIS {
                report.faults.push(format!("{place}: record 1 does not begin the chain"));
            }
        }
        Some((seq, _)) if record.seq < *seq => {
            report.faults.push(format!(
                "{place}: record {} stands after record {}: reordered or repeated",
                record.seq,
                seq - 1
            ));
            return;
        }
        Some((seq, _)) if record.seq > *seq => {
            let missing = if record.seq - 1 == *seq {
                format!("record {seq} is missing")
            } else {
                format!("records {seq} to {} are missing", record.seq - 1)
            };
            report.faults.push(format!("{place}: {missing} before record {}", record.seq));
        }
        Some((seq, prev)) if record.prev != *prev => {
            report.faults.push(format!(
                "{place}: record {} does not follow from record {}: that one was changed",
                seq,
                seq - 1
            ));
        }
        Some(_) => {}
    }
    match &record.event {
        Event::Torn { hash, bytes } => {
            if let Some(at) = chain.unreadable.iter().position(|(_, found)| found == hash) {
                let (place, _) = chain.unreadable.remove(at);
                report.torn.push(format!("{place}: torn line of {bytes} bytes, noted by record {}", record.seq));
            }
        }
        Event::Retention { removed_through } => chain.removed_through = chain.removed_through.max(*removed_through),
        _ => {}
    }
    if let Some(head) = &chain.head {
        chain.head_matches |= head.seq == record.seq && head.hash == hash;
    }
    report.records += 1;
    report.last = record.seq;
    chain.expected = Some((record.seq + 1, hash));
}
