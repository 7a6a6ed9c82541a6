//! Reading files that a user names: regular ones only, and none larger than it can sensibly be. A named pipe would never answer,
//! a device never end.

use std::{
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// Opens a regular file for reading; links are followed.
///
/// # Errors
/// What the system said, or what the thing is instead.
pub fn open(path: &Path) -> std::io::Result<File> {
    // Without this, opening a named pipe waits for somebody to write to it.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    let what = match kind {
        _ if kind.is_file() => return Ok(file),
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a named pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(Error::new(ErrorKind::InvalidInput, format!("this is {what}, expected a file")))
}

/// Reads a whole regular file of at most `most` bytes.
///
/// # Errors
/// As [`open`]; and files that are larger.
pub fn read(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Reads a whole text.
///
/// # Errors
/// As [`read`]; and bytes that are no UTF-8, with what to do.
pub fn read_text(path: &Path, most: u64) -> std::io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| {
        Error::new(ErrorKind::InvalidData, "the text is not UTF-8 (in which encoding was it saved? choose UTF-8)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| read(path, 100).unwrap_err().to_string();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(error(&pipe).contains("a named pipe"));
        assert!(error(Path::new("/dev/zero")).contains("a device"));
        assert!(error(folder.path()).contains("a folder"));
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [b'a'; 101]).unwrap();
        assert!(read(file.path(), 100).is_err());
        assert_eq!(read(file.path(), 101).unwrap().len(), 101);
        std::fs::write(file.path(), [0xff, 0xfe, b'a', 0]).unwrap();
        assert!(read_text(file.path(), 100).unwrap_err().to_string().contains("UTF-8"));
    }
}
