//! `agegate supervise`: what systemd does for the gate, on boards where no systemd runs.
//!
//! The policy, in full:
//! - The gate is started; whenever it ends without having been asked to, the relay is released and the gate is started
//!   again after a second, for ever. The door is shut meanwhile.
//! - What is released is what the gate drove, as its run-time file says (`runtime.rs`), whatever the configuration says by
//!   then. A keeper that a gate left behind is killed: one that was stopped would hold the pin for ever.
//! - A gate that shows no progress for the watchdog's time is killed, and so restarted. Progress is what the gate reports
//!   to systemd too: judged frames, or the search for a lost camera; not a timer. Time in which this program did not run
//!   itself (stopped, or on a board that was suspended) does not count: the gate has the whole time again after it.
//!   A gate that has not started yet has 90 s, as systemd gives it: models load from a slow card.
//! - SIGTERM and SIGINT end the gate, then this program; SIGHUP is passed on, so that the gate reads its configuration anew.
//! - A gate whose supervisor dies ends itself.

use std::{
    os::unix::{fs::DirBuilderExt, net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Exit, Outcome, relay::clean_up, signals::Signals};
use crate::{
    cli::SuperviseArgs,
    config::Config,
    runtime::{self, Condition},
};

/// Between a death and the next start.
const PAUSE: Duration = Duration::from_secs(1);
/// In which a gate must have started.
const STARTING: Duration = Duration::from_secs(90);
/// In which a gate that was asked to end must have ended.
const STOPPING: Duration = Duration::from_secs(3);
/// How often death and signals are looked for.
const LOOK: Duration = Duration::from_millis(20);
/// A pause between two looks that is longer than this was none that was meant.
const ABSENCE: Duration = Duration::from_millis(500);

/// Runs the gate until SIGTERM or SIGINT.
///
/// # Errors
/// If the configuration is wrong at the start, or the system gives no socket or process.
pub fn run(args: &SuperviseArgs) -> Outcome {
    let signals = Signals::register()?;
    let relay = Config::load(&args.config.config)?.relay;
    let inbox = Inbox::open()?;
    let program = std::env::current_exe()?;
    let watchdog = Duration::from_secs(args.watchdog_seconds);
    clear_leftovers(&args.config.config);
    loop {
        let mut gate = Gate::start(&program, &args.config.config, &inbox, watchdog)?;
        let ended = watch(&mut gate, &inbox, &signals, watchdog)?;
        clean_up(&args.config.config, &relay);
        if signals.stop.load(Ordering::Relaxed) {
            return Ok(Exit::Success);
        }
        log::error!("the gate ended ({ended}); the relay is released, the gate is started again");
        let until = Instant::now() + PAUSE;
        while Instant::now() < until && !signals.stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
        if signals.stop.load(Ordering::Relaxed) {
            return Ok(Exit::Success);
        }
    }
}

/// Clears away what a supervisor before this one left behind: a stopped gate, which would hold log and camera for ever, and
/// its keeper. A gate whose supervisor died is about to end.
fn clear_leftovers(config: &Path) {
    let Some(last) = runtime::last(config) else { return };
    match last.gate_condition() {
        Condition::Stopped => {
            log::error!("a gate (process {}) is there still, and stopped; it is killed", last.gate.pid);
            last.gate.kill(STOPPING);
        }
        Condition::Alive => drop(last.gate.wait(STOPPING)),
        Condition::Gone => {}
    }
    if last.gate_condition() == Condition::Gone {
        runtime::clear_keeper(&last);
    }
}

/// Tells whether this program was away since the last look.
struct Presence {
    last: Instant,
}

impl Presence {
    /// How long it was away, if it was.
    fn look(&mut self, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(std::mem::replace(&mut self.last, now));
        (passed > ABSENCE).then_some(passed)
    }
}

/// Waits for the end of a gate, and brings it about if asked to or if the gate hangs.
fn watch(gate: &mut Gate, inbox: &Inbox, signals: &Signals, watchdog: Duration) -> std::io::Result<ExitStatus> {
    let mut asked_at: Option<Instant> = None;
    let mut progress = Instant::now();
    let mut killed = false;
    let mut presence = Presence { last: Instant::now() };
    let mut limit = STARTING.max(watchdog);
    loop {
        if let Some(status) = gate.child.try_wait()? {
            return Ok(status);
        }
        let heard = inbox.heard();
        // One look at the clock for everything below: a stop of this program can come between any two lines.
        let now = Instant::now();
        if let Some(away) = presence.look(now) {
            log::warn!(
                "this supervisor did not run for {:.1} s; the gate has its whole time again",
                away.as_secs_f32()
            );
            progress = now;
            asked_at = asked_at.map(|_| now);
        }
        match heard {
            Heard::Nothing => {}
            Heard::Progress => progress = now,
            Heard::Ready => (progress, limit) = (now, watchdog),
        }
        if signals.reload.swap(false, Ordering::Relaxed) {
            gate.signal(Signal::HUP);
        }
        if asked_at.is_none() && signals.stop.load(Ordering::Relaxed) {
            asked_at = Some(now);
            // A stopped process takes no signal but SIGKILL.
            gate.signal(Signal::TERM);
        }
        // A process in the middle of a driver's work ends only when that does; saying it once is enough.
        let stuck = match asked_at {
            _ if killed => None,
            Some(at) if now.saturating_duration_since(at) >= STOPPING => {
                Some("the gate does not end; it is killed".to_owned())
            }
            _ if now.saturating_duration_since(progress) >= limit => {
                Some(format!("the gate showed no progress for {} s; it is killed", limit.as_secs()))
            }
            _ => None,
        };
        if let Some(why) = stuck {
            log::error!("{why}");
            gate.signal(Signal::KILL);
            killed = true;
        }
    }
}

struct Gate {
    child: Child,
}

impl Gate {
    fn start(program: &Path, config: &Path, inbox: &Inbox, watchdog: Duration) -> std::io::Result<Self> {
        // Both go by the same run-time directory, whatever makes them choose it.
        let folder = runtime::folder().ok();
        let child = Command::new(program)
            .args(["run", "--supervised", "--config"])
            .arg(config)
            .env("NOTIFY_SOCKET", &inbox.path)
            .envs(folder.map(|folder| ("RUNTIME_DIRECTORY", folder)))
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string())
            .spawn()?;
        Ok(Self { child })
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(Err(error)) = pid.map(|pid| kill_process(pid, signal)) {
            log::debug!("signal {signal:?} cannot be sent: {error}");
        }
    }
}

