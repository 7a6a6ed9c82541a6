//! The relay: one trait, real pins and a simulated one behind it; the lease that bounds how long it may be energised; the
//! permit without which the door does not open; and the keeper, a process of its own that holds the pin so that a gate
//! which hangs or dies does not leave the door open.

pub mod cdev;
pub mod door;
pub mod keeper;
pub mod keeper_door;
pub mod lease;
pub mod permit;
pub mod protocol;
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

    /// Takes another level for an energised coil; the pin changes with the next [`Relay::set`].
    fn set_active(&mut self, active: Level);

    /// What it is, for messages.
    fn describe(&self) -> String;
}

/// Why a relay cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// No such chip.
    #[error("relay: {0}")]
    Chip(#[from] crate::gpio::ChipError),
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
        RelayDriver::Simulated => Ok(Box::new(simulated::SimulatedRelay::announced(config.pin))),
    }
}

/// Whether two configurations mean the same line, so that one relay can go on for the other.
#[must_use]
pub fn same_line(a: &RelayConfig, b: &RelayConfig) -> bool {
    a.driver == b.driver && a.pin == b.pin && (a.driver != RelayDriver::Cdev || a.chip == b.chip)
}

/// Whether two configurations could mean the same line under different names: a chip has a label and a path, and a
/// Raspberry Pi's pin can be reached by two drivers. Whoever must not touch a line goes by this.
#[must_use]
pub fn maybe_same_line(a: &RelayConfig, b: &RelayConfig) -> bool {
    let simulated = |c: &RelayConfig| c.driver == RelayDriver::Simulated;
    a.pin == b.pin && simulated(a) == simulated(b)
}

/// The level that a pin needs for the relay to be energised or not.
#[must_use]
pub fn level(active: Level, energised: bool) -> Level {
    match (active, energised) {
        (Level::High, true) | (Level::Low, false) => Level::High,
        (Level::High, false) | (Level::Low, true) => Level::Low,
    }
}
