//! `agegate check`: would `run` start? One line each: `ok`, or what to do.
//!
//! What a running gate uses is left alone, and said to be: opening a live pin would release it, and a panel would be reset.

use std::path::Path;

use super::{Exit, Outcome, chain};
use crate::{
    audit::AuditLog,
    camera::{self, CameraError, Retry, controls, turned::Rotation},
    cli::ConfigArgs,
    config::{CameraSource, Config, DisplayDriver, Held, RelayConfig, RelayDriver, StartMode},
    display::panel,
    door_unit::{line, tamper},
    frame::Frame,
    gpio,
    judge::Judge,
    relay,
    runtime::{self, Condition, Running},
    say,
    view::View,
    vision::{Detector, LivenessModel},
};

/// Frames that are looked at.
const LOOKS: usize = 5;
/// How much surer the detector must be of the faces in a turned picture.
const SURER: f32 = 1.05;

/// Runs the command.
///
/// # Errors
/// Never; what is wrong is printed and makes the exit code 1.
pub fn run(args: &ConfigArgs) -> Outcome {
    let mut list = List { failed: 0 };
    let config = match Config::load(&args.config) {
        Ok(config) => {
            list.good("configuration", &args.config.display().to_string());
            config
        }
        Err(error) => {
            list.bad("configuration", &chain(&error));
            return Ok(Exit::Found);
        }
    };
    for (key, what) in config.notes() {
        list.note(key, &what);
    }
    match Judge::new(&config) {
        Ok(judge) => {
            let (detector, age, liveness, _) = judge.runs();
            list.good("face detector", &format!("{}, runs in {detector}", judge.detector_model()));
            list.good("age model", &format!("{}, runs in {age}", judge.age_model()));
            list.good("policy", &judge.policy_statement());
            match (judge.liveness_model(), judge.liveness_statement()) {
                (Some(model), Some(line)) => {
                    let runs = liveness.unwrap_or_default();
                    list.good("liveness", &format!("{}, {model}, runs in {runs}: {line}", judge.liveness_mode()));
                }
                _ => list.note("liveness", "off: a photo of an adult, held before the camera, may open the door"),
            }
            spare_liveness_model(&mut list, &config, judge.liveness_model().is_some());
        }
        Err(error) => list.bad("models and policy", &chain(&error)),
    }
    let gates: Vec<Running> =
        runtime::every().into_iter().filter(|gate| gate.gate_condition() != Condition::Gone).collect();
    let used_by = |uses: &dyn Fn(&Running) -> bool| gates.iter().find(|gate| uses(gate)).map(|gate| gate.gate.pid);
    let in_use = |pid: i32| format!("in use by the gate that runs (process {pid}); left alone");
    let same_camera = |g: &Running| {
        config.camera.source != CameraSource::Replay && g.devices.camera.as_ref() == Some(&config.camera.device)
    };
    match used_by(&same_camera) {
        Some(pid) => list.note("camera", &in_use(pid)),
        None => camera(&mut list, &config),
    }
    let same_pin =
        |g: &Running| g.relays.iter().any(|line| relay::maybe_same_line(&RelayConfig::from(line), &config.relay));
    match used_by(&same_pin) {
        Some(pid) => list.note("relay", &format!("pin {} is {}", config.relay.pin, in_use(pid))),
        None => match keeper_at_work(config.relay.driver) {
            Some(pid) => list.note(
                "relay",
                &format!("a gate's keeper runs (process {pid}), and nobody says which pin it drives: left alone"),
            ),
            None => list.of("relay", relay::open(&config.relay).map(|relay| relay.describe())),
        },
    }
    if config.relay.driver == RelayDriver::Simulated {
        list.note("relay", "driver = \"simulated\": no door will move");
    }
    if config.start.mode != StartMode::Always {
        match used_by(&|g| g.devices.start == Some(config.start.line)) {
            Some(pid) => list.note("start", &format!("line {} is {}", config.start.line, in_use(pid))),
            None => list.of(
                "start",
                crate::trigger::LineTrigger::open(&config.start).map(|_| {
                    format!(
                        "{:?} on line {} of {}",
                        config.start.mode,
                        config.start.line,
                        gpio::shown(&config.start.chip)
                    )
                }),
            ),
        }
    }
    door_unit(&mut list, &config, &|held| used_by(&|g| g.devices.lines.iter().any(|line| line.may_be(held))));
    match config.display.driver {
        DisplayDriver::None => list.note("display", "none configured"),
        _ => match used_by(&|g| g.devices.spi.as_ref() == Some(&config.display.spi)) {
            Some(pid) => list.note("display", &in_use(pid)),
            None => list.of("display", panel::open(&config.display).map(|d| d.describe())),
        },
    }
    list.of("decision log", AuditLog::probe(&config.log));
    free_space(&mut list, &config.log.folder);
    for (path, label, lines) in gpio::list() {
        say!("      GPIO chip {label:?} at {} with {lines} lines", path.display());
    }
    Ok(if list.failed == 0 { Exit::Success } else { Exit::Found })
}

