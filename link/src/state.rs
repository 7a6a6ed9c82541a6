//! What the link keeps: how far the broker has taken the log, and the counts that belong to it.
//!
//! The cursor moves only when the broker has acknowledged what is before it. `safe` stays behind it by the time for which a
//! broker may hold messages in memory alone: after a lost connection the link sends again from there, so a broker that was
//! killed has lost nothing. Receivers tell the second copy by number and hash.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    counts::Counts,
    files::{self, Durable},
    queue::{Cursor, Item, Landmarks, What},
};

/// Format of the file.
const FORMAT: u32 = 1;
/// How often it waits for the medium: what a power cut takes from it is sent again.
const SYNC_EVERY: Duration = Duration::from_secs(2);

/// The file's content.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    cursor: Cursor,
    safe: Cursor,
    landmarks: Landmarks,
    counts: Counts,
}

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system said no.
    #[error("state {}: {action} failed: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is something else.
    #[error(
        "state {}: this is no state of agegate-link ({what}); move it away, and the whole log is sent again", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// The state of a running link.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    kept: Kept,
    resend: Duration,
    /// Where the cursor stood, and when; the oldest first.
    recent: VecDeque<(Instant, Cursor)>,
    synced: Option<Instant>,
}

fn path(folder: &Path, gate: &str) -> PathBuf {
    folder.join(format!("{gate}.json"))
}

fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> StateError {
    move |source| StateError::Io { path: path.into(), action, source }
}

/// What a file holds; `None` where there is none.
fn read(path: &Path) -> Result<Option<Kept>, StateError> {
    let damaged = |what: String| StateError::Damaged { path: path.into(), what };
    let bytes = match files::read(path, 4_000_000) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(path, "reading")(error)),
    };
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
    match kept.format {
        FORMAT => Ok(Some(kept)),
        other => Err(damaged(format!("format {other}, expected {FORMAT}"))),
    }
}

impl State {
    /// Reads the state of a folder, which is made if need be.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(folder: &Path, gate: &str, resend: Duration) -> Result<Self, StateError> {
        let path = path(folder, gate);
        std::fs::create_dir_all(folder).map_err(io(folder, "making the folder"))?;
        let kept = read(&path)?.unwrap_or_else(|| Kept {
            format: FORMAT,
            cursor: Cursor::default(),
            safe: Cursor::default(),
            landmarks: Landmarks::default(),
            counts: Counts::default(),
        });
        Ok(Self { path, kept, resend, recent: VecDeque::new(), synced: None })
    }

    /// Up to where the broker has taken the log, by a state that may be another link's: nothing is made or changed. `None` where
    /// there is none yet, and where it could be kept.
    ///
    /// # Errors
    /// As [`State::open`].
    pub fn peek(folder: &Path, gate: &str) -> Result<Option<Cursor>, StateError> {
        let found = read(&path(folder, gate))?;
        files::writable(folder).map_err(io(folder, "writing there"))?;
        Ok(found.map(|kept| kept.cursor))
    }

    /// Up to where the broker has taken the log.
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        &self.kept.cursor
    }

    /// From where a new connection sends.
    #[must_use]
    pub fn safe(&self) -> &Cursor {
        &self.kept.safe
    }

    /// Records that were sent.
    #[must_use]
    pub fn landmarks(&self) -> &Landmarks {
        &self.kept.landmarks
    }

    /// Counts of all that was sent.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.kept.counts
    }

    /// The broker has acknowledged these, which followed each other. What it had acknowledged before only counts as sent again.
    pub fn taken(&mut self, items: &[Item]) {
        let before = self.kept.cursor.clone();
        for item in items {
            let rewound = matches!(&item.what, What::Notice(crate::queue::Notice::Rewritten { .. }));
            let fresh = item.after.is_beyond(&self.kept.cursor) || rewound;
            match &item.what {
                What::Record { record, hash, .. } if fresh => {
                    self.kept.counts.record(record);
                    self.kept.landmarks.add(record.seq, hash);
                }
                // The cursor stands still for a notice: it counts where nothing beyond it was taken yet.
                What::Notice(notice) if rewound || !self.kept.cursor.is_beyond(&item.after) => {
                    self.kept.counts.notice(item.after.seq, notice);
                }
                _ => {}
            }
            if fresh {
                self.kept.cursor = item.after.clone();
            }
            if rewound {
                // What is known of the part that is gone leads nowhere.
                self.recent.clear();
                self.kept.safe = item.after.clone();
            }
        }
        self.recent.push_back((Instant::now(), before));
        self.settle();
    }

    /// Moves `safe` behind the cursor as time passes.
    pub fn settle(&mut self) {
        let Some(until) = Instant::now().checked_sub(self.resend) else { return };
        while let Some((at, _)) = self.recent.front()
            && *at <= until
        {
            let next = self.recent.get(1).map_or_else(|| self.kept.cursor.clone(), |(_, cursor)| cursor.clone());
            self.recent.pop_front();
            self.kept.safe = next;
        }
        // A thousand batches in the time are enough; the older ones are sent again with the next.
        while self.recent.len() > 1000 {
            self.recent.remove(1);
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn save(&mut self, last: bool) -> Result<(), StateError> {
        let due = last || self.synced.is_none_or(|at| at.elapsed() >= SYNC_EVERY);
        let failed = |source| StateError::Io { path: self.path.clone(), action: "writing", source };
        let text = serde_json::to_vec(&self.kept).map_err(|e| failed(e.into()))?;
        files::write_whole(&self.path, &text, 0o600, if due { Durable::Yes } else { Durable::No }).map_err(failed)?;
        if due {
            self.synced = Some(Instant::now());
        }
        Ok(())
    }
}
