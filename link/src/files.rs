//! Files that a user names, read with a bound and only where they are regular; and the link's own, written whole.

use std::{
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// Reads a whole regular file of at most `most` bytes; links are followed.
///
/// # Errors
/// What the system said, or that it is no file or too large.
pub fn read(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    // Without this, opening a named pipe waits for somebody to write to it.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "expected a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Reads a whole text.
///
/// # Errors
/// As [`read`]; and bytes that are no UTF-8.
pub fn read_text(path: &Path, most: u64) -> std::io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "not UTF-8 text"))
}

/// Whether files can be made in a folder, or it could be made itself; nothing is.
///
/// # Errors
/// What the system says, or that something else stands there.
pub fn writable(folder: &Path) -> std::io::Result<()> {
    let there = folder.ancestors().find(|place| place.symlink_metadata().is_ok()).unwrap_or(folder);
    if !there.is_dir() {
        return Err(Error::new(ErrorKind::NotADirectory, format!("{} is no folder", there.display())));
    }
    Ok(rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?)
}

/// Whether a file waits until the medium has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// It does.
    Yes,
    /// A power cut may bring the one before back.
    No,
}

/// Writes a file that is whole at every moment.
///
/// # Errors
/// What the system said.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32, durable: Durable) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let _ = std::fs::remove_file(&beside);
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    let written = fill(file, bytes, mode, durable).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn fill(mut file: File, bytes: &[u8], mode: u32, durable: Durable) -> std::io::Result<()> {
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    match durable {
        Durable::Yes => file.sync_all(),
        Durable::No => Ok(()),
    }
}
