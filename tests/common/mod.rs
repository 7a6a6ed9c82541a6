//! What the tests share: the visitors of the demonstration, a scripted camera, a gate without devices, the program itself.
//!
//! Cameras, relays and displays here are simulated; `make board-test` is where the real drivers are proven.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod door_unit;

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use agegate::{
    audit::{self, AuditError, AuditLog, DecidedBy, Event, Logged},
    camera::{
        Camera, CameraError,
        capture::Capture,
        replay::{Pace, ReplayCamera},
    },
    clock::monotonic_now,
    config::{Config, LivenessMode, LogConfig, RelayConfig, RelayDriver},
    display::{Screen, recorded::RecordedDisplay, texts::Texts, worker::DisplayWorker},
    door_unit::{DoorUnit, Request},
    frame::Frame,
    gate::{DecisionLog, Ended, Gate, GateParts, Surroundings},
    judge::Judge,
    policy::Outcome,
    relay::{door::LocalDoor, simulated::SimulatedRelay},
    status::Status,
    visit::Decision,
};
use image::RgbImage;

pub fn repository() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

pub fn clip() -> PathBuf {
    repository().join("demo/visitors.mjpeg")
}

/// The frames of the shipped visitor of this name, in their order.
pub fn visitor(name: &str) -> Vec<RgbImage> {
    let table = std::fs::read_to_string(repository().join("demo/visitors.csv")).unwrap();
    let row = table.lines().map(|l| l.splitn(3, ',').collect::<Vec<_>>()).find(|r| r.get(2) == Some(&name));
    let row = row.unwrap_or_else(|| panic!("no visitor {name:?} in demo/visitors.csv"));
    let (first, last): (usize, usize) = (row[0].parse().unwrap(), row[1].parse().unwrap());
    let mut camera = ReplayCamera::open(&[clip()], 10.0, Pace::AtOnce).unwrap();
    (0..=last).map(|_| camera.next_frame().unwrap().pixels.into_rgb()).skip(first).collect()
}

/// The frames of whoever holds up a phone with the picture of an adult.
pub fn phone() -> Vec<RgbImage> {
    let mut camera = ReplayCamera::open(&[repository().join("demo/phone.mjpeg")], 10.0, Pace::AtOnce).unwrap();
    std::iter::from_fn(|| camera.next_frame().ok()).map(|frame| frame.pixels.into_rgb()).collect()
}

/// A visitor who stands close before the camera: one good frame. That of the adult looks living by far, in floats and in integers
/// alike, of which the processor takes its choice.
pub fn close_view(name: &str) -> RgbImage {
    visitor(name).swap_remove(if name == "adult" { 5 } else { 9 })
}

/// What a scripted camera does next.
#[derive(Clone)]
pub enum Act {
    /// Gives this picture so many times, at 20 frames a second.
    Show(RgbImage, usize),
    /// Is unplugged: fails, and cannot be opened for this time.
    Unplugged(Duration),
    /// Gives nothing for this time, then reports a stall.
    Stall(Duration),
}

/// A camera that follows a script; the script goes on where it was when the camera is opened again.
#[derive(Clone)]
pub struct ScriptedCamera {
    script: Arc<Mutex<VecDeque<Act>>>,
    back_at: Arc<Mutex<Option<Instant>>>,
    sequence: u64,
}

impl ScriptedCamera {
    pub fn new(script: impl IntoIterator<Item = Act>) -> Self {
        Self { script: Arc::new(Mutex::new(script.into_iter().collect())), back_at: Arc::default(), sequence: 0 }
    }

    pub fn open(&self) -> Result<Box<dyn Camera>, CameraError> {
        match *self.back_at.lock().unwrap() {
            Some(back) if Instant::now() < back => Err(gone()),
            _ => Ok(Box::new(self.clone())),
        }
    }
}

fn gone() -> CameraError {
    CameraError::Device {
        device: "scripted".into(),
        action: "waiting for a frame",
        source: std::io::Error::from_raw_os_error(19),
    }
}

