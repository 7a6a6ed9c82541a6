//! Writing the log: find its end, append, sync, rotate, forget what is too old.
//!
//! The order that keeps a power cut from looking like a loss, and a loss from looking like a power cut: a record is on the
//! medium before `head` tells of it. What `head` tells of and is not there was taken away; the record that follows is a
//! `gap`, which verifying reports for ever.

use std::{
    fmt,
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rustix::fs::Access;

use super::{
    AuditError, Event, HEAD, Record,
    clock::{Now, Span},
    files::{self, For, Name},
    hash_line,
    head::{self, Head},
    key::{self, Key},
    lock,
    retention::{Limits, Old, beginning_is_explained, deleted_through, due},
    tail::{Believe, Tail},
    verify,
};
use crate::config::LogConfig;

/// Room that is kept below the limit of the total size: the next record and the one that notes the deleting.
const ROOM: u64 = 4096;
/// Format of what follows a `keyed` record.
const FORMAT: u32 = 2;

/// The decision log, open for appending. Only one program at a time may have it.
pub struct AuditLog {
    config: LogConfig,
    clock: Box<dyn Fn() -> Now + Send>,
    /// `None` while there is no room to begin.
    open: Option<Open>,
    /// What could not be written since the last record.
    unlogged: Option<Unlogged>,
}

/// What a start would find.
#[derive(Debug)]
pub struct Probed {
    /// Where the log is, and how long.
    pub state: String,
    /// What the start would note as lost or not the gate's own; empty for a log as the gate left it.
    pub losses: Vec<String>,
}

/// Events that could not be written.
struct Unlogged {
    count: u64,
    first: String,
    last: String,
    what: String,
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("folder", &self.config.folder).finish_non_exhaustive()
    }
}

impl AuditLog {
    /// Opens the log of a folder, which is made if need be, and finds the end of its chain. A torn last line is kept and
    /// noted by a record; so is everything that is missing or damaged. Where there is no room for that, the log is open all
    /// the same and tries again with the first record.
    ///
    /// # Errors
    /// [`AuditError`] if the folder or the key cannot be used, or another program has the log.
    pub fn open(config: &LogConfig) -> Result<Self, AuditError> {
        Self::open_with(config, Box::new(Now::system))
    }

    /// The same with another clock, for tests.
    ///
    /// # Errors
    /// As [`AuditLog::open`].
    pub fn open_with(config: &LogConfig, clock: Box<dyn Fn() -> Now + Send>) -> Result<Self, AuditError> {
        let mut log = Self { config: config.clone(), clock, open: None, unlogged: None };
        match log.begin(None) {
            Err(error) if error.is_full() => log::error!("{error}; the log goes on when there is room again"),
            other => drop(other?),
        }
        Ok(log)
    }

    /// Whether [`AuditLog::open`] would succeed, as far as that can be told without changing anything on the medium, and what it
    /// would note as lost.
    ///
    /// # Errors
    /// As [`AuditLog::open`], less [`AuditError::Busy`]: who writes to it says [`lock::writer`].
    pub fn probe(config: &LogConfig) -> Result<Probed, AuditError> {
        let folder = &config.folder;
        let existing = files::nearest(folder)?;
        may_be_written(existing)?;
        let key_path = key::path(config)?;
        let found = key::find(&key_path)?;
        if !matches!(found, key::Found::InUse(_)) {
            // Its folder is not made, but where it is one above the log's.
            let place = key_path.parent().unwrap_or(Path::new("/"));
            let place = if folder.starts_with(place) { files::nearest(place)? } else { place };
            files::can_be_made_in(place).map_err(AuditError::io(&key_path, "making the key in its folder"))?;
        }
        let known = !matches!(found, key::Found::Nothing);
        let keyed = match found {
            key::Found::InUse(key) => Some(Keyed { key, in_use: true }),
            key::Found::New(key) => Some(Keyed { key, in_use: false }),
            key::Found::Nothing => None,
        };
        if existing != folder {
            let lost = if keyed.as_ref().is_some_and(|keyed| keyed.in_use) {
                "; there is a key, so there was a log, which is lost"
            } else {
                ""
            };
            return Ok(Probed { state: format!("{} will be made{lost}", folder.display()), losses: Vec::new() });
        }
        let head = folder.join(HEAD);
        let head_found = Head::read(&head)?;
        let listed = files::list(folder)?;
        for path in &listed {
            files::open(path, For::Reading)?;
        }
        let files: Vec<PathBuf> = listed.iter().filter(|path| !files::is_empty(path)).cloned().collect();
        let (mut losses, mut torn) = (Vec::new(), false);
        let tail = match &keyed {
            None => Tail::find(&files, None, Believe::All(None))?,
            Some(keyed) => {
                let claim = claim(&head_found, keyed, !files.is_empty(), &mut losses);
                let tail = keyed.tail(&files, claim.as_ref())?;
                torn = judge(&tail, claim.as_ref(), keyed, &mut losses);
                tail
            }
        };
        let goes_on = current(folder, &listed, &tail, torn, date(&Now::system()));
        for written in [head, lock::path(folder), goes_on].iter().filter(|path| path.exists()) {
            let may = rustix::fs::access(written, Access::READ_OK | Access::WRITE_OK);
            may.map_err(|e| AuditError::io(written, "opening")(e.into()))?;
        }
        if tail.is_keyed() && !known {
            return Err(AuditError::KeyGone { key: key::path(config)?, folder: folder.clone() });
        }
        Ok(Probed { state: format!("{}, {} records so far", folder.display(), tail.head().seq), losses })
    }

