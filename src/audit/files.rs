//! The log's files: their names, and how they are opened. Nothing but a regular file is ever opened: a pipe or a link
//! that bears a log file's name must not hang the gate or lead it elsewhere.

use std::{
    fmt,
    fs::{File, FileType, Metadata, OpenOptions},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::civil::Date;
use rustix::fs::{Access, OFlags};

use super::AuditError;

/// Name of a file of records. Names sort as the records do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Day on which the file was begun, by the wall clock, or that of the file before if the clock went back.
    pub day: Date,
    /// Number on that day.
    pub number: u32,
}

impl Name {
    /// The name in a path, if it is one: `decisions-YYYY-MM-DD-NNN.jsonl`, or without a number.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let text = path.file_name()?.to_str()?.strip_prefix("decisions-")?.strip_suffix(".jsonl")?;
        let day = text.get(..10)?;
        if !day.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return None;
        }
        let number = match text.get(10..)? {
            "" => 0,
            rest => {
                let digits = rest.strip_prefix('-')?;
                (digits.len() >= 3 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())??
            }
        };
        Some(Self { day: day.parse().ok()?, number })
    }

    /// The name of the next file, on a day that may be later; `None` after the last name that there is.
    #[must_use]
    pub fn next(self, today: Date) -> Option<Self> {
        let begun = |day| Self { day, number: 0 };
        if today > self.day {
            return Some(begun(today));
        }
        match self.number.checked_add(1) {
            Some(number) => Some(Self { number, ..self }),
            None => self.day.tomorrow().ok().map(begun),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decisions-{}-{:03}.jsonl", self.day, self.number)
    }
}

/// The log's files, oldest first, whatever they are.
///
/// # Errors
/// [`AuditError::Io`] if the folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let mut found = Vec::new();
    // That something else stands there is told in more than the system's two words.
    let unreadable =
        |error| nearest(folder).err().unwrap_or_else(|| AuditError::io(folder, "reading the folder")(error));
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(AuditError::io(folder, "reading the folder"))?.path();
        if let Some(name) = Name::of(&path) {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Whether a file is there, and nothing in it.
pub(super) fn is_empty(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0)
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Reading.
    Reading,
    /// Reading and appending; made if need be.
    Appending,
    /// Reading and overwriting in place; made if need be.
    Overwriting,
    /// The same, and nobody but its owner may read it.
    Secret,
}

/// Opens a regular file, without following a link and without waiting.
///
/// # Errors
/// [`AuditError::NotAFile`] for anything but a regular file; [`AuditError::Io`].
pub fn open(path: &Path, purpose: For) -> Result<File, AuditError> {
    // Looked at before it is opened: opening a device may already do something.
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        regular(path, &metadata)?;
    }
    let mut options = OpenOptions::new();
    options.read(true);
    match purpose {
        For::Reading => {}
        For::Appending => _ = options.append(true).create(true),
        For::Overwriting => _ = options.write(true).create(true).truncate(false),
        For::Secret => _ = options.write(true).create(true).truncate(false).mode(0o600),
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = options.custom_flags(flags).open(path).map_err(AuditError::io(path, "opening"))?;
    let metadata = file.metadata().map_err(AuditError::io(path, "looking at the file"))?;
    regular(path, &metadata)?;
    Ok(file)
}

fn regular(path: &Path, metadata: &Metadata) -> Result<(), AuditError> {
    let kind = metadata.file_type();
    if kind.is_file() { Ok(()) } else { Err(AuditError::NotAFile { path: path.into(), found: name_of(kind) }) }
}

fn name_of(kind: FileType) -> &'static str {
    match kind {
        _ if kind.is_symlink() => "a symbolic link",
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a named pipe (FIFO)",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// The log's folder, or the nearest one above it that is there.
///
/// # Errors
/// [`AuditError::NotAFolder`] if something else stands there; [`AuditError::Io`] for a folder that may not be entered.
pub fn nearest(folder: &Path) -> Result<&Path, AuditError> {
    let other = |path: &Path, found| Err(AuditError::NotAFolder { folder: folder.into(), path: path.into(), found });
    let mut shut = None;
    for path in folder.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return match shut {
                    None => Ok(path),
                    Some(error) => Err(AuditError::io(path, "entering the folder")(error)),
                };
            }
            Ok(found) if found.is_file() => return other(path, "a file"),
            Ok(found) => return other(path, name_of(found.file_type())),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => shut = Some(error),
            Err(_) if path.is_symlink() => return other(path, "a symbolic link that leads nowhere"),
            Err(_) => {}
        }
    }
    Ok(Path::new("."))
}

