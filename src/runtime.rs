//! The run-time directory: what a gate drives now, or drove last, for whoever has to clean up after it.
//!
//! One small file for each gate says which relay it drives, who it is and who its keeper is. It is written before a pin
//! is first driven, so `agegate relay --off` and `agegate supervise` release what was driven, whatever the configuration
//! says by then, and `agegate check` leaves alone what a living gate uses. It holds nothing about anybody before the
//! camera, and need not outlive a reboot.
//!
//! The directory is the first of these that can be used:
//! 1. `$RUNTIME_DIRECTORY`, which systemd sets (`RuntimeDirectory=agegate`, so `/run/agegate`);
//! 2. `/run/agegate`;
//! 3. `$XDG_RUNTIME_DIR/agegate`;
//! 4. `/tmp/agegate-UID`, if it belongs to the user alone.
//!
//! The file is named after the path of the configuration, so that gates beside each other do not take each other's place.
//! Beside it lies the status file ([`crate::status`]), for whoever watches.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Held, Level, OutputConfig, RelayConfig, RelayDriver, StartMode, held};

/// A process, told apart from a later one of the same number by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its start, in the kernel's clock ticks since boot.
    pub started: u64,
}

/// What a process is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It runs, or could.
    Alive,
    /// It was stopped (SIGSTOP) and does nothing until it is continued.
    Stopped,
    /// It is no more.
    Gone,
}

impl Process {
    /// The process of this number, if there is one.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        Some(Self { pid, started: stat(pid)?.1 })
    }

    /// This process.
    #[must_use]
    pub fn this() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// How it is.
    #[must_use]
    pub fn condition(self) -> Condition {
        match stat(self.pid) {
            Some((_, started)) if started != self.started => Condition::Gone,
            Some(('Z' | 'X', _)) | None => Condition::Gone,
            Some(('T' | 't', _)) => Condition::Stopped,
            Some(_) => Condition::Alive,
        }
    }

    /// Whether it is still there.
    #[must_use]
    pub fn exists(self) -> bool {
        self.condition() != Condition::Gone
    }

    /// Whether it runs this subcommand of the program.
    fn runs(self, subcommand: &str) -> bool {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let mut words = line.split(|b| *b == 0);
        let program = words.next().unwrap_or_default();
        program.ends_with(b"agegate") && words.next() == Some(subcommand.as_bytes())
    }

    /// Kills it and waits until it is gone, at most so long.
    pub fn kill(self, patience: Duration) {
        let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.exists()) else { return };
        if let Err(error) = kill_process(pid, Signal::KILL) {
            log::error!("process {} cannot be killed: {error}", self.pid);
        }
        self.wait(patience);
    }

    /// Waits until it is gone, at most so long; whether it is.
    pub fn wait(self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while self.exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        !self.exists()
    }
}

/// The processes, as far as they can be seen, that run this subcommand of the program.
#[must_use]
pub fn processes(subcommand: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let runs = |pid: &u32| Process::of(*pid).is_some_and(|p| p.exists() && p.runs(subcommand));
    entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok()).filter(runs).collect()
}

/// State letter and start of a process.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the fields after it do not.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// What a gate uses besides its relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Devices {
    /// The camera's device.
    pub camera: Option<PathBuf>,
    /// The camera's command.
    pub command: Option<Vec<String>>,
    /// The display's SPI device.
    pub spi: Option<PathBuf>,
    /// Line of button or sensor.
    pub start: Option<u32>,
    /// Every line, the relay's too: no other gate may have one of them.
    pub lines: Vec<Held>,
    /// What a door unit drives, so that it can be switched off.
    pub outputs: Vec<OutputConfig>,
}

