//! The keeper: a process of its own that owns the relay's pin and enforces the lease.
//!
//! The gate starts `agegate relay-keeper` and tells it everything over its standard input (`protocol.rs`): the keeper
//! reads no file, so nothing that is edited while a gate runs can reach the door. When the gate hangs (SIGSTOP included),
//! the keeper ends the lease at its deadline; when the gate dies (`kill -9` included), the pipe closes and the keeper
//! releases the relay at once. When the keeper dies, the gate notices, drives the pin itself and starts another one.

use std::{
    io::{BufRead, Write},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use super::{
    Relay, RelayError,
    door::Shut,
    lease::Lease,
    protocol::{Answer, Order, Said, Settings},
    same_line,
};
use crate::{audit::ActReason, clock::monotonic_now, config::RelayConfig};

/// How a relay is opened.
pub type Opener<'a> = dyn FnMut(&RelayConfig) -> Result<Box<dyn Relay>, RelayError> + 'a;

/// Runs the keeper: reads the settings, then orders until the input ends, and leaves the relay released.
///
/// # Errors
/// [`RelayError`] if the settings are none or the pin cannot be driven; the relay is released as far as it can be.
pub fn run(
    orders: impl BufRead + Send + 'static,
    answers: &mut dyn Write,
    open: &mut Opener<'_>,
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
    // A gate that died before it had said anything has nothing to keep.
    let Ok(first) = inbox.recv() else { return Ok(()) };
    let settings = Settings::parse(&first).map_err(RelayError::Keeper)?;
    let mut keeper = Keeper {
        relay: open(&settings.relay)?,
        lease: Lease::new(&settings.relay),
        config: settings.relay,
        driven: None,
        open_for: None,
        answers,
    };
    keeper.drive(monotonic_now(), ActReason::TimeUp)?;
    keeper.say(&Said::Ready);
    loop {
        let now = monotonic_now();
        keeper.drive(now, ActReason::TimeUp)?;
        let wait = keeper.lease.until_change(now).unwrap_or(Duration::from_secs(3600));
        match inbox.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
            Ok(line) => match Order::parse(&line) {
                Some((number, order)) => {
                    let answer = keeper.obey(order, open)?;
                    keeper.say(&Said::Answer(number, answer));
                }
                None => log::warn!("relay keeper: {line:?} is no order"),
            },
        }
    }
    keeper.relay.set(false)
}

/// The pin and its lease.
struct Keeper<'a> {
    config: RelayConfig,
    relay: Box<dyn Relay>,
    lease: Lease,
    /// What the pin was last driven to, as far as that is known.
    driven: Option<bool>,
    /// The newest decision for which the door is open.
    open_for: Option<u64>,
    answers: &'a mut dyn Write,
}

impl Keeper<'_> {
    fn obey(&mut self, order: Order, open: &mut Opener<'_>) -> Result<Answer, RelayError> {
        let now = monotonic_now();
        self.lease.sign_of_life(now);
        // What ended before this order, ended for its own reason.
        self.drive(now, ActReason::TimeUp)?;
        match order {
            Order::Alive => {}
            Order::Shut(why) => {
                self.lease.revoke();
                self.drive(now, why)?;
            }
            // A gate that was stopped between its look at the clock and this line must not open for somebody who is gone.
            Order::Open { expires, .. } if now > expires => return Ok(Answer::Refused(ActReason::TooOld)),
            Order::Open { decision, .. } => {
                if self.lease.grant(now).is_err() {
                    return Ok(Answer::Refused(ActReason::DoorLimit));
                }
                self.drive(now, ActReason::TimeUp)?;
                self.open_for = Some(decision);
            }
            Order::Settings(config) => {
                if let Err(error) = self.change(*config, now, open) {
                    return Ok(Answer::Failed(error.to_string()));
                }
            }
        }
        Ok(Answer::Ok)
    }

    /// Puts other settings into force: the same line is never let go, another one is driven before the old one is released.
    fn change(&mut self, config: RelayConfig, now: Duration, open: &mut Opener<'_>) -> Result<(), RelayError> {
        let same = same_line(&self.config, &config);
        if !same && super::maybe_same_line(&self.config, &config) {
            return Err(RelayError::Keeper(format!(
                "pin {} is held, and cannot be handed to another driver or chip while the gate runs; restart the gate",
                config.pin
            )));
        }
        // Whoever is on their way through keeps their time, as long as it is the same lock on the same line.
        let goes_on = same && self.config.lock == config.lock && self.config.active == config.active;
        let mut lease = self.lease.clone();
        if !goes_on {
            lease.revoke();
        }
        lease.change(&config);
        let energised = lease.energised(now);
        if same {
            self.relay.set_active(config.active);
            if let Err(error) = self.relay.set(energised) {
                self.relay.set_active(self.config.active);
                self.driven = None;
                return Err(error);
            }
        } else {
            let mut other = open(&config)?;
            other.set(energised)?;
            // The old line is released by being dropped.
            self.relay = other;
        }
        (self.config, self.lease, self.driven) = (config, lease, Some(energised));
        if !goes_on {
            self.tell_shut(ActReason::Reloaded);
        }
        Ok(())
    }

    /// Drives the pin as the lease wants it, and tells of an opening that ended.
    fn drive(&mut self, now: Duration, why: ActReason) -> Result<(), RelayError> {
        let wanted = self.lease.energised(now);
        if self.driven != Some(wanted) {
            self.relay.set(wanted)?;
            self.driven = Some(wanted);
        }
        if !self.lease.is_open(now) {
            self.tell_shut(why);
        }
        Ok(())
    }

    fn tell_shut(&mut self, why: ActReason) {
        if let Some(decision) = self.open_for.take() {
            self.say(&Said::Shut(Shut { decision, why }));
        }
    }

    /// A gate that does not listen any more will close the pipe; that ends the loop.
    fn say(&mut self, said: &Said) {
        let _ = writeln!(self.answers, "{}", said.line()).and_then(|()| self.answers.flush());
    }
}
