//! The lock of a log's folder: one program at a time writes to it, and whoever comes second is told who that is.

use std::{
    fs::File,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

use super::{
    AuditError,
    files::{self, For},
};

/// How often, 10 ms apart, the lock is tried for.
const TRIES: usize = 30;

/// Who writes to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Nobody.
    Nobody,
    /// This process, where the kernel tells.
    Process(Option<i32>),
}

/// Its file.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// Takes the lock, or keeps the one that is held.
pub(super) fn take(folder: &Path, held: Option<&File>) -> Result<File, AuditError> {
    let path = path(folder);
    if let Some(held) = held
        && files::elsewhere(&path, held).is_none()
    {
        return held.try_clone().map_err(AuditError::io(&path, "keeping the lock"));
    }
    // For its owner alone: whoever may read the log and nothing else must not be able to take the lock, which needs no more
    // than an open file, and so keep the gate from starting.
    let file = files::open(&path, For::Secret)?;
    // A process that is being started holds the lock of the one that starts it for a moment.
    for _ in 0..TRIES {
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(file);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(AuditError::Busy { path: folder.into(), by: process_of(&file) })
}

/// Who writes to the log of a folder now. The lock is tried for and given back at once; nothing is made.
///
/// # Errors
/// [`AuditError`] if there is a lock that cannot be opened.
pub fn writer(folder: &Path) -> Result<Writer, AuditError> {
    let path = path(folder);
    if std::fs::symlink_metadata(&path).is_err() {
        return Ok(Writer::Nobody);
    }
    let file = files::open(&path, For::Reading)?;
    // A shared one: two who look at once do not see each other.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Writer::Nobody),
        Err(_) => Ok(Writer::Process(process_of(&file))),
    }
}

/// The process that holds a lock on a file, as the kernel lists it.
fn process_of(file: &File) -> Option<i32> {
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        // 1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, place, ..] = fields.as_slice() else { return None };
        let is_it = place.rsplit(':').next() == Some(&inode);
        pid.parse().ok().filter(|pid| is_it && *pid > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_writes_is_told_and_looking_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(writer(folder.path()).unwrap(), Writer::Nobody);
        assert!(!path(folder.path()).exists(), "nothing is made");
        let lock = take(folder.path(), None).unwrap();
        let Writer::Process(by) = writer(folder.path()).unwrap() else { panic!("nobody") };
        assert!(by.is_none_or(|by| by == std::process::id().cast_signed()), "{by:?}");
        let refused = take(folder.path(), None).unwrap_err().to_string();
        assert!(refused.contains("another agegate writes to it"), "{refused}");
        drop(lock);
        assert_eq!(writer(folder.path()).unwrap(), Writer::Nobody);
        take(folder.path(), None).unwrap();
    }
}