impl Devices {
    /// Those of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        use crate::config::{CameraSource, DisplayDriver};
        Self {
            camera: (config.camera.source == CameraSource::V4l2).then(|| config.camera.device.clone()),
            command: (config.camera.source == CameraSource::Pipe).then(|| config.camera.command.clone()),
            spi: (config.display.driver != DisplayDriver::None).then(|| config.display.spi.clone()),
            start: (config.start.mode != StartMode::Always).then_some(config.start.line),
            lines: held(config),
            outputs: config.outputs.lines().into_iter().map(|(_, output)| output).collect(),
        }
    }
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The kernel's boot id: after a reboot process numbers mean nothing.
    pub boot: String,
    /// The configuration's path.
    pub config: PathBuf,
    /// The gate.
    pub gate: Process,
    /// The keeper, while there is one.
    pub keeper: Option<Process>,
    /// Every relay that may be driven: two while one is handed over to another.
    pub relays: Vec<Line>,
    /// What else is in use.
    #[serde(default)]
    pub devices: Devices,
}

/// As much of a relay's settings as is needed to release it. Read leniently: other keys may be wrong or unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// What drives the pin.
    pub driver: RelayDriver,
    /// The pin.
    pub pin: u32,
    /// The chip.
    pub chip: String,
    /// The level that energises.
    pub active: Level,
}

impl Default for Line {
    fn default() -> Self {
        Self::from(&RelayConfig::default())
    }
}

impl From<&RelayConfig> for Line {
    fn from(c: &RelayConfig) -> Self {
        Self { driver: c.driver, pin: c.pin, chip: c.chip.clone(), active: c.active }
    }
}

impl From<&Line> for RelayConfig {
    fn from(l: &Line) -> Self {
        Self { driver: l.driver, pin: l.pin, chip: l.chip.clone(), active: l.active, ..Self::default() }
    }
}

impl Running {
    /// The gate's condition.
    #[must_use]
    pub fn gate_condition(&self) -> Condition {
        if self.boot == boot_id() && self.gate.runs("run") { self.gate.condition() } else { Condition::Gone }
    }

    /// Whether it is the gate of this configuration, whatever that says by now.
    #[must_use]
    pub fn is_of(&self, config: &Path) -> bool {
        self.config == settled(config) || same_node(&self.config, config)
    }

    /// The keeper, if it is still there.
    #[must_use]
    pub fn keeper_left(&self) -> Option<Process> {
        self.keeper.filter(|k| self.boot == boot_id() && k.exists() && k.runs("relay-keeper"))
    }
}

/// Why the file cannot be written, or the gate must not have it.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No directory can be used.
    #[error(
        "no run-time directory: none of {tried} can be used; set RUNTIME_DIRECTORY to a directory that the gate's user may write to"
    )]
    NoFolder {
        /// What was tried, and what the system said.
        tried: String,
    },
    /// The file cannot be written.
    #[error("run-time file {}: {action} failed: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another gate is at work.
    #[error("another gate runs (process {pid}, configuration {}) and drives {what}; stop it first", config.display())]
    Taken {
        /// Its process.
        pid: i32,
        /// Its configuration.
        config: PathBuf,
        /// What both want.
        what: String,
    },
}

/// The file of this gate.
#[derive(Debug)]
pub struct RunFile {
    path: PathBuf,
    running: Mutex<Running>,
}

impl RunFile {
    /// The file of a gate with this configuration, which does not drive anything yet. What a gate that is no more left
    /// behind is cleared away first: its keeper, if it was stopped and holds the pin still.
    ///
    /// # Errors
    /// [`RuntimeError`] if there is no directory for it, or another living gate drives the same pin.
    pub fn claim(config_path: &Path, config: &Config) -> Result<Self, RuntimeError> {
        Self::claim_in(&writable_folder()?, config_path, config)
    }

    /// The same in a given directory.
    ///
    /// # Errors
    /// As [`RunFile::claim`].
    pub fn claim_in(folder: &Path, config_path: &Path, config: &Config) -> Result<Self, RuntimeError> {
        let config_path = settled(config_path);
        let path = folder.join(file_name(&config_path));
        taken(folder, &config_path, config)?;
        if let Some(before) = read(&path) {
            clear_keeper(&before);
        }
        let gate = Process::this().unwrap_or(Process { pid: this_pid(), started: 0 });
        let running = Running {
            boot: boot_id(),
            config: config_path,
            gate,
            keeper: None,
            relays: Vec::new(),
            devices: Devices::of(config),
        };
        Ok(Self { path, running: Mutex::new(running) })
    }

