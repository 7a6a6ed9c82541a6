//! `agegate run`: the daemon.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    Exit, LIVENESS_OFF, Outcome, chain,
    notify::{Tell, notify},
    of_log,
    signals::Signals,
};
use crate::{
    audit::{Act, ActReason, AuditLog, key, medium},
    camera::{self, capture::Capture},
    cli::RunArgs,
    config::{CameraSource, Config, ConfigError, LivenessMode, StartMode},
    display::{Screen, panel, worker::DisplayWorker},
    door_unit::{DoorUnit, tamper},
    frame::Frame,
    gate::{Changes, DecisionLog, Ended, Gate, GateParts, Surroundings},
    judge::Judge,
    relay::keeper_door::KeeperDoor,
    runtime::{Devices, RunFile},
    status::{Condition, StatusFile},
    trigger::{LineTrigger, Trigger},
    visit::Decision,
};

/// This very program, also after its file was replaced by another version: gate and keeper are of one version.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Runs the daemon until SIGTERM or SIGINT. SIGHUP reads the configuration anew, or keeps the old one and says why.
///
/// # Errors
/// Anything that keeps it from starting: the door stays shut.
pub fn run(args: &RunArgs) -> Outcome {
    let signals = Signals::register()?;
    if args.supervised {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    }
    let path = &args.config.config;
    let mut config = Config::load(path)?;
    let judge = Judge::new(&config)?;
    let (mut gate, run_file) = build(&config, judge, path)?;
    notify(Tell::Ready);
    log::info!("agegate {} runs; policy {}", env!("CARGO_PKG_VERSION"), gate.policy());
    log::info!("policy: {}", gate.policy_statement());
    tell_notes(&config);
    let mut around = Daemon {
        signals: &signals,
        path,
        last_fed: Instant::now() - Duration::from_secs(60),
        preparing: None,
        status: StatusFile::new(run_file.status_path(), &run_file.config_path(), gate.policy()),
    };
    loop {
        match gate.run(&mut around) {
            Ended::Stopped => {
                notify(Tell::Stopping);
                around.status.stop();
                let counts = gate.counts();
                log::info!(
                    "agegate stops; the door is shut; frames that a newer one replaced: {}, that could not be decoded: {}",
                    counts.dropped,
                    counts.broken
                );
                return Ok(Exit::Success);
            }
            Ended::Recording => {
                around.status.stop();
                log::info!("the recording is over; agegate stops; the door is shut");
                return Ok(Exit::Success);
            }
            Ended::Reload => {}
        }
        let Some(prepared) = around.prepared() else { continue };
        match prepared.and_then(|(next, judge)| reload(&mut gate, &mut around, &run_file, &config, next, judge)) {
            Ok(next) => {
                config = next;
                around.status.policy(gate.policy());
                log::info!("configuration read anew; policy {}", gate.policy());
                log::info!("policy: {}", gate.policy_statement());
                tell_notes(&config);
            }
            Err(error) => {
                log::error!("the new configuration is not used, the old one stays in force: {error}");
            }
        }
        notify(Tell::Ready);
    }
}

fn tell_notes(config: &Config) {
    for (key, what) in config.notes() {
        log::warn!("{key}: {what}");
    }
    if config.liveness.mode == LivenessMode::Off {
        log::warn!("liveness {LIVENESS_OFF}");
    }
}

fn open_log(config: &Config) -> Result<AuditLog, ConfigError> {
    let log = AuditLog::open(&config.log).map_err(|error| of_log(config, error))?;
    for forgotten in medium::forgotten(&config.log, config.inputs.tamper.is_some()) {
        log::warn!("{}: {}", forgotten.key, forgotten.text);
    }
    Ok(log)
}

/// Puts the gate together.
fn build(config: &Config, judge: Judge, path: &Path) -> Result<(Gate, Arc<RunFile>), Box<dyn std::error::Error>> {
    // The log first: only one gate at a time can have it, and a second one must not touch the pin of the first.
    let log = open_log(config)?;
    if config.inputs.tamper.is_some() {
        let marked = tamper::can_be_marked(&tamper::marker(&config.log.folder));
        marked.map_err(|error| config.unusable("log.folder", error))?;
    }
    let run_file = Arc::new(RunFile::claim(path, config)?);
    // A simulated relay has a keeper too: what is tried without a pin is the same as with one.
    let door = KeeperDoor::start(Path::new(THIS_PROGRAM), &config.relay, Arc::clone(&run_file))?;
    let parts = GateParts {
        judge,
        capture: capture(config, config.start.mode == StartMode::Always)?,
        log: Box::new(log),
        door: Box::new(door),
        display: display(config)?,
        trigger: trigger(config)?,
        start: config.start.clone(),
        unit: DoorUnit::open(config)?,
    };
    Ok((Gate::new(parts), run_file))
}

fn capture(config: &Config, wanted: bool) -> std::io::Result<Capture> {
    if config.camera.source == CameraSource::Replay {
        log::warn!("the camera is a recording: for tests and demonstrations only");
    }
    let every_frame = false;
    Capture::start(camera::opener(config.clone()), every_frame, wanted)
}

fn display(config: &Config) -> std::io::Result<DisplayWorker> {
    let config = config.clone();
    DisplayWorker::start(Box::new(move || panel::open_of(&config)))
}

fn trigger(config: &Config) -> Result<Option<Box<dyn Trigger>>, crate::trigger::TriggerError> {
    Ok(LineTrigger::open(&config.start)?.map(|t| Box::new(t) as Box<dyn Trigger>))
}