/// A liveness model that is named and not asked for now must do on the day on which it is.
fn spare_liveness_model(list: &mut List, config: &Config, in_use: bool) {
    let Some(path) = config.models.liveness.as_deref().filter(|_| !in_use) else { return };
    let model = LivenessModel::load_for(Some(path), config.models.runtime);
    list.of("models.liveness", model.map(|model| format!("{}, not in use", model.identity())));
}

/// Each line of the door unit: what an input reads; that an output can be had. `used_by` is the gate that has a line.
fn door_unit(list: &mut List, config: &Config, used_by: &dyn Fn(&Held) -> Option<i32>) {
    let taken = |key: &str, chip: &str, line: u32| used_by(&Held { key: key.into(), chip: chip.into(), line });
    let in_use =
        |line: u32, pid: i32| format!("line {line} is in use by the gate that runs (process {pid}); left alone");
    for (key, input) in config.inputs.lines() {
        if let Some(pid) = taken(key, &input.chip, input.line) {
            list.note(key, &in_use(input.line, pid));
            continue;
        }
        let read = line::input(key, input).and_then(|mut line| line.active());
        let says = |active| match (key, active) {
            ("inputs.contact", true) => "active: the leaf is shut",
            ("inputs.contact", false) => "inactive: the leaf is open, or the wire broken",
            ("inputs.tamper", true) => "active: the cover is on",
            ("inputs.tamper", false) => "inactive: the cover is off, or the wire broken",
            (_, true) => "active: pressed now, or stuck",
            (_, false) => "inactive",
        };
        list.of(key, read.map(|active| format!("line {} of {:?} reads {}", input.line, input.chip, says(active))));
    }
    for (key, output) in config.outputs.lines() {
        match taken(key, &output.chip, output.line) {
            Some(pid) => list.note(key, &in_use(output.line, pid)),
            None => list
                .of(key, line::output(key, &output).map(|_| format!("line {} of {:?}, off", output.line, output.chip))),
        }
    }
    if tamper::is_there(&tamper::marker(&config.log.folder)) {
        list.bad("cover", "it was opened: nothing opens until `agegate reset-tamper`");
    }
}

/// A keeper that no run-time file tells of: its gate keeps its file where this user cannot look.
fn keeper_at_work(driver: RelayDriver) -> Option<u32> {
    if driver == RelayDriver::Simulated {
        return None;
    }
    runtime::processes("relay-keeper").into_iter().next()
}

struct List {
    failed: usize,
}

impl List {
    fn good(&mut self, what: &str, detail: &str) {
        say!("ok    {what}: {detail}");
    }

    fn note(&mut self, what: &str, detail: &str) {
        say!("note  {what}: {detail}");
    }

