//! The decision log as the link's queue: read in order from a cursor of the link's own. Nothing is skipped silently.
//!
//! The log is the gate's. It is appended to, begins new files, is deleted at its old end, and may be cut, damaged, put back
//! or begun anew by somebody. Whatever the link cannot follow becomes a [`Notice`], which goes out in its place among the
//! records:
//!
//! - The line at the cursor must be there and have its hash. Where it is not, the newest of the [`Landmarks`] that is still in
//!   the log is where reading goes on, so records may go out twice and none is left out. If none is there, it is another log,
//!   which is read from its beginning.
//! - A number that does not follow is a [`Notice::Missed`], a hash that does not fit a [`Notice::Broken`], unless the record
//!   itself is the `gap` that tells of it.
//! - A last line without its end waits for the rest. A line that is no record waits for the next record: if that is the gate's
//!   own `torn`, it was a power cut, else a [`Notice::Unreadable`]. While both wait they are the log's [`Tail`], for whoever watches.
//! - A file that was copied is a [`Notice::Repeated`].

pub mod anchor;
mod landmarks;
pub mod names;
pub mod record;

use std::{
    collections::VecDeque,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use landmarks::Landmarks;
use names::Name;
use record::{GENESIS, Record, hash_line};

/// Most bytes of a file that are read at once; records are about 500 bytes, and never more than 16 KiB.
const CHUNK: u64 = 64 * 1024;

/// How far the log was read: the last record, and the place of the last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Number of the last record; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    /// File of the last line; empty before the first.
    pub file: String,
    /// Where that line begins in it, bytes.
    pub begin: u64,
    /// Where the next one begins.
    pub end: u64,
    /// Hash of that line, which is no record's after a line that could not be read.
    pub line: String,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS.into(), file: String::new(), begin: 0, end: 0, line: String::new() }
    }
}

impl Cursor {
    /// Whether it stands beyond another one in the order of the files.
    #[must_use]
    pub fn is_beyond(&self, other: &Self) -> bool {
        (Name::of(&self.file), self.end) > (Name::of(&other.file), other.end)
    }
}

/// What the link could not follow, in words that a receiver can count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "kebab-case")]
pub enum Notice {
    /// Records are not there.
    Missed {
        /// The first that is missing.
        from: u64,
        /// The last.
        through: u64,
        /// Whether a `retention` record says that they were deleted for their age: then the link came too late, and nobody
        /// took them away.
        deleted: bool,
    },
    /// A record that was sent is not in the log any more, or is another one.
    Rewritten {
        /// Its number.
        seq: u64,
        /// Its hash when it was sent.
        hash: String,
        /// What follows this record is sent (again): the last one known that is still there. 0: another log, from its beginning.
        after: u64,
    },
    /// A record does not bear the hash of the one before.
    Broken {
        /// Its number.
        seq: u64,
        /// The hash of the one before.
        expected: String,
        /// What it bears.
        found: String,
    },
    /// A line is no record.
    Unreadable {
        /// File.
        file: String,
        /// Where it begins, bytes.
        offset: u64,
        /// Its length.
        bytes: u64,
        /// BLAKE3 of it.
        hash: String,
    },
    /// Records stand there again after later ones: a file was copied.
    Repeated {
        /// File.
        file: String,
        /// The first number.
        from: u64,
        /// The last.
        through: u64,
    },
}

impl Notice {
    /// Whether it means that the log is not whole. Records that were deleted for their age leave it whole.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        !matches!(self, Self::Missed { deleted: true, .. })
    }
}

/// What goes out.
#[derive(Clone, Debug)]
pub enum What {
    /// A record, with its line as it stands in the file.
    Record {
        /// What the link reads of it.
        record: Box<Record>,
        /// The line without its end.
        line: Vec<u8>,
        /// Hash of the line.
        hash: String,
    },
    /// Something that the link could not follow.
    Notice(Notice),
}

