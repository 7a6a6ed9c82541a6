//! `agegate run`: the daemon.

use std::{
    path::Path,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

use super::{Exit, Outcome, chain, signals::Signals};
use crate::{
    audit::AuditLog,
    camera::{self, capture::Capture},
    cli::RunArgs,
    config::{CameraSource, Config, StartMode},
    display::{panel, worker::DisplayWorker},
    gate::{Ended, Gate, Surroundings},
    judge::Judge,
    relay::keeper::{Door, KeeperDoor},
    trigger::{LineTrigger, Trigger},
};

/// Runs the daemon until SIGTERM or SIGINT. SIGHUP reads the configuration anew, or keeps the old one and says why.
///
/// # Errors
/// Anything that keeps it from starting: the door stays shut.
pub fn run(args: &RunArgs) -> Outcome {
    let signals = Signals::register()?;
    if args.supervised {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    }
    let args = &args.config;
    let mut config = Config::load(&args.config)?;
    let mut judge = Judge::new(&config)?;
    let mut gate = build(&config, judge, &args.config)?;
    notify(&[NotifyState::Ready]);
    log::info!("agegate {} runs; policy {}", env!("CARGO_PKG_VERSION"), gate.judge.policy().identity());
    log::info!("policy: {}", gate.judge.policy_statement());
    loop {
        let mut around = Daemon { signals: &signals, last_fed: Instant::now() - Duration::from_secs(60) };
        match gate.run(&mut around) {
            Ended::Stopped => {
                notify(&[NotifyState::Stopping]);
                let counts = gate.capture.counts();
                log::info!(
                    "agegate stops; the door is shut; frames that a newer one replaced: {}, that could not be decoded: {}",
                    counts.dropped,
                    counts.broken
                );
                return Ok(Exit::Success);
            }
            Ended::Recording => return Ok(Exit::Success),
            Ended::Reload => {}
        }
        reloading();
        let next = Config::load(&args.config).map_err(|e| chain(&e)).and_then(|c| {
            let judge = Judge::new(&c).map_err(|e| chain(&e))?;
            Ok((c, judge))
        });
        // The old parts hold the camera, the log and the pin: they go before the new ones come.
        drop(gate);
        let built = next.and_then(|(c, judge)| {
            let gate = build(&c, judge, &args.config).map_err(|e| chain(e.as_ref()))?;
            config = c;
            Ok(gate)
        });
        gate = match built {
            Ok(gate) => {
                log::info!("configuration read anew; policy {}", gate.judge.policy().identity());
                log::info!("policy: {}", gate.judge.policy_statement());
                gate
            }
            Err(error) => {
                log::error!("the new configuration is not used, the old one stays in force: {error}");
                judge = Judge::new(&config)?;
                build(&config, judge, &args.config)?
            }
        };
        notify(&[NotifyState::Ready]);
    }
}

/// Puts the gate together.
fn build(config: &Config, judge: Judge, config_path: &Path) -> Result<Gate, Box<dyn std::error::Error>> {
    // The door first: whatever fails after it, the relay is released.
    // A simulated relay has a keeper too: what is tried without a pin is the same as with one.
    let door: Box<dyn Door> = Box::new(KeeperDoor::start(&std::env::current_exe()?, config_path, &config.relay)?);
    let log = AuditLog::open(&config.log)?;
    let trigger = LineTrigger::open(&config.start)?.map(|t| Box::new(t) as Box<dyn Trigger>);
    let (camera_config, display_config) = (config.camera.clone(), config.display.clone());
    if camera_config.source == CameraSource::Replay {
        log::warn!("the camera is a recording: for tests and demonstrations only");
    }
    let display = DisplayWorker::start(Box::new(move || panel::open(&display_config)))?;
    let every_frame = false;
    let always = config.start.mode == StartMode::Always;
    let capture = Capture::start(Box::new(move || camera::open(&camera_config)), every_frame, always)?;
    Ok(Gate { judge, capture, log: Box::new(log), door, display, trigger, start: config.start.clone() })
}

struct Daemon<'a> {
    signals: &'a Signals,
    last_fed: Instant,
}

impl Surroundings for Daemon<'_> {
    fn asked(&mut self) -> Option<Ended> {
        if self.signals.stop.load(Ordering::Relaxed) {
            return Some(Ended::Stopped);
        }
        self.signals.reload.swap(false, Ordering::Relaxed).then_some(Ended::Reload)
    }

    fn progress(&mut self) {
        if self.last_fed.elapsed() >= Duration::from_secs(1) {
            self.last_fed = Instant::now();
            notify(&[NotifyState::Watchdog]);
        }
    }
}

/// Tells the service manager, where there is one.
fn notify(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        log::debug!("the service manager cannot be told: {error}");
    }
}

fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => log::debug!("no time for the service manager: {error}"),
    }
}
