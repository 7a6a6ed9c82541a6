//! `agegate check`: would `run` start? One line each: `ok`, or what to do.
//!
//! What a running gate uses is left alone, and said to be: opening a live pin would release it, and a panel would be reset.

use std::path::Path;

use super::{
    Exit, LIVENESS_OFF, Outcome, chain,
    neighbours::{Holder, Neighbours},
    of_log,
};
use crate::{
    audit::{
        AuditError, AuditLog, files,
        lock::{self, Writer},
        medium,
    },
    camera::{self, CameraError, Retry, controls, pipe, turned::Rotation},
    cli::CheckArgs,
    config::{CameraSource, Config, DisplayDriver, Held, RelayDriver, StartMode, held},
    display::panel,
    door_unit::{line, tamper},
    frame::Frame,
    gpio,
    judge::Judge,
    relay, runtime, say,
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
pub fn run(args: &CheckArgs) -> Outcome {
    let mut list = List { failed: 0 };
    let file = &args.config.config;
    let place = args.in_place_of.as_ref().unwrap_or(file);
    let config = match Config::load_in_place_of(file, place) {
        Ok(config) => {
            list.good("configuration", &file.display().to_string());
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
            match judge.doubt_about_figures() {
                None => list.good("policy", &judge.policy_statement()),
                Some(_) => list.note("policy", &judge.policy_statement()),
            }
            match (judge.liveness_model(), judge.liveness_statement()) {
                (Some(model), Some(line)) => {
                    let runs = liveness.unwrap_or_default();
                    list.good("liveness", &format!("{}, {model}, runs in {runs}: {line}", judge.liveness_mode()));
                }
                _ => list.note("liveness", LIVENESS_OFF),
            }
            spare_liveness_model(&mut list, &config, judge.liveness_model().is_some());
        }
        Err(error) => list.bad("models and policy", &chain(&error)),
    }
    let neighbours = Neighbours::of(place);
    match neighbours.camera(&config) {
        Some(holder) if config.camera.source == CameraSource::Pipe => {
            list.held("camera", &pipe::shown(&config.camera.command), holder, &config, "camera.command");
        }
        Some(holder) => {
            list.held("camera", &config.camera.device.display().to_string(), holder, &config, "camera.device");
        }
        None => {
            let failed = list.failed;
            camera(&mut list, &config);
            if let Some(gate) = neighbours.same_command(&config).filter(|_| list.failed > failed) {
                let (pid, theirs) = (gate.gate.pid, gate.config.display());
                list.note("camera", &format!("the gate that runs with {theirs} (process {pid}) runs the same command"));
            }
        }
    }
    match (neighbours.relay(&config.relay), clash(&neighbours, &config, "relay.")) {
        (Some(holder), _) => {
            list.held("relay", &format!("pin {}", config.relay.pin), holder, &config, "relay.pin");
        }
        (None, Some((line, holder))) => list.held("relay", &format!("pin {}", line.line), holder, &config, &line.key),
        (None, None) => match keeper_at_work(config.relay.driver) {
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
        match clash(&neighbours, &config, "start.") {
            Some((line, holder)) => list.held("start", &format!("line {}", line.line), holder, &config, &line.key),
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
    door_unit(&mut list, &config, &neighbours);
    match config.display.driver {
        DisplayDriver::None => list.note("display", "none configured"),
        _ => match (neighbours.spi(&config.display.spi), clash(&neighbours, &config, "display.")) {
            (Some(holder), _) => {
                list.held("display", &config.display.spi.display().to_string(), holder, &config, "display.spi");
            }
            (None, Some((line, holder))) => {
                list.held("display", &format!("line {}", line.line), holder, &config, &line.key);
            }
            (None, None) => list.of("display", panel::open_of(&config).map(|d| d.describe())),
        },
    }
    decision_log(&mut list, &config, &neighbours);
    for forgotten in medium::forgotten(&config.log, config.inputs.tamper.is_some()) {
        // What keeps the door shut after the cover was opened has to outlast a power cut.
        match forgotten.unlocks {
            true => list.bad("log medium", &forgotten.text),
            false => list.note("log medium", &forgotten.text),
        }
    }
    free_space(&mut list, &config.log.folder);
    for (path, label, lines) in gpio::list() {
        say!("      GPIO chip {label:?} at {} with {lines} lines", path.display());
    }
    Ok(if list.failed == 0 { Exit::Success } else { Exit::Found })
}

/// A liveness model that is named and not asked for now must do on the day on which it is.
fn spare_liveness_model(list: &mut List, config: &Config, in_use: bool) {
    if in_use || config.models.liveness.is_none() {
        return;
    }
    let model = config.model("models.liveness", LivenessModel::load_for);
    list.of("models.liveness", model.map(|model| format!("{}, not in use", model.identity())));
}

/// A line of a table of this configuration that a gate has, and which; of several one that keeps `run` from starting.
fn clash<'a>(neighbours: &'a Neighbours, config: &Config, table: &str) -> Option<(Held, Holder<'a>)> {
    let lines = held(config).into_iter().filter(|line| line.key.starts_with(table));
    let taken = lines.filter_map(|line| neighbours.line(&line).map(|holder| (line, holder)));
    let (others, own): (Vec<_>, Vec<_>) = taken.partition(|(_, holder)| matches!(holder, Holder::Other(_)));
    others.into_iter().chain(own).next()
}

/// Who writes to the log, and whether this configuration's gate could.
fn decision_log(list: &mut List, config: &Config, neighbours: &Neighbours) {
    let what = "decision log";
    match lock::writer(&config.log.folder) {
        Err(error) => return list.of(what, Err::<String, _>(of_log(config, error))),
        Ok(Writer::Nobody) => {}
        Ok(Writer::Process(pid)) => match neighbours.process(pid) {
            Some(Holder::Own(_)) => {}
            Some(holder) => {
                return list.held(what, &config.log.folder.display().to_string(), holder, config, "log.folder");
            }
            None => {
                let busy = AuditError::Busy { path: config.log.folder.clone(), by: pid };
                return list.of(what, Err::<String, _>(of_log(config, busy)));
            }
        },
    }
    let probed = AuditLog::probe(&config.log).map_err(|error| of_log(config, error));
    let losses = probed.as_ref().map_or_else(|_| String::new(), |probed| probed.losses.join("; "));
    list.of(what, probed.map(|probed| probed.state));
    if !losses.is_empty() {
        list.note(
            what,
            &format!(
                "it is not as the gate left it: {losses}; the next start notes that, and `agegate log verify` says more"
            ),
        );
    }
}

/// Each line of the door unit: what an input reads; that an output can be had.
fn door_unit(list: &mut List, config: &Config, neighbours: &Neighbours) {
    let taken = |key: &str, chip: &str, line: u32| neighbours.line(&Held { key: key.into(), chip: chip.into(), line });
    for (key, input) in config.inputs.lines() {
        if let Some(holder) = taken(key, &input.chip, input.line) {
            list.held(key, &format!("line {}", input.line), holder, config, key);
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
            Some(holder) => list.held(key, &format!("line {}", output.line), holder, config, key),
            None => list
                .of(key, line::output(key, &output).map(|_| format!("line {} of {:?}, off", output.line, output.chip))),
        }
    }
    let marker = tamper::marker(&config.log.folder);
    if let Some(stands) = tamper::what_stands(&marker) {
        list.bad("cover", &stands);
    } else if let (true, Err(error)) = (config.inputs.tamper.is_some(), tamper::can_be_marked(&marker)) {
        list.bad("cover", &config.unusable("log.folder", error).to_string());
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

    /// What a gate has that runs: a note where it is the one of this configuration, and else what keeps `run` from starting.
    fn held(&mut self, what: &str, thing: &str, holder: Holder<'_>, config: &Config, key: &str) {
        match holder {
            Holder::Own(_) => self.note(what, &format!("{thing} is {holder}")),
            Holder::Other(_) => {
                self.bad(what, &config.unusable(key, format!("{thing} is {holder}")).to_string());
            }
        }
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
    let mut opened = match camera::open_of(config) {
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
    let Ok(device) = camera::v4l2::device(&config.camera.device) else { return };
    for control in controls::list(&device).unwrap_or_default() {
        say!("      camera control {control}");
    }
}

fn free_space(list: &mut List, folder: &Path) {
    // What stands in the way of the folder is told above.
    let Ok(folder) = files::nearest(folder) else { return };
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
