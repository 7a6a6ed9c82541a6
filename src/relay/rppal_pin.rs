//! A relay on a Raspberry Pi's GPIO, through `rppal`.

use rppal::gpio::{Gpio, OutputPin};

use super::{Relay, RelayError, level};
use crate::config::{Level, RelayConfig};

/// A pin of a Raspberry Pi.
pub struct RppalRelay {
    pin: OutputPin,
    active: Level,
    name: String,
}

impl RppalRelay {
    /// Takes the pin with the relay released. `into_output_low` and `into_output_high` set the level before the direction;
    /// `into_output` would not, and the relay would click.
    ///
    /// # Errors
    /// [`RelayError::Pin`] if this is no Raspberry Pi or the pin is in use.
    pub fn open(config: &RelayConfig) -> Result<Self, RelayError> {
        let name = format!("BCM {}", config.pin);
        let failed = |action: &'static str| {
            let pin = name.clone();
            move |error: rppal::gpio::Error| {
                let hint = match error {
                    rppal::gpio::Error::UnknownModel => {
                        " (no Raspberry Pi that rppal knows: set driver = \"cdev\" in [relay])"
                    }
                    rppal::gpio::Error::PermissionDenied(_) => " (the user must be in group gpio)",
                    _ => "",
                };
                RelayError::Pin { pin, action, detail: format!("{error}{hint}") }
            }
        };
        let number = u8::try_from(config.pin).map_err(|_| RelayError::Pin {
            pin: name.clone(),
            action: "finding the pin",
            detail: "expected a BCM number, 0 to 27".into(),
        })?;
        let pin = Gpio::new().map_err(failed("opening the GPIO"))?.get(number).map_err(failed("taking the pin"))?;
        let mut pin = match level(config.active, false) {
            Level::Low => pin.into_output_low(),
            Level::High => pin.into_output_high(),
        };
        // Back to an input would let the pin float; a released output is the safe state.
        pin.set_reset_on_drop(false);
        Ok(Self { pin, active: config.active, name })
    }
}

impl Relay for RppalRelay {
    fn set(&mut self, energised: bool) -> Result<(), RelayError> {
        match level(self.active, energised) {
            Level::High => self.pin.set_high(),
            Level::Low => self.pin.set_low(),
        }
        Ok(())
    }

    fn set_active(&mut self, active: Level) {
        self.active = active;
    }

    fn describe(&self) -> String {
        format!("relay on {} of this Raspberry Pi", self.name)
    }
}

impl Drop for RppalRelay {
    fn drop(&mut self) {
        let _ = self.set(false);
    }
}