    /// Appends a record and waits until the medium has it. Returns the record's number.
    ///
    /// # Errors
    /// [`AuditError`]: the event then must not be acted on. After [`AuditError::Lost`] the loss has been noted, or will be
    /// by a later call; the files are as they were, as far as the system allows.
    pub fn append(&mut self, event: Event) -> Result<u64, AuditError> {
        let now = (self.clock)();
        let result = self.try_append(event, &now);
        if let Err(error) = &result {
            let time = format!("{:.3}", now.wall);
            let before = self.unlogged.take();
            self.unlogged = Some(Unlogged {
                count: before.as_ref().map_or(0, |before| before.count) + 1,
                first: before.map_or_else(|| time.clone(), |before| before.first),
                last: time,
                what: error.to_string(),
            });
        }
        result
    }

    fn try_append(&mut self, event: Event, now: &Now) -> Result<u64, AuditError> {
        self.ready()?.rotate(now)?;
        if let Some(Unlogged { count, first, last, what }) = &self.unlogged {
            let lost = Event::Unlogged { count: *count, first: first.clone(), last: last.clone(), what: what.clone() };
            self.ready()?.write_record(lost, now)?;
            self.unlogged = None;
        }
        self.ready()?.write_record(event, now)
    }

    /// Changes size and retention of an open log; folder and key stay.
    pub fn set_limits(&mut self, config: &LogConfig) {
        (self.config.max_file_bytes, self.config.keep_days) = (config.max_file_bytes, config.keep_days);
        self.config.max_total_bytes = config.max_total_bytes;
        if let Some(open) = &mut self.open {
            (open.limits, open.most_in_file) = Open::limits(&self.config);
        }
    }

    /// The log in a state to be written to, or the reason why it is not.
    fn ready(&mut self) -> Result<&mut Open, AuditError> {
        if let Some(open) = &mut self.open {
            if let Some((path, what)) = open.moved() {
                let known = Known { head: open.head.clone(), lost: Some(what.clone()), ..Known::of(open)? };
                match self.begin(Some(&known)) {
                    Ok(()) => log::error!("decision log {}: {what}; noted, the log goes on", path.display()),
                    Err(error) => log::error!("{error}"),
                }
                return Err(AuditError::Lost { path, what });
            }
            if open.half_line {
                let taken_back = open.file.set_len(open.length).and_then(|()| open.file.sync_data());
                if taken_back.is_err() {
                    // What was written of the line is ended and noted, as after a power cut.
                    let known = Known::of(open)?;
                    self.begin(Some(&known))?;
                } else {
                    open.half_line = false;
                }
            }
        } else {
            self.begin(None)?;
        }
        self.open.as_mut().ok_or_else(|| AuditError::Lost { path: self.config.folder.clone(), what: "not open".into() })
    }

    /// Finds the end of the log, notes what is wrong with it, and makes it ready for the next record.
    fn begin(&mut self, known: Option<&Known>) -> Result<(), AuditError> {
        let now = (self.clock)();
        self.open = Some(Open::begin(&self.config, known, &now)?);
        Ok(())
    }
}

/// What a running gate knows of its log from before.
struct Known {
    head: Head,
    key: Key,
    lock: File,
    /// The key's file, as long as it is the gate's own.
    key_file: Option<File>,
    /// What happened to the files, if anything.
    lost: Option<String>,
}

impl Known {
    fn of(open: &Open) -> Result<Self, AuditError> {
        let lock = open.lock.try_clone().map_err(AuditError::io(&open.path, "keeping the lock"))?;
        let key_file = open.key_file.as_ref().map(File::try_clone).transpose();
        let key_file = key_file.map_err(AuditError::io(&open.path, "keeping the key"))?;
        Ok(Self { head: open.head.clone(), key: open.key.clone(), lock, key_file, lost: None })
    }

