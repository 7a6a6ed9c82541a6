//! What starts a visit: nothing (the camera always watches), a button or a presence sensor on a GPIO line.

use gpio_cdev::{LineHandle, LineRequestFlags};

use crate::{
    config::{Level, StartConfig, StartMode},
    gpio::{self, ChipError},
};

/// Why button or sensor cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// No such chip.
    #[error("start: {0}")]
    Chip(#[from] ChipError),
    /// The line cannot be had or read.
    #[error("start {line}: {action} failed: {source}")]
    Line {
        /// Which line.
        line: String,
        /// What was asked of it.
        action: &'static str,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A source of starts.
pub trait Trigger: Send {
    /// Whether the line is active now; debounced: it must be so twice in a row.
    ///
    /// # Errors
    /// [`TriggerError`] if the line cannot be read.
    fn active(&mut self) -> Result<bool, TriggerError>;

    /// Takes another level for active.
    fn set_active_level(&mut self, _level: Level) {}
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
    /// [`TriggerError`] if the chip or line cannot be had.
    pub fn open(config: &StartConfig) -> Result<Option<Self>, TriggerError> {
        if config.mode == StartMode::Always {
            return Ok(None);
        }
        let name = format!("line {} of {:?}", config.line, config.chip);
        let line = gpio::line(&config.chip, config.line)?;
        let handle = gpio::request(&line, LineRequestFlags::INPUT, 0, "agegate start").map_err(|source| {
            TriggerError::Line { line: name.clone(), action: "requesting it", source: source.into() }
        })?;
        Ok(Some(Self { handle, level: config.active, before: false, name }))
    }
}

impl Trigger for LineTrigger {
    fn set_active_level(&mut self, level: Level) {
        self.level = level;
    }

    fn active(&mut self) -> Result<bool, TriggerError> {
        let failed = |source: gpio_cdev::Error| TriggerError::Line {
            line: self.name.clone(),
            action: "reading it",
            source: source.into(),
        };
        let value = self.handle.get_value().map_err(failed)?;
        let now = (value == 1) == (self.level == Level::High);
        let active = now && self.before;
        self.before = now;
        Ok(active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_speaks_of_the_start_and_not_of_the_relay() {
        let config = StartConfig { mode: StartMode::Button, chip: "no such chip".into(), ..StartConfig::default() };
        let Err(error) = LineTrigger::open(&config) else { panic!("there is no such chip") };
        let message = error.to_string();
        assert!(message.starts_with("start: ") && !message.contains("relay"), "{message}");
    }
}
