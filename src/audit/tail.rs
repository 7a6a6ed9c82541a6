//! Where the chain of a folder ends, and what stands after it: nothing, what a power cut leaves, or what the gate did not
//! write. Once a key is in use, only a record that bears its code is the gate's own: all else stands between or after them.

use std::{collections::VecDeque, path::PathBuf};

use serde::de::IgnoredAny;

use super::{
    AuditError, Event, Record,
    head::Head,
    key::Key,
    reader::{self, Line},
};

/// What a sector of a medium holds at least: within one, a power cut leaves no bytes after those it lost.
const SECTOR: u64 = 512;
/// Torn lines in a row are at most as many as there were power cuts in a row during a start.
const MOST_TORN: usize = 64;

/// Which records count.
#[derive(Clone, Copy, Debug)]
pub(super) enum Believe<'a> {
    /// All: no key is in use, or nothing bears its code. With a key, whether they bear its code is told.
    All(Option<&'a Key>),
    /// Those that bear the code of this key.
    Sealed(&'a Key),
}

impl Believe<'_> {
    pub(super) fn key(&self) -> Option<&Key> {
        match self {
            Self::All(key) => *key,
            Self::Sealed(key) => Some(key),
        }
    }

    /// The record in a line, if it counts.
    pub(super) fn record(&self, line: &Line) -> Option<Record> {
        let counts = match self {
            Self::All(_) => true,
            Self::Sealed(key) => key.sealed(&line.bytes),
        };
        counts.then(|| line.record().ok()).flatten()
    }
}

/// Lines in a row: how many, and the last of them, as many as can be torn and one more.
#[derive(Clone, Debug, Default)]
struct Lines {
    kept: VecDeque<Line>,
    count: usize,
}

impl Lines {
    fn push(&mut self, line: Line) {
        self.count += 1;
        self.kept.push_back(line);
        self.shorten();
    }

    fn extend(&mut self, others: Self) {
        self.count += others.count;
        self.kept.extend(others.kept);
        self.shorten();
    }

    fn shorten(&mut self) {
        let surplus = self.kept.len().saturating_sub(MOST_TORN + 1);
        self.kept.drain(..surplus);
    }
}

/// The last record of a log.
#[derive(Clone, Debug)]
pub(super) struct Last {
    /// The file that it is in.
    pub(super) path: PathBuf,
    /// Its number and hash.
    pub(super) head: Head,
    /// The record.
    pub(super) record: Record,
    /// Whether it bears the key's code; `None` without a key.
    pub(super) sealed: Option<bool>,
    /// Whether its line end is there.
    pub(super) complete: bool,
}

/// The end of a log.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The last record that counts, in the order of the files.
    pub(super) last: Option<Last>,
    /// Lines after it: the last of them, as many as can be torn and one more.
    pub(super) after: Vec<Line>,
    /// How many there are.
    pub(super) after_count: usize,
    /// Whether all lines after it are in the newest file.
    pub(super) after_in_newest: bool,
    /// Whether the claimed record is there, or a gap that tells of it.
    pub(super) claim_holds: bool,
    /// Whether another one stands there with its number.
    pub(super) claim_replaced: bool,
}

impl Tail {
    /// The end of a log whose key is in use: by the records that bear its code, or by all where none does.
    pub(super) fn find_own(files: &[PathBuf], claim: Option<&Head>, key: &Key) -> Result<Self, AuditError> {
        let own = Self::find(files, claim, Believe::Sealed(key))?;
        if own.last.is_some() { Ok(own) } else { Self::find(files, claim, Believe::All(Some(key))) }
    }

    /// Reads the newest files until the last record is found, and the one that `claim` tells of. The last one is that with the
    /// highest number: a copy of an older one that somebody put behind it is none.
    pub(super) fn find(files: &[PathBuf], claim: Option<&Head>, believe: Believe) -> Result<Self, AuditError> {
        let mut tail = Self { after_in_newest: true, claim_holds: claim.is_none_or(|c| c.seq == 0), ..Self::default() };
        // All lines of the files that were read before, which are newer.
        let mut newer = Lines::default();
        for (age, path) in files.iter().rev().enumerate() {
            let mut last: Option<Last> = None;
            let (mut after, mut all) = (Lines::default(), Lines::default());
            let mut first = u64::MAX;
            reader::lines(path, |line| {
                all.push(line.clone());
                let record = believe.record(&line);
                if let Some(record) = &record {
                    first = first.min(record.seq);
                    tail.claim_holds |= claim.is_some_and(|claim| tells_of(record, &line, claim));
                } else if let Some(claim) = claim {
                    tail.claim_replaced |= line.record().is_ok_and(|record| record.seq == claim.seq);
                }
                match record.filter(|record| last.as_ref().is_none_or(|last| record.seq > last.head.seq)) {
                    Some(record) => {
                        last = Some(Last {
                            path: path.clone(),
                            head: Head { seq: record.seq, hash: line.hash() },
                            sealed: believe.key().map(|key| key.sealed(&line.bytes)),
                            complete: line.complete,
                            record,
                        });
                        after = Lines::default();
                    }
                    None => after.push(line),
                }
            })?;
            let best = tail.last.as_ref().map(|last| last.head.seq);
            if last.is_some() && last.as_ref().map(|last| last.head.seq) > best || best.is_none() {
                tail.after_in_newest = newer.count == 0 || after.count == 0 && age == 1;
                after.extend(newer.clone());
                (tail.after, tail.after_count) = (after.kept.into(), after.count);
                tail.last = last.or(tail.last);
            }
            all.extend(newer);
            newer = all;
            let Some(best) = tail.last.as_ref().map(|last| last.head.seq) else { continue };
            let found = match (claim, believe) {
                (Some(claim), _) => best >= claim.seq && (tail.claim_holds || first <= claim.seq),
                (None, Believe::All(_)) => true,
                // Without a head nothing tells whether a copy stands behind.
                (None, Believe::Sealed(_)) => false,
            };
            if found {
                break;
            }
        }
        Ok(tail)
    }