    /// Puts the key back, which the gate still knows: with it the records before stay provable. What stands in its place is set
    /// aside, whatever it is.
    fn put_key_back(&self, path: &Path) -> Result<(), AuditError> {
        let own = self.key_file.as_ref();
        if own.is_some_and(|own| files::elsewhere(path, own).is_none() && self.key.is_in(own)) {
            return Ok(());
        }
        if std::fs::symlink_metadata(path).is_ok() {
            let aside = key::set_aside(path)?;
            log::error!(
                "key of the decision log {}: this was another one; it is {} now, and the gate's own is back",
                path.display(),
                aside.display()
            );
        }
        key::put_back(path, &self.key)
    }
}

/// The open files and what was written last.
struct Open {
    folder: PathBuf,
    limits: Limits,
    most_in_file: u64,
    file: File,
    path: PathBuf,
    name: Name,
    length: u64,
    /// Something was written that does not count and could not be taken back.
    half_line: bool,
    head: Head,
    head_file: File,
    key: Key,
    key_path: PathBuf,
    /// The key's file, once it is in use and as long as it is the gate's own.
    key_file: Option<File>,
    keyed: bool,
    span: Span,
    old: Vec<Old>,
    /// Up to which record a deleting is noted; `None` until the records were asked.
    noted_through: Option<u64>,
    /// A file beyond the limits could not be deleted, and it was said.
    stuck: bool,
    /// Deletes a file; tests have a system that does not.
    delete: fn(&Path) -> std::io::Result<()>,
    /// Records are missing at the beginning, and nothing says why.
    beginning_lost: bool,
    lock: File,
}

/// The key, and whether records bear its code already.
struct Keyed {
    key: Key,
    in_use: bool,
}

impl Keyed {
    /// The end of a log, by the records that count.
    fn tail(&self, files: &[PathBuf], claim: Option<&Head>) -> Result<Tail, AuditError> {
        if self.in_use {
            return Tail::find_own(files, claim, &self.key);
        }
        Tail::find(files, claim, Believe::All(Some(&self.key)))
    }
}

