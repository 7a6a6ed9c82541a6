//! `head`: the last number and hash of a log, so that removing the newest records is noticed too.
//!
//! A file of fixed length, overwritten in place after each record and not synchronised: a power cut may leave an older one,
//! never one that runs ahead of the records. It is on the medium before the first record is, so none is ever missing for
//! good reason.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    os::unix::fs::FileExt,
    path::Path,
};

use super::{
    AuditError, GENESIS, Record,
    files::{self, For},
    key::{Key, Purpose},
};

/// The last number and hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Last number; 0 before the first record.
    pub seq: u64,
    /// Hash of that line.
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS.into() }
    }
}

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is no file.
    Missing,
    /// The file is empty.
    Empty,
    /// It holds something else.
    Damaged,
    /// A head of version 0.1.0, which anybody can write.
    Plain(Head),
    /// A head with a key's code, not checked yet.
    Keyed {
        /// What it says.
        head: Head,
        /// The code.
        mac: String,
    },
}

impl Head {
    /// Reads the file.
    ///
    /// # Errors
    /// [`AuditError`] if it is no regular file or cannot be read.
    pub fn read(path: &Path) -> Result<Found, AuditError> {
        let file = match files::open(path, For::Reading) {
            Ok(file) => file,
            Err(AuditError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(Found::Missing),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(200).read_to_end(&mut bytes).map_err(AuditError::io(path, "reading"))?;
        if bytes.is_empty() {
            return Ok(Found::Empty);
        }
        Ok(Self::parse(&bytes).unwrap_or(Found::Damaged))
    }

    fn parse(bytes: &[u8]) -> Option<Found> {
        let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let mut parts = text.split(' ');
        let (seq, hash, mac) = (parts.next()?, parts.next()?, parts.next());
        let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let good = parts.next().is_none()
            && seq.len() == 20
            && seq.bytes().all(|b| b.is_ascii_digit())
            && hash.len() == 64
            && hex(hash);
        let seq = seq.parse().ok().filter(|seq| good && *seq < Record::MOST)?;
        let head = Self { seq, hash: hash.into() };
        Some(match mac {
            None => Found::Plain(head),
            Some(mac) => Found::Keyed { head, mac: mac.into() },
        })
    }

    fn plain(&self) -> String {
        format!("{:020} {}", self.seq, self.hash)
    }

    /// Whether a code is that of this head.
    #[must_use]
    pub fn sealed(&self, mac: &str, key: &Key) -> bool {
        key.mac(Purpose::Head, self.plain().as_bytes()) == mac
    }

    /// Overwrites the file, which has this length ever after.
    pub(super) fn write(&self, file: &File, key: &Key) -> std::io::Result<()> {
        let plain = self.plain();
        let code = key.mac(Purpose::Head, plain.as_bytes());
        let text = format!("{plain} {code}\n");
        file.write_all_at(text.as_bytes(), 0)?;
        if file.metadata()?.len() != text.len() as u64 {
            file.set_len(text.len() as u64)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_is_changed_anywhere_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head");
        let key = crate::audit::key::make(&folder.path().join("log.key")).unwrap();
        let head = Head { seq: 41, ..Head::default() };
        head.write(&files::open(&path, For::Overwriting).unwrap(), &key).unwrap();
        let good =
            |path: &Path| matches!(Head::read(path).unwrap(), Found::Keyed { head, mac } if head.sealed(&mac, &key));
        assert!(good(&path));
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                std::fs::write(&path, other).unwrap();
                assert!(!good(&path), "byte {at}, bit {bit}");
            }
            std::fs::write(&path, &bytes[..at]).unwrap();
            assert!(!good(&path), "cut at {at}");
        }
    }
}
