//! Reading the log's files in the order of their names, line by line, in bounded memory.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, ErrorKind, Read},
    path::Path,
};

use super::{
    AuditError, Record,
    files::{self, For},
    hash_line,
};

/// Longest line that is kept; records are a tenth of it.
pub const MAX_LINE: u64 = 16 * 1024;

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
        serde_json::from_slice(&self.bytes).map_err(|e| e.to_string())
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
/// [`AuditError::Io`] if the file cannot be read, [`AuditError::NotAFile`] if it is none.
pub fn lines(path: &Path, mut each: impl FnMut(Line)) -> Result<(), AuditError> {
    let mut reader = BufReader::new(files::open(path, For::Reading)?);
    let mut offset = 0;
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

/// Numbers of records that were read already, in few runs.
#[derive(Debug, Default)]
struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// Whether a number is new; it is not any more then.
    fn is_new(&mut self, number: u64) -> bool {
        match self.0.range_mut(..=number).next_back() {
            Some((_, last)) if *last >= number => return false,
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => drop(self.0.insert(number, number)),
        }
        true
    }
}

/// Calls `each` with every readable record of the log, oldest first, and tells what could not be read. A number counts once:
/// the records of a file that was copied are not told again. A folder that is missing holds none.
///
/// # Errors
/// [`AuditError::Io`] if the folder cannot be read.
pub fn records(folder: &Path, mut each: impl FnMut(Record)) -> Result<Unreadable, AuditError> {
    let mut unreadable = Unreadable::default();
    let mut numbers = Numbers::default();
    let files = match files::list(folder) {
        Err(AuditError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let read = lines(&path, |line| match line.record() {
            Ok(record) if numbers.is_new(record.seq) => each(record),
            Ok(_) => {}
            Err(reason) => unreadable.add(format!("{name}, line {}: {reason}", line.number)),
        });
        if let Err(error) = read {
            unreadable.add(error.to_string());
        }
    }
    Ok(unreadable)
}