impl Open {
    fn begin(config: &LogConfig, known: Option<&Known>, now: &Now) -> Result<Self, AuditError> {
        let folder = &config.folder;
        make_folder(folder)?;
        // Files that are there could be written to, and the next one not be made.
        may_be_written(folder)?;
        let lock = lock::take(folder, known.map(|known| &known.lock))?;
        let listed = files::list(folder)?;
        // A power cut between the making of a file and its first record leaves an empty one, and so may anybody.
        let files: Vec<PathBuf> = listed.iter().filter(|path| !files::is_empty(path)).cloned().collect();
        let key_path = key::path(config)?;
        let head_path = folder.join(HEAD);
        let head_found = Head::read(&head_path)?;
        let mut troubles = Vec::new();

        let keyed = match known {
            Some(known) => {
                known.put_key_back(&key_path)?;
                Keyed { key: known.key.clone(), in_use: true }
            }
            None => match key::find(&key_path)? {
                key::Found::InUse(key) => Keyed { key, in_use: true },
                key::Found::New(key) => Keyed { key, in_use: false },
                key::Found::Nothing => {
                    if Tail::find(&files, None, Believe::All(None))?.is_keyed() {
                        troubles.push(
                            "the key is gone: nobody can tell any more whether the records are the gate's own".into(),
                        );
                    }
                    if !files.is_empty() {
                        log::warn!(
                            "decision log {}: there are records, and no key: one is made, and proves those to come, not those",
                            folder.display()
                        );
                    }
                    Keyed { key: key::make(&key_path)?, in_use: false }
                }
            },
        };
        let claim = match known {
            Some(known) => {
                troubles.extend(known.lost.clone());
                Some(known.head.clone())
            }
            None => claim(&head_found, &keyed, !files.is_empty(), &mut troubles),
        };
        let tail = keyed.tail(&files, claim.as_ref())?;
        let torn = judge(&tail, claim.as_ref(), &keyed, &mut troubles);

        let end = tail.head();
        let mut head_seq = if tail.is_plausible() { end.seq } else { 0 };
        let mut note = torn.then(|| tail.torn_event());
        if !troubles.is_empty() {
            let what = troubles.join("; ");
            log::error!("decision log {}: {what}; a gap is noted", folder.display());
            head_seq = head_seq.max(claim.as_ref().map_or(0, |c| c.seq));
            note = Some(Event::Gap {
                what,
                expected: claim.as_ref().map(|c| c.seq),
                expected_hash: claim.as_ref().map(|c| c.hash.clone()),
                found: end.seq,
            });
        } else if torn {
            log::warn!(
                "decision log {}: the last line is torn: the power was cut while it was written; the chain goes on",
                folder.display()
            );
        }

        // The head is on the medium before the first record, so that it is never missing for good reason.
        let head_file = files::open(&head_path, For::Overwriting)?;
        if matches!(head_found, head::Found::Missing | head::Found::Empty | head::Found::Damaged) && note.is_none() {
            end.write(&head_file, &keyed.key)
                .and_then(|()| head_file.sync_all())
                .map_err(AuditError::io(&head_path, "writing"))?;
        }
        let mut path = current(folder, &listed, &tail, torn, date(now));
        let last = tail.last.as_ref();
        let mut newest = if files.contains(&path) { Old::read_whole(&path, &keyed.key)? } else { None };
        // Where most is not the gate's, as in a file that somebody put a copy of its last record into, it does not go on.
        let bytes = std::fs::metadata(&path).map_or(0, |found| found.len());
        let crowded = !torn && last.is_some_and(|last| last.complete);
        if newest.as_ref().is_some_and(|newest| crowded && newest.size < bytes / 2)
            && let Some(next) = following(folder, Name::of(&path), date(now))
        {
            (path, newest) = (next, None);
        }
        let goes_on = files.contains(&path);
        let mut file = files::open(&path, For::Appending)?;
        let length = file.seek(SeekFrom::End(0)).map_err(AuditError::io(&path, "measuring"))?;
        files::sync_folder(folder);

        let others = files.iter().filter(|other| **other != path);
        let old = Old::of_gate(others, newest.as_ref(), &keyed.key, last.map_or(u64::MAX, |last| last.head.seq))?;
        let sealed = last.is_some_and(|last| last.sealed == Some(true));
        let mut latest = old.iter().filter_map(|f| f.wall).max().unwrap_or(Timestamp::UNIX_EPOCH);
        if let Some(newest) = newest {
            latest = latest.max(newest.wall.unwrap_or(latest));
        }
        let total = Duration::from_secs(last.and_then(|last| last.record.span_s).unwrap_or(0));
        let (limits, most_in_file) = Self::limits(config);
        let mut open = Self {
            folder: folder.clone(),
            limits,
            most_in_file,
            name: Name::of(&path).unwrap_or(Name { day: date(now), number: 0 }),
            file,
            path,
            length,
            half_line: false,
            head: Head { seq: head_seq, hash: end.hash },
            head_file,
            keyed: keyed.in_use,
            key: keyed.key.clone(),
            key_path: key_path.clone(),
            key_file: None,
            span: Span::after(total, last.and_then(|last| Now::of(&last.record)), latest),
            old,
            noted_through: None,
            stuck: false,
            delete: |path| std::fs::remove_file(path),
            beginning_lost: !beginning_is_explained(&files)?,
            lock,
        };
        let ended = tail.after.last().map_or_else(|| last.is_none_or(|l| l.complete), |line| line.complete);
        if goes_on && !ended {
            open.raw(b"\n")?;
        }
        if let Some(note) = note {
            open.write_record(note, now)?;
        }
        if !open.keyed {
            open.keyed = true;
            if !sealed {
                open.write_record(Event::Keyed { format: FORMAT, key: open.key.id() }, now)?;
            }
        }
        open.head
            .write(&open.head_file, &open.key)
            .and_then(|()| open.head_file.sync_all())
            .map_err(AuditError::io(&head_path, "writing"))?;
        if !keyed.in_use {
            // Last: from now on a log without its records or with another head has lost them.
            key::put_in_use(&key_path)?;
        }
        let key_file = files::open(&key_path, For::Reading)?;
        open.key_file = open.key.is_in(&key_file).then_some(key_file);
        open.forget(now)?;
        Ok(open)
    }

    /// What may be kept, and the size of a file at most.
    fn limits(config: &LogConfig) -> (Limits, u64) {
        let limits = Limits {
            keep: Duration::from_secs(u64::from(config.keep_days) * 24 * 3600),
            total: config.max_total_bytes.saturating_sub(ROOM),
        };
        (limits, config.max_file_bytes.min(config.max_total_bytes / 4))
    }

    /// What has happened to the files behind the gate's back, if anything.
    fn moved(&self) -> Option<(PathBuf, String)> {
        let head = self.folder.join(HEAD);
        let lock = lock::path(&self.folder);
        let key = self.key_file.as_ref().map(|file| (&self.key_path, file));
        let own = [(&self.path, &self.file), (&head, &self.head_file), (&lock, &self.lock)];
        for (path, file) in own.into_iter().chain(key) {
            if let Some(what) = files::elsewhere(path, file) {
                return Some((path.clone(), format!("{} while the gate ran: {what}", shown(path))));
            }
        }
        if self.key_file.as_ref().is_some_and(|file| !self.key.is_in(file)) {
            let what = format!("{} while the gate ran: it was overwritten", shown(&self.key_path));
            return Some((self.key_path.clone(), what));
        }
        let length = self.file.metadata().map_or(0, |m| m.len());
        if length != self.length && !self.half_line {
            let what = format!(
                "{} while the gate ran: it has {length} bytes, the gate had written {}",
                shown(&self.path),
                self.length
            );
            return Some((self.path.clone(), what));
        }
        None
    }