    fn bad(&mut self, what: &str, detail: &str) {
        self.failed += 1;
        say!("FAIL  {what}: {detail}");
    }

    fn of<E: std::error::Error + 'static>(&mut self, what: &str, result: Result<String, E>) {
        match result {
            Ok(detail) => self.good(what, &detail),
            Err(error) => self.bad(what, &chain(&error)),
        }
    }
}

fn camera(list: &mut List, config: &Config) {
    match config.camera.source {
        CameraSource::Replay => {
            list.note("camera", "source = \"replay\": recorded pictures, for tests and demonstrations only");
        }
        CameraSource::V4l2 => controls(config),
        CameraSource::Pipe => {}
    }
    let mut opened = match camera::open(&config.camera) {
        Ok(camera) => camera,
        Err(error) => return list.bad("camera", &chain(&error)),
    };
    // A camera that is silent or gone is so at the first look: nobody waits for it five times.
    let mut frames = Vec::with_capacity(LOOKS);
    while frames.len() < LOOKS {
        let frame = opened.next_frame();
        let over = frame.as_ref().is_err_and(|error| error.retry() != Retry::NextFrame);
        frames.push(frame);
        if over {
            break;
        }
    }
    let description = opened.describe();
    match frames.iter().find_map(|frame| frame.as_ref().ok()) {
        Some(frame) => {
            let (width, height) = frame.pixels.dimensions();
            list.good("camera", &format!("{description}, a frame of {width}x{height} came"));
        }
        None => {
            return list.of("camera", frames.into_iter().next().unwrap_or(Err(CameraError::End)).map(|_| description));
        }
    }
    turned(list, config, frames.into_iter().flatten());
}

/// Says so when a face is only found in another turn of the picture.
fn turned(list: &mut List, config: &Config, frames: impl Iterator<Item = Frame>) {
    let Ok(detector) = Detector::load(config.models.detector.as_deref()) else { return };
    let score = config.models.detector_score.unwrap_or_else(|| detector.shipped_score());
    // The surest face of every frame, in each turn: a head upside down now and then looks like one that is not.
    let mut sure = [0.0f32; 4];
    for frame in frames {
        for (sum, turn) in sure.iter_mut().zip(Rotation::ALL) {
            let faces = detector.detect_above(&turn.apply(&frame.pixels.whole()), score).unwrap_or_default();
            *sum += faces.iter().map(|face| face.score).fold(0.0, f32::max);
        }
    }
    let best = (1..4).max_by(|a, b| sure[*a].total_cmp(&sure[*b])).unwrap_or_default();
    if sure[best] > sure[0] * SURER {
        let needed = camera::turn(&config.camera).rotation.then(Rotation::ALL[best]).degrees();
        list.bad(
            "camera",
            &format!("faces are found only when the picture is turned: set `rotation = {needed}` in [camera]"),
        );
    } else if sure[0] == 0.0 {
        list.note("camera", "nobody is before it: stand there and check again, to see that it is mounted upright");
    }
}

/// The camera's own controls, as they go into `[camera.controls]`.
fn controls(config: &Config) {
    let Ok(device) = v4l::Device::with_path(&config.camera.device) else { return };
    for control in controls::list(&device).unwrap_or_default() {
        say!("      camera control {control}");
    }
}

fn free_space(list: &mut List, folder: &Path) {
    let folder = folder.ancestors().find(|p| p.exists()).unwrap_or(folder);
    match rustix::fs::statvfs(folder) {
        Ok(stat) => {
            let free = stat.f_bavail * stat.f_frsize;
            let text = format!("{} MB free", free / 1_000_000);
            if free < 1_000_000 {
                list.bad("log space", &format!("{text}; no decision that cannot be logged opens the door"));
            } else {
                list.good("log space", &text);
            }
        }
        Err(error) => list.bad("log space", &format!("{}: {error}", folder.display())),
    }
}
