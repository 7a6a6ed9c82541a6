//! What the subcommands do. Each returns an exit code, or an error that is printed as one chain.

pub mod aim;
pub mod calibrate;
pub mod camera_command;
pub mod check;
pub mod demo;
pub mod detect;
pub mod evaluate;
pub mod generate;
mod labelled;
pub mod log;
mod neighbours;
mod notify;
pub mod relay;
pub mod replay;
pub mod run;
pub mod setup;
mod show;
mod signals;
pub mod supervise;
pub mod tamper;

use std::error::Error;

use crate::{
    audit::AuditError,
    config::{Config, ConfigError},
};

/// Exit codes, as `--help` and the manual page state them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Success = 0,
    /// The command ran and found something wrong: a broken log, a device that is missing.
    Found = 1,
    /// The command could not run.
    Failure = 2,
}

/// Result of a command.
pub type Outcome = Result<Exit, Box<dyn Error>>;

/// What `[liveness] mode = "off"` means, for whoever starts the gate and whoever checks it.
const LIVENESS_OFF: &str = "off: a photo of an adult, held before the camera, may open the door";

/// An error of the decision log with the key of the configuration that names what cannot be used.
fn of_log(config: &Config, error: AuditError) -> ConfigError {
    let is_key = config.log.key_file.as_ref().is_some_and(|key| {
        // It is made under another name beside its own.
        let about = error.path();
        about == key || about.with_extension("") == *key
    });
    config.unusable(if is_key { "log.key_file" } else { "log.folder" }, error)
}

/// Prints an error and what caused it on one line, without repeating a cause that the message already names.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
