//! Writing the log: append, sync, rotate, forget what is too old.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rustix::fs::{FlockOperation, flock};

use super::{AuditError, Event, GENESIS, HEAD, Record, hash_line, reader};
use crate::{camera::capture::monotonic_now, config::LogConfig};

/// A new day further from the last one than this is a jump of the clock as far as deleting is concerned.
const MOST_DAYS_AT_ONCE: i32 = 7;

/// The last number and hash of a log, in a file of fixed length that is overwritten in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Last number.
    pub seq: u64,
    /// Hash of that line.
    pub hash: String,
}

impl Head {
    /// Reads a head; `None` if it is missing or no head.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let mut text = String::new();
        File::open(path).ok()?.take(200).read_to_string(&mut text).ok()?;
        let (seq, hash) = text.trim_end().split_once(' ')?;
        (hash.len() == 64).then_some(())?;
        Some(Self { seq: seq.parse().ok()?, hash: hash.into() })
    }

    fn text(&self) -> String {
        format!("{:020} {}\n", self.seq, self.hash)
    }
}

/// The decision log, open for appending. Only one program at a time may have it.
#[derive(Debug)]
pub struct AuditLog {
    config: LogConfig,
    file: File,
    path: PathBuf,
    length: u64,
    day: Date,
    head: Head,
    head_file: File,
    boot: String,
    _lock: File,
}

impl AuditLog {
    /// Opens the log of a folder, which is made if need be, and finds the end of its chain. A torn last line is kept and
    /// noted by a record.
    ///
    /// # Errors
    /// [`AuditError`] if the folder cannot be written, another program has it, or the end of the chain is damaged.
    pub fn open(config: &LogConfig) -> Result<Self, AuditError> {
        let folder = &config.folder;
        let failed = |path: &Path, action: &'static str| {
            let path = path.to_owned();
            move |source| AuditError::Io { path, action, source }
        };
        std::fs::create_dir_all(folder).map_err(failed(folder, "making the folder"))?;
        let lock_path = folder.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(failed(&lock_path, "opening"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| AuditError::Busy { path: folder.clone() })?;
        let head_path = folder.join(HEAD);
        let head_file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(&head_path)
            .map_err(failed(&head_path, "opening"))?;
        let end = ChainEnd::find(folder)?;
        let (day, path) = match end.path {
            Some(path) => (day_of(&path).unwrap_or_else(today), path),
            None => (today(), file_name(folder, today(), 0)),
        };
        let mut file =
            OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(failed(&path, "opening"))?;
        let length = file.seek(SeekFrom::End(0)).map_err(failed(&path, "measuring"))?;
        sync_folder(folder);
        let mut log = Self {
            config: config.clone(),
            file,
            path,
            length,
            day,
            head: end.head,
            head_file,
            boot: boot_id(),
            _lock: lock,
        };
        if end.lacks_line_end {
            log.raw(b"\n")?;
        }
        if let Some(torn) = end.torn {
            log::warn!(
                "decision log {}: the last line is torn ({} bytes): the power was cut while it was written; the chain goes on",
                log.path.display(),
                torn.len()
            );
            log.append(Event::Torn { bytes: torn.len() as u64, hash: hash_line(&torn) })?;
        }
        Ok(log)
    }

