//! The keeper: a process of its own that owns the relay's pin and enforces the lease.
//!
//! The gate starts `agegate relay-keeper` and writes to its standard input: `open`, `shut` or `alive`, a line each; the
//! keeper answers each line with `ok` once the pin is driven. When the gate hangs (SIGSTOP included), the keeper ends the
//! lease at its deadline; when the gate dies (`kill -9` included), the pipe closes and the keeper releases the relay at
//! once. When the keeper dies, the gate notices within a heartbeat, drives the pin itself and starts another one.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use super::{Relay, RelayError, lease::Lease};
use crate::{camera::capture::monotonic_now, config::RelayConfig};

/// Longest time in which the keeper must answer.
const ANSWER: Duration = Duration::from_millis(500);

/// What the gate asks of the door.
pub trait Door: Send {
    /// Opens the door for the configured time.
    ///
    /// # Errors
    /// [`RelayError`] if it cannot be said that the door is open.
    fn open(&mut self) -> Result<(), RelayError>;

    /// Shuts the door now.
    ///
    /// # Errors
    /// [`RelayError`] if it cannot be said that the door is shut.
    fn shut(&mut self) -> Result<(), RelayError>;

    /// Tells that the gate lives; called at least every second.
    ///
    /// # Errors
    /// [`RelayError`] if whoever enforces the lease is gone.
    fn alive(&mut self) -> Result<(), RelayError>;
}

/// Runs the keeper: reads orders until the input ends, and leaves the relay released.
///
/// # Errors
/// [`RelayError`] if the pin cannot be driven; the relay is released as far as it can be.
pub fn run(
    config: &RelayConfig,
    mut relay: Box<dyn Relay>,
    orders: impl BufRead + Send + 'static,
    mut answers: impl Write,
) -> Result<(), RelayError> {
    let (sender, inbox) = mpsc::channel();
    std::thread::Builder::new()
        .name("orders".into())
        .spawn(move || {
            for line in orders.lines() {
                if line.map_or(true, |line| sender.send(line).is_err()) {
                    return;
                }
            }
        })
        .map_err(|e| RelayError::Keeper(format!("no thread: {e}")))?;
    let mut lease = Lease::new(config);
    relay.set(lease.energised(monotonic_now()))?;
    let mut driven = false;
    loop {
        let now = monotonic_now();
        let wanted = lease.energised(now);
        if wanted != driven {
            relay.set(wanted)?;
            driven = wanted;
        }
        let wait = lease.until_change(now).unwrap_or(Duration::from_secs(3600));
        match inbox.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
            Ok(order) => {
                let now = monotonic_now();
                lease.sign_of_life(now);
                match order.trim() {
                    "open" => lease.grant(now),
                    "shut" => lease.revoke(),
                    "alive" => {}
                    other => log::warn!("relay keeper: order {other:?} is unknown"),
                }
                let wanted = lease.energised(now);
                relay.set(wanted)?;
                driven = wanted;
                // A gate that does not listen any more will close the pipe; that ends the loop.
                let _ = writeln!(answers, "ok").and_then(|()| answers.flush());
            }
        }
    }
    relay.set(false)
}

/// The gate's side: a keeper process, started anew when it dies.
pub struct KeeperDoor {
    program: PathBuf,
    config_path: PathBuf,
    config: RelayConfig,
    process: Option<Keeper>,
}

struct Keeper {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl KeeperDoor {
    /// Starts a keeper for the relay of a configuration file.
    ///
    /// # Errors
    /// [`RelayError`] if it cannot be started or cannot drive the pin.
    pub fn start(program: &Path, config_path: &Path, config: &RelayConfig) -> Result<Self, RelayError> {
        let mut door =
            Self { program: program.into(), config_path: config_path.into(), config: config.clone(), process: None };
        door.order("shut")?;
        Ok(door)
    }

    fn order(&mut self, order: &str) -> Result<(), RelayError> {
        if self.process.is_none() {
            self.process = Some(Keeper::start(&self.program, &self.config_path)?);
        }
        // Just made, if it was not there.
        let Some(keeper) = self.process.as_mut() else { return Err(RelayError::Keeper("not started".into())) };
        let result = keeper.order(order);
        if result.is_err() {
            self.bury();
        }
        result
    }

