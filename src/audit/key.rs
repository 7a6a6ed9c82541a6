//! The secret with which the log is keyed. Its file lies beside the log's folder, not in it: who copies, cuts or replaces the
//! folder does not have it, and a key without a log tells that there was one.
//!
//! The file is made as `FOLDER.key.new` and gets its name when the first record that bears its code is on the medium. So a
//! power cut during the first start leaves no key that tells of a log which never was.

use std::{
    fmt,
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{
    AuditError,
    files::{self, For},
};
use crate::config::LogConfig;

const MARK: &str = "agegate-log-key 1 ";
/// Digits of a code: 128 bits.
const MAC_DIGITS: usize = 32;

/// A secret of 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

/// What a code is made for; a code for one is none for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A record.
    Record,
    /// The file `head`.
    Head,
}

impl Key {
    /// A name of the key that does not give it away: 16 digits.
    #[must_use]
    pub fn id(&self) -> String {
        blake3::derive_key("agegate log key id", &self.0).iter().take(8).map(|b| format!("{b:02x}")).collect()
    }

    /// The code of some bytes: 32 hexadecimal digits.
    #[must_use]
    pub fn mac(&self, purpose: Purpose, bytes: &[u8]) -> String {
        let context = match purpose {
            Purpose::Record => "agegate log record",
            Purpose::Head => "agegate log head",
        };
        let key = blake3::derive_key(context, &self.0);
        blake3::keyed_hash(&key, bytes).to_hex()[..MAC_DIGITS].to_owned()
    }

    /// The line of a record without its code, given its code as the last member.
    pub(super) fn seal(&self, line: &mut Vec<u8>) {
        let code = self.mac(Purpose::Record, line);
        line.pop();
        line.extend_from_slice(format!(",\"mac\":\"{code}\"}}").as_bytes());
    }