    fn write_record(&mut self, event: Event, now: &Now) -> Result<u64, AuditError> {
        // The time counts only with a record that stays.
        let mut span = self.span.clone();
        let record = Record {
            seq: self.head.seq + 1,
            prev: self.head.hash.clone(),
            time: format!("{:.3}", now.wall),
            boot: now.boot.clone(),
            mono_ms: u64::try_from(now.mono.as_millis()).unwrap_or(u64::MAX),
            clock_synced: now.synced,
            span_s: Some(span.advance(now).as_secs()),
            event,
            mac: None,
        };
        let mut line =
            serde_json::to_vec(&record).map_err(|e| AuditError::io(&self.path, "wording a record")(e.into()))?;
        if self.keyed {
            self.key.seal(&mut line);
        }
        let hash = hash_line(&line);
        line.push(b'\n');
        self.raw(&line)?;
        // A file that went while it was written took the record with it.
        if let Some((path, what)) = self.moved() {
            return Err(AuditError::Lost { path, what });
        }
        self.span = span;
        self.head = Head { seq: record.seq, hash };
        // The head may lag behind by what a power cut takes; it is not worth a second wait for the medium.
        if let Err(error) = self.head.write(&self.head_file, &self.key) {
            log::warn!("decision log {}: the head cannot be written: {error}", self.folder.display());
        }
        Ok(record.seq)
    }