impl Camera for ScriptedCamera {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let act = {
            let mut script = self.script.lock().unwrap();
            match script.front_mut() {
                Some(Act::Show(picture, left)) if *left > 1 => {
                    *left -= 1;
                    Some(Act::Show(picture.clone(), 1))
                }
                _ => script.pop_front(),
            }
        };
        match act {
            None => Err(CameraError::End),
            Some(Act::Show(pixels, _)) => {
                std::thread::sleep(Duration::from_millis(50));
                self.sequence += 1;
                Ok(Frame { pixels: pixels.into(), captured: monotonic_now(), sequence: self.sequence })
            }
            Some(Act::Unplugged(time)) => {
                *self.back_at.lock().unwrap() = Some(Instant::now() + time);
                Err(gone())
            }
            Some(Act::Stall(time)) => {
                std::thread::sleep(time);
                Err(CameraError::Stalled { device: "scripted".into(), silence: time })
            }
        }
    }

    fn describe(&self) -> String {
        "scripted camera".into()
    }
}

/// A real log in a folder of its own, watched, that can be told to fail as a full medium does, or to be slow.
#[derive(Clone)]
pub struct WatchedLog {
    pub events: Arc<Mutex<Vec<(Instant, Event)>>>,
    pub full: Arc<Mutex<bool>>,
    /// Fails from this many records on.
    pub room_for: Arc<Mutex<usize>>,
    /// How long the writing of a decision takes.
    pub slow: Arc<Mutex<Duration>>,
    log: Arc<Mutex<AuditLog>>,
    _folder: Arc<tempfile::TempDir>,
}

impl Default for WatchedLog {
    fn default() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::open(&LogConfig { folder: folder.path().into(), ..LogConfig::default() }).unwrap();
        Self {
            events: Arc::default(),
            full: Arc::default(),
            room_for: Arc::new(Mutex::new(usize::MAX)),
            slow: Arc::default(),
            log: Arc::new(Mutex::new(log)),
            _folder: Arc::new(folder),
        }
    }
}

impl WatchedLog {
    fn write<T>(&self, write: impl FnOnce(&mut AuditLog) -> Result<T, AuditError>) -> Result<T, AuditError> {
        if *self.full.lock().unwrap() || self.events.lock().unwrap().len() >= *self.room_for.lock().unwrap() {
            let source = std::io::Error::from_raw_os_error(28);
            return Err(AuditError::Io { path: "full".into(), action: "appending", source });
        }
        let mut log = self.log.lock().unwrap();
        let written = write(&mut log)?;
        let mut last = None;
        audit::reader::records(self._folder.path(), |record| last = Some(record)).unwrap();
        self.events.lock().unwrap().push((Instant::now(), last.unwrap().event));
        Ok(written)
    }
}

impl DecisionLog for WatchedLog {
    fn append(&mut self, event: Event) -> Result<u64, AuditError> {
        self.write(|log| log.append(event))
    }

    fn append_decision(&mut self, decision: &Decision, by: DecidedBy) -> Result<Logged, AuditError> {
        let slow = *self.slow.lock().unwrap();
        self.write(|log| {
            std::thread::sleep(slow);
            log.append_decision(decision, by)
        })
    }

    fn append_request(&mut self, request: Request, by: DecidedBy) -> Result<Logged, AuditError> {
        self.write(|log| log.append_request(request, by))
    }
}

/// What happened at a gate.
pub struct Story {
    pub decisions: Vec<(Decision, bool)>,
    pub screens: Vec<Screen>,
    /// Times and states of the simulated relay.
    pub relay: Vec<(Instant, bool)>,
    pub logged: Vec<(Instant, Event)>,
}

impl Story {
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.decisions.iter().map(|(d, _)| d.outcome).collect()
    }

    /// What the door did, as the log says.
    pub fn acts(&self) -> Vec<(audit::Act, Option<audit::ActReason>)> {
        let act = |event: &Event| match event {
            Event::Act { act, reason, .. } => Some((*act, *reason)),
            _ => None,
        };
        self.logged.iter().filter_map(|(_, event)| act(event)).collect()
    }

    /// How long each opening of the relay lasted.
    pub fn openings(&self) -> Vec<Duration> {
        self.relay
            .windows(2)
            .filter(|pair| pair[0].1 && !pair[1].1)
            .map(|pair| pair[1].0.duration_since(pair[0].0))
            .collect()
    }

    pub fn ever_opened(&self) -> bool {
        self.relay.iter().any(|(_, on)| *on)
    }
}

struct Witness {
    decisions: Vec<(Decision, bool)>,
    until: Instant,
}

