//! The relay: one trait, real pins and a simulated one behind it; the lease that bounds how long it may be energised; and
//! the keeper, a process of its own that holds the pin so that a gate which hangs or dies does not leave the door open.

pub mod cdev;
pub mod chip;
pub mod keeper;
pub mod lease;
pub mod rppal_pin;
pub mod simulated;

use crate::config::{Level, RelayConfig, RelayDriver};

/// The pin of a relay. Polarity lives here and nowhere else: callers speak of energised, implementations of levels.
pub trait Relay: Send {
    /// Energises or releases the relay's coil.
    ///
    /// # Errors
    /// [`RelayError`] if the pin cannot be driven.
    fn set(&mut self, energised: bool) -> Result<(), RelayError>;

    /// What it is, for messages.
    fn describe(&self) -> String;
}

/// Why a relay cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// No such chip.
    #[error("relay: no GPIO chip has the label {label:?}; there are: {found}")]
    NoChip {
        /// Label asked for.
        label: String,
        /// Labels found.
        found: String,
    },
    /// The pin cannot be had.
    #[error("relay {pin}: {action} failed: {detail}")]
    Pin {
        /// Which pin.
        pin: String,
        /// What was asked of it.
        action: &'static str,
        /// What the system said, and what to do.
        detail: String,
    },
    /// The keeper cannot be reached.
    #[error("relay keeper: {0}")]
    Keeper(String),
}

/// Opens the configured pin with the relay released: the level is set before the direction, so nothing clicks.
///
/// # Errors
/// [`RelayError`].
pub fn open(config: &RelayConfig) -> Result<Box<dyn Relay>, RelayError> {
    match config.driver {
        RelayDriver::Rppal => Ok(Box::new(rppal_pin::RppalRelay::open(config)?)),
        RelayDriver::Cdev => Ok(Box::new(cdev::CdevRelay::open(config)?)),
        RelayDriver::Simulated => Ok(Box::new(simulated::SimulatedRelay::announced())),
    }
}

/// The level that a pin needs for the relay to be energised or not.
#[must_use]
pub fn level(active: Level, energised: bool) -> Level {
    match (active, energised) {
        (Level::High, true) | (Level::Low, false) => Level::High,
        (Level::High, false) | (Level::Low, true) => Level::Low,
    }
}
