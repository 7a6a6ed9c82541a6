//! What the program writes for its user outside the log: nothing that it did not make is ever overwritten or removed.
//!
//! A folder that gets several files keeps a list of them with their hashes; a file that is on the list, and still is as it was
//! made, may be replaced by a newer one. A single file that the user names is replaced if its content is plainly an earlier
//! result of the same command.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rustix::fs::OFlags;

/// The list of a folder.
const LIST: &str = ".agegate-made";
const TITLE: &str =
    "# Made here by agegate, with their BLAKE3 hashes; it replaces no other files, and none of these once changed.\n";

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MadeError {
    /// What the system said.
    #[error("{}: cannot write it: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is something already that is not ours.
    #[error("{}: this was not made by agegate, or was changed since, and is not overwritten; remove it, or name another place", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> MadeError + use<> {
    let path = path.to_owned();
    move |source| MadeError::Io { path, source }
}

/// A folder for the program's results.
#[derive(Debug)]
pub struct MadeFolder {
    path: PathBuf,
    /// Lines of hash and name.
    list: Mutex<String>,
}

impl MadeFolder {
    /// Opens a folder, which is made if need be.
    ///
    /// # Errors
    /// [`MadeError`] if it cannot be made or its list cannot be read.
    pub fn open(path: &Path) -> Result<Self, MadeError> {
        std::fs::create_dir_all(path).map_err(failed(path))?;
        let list_path = path.join(LIST);
        let list = match regular(&list_path)? {
            false => String::new(),
            true => std::fs::read_to_string(&list_path).map_err(failed(&list_path))?,
        };
        if !list.is_empty() && !list.starts_with(TITLE) {
            return Err(MadeError::Foreign { path: list_path });
        }
        Ok(Self { path: path.into(), list: Mutex::new(list) })
    }

    /// Whether a file of this name may be written: to be asked before long work.
    ///
    /// # Errors
    /// [`MadeError::Foreign`] if there is one that is not ours.
    pub fn may_write(&self, name: &str) -> Result<(), MadeError> {
        self.check(name, None)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// [`MadeError`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), MadeError> {
        let hash = blake3::hash(bytes).to_hex().to_string();
        self.check(name, Some(&hash))?;
        {
            let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
            if list.is_empty() {
                list.push_str(TITLE);
            }
            // An older hash of the name stays on the list until the new file is whole.
            list.push_str(&format!("{hash} {name}\n"));
            let path = self.path.join(LIST);
            put(&path, list.as_bytes()).map_err(failed(&path))?;
        }
        let path = self.path.join(name);
        put(&path, bytes).map_err(failed(&path))
    }

    fn check(&self, name: &str, also: Option<&str>) -> Result<(), MadeError> {
        let path = self.path.join(name);
        if !regular(&path)? {
            return Ok(());
        }
        let found = blake3::hash(&std::fs::read(&path).map_err(failed(&path))?).to_hex().to_string();
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = list.lines().any(|line| line.split_once(' ') == Some((&found, name)));
        if listed || also == Some(&found) { Ok(()) } else { Err(MadeError::Foreign { path }) }
    }
}

/// Whether there is a regular file; an error if there is anything else.
fn regular(path: &Path) -> Result<bool, MadeError> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => Err(MadeError::Foreign { path: path.into() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(path)(error)),
    }
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().write(true).create(true).truncate(true).custom_flags(flags).open(path)?.write_all(bytes)
}

/// Writes a single file that the user named. What is there already is replaced only if `ours` knows it for an earlier
/// result; a pipe or a device is written to.
///
/// # Errors
/// [`MadeError`].
pub fn write_file(path: &Path, bytes: &[u8], ours: impl FnOnce(&[u8]) -> bool) -> Result<(), MadeError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let mut before = Vec::new();
            File::open(path).and_then(|mut f| f.read_to_end(&mut before)).map_err(failed(path))?;
            if !before.is_empty() && before != bytes && !ours(&before) {
                return Err(MadeError::Foreign { path: path.into() });
            }
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(path)(error)),
    }
    std::fs::write(path, bytes).map_err(failed(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_files_are_replaced_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.png"), "the user's").unwrap();
        let made = MadeFolder::open(folder.path()).unwrap();
        assert!(matches!(made.write("a.png", b"ours"), Err(MadeError::Foreign { .. })));
        assert_eq!(std::fs::read(folder.path().join("a.png")).unwrap(), b"the user's");
        made.write("b.png", b"ours").unwrap();
        let again = MadeFolder::open(folder.path()).unwrap();
        again.write("b.png", b"ours, newer").unwrap();
        std::fs::write(folder.path().join("b.png"), "ours, and then changed by the user").unwrap();
        assert!(MadeFolder::open(folder.path()).unwrap().write("b.png", b"ours, newest").is_err());
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("c.png")).unwrap();
        assert!(again.write("c.png", b"ours").is_err(), "a link is not followed");
    }

    #[test]
    fn a_file_that_the_user_names_is_replaced_if_it_is_an_earlier_result() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        let ours = |before: &[u8]| before.starts_with(b"{\"mae\"");
        write_file(&path, b"{\"mae\":1}", ours).unwrap();
        write_file(&path, b"{\"mae\":2}", ours).unwrap();
        std::fs::write(&path, "{\"name\":\"a package\"}").unwrap();
        assert!(write_file(&path, b"{\"mae\":3}", ours).is_err());
        write_file(Path::new("/dev/null"), b"x", |_| false).unwrap();
    }
}
