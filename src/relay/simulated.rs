//! A relay that is none: it remembers what it was told, and says that it is simulated. For tests and demonstrations.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Relay, RelayError};
use crate::config::Level;

/// A relay without a pin.
#[derive(Clone, Default)]
pub struct SimulatedRelay {
    history: Arc<Mutex<Vec<(Instant, bool)>>>,
    /// The number under which every change is told.
    announced: Option<u32>,
}

impl SimulatedRelay {
    /// A silent one for tests; see [`SimulatedRelay::history`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that logs every change of this pin that there is not.
    #[must_use]
    pub fn announced(pin: u32) -> Self {
        Self { history: Arc::default(), announced: Some(pin) }
    }

    /// All changes so far with their time, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<(Instant, bool)> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is energised now.
    #[must_use]
    pub fn energised(&self) -> bool {
        self.history().last().is_some_and(|(_, on)| *on)
    }
}

impl Relay for SimulatedRelay {
    fn set(&mut self, energised: bool) -> Result<(), RelayError> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if history.last().is_some_and(|(_, on)| *on) != energised {
            if let Some(pin) = self.announced {
                log::info!("simulated relay {} (pin {pin})", if energised { "energised" } else { "released" });
            }
            history.push((Instant::now(), energised));
            // A daemon that simulates for weeks must not remember weeks.
            if history.len() > 10_000 {
                history.drain(..5_000);
            }
        }
        Ok(())
    }

    fn set_active(&mut self, _active: Level) {}

    fn describe(&self) -> String {
        "simulated relay (no pin is driven)".into()
    }
}

impl Drop for SimulatedRelay {
    /// As the real ones do. Clones that tests look through are silent, and leave the relay as it is.
    fn drop(&mut self) {
        if self.announced.is_some() {
            let _ = self.set(false);
        }
    }
}
