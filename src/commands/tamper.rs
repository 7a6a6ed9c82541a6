//! `agegate reset-tamper`: a person on the board says that the cover was looked after.

use super::{Exit, Outcome};
use crate::{cli::ConfigArgs, config::Config, door_unit::tamper, say};

/// Runs the command. A running gate takes notice within a second, writes it to the log, and opens again if the cover is on.
///
/// # Errors
/// If the configuration cannot be read, or what says that the cover was opened cannot be removed.
pub fn reset(args: &ConfigArgs) -> Outcome {
    let marker = tamper::marker(&Config::load(&args.config)?.log.folder);
    let was = tamper::reset(&marker).map_err(|e| format!("{}: cannot be removed: {e}", marker.display()))?;
    match was {
        true => say!("reset; the gate opens again once the cover is on"),
        false => say!("nothing to reset: {} is not there", marker.display()),
    }
    Ok(Exit::Success)
}
