//! Reading the log's files in the order of their names, line by line, in bounded memory.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{AuditError, Record};

/// Longest line that is read; records are a tenth of it.
pub const MAX_LINE: u64 = 16 * 1024;

/// The log's files, oldest first.
///
/// # Errors
/// [`AuditError::Io`] if the folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let failed = |source| AuditError::Io { path: folder.into(), action: "reading the folder", source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("decisions-") && name.ends_with(".jsonl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A line of a file.
#[derive(Clone, Debug)]
pub struct Line {
    /// Number in its file, from 1.
    pub number: usize,
    /// The bytes without the line end.
    pub bytes: Vec<u8>,
    /// Whether the line end is there.
    pub complete: bool,
}

impl Line {
    /// The record in it.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn record(&self) -> Result<Record, String> {
        serde_json::from_slice(&self.bytes).map_err(|e| e.to_string())
    }
}

/// Calls `each` with every line of a file. A line longer than [`MAX_LINE`] comes in pieces.
///
/// # Errors
/// [`AuditError::Io`] if the file cannot be read.
pub fn lines(path: &Path, mut each: impl FnMut(Line)) -> Result<(), AuditError> {
    let failed = |action: &'static str| move |source| AuditError::Io { path: path.into(), action, source };
    let mut reader = BufReader::new(File::open(path).map_err(failed("opening"))?);
    for number in 1.. {
        let mut bytes = Vec::new();
        reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes).map_err(failed("reading"))?;
        if bytes.is_empty() {
            break;
        }
        let complete = bytes.last() == Some(&b'\n');
        if complete {
            bytes.pop();
        }
        each(Line { number, bytes, complete });
    }
    Ok(())
}

/// Calls `each` with every readable record of the log, oldest first.
///
/// # Errors
/// [`AuditError::Io`] if folder or files cannot be read.
pub fn records(folder: &Path, mut each: impl FnMut(Record)) -> Result<(), AuditError> {
    for path in files(folder)? {
        lines(&path, |line| {
            if let Ok(record) = line.record() {
                each(record);
            }
        })?;
    }
    Ok(())
}
