//! A relay on a line of the Linux GPIO character device, through `linux-embedded-hal`.

use embedded_hal::digital::OutputPin;
use gpio_cdev::LineRequestFlags;
use linux_embedded_hal::CdevPin;

use super::{Relay, RelayError, level};
use crate::{
    config::{Level, RelayConfig},
    gpio,
};

/// A line of a GPIO chip.
pub struct CdevRelay {
    pin: CdevPin,
    active: Level,
    name: String,
}

impl CdevRelay {
    /// Requests the line as an output at the level of a released relay; the kernel sets level and direction in one step.
    ///
    /// The line is requested without the kernel's active-low flag: `CdevPin` would undo the kernel's inversion by one of
    /// its own, so polarity is kept in [`level`] alone.
    ///
    /// # Errors
    /// [`RelayError`] if the chip or the line cannot be had.
    pub fn open(config: &RelayConfig) -> Result<Self, RelayError> {
        let name = format!("line {} of {}", config.pin, gpio::shown(&config.chip));
        let failed = |action: &'static str, detail: String| RelayError::Pin { pin: name.clone(), action, detail };
        let released = u8::from(level(config.active, false) == Level::High);
        let line = gpio::line(&config.chip, config.pin)?;
        let handle = gpio::request(&line, LineRequestFlags::OUTPUT, released, "agegate relay")
            .map_err(|e| failed("requesting the line", e.to_string()))?;
        let pin = CdevPin::new(handle).map_err(|e| failed("reading the line's state", e.to_string()))?;
        Ok(Self { pin, active: config.active, name })
    }
}

impl Relay for CdevRelay {
    fn set(&mut self, energised: bool) -> Result<(), RelayError> {
        let result = match level(self.active, energised) {
            Level::High => self.pin.set_high(),
            Level::Low => self.pin.set_low(),
        };
        result.map_err(|e| RelayError::Pin {
            pin: self.name.clone(),
            action: "setting the level",
            detail: e.to_string(),
        })
    }

    fn set_active(&mut self, active: Level) {
        self.active = active;
    }

    fn describe(&self) -> String {
        format!("relay on {}", self.name)
    }
}

impl Drop for CdevRelay {
    /// Released before the line is given back: most drivers keep the last level.
    fn drop(&mut self) {
        let _ = self.set(false);
    }
}
