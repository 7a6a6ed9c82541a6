//! Which files are too old, or too many: decided by the log's own time and the files' sizes alone.

use std::{
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    AuditError, Event, Record,
    clock::Now,
    files::{self, For},
    reader::{self, MAX_LINE},
};

/// A file that is not written any more.
#[derive(Clone, Debug)]
pub(super) struct Old {
    pub(super) path: PathBuf,
    /// Bytes.
    pub(super) size: u64,
    /// Number of its last record.
    pub(super) last: u64,
    /// The log's own time at its last record.
    pub(super) span: Duration,
    /// Wall-clock time of its last record.
    pub(super) wall: Option<jiff::Timestamp>,
}

impl Old {
    /// Looks at the end of a file; `None` if there is no record: then it is not known to be ours, and stays.
    pub(super) fn read(path: PathBuf) -> Result<Option<Self>, AuditError> {
        let mut file = files::open(&path, For::Reading)?;
        let mut end = Vec::new();
        let size = file.seek(SeekFrom::End(0)).map_err(AuditError::io(&path, "measuring"))?;
        file.seek(SeekFrom::Start(size.saturating_sub(MAX_LINE)))
            .and_then(|_| file.take(MAX_LINE).read_to_end(&mut end))
            .map_err(AuditError::io(&path, "reading"))?;
        let last = end.split(|b| *b == b'\n').rev().find_map(|line| Record::of(line).ok());
        Ok(last.map(|record| Self {
            path,
            size,
            last: record.seq,
            span: Duration::from_secs(record.span_s.unwrap_or(0)),
            wall: Now::of(&record).map(|now| now.wall),
        }))
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
                Old { path: "f".into(), size: *size, last: seq, span: Duration::from_secs(days), wall: None }
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