    /// Whether [`AuditLog::open`] would succeed, as far as that can be told without changing anything on the medium.
    ///
    /// # Errors
    /// As [`AuditLog::open`], less [`AuditError::Busy`].
    pub fn probe(config: &LogConfig) -> Result<String, AuditError> {
        let folder = &config.folder;
        let existing = folder.ancestors().find(|p| p.exists()).unwrap_or(folder);
        let writable = rustix::fs::access(existing, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
        writable.map_err(|e| AuditError::Io {
            path: existing.into(),
            action: "writing to the folder",
            source: e.into(),
        })?;
        if existing != folder {
            return Ok(format!("{} will be made", folder.display()));
        }
        let end = ChainEnd::find(folder)?;
        Ok(format!("{}, {} records so far", folder.display(), end.head.seq))
    }

    /// Appends a record and waits until the medium has it. Returns the record's number.
    ///
    /// # Errors
    /// [`AuditError::Io`]; the record then does not count and the file is as it was, as far as the system allows.
    pub fn append(&mut self, event: Event) -> Result<u64, AuditError> {
        self.rotate()?;
        self.write_record(event)
    }

    /// Changes size and retention of an open log; the folder stays.
    pub fn set_limits(&mut self, config: &LogConfig) {
        (self.config.max_file_bytes, self.config.keep_days) = (config.max_file_bytes, config.keep_days);
    }

    fn write_record(&mut self, event: Event) -> Result<u64, AuditError> {
        let record = Record {
            seq: self.head.seq + 1,
            prev: self.head.hash.clone(),
            time: format!("{:.3}", Timestamp::now()),
            boot: self.boot.clone(),
            mono_ms: millis(monotonic_now()),
            clock_synced: clock_synced(),
            event,
        };
        let failed = |source: std::io::Error| AuditError::Io { path: self.path.clone(), action: "appending", source };
        let mut line = serde_json::to_vec(&record).map_err(|e| failed(e.into()))?;
        let hash = hash_line(&line);
        line.push(b'\n');
        self.raw(&line)?;
        self.head = Head { seq: record.seq, hash };
        // The head may lag behind by what a power cut takes; it is not worth a second wait for the medium.
        if let Err(error) = self.head_file.write_all_at(self.head.text().as_bytes(), 0) {
            log::warn!("decision log {}: the head cannot be written: {error}", self.config.folder.display());
        }
        Ok(record.seq)
    }

    /// Writes bytes and waits for the medium; takes a partial write back.
    fn raw(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let result =
            self.file.write_all(bytes).and_then(|()| self.file.sync_data()).and_then(|()| not_read_only(&self.file));
        if let Err(source) = result {
            if let Err(error) = self.file.set_len(self.length) {
                log::error!("decision log {}: a partial line cannot be taken back: {error}", self.path.display());
            }
            return Err(AuditError::Io { path: self.path.clone(), action: "appending", source });
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Begins a new file with the day or at the configured size, and deletes files that are too old.
    fn rotate(&mut self) -> Result<(), AuditError> {
        let today = today();
        // A clock that went back does not begin a file that would sort before the current one.
        let new_day = today > self.day && self.length > 0;
        if !new_day && self.length < self.config.max_file_bytes {
            return Ok(());
        }
        let folder = self.config.folder.clone();
        let day = today.max(self.day);
        let path = (0..).map(|n| file_name(&folder, day, n)).find(|p| !p.exists() && *p > self.path);
        let Some(path) = path else { return Ok(()) };
        let failed = |source| AuditError::Io { path: path.clone(), action: "beginning a new file", source };
        let file = OpenOptions::new().create_new(true).append(true).read(true).open(&path).map_err(failed)?;
        sync_folder(&folder);
        let before = self.day;
        (self.file, self.path, self.length, self.day) = (file, path, 0, day);
        // A clock that is wrong, or has just jumped by weeks, must not delete what is young.
        if clock_synced() == Some(false) || (day - before).get_days() > MOST_DAYS_AT_ONCE {
            return Ok(());
        }
        self.forget(day)
    }

    /// Deletes files older than the retention and notes it, so that the missing beginning is explained.
    fn forget(&mut self, today: Date) -> Result<(), AuditError> {
        let limit = today.saturating_sub(i64::from(self.config.keep_days).days());
        let mut removed_through = 0;
        for path in reader::files(&self.config.folder)? {
            if path == self.path || day_of(&path).is_none_or(|day| day >= limit) {
                break;
            }
            let mut last = 0;
            reader::lines(&path, |line| last = line.record().map_or(last, |r| r.seq.max(last)))?;
            removed_through = removed_through.max(last);
            // Noted before it is done: a power cut in between leaves a file too many, not a hole without a reason.
            self.write_record(Event::Retention { removed_through })?;
            std::fs::remove_file(&path).map_err(|source| AuditError::Io {
                path: path.clone(),
                action: "deleting",
                source,
            })?;
        }
        Ok(())
    }
}

/// Where the chain of a folder ends.
struct ChainEnd {
    path: Option<PathBuf>,
    head: Head,
    torn: Option<Vec<u8>>,
    lacks_line_end: bool,
}

impl ChainEnd {
    fn find(folder: &Path) -> Result<Self, AuditError> {
        let files = reader::files(folder)?;
        let mut end = Self {
            path: files.last().cloned(),
            head: Head { seq: 0, hash: GENESIS.into() },
            torn: None,
            lacks_line_end: false,
        };
        // The newest file may be empty: the power went between making and writing it.
        for path in files.iter().rev() {
            let mut last = None;
            let mut after: Vec<reader::Line> = Vec::new();
            let mut lacks_end = false;
            reader::lines(path, |line| match line.record() {
                // A record without its line end is whole all the same: its closing brace is there.
                Ok(record) => {
                    last = Some((record.seq, hash_line(&line.bytes)));
                    after.clear();
                    lacks_end = !line.complete;
                }
                Err(_) => after.push(line),
            })?;
            if after.len() > 1 {
                let what = format!("{} lines at the end are no records", after.len());
                return Err(AuditError::Broken { path: path.clone(), line: after[0].number, what });
            }
            if let Some(line) = after.pop() {
                end.lacks_line_end = !line.complete;
                end.torn = Some(line.bytes);
            }
            if let Some((seq, hash)) = last {
                end.head = Head { seq, hash };
                end.lacks_line_end |= lacks_end;
                return Ok(end);
            }
            if end.torn.is_some() && files.len() > 1 && Some(path) != files.last() {
                return Err(AuditError::Broken { path: path.clone(), line: 1, what: "no record in it".into() });
            }
        }
        Ok(end)
    }
}

/// Refuses a medium that was made read-only after the file had been opened: writing and syncing then succeed all the
/// same (ext4 after an emergency remount), and nothing reaches the medium.
fn not_read_only(file: &File) -> std::io::Result<()> {
    let stat = rustix::fs::fstatvfs(file)?;
    if stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Err(rustix::io::Errno::ROFS.into());
    }
    Ok(())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn today() -> Date {
    TimeZone::UTC.to_datetime(Timestamp::now()).date()
}

fn file_name(folder: &Path, day: Date, number: u32) -> PathBuf {
    folder.join(format!("decisions-{day}-{number:03}.jsonl"))
}

fn day_of(path: &Path) -> Option<Date> {
    path.file_name()?.to_str()?.strip_prefix("decisions-")?.get(..10)?.parse().ok()
}

/// Makes a new file's name durable; on file systems that cannot, the records still are.
fn sync_folder(folder: &Path) {
    if let Err(error) = File::open(folder).and_then(|f| f.sync_all()) {
        log::debug!("decision log {}: the folder cannot be synchronised: {error}", folder.display());
    }
}

fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.chars().filter(char::is_ascii_hexdigit).take(8).collect()
}

/// Whether the system clock was synchronised since boot, as systemd's time service marks it.
fn clock_synced() -> Option<bool> {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Some(true);
    }
    Path::new("/run/systemd/timesync").exists().then_some(false)
}

#[cfg(test)]
mod tests {
    use super::{super::verify::verify, *};

