//! A camera behind a command: `rpicam-vid` for the CSI cameras of a Raspberry Pi, `ffmpeg` for anything else.
//!
//! The command is started without a shell, in a process group of its own, and writes Motion-JPEG, Y4M or raw frames to its
//! standard output. It is watched like a camera: silence for too long counts as a stall, an end as an unplugged camera, and
//! the capture thread starts it again. What it says on its standard error goes to the journal at level debug, and its last
//! line into the error.

use std::{
    io::{BufRead, BufReader, Read},
    os::{
        fd::AsFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::Pid,
};

use super::{
    Camera, CameraError,
    family::{self, ENDING},
    stream::{Demuxer, Kind, Packet},
};
use crate::{clock::monotonic_now, frame::Frame};

/// Bytes read at once: as many as a pipe holds.
const CHUNK: usize = 64 * 1024;
/// A command may need a while before its first frame: `rpicam-vid` starts the sensor.
const STARTING: Duration = Duration::from_secs(8);

/// What the command is and gives.
#[derive(Clone, Debug)]
pub struct PipeSettings {
    /// Program and arguments.
    pub command: Vec<String>,
    /// What it writes.
    pub kind: Kind,
    /// Frames a second that are judged.
    pub rate: f32,
    /// Silence after which it counts as lost.
    pub stall: Duration,
    /// Frames that are thrown away at the start.
    pub warmup: u32,
}

/// The program that stands between the gate and the command: `GUARD camera-command -- COMMAND`.
static GUARD: OnceLock<PathBuf> = OnceLock::new();

/// Lets this program (agegate itself) run the commands, so that they end with the gate however that ends. Without it, as in a
/// library's user, the command is started directly and ends when the camera is dropped.
pub fn guard_with(program: PathBuf) {
    let _ = GUARD.set(program);
}

/// Why there is no program of this name, on the path or where the name says, that may be run.
fn missing(program: &str) -> Option<std::io::Error> {
    let places: Vec<PathBuf> = match program.contains('/') {
        true => vec![program.into()],
        false => std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).map(|folder| folder.join(program)).collect())
            .unwrap_or_default(),
    };
    let mut why = Errno::NOENT;
    for place in places {
        match std::fs::metadata(&place) {
            Ok(found) if found.is_dir() => why = Errno::ISDIR,
            Ok(_) if rustix::fs::access(&place, rustix::fs::Access::EXEC_OK).is_ok() => return None,
            Ok(_) => why = Errno::ACCESS,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => why = Errno::ACCESS,
            Err(_) => {}
        }
    }
    Some(why.into())
}

fn started(command: &[String]) -> std::io::Result<Child> {
    let program = command.first().map(String::as_str).unwrap_or_default();
    if let Some(error) = missing(program) {
        return Err(error);
    }
    let mut start = match GUARD.get() {
        Some(guard) => {
            let mut start = Command::new(guard);
            start.arg("camera-command").arg("--").args(command).stdin(Stdio::piped());
            start
        }
        None => {
            let mut start = Command::new(program);
            start.args(&command[1..]).stdin(Stdio::null());
            start
        }
    };
    start.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn()
}

/// The running command.
pub struct PipeCamera {
    name: String,
    child: Child,
    output: ChildStdout,
    demuxer: Demuxer,
    said: Arc<Mutex<String>>,
    settings: PipeSettings,
    interval: Duration,
    last: Option<Duration>,
    sequence: u64,
    warmup: u32,
    size: Option<(u32, u32)>,
}