    /// Whether a line bears this key's code.
    #[must_use]
    pub fn sealed(&self, line: &[u8]) -> bool {
        let Some(at) = line.len().checked_sub(MAC_DIGITS + 10) else { return false };
        let mut open = line[..at].to_vec();
        open.push(b'}');
        let code = self.mac(Purpose::Record, &open);
        line[at..] == *format!(",\"mac\":\"{code}\"}}").as_bytes()
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`AuditError`] if it cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        let mut file = files::open(path, For::Reading)?;
        warn_if_shared(path, &file);
        Self::parse(&text(path, &mut file)?).ok_or_else(|| AuditError::Key {
            path: path.into(),
            what: format!(
                "this is no key, expected {MARK:?} and 64 hexadecimal digits; put a copy of it back, or move it away: the gate then takes a new key, and the log says so for ever"
            ),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.trim_end_matches('\n').strip_prefix(MARK)?;
        let good = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        Some(Self(*blake3::Hash::from_hex(good.then_some(digits)?).ok()?.as_bytes()))
    }

    /// Whether an open file holds it.
    pub(super) fn is_in(&self, file: &File) -> bool {
        let mut found = [0; 200];
        let Ok(length) = file.read_at(&mut found, 0) else { return false };
        Self::parse(&String::from_utf8_lossy(&found[..length])).as_ref() == Some(self)
    }

    fn text(&self) -> String {
        format!("{MARK}{}\n", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

fn text(path: &Path, file: &mut File) -> Result<String, AuditError> {
    let mut bytes = Vec::new();
    file.take(200).read_to_end(&mut bytes).map_err(AuditError::io(path, "reading"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn warn_if_shared(path: &Path, file: &File) {
    if file.metadata().is_ok_and(|m| m.permissions().mode() & 0o077 != 0) {
        log::warn!("key of the decision log {}: others than its owner can read it; chmod 600 it", path.display());
    }
}

/// Where the key of a log is: as configured, or beside its folder.
///
/// # Errors
/// [`AuditError::Key`] if the folder has no name to call it by.
pub fn path(config: &LogConfig) -> Result<PathBuf, AuditError> {
    config.key_file.clone().map_or_else(|| beside(&config.folder), Ok)
}

/// The key's file beside a log's folder.
///
/// # Errors
/// [`AuditError::Key`] if the folder has no name to call it by.
pub fn beside(folder: &Path) -> Result<PathBuf, AuditError> {
    let named = match folder.file_name() {
        Some(_) => folder.to_owned(),
        None => std::fs::canonicalize(folder).unwrap_or_else(|_| folder.into()),
    };
    match named.file_name() {
        Some(name) => {
            let mut name = name.to_owned();
            name.push(".key");
            Ok(named.with_file_name(name))
        }
        None => Err(AuditError::Key {
            path: folder.into(),
            what: "the log's folder has no name, so no key can lie beside it; set `key_file` in [log]".into(),
        }),
    }
}

fn new_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// The key as it was found.
#[derive(Clone, Debug)]
pub enum Found {
    /// Records bear its code.
    InUse(Key),
    /// Made, but the program ended before a record with its code was known to be on the medium.
    New(Key),
    /// None.
    Nothing,
}

/// Looks for the key.
///
/// # Errors
/// [`AuditError`] if there is something that is no key or cannot be read.
pub fn find(path: &Path) -> Result<Found, AuditError> {
    match Key::read(path) {
        Ok(key) => return Ok(Found::InUse(key)),
        Err(AuditError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    match files::open(&new_name(path), For::Reading) {
        Ok(mut file) => Ok(Key::parse(&text(path, &mut file)?).map_or(Found::Nothing, Found::New)),
        Err(AuditError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

/// Makes a new key, on the medium but not in use yet.
///
/// # Errors
/// [`AuditError`] if it cannot be written.
pub fn make(path: &Path) -> Result<Key, AuditError> {
    let mut secret = [0; 32];
    File::open("/dev/random")
        .and_then(|mut f| f.read_exact(&mut secret))
        .map_err(AuditError::io(Path::new("/dev/random"), "reading"))?;
    let key = Key(secret);
    write(path, &key)?;
    Ok(key)
}

/// Puts the key of a running gate back where it was taken away.
///
/// # Errors
/// [`AuditError`] if it cannot be written.
pub(super) fn put_back(path: &Path, key: &Key) -> Result<(), AuditError> {
    write(path, key)?;
    put_in_use(path)
}

/// Gives what stands in the place of the key another name, and returns that.
///
/// # Errors
/// [`AuditError`] if it cannot be renamed.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, AuditError> {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".replaced-{number}"));
        PathBuf::from(name)
    };
    let free = (1..100).map(named).find(|aside| std::fs::symlink_metadata(aside).is_err());
    let full = || AuditError::Key { path: path.into(), what: "this was another one again and again".into() };
    let aside = free.ok_or_else(full)?;
    std::fs::rename(path, &aside).map_err(AuditError::io(path, "setting aside what is not the key"))?;
    Ok(aside)
}

fn write(path: &Path, key: &Key) -> Result<(), AuditError> {
    let new = new_name(path);
    let explained = |error: AuditError| match error {
        AuditError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => AuditError::Key {
            path: new.clone(),
            what: format!("it cannot be made: {source}; let the gate write there, or set `key_file` in [log]"),
        },
        other => other,
    };
    let mut file = files::open(&new, For::Secret).map_err(explained)?;
    // What a power cut left of a key that was never used is a beginning of one, or nothing.
    let left = text(&new, &mut file)?;
    if !left.trim_matches('\0').is_empty() && !left.starts_with(MARK) && !MARK.starts_with(&left) {
        return Err(AuditError::Key { path: new, what: "this file was not made by agegate; move it away".into() });
    }
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(key.text().as_bytes()))
        .and_then(|()| file.sync_all())
        .map_err(AuditError::io(&new, "writing"))?;
    files::sync_folder(path.parent().unwrap_or(Path::new("/")));
    Ok(())
}

/// Gives a new key its name: from now on a log without its records has lost them.
///
/// # Errors
/// [`AuditError::Io`].
pub fn put_in_use(path: &Path) -> Result<(), AuditError> {
    std::fs::rename(new_name(path), path).map_err(AuditError::io(path, "naming the key"))?;
    files::sync_folder(path.parent().unwrap_or(Path::new("/")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_its_owner_only_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        let key = make(&path).unwrap();
        assert!(matches!(find(&path).unwrap(), Found::New(found) if found == key));
        put_in_use(&path).unwrap();
        assert!(matches!(find(&path).unwrap(), Found::InUse(found) if found == key));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_sealed_line_that_is_changed_anywhere_is_sealed_no_more() {
        let key = Key([7; 32]);
        let mut line = br#"{"seq":1,"event":"stop"}"#.to_vec();
        key.seal(&mut line);
        assert!(key.sealed(&line) && !Key([8; 32]).sealed(&line));
        for at in 0..line.len() {
            let mut other = line.clone();
            other[at] ^= 0x20;
            assert!(!key.sealed(&other), "byte {at}");
        }
    }

    #[test]
    fn what_a_power_cut_left_of_a_key_is_made_anew_and_foreign_files_are_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        for left in ["", "agegate-log", "agegate-log-key 1 0123"] {
            std::fs::write(new_name(&path), left).unwrap();
            assert!(matches!(find(&path).unwrap(), Found::Nothing));
            make(&path).unwrap();
        }
        std::fs::write(new_name(&path), "my diary\n").unwrap();
        assert!(make(&path).unwrap_err().to_string().contains("not made by agegate"));
        assert_eq!(std::fs::read(new_name(&path)).unwrap(), b"my diary\n");
    }
}