    /// Ends a keeper that does not answer and releases the relay in its stead.
    fn bury(&mut self) {
        let Some(mut keeper) = self.process.take() else { return };
        let _ = keeper.child.kill();
        let _ = keeper.child.wait();
        match super::open(&self.config).and_then(|mut relay| relay.set(false)) {
            Ok(()) => log::error!("relay keeper died; the relay was released by the gate itself"),
            Err(error) => log::error!("relay keeper died, and the relay cannot be released: {error}"),
        }
    }
}

impl Door for KeeperDoor {
    fn open(&mut self) -> Result<(), RelayError> {
        self.order("open")
    }

    fn shut(&mut self) -> Result<(), RelayError> {
        self.order("shut")
    }

    fn alive(&mut self) -> Result<(), RelayError> {
        self.order("alive")
    }
}

impl Drop for KeeperDoor {
    fn drop(&mut self) {
        let Some(keeper) = self.process.take() else { return };
        let Keeper { mut child, mut orders, .. } = keeper;
        let _ = writeln!(orders, "shut");
        // Closing its input makes the keeper release the relay and end.
        drop(orders);
        let until = Instant::now() + ANSWER;
        while Instant::now() < until {
            if matches!(child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.process = None;
        let _ = child.kill();
        let _ = child.wait();
        if let Err(error) = super::open(&self.config).and_then(|mut relay| relay.set(false)) {
            log::error!("the relay cannot be released: {error}");
        }
    }
}

impl Keeper {
    fn start(program: &Path, config_path: &Path) -> Result<Self, RelayError> {
        let failed = |what: &str, e: &dyn std::fmt::Display| RelayError::Keeper(format!("{what}: {e}"));
        let mut child = Command::new(program)
            .arg("relay-keeper")
            .arg("--config")
            .arg(config_path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| failed("cannot be started", &e))?;
        let (Some(orders), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(RelayError::Keeper("has no pipes".into()));
        };
        let (sender, answers) = mpsc::channel();
        std::thread::Builder::new()
            .name("keeper-answers".into())
            .spawn(move || {
                for line in BufReader::new(output).lines() {
                    if line.map_or(true, |line| sender.send(line).is_err()) {
                        return;
                    }
                }
            })
            .map_err(|e| failed("no thread", &e))?;
        Ok(Self { child, orders, answers })
    }

    fn order(&mut self, order: &str) -> Result<(), RelayError> {
        // An answer that came too late belongs to an older order.
        while self.answers.try_recv().is_ok() {}
        writeln!(self.orders, "{order}")
            .and_then(|()| self.orders.flush())
            .map_err(|e| RelayError::Keeper(format!("{order}: {e}")))?;
        match self.answers.recv_timeout(ANSWER * if order == "shut" { 4 } else { 1 }) {
            Ok(answer) if answer == "ok" => Ok(()),
            Ok(answer) => Err(RelayError::Keeper(format!("{order}: answered {answer:?}"))),
            Err(_) => {
                let state =
                    self.child.try_wait().ok().flatten().map_or("does not answer".into(), |s| format!("ended ({s})"));
                Err(RelayError::Keeper(format!("{order}: {state}")))
            }
        }
    }
}

/// A door without a process: the lease in this one. For the demonstration and for tests.
pub struct LocalDoor {
    lease: Lease,
    relay: Box<dyn Relay>,
}

impl LocalDoor {
    /// A shut door.
    #[must_use]
    pub fn new(config: &RelayConfig, relay: Box<dyn Relay>) -> Self {
        Self { lease: Lease::new(config), relay }
    }

    fn drive(&mut self) -> Result<(), RelayError> {
        let wanted = self.lease.energised(monotonic_now());
        self.relay.set(wanted)
    }
}

impl Door for LocalDoor {
    fn open(&mut self) -> Result<(), RelayError> {
        self.lease.sign_of_life(monotonic_now());
        self.lease.grant(monotonic_now());
        self.drive()
    }

    fn shut(&mut self) -> Result<(), RelayError> {
        self.lease.revoke();
        self.drive()
    }

    fn alive(&mut self) -> Result<(), RelayError> {
        self.lease.sign_of_life(monotonic_now());
        self.drive()
    }
}