impl PipeCamera {
    /// Starts the command.
    ///
    /// # Errors
    /// [`CameraError::Open`] if it cannot be started.
    pub fn open(settings: PipeSettings) -> Result<Self, CameraError> {
        let name = shown(&settings.command);
        let failed = |source| CameraError::Open { device: name.clone(), source };
        let mut child = started(&settings.command).map_err(failed)?;
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed(std::io::Error::other("it has no pipes")));
        };
        let said = Arc::new(Mutex::new(String::new()));
        let theirs = Arc::clone(&said);
        let listener = std::thread::Builder::new().name("command-errors".into()).spawn(move || listen(errors, &theirs));
        if let Err(error) = listener {
            end(&mut child);
            return Err(failed(error));
        }
        let interval = Duration::from_secs_f32(1.0 / settings.rate);
        let (demuxer, warmup) = (Demuxer::new(settings.kind), settings.warmup);
        Ok(Self { name, child, output, demuxer, said, settings, interval, last: None, sequence: 0, warmup, size: None })
    }

    /// Waits for the next whole frame until `until`; of those that wait already, the newest.
    fn newest(&mut self, since: Instant, patience: Duration) -> Result<Packet, CameraError> {
        let mut chunk = vec![0u8; CHUNK];
        let mut found = None;
        loop {
            while let Some(packet) = self.demuxer.next() {
                match packet {
                    Ok(packet) => found = Some(packet),
                    Err(source) => {
                        let recording = source.is_final();
                        let device = self.name.clone();
                        return Err(if recording {
                            CameraError::Unfit {
                                device,
                                what: format!("what it writes is {source}{}", self.last_words()),
                            }
                        } else {
                            CameraError::Broken { device, source: source.into() }
                        });
                    }
                }
            }
            // With a frame in hand, only look whether a newer one is there.
            let left = if found.is_some() { Duration::ZERO } else { patience.saturating_sub(since.elapsed()) };
            if !readable(&self.output, left).map_err(|source| self.failed("waiting for a frame", source))? {
                match found {
                    Some(packet) => return Ok(packet),
                    None => return Err(CameraError::Stalled { device: self.name.clone(), silence: since.elapsed() }),
                }
            }
            match self.output.read(&mut chunk) {
                Ok(0) if found.is_some() => return found.ok_or_else(|| self.ended()),
                Ok(0) => return Err(self.ended()),
                Ok(length) => self.demuxer.feed(&chunk[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.failed("reading", source)),
            }
        }
    }

    fn failed(&self, action: &'static str, source: std::io::Error) -> CameraError {
        CameraError::Device { device: self.name.clone(), action, source }
    }

    fn ended(&mut self) -> CameraError {
        let until = Instant::now() + ENDING;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break format!("it ended ({status})"),
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
                _ => break "it closed its output".into(),
            }
        };
        CameraError::Unfit { device: self.name.clone(), what: format!("{status}{}", self.last_words()) }
    }

    fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_empty() { String::new() } else { format!("; its last words: {said}") }
    }
}

impl Camera for PipeCamera {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        // The guard ends after its command, with a code. One that was killed leaves a command that writes on and that nothing ends.
        if matches!(self.child.try_wait(), Ok(Some(status)) if status.signal().is_some()) {
            return Err(self.ended());
        }
        let since = Instant::now();
        let patience = if self.sequence == 0 { self.settings.stall.max(STARTING) } else { self.settings.stall };
        loop {
            let packet = self.newest(since, patience)?;
            let captured = monotonic_now();
            if self.warmup > 0 {
                self.warmup -= 1;
                continue;
            }
            if self.last.is_some_and(|last| captured.saturating_sub(last) < self.interval.mul_f32(0.85)) {
                continue;
            }
            self.last = Some(captured);
            self.sequence += 1;
            let pixels = packet
                .decode()
                .map_err(|source| CameraError::Broken { device: self.name.clone(), source: source.into() })?;
            self.size = Some(pixels.dimensions());
            return Ok(Frame { pixels, captured, sequence: self.sequence });
        }
    }

    fn describe(&self) -> String {
        self.size.map_or_else(|| format!("camera {}", self.name), |(w, h)| format!("camera {}: {w}x{h}", self.name))
    }
}

impl Drop for PipeCamera {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends the command: by closing the guard's input, which then ends it; or directly.
fn end(child: &mut Child) {
    if child.stdin.take().is_none() {
        end_group(child);
        return;
    }
    // The guard needs as long for each of asking and killing.
    let until = Instant::now() + ENDING * 4;
    while Instant::now() < until {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Ends the command that no guard stands before, and what it has started as far as that is still below it.
fn end_group(child: &mut Child) {
    let command = Pid::from_child(child);
    family::end(command, command, || matches!(child.try_wait(), Ok(Some(_))));
    let _ = child.kill();
    let _ = child.wait();
}

/// A command as messages show it: its program, and as much of the rest as can be read.
#[must_use]
pub fn shown(command: &[String]) -> String {
    const MOST: usize = 80;
    let whole = command.join(" ");
    match whole.char_indices().nth(MOST) {
        None => format!("command `{whole}`"),
        Some((end, _)) => format!("command `{} ...`", &whole[..end]),
    }
}

fn readable(output: &ChildStdout, patience: Duration) -> std::io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN)];
    let time =
        rustix::event::Timespec { tv_sec: patience.as_secs().cast_signed(), tv_nsec: patience.subsec_nanos().into() };
    match poll(&mut fds, Some(&time)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Keeps the last line that the command says.
fn listen(errors: impl Read, said: &Mutex<String>) {
    // Programs that count frames end their lines with a carriage return.
    for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        let text = text.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        log::debug!("the camera's command says: {text}");
        *said.lock().unwrap_or_else(PoisonError::into_inner) = text.chars().take(300).collect();
    }
}