impl Surroundings for Witness {
    fn asked(&mut self) -> Option<Ended> {
        (Instant::now() > self.until).then_some(Ended::Stopped)
    }
    fn progress(&mut self) {}
    fn decided(&mut self, decision: &Decision, logged: bool) {
        self.decisions.push((decision.clone(), logged));
    }
}

/// Plays a script to a whole gate and tells what happened. `prepare` may change the configuration.
pub fn play(script: Vec<Act>, log: &WatchedLog, prepare: impl FnOnce(&mut Config)) -> Story {
    let mut config = Config {
        relay: RelayConfig {
            driver: RelayDriver::Simulated,
            open_seconds: 0.5,
            max_open_seconds: 1.0,
            ..RelayConfig::default()
        },
        ..Config::default()
    };
    // Most tests are about something else, whatever the default is.
    config.liveness.mode = LivenessMode::Off;
    prepare(&mut config);
    let relay = SimulatedRelay::new();
    let panel = RecordedDisplay::new(Texts::shipped("en"), 240, 320);
    let (camera, shown) = (ScriptedCamera::new(script), panel.clone());
    let mut gate = Gate::new(GateParts {
        judge: Judge::new(&config).unwrap(),
        capture: Capture::start(Box::new(move || camera.open()), true, true).unwrap(),
        log: Box::new(log.clone()),
        door: Box::new(LocalDoor::new(&config.relay, Box::new(relay.clone()))),
        display: DisplayWorker::start(Box::new(move || Ok(Box::new(shown.clone())))).unwrap(),
        trigger: None,
        start: config.start.clone(),
        unit: DoorUnit::default(),
    });
    let mut witness = Witness { decisions: Vec::new(), until: Instant::now() + Duration::from_secs(60) };
    gate.run(&mut witness);
    drop(gate);
    let logged = log.events.lock().unwrap().clone();
    Story { decisions: witness.decisions, screens: panel.shown(), relay: relay.history(), logged }
}

/// The run-time directory of the gates of a folder: tests do not see each other's gates.
pub fn run_folder(folder: &Path) -> PathBuf {
    folder.join("run")
}

/// Runs the program in a folder.
pub fn agegate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_agegate"))
        .current_dir(folder)
        .env("RUNTIME_DIRECTORY", run_folder(folder))
        .args(arguments)
        .output()
        .unwrap()
}

/// The same for what must not hang: it is killed after twenty seconds, and the test fails.
pub fn agegate_in_time(folder: &Path, arguments: &[&str]) -> Output {
    agegate_within(Duration::from_secs(20), folder, arguments)
}

