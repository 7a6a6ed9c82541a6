//! The log's files by name: `decisions-YYYY-MM-DD-NNN.jsonl`, which sort as their records do. The gate makes them; the link
//! only reads, and opens nothing but regular files.

use std::{
    fs::{File, OpenOptions},
    io::{Error, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// A file's place in the order of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    day: String,
    number: u32,
    text: String,
}

impl Name {
    /// The name in a text, if it is one of the log's.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let middle = text.strip_prefix("decisions-")?.strip_suffix(".jsonl")?;
        let day = middle.get(..10)?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_day =
            day.bytes().enumerate().all(|(k, b)| if k == 4 || k == 7 { b == b'-' } else { b.is_ascii_digit() });
        let number = match middle.get(10..)? {
            "" => 0,
            rest => rest.strip_prefix('-').filter(|rest| rest.len() >= 3 && digits(rest))?.parse().ok()?,
        };
        is_day.then(|| Self { day: day.into(), number, text: text.into() })
    }

    /// As it stands in the folder.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The file in this folder.
    #[must_use]
    pub fn within(&self, folder: &Path) -> PathBuf {
        folder.join(&self.text)
    }
}

/// The log's files, oldest first.
///
/// # Errors
/// What the system said of the folder.
pub fn list(folder: &Path) -> std::io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().to_str().and_then(Name::of));
    }
    names.sort();
    Ok(names)
}

/// Opens a regular file for reading, without following a link and without waiting.
///
/// # Errors
/// What the system said, or that it is none.
pub fn open(path: &Path) -> std::io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(Error::new(ErrorKind::InvalidInput, "expected a regular file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_the_gate_makes_them() {
        let of = |text: &str| Name::of(text).unwrap();
        assert!(of("decisions-2026-01-01-999.jsonl") < of("decisions-2026-01-01-1000.jsonl"));
        assert!(of("decisions-2026-01-01.jsonl") < of("decisions-2026-01-01-001.jsonl"));
        assert!(of("decisions-2025-12-31-900.jsonl") < of("decisions-2026-01-01-000.jsonl"));
        for other in
            ["head", "decisions-2026-01-01-0.jsonl", "decisions-2026-01-01-000 (copy).jsonl", "decisions-x.jsonl"]
        {
            assert_eq!(Name::of(other), None, "{other}");
        }
    }
}