/// Something to send, and where the cursor stands when it has been taken.
#[derive(Clone, Debug)]
pub struct Item {
    /// What.
    pub what: What,
    /// The cursor after it.
    pub after: Cursor,
}

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("decision log {}: {action} failed: {source}", path.display())]
pub struct QueueError {
    /// File or folder.
    pub path: PathBuf,
    /// What was tried.
    pub action: &'static str,
    /// What the system said.
    pub source: std::io::Error,
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> QueueError {
    move |source| QueueError { path: path.into(), action, source }
}

/// What stands at the end of the log and is no record: one that is being written, what a power cut tore, or what somebody put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// File in which it begins.
    pub file: String,
    /// Where, bytes.
    pub offset: u64,
    /// How many bytes, their line ends not counted.
    pub bytes: u64,
}

impl std::fmt::Display for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, offset, bytes } = self;
        write!(f, "its end is no record: {bytes} bytes in {file}, from byte {offset} on")
    }
}

/// What follows a cursor.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// As much as is read at once; empty where nothing follows yet.
    pub items: Vec<Item>,
    /// What stands after all records; told only where no item follows.
    pub tail: Option<Tail>,
}

/// What follows a cursor, as much as is read at once; empty where nothing does yet.
///
/// # Errors
/// [`QueueError`] if folder or files cannot be read.
pub fn next(folder: &Path, cursor: &Cursor, landmarks: &Landmarks) -> Result<Vec<Item>, QueueError> {
    Ok(look(folder, cursor, landmarks)?.items)
}

/// The same, and what stands at the log's end that is no record.
///
/// # Errors
/// As [`next`].
pub fn look(folder: &Path, cursor: &Cursor, landmarks: &Landmarks) -> Result<Found, QueueError> {
    let names = names::list(folder).map_err(failed(folder, "reading the folder"))?;
    if names.is_empty() {
        return Ok(Found::default());
    }
    let mut reading = Reading {
        folder,
        names: &names,
        at: cursor.clone(),
        items: Vec::new(),
        held: Vec::new(),
        partial: None,
        repeated: None,
    };
    if !stands(folder, cursor)? {
        reading.find_again(landmarks)?;
    }
    reading.read()?;
    let tail = if reading.items.is_empty() { reading.tail() } else { None };
    Ok(Found { items: reading.items, tail })
}

/// Whether the line at a cursor is there; true of one that has not read anything yet.
///
/// # Errors
/// [`QueueError`].
pub fn stands(folder: &Path, cursor: &Cursor) -> Result<bool, QueueError> {
    if cursor.file.is_empty() {
        return Ok(true);
    }
    let Some(name) = Name::of(&cursor.file) else { return Ok(false) };
    let path = name.within(folder);
    let mut file = match names::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(&path, "opening")(error)),
    };
    let mut line = Vec::new();
    file.seek(SeekFrom::Start(cursor.begin))
        .and_then(|_| file.take(cursor.end.saturating_sub(cursor.begin)).read_to_end(&mut line))
        .map_err(failed(&path, "reading"))?;
    let whole = line.len() as u64 == cursor.end.saturating_sub(cursor.begin);
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(whole && hash_line(&line) == cursor.line)
}

struct Reading<'a> {
    folder: &'a Path,
    names: &'a [Name],
    at: Cursor,
    items: Vec<Item>,
    /// Lines that are no records and wait for what follows.
    held: Vec<Item>,
    /// What stands after the last line end.
    partial: Option<Tail>,
    repeated: Option<(String, u64, u64)>,
}

