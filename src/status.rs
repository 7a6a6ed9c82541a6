//! The status file: what the gate is about right now, for whoever watches it from outside, `agegate-link` above all.
//!
//! It lies beside the run-time file (`/run/agegate/status-….json`, named after the configuration's path), is whole at every
//! moment, and is renewed once a second and at every change. It is in memory: nothing of it wears out a card. Nothing in it
//! is about a person: no picture, no estimate, no decision's evidence; the log alone has decisions one by one.
//!
//! A gate that hangs or was killed cannot say so: whoever reads this compares `mono_ms` and `boot` with its own clock.
//! A file that cannot be written is said once and keeps nobody from the door.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    audit::{Act, clock::Now},
    policy::Outcome,
    runtime,
};

/// Format of the file; another number means other fields.
pub const FORMAT: u32 = 1;
/// How often it is renewed when nothing changes.
const RENEW: Duration = Duration::from_secs(1);

/// Whether the gate can be used, and if not, what keeps it. The first that holds, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The gate has stopped in good order; the door is shut.
    Stopped,
    /// The log cannot be written: nothing opens the door.
    LogFailed,
    /// The door cannot be opened.
    DoorFailed,
    /// A model failed on the last frame.
    ModelFailed,
    /// The camera is lost.
    CameraLost,
    /// It works.
    #[default]
    InUse,
}

/// The camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Camera {
    /// Frames are judged.
    #[default]
    Watching,
    /// It is closed until a visit is started.
    Idle,
    /// It is lost, and looked for.
    Lost,
}

/// The door, as far as the gate drives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// Released: shut.
    #[default]
    Shut,
    /// Energised until its lease ends.
    Open,
    /// It cannot be driven.
    OutOfOrder,
}

/// What somebody should look after although the gate works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// The picture stays dark: the lens is covered, or there is no light.
    Dark,
    /// The leaf opened while nobody was let through.
    Forced,
    /// The leaf stays open.
    HeldOpen,
    /// The cover was opened: nothing opens until a person has reset it.
    Tamper,
    /// The camera could not be got back: somebody has to look after it.
    CameraLost,
}

/// How the gate is, as its loop sees it each time around.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether it can be used.
    pub state: State,
    /// The camera.
    pub camera: Camera,
    /// The door.
    pub door: Door,
    /// What to look after.
    pub alarms: Vec<Alarm>,
    /// Frames that a newer one replaced before they were judged.
    pub dropped: u64,
    /// Frames that could not be decoded.
    pub broken: u64,
}

/// What was counted since the gate started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames that were judged.
    pub frames_judged: u64,
    /// Frames that a newer one replaced.
    pub frames_dropped: u64,
    /// Frames that could not be decoded.
    pub frames_broken: u64,
    /// Decisions by outcome.
    pub decisions: BTreeMap<String, u64>,
    /// Decisions that could not be logged, and so were not acted on.
    pub decisions_unlogged: u64,
    /// What the door did.
    pub acts: BTreeMap<String, u64>,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`FORMAT`].
    pub format: u32,
    /// Program version.
    pub version: String,
    /// The configuration's path.
    pub config: PathBuf,
    /// Identity of the policy in force.
    pub policy: String,
    /// The gate's process.
    pub pid: u32,
    /// Wall-clock time of the start, as that of a record.
    pub started: String,
    /// Whether it can be used.
    pub state: State,
    /// Wall-clock time since when.
    pub since: String,
    /// The camera.
    pub camera: Camera,
    /// Wall-clock time of the last judged frame.
    pub last_frame: Option<String>,
    /// The door.
    pub door: Door,
    /// What to look after.
    pub alarms: Vec<Alarm>,
    /// Counters.
    pub counters: Counters,
    /// Wall-clock time of this file.
    pub written: String,
    /// First 8 digits of the kernel's boot id.
    pub boot: String,
    /// Monotonic time of this file in milliseconds.
    pub mono_ms: u64,
}

/// Renews the file.
#[derive(Debug)]
pub struct StatusFile {
    path: PathBuf,
    status: Status,
    /// The times at which it was written last, and at which a frame was judged last.
    written: Option<Instant>,
    last_frame: Option<Timestamp>,
    /// That it cannot be written has been said.
    failed: bool,
}