    /// Whether another living gate has a line of this configuration, which is to be put into force.
    ///
    /// # Errors
    /// [`RuntimeError::Taken`].
    pub fn taken(&self, config: &Config) -> Result<(), RuntimeError> {
        let path = self.running.lock().unwrap_or_else(PoisonError::into_inner).config.clone();
        taken(self.path.parent().unwrap_or(Path::new("/")), &path, config)
    }

    /// Notes every relay that may be driven from now on.
    ///
    /// # Errors
    /// [`RuntimeError::Write`].
    pub fn driving(&self, relays: &[RelayConfig]) -> Result<(), RuntimeError> {
        self.change(|running| running.relays = relays.iter().map(Line::from).collect())
    }

    /// Notes who holds the pin.
    ///
    /// # Errors
    /// [`RuntimeError::Write`].
    pub fn keeper(&self, keeper: Option<Process>) -> Result<(), RuntimeError> {
        self.change(|running| running.keeper = keeper)
    }

    /// Notes what else is in use.
    ///
    /// # Errors
    /// [`RuntimeError::Write`].
    pub fn devices(&self, devices: Devices) -> Result<(), RuntimeError> {
        self.change(|running| running.devices = devices)
    }

    /// Where this gate's status file is: beside this one.
    #[must_use]
    pub fn status_path(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(name.replacen("gate-", "status-", 1))
    }

    /// The configuration's path, as every file here names it.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    fn change(&self, change: impl FnOnce(&mut Running)) -> Result<(), RuntimeError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = running.clone();
        change(&mut next);
        write_whole(&self.path, &next, 0o644, true)?;
        *running = next;
        Ok(())
    }
}

/// Whether another living gate has this configuration, or a line of it. The drivers do not ask the kernel, all of them, so
/// that two lanes on one board would open each other's door. Simulated lines are files of the run-time directory, `folder`.
fn taken(folder: &Path, config_path: &Path, config: &Config) -> Result<(), RuntimeError> {
    let mine = held(config);
    for (place, other) in found() {
        if other.gate_condition() == Condition::Gone || other.gate.pid == this_pid() {
            continue;
        }
        let relay =
            other.relays.iter().map(RelayConfig::from).find(|line| {
                line.driver != RelayDriver::Simulated && super::relay::maybe_same_line(line, &config.relay)
            });
        let same_files = place == folder;
        let mut theirs = other.devices.lines.iter().filter(|line| same_files || !line.is_simulated());
        let clash = theirs.find_map(|theirs| Some((theirs, mine.iter().find(|m| m.may_be(theirs))?)));
        let what = match (other.config == config_path, relay, clash) {
            (_, Some(line), _) => format!("pin {}", line.pin),
            (true, None, _) => "this configuration's relay".into(),
            (false, None, Some((theirs, mine))) => {
                let kind = if theirs.is_simulated() { "simulated line" } else { "line" };
                format!("{kind} {} (`{}` there, `{}` here)", theirs.line, theirs.key, mine.key)
            }
            (false, None, None) => continue,
        };
        return Err(RuntimeError::Taken { pid: other.gate.pid, config: other.config, what });
    }
    Ok(())
}

/// What the last gate with this configuration drives or drove.
#[must_use]
pub fn last(config_path: &Path) -> Option<Running> {
    let name = file_name(&settled(config_path));
    readable_folders().into_iter().find_map(|folder| read(&folder.join(&name)))
}

/// Every gate that left a file, living or not.
#[must_use]
pub fn every() -> Vec<Running> {
    found().into_iter().map(|(_, running)| running).collect()
}

/// The same, each with the folder of its file.
fn found() -> Vec<(PathBuf, Running)> {
    let mut found = Vec::new();
    for folder in readable_folders() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let is_ours = |p: &PathBuf| {
            let name = p.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("gate-") && name.ends_with(".json")
        };
        let files = entries.filter_map(|e| Some(e.ok()?.path())).filter(is_ours);
        found.extend(files.filter_map(|path| Some((folder.clone(), read(&path)?))));
    }
    found
}

