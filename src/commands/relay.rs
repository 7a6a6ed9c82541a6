//! `agegate relay --off`, and the keeper process.

use std::{
    io::{BufReader, Write, stdin, stdout},
    path::Path,
    time::{Duration, Instant},
};

use super::{Exit, Outcome};
use crate::{
    cli::RelayArgs,
    config::{OutputConfig, RelayConfig},
    door_unit::line::{self, LineError},
    relay::{self, RelayError, keeper, protocol::Said},
    runtime::{self, Condition},
    say,
};

/// In which the pin of a gate that died must come free.
const RELEASING: Duration = Duration::from_secs(2);

/// Drives the lock to its safe state: the relay released. Goes by what the last gate drove; only where there was none, by
/// the configuration, and then by no more of it than it needs.
///
/// # Errors
/// If a gate is at work, nobody knows which relay to release, or a pin cannot be driven.
pub fn off(args: &RelayArgs) -> Outcome {
    let mut outputs = Vec::new();
    let relays = match runtime::last(&args.config) {
        Some(last) => {
            if last.gate_condition() == Condition::Alive {
                return Err(format!(
                    "a gate runs (process {}) and drives this relay; stop it first: `systemctl stop agegate`, or kill it",
                    last.gate.pid
                )
                .into());
            }
            runtime::clear_keeper(&last);
            outputs.clone_from(&last.devices.outputs);
            last.relays.iter().map(RelayConfig::from).collect()
        }
        None => Vec::new(),
    };
    let relays = match relays.is_empty() {
        true => vec![runtime::relay_of_file(&args.config)?],
        false => relays,
    };
    for (config, result) in relays.iter().map(|config| (config, release(config))) {
        say!("{}: released", result.map_err(|e| told(&e, config))?);
    }
    // The lock first: whatever a lamp does, the door is shut.
    for output in &outputs {
        switched_off(output)?;
        say!("output on line {} of {:?}: off", output.line, output.chip);
    }
    Ok(Exit::Success)
}

/// Switches an output of a door unit off: a driver may have kept the level of a gate that was killed.
fn switched_off(output: &OutputConfig) -> Result<(), LineError> {
    line::output("outputs", output).map(drop)
}

fn told(error: &RelayError, config: &RelayConfig) -> String {
    format!("pin {} is not released: {error}", config.pin)
}

/// Releases a relay, waiting a moment for whoever holds the pin still to let go; what it is.
pub(super) fn release(config: &RelayConfig) -> Result<String, RelayError> {
    let until = Instant::now() + RELEASING;
    loop {
        match relay::open(config).and_then(|mut relay| relay.set(false).map(|()| relay.describe())) {
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            result => return result,
        }
    }
}

/// Cleans up after a gate that is no more: its keeper, if it is left, and the relays that it drove. `otherwise` is the
/// relay where no gate has left word.
pub(super) fn clean_up(config: &Path, otherwise: &RelayConfig) {
    let last = runtime::last(config);
    if let Some(last) = &last {
        runtime::clear_keeper(last);
    }
    let outputs = last.as_ref().map(|l| l.devices.outputs.clone()).unwrap_or_default();
    let mut relays: Vec<RelayConfig> =
        last.map(|l| l.relays.iter().map(RelayConfig::from).collect()).unwrap_or_default();
    if relays.is_empty() {
        relays.push(otherwise.clone());
    }
    for relay in &relays {
        if let Err(error) = release(relay) {
            log::error!("{}", told(&error, relay));
        }
    }
    for output in &outputs {
        if let Err(error) = switched_off(output) {
            log::error!("{error}");
        }
    }
}

/// Runs the keeper until its input ends.
///
/// # Errors
/// If the settings are wrong or the pin cannot be driven.
pub fn keeper() -> Outcome {
    // The keeper outlives a Ctrl-C at the terminal by the moment it needs to release the relay: its input ends then.
    let ignored = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, std::sync::Arc::clone(&ignored))?;
    }
    // Started through /proc/self/exe it would be "exe" to `pidof` and `ps`.
    let _ = rustix::thread::set_name(c"agegate");
    let outcome = keeper::run(BufReader::new(stdin()), &mut stdout(), &mut |config| relay::open(config));
    if let Err(error) = &outcome {
        let _ = writeln!(stdout(), "{}", Said::Failed(error.to_string()).line());
    }
    outcome?;
    Ok(Exit::Success)
}