/// The same with another time.
pub fn agegate_within(time: Duration, folder: &Path, arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_agegate"))
        .current_dir(folder)
        .env("RUNTIME_DIRECTORY", run_folder(folder))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + time;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("{arguments:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

/// The status file of the gate of this folder, once it is there.
pub fn status_path(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(run_folder(folder)).ok()?;
    entries.filter_map(|e| Some(e.ok()?.path())).find(|p| {
        let name = p.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("status-") && name.ends_with(".json")
    })
}

/// Waits until the status file is as it should be; it must be whole whenever it is read.
pub fn wait_for_status(folder: &Path, done: impl Fn(&Status) -> bool) -> Status {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let status = status_path(folder).map(|path| {
            let bytes = std::fs::read(path).unwrap();
            serde_json::from_slice::<Status>(&bytes).unwrap_or_else(|e| panic!("{e}: {}", text(&bytes)))
        });
        match status {
            Some(status) if done(&status) => return status,
            status => assert!(Instant::now() < until, "{status:?}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A configuration with recorded frames and a simulated relay, all within a folder.
pub fn write_config(folder: &Path, more: &str) -> PathBuf {
    let path = folder.join("agegate.toml");
    let text = format!(
        "[camera]\nsource = \"replay\"\npath = {:?}\n[relay]\ndriver = \"simulated\"\n[log]\nfolder = {:?}\n{more}",
        clip(),
        folder.join("log"),
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// The real program, running, and what it says.
pub struct Daemon {
    pub child: Child,
    lines: mpsc::Receiver<(Instant, String)>,
}

impl Daemon {
    /// Starts `agegate SUBCOMMAND... --config FILE`.
    pub fn start(subcommand: &[&str], config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_agegate"))
            .args(subcommand)
            .arg("--config")
            .arg(config)
            .env("RUNTIME_DIRECTORY", run_folder(config.parent().unwrap()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).for_each(|line| drop(sender.send((Instant::now(), line))));
        });
        Self { child, lines }
    }

    /// Waits for a line with these words; when it came, and the line.
    pub fn wait_for(&self, what: &str) -> (Instant, String) {
        self.lines_until(what).pop().unwrap()
    }

    /// Waits for a line with these words; every line up to it.
    pub fn lines_until(&self, what: &str) -> Vec<(Instant, String)> {
        let until = Instant::now() + Duration::from_secs(20);
        let mut seen = Vec::new();
        while let Ok((at, line)) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            let found = line.contains(what);
            seen.push((at, line));
            if found {
                return seen;
            }
        }
        panic!("{what:?} did not come; this did:\n{}", seen.iter().map(|(_, l)| l.clone() + "\n").collect::<String>());
    }

    /// The lines that come within a time.
    pub fn lines_for(&self, time: Duration) -> Vec<(Instant, String)> {
        let until = Instant::now() + time;
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            seen.push(line);
        }
        seen
    }

    /// Ends it with SIGKILL, as a test does that has seen enough.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal, such as `-TERM`.
    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// The processes it started that run a subcommand.
    pub fn started(&self, subcommand: &str) -> Vec<u32> {
        children(self.child.id(), subcommand)
    }
}

impl Drop for Daemon {
    /// A test that fails leaves no gate behind.
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to a process. By the shell's own `kill`: a bare Debian has no other.
pub fn signal(name: &str, process: u32) {
    let told = Command::new("sh").args(["-c", "kill \"$0\" \"$1\"", name, &process.to_string()]).status();
    assert!(told.unwrap().success());
}

/// The children of a process that run a subcommand of the program.
pub fn children(parent: u32, subcommand: &str) -> Vec<u32> {
    let is_child =
        |stat: &str| stat.rsplit(')').next().and_then(|s| s.split_whitespace().nth(1)) == Some(&parent.to_string());
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| is_child(&stat)))
        .filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|b| *b == 0).nth(1) == Some(subcommand.as_bytes())
        })
        .collect()
}

/// A configuration whose recording is an adult who stays for two and a half seconds, goes, and comes again.
pub fn write_config_with_an_adult(folder: &Path, relay: &str) -> PathBuf {
    let (pictures, play) = (folder.join("pictures"), folder.join("play"));
    std::fs::create_dir_all(&pictures).unwrap();
    std::fs::create_dir_all(&play).unwrap();
    close_view("adult").save(pictures.join("adult.png")).unwrap();
    visitor("nobody").swap_remove(0).save(pictures.join("room.png")).unwrap();
    for k in 0..120 {
        let source = if k % 40 < 25 { "adult.png" } else { "room.png" };
        std::os::unix::fs::symlink(pictures.join(source), play.join(format!("frame-{k:03}.png"))).unwrap();
    }
    let config = write_config(folder, "");
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace("driver = \"simulated\"", &format!("driver = \"simulated\"\n{relay}"))
        .replace(&format!("{:?}", clip()), &format!("{play:?}"));
    std::fs::write(&config, text).unwrap();
    config
}

/// The liveness net of the tests, which takes what is bluish, as the light of a screen is, for no living face.
pub fn bluish_net() -> PathBuf {
    repository().join("tests/liveness/bluish.onnx")
}

/// A picture in the light of a screen.
pub fn bluish(picture: &RgbImage) -> RgbImage {
    let mut out = picture.clone();
    for pixel in out.pixels_mut() {
        let [r, g, b] = pixel.0.map(f32::from);
        pixel.0 = [r * 0.7, g * 0.9, (b * 1.15).min(255.0)].map(|v| v as u8);
    }
    out
}

/// Configuration that asks for a living face by the tests' net, with a policy by hand.
pub fn asks_for_a_living_face(mode: &str) -> String {
    format!(
        "[policy]\nthreshold_age = 18\nchallenge_age = 25\nconfidence = 0.8\n[policy.liveness]\nconfidence = 0.9\n\
         [models]\nliveness = {:?}\n[liveness]\nmode = {mode:?}\n",
        bluish_net()
    )
}