    /// Number and hash of the last record.
    pub(super) fn head(&self) -> Head {
        self.last.as_ref().map(|l| l.head.clone()).unwrap_or_default()
    }

    /// Whether the gate can go on from the last number: no number is too high that bears the code.
    pub(super) fn is_plausible(&self) -> bool {
        self.last.as_ref().is_none_or(|last| last.sealed == Some(true) || last.head.seq < Record::PLAUSIBLE)
    }

    /// Whether the last record bears the code of a key: those of version 0.1.0 bear none.
    pub(super) fn is_keyed(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.record.mac.is_some())
    }

    /// Whether the lines after the last record are what power cuts leave of the next one.
    pub(super) fn torn(&self) -> bool {
        let end = self.head();
        self.after_in_newest
            && self.after_count <= MOST_TORN
            && self.after.iter().map(|line| line.length).sum::<u64>() <= Record::LONGEST
            && self.last.as_ref().is_none_or(|last| last.complete)
            && self.after.iter().all(|line| could_be_torn(line, &end))
    }

    /// The record that tells of the torn lines.
    pub(super) fn torn_event(&self) -> Event {
        let hashes: Vec<String> = self.after.iter().map(Line::hash).collect();
        Event::Torn {
            bytes: self.after.iter().map(|line| line.length).sum(),
            hash: torn_hash(&hashes),
            lines: self.after.len() as u64,
        }
    }
}

fn tells_of(record: &Record, line: &Line, claim: &Head) -> bool {
    if let Event::Gap { expected, expected_hash, .. } = &record.event
        && *expected == Some(claim.seq)
        && expected_hash.as_deref() == Some(&claim.hash)
    {
        return true;
    }
    record.seq == claim.seq && line.hash() == claim.hash
}

/// The hash of torn lines by their hashes: of one, its own.
pub(super) fn torn_hash(hashes: &[String]) -> String {
    match hashes {
        [one] => one.clone(),
        several => super::hash_line(several.join("\n").as_bytes()),
    }
}

/// Whether a line can be what a power cut leaves of the record after `end`: its beginning, possibly with zeros where data did
/// not reach the medium. It may have a line end: the gate ends such a line at its next start.
pub(super) fn could_be_torn(line: &Line, end: &Head) -> bool {
    if line.length == 0 || line.length != line.bytes.len() as u64 {
        return false;
    }
    let zero = line.bytes.iter().position(|b| *b == 0).unwrap_or(line.bytes.len());
    let (begun, rest) = line.bytes.split_at(zero);
    let start = format!("{{\"seq\":{},\"prev\":\"{}\",\"time\":\"", end.seq.saturating_add(1), end.hash);
    let shared = begun.len().min(start.len());
    if begun[..shared] != start.as_bytes()[..shared] {
        return false;
    }
    // A whole record, where only the line end after it is lost; else one that ends too early. What is wrong in another way was
    // written by somebody else.
    let whole = !rest.is_empty() && Record::of(begun).is_ok();
    if !whole && !serde_json::from_slice::<IgnoredAny>(begun).is_err_and(|error| error.is_eof()) {
        return false;
    }
    let zeros = rest.iter().take_while(|b| **b == 0).count();
    // Data after the zeros begins with a sector of the medium.
    zeros == rest.len() || (line.offset + (zero + zeros) as u64).is_multiple_of(SECTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8], offset: u64) -> Line {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, bytes).unwrap();
        let mut found = Vec::new();
        reader::lines(&path, |line| found.push(line)).unwrap();
        assert_eq!(found.len(), 1);
        Line { offset, ..found.remove(0) }
    }

    #[test]
    fn only_the_beginning_of_the_very_next_record_can_be_torn() {
        let end = Head { seq: 6, hash: "ab".repeat(32) };
        let next = format!("{{\"seq\":7,\"prev\":\"{}\",\"time\":\"2026-01-01T00:00:00.000Z\",\"boot\"", end.hash);
        for cut in 1..next.len() {
            assert!(could_be_torn(&line(&next.as_bytes()[..cut], 0), &end), "cut at {cut}");
            let mut zeros = next.as_bytes()[..cut].to_vec();
            zeros.resize(next.len() + 10, 0);
            assert!(could_be_torn(&line(&zeros, 0), &end), "zeros from {cut}");
        }
        assert!(could_be_torn(&line(&[0; 300], 0), &end));
        let other = next.replace("\"seq\":7", "\"seq\":8");
        assert!(!could_be_torn(&line(other.as_bytes(), 0), &end), "another number");
        assert!(!could_be_torn(&line(next.replace("abab", "abac").as_bytes(), 0), &end), "another hash");
        assert!(!could_be_torn(&line(b"anything", 0), &end));
        let mut hole = next.clone().into_bytes();
        hole[20..40].fill(0);
        assert!(!could_be_torn(&line(&hole, 0), &end), "zeros within a sector");
        assert!(could_be_torn(&line(&hole, SECTOR - 40), &end), "zeros up to the end of a sector");
    }
}