/// Makes a folder that was not there before: one of the same name may be another program's.
fn own_folder(parent: &Path) -> std::io::Result<PathBuf> {
    let mut number = 0;
    loop {
        let folder = parent.join(format!("agegate-supervise-{}-{number}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
            other => return other.map(|()| folder),
        }
    }
}

/// The socket to which the gate reports, as it would to systemd.
struct Inbox {
    socket: UnixDatagram,
    folder: PathBuf,
    path: PathBuf,
}

impl Inbox {
    fn open() -> std::io::Result<Self> {
        let parent = ["/run", "/tmp"]
            .into_iter()
            .find(|p| rustix::fs::access(*p, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok());
        let folder = own_folder(&parent.map_or_else(std::env::temp_dir, PathBuf::from))?;
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path)?;
        socket.set_read_timeout(Some(LOOK))?;
        Ok(Self { socket, folder, path })
    }

    /// Waits a moment for a report.
    fn heard(&self) -> Heard {
        let mut message = [0; 512];
        let Ok(length) = self.socket.recv(&mut message) else { return Heard::Nothing };
        let said = |what: &[u8]| message[..length].split(|b| *b == b'\n').any(|line| line == what);
        if said(b"READY=1") {
            Heard::Ready
        } else if [&b"WATCHDOG=1"[..], b"RELOADING=1", b"STOPPING=1"].into_iter().any(said) {
            Heard::Progress
        } else {
            Heard::Nothing
        }
    }
}

/// What the gate reported.
enum Heard {
    Nothing,
    Progress,
    /// It has started, or has read its configuration anew.
    Ready,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // Its own socket and folder, and nothing that somebody else has put there.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_dir(&self.folder);
    }
}
