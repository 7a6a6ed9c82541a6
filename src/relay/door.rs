//! The door: what the gate asks for and what it hears. It opens for a [`Permit`] and for nothing else.

use std::time::Duration;

use super::{Relay, RelayError, lease::Lease, permit::Permit};
use crate::{audit::ActReason, clock::monotonic_now, config::RelayConfig};

/// What became of an order to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The door is open.
    Opened,
    /// It must not open now, and did not change.
    Refused(ActReason),
}

/// Openings that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shut {
    /// Number of the newest decision for which the door was open; openings for older ones ended with it.
    pub decision: u64,
    /// Why.
    pub why: ActReason,
}

/// Whether the door can open now.
#[derive(Debug)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It cannot yet; somebody is about it.
    Starting,
    /// It cannot, and that is news.
    Failed(RelayError),
}

/// What the gate asks of the door.
pub trait Door: Send {
    /// Opens the door for the configured time.
    ///
    /// # Errors
    /// [`RelayError`] if it cannot be said that the door is open.
    fn open(&mut self, permit: Permit) -> Result<Opening, RelayError>;

    /// Shuts the door now.
    ///
    /// # Errors
    /// [`RelayError`] if it cannot be said that the door is shut.
    fn shut(&mut self, why: ActReason) -> Result<(), RelayError>;

    /// Tells that the gate lives, and looks after whoever enforces the lease; called several times a second. Does not
    /// wait for anybody.
    fn tend(&mut self) -> Readiness;

    /// Openings that ended since the last call, by order or by themselves, oldest first.
    fn ended(&mut self) -> Vec<Shut>;

    /// Puts other settings into force. The same line is never let go for it, and another one is driven before the old
    /// one is released.
    ///
    /// # Errors
    /// [`RelayError`] if they cannot be put into force; then nothing changed.
    fn change(&mut self, config: &RelayConfig) -> Result<(), RelayError>;
}

/// A door without a process: the lease in this one. For the demonstration and for tests.
pub struct LocalDoor {
    lease: Lease,
    relay: Box<dyn Relay>,
    open_for: Option<u64>,
    ended: Vec<Shut>,
}

impl LocalDoor {
    /// A shut door.
    #[must_use]
    pub fn new(config: &RelayConfig, relay: Box<dyn Relay>) -> Self {
        Self { lease: Lease::new(config), relay, open_for: None, ended: Vec::new() }
    }

    fn drive(&mut self, now: Duration, why: ActReason) -> Result<(), RelayError> {
        self.relay.set(self.lease.energised(now))?;
        if !self.lease.is_open(now)
            && let Some(decision) = self.open_for.take()
        {
            self.ended.push(Shut { decision, why });
        }
        Ok(())
    }
}

impl Door for LocalDoor {
    fn open(&mut self, permit: Permit) -> Result<Opening, RelayError> {
        let now = monotonic_now();
        self.lease.sign_of_life(now);
        self.drive(now, ActReason::TimeUp)?;
        if now > permit.expires() {
            return Ok(Opening::Refused(ActReason::TooOld));
        }
        if self.lease.grant(now).is_err() {
            return Ok(Opening::Refused(ActReason::DoorLimit));
        }
        self.open_for = Some(permit.decision());
        self.drive(now, ActReason::TimeUp)?;
        Ok(Opening::Opened)
    }

    fn shut(&mut self, why: ActReason) -> Result<(), RelayError> {
        let now = monotonic_now();
        self.drive(now, ActReason::TimeUp)?;
        self.lease.revoke();
        self.drive(now, why)
    }

    fn tend(&mut self) -> Readiness {
        let now = monotonic_now();
        self.lease.sign_of_life(now);
        match self.drive(now, ActReason::TimeUp) {
            Ok(()) => Readiness::Ready,
            Err(error) => Readiness::Failed(error),
        }
    }

    fn ended(&mut self) -> Vec<Shut> {
        std::mem::take(&mut self.ended)
    }

    fn change(&mut self, config: &RelayConfig) -> Result<(), RelayError> {
        self.lease.change(config);
        Ok(())
    }
}