/// Kills the keeper that a gate left behind, after a moment in which it may end by itself. A stopped one never would, and
/// holds the line.
pub fn clear_keeper(left: &Running) {
    let Some(keeper) = left.keeper_left() else { return };
    if keeper.condition() != Condition::Stopped && keeper.wait(Duration::from_millis(500)) {
        return;
    }
    log::error!("the keeper (process {}) of a gate that is no more is still there; it is killed", keeper.pid);
    keeper.kill(Duration::from_secs(1));
}

/// The relay that a configuration file names, whatever else is in it: only the `[relay]` table has to be readable, and of
/// that only what is needed to release a relay.
///
/// # Errors
/// What is wrong.
pub fn relay_of_file(path: &Path) -> Result<RelayConfig, String> {
    let text = crate::regular::read_text(path, 1_000_000)
        .map_err(|e| format!("configuration {}: cannot read it: {e}", path.display()))?;
    let table = match toml::from_str::<toml::Table>(&text) {
        Ok(table) => table,
        // Broken somewhere: perhaps not there.
        Err(_) => toml::from_str(&relay_section(&text))
            .map_err(|e| format!("configuration {}: the [relay] table: {}", path.display(), e.message()))?,
    };
    let relay = table.get("relay").cloned().unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
    let line: Line = relay
        .try_into()
        .map_err(|e| format!("configuration {}: the [relay] table: {}", path.display(), e.message()))?;
    Ok(RelayConfig::from(&line))
}

/// The lines from `[relay]` to the next table.
fn relay_section(text: &str) -> String {
    let begins = |line: &&str| line.trim_start().starts_with('[');
    let is_relay =
        |line: &&str| line.split('#').next().unwrap_or("").split_whitespace().collect::<String>() == "[relay]";
    let mut lines = text.lines().skip_while(|line| !is_relay(line));
    let mut section: Vec<&str> = lines.next().into_iter().collect();
    section.extend(lines.take_while(|line| !begins(line)));
    section.join("\n")
}

fn read(path: &Path) -> Option<Running> {
    // A FIFO or a device of this name must not hold up whoever looks.
    let meta = std::fs::symlink_metadata(path).ok().filter(|m| m.is_file() && m.len() < 64 * 1024)?;
    let text = std::fs::read_to_string(path).ok()?;
    let running: Running = serde_json::from_str(&text).ok()?;
    // The superuser goes by what others wrote only as far as it is about their own processes.
    let own = |p: &Process| std::fs::metadata(format!("/proc/{}", p.pid)).is_ok_and(|m| m.uid() == meta.uid());
    Some(Running { keeper: running.keeper.filter(own), ..running })
}

/// Writes the status file: whole at every moment, for the gate's user and group to read. It says nothing that must outlive
/// a power cut, so nothing waits for a medium.
///
/// # Errors
/// [`RuntimeError::Write`].
pub fn write_status(path: &Path, status: &crate::status::Status) -> Result<(), RuntimeError> {
    write_whole(path, status, 0o640, false)
}

/// Writes a file that is whole at every moment.
fn write_whole(path: &Path, content: &impl Serialize, mode: u32, sync: bool) -> Result<(), RuntimeError> {
    let failed = |action: &'static str| move |source| RuntimeError::Write { path: path.into(), action, source };
    let text = serde_json::to_vec(content).map_err(|e| failed("writing")(e.into()))?;
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let _ = std::fs::remove_file(&beside);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(failed("making"))?;
    let written = file
        .set_permissions(std::fs::Permissions::from_mode(mode))
        .and_then(|()| file.write_all(&text))
        .and_then(|()| if sync { file.sync_all() } else { Ok(()) })
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written.map_err(failed("writing"))
}