impl Reading<'_> {
    /// From the cursor's file on, until a chunk has given something.
    fn read(&mut self) -> Result<(), QueueError> {
        let current = Name::of(&self.at.file);
        let from = current.as_ref().map_or(0, |name| self.names.partition_point(|other| other < name));
        for (k, name) in self.names.iter().enumerate().skip(from) {
            let newest = k + 1 == self.names.len();
            let mut offset = if current.as_ref() == Some(name) { self.at.end } else { 0 };
            while let Some(read) = self.chunk(name, offset, newest)? {
                offset += read;
                if !self.items.is_empty() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Reads lines from a place on; how many bytes of them were dealt with, `None` at the end.
    fn chunk(&mut self, name: &Name, offset: u64, newest: bool) -> Result<Option<u64>, QueueError> {
        let path = name.within(self.folder);
        let mut file = match names::open(&path) {
            Ok(file) => file,
            // Deleted for its age since the folder was read: the next file tells what is missing.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, "opening")(error)),
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(CHUNK).read_to_end(&mut bytes))
            .map_err(failed(&path, "reading"))?;
        let full = bytes.len() as u64 == CHUNK;
        let mut done = 0;
        while let Some(length) = bytes[done..].iter().position(|b| *b == b'\n') {
            let line = &bytes[done..done + length];
            self.line(name, offset + done as u64, line, length as u64 + 1)?;
            done += length + 1;
        }
        // What is longer than a chunk is no record; so is what ends without a line end in a file that is not written any more.
        if done == 0 && !bytes.is_empty() && (full || !newest) {
            self.line(name, offset, &bytes, bytes.len() as u64)?;
            done = bytes.len();
        }
        self.end_repeated();
        let left = (bytes.len() - done) as u64;
        self.partial =
            (left > 0).then(|| Tail { file: name.as_str().into(), offset: offset + done as u64, bytes: left });
        Ok((done > 0).then_some(done as u64))
    }

    fn line(&mut self, name: &Name, begin: u64, line: &[u8], length: u64) -> Result<(), QueueError> {
        let hash = hash_line(line);
        let after =
            Cursor { file: name.as_str().into(), begin, end: begin + length, line: hash.clone(), ..self.at.clone() };
        let Some(record) = Record::of(line) else {
            self.end_repeated();
            let notice = Notice::Unreadable { file: after.file.clone(), offset: begin, bytes: line.len() as u64, hash };
            self.held.push(Item { what: What::Notice(notice), after: after.clone() });
            self.at = after;
            return Ok(());
        };
        // A gate that did not believe the number before says so by a gap, and goes on from there.
        if record.seq <= self.at.seq && record.event != "gap" {
            let (from, through) =
                self.repeated.take().map_or((record.seq, record.seq), |(_, from, _)| (from, record.seq));
            self.repeated = Some((after.file.clone(), from, through));
            self.at = after;
            return Ok(());
        }
        self.end_repeated();
        let held = std::mem::take(&mut self.held);
        if record.event != "torn" {
            self.items.extend(held);
        }
        if record.event != "gap" {
            self.check(&record)?;
        }
        let after = Cursor { seq: record.seq, hash: hash.clone(), ..after };
        self.at = after.clone();
        self.items.push(Item { what: What::Record { record: Box::new(record), line: line.to_vec(), hash }, after });
        Ok(())
    }

    /// What was read and is no record, with what follows it.
    fn tail(&self) -> Option<Tail> {
        let lines = self.held.iter().filter_map(|item| match &item.what {
            What::Notice(Notice::Unreadable { file, offset, bytes, .. }) => {
                Some(Tail { file: file.clone(), offset: *offset, bytes: *bytes })
            }
            _ => None,
        });
        lines.chain(self.partial.clone()).reduce(|first, next| Tail { bytes: first.bytes + next.bytes, ..first })
    }

    /// Number and hash of a record against the one before.
    fn check(&mut self, record: &Record) -> Result<(), QueueError> {
        let notice = if record.seq > self.at.seq.saturating_add(1) {
            let deleted = self.deleted_through()?.is_some_and(|last| last.saturating_add(1) >= record.seq);
            Notice::Missed { from: self.at.seq + 1, through: record.seq - 1, deleted }
        } else if record.prev != self.at.hash {
            Notice::Broken { seq: record.seq, expected: self.at.hash.clone(), found: record.prev.clone() }
        } else {
            return Ok(());
        };
        // The cursor moves with the record, not before: a notice may go out twice, and is never left out.
        self.items.push(Item { what: What::Notice(notice), after: self.at.clone() });
        Ok(())
    }

    fn end_repeated(&mut self) {
        if let Some((file, from, through)) = self.repeated.take() {
            let what = What::Notice(Notice::Repeated { file, from, through });
            self.items.push(Item { what, after: self.at.clone() });
        }
    }

    /// The last number that any record says was deleted for its age.
    fn deleted_through(&self) -> Result<Option<u64>, QueueError> {
        let mut last = None;
        self.every_line(|_, line| {
            if line.windows(11).any(|part| part == b"\"retention\"") {
                last = last.max(Record::of(line).and_then(|record| record.removed_through));
            }
        })?;
        Ok(last)
    }

    /// Where reading goes on when the line at the cursor is not there: after the first record known that is not before it, else
    /// after the last one that is.
    fn find_again(&mut self, landmarks: &Landmarks) -> Result<(), QueueError> {
        let (was, mut found, mut first) = (self.at.clone(), None::<Cursor>, None);
        self.every_line(|place, line| {
            let Some(record) = Record::of(line) else { return };
            first.get_or_insert(record.seq);
            let known = landmarks.hash(record.seq).or((record.seq == was.seq).then_some(&was.hash));
            let nearer = found.as_ref().is_none_or(|found| found.seq < was.seq && found.seq < record.seq);
            if let Some(known) = known
                && nearer
                && *known == hash_line(line)
            {
                found = Some(Cursor { seq: record.seq, hash: known.clone(), line: known.clone(), ..place });
            }
        })?;
        match (found, first) {
            // It moved: a file was renamed, or what stood there was no record.
            (Some(found), _) if found.seq >= was.seq => self.at = found,
            // Nothing is there, and what comes will tell.
            (_, None) => {}
            // All of it was deleted for its age, or taken away: the next record tells what is missing.
            (None, Some(first)) if first > was.seq => {
                self.at = Cursor { seq: was.seq, hash: was.hash, ..Cursor::default() }
            }
            (found, _) => {
                let found = found.unwrap_or_default();
                let notice = Notice::Rewritten { seq: was.seq, hash: was.hash, after: found.seq };
                self.items.push(Item { what: What::Notice(notice), after: found.clone() });
                self.at = found;
            }
        }
        Ok(())
    }

    /// Every line of the log, with its place; only when something is wrong.
    fn every_line(&self, mut each: impl FnMut(Cursor, &[u8])) -> Result<(), QueueError> {
        for name in self.names {
            let path = name.within(self.folder);
            let mut file = match names::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&path, "opening")(error)),
            };
            let (mut begin, mut rest) = (0u64, VecDeque::new());
            loop {
                let mut bytes = Vec::new();
                file.by_ref().take(CHUNK).read_to_end(&mut bytes).map_err(failed(&path, "reading"))?;
                if bytes.is_empty() {
                    break;
                }
                rest.extend(bytes);
                let all = rest.make_contiguous();
                let mut done = 0;
                while let Some(length) = all[done..].iter().position(|b| *b == b'\n') {
                    let place = Cursor {
                        file: name.as_str().into(),
                        begin: begin + done as u64,
                        end: begin + (done + length) as u64 + 1,
                        ..Cursor::default()
                    };
                    each(place, &all[done..done + length]);
                    done += length + 1;
                }
                // A line longer than a chunk is no record.
                if done == 0 && all.len() as u64 > CHUNK {
                    done = all.len();
                }
                begin += done as u64;
                rest.drain(..done);
            }
        }
        Ok(())
    }
}

/// The last number that the gate's `head` tells of; `None` where it cannot be read.
#[must_use]
pub fn head(folder: &Path) -> Option<u64> {
    let mut text = String::new();
    names::open(&folder.join("head")).ok()?.take(200).read_to_string(&mut text).ok()?;
    text.split(' ').next()?.parse().ok()
}
