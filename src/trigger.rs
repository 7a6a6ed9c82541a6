//! What starts a visit: nothing (the camera always watches), a button or a presence sensor on a GPIO line.

use gpio_cdev::{LineHandle, LineRequestFlags};

use crate::{
    config::{Level, StartConfig, StartMode},
    relay::{RelayError, chip},
};

/// A source of starts.
pub trait Trigger: Send {
    /// Whether the line is active now; debounced: it must be so twice in a row.
    ///
    /// # Errors
    /// [`RelayError`] if the line cannot be read.
    fn active(&mut self) -> Result<bool, RelayError>;
}

/// A button or sensor on a line of the GPIO character device.
pub struct LineTrigger {
    handle: LineHandle,
    level: Level,
    before: bool,
    name: String,
}

impl LineTrigger {
    /// Opens the configured line; `None` in mode `always`.
    ///
    /// # Errors
    /// [`RelayError`] if the chip or line cannot be had.
    pub fn open(config: &StartConfig) -> Result<Option<Self>, RelayError> {
        if config.mode == StartMode::Always {
            return Ok(None);
        }
        let name = format!("line {} of {:?}", config.line, config.chip);
        let failed = |action: &'static str| {
            let pin = name.clone();
            move |e: gpio_cdev::Error| RelayError::Pin { pin, action, detail: e.to_string() }
        };
        let line = chip::line(&config.chip, config.line)?;
        let handle =
            line.request(LineRequestFlags::INPUT, 0, "agegate start").map_err(failed("requesting the start line"))?;
        Ok(Some(Self { handle, level: config.active, before: false, name }))
    }
}

impl Trigger for LineTrigger {
    fn active(&mut self) -> Result<bool, RelayError> {
        let value = self.handle.get_value().map_err(|e| RelayError::Pin {
            pin: self.name.clone(),
            action: "reading the start line",
            detail: e.to_string(),
        })?;
        let now = (value == 1) == (self.level == Level::High);
        let active = now && self.before;
        self.before = now;
        Ok(active)
    }
}