/// Where files may be, in the order of the head of this page.
fn folders() -> Vec<PathBuf> {
    if let Some(given) = std::env::var_os("RUNTIME_DIRECTORY").filter(|v| !v.is_empty()) {
        // systemd separates several by colons.
        let given = given.to_string_lossy();
        return given.split(':').next().map(PathBuf::from).into_iter().collect();
    }
    let user =
        std::env::var_os("XDG_RUNTIME_DIR").filter(|v| !v.is_empty()).map(|dir| PathBuf::from(dir).join("agegate"));
    let own = PathBuf::from(format!("/tmp/agegate-{}", user_id()));
    [PathBuf::from("/run/agegate")].into_iter().chain(user).chain([own]).collect()
}

fn writable_folder() -> Result<PathBuf, RuntimeError> {
    let mut tried = Vec::new();
    for folder in folders() {
        match usable(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) => tried.push(format!("{} ({error})", folder.display())),
        }
    }
    Err(RuntimeError::NoFolder { tried: tried.join(", ") })
}

/// The directory in which a gate of this user keeps its file, for whoever starts one.
///
/// # Errors
/// [`RuntimeError::NoFolder`].
pub fn folder() -> Result<PathBuf, RuntimeError> {
    writable_folder()
}

fn usable(folder: &Path) -> std::io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o755).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if !trusted(folder) {
        return Err(std::io::Error::other("it belongs to somebody else"));
    }
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?;
    Ok(())
}

fn readable_folders() -> Vec<PathBuf> {
    folders().into_iter().filter(|folder| trusted(folder)).collect()
}

/// Whether nobody else can have put anything there: under /tmp anybody may make a directory of any name.
fn trusted(folder: &Path) -> bool {
    let Ok(meta) = std::fs::symlink_metadata(folder) else { return false };
    let ours = meta.uid() == user_id() && meta.mode() & 0o022 == 0;
    meta.is_dir() && (ours || !folder.starts_with("/tmp"))
}

fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn this_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap_or(0)
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// A path as it is named whatever the working directory is; the last part may be missing, or a link that changes.
fn settled(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    match (path.parent().and_then(|p| p.canonicalize().ok()), path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// Whether two names lead to one thing, by links or not.
#[must_use]
pub fn same_node(a: &Path, b: &Path) -> bool {
    let there = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
    there(a) == there(b)
}

fn file_name(settled: &Path) -> String {
    let hash = blake3::hash(settled.as_os_str().as_encoded_bytes()).to_hex();
    format!("gate-{}.json", &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(text: &str) -> Result<RelayConfig, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        relay_of_file(file.path())
    }

    #[test]
    fn only_what_releases_a_relay_has_to_be_right() {
        for text in [
            "[visit]\ngood_frames = 99\n[relay]\npin = 5\nactive = \"low\"\n",
            "[relay]\npin = 5 # the lock\nactive = \"low\"\nopen_seconds = 900\nno_such_key = 1\n",
            "this is = = no TOML\n[relay]\npin = 5\nactive = \"low\"\n[camera\nrate=\n",
        ] {
            let relay = relay(text).unwrap();
            assert_eq!((relay.pin, relay.active), (5, Level::Low), "{text}");
        }
    }

    #[test]
    fn a_relay_table_that_cannot_be_read_is_an_error() {
        assert!(relay("[relay]\npin = \"seventeen\"\n").unwrap_err().contains("[relay]"));
        assert!(relay("= =\n[relay]\npin = = 3\n").unwrap_err().contains("[relay]"));
    }

    #[test]
    fn a_number_that_another_process_has_by_now_is_nobody() {
        let this = Process::this().unwrap();
        assert_eq!(this.condition(), Condition::Alive);
        assert!(!Process { started: this.started + 1, ..this }.exists());
    }

    #[test]
    fn a_stopped_process_is_known_as_one_and_can_be_killed() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
        let until = Instant::now() + Duration::from_secs(5);
        while process.condition() != Condition::Stopped && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(process.condition(), Condition::Stopped);
        process.kill(Duration::from_secs(5));
        assert_eq!(process.condition(), Condition::Gone);
        child.wait().unwrap();
    }

    #[test]
    fn the_name_of_the_file_goes_by_the_path_and_not_by_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let missing = settled(&path);
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert_eq!(settled(&path), missing);
        assert_ne!(file_name(&missing), file_name(&settled(&folder.path().join("b.toml"))));
    }
}