/// Puts another configuration into force, part by part as far as it differs. Whatever can fail is made first, beside the
/// old parts; what fails leaves the gate as it was.
fn reload(
    gate: &mut Gate,
    around: &mut Daemon,
    run_file: &RunFile,
    old: &Config,
    next: Config,
    judge: Judge,
) -> Result<Config, String> {
    let said = |e: &(dyn std::error::Error + 'static)| chain(e);
    if next.inputs.lines() != old.inputs.lines() || !next.outputs.same_lines(&old.outputs) {
        return Err("the lines of [inputs] and [outputs] are taken at the start: restart the gate for others".into());
    }
    run_file.taken(&next).map_err(|e| said(&e))?;
    let same_folder = same_place(&next.log.folder, &old.log.folder);
    let keys = (key::path(&next.log), key::path(&old.log));
    if same_folder && !matches!(&keys, (Ok(next), Ok(old)) if same_file(next, old)) {
        return Err("the key of a log is taken at the start: restart the gate for another `log.key_file`".into());
    }
    let (mark, before) = (tamper::marker(&next.log.folder), tamper::marker(&old.log.folder));
    if !same_file(&mark, &before) && (old.inputs.tamper.is_some() || tamper::is_there(&before)) {
        return Err(
            "what says that the cover was opened lies beside the log's folder: restart the gate for another one".into(),
        );
    }
    let log = match same_folder {
        true => None,
        false => Some(Box::new(open_log(&next).map_err(|e| said(&e))?) as Box<dyn DecisionLog>),
    };
    let line = |c: &Config| (c.start.mode != StartMode::Always).then(|| (c.start.line, c.start.chip.clone()));
    let trigger = match line(&next) == line(old) {
        true => None,
        false => Some(trigger(&next).map_err(|e| said(&e))?),
    };
    let capture = match next.camera == old.camera {
        true => None,
        false => Some(capture(&next, false).map_err(|e| said(&e))?),
    };
    let display = match next.display == old.display {
        true => None,
        false => Some(display(&next).map_err(|e| said(&e))?),
    };
    let changes = Changes {
        judge: gate.judges_otherwise(&judge).then_some(judge),
        capture,
        log,
        log_limits: (same_folder && next.log != old.log).then(|| next.log.clone()),
        relay: (next.relay != old.relay).then(|| next.relay.clone()),
        display,
        trigger,
        start: next.start.clone(),
        unit: ((&next.inputs, &next.outputs) != (&old.inputs, &old.outputs))
            .then(|| (next.inputs.clone(), next.outputs.clone())),
    };
    gate.change(changes, around).map_err(|e| said(&e))?;
    if let Err(error) = run_file.devices(Devices::of(&next)) {
        log::warn!("{error}");
    }
    Ok(next)
}

/// Whether two paths lead to one folder, however they are written.
fn same_place(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}

/// Whether two paths name one file, which need not be there: its name, and the folder that this is in.
fn same_file(one: &Path, other: &Path) -> bool {
    let folder = |file: &Path| file.parent().map(Path::to_owned).unwrap_or_default();
    one.file_name() == other.file_name() && same_place(&folder(one), &folder(other))
}

/// What a configuration needs that takes long to make: the models load in a thread of their own, while the gate goes on.
type Prepared = Result<(Config, Judge), String>;

fn prepare(path: &Path) -> Prepared {
    let config = Config::load(path).map_err(|e| chain(&e))?;
    let judge = Judge::new(&config).map_err(|e| chain(&e))?;
    Ok((config, judge))
}

struct Daemon<'a> {
    signals: &'a Signals,
    path: &'a Path,
    last_fed: Instant,
    preparing: Option<JoinHandle<Prepared>>,
    status: StatusFile,
}

impl Daemon<'_> {
    fn prepare(&mut self) {
        notify(Tell::Reloading);
        let path = self.path.to_owned();
        match std::thread::Builder::new().name("reload".into()).spawn(move || prepare(&path)) {
            Ok(thread) => self.preparing = Some(thread),
            Err(error) => {
                log::error!("the new configuration is not used, the old one stays in force: no thread: {error}");
                notify(Tell::Ready);
            }
        }
    }

    /// What the thread has prepared.
    fn prepared(&mut self) -> Option<Prepared> {
        let thread = self.preparing.take()?;
        Some(thread.join().unwrap_or_else(|_| Err("reading it failed".into())))
    }
}

impl Surroundings for Daemon<'_> {
    fn asked(&mut self) -> Option<Ended> {
        if self.signals.stop.load(Ordering::Relaxed) {
            return Some(Ended::Stopped);
        }
        match &self.preparing {
            Some(thread) => thread.is_finished().then_some(Ended::Reload),
            None => {
                if self.signals.reload.swap(false, Ordering::Relaxed) {
                    self.prepare();
                }
                None
            }
        }
    }

    fn progress(&mut self) {
        if self.last_fed.elapsed() >= Duration::from_secs(1) {
            self.last_fed = Instant::now();
            notify(Tell::Progress);
        }
    }

    fn decided(&mut self, decision: &Decision, logged: bool) {
        self.status.decided(decision.outcome, logged);
    }

    fn acted(&mut self, _decision: u64, act: Act, _reason: Option<ActReason>) {
        self.status.acted(act);
    }

    fn judged(&mut self, _frame: &Frame, _screen: Screen) {
        self.status.judged();
    }

    fn condition(&mut self, condition: &Condition) {
        self.status.renew(condition);
    }
}
