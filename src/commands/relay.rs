//! `agegate relay --off`, and the keeper process.

use std::io::{BufReader, stdin, stdout};

use super::{Exit, Outcome};
use crate::{
    cli::{ConfigArgs, RelayArgs},
    config::Config,
    relay::{self, keeper},
    say,
};

/// Drives the lock to its safe state: the relay released.
///
/// # Errors
/// If the configuration cannot be read or the pin cannot be driven.
pub fn off(args: &RelayArgs) -> Outcome {
    let config = Config::load(&args.config)?;
    let mut relay = relay::open(&config.relay)?;
    relay.set(false)?;
    say!("{}: released", relay.describe());
    Ok(Exit::Success)
}

/// Runs the keeper until its input ends.
///
/// # Errors
/// If the pin cannot be driven.
pub fn keeper(args: &ConfigArgs) -> Outcome {
    // The keeper outlives a Ctrl-C at the terminal by the moment it needs to release the relay: its input ends then.
    let ignored = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, std::sync::Arc::clone(&ignored))?;
    }
    let config = Config::load(&args.config)?;
    let relay = relay::open(&config.relay)?;
    keeper::run(&config.relay, relay, BufReader::new(stdin()), stdout())?;
    Ok(Exit::Success)
}