    fn config(folder: &Path) -> LogConfig {
        LogConfig { folder: folder.into(), ..LogConfig::default() }
    }

    fn filled(folder: &Path, count: usize) {
        let mut log = AuditLog::open(&config(folder)).unwrap();
        for _ in 0..count {
            log.append(Event::Stop).unwrap();
        }
    }

    fn only_file(folder: &Path) -> PathBuf {
        reader::files(folder).unwrap().pop().unwrap()
    }

    fn edit(folder: &Path, change: impl FnOnce(&mut Vec<String>)) -> Vec<String> {
        let path = only_file(folder);
        let mut lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(Into::into).collect();
        change(&mut lines);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        verify(folder).unwrap().faults
    }

    #[test]
    fn an_untouched_log_is_intact() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 5);
        filled(folder.path(), 5);
        let report = verify(folder.path()).unwrap();
        assert!(report.intact() && report.notes.is_empty(), "{report:?}");
        assert_eq!((report.records, report.first, report.last), (10, 1, 10));
    }

    #[test]
    fn a_changed_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 6);
        let faults = edit(folder.path(), |lines| lines[2] = lines[2].replace("\"mono_ms\":", "\"mono_ms\":9"));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("record 3: that one was changed"), "{faults:?}");
    }

    #[test]
    fn a_changed_last_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 6);
        let faults = edit(folder.path(), |lines| lines[5] = lines[5].replace("\"mono_ms\":", "\"mono_ms\":9"));
        assert!(faults.len() == 1 && faults[0].contains("record 6"), "{faults:?}");
    }

    #[test]
    fn removed_records_are_named_wherever_they_were() {
        for (at, expected) in [(0, "record"), (2, "record 3 is missing"), (5, "records 6 to 6 are missing at the end")]
        {
            let folder = tempfile::tempdir().unwrap();
            filled(folder.path(), 6);
            let faults = edit(folder.path(), |lines| drop(lines.remove(at)));
            assert!(faults.iter().any(|f| f.contains(expected)), "{at}: {faults:?}");
        }
    }

    #[test]
    fn reordered_records_are_named() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 6);
        let faults = edit(folder.path(), |lines| lines.swap(2, 3));
        assert!(faults.iter().any(|f| f.contains("record 3 stands after record 4")), "{faults:?}");
    }

    #[test]
    fn a_power_cut_at_any_byte_is_survived_and_reported() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 3);
        let whole = std::fs::read(only_file(folder.path())).unwrap();
        let second_end = whole.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0 + 1;
        for cut in second_end..whole.len() {
            let copy = tempfile::tempdir().unwrap();
            filled(copy.path(), 2);
            let path = only_file(copy.path());
            std::fs::write(&path, &whole[..cut]).unwrap();
            std::fs::remove_file(copy.path().join(HEAD)).unwrap();
            let mut log = AuditLog::open(&config(copy.path())).unwrap();
            let seq = log.append(Event::Stop).unwrap();
            drop(log);
            let report = verify(copy.path()).unwrap();
            assert!(report.intact(), "cut at {cut}: {report:?}");
            // With only the line end missing, the third record is whole and counts.
            let torn = usize::from(cut > second_end && cut < whole.len() - 1);
            assert_eq!((report.torn.len(), seq), (torn, 3 + u64::from(cut > second_end)), "cut at {cut}: {report:?}");
        }
    }

    #[test]
    fn a_full_medium_is_an_error_and_leaves_the_chain_whole() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 2);
        let mut log = AuditLog::open(&config(folder.path())).unwrap();
        log.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert!(log.append(Event::Stop).is_err());
        drop(log);
        assert!(verify(folder.path()).unwrap().intact());
    }

    #[test]
    fn a_second_writer_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _first = AuditLog::open(&config(folder.path())).unwrap();
        assert!(matches!(AuditLog::open(&config(folder.path())), Err(AuditError::Busy { .. })));
    }

    #[test]
    fn files_rotate_by_size_and_old_ones_go_with_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let small = LogConfig { max_file_bytes: 4096, keep_days: 1, ..config(folder.path()) };
        let mut log = AuditLog::open(&small).unwrap();
        for _ in 0..40 {
            log.append(Event::Stop).unwrap();
        }
        assert!(reader::files(folder.path()).unwrap().len() > 1);
        assert!(verify(folder.path()).unwrap().intact());
        // Make the first file look a year old; the next rotation deletes it and says so.
        let first = reader::files(folder.path()).unwrap().remove(0);
        std::fs::rename(&first, folder.path().join("decisions-2020-01-01-000.jsonl")).unwrap();
        for _ in 0..40 {
            log.append(Event::Stop).unwrap();
        }
        drop(log);
        let report = verify(folder.path()).unwrap();
        assert!(report.intact() && report.first > 1, "{report:?}");
    }
}
