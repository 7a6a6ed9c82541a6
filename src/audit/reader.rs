//! Reading the log's files in the order of their names, line by line, in bounded memory.

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    AuditError, Record,
    files::{self, For},
    hash_line,
};

/// Longest line that is kept; records are a tenth of it.
pub const MAX_LINE: u64 = 16 * 1024;

/// No file of a log is longer: more than `max_file_bytes` can be set to. A longer one would take its time to be read, and may
/// be all hole.
pub const MAX_FILE: u64 = 1_100_000_000;

/// A line of a file.
#[derive(Clone, Debug)]
pub struct Line {
    /// Number in its file, from 1.
    pub number: usize,
    /// Where in its file it begins, bytes.
    pub offset: u64,
    /// The bytes without the line end; of a longer line the first [`MAX_LINE`].
    pub bytes: Vec<u8>,
    /// Bytes of the whole line without the line end.
    pub length: u64,
    /// Whether the line end is there.
    pub complete: bool,
    /// Hash of a line that is longer than what is kept of it.
    pub(super) long_hash: Option<String>,
}

impl Line {
    /// The record in it.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn record(&self) -> Result<Record, String> {
        if self.long_hash.is_some() {
            return Err(format!("{} bytes are too long for a record", self.length));
        }
        Record::of(&self.bytes)
    }

    /// BLAKE3 of the line without its line end, in hex.
    #[must_use]
    pub fn hash(&self) -> String {
        self.long_hash.clone().unwrap_or_else(|| hash_line(&self.bytes))
    }
}

/// Calls `each` with every line of a file.
///
/// # Errors
/// [`AuditError::Io`] if the file cannot be read, [`AuditError::NotAFile`] if it is none, [`AuditError::TooLong`].
pub fn lines(path: &Path, each: impl FnMut(Line)) -> Result<(), AuditError> {
    lines_from(path, 0, each)
}

/// The same from a place on, which may be within a line; that line is then one without its beginning. Numbers are counted from
/// there.
pub(super) fn lines_from(path: &Path, from: u64, mut each: impl FnMut(Line)) -> Result<(), AuditError> {
    let mut file = files::open(path, For::Reading)?;
    let length = file.metadata().map_err(AuditError::io(path, "measuring"))?.len();
    if length > MAX_FILE {
        return Err(AuditError::TooLong { path: path.into(), length });
    }
    file.seek(SeekFrom::Start(from)).map_err(AuditError::io(path, "reading"))?;
    let mut reader = BufReader::new(file);
    let mut offset = from;
    for number in 1.. {
        let mut bytes = Vec::new();
        let mut read = |bytes: &mut Vec<u8>| {
            let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', bytes);
            read.map_err(AuditError::io(path, "reading"))
        };
        let mut length = read(&mut bytes)? as u64;
        if length == 0 {
            break;
        }
        let mut complete = bytes.last() == Some(&b'\n');
        let mut long_hash = None;
        if complete {
            bytes.pop();
        } else if length == MAX_LINE {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&bytes);
            let mut more = Vec::new();
            while !complete && read(&mut more)? > 0 {
                length += more.len() as u64;
                complete = more.last() == Some(&b'\n');
                hasher.update(&more[..more.len() - usize::from(complete)]);
                more.clear();
            }
            long_hash = Some(hasher.finalize().to_hex().to_string());
        }
        let next = offset + length;
        length -= u64::from(complete);
        each(Line { number, offset, bytes, length, complete, long_hash });
        offset = next;
    }
    Ok(())
}

/// What of a log could not be read: places and reasons.
#[derive(Clone, Debug, Default)]
pub struct Unreadable {
    /// How many lines or files.
    pub count: u64,
    /// The first of them, with their reasons.
    pub first: Vec<String>,
}

impl Unreadable {
    /// How many are kept with their place.
    const KEPT: usize = 10;

    fn add(&mut self, place: String) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(place);
        }
    }
}

/// Which records were read already: their numbers in few runs, and the lines of one file at most.
///
/// A number alone says nothing: a record that somebody else wrote must not hide the gate's own that bears the same.
#[derive(Debug, Default)]
struct Known {
    /// By the first number of a run: the last, and in which file it stands.
    runs: BTreeMap<u64, (u64, usize)>,
    /// Hashes of the lines of the file that was looked into last, with the first line that has it.
    lines: Option<(usize, HashMap<String, usize>)>,
}

impl Known {
    /// Whether the record in a line of the file `at` of `files` was not read before, in another file or an earlier line.
    fn is_new(&mut self, files: &[PathBuf], at: usize, line: &Line, number: u64) -> Result<bool, AuditError> {
        let before = match self.runs.range_mut(..=number).next_back() {
            Some((_, (last, file))) if *last >= number => *file,
            Some((_, (last, file))) if *last + 1 == number && *file == at => {
                *last = number;
                return Ok(true);
            }
            _ => {
                self.runs.insert(number, (number, at));
                return Ok(true);
            }
        };
        let first = self.lines_of(files, before)?.get(&line.hash());
        Ok(first.is_none_or(|first| before == at && *first == line.number))
    }

    fn lines_of(&mut self, files: &[PathBuf], file: usize) -> Result<&HashMap<String, usize>, AuditError> {
        let hashes = match self.lines.take() {
            Some((known, hashes)) if known == file => hashes,
            _ => {
                let mut hashes = HashMap::new();
                lines(&files[file], |line| _ = hashes.entry(line.hash()).or_insert(line.number))?;
                hashes
            }
        };
        Ok(&self.lines.insert((file, hashes)).1)
    }
}

/// Calls `each` with every readable record of the log, oldest first, and tells what could not be read. A record counts once:
/// those of a file that was copied are not told again. Another record with a number that is taken is told as well. A folder
/// that is missing holds none.
///
/// # Errors
/// [`AuditError::Io`] if the folder cannot be read.
pub fn records(folder: &Path, mut each: impl FnMut(Record)) -> Result<Unreadable, AuditError> {
    let mut unreadable = Unreadable::default();
    let mut known = Known::default();
    let files = match files::list(folder) {
        Err(AuditError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    for (at, path) in files.iter().enumerate() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let read = lines(path, |line| match line.record() {
            // What cannot be compared any more is told rather than hidden.
            Ok(record) if known.is_new(&files, at, &line, record.seq).unwrap_or(true) => each(record),
            Ok(_) => {}
            Err(reason) => unreadable.add(format!("{name}, line {}: {reason}", line.number)),
        });
        if let Err(error) = read {
            unreadable.add(error.to_string());
        }
    }
    Ok(unreadable)
}