    /// Writes bytes and waits for the medium; takes a partial write back.
    fn raw(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let result =
            self.file.write_all(bytes).and_then(|()| self.file.sync_data()).and_then(|()| not_read_only(&self.file));
        if let Err(source) = result {
            let taken_back = self.file.set_len(self.length).and_then(|()| self.file.sync_data());
            if let Err(error) = taken_back {
                self.half_line = true;
                log::error!("decision log {}: a partial line cannot be taken back: {error}", self.path.display());
            }
            return Err(AuditError::Io { path: self.path.clone(), action: "appending", source });
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Begins a new file with the day or at the configured size, and deletes files that are too old or too many.
    fn rotate(&mut self, now: &Now) -> Result<(), AuditError> {
        let today = date(now);
        // A clock that went back does not begin a file that would sort before the current one.
        let new_day = today > self.name.day && self.length > 0;
        if new_day || self.length >= self.most_in_file {
            // After the last name of all, which only somebody else can have given, the file goes on.
            if let Some(path) = following(&self.folder, Some(self.name), today) {
                let file = files::open(&path, For::Appending)?;
                files::sync_folder(&self.folder);
                self.old.extend(Old::read(&self.path, &self.key)?);
                self.name = Name::of(&path).unwrap_or(self.name);
                (self.file, self.path, self.length) = (file, path, 0);
            }
        }
        self.forget(now)
    }

    /// Deletes files beyond the limits and notes it, so that the missing beginning is explained. A file that the system does not let go
    /// stays, is told of, and keeps nothing else from going on.
    fn forget(&mut self, now: &Now) -> Result<(), AuditError> {
        let span = self.span.clone().advance(now);
        let count = due(&self.old, self.length, span, self.limits);
        let Some(last) = count.checked_sub(1).map(|k| self.old[k].last) else { return Ok(()) };
        let noted_through = match self.noted_through {
            Some(through) => through,
            None => deleted_through(self.old.iter().map(|file| &file.path).chain([&self.path]), &self.key)?,
        };
        self.noted_through = Some(noted_through);
        // Noted before it is done: a power cut in between leaves a file too many, not a hole without a reason.
        if last > noted_through {
            let next = self.old.get(count).map_or(&self.path, |file| &file.path);
            let deleted = self.old[..count].iter().map(|file| file.path.as_path());
            let faults = verify::faults_in(deleted, next, &self.key)? + u64::from(self.beginning_lost);
            self.write_record(Event::Retention { removed_through: last, faults }, now)?;
            self.noted_through = Some(last);
            self.beginning_lost = false;
        }
        while self.old.first().is_some_and(|file| file.last <= last) {
            let path = &self.old[0].path;
            match (self.delete)(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    if !std::mem::replace(&mut self.stuck, true) {
                        log::error!(
                            "decision log {}: this file is due to be deleted and cannot be: {error}; it stays, and the log goes on",
                            path.display()
                        );
                    }
                    return Ok(());
                }
                _ => drop(self.old.remove(0)),
            }
        }
        self.stuck = false;
        Ok(())
    }
}

/// What the head tells of, if it can be believed; else what is wrong with it.
fn claim(found: &head::Found, keyed: &Keyed, records: bool, troubles: &mut Vec<String>) -> Option<Head> {
    match found {
        head::Found::Keyed { head, mac } if head.sealed(mac, &keyed.key) => Some(head.clone()),
        head::Found::Keyed { head, .. } | head::Found::Plain(head) if head.seq >= Record::PLAUSIBLE => {
            troubles.push(format!("`head` tells of record {}: no gate reaches that number", head.seq));
            None
        }
        // Without the key of then nobody can tell; that the key is gone is noted already.
        head::Found::Keyed { head, .. } if !troubles.is_empty() => Some(head.clone()),
        head::Found::Keyed { .. } => {
            troubles
                .push("`head` does not bear the code of this key: it was changed or damaged, or the key was".into());
            None
        }
        head::Found::Plain(head) if !keyed.in_use => Some(head.clone()),
        head::Found::Plain(_) => {
            troubles.push("`head` bears no code: it was replaced".into());
            None
        }
        // Before the first record of all, or of a log of version 0.1.0 that saw a power cut in its first minute.
        head::Found::Empty if !keyed.in_use => None,
        head::Found::Missing | head::Found::Damaged if !keyed.in_use && !records => None,
        head::Found::Missing => {
            troubles.push("`head` is missing".into());
            None
        }
        head::Found::Empty | head::Found::Damaged => {
            troubles.push("`head` is damaged".into());
            None
        }
    }
}

/// The file to go on in: that of the gate's last record, or the empty one that was to follow it. Where anything else stands
/// after that record, a new file: what the gate did not write stays by itself.
fn current(folder: &Path, listed: &[PathBuf], tail: &Tail, torn: bool, today: Date) -> PathBuf {
    let newest = listed.iter().rev().find(|path| !files::is_empty(path));
    let own = tail.last.as_ref().map(|last| &last.path).or(newest);
    let name = own.and_then(|path| Name::of(path));
    // A file of a day to come is none that the gate began, unless it goes on from one.
    let latest = name.map_or(today, |name| name.day.max(today));
    let timely = |path: &&PathBuf| Name::of(path).is_some_and(|name| name.day <= latest);
    if let Some(torn) = newest.filter(|path| torn && timely(path)) {
        return torn.clone();
    }
    if tail.after_count == 0 {
        let whole = tail.last.as_ref().is_none_or(|last| last.complete);
        let follows = |path: &&PathBuf| whole && Name::of(path) > name && timely(path) && files::is_empty(path);
        if let Some(path) = listed.iter().find(follows).or(own) {
            return path.clone();
        }
    }
    let next = following(folder, name, today).or_else(|| own.cloned());
    next.unwrap_or_else(|| folder.join(Name { day: today, number: 0 }.to_string()))
}

/// The file after one of that name: the next that is not there; `None` after the last name of all. Whatever stands there
/// already is not ours; verifying tells of it.
fn following(folder: &Path, name: Option<Name>, today: Date) -> Option<PathBuf> {
    let first = name.map_or(Some(Name { day: today, number: 0 }), |name| name.next(today));
    let mut paths = std::iter::successors(first, |name| name.next(today)).map(|name| folder.join(name.to_string()));
    paths.find(|path| std::fs::symlink_metadata(path).is_err())
}

/// Whether the lines after the last record are torn by a power cut; adds what is wrong with the end of the log.
fn judge(tail: &Tail, claim: Option<&Head>, keyed: &Keyed, troubles: &mut Vec<String>) -> bool {
    let found = tail.head().seq;
    match claim {
        Some(claim) if claim.seq > found && tail.claim_replaced => {
            troubles.push(format!("record {} is not the one that was written: it was changed", claim.seq));
        }
        Some(claim) if claim.seq > found => {
            troubles.push(format!("{} at the end", verify::missing(found.saturating_add(1), claim.seq)));
        }
        Some(claim) if !tail.claim_holds => {
            troubles.push(format!("record {} is not the one that was written: it was changed", claim.seq));
        }
        Some(claim) if claim.seq == found && tail.last.as_ref().is_some_and(|last| !last.complete) => {
            troubles.push(format!("the end of record {found} is missing"));
        }
        _ if keyed.in_use && tail.last.is_none() => {
            troubles.push("there is a key, but no record: the whole log is lost".into());
        }
        _ => {}
    }
    if keyed.in_use && tail.last.as_ref().is_some_and(|last| last.sealed == Some(false)) {
        troubles.push(format!(
            "record {found} does not bear the code of this key: it was not written by this gate, or changed"
        ));
    }
    if !tail.is_plausible() {
        troubles.push(format!("no gate reaches the number {found}"));
    }
    if tail.after_count == 0 {
        return false;
    }
    if troubles.is_empty() && tail.torn() {
        return true;
    }
    troubles.push(match tail.after_count {
        1 => "the line at the end is no record of this gate: it was changed or damaged, or somebody else wrote it".into(),
        count => format!(
            "{count} lines at the end are no records of this gate: they were changed or damaged, or somebody else wrote them"
        ),
    });
    false
}

/// Refuses a folder of records in which no file can be made.
fn may_be_written(folder: &Path) -> Result<(), AuditError> {
    files::can_be_made_in(folder).map_err(AuditError::io(folder, "writing to the folder"))
}

/// Makes the folder, durably.
fn make_folder(folder: &Path) -> Result<(), AuditError> {
    files::nearest(folder)?;
    let missing: Vec<&Path> = folder.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    std::fs::create_dir_all(folder).map_err(AuditError::io(folder, "making the folder"))?;
    for made in missing {
        files::sync_folder(made.parent().unwrap_or(Path::new("/")));
    }
    Ok(())
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

fn date(now: &Now) -> Date {
    TimeZone::UTC.to_datetime(now.wall).date()
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Read};

    use super::{
        super::verify::{Against, Report, verify},
        *,
    };

    fn config(folder: &Path) -> LogConfig {
        LogConfig { folder: folder.join("log"), ..LogConfig::default() }
    }

    fn filled(folder: &Path, count: usize) -> AuditLog {
        let mut log = AuditLog::open(&config(folder)).unwrap();
        for _ in 0..count {
            log.append(Event::Stop).unwrap();
        }
        log
    }

    fn checked(folder: &Path) -> Report {
        let folder = folder.join("log");
        verify(&folder, &Against::key_of(&folder, None).unwrap()).unwrap()
    }

    fn only_file(folder: &Path) -> PathBuf {
        files::list(&folder.join("log")).unwrap().pop().unwrap()
    }

    fn edit(folder: &Path, change: impl FnOnce(&mut Vec<String>)) -> Vec<String> {
        let path = only_file(folder);
        let mut lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(Into::into).collect();
        change(&mut lines);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        checked(folder).faults
    }

    #[test]
    fn an_untouched_log_is_intact() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 5);
        filled(folder.path(), 5);
        let report = checked(folder.path());
        assert!(report.intact() && report.notes.is_empty(), "{report:?}");
        assert_eq!((report.records, report.first, report.last, report.authentic), (11, 1, 11, 11));
    }

    #[test]
    fn a_changed_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 6);
        let faults = edit(folder.path(), |lines| lines[2] = lines[2].replace("\"mono_ms\":", "\"mono_ms\":9"));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("record 3: that one was changed"), "{faults:?}");
        assert!(faults[1].contains("record 3 does not bear the code"), "{faults:?}");
    }

    #[test]
    fn removed_records_are_named_wherever_they_were() {
        for (at, expected) in [(0, "record"), (2, "record 3 is missing"), (6, "record 7 is missing at the end")] {
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
    fn a_second_writer_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _first = filled(folder.path(), 0);
        assert!(matches!(AuditLog::open(&config(folder.path())), Err(AuditError::Busy { .. })));
    }

    /// A log whose medium took a part of a record and then neither the rest nor the taking back.
    fn half_written(folder: &Path, share: usize) -> AuditLog {
        let mut log = filled(folder, 2);
        let open = log.open.as_mut().unwrap();
        let mut whole = OpenOptions::new().append(true).open(&open.path).unwrap();
        // The record that will be half written, as the gate writes it.
        let (length, head) = (open.length, open.head.clone());
        open.write_record(Event::Stop, &Now::system()).unwrap();
        let mut text = Vec::new();
        File::open(&open.path).unwrap().read_to_end(&mut text).unwrap();
        whole.set_len(length + (text.len() as u64 - length) * share as u64 / 100).unwrap();
        whole.flush().unwrap();
        head.write(&open.head_file, &open.key).unwrap();
        (open.length, open.head, open.half_line) = (length, head, true);
        // A file that can only be read refuses to be cut, as one on a medium in trouble does.
        open.file = File::open(&open.path).unwrap();
        log
    }

    #[test]
    fn what_was_written_by_half_is_never_glued_to_the_next_record() {
        for share in [0, 1, 50, 99, 100] {
            let folder = tempfile::tempdir().unwrap();
            let mut log = half_written(folder.path(), share);
            for _ in 0..3 {
                log.append(Event::Stop).unwrap();
            }
            drop(log);
            filled(folder.path(), 1);
            let report = checked(folder.path());
            assert!(report.intact(), "{share} %: {report:#?}");
            assert_eq!(report.torn.len(), usize::from(![0, 100].contains(&share)), "{share} %: {report:#?}");
        }
    }

    #[test]
    fn while_it_can_neither_be_taken_back_nor_ended_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = half_written(folder.path(), 50);
        let head = folder.path().join("log/head");
        std::fs::rename(&head, folder.path().join("kept")).unwrap();
        std::fs::create_dir(&head).unwrap();
        let before = std::fs::read(only_file(folder.path())).unwrap();
        for _ in 0..3 {
            assert!(log.append(Event::Stop).is_err());
        }
        assert_eq!(std::fs::read(only_file(folder.path())).unwrap(), before);
    }

    #[test]
    fn an_event_that_a_medium_did_not_take_is_noted_and_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = filled(folder.path(), 2);
        let open = log.open.as_mut().unwrap();
        open.file = File::open(&open.path).unwrap();
        log.append(Event::Stop).unwrap_err();
        log.append(Event::Stop).unwrap();
        let report = checked(folder.path());
        assert!(report.intact() && report.records == 5, "{report:#?}");
        assert!(report.notes.iter().any(|note| note.contains("record 4: before it")), "{report:#?}");
    }

    #[test]
    fn a_first_start_that_is_cut_short_anywhere_is_no_loss() {
        for step in 0..7 {
            let folder = tempfile::tempdir().unwrap();
            filled(folder.path(), 0);
            let (log, key) = (folder.path().join("log"), folder.path().join("log.key"));
            let record = only_file(folder.path());
            let line = std::fs::read(&record).unwrap();
            std::fs::rename(&key, folder.path().join("log.key.new")).unwrap();
            let unused = Head::default();
            if step < 6 {
                let key = key::Found::New(match key::find(&key).unwrap() {
                    key::Found::New(key) => key,
                    other => panic!("{other:?}"),
                });
                let key::Found::New(key) = key else { panic!() };
                unused.write(&files::open(&log.join(HEAD), For::Overwriting).unwrap(), &key).unwrap();
            }
            match step {
                0 => {
                    std::fs::remove_dir_all(&log).unwrap();
                    std::fs::write(folder.path().join("log.key.new"), "agegate-log-k").unwrap();
                }
                1 => std::fs::remove_dir_all(&log).unwrap(),
                2 => {
                    std::fs::remove_file(&record).unwrap();
                    std::fs::write(log.join(HEAD), "").unwrap();
                }
                3 => std::fs::remove_file(&record).unwrap(),
                4 => std::fs::write(&record, &line[..line.len() / 2]).unwrap(),
                // The record is there, the head behind; or only the key has not got its name.
                _ => {}
            }
            filled(folder.path(), 2);
            let report = checked(folder.path());
            assert!(report.intact() && report.authentic >= 3 && key.exists(), "step {step}: {report:#?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_deleted_is_noted_once_and_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = LogConfig { max_file_bytes: 4096, max_total_bytes: 16_384, ..config(folder.path()) };
        let mut log = AuditLog::open(&config).unwrap();
        let mut events = 0;
        while log.open.as_ref().unwrap().old.len() < 2 {
            log.append(Event::Stop).unwrap();
            events += 1;
            assert!(events < 500);
        }
        log.open.as_mut().unwrap().delete = |_| Err(std::io::ErrorKind::PermissionDenied.into());
        for _ in 0..60 {
            log.append(Event::Stop).unwrap();
        }
        assert!(log.open.as_ref().unwrap().stuck);
        let report = checked(folder.path());
        assert!(report.intact() && report.first == 1, "{report:#?}");
        assert!(report.notes.iter().any(|note| note.contains("are there, though a record says")), "{report:#?}");
        drop(log);
        let noted = || {
            let lines = files::list(&folder.path().join("log")).unwrap();
            let text: String = lines.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
            text.matches("\"event\":\"retention\"").count()
        };
        let before = noted();
        // The next start deletes it, and need not say so again.
        drop(AuditLog::open(&config).unwrap());
        let report = checked(folder.path());
        assert!(report.intact() && report.first > 1, "{report:#?}");
        assert!(noted() <= before, "{} and {before}", noted());
    }

    #[test]
    fn what_could_not_begin_for_want_of_room_begins_with_the_next_record() {
        let error = AuditError::io(Path::new("f"), "appending")(std::io::ErrorKind::StorageFull.into());
        assert!(error.is_full());
        let folder = tempfile::tempdir().unwrap();
        let mut log =
            AuditLog { config: config(folder.path()), clock: Box::new(Now::system), open: None, unlogged: None };
        log.append(Event::Stop).unwrap();
        assert!(checked(folder.path()).intact());
    }
}
