//! `agegate supervise`: what systemd does for the gate, on boards where no systemd runs.
//!
//! The policy, in full:
//! - The gate is started; whenever it ends without having been asked to, the relay is released and the gate is started
//!   again after a second, for ever. The door is shut meanwhile.
//! - A gate that shows no progress for the watchdog's time is killed, and so restarted. Progress is what the gate reports
//!   to systemd too: judged frames, or the search for a lost camera; not a timer.
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

use super::{Exit, Outcome, chain, signals::Signals};
use crate::{
    cli::SuperviseArgs,
    config::{Config, RelayConfig},
    relay,
};

/// Between a death and the next start.
const PAUSE: Duration = Duration::from_secs(1);
/// In which a gate that was asked to end must have ended.
const STOPPING: Duration = Duration::from_secs(3);
/// How often death and signals are looked for.
const LOOK: Duration = Duration::from_millis(20);
/// In which the pin of a gate that died must come free.
const RELEASING: Duration = Duration::from_secs(2);

/// Runs the gate until SIGTERM or SIGINT.
///
/// # Errors
/// If the configuration is wrong at the start, or the system gives no socket or process.
pub fn run(args: &SuperviseArgs) -> Outcome {
    let signals = Signals::register()?;
    let mut relay = Config::load(&args.config.config)?.relay;
    let inbox = Inbox::open()?;
    let program = std::env::current_exe()?;
    let watchdog = Duration::from_secs(args.watchdog_seconds);
    loop {
        let mut gate = Gate::start(&program, &args.config.config, &inbox, watchdog)?;
        let ended = watch(&mut gate, &inbox, &signals, watchdog)?;
        // The configuration may have been changed for the better or the worse since: the pin that the gate drove counts.
        if let Ok(config) = Config::load(&args.config.config) {
            if config.relay != relay {
                release(&relay);
            }
            relay = config.relay;
        }
        release(&relay);
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

/// Waits for the end of a gate, and brings it about if asked to or if the gate hangs.
fn watch(gate: &mut Gate, inbox: &Inbox, signals: &Signals, watchdog: Duration) -> std::io::Result<ExitStatus> {
    let mut asked_at: Option<Instant> = None;
    let mut progress = Instant::now();
    let mut killed = false;
    loop {
        if let Some(status) = gate.child.try_wait()? {
            return Ok(status);
        }
        if inbox.heard() {
            progress = Instant::now();
        }
        if signals.reload.swap(false, Ordering::Relaxed) {
            gate.signal(Signal::HUP);
        }
        if asked_at.is_none() && signals.stop.load(Ordering::Relaxed) {
            asked_at = Some(Instant::now());
            // A stopped process takes no signal but SIGKILL.
            gate.signal(Signal::TERM);
        }
        // A process in the middle of a driver's work ends only when that does; saying it once is enough.
        let stuck = match asked_at {
            _ if killed => None,
            Some(at) if at.elapsed() >= STOPPING => Some("the gate does not end; it is killed".to_owned()),
            _ if progress.elapsed() >= watchdog => {
                Some(format!("the gate showed no progress for {} s; it is killed", watchdog.as_secs()))
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

/// Releases the relay, waiting a moment for a keeper that still holds the pin to let go.
fn release(config: &RelayConfig) {
    let until = Instant::now() + RELEASING;
    loop {
        match relay::open(config).and_then(|mut relay| relay.set(false)) {
            Ok(()) => return,
            Err(error) if Instant::now() >= until => {
                log::error!("the relay cannot be released: {}", chain(&error));
                return;
            }
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

struct Gate {
    child: Child,
}

impl Gate {
    fn start(program: &Path, config: &Path, inbox: &Inbox, watchdog: Duration) -> std::io::Result<Self> {
        let child = Command::new(program)
            .args(["run", "--supervised", "--config"])
            .arg(config)
            .env("NOTIFY_SOCKET", &inbox.path)
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

    /// Waits a moment for a report; whether it told of progress.
    fn heard(&self) -> bool {
        let mut message = [0; 512];
        let Ok(length) = self.socket.recv(&mut message) else { return false };
        message[..length]
            .split(|b| *b == b'\n')
            .any(|line| matches!(line, b"READY=1" | b"WATCHDOG=1" | b"RELOADING=1" | b"STOPPING=1"))
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // Its own socket and folder, and nothing that somebody else has put there.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_dir(&self.folder);
    }
}