/// Whether files can be made in a folder.
///
/// # Errors
/// What the system says, where they cannot.
pub fn can_be_made_in(folder: &Path) -> std::io::Result<()> {
    Ok(rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// What is wrong if a path does not lead to an open file any more; `None` if it does.
pub(super) fn elsewhere(path: &Path, file: &File) -> Option<String> {
    let open = match file.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Some(format!("the open file cannot be looked at: {error}")),
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("it was deleted or moved away".into()),
        Err(error) => Some(format!("it cannot be looked at: {error}")),
        Ok(found) if !found.is_file() => Some(format!("it was replaced by {}", name_of(found.file_type()))),
        Ok(found) if (found.dev(), found.ino()) != (open.dev(), open.ino()) => {
            Some("it was replaced by another file".into())
        }
        Ok(_) if open.nlink() == 0 => Some("it was deleted".into()),
        Ok(_) => None,
    }
}

/// Makes a new name in a folder durable; on file systems that cannot, the records still are.
pub(super) fn sync_folder(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if let Err(error) = File::open(folder).and_then(|f| f.sync_all()) {
        log::debug!("decision log {}: the folder cannot be synchronised: {error}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_they_were_made_even_beyond_a_thousand_a_day() {
        let mut name = Name { day: "2026-01-01".parse().unwrap(), number: 998 };
        for _ in 0..5 {
            let next = name.next("2026-01-01".parse().unwrap()).unwrap();
            assert!(next > name && Name::of(Path::new(&next.to_string())) == Some(next), "{next}");
            name = next;
        }
        assert!(name.next("2026-01-02".parse().unwrap()).unwrap() > name);
        assert!(
            name.next("2025-12-31".parse().unwrap()).unwrap() > name,
            "a clock that goes back does not go back in the log"
        );
    }

    #[test]
    fn after_the_last_name_of_a_day_comes_the_next_day_and_after_the_last_of_all_none() {
        let today = "2026-01-01".parse().unwrap();
        for (last, next) in [
            ("decisions-2026-01-01-4294967295.jsonl", Some("decisions-2026-01-02-000.jsonl")),
            ("decisions-9999-12-31-4294967295.jsonl", None),
        ] {
            let name = Name::of(Path::new(last)).unwrap();
            assert_eq!(name.next(today).map(|name| name.to_string()).as_deref(), next, "{last}");
        }
    }

    #[test]
    fn what_stands_where_a_folder_should_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("plain"), "").unwrap();
        std::os::unix::fs::symlink(path("none"), path("link")).unwrap();
        assert_eq!(nearest(&path("a/b/log")).unwrap(), folder.path());
        assert_eq!(nearest(folder.path()).unwrap(), folder.path());
        for (log, found) in [
            (path("plain"), format!("{} is a file, expected a folder", path("plain").display())),
            (path("plain/log"), format!("{} is a file, expected a folder", path("plain").display())),
            (path("link/a/log"), format!("{} is a symbolic link that leads nowhere", path("link").display())),
            ("/dev/null".into(), "/dev/null is a device, expected a folder".into()),
        ] {
            let error = nearest(&log).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("decision log {}: ", log.display())) && error.contains(&found),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_only_named_alike_is_no_file_of_the_log() {
        for other in ["decisions-copy.jsonl", "decisions-2026-01-01-000 (copy).jsonl", "decisions-2026-01-01-0.jsonl"] {
            assert_eq!(Name::of(Path::new(other)), None, "{other}");
        }
        assert!(Name::of(Path::new("/x/decisions-2026-01-01.jsonl")).is_some());
    }
}
