//! The gate's side of the keeper: starts it, tells it everything it needs, asks it, and starts another one when it dies.
//!
//! Two limits, told apart in what the gate says: a keeper has [`STARTING`] to hold the pin, and [`ANSWER`] to answer an
//! order after that. A keeper that fails is killed, the relay is released in its stead, and the next one is started
//! after a pause that doubles from failure to failure.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use super::{
    RelayError,
    door::{Door, Opening, Readiness, Shut},
    permit::Permit,
    protocol::{Answer, Order, Said, Settings},
};
use crate::{
    audit::ActReason,
    config::RelayConfig,
    runtime::{Process, RunFile},
};

/// Longest time in which the keeper must answer an order.
pub const ANSWER: Duration = Duration::from_millis(500);
/// Longest time in which a new keeper must hold the pin: it is a whole program that loads from a slow card.
pub const STARTING: Duration = Duration::from_secs(5);
/// How often the keeper hears that the gate lives.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Last look for an answer: after a stop of the gate it may be in the pipe still.
const LAST_LOOK: Duration = Duration::from_millis(50);
/// Pauses between failed keepers, from the second failure in a row on: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A keeper that held the pin for so long was a good one.
const PROVEN: Duration = Duration::from_secs(10);

/// A door whose relay is held by a keeper process.
pub struct KeeperDoor {
    program: PathBuf,
    config: RelayConfig,
    /// Lines that a keeper may be driving.
    driven: Vec<RelayConfig>,
    run_file: Arc<RunFile>,
    state: State,
    /// Failures in a row.
    failures: u32,
    /// Number of the last order.
    number: u64,
    /// The newest decision for which the door is open.
    open_for: Option<u64>,
    ended: Vec<Shut>,
}

enum State {
    Up { keeper: Keeper, since: Instant, ordered: Instant, unanswered: Option<(u64, Instant)> },
    Starting { keeper: Keeper, since: Instant },
    Down { until: Instant },
}

struct Keeper {
    child: Child,
    orders: ChildStdin,
    said: Receiver<Said>,
}

impl KeeperDoor {
    /// Starts a keeper for a relay and waits until it holds the pin. What it drives is written to the run file first.
    ///
    /// # Errors
    /// [`RelayError`] if the run file cannot be written, or the keeper cannot be started or cannot drive the pin.
    pub fn start(program: &Path, config: &RelayConfig, run_file: Arc<RunFile>) -> Result<Self, RelayError> {
        let mut door = Self {
            program: program.into(),
            config: config.clone(),
            driven: Vec::new(),
            run_file,
            state: State::Down { until: Instant::now() },
            failures: 0,
            number: 0,
            open_for: None,
            ended: Vec::new(),
        };
        door.start_and_wait()?;
        Ok(door)
    }

    fn start_and_wait(&mut self) -> Result<(), RelayError> {
        self.note_driven(vec![self.config.clone()])?;
        let keeper = self.spawn()?;
        let since = Instant::now();
        let outcome = loop {
            match keeper.said.recv_timeout(STARTING.saturating_sub(since.elapsed())) {
                Ok(Said::Ready) => break Ok(()),
                Ok(Said::Failed(what)) => break Err(what),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break Err(not_ready()),
                Err(RecvTimeoutError::Disconnected) => break Err("it ended before it held the pin".into()),
            }
        };
        self.state = State::Starting { keeper, since };
        match outcome {
            Ok(()) => {
                self.ready();
                self.order(&Order::Alive, ANSWER).map(drop)
            }
            Err(what) => {
                self.bury(&what);
                Err(RelayError::Keeper(what))
            }
        }
    }

