//! Which files are too old, or too many: decided by the log's own time and the files' sizes alone.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    AuditError, Event, Record,
    clock::Now,
    files::{self, For},
    key::Key,
    reader::{self, Line, MAX_LINE},
};

/// A file that is not written any more.
#[derive(Clone, Debug)]
pub(super) struct Old {
    pub(super) path: PathBuf,
    /// Bytes of its records, where anything else is among them: that displaces nothing.
    pub(super) size: u64,
    /// Number of its first record.
    pub(super) first: u64,
    /// Number of its last record.
    pub(super) last: u64,
    /// Whether that one bears the code of the key.
    pub(super) sealed: bool,
    /// The log's own time at its last record.
    pub(super) span: Duration,
    /// Wall-clock time of its last record.
    pub(super) wall: Option<jiff::Timestamp>,
}

impl Old {
    /// The files of the gate among some, in the order of their records, whatever their names are.
    ///
    /// A file of the gate ends with a record that bears the code; or it is older than the key, and then all its records are
    /// older than those of a file that does, or than `last`, the last one of all. Another file is not ours, and stays; so does
    /// a copy. `current` is the file that is written, if there are records in it; it is not among them.
    pub(super) fn of_gate<'a>(
        paths: impl Iterator<Item = &'a PathBuf>,
        current: Option<&Self>,
        key: &Key,
        last: u64,
    ) -> Result<Vec<Self>, AuditError> {
        let mut old: Vec<Self> = current.cloned().into_iter().collect();
        for path in paths {
            old.extend(Self::read(path, key)?);
        }
        let keyed_from = old.iter().filter(|file| file.sealed).map(|file| file.last).min().unwrap_or(last);
        old.retain(|file| file.sealed || file.last < keyed_from);
        // A copy of records is within those of another file, or the same.
        old.sort_by_key(|file| (file.last, file.first));
        old.dedup_by_key(|file| file.last);
        let mut own: Vec<Self> = Vec::new();
        for file in old.into_iter().rev() {
            if let Some(after) = own.last_mut()
                && after.first <= file.last
            {
                // What stands before the file's own records may be the copy, too.
                *after = Self::read_whole(&after.path, key)?.unwrap_or_else(|| after.clone());
                if after.first <= file.last {
                    continue;
                }
            }
            own.push(file);
        }
        own.reverse();
        own.retain(|file| current.is_none_or(|current| current.path != file.path));
        Ok(own)
    }

    /// Looks for the last record of a file: one that bears the code, else any; `None` if there is none.
    pub(super) fn read(path: &Path, key: &Key) -> Result<Option<Self>, AuditError> {
        // Where its end is as the gate left it, the rest need not be read.
        let size = files::open(path, For::Reading)?.metadata().map_err(AuditError::io(path, "measuring"))?.len();
        let from = size.saturating_sub(MAX_LINE);
        let (end, foreign) = Chains::read(path, from, key)?;
        match end {
            Some(end) if end.sealed && foreign <= if from > 0 { Record::LONGEST } else { 0 } => {
                let first = first_number(path)?.filter(|first| *first < end.first).unwrap_or(end.first);
                Ok(Some(Self { size, first, ..end }))
            }
            _ => Self::read_whole(path, key),
        }
    }

    /// The same, whatever the end is like.
    pub(super) fn read_whole(path: &Path, key: &Key) -> Result<Option<Self>, AuditError> {
        Ok(Chains::read(path, 0, key)?.0)
    }
}

/// The records of a file, apart where they do not follow from each other: copies that somebody put there are by themselves.
#[derive(Default)]
struct Chains(Vec<Chain>);

struct Chain {
    /// The last record; its size is that of all of them together.
    file: Old,
    hash: String,
    count: usize,
}

impl Chains {
    /// More are somebody else's.
    const MOST: usize = 16;

    /// What the longest chain in the lines of a file from a place on is like, one that bears the code before any other, and how
    /// many bytes are not of it.
    fn read(path: &Path, from: u64, key: &Key) -> Result<(Option<Old>, u64), AuditError> {
        let (mut chains, mut bytes) = (Self::default(), 0);
        reader::lines_from(path, from, |line| {
            bytes += line.length + u64::from(line.complete);
            if let Ok(record) = line.record() {
                chains.take(path, &line, &record, key.sealed(&line.bytes));
            }
        })?;
        let longest = chains.0.into_iter().max_by_key(|chain| (chain.file.sealed, chain.count));
        Ok(longest.map_or((None, bytes), |chain| {
            let foreign = bytes - chain.file.size;
            (Some(chain.file), foreign)
        }))
    }