impl StatusFile {
    /// The file at a path, not written yet.
    #[must_use]
    pub fn new(path: PathBuf, config: &Path, policy: String) -> Self {
        let started = time(Timestamp::now());
        let status = Status {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            config: config.into(),
            policy,
            pid: std::process::id(),
            started: started.clone(),
            state: State::InUse,
            since: started,
            camera: Camera::Watching,
            last_frame: None,
            door: Door::Shut,
            alarms: Vec::new(),
            counters: Counters::default(),
            written: String::new(),
            boot: String::new(),
            mono_ms: 0,
        };
        Self { path, status, written: None, last_frame: None, failed: false }
    }

    /// Another policy is in force.
    pub fn policy(&mut self, policy: String) {
        self.status.policy = policy;
    }

    /// A frame was judged.
    pub fn judged(&mut self) {
        self.status.counters.frames_judged += 1;
        self.last_frame = Some(Timestamp::now());
    }

    /// A decision was made, and logged or not.
    pub fn decided(&mut self, outcome: Outcome, logged: bool) {
        let counters = &mut self.status.counters;
        match logged {
            true => *counters.decisions.entry(word(&outcome)).or_default() += 1,
            false => counters.decisions_unlogged += 1,
        }
    }

    /// The door did something.
    pub fn acted(&mut self, act: Act) {
        *self.status.counters.acts.entry(act.to_string()).or_default() += 1;
    }

    /// Notes how the gate is; writes the file at a change, and once a second.
    pub fn renew(&mut self, condition: &Condition) {
        let status = &mut self.status;
        let before = (status.state, status.camera, status.door, &status.alarms);
        let changed = before != (condition.state, condition.camera, condition.door, &condition.alarms);
        if !changed && self.written.is_some_and(|at| at.elapsed() < RENEW) {
            return;
        }
        if status.state != condition.state {
            status.since = time(Timestamp::now());
        }
        (status.state, status.camera, status.door) = (condition.state, condition.camera, condition.door);
        status.alarms.clone_from(&condition.alarms);
        (status.counters.frames_dropped, status.counters.frames_broken) = (condition.dropped, condition.broken);
        status.last_frame = self.last_frame.map(time);
        self.write();
    }

    /// The gate stops.
    pub fn stop(&mut self) {
        self.renew(&Condition { state: State::Stopped, camera: Camera::Idle, ..Condition::default() });
    }

    fn write(&mut self) {
        let now = Now::system();
        self.written = Some(Instant::now());
        self.status.written = time(now.wall);
        self.status.boot = now.boot;
        self.status.mono_ms = u64::try_from(now.mono.as_millis()).unwrap_or(u64::MAX);
        match (runtime::write_status(&self.path, &self.status), self.failed) {
            (Ok(()), _) => self.failed = false,
            (Err(_), true) => {}
            (Err(error), false) => {
                self.failed = true;
                log::warn!("{error}; the gate goes on, but nobody outside it can see how it is");
            }
        }
    }
}

/// A time as a record has it.
fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// The word that the log has for it.
fn word(outcome: &Outcome) -> String {
    match serde_json::to_value(outcome) {
        Ok(serde_json::Value::String(word)) => word,
        _ => outcome.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn read(path: &Path) -> Status {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn a_change_is_written_at_once_and_what_stays_once_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status-1.json");
        let mut file = StatusFile::new(path.clone(), Path::new("/etc/a.toml"), "p".into());
        let mut condition = Condition::default();
        file.renew(&condition);
        let first = read(&path);
        assert_eq!((first.state, first.door, first.last_frame), (State::InUse, Door::Shut, None));
        file.judged();
        file.decided(Outcome::Allow, true);
        file.renew(&condition);
        assert_eq!(read(&path).counters.frames_judged, 0, "not a second has passed");
        condition.door = Door::Open;
        file.renew(&condition);
        let open = read(&path);
        assert_eq!((open.door, open.counters.frames_judged, open.since), (Door::Open, 1, first.since));
        assert!(open.last_frame.is_some() && open.counters.decisions.values().eq([&1]));
        file.stop();
        assert_eq!(read(&path).state, State::Stopped);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640, "its group may read it, others not");
    }

    #[test]
    fn a_file_that_cannot_be_written_keeps_nobody_from_anything() {
        let mut file = StatusFile::new("/proc/no/such/folder/s.json".into(), Path::new("a"), "p".into());
        file.renew(&Condition::default());
        file.stop();
        assert!(file.failed);
    }
}
