//! The lines of a door unit: one trait each for reading and driving, a line of the GPIO character device behind it, or a file.
//!
//! An output is requested switched off, and switched off before it is given back. When the program is killed the kernel
//! closes the line: whether it then keeps its level is up to the chip's driver (a Raspberry Pi's makes it an input again with
//! Debian's kernel, and keeps its level with Raspberry Pi OS's: `pinctrl_bcm2835.persist_gpio_outputs`), so `agegate relay
//! --off`, which systemd and `agegate supervise` run, switches it off once more.
//!
//! Simulated lines are files in the folder `lines` of the run-time directory, `5` for line 5: a file with `0` or `1` is an
//! input that somebody drives, no file is a broken wire, anything else a line that cannot be read; `12.out` tells what an
//! output did, a moment in microseconds and a level in each line. For tests and demonstrations.

use std::{io::Write, path::PathBuf};

use gpio_cdev::{LineHandle, LineRequestFlags};

use crate::{
    clock::monotonic_now,
    config::{Bias, InputConfig, Level, OutputConfig, SIMULATED_CHIP},
    gpio::{self, ChipError},
    regular, runtime,
};

/// Bytes that the file of a simulated line may have.
const MOST_OF_A_LINE: u64 = 16;

/// Why a line of the door unit cannot be had, read or driven.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// No such chip or line.
    #[error("{key}: {source}")]
    Chip {
        /// Key of the line.
        key: &'static str,
        /// What is missing.
        source: ChipError,
    },
    /// The system refuses.
    #[error("{key}, line {line} of {chip:?}: {action} failed: {source}")]
    Line {
        /// Key of the line.
        key: &'static str,
        /// Which line.
        line: u32,
        /// Of which chip.
        chip: String,
        /// What was asked of it.
        action: &'static str,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A thread cannot be started.
    #[error("door unit: no thread: {0}")]
    Thread(std::io::Error),
}

/// A line that is read.
pub trait InputLine: Send {
    /// Whether it is at its active level now.
    ///
    /// # Errors
    /// [`LineError`].
    fn active(&mut self) -> Result<bool, LineError>;
}

/// A line that is driven.
pub trait OutputLine: Send {
    /// Switches it on or off.
    ///
    /// # Errors
    /// [`LineError`].
    fn set(&mut self, on: bool) -> Result<(), LineError>;
}

/// Where a line is, for messages.
#[derive(Clone, Debug)]
struct Place {
    key: &'static str,
    line: u32,
    chip: String,
}

impl Place {
    fn failed<E: std::error::Error + Send + Sync + 'static>(
        &self,
        action: &'static str,
    ) -> impl FnOnce(E) -> LineError + use<E> {
        let Self { key, line, chip } = self.clone();
        move |source| LineError::Line { key, line, chip, action, source: Box::new(source) }
    }

    fn request(&self, flags: LineRequestFlags, level: u8) -> Result<LineHandle, LineError> {
        let line = gpio::line(&self.chip, self.line).map_err(|source| LineError::Chip { key: self.key, source })?;
        let name = format!("agegate {}", self.key);
        gpio::request(&line, flags, level, &name).map_err(self.failed("requesting it"))
    }

    fn file(&self, end: &str) -> Result<PathBuf, LineError> {
        let folder = runtime::folder().map_err(self.failed("finding the run-time directory"))?.join("lines");
        std::fs::create_dir_all(&folder).map_err(self.failed("making the folder of simulated lines"))?;
        Ok(folder.join(format!("{}{end}", self.line)))
    }
}

/// The kernel's bias flags (`GPIOHANDLE_REQUEST_BIAS_...` of its `gpio.h`, since Linux 5.5), which `gpio-cdev` does not name.
fn bias_flag(bias: Bias) -> LineRequestFlags {
    LineRequestFlags::from_bits_retain(match bias {
        Bias::PullUp => 1 << 5,
        Bias::PullDown => 1 << 6,
        Bias::External => 1 << 7,
    })
}

/// Takes a line to read it.
///
/// # Errors
/// [`LineError`].
pub fn input(key: &'static str, config: &InputConfig) -> Result<Box<dyn InputLine>, LineError> {
    let place = Place { key, line: config.line, chip: config.chip.clone() };
    if config.chip == SIMULATED_CHIP {
        let path = place.file("")?;
        log::warn!("{key}: line {} is simulated by the file {}: for tests only", config.line, path.display());
        return Ok(Box::new(FileInput { place, path, config: config.clone() }));
    }
    let handle = place.request(LineRequestFlags::INPUT | bias_flag(config.bias), 0)?;
    Ok(Box::new(CdevInput { place, handle, active: config.active }))
}

/// Takes a line to drive it, switched off.
///
/// # Errors
/// [`LineError`].
pub fn output(key: &'static str, config: &OutputConfig) -> Result<Box<dyn OutputLine>, LineError> {
    let place = Place { key, line: config.line, chip: config.chip.clone() };
    if config.chip == SIMULATED_CHIP {
        let path = place.file(".out")?;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(place.failed("opening its file"))?;
        let mut line = FileOutput { place, file, on: true };
        line.set(false)?;
        return Ok(Box::new(line));
    }
    let handle = place.request(LineRequestFlags::OUTPUT, level(config.active, false))?;
    Ok(Box::new(CdevOutput { place, handle, active: config.active }))
}

fn level(active: Level, on: bool) -> u8 {
    u8::from((active == Level::High) == on)
}

struct CdevInput {
    place: Place,
    handle: LineHandle,
    active: Level,
}

impl InputLine for CdevInput {
    fn active(&mut self) -> Result<bool, LineError> {
        let value = self.handle.get_value().map_err(self.place.failed("reading it"))?;
        Ok((value == 1) == (self.active == Level::High))
    }
}

struct CdevOutput {
    place: Place,
    handle: LineHandle,
    active: Level,
}

impl OutputLine for CdevOutput {
    fn set(&mut self, on: bool) -> Result<(), LineError> {
        self.handle.set_value(level(self.active, on)).map_err(self.place.failed("setting the level"))
    }
}

impl Drop for CdevOutput {
    /// Switched off before the line is given back: most drivers keep the last level.
    fn drop(&mut self) {
        let _ = self.set(false);
    }
}

struct FileInput {
    place: Place,
    path: PathBuf,
    config: InputConfig,
}

impl InputLine for FileInput {
    fn active(&mut self) -> Result<bool, LineError> {
        let high = match regular::read_text(&self.path, MOST_OF_A_LINE) {
            Ok(text) if text.trim() == "1" => true,
            Ok(text) if text.trim() == "0" => false,
            // Half written.
            Ok(text) if text.trim().is_empty() => !(self.config.active == Level::High),
            Ok(_) => return Err(self.place.failed("reading it")(std::io::Error::from_raw_os_error(5))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match self.config.bias {
                Bias::PullUp => true,
                Bias::PullDown => false,
                Bias::External => self.config.active == Level::Low,
            },
            Err(error) => return Err(self.place.failed("reading it")(error)),
        };
        Ok(high == (self.config.active == Level::High))
    }
}

struct FileOutput {
    place: Place,
    file: std::fs::File,
    on: bool,
}

impl OutputLine for FileOutput {
    fn set(&mut self, on: bool) -> Result<(), LineError> {
        if std::mem::replace(&mut self.on, on) == on {
            return Ok(());
        }
        let line = format!("{} {}\n", monotonic_now().as_micros(), u8::from(on));
        self.file.write_all(line.as_bytes()).map_err(self.place.failed("writing its file"))
    }
}

impl Drop for FileOutput {
    fn drop(&mut self) {
        let _ = self.set(false);
    }
}
