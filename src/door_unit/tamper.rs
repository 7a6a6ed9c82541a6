//! The cover: once it was opened nothing opens any more, until a person on the board says so.
//!
//! Whoever opens the cover can also cut the power, so being out of order must outlive it: a small file beside the folder of
//! the log says so (`/var/lib/agegate/log.tampered`), and `agegate reset-tamper` removes it. A key on the unit itself is no
//! reset: whoever has its cover off has its wires in hand. The log's record of the alarm stays whatever happens to the file.

use std::{
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::audit::{AlarmChange, files};

/// How often the file is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// What the file says to whoever finds it.
const TEXT: &str = "The cover of this gate was opened: nothing opens until `agegate reset-tamper` is run on it.\n";

/// The file of a log's folder.
#[must_use]
pub fn marker(log_folder: &Path) -> PathBuf {
    let mut name = log_folder.file_name().unwrap_or_default().to_owned();
    name.push(".tampered");
    log_folder.with_file_name(name)
}

/// Whether the file can be made when it has to be: without it a start after an opened cover would know of nothing.
///
/// # Errors
/// Why not.
pub fn can_be_marked(marker: &Path) -> std::io::Result<()> {
    let not = |error: &dyn std::fmt::Display| {
        let file = marker.display();
        std::io::Error::other(format!(
            "{file}: that the cover was opened could not be kept there: {error}; expected a folder that the gate may write to"
        ))
    };
    // Folders that are missing are made with that of the log.
    let folder = files::nearest(marker.parent().unwrap_or(Path::new("."))).map_err(|error| not(&error))?;
    files::can_be_made_in(folder).map_err(|error| not(&error))
}

/// The cover and what is known of it.
#[derive(Debug)]
pub struct Tamper {
    marker: PathBuf,
    /// Whether the cover is on, as far as that is known.
    cover_on: Option<bool>,
    tampered: bool,
    /// Whether the file stands: only then does its absence mean that somebody took it away.
    marked: bool,
    told_unmarked: bool,
    looked: Option<Duration>,
}

impl Tamper {
    /// As the last gate left it; `contact` is whether the cover has one. Where it has none, and the file stands, nothing opens either.
    #[must_use]
    pub fn new(marker: PathBuf, contact: bool) -> Self {
        let tampered = is_there(&marker);
        let cover_on = (!contact).then_some(true);
        Self { marker, cover_on, tampered, marked: tampered, told_unmarked: false, looked: None }
    }

    /// Whether the cover was opened since the last reset.
    #[must_use]
    pub fn tampered(&self) -> bool {
        self.tampered
    }

    /// The contact turned: whether the cover is on from now on.
    pub fn turned(&mut self, cover_on: bool) {
        self.cover_on = Some(cover_on);
    }

    /// Takes in the time: an alarm that begins, or one that a person ended.
    pub fn look(&mut self, now: Duration) -> Option<AlarmChange> {
        if !self.tampered {
            return (self.cover_on == Some(false)).then(|| {
                self.tampered = true;
                self.mark();
                AlarmChange::Raised
            });
        }
        if self.looked.is_some_and(|at| now.saturating_sub(at) < LOOK && now >= at) {
            return None;
        }
        self.looked = Some(now);
        if is_there(&self.marker) {
            self.marked = true;
            return None;
        }
        if !self.marked {
            self.mark();
            return None;
        }
        if self.cover_on != Some(true) {
            log::error!("the cover is still off; put it on, then `agegate reset-tamper`");
            self.mark();
            return None;
        }
        self.tampered = false;
        Some(AlarmChange::Ended)
    }

    fn mark(&mut self) {
        let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&self.marker);
        match made {
            Ok(mut file) => {
                self.marked = true;
                // That it is there is what counts; the text is for whoever finds it, and needs room that there may not be.
                let text = file.write_all(TEXT.as_bytes());
                if let Err(error) = text.and_then(|()| file.sync_all()) {
                    log::warn!("{}: {error}; it is there all the same", self.marker.display());
                }
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.marked = true,
            Err(error) => {
                self.marked = false;
                // Once a second is too often to say it.
                if !std::mem::replace(&mut self.told_unmarked, true) {
                    log::error!(
                        "{}: cannot be written: {error}; it is tried again, nothing opens while this gate lives, and what is \
                         started after it does not know of the cover",
                        self.marker.display()
                    );
                }
            }
        }
    }
}

/// Whether the file stands. What cannot be looked at is taken to be there.
#[must_use]
pub fn is_there(marker: &Path) -> bool {
    !marker.symlink_metadata().is_err_and(|error| nothing_stands_there(&error))
}

/// What is to be said of whatever stands there, if anything does, and what to do about it.
#[must_use]
pub fn what_stands(marker: &Path) -> Option<String> {
    let file = marker.display();
    match marker.symlink_metadata() {
        Err(error) if nothing_stands_there(&error) => None,
        Err(error) => Some(format!("{file}: cannot be looked at: {error}; nothing opens, as if the cover was opened")),
        Ok(meta) if meta.is_file() && is_mark(marker, meta.len()) => {
            Some("it was opened: nothing opens until `agegate reset-tamper`".into())
        }
        Ok(_) => Some(format!(
            "{file} is no file that a gate made, and stands where one would say that the cover was opened: nothing opens until it is moved away"
        )),
    }
}

/// Whether an error says so for sure: there is no such file, or no folder in which it could be.
fn nothing_stands_there(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether a file holds what a gate writes into it, or the beginning of that, for want of room.
fn is_mark(marker: &Path, length: u64) -> bool {
    length <= TEXT.len() as u64 && std::fs::read(marker).is_ok_and(|text| TEXT.as_bytes().starts_with(&text))
}

/// Removes the file; whether there was one.
///
/// # Errors
/// If something else stands there, or it cannot be removed.
pub fn reset(marker: &Path) -> std::io::Result<bool> {
    match marker.symlink_metadata() {
        Err(error) if nothing_stands_there(&error) => return Ok(false),
        Err(error) => return Err(error),
        Ok(meta) if !meta.is_file() || !is_mark(marker, meta.len()) => {
            return Err(std::io::Error::other("this is no file that a gate made; move it away"));
        }
        Ok(_) => {}
    }
    std::fs::remove_file(marker)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cover_was_opened_where_no_folder_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a file");
        std::fs::write(&file, "").unwrap();
        assert!(!is_there(&marker(&file.join("log"))) && !reset(&marker(&file.join("log"))).unwrap());
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_mark_that_cannot_be_written_is_no_reset_and_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("none/log.tampered");
        let mut tamper = Tamper::new(file.clone(), true);
        tamper.turned(false);
        assert_eq!(tamper.look(s(1)), Some(AlarmChange::Raised));
        tamper.turned(true);
        for second in 2..20 {
            assert_eq!((tamper.look(s(second)), tamper.tampered()), (None, true));
        }
        std::fs::create_dir(folder.path().join("none")).unwrap();
        assert_eq!((tamper.look(s(20)), tamper.tampered()), (None, true));
        assert!(file.exists() && reset(&file).unwrap());
        assert_eq!((tamper.look(s(22)), tamper.tampered()), (Some(AlarmChange::Ended), false));
    }

    #[test]
    fn a_cover_that_was_opened_stays_so_where_its_contact_is_no_longer_configured() {
        let folder = tempfile::tempdir().unwrap();
        let file = marker(&folder.path().join("log"));
        std::fs::write(&file, "").unwrap();
        let mut tamper = Tamper::new(file.clone(), false);
        assert_eq!((tamper.look(s(1)), tamper.tampered()), (None, true));
        assert!(reset(&file).unwrap());
        assert_eq!((tamper.look(s(3)), tamper.tampered()), (Some(AlarmChange::Ended), false));
        assert!(!file.exists());
    }

    #[test]
    fn an_opened_cover_puts_the_gate_out_of_order_through_a_restart_until_a_reset() {
        let folder = tempfile::tempdir().unwrap();
        let file = marker(&folder.path().join("log"));
        let mut tamper = Tamper::new(file.clone(), true);
        tamper.turned(true);
        assert_eq!((tamper.look(s(1)), tamper.tampered()), (None, false));
        tamper.turned(false);
        assert_eq!((tamper.look(s(2)), tamper.tampered()), (Some(AlarmChange::Raised), true));
        tamper.turned(true);
        assert_eq!((tamper.look(s(4)), tamper.tampered()), (None, true), "putting it on again is no reset");
        let mut tamper = Tamper::new(file.clone(), true);
        assert!(tamper.tampered(), "nor is a restart");
        assert!(reset(&file).unwrap());
        assert_eq!((tamper.look(s(10)), tamper.tampered()), (None, true), "the cover is not known to be on");
        assert!(file.exists());
        tamper.turned(true);
        assert!(reset(&file).unwrap());
        assert_eq!((tamper.look(s(20)), tamper.tampered()), (Some(AlarmChange::Ended), false));
        assert!(!reset(&file).unwrap());
    }

    #[test]
    fn what_stands_in_the_place_of_the_file_counts_as_it_and_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = marker(&folder.path().join("log"));
        std::os::unix::fs::symlink("/nowhere", &file).unwrap();
        assert!(Tamper::new(file.clone(), true).tampered());
        assert!(reset(&file).is_err() && file.symlink_metadata().is_ok());
        std::fs::remove_file(&file).unwrap();
        assert!(what_stands(&file).is_none());
        // Such as the log's key, in a gate that was told to keep it there.
        std::fs::write(&file, "agegate-log-key 1 00").unwrap();
        assert!(Tamper::new(file.clone(), true).tampered());
        assert!(reset(&file).is_err() && file.exists());
        assert!(what_stands(&file).unwrap().contains("is no file that a gate made"));
        std::fs::write(&file, &TEXT[..20]).unwrap();
        assert!(what_stands(&file).unwrap().contains("`agegate reset-tamper`"));
        assert!(reset(&file).unwrap(), "a mark for which there was no more room is one");
    }

    #[test]
    fn a_mark_that_could_not_be_made_is_told_before_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        can_be_marked(&marker(&folder.path().join("log"))).unwrap();
        can_be_marked(&folder.path().join("made/later/log.tampered")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let told = can_be_marked(&folder.path().join("file/log.tampered")).unwrap_err().to_string();
        assert!(told.contains("file/log.tampered: that the cover was opened could not be kept there"), "{told}");
    }
}