    fn take(&mut self, path: &Path, line: &Line, record: &Record, sealed: bool) {
        let follows = |chain: &&mut Chain| {
            let next = chain.file.last.saturating_add(1) == record.seq && sealed == chain.file.sealed;
            (sealed || !chain.file.sealed) && (record.prev == chain.hash || next)
        };
        let room = self.0.len() < Self::MOST;
        let before = self.0.iter_mut().filter(follows).max_by_key(|chain| (chain.file.sealed, chain.count));
        let file = Old {
            path: path.to_owned(),
            size: line.length + u64::from(line.complete),
            first: record.seq,
            last: record.seq,
            sealed,
            span: Duration::from_secs(record.span_s.unwrap_or(0)),
            wall: Now::of(record).map(|now| now.wall),
        };
        match before {
            Some(chain) => {
                let (size, first) = (chain.file.size + file.size, chain.file.first);
                (chain.file, chain.hash) = (Old { size, first, ..file }, line.hash());
                chain.count += 1;
            }
            None if room => self.0.push(Chain { file, hash: line.hash(), count: 1 }),
            None => {}
        }
    }
}

/// Whether the log begins with record 1, or a record says that those before it were deleted. Reads the newest files first:
/// that record is never older than the last deleting.
pub(super) fn beginning_is_explained(files: &[PathBuf]) -> Result<bool, AuditError> {
    let Some(oldest) = files.first() else { return Ok(true) };
    let Some(first) = first_number(oldest)? else { return Ok(true) };
    if first <= 1 {
        return Ok(true);
    }
    for path in files.iter().rev() {
        let mut explained = false;
        reader::lines(path, |line| {
            explained |= line.record().is_ok_and(|record| match record.event {
                Event::Retention { removed_through, .. } => removed_through >= first - 1,
                // All before it was lost, and it says so itself.
                Event::Gap { found, .. } => found == 0 && record.seq == first,
                _ => false,
            });
        })?;
        if explained {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Up to which record the gate's own records say that files were deleted; 0 where none says so. The newest file that says so knows most.
pub(super) fn deleted_through<'a>(
    files: impl DoubleEndedIterator<Item = &'a PathBuf>,
    key: &Key,
) -> Result<u64, AuditError> {
    for path in files.rev() {
        let mut through = 0;
        reader::lines(path, |line| {
            if let Ok(Record { event: Event::Retention { removed_through, .. }, .. }) = line.record()
                && key.sealed(&line.bytes)
            {
                through = through.max(removed_through);
            }
        })?;
        if through > 0 {
            return Ok(through);
        }
    }
    Ok(0)
}

/// The number of a file's first record; `None` if its first line is none.
fn first_number(path: &Path) -> Result<Option<u64>, AuditError> {
    let mut begin = Vec::new();
    let file = files::open(path, For::Reading)?;
    file.take(MAX_LINE).read_to_end(&mut begin).map_err(AuditError::io(path, "reading"))?;
    let line = begin.split(|b| *b == b'\n').next().unwrap_or_default();
    Ok(Record::of(line).ok().map(|record| record.seq))
}

/// How long and how much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) keep: Duration,
    pub(super) total: u64,
}

/// How many of the oldest files go, when the log's own time is `now` and the file that is written has `current` bytes.
pub(super) fn due(old: &[Old], current: u64, now: Duration, limits: Limits) -> usize {
    let mut total = current + old.iter().map(|f| f.size).sum::<u64>();
    let mut count = 0;
    for file in old {
        let too_old = now.saturating_sub(file.span) >= limits.keep;
        if !too_old && total <= limits.total {
            break;
        }
        total -= file.size;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_young_goes_for_its_age_and_the_rest_fits(
            files in prop::collection::vec((1u64..1000, 0u64..100), 0..30), now in 0u64..200, keep in 1u64..100, total in 1000u64..20_000,
        ) {
            let mut days = 0;
            let old: Vec<Old> = files.iter().zip(1..).map(|((size, step), seq)| {
                days += step / 10;
                Old { path: "f".into(), size: *size, first: seq, last: seq, sealed: true, span: Duration::from_secs(days), wall: None }
            }).collect();
            let limits = Limits { keep: Duration::from_secs(keep), total };
            let count = due(&old, 900, Duration::from_secs(now), limits);
            let left: u64 = 900 + old[count..].iter().map(|f| f.size).sum::<u64>();
            prop_assert!(left <= total);
            prop_assert!(old[count..].iter().all(|f| now.saturating_sub(f.span.as_secs()) < keep));
            if count > 0 {
                let before = left + old[count - 1].size;
                prop_assert!(before > total || now.saturating_sub(old[count - 1].span.as_secs()) >= keep);
            }
        }
    }
}