    /// Starts a process and gives it its settings. Its number is noted before it learns which pin to drive.
    fn spawn(&self) -> Result<Keeper, RelayError> {
        let failed = |what: &str, e: &dyn std::fmt::Display| RelayError::Keeper(format!("{what}: {e}"));
        let mut child = Command::new(&self.program)
            .arg0("agegate")
            .arg("relay-keeper")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| failed("it cannot be started", &e))?;
        let (Some(mut orders), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(RelayError::Keeper("it has no pipes".into()));
        };
        if let Err(error) = self.run_file.keeper(Process::of(child.id())) {
            log::warn!("{error}; a keeper that stops will not be found by others");
        }
        let (sender, said) = mpsc::channel();
        let reader = std::thread::Builder::new().name("keeper-answers".into()).spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Some(said) = Said::parse(&line) else {
                    log::warn!("relay keeper: it said {line:?}, which means nothing");
                    continue;
                };
                if sender.send(said).is_err() {
                    return;
                }
            }
        });
        // A keeper that is not given its settings ends with its input.
        reader.map_err(|e| failed("no thread", &e))?;
        writeln!(orders, "{}", Settings::new(&self.config).line())
            .and_then(|()| orders.flush())
            .map_err(|e| failed("it does not take its settings", &e))?;
        Ok(Keeper { child, orders, said })
    }

    fn note_driven(&mut self, relays: Vec<RelayConfig>) -> Result<(), RelayError> {
        self.run_file.driving(&relays).map_err(|e| RelayError::Keeper(e.to_string()))?;
        self.driven = relays;
        Ok(())
    }

    fn ready(&mut self) {
        let now = Instant::now();
        let down = State::Down { until: now };
        self.state = match std::mem::replace(&mut self.state, down) {
            State::Starting { keeper, .. } => {
                State::Up { keeper, since: now, ordered: now - HEARTBEAT, unanswered: None }
            }
            other => other,
        };
    }

    /// Sends an order without waiting for its answer.
    fn send(&mut self, order: &Order) -> Result<u64, RelayError> {
        let State::Up { keeper, ordered, .. } = &mut self.state else { return Err(starting()) };
        self.number += 1;
        writeln!(keeper.orders, "{}", order.line(self.number))
            .and_then(|()| keeper.orders.flush())
            .map_err(|e| RelayError::Keeper(format!("it takes no orders: {e}")))?;
        *ordered = Instant::now();
        Ok(self.number)
    }

    /// Sends an order and waits for its answer. A keeper that gives none is buried.
    fn order(&mut self, order: &Order, limit: Duration) -> Result<Answer, RelayError> {
        let answer = self.send(order).and_then(|number| {
            let until = Instant::now() + limit;
            loop {
                let State::Up { keeper, .. } = &self.state else { return Err(starting()) };
                match keeper.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(Said::Answer(answered, answer)) if answered == number => return Ok(answer),
                    Ok(said) => self.hear(said)?,
                    Err(RecvTimeoutError::Timeout) => return Err(silent(limit)),
                    Err(RecvTimeoutError::Disconnected) => return Err(ended()),
                }
            }
        });
        if let Err(error) = &answer
            && matches!(self.state, State::Up { .. })
        {
            self.bury(&reason(error));
        }
        answer
    }

    fn hear(&mut self, said: Said) -> Result<(), RelayError> {
        match (said, &mut self.state) {
            (Said::Ready, State::Starting { .. }) => {
                self.ready();
                log::info!("relay keeper: another one holds the pin");
            }
            (Said::Answer(number, _), State::Up { unanswered, .. }) => {
                *unanswered = unanswered.filter(|(asked, _)| *asked > number);
            }
            (Said::Shut(shut), _) => {
                self.open_for = self.open_for.filter(|decision| *decision > shut.decision);
                self.ended.push(shut);
            }
            (Said::Failed(what), _) => return Err(RelayError::Keeper(what)),
            (Said::Ready | Said::Answer(..), _) => {}
        }
        Ok(())
    }

    /// Takes in what the keeper has said so far, waiting at most so long for the first of it.
    fn listen(&mut self, patience: Duration) -> Result<(), RelayError> {
        let mut patience = patience;
        loop {
            let (State::Up { keeper, .. } | State::Starting { keeper, .. }) = &self.state else { return Ok(()) };
            match keeper.said.recv_timeout(patience) {
                Ok(said) => self.hear(said)?,
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
            }
            patience = Duration::ZERO;
        }
    }

    /// Kills a keeper that failed, releases the relay in its stead, and sets the time for the next one.
    fn bury(&mut self, why: &str) {
        let down = State::Down { until: Instant::now() };
        let (keeper, proven) = match std::mem::replace(&mut self.state, down) {
            State::Up { keeper, since, .. } => (keeper, since.elapsed() >= PROVEN),
            State::Starting { keeper, .. } => (keeper, false),
            State::Down { .. } => return,
        };
        self.failures = if proven { 1 } else { self.failures.saturating_add(1) };
        end(keeper);
        if let Some(decision) = self.open_for.take() {
            self.ended.push(Shut { decision, why: ActReason::KeeperFailed });
        }
        let released = release(&self.driven);
        let pause = match self.failures {
            0 | 1 => Duration::ZERO,
            n => (PAUSES.0 * 2u32.saturating_pow(n.min(12) - 2)).min(PAUSES.1),
        };
        self.state = State::Down { until: Instant::now() + pause };
        let next = format!("another keeper is started in {:.1} s", pause.as_secs_f32());
        match released {
            Ok(()) => log::error!("relay keeper: {why}; the relay was released by the gate itself; {next}"),
            Err(error) => log::error!("relay keeper: {why}, and the relay cannot be released: {error}; {next}"),
        }
    }

    /// What there is to do now that the last look at the keeper is some time ago.
    fn look(&mut self) -> Result<(), RelayError> {
        self.listen(Duration::ZERO)?;
        match &mut self.state {
            State::Up { unanswered: Some((_, since)), .. } if since.elapsed() > ANSWER => {
                self.listen(LAST_LOOK)?;
                match &self.state {
                    State::Up { unanswered: Some(_), .. } => Err(silent(ANSWER)),
                    _ => Ok(()),
                }
            }
            State::Up { unanswered: None, ordered, .. } if ordered.elapsed() >= HEARTBEAT => {
                let number = self.send(&Order::Alive)?;
                if let State::Up { unanswered, .. } = &mut self.state {
                    *unanswered = Some((number, Instant::now()));
                }
                Ok(())
            }
            State::Starting { since, .. } if since.elapsed() > STARTING => {
                self.listen(LAST_LOOK)?;
                match &self.state {
                    State::Starting { .. } => Err(RelayError::Keeper(not_ready())),
                    _ => Ok(()),
                }
            }
            State::Down { until } if Instant::now() >= *until => {
                let keeper = self.spawn()?;
                self.state = State::Starting { keeper, since: Instant::now() };
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Door for KeeperDoor {
    fn open(&mut self, permit: Permit) -> Result<Opening, RelayError> {
        let (decision, expires) = (permit.decision(), permit.expires());
        let opening = self.order(&Order::Open { decision, expires }, ANSWER)?.opening().map_err(RelayError::Keeper)?;
        if opening == Opening::Opened {
            self.open_for = Some(decision);
        }
        Ok(opening)
    }

    fn shut(&mut self, why: ActReason) -> Result<(), RelayError> {
        if !matches!(self.state, State::Up { .. }) {
            // Released when the last keeper failed, and no other one has opened since.
            return Ok(());
        }
        match self.order(&Order::Shut(why), ANSWER * 4)? {
            Answer::Ok => Ok(()),
            other => Err(RelayError::Keeper(format!("it does not shut: {other:?}"))),
        }
    }

    fn tend(&mut self) -> Readiness {
        if let Err(error) = self.look() {
            match &mut self.state {
                // The process could not even be made.
                State::Down { until } => {
                    self.failures = self.failures.saturating_add(1);
                    *until = Instant::now() + PAUSES.1;
                }
                _ => self.bury(&reason(&error)),
            }
            return Readiness::Failed(error);
        }
        match self.state {
            State::Up { .. } => Readiness::Ready,
            State::Starting { .. } | State::Down { .. } => Readiness::Starting,
        }
    }

    fn ended(&mut self) -> Vec<Shut> {
        std::mem::take(&mut self.ended)
    }

    fn change(&mut self, config: &RelayConfig) -> Result<(), RelayError> {
        let old = self.config.clone();
        if *config == old {
            return Ok(());
        }
        // A keeper that was stopped must not hang the gate for as long as other settings may take.
        let up = matches!(self.state, State::Up { .. }) && self.order(&Order::Alive, ANSWER).is_ok();
        if !up {
            // No keeper holds a pin: the next one gets the new settings, or the old ones again.
            self.bury("the settings changed before it was ready");
            self.config = config.clone();
            let started = self.start_and_wait();
            if started.is_err() {
                self.config = old.clone();
                self.note_driven(vec![old])?;
            }
            return started;
        }
        // Whoever has to release the relay in between must know both lines.
        self.note_driven(vec![old.clone(), config.clone()])?;
        let outcome = match self.order(&Order::Settings(Box::new(config.clone())), ANSWER * 4) {
            Ok(Answer::Ok) => Ok(()),
            Ok(Answer::Failed(what)) => Err(RelayError::Keeper(what)),
            Ok(Answer::Refused(why)) => Err(RelayError::Keeper(why.to_string())),
            Err(error) => Err(error),
        };
        if outcome.is_ok() {
            self.config = config.clone();
        }
        if let Err(error) = self.note_driven(vec![self.config.clone()]) {
            log::warn!("{error}; both the old and the new relay are released when this gate has ended");
        }
        outcome
    }
}

impl Drop for KeeperDoor {
    fn drop(&mut self) {
        let keeper = match std::mem::replace(&mut self.state, State::Down { until: Instant::now() }) {
            State::Up { keeper, .. } | State::Starting { keeper, .. } => keeper,
            State::Down { .. } => return,
        };
        let Keeper { mut child, orders, .. } = keeper;
        // Closing its input makes the keeper release the relay and end.
        drop(orders);
        let until = Instant::now() + ANSWER;
        let mut gone = false;
        while !gone && Instant::now() < until {
            gone = matches!(child.try_wait(), Ok(Some(_)));
            std::thread::sleep(Duration::from_millis(5));
        }
        if !gone {
            let _ = child.kill();
            let _ = child.wait();
            if let Err(error) = release(&self.driven) {
                log::error!("the relay cannot be released: {error}");
            }
        }
        if let Err(error) = self.run_file.keeper(None) {
            log::debug!("{error}");
        }
    }
}

fn end(mut keeper: Keeper) {
    let _ = keeper.child.kill();
    let _ = keeper.child.wait();
}

/// Releases every relay of a list; the first error after all were tried.
fn release(relays: &[RelayConfig]) -> Result<(), RelayError> {
    let results: Vec<_> = relays.iter().map(|c| super::open(c).and_then(|mut relay| relay.set(false))).collect();
    results.into_iter().collect()
}

fn reason(error: &RelayError) -> String {
    match error {
        RelayError::Keeper(what) => what.clone(),
        other => other.to_string(),
    }
}

fn starting() -> RelayError {
    RelayError::Keeper("none holds the pin yet".into())
}

fn ended() -> RelayError {
    RelayError::Keeper("it died".into())
}

fn silent(limit: Duration) -> RelayError {
    RelayError::Keeper(format!("no answer to an order within {:.1} s", limit.as_secs_f32()))
}

fn not_ready() -> String {
    format!("it did not hold the pin within {} s of its start", STARTING.as_secs())
}
