//! `agegate check`: would `run` start? One line each: `ok`, or what to do.

use std::path::Path;

use super::{Exit, Outcome, chain};
use crate::{
    audit::AuditLog,
    camera::{self, Camera, v4l2},
    cli::ConfigArgs,
    config::{CameraSource, Config, DisplayDriver, RelayDriver, StartMode},
    display::panel,
    judge::Judge,
    relay::{self, chip},
    say,
};

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
    match Judge::new(&config) {
        Ok(judge) => {
            list.good("face detector", &judge.detector_model().to_string());
            list.good("age model", &judge.age_model().to_string());
            list.good("policy", &policy_line(&judge));
        }
        Err(error) => list.bad("models and policy", &chain(&error)),
    }
    camera(&mut list, &config);
    list.of("relay", relay::open(&config.relay).map(|relay| relay.describe()));
    if config.relay.driver == RelayDriver::Simulated {
        list.note("relay", "driver = \"simulated\": no door will move");
    }
    if config.start.mode != StartMode::Always {
        list.of(
            "start",
            crate::trigger::LineTrigger::open(&config.start)
                .map(|_| format!("{:?} on line {} of {:?}", config.start.mode, config.start.line, config.start.chip)),
        );
    }
    match config.display.driver {
        DisplayDriver::None => list.note("display", "none configured"),
        _ => list.of("display", panel::open(&config.display).map(|d| d.describe())),
    }
    list.of("decision log", AuditLog::probe(&config.log));
    free_space(&mut list, &config.log.folder);
    for (path, label, lines) in chip::list() {
        say!("      GPIO chip {label:?} at {} with {lines} lines", path.display());
    }
    Ok(if list.failed == 0 { Exit::Success } else { Exit::Found })
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

fn policy_line(judge: &Judge) -> String {
    let p = judge.policy();
    let basis = p.evidence.as_ref().map_or_else(
        || "no figures with it: run `agegate calibrate`".into(),
        |e| {
            format!(
                "{:.2} % of {} minors let in, at most {:.2} % with 95 % confidence; {:.1} % of adults asked for ID",
                e.false_accept * 100.0,
                e.minors,
                e.false_accept_high * 100.0,
                e.false_reject * 100.0
            )
        },
    );
    format!("{} and over at P >= {}, challenge age {}; {basis}", p.threshold_age, p.confidence, p.challenge_age)
}

fn camera(list: &mut List, config: &Config) {
    if config.camera.source == CameraSource::Replay {
        list.note("camera", "source = \"replay\": recorded pictures, for tests and demonstrations only");
        return list.of("camera", camera::open(&config.camera).map(|c| c.describe()));
    }
    let mut opened = match v4l2::V4l2Camera::open(&config.camera) {
        Ok(camera) => camera,
        Err(error) => return list.bad("camera", &chain(&error)),
    };
    let description = opened.describe();
    list.of(
        "camera",
        opened
            .next_frame()
            .map(|frame| format!("{description}, a frame of {}x{} came", frame.pixels.width(), frame.pixels.height())),
    );
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
