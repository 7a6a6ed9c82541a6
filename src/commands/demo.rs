//! `agegate demo`: the whole gate with nothing attached.
//!
//! The same `Gate` as the daemon's, with recorded frames, a simulated relay and a display in memory; each says so. The
//! decisions are logged to a real log in the output folder.

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use flate2::read::ZlibDecoder;

use super::{
    Exit, Outcome, chain,
    show::{GIF, SHEET, Show, screen_name},
};
use crate::{
    audit::{
        AuditLog, key,
        verify::{Against, verify},
    },
    camera::{
        Camera, CameraError, Retry,
        capture::{Capture, Opener},
        replay::{Pace, ReplayCamera, is_device},
        v4l2::V4l2Camera,
    },
    cli::DemoArgs,
    config::{CameraConfig, Config, LivenessMode, LogConfig, RelayConfig, RelayDriver},
    display::{Screen, recorded::RecordedDisplay, texts::Texts, worker::DisplayWorker},
    gate::{Gate, GateParts},
    judge::Judge,
    made::{MadeError, MadeFolder},
    relay::{door::LocalDoor, simulated::SimulatedRelay},
    say,
};

/// Deflated by `build.rs`.
static VISITORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/visitors.mjpeg.zz"));
/// Somebody with a phone, who comes after them where a living face is asked for: elsewhere the phone would be let in.
static PHONE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/phone.mjpeg.zz"));
const RATE: f32 = 10.0;
const PANEL: (u32, u32) = (240, 320);

/// Runs the command.
///
/// # Errors
/// If the frames cannot be read or the results cannot be written.
pub fn run(args: &DemoArgs) -> Outcome {
    let stop = stop_flag()?;
    if let Some(path) = args.frames.as_deref().filter(|path| !is_device(path)) {
        try_recording(path)?;
    }
    let made = MadeFolder::open(&args.out)?;
    for name in [GIF, SHEET].map(String::from).into_iter().chain(Screen::ALL.map(screen_name)) {
        made.may_write(&name)?;
    }
    let log_folder = new_log_folder(&args.out)?;
    let relay_config = RelayConfig { driver: RelayDriver::Simulated, open_seconds: 1.5, ..RelayConfig::default() };
    let mut config = Config {
        relay: relay_config,
        log: LogConfig { folder: log_folder.clone(), ..LogConfig::default() },
        ..Config::default()
    };
    // The visitors of the demonstration come in a row; they are no tries of one person.
    config.visit.max_tries = 100;
    // The phone at the end is for the liveness model; a policy that cannot ask for a living face leaves it out.
    if config.policy().liveness.is_some() {
        config.liveness.mode = LivenessMode::Passive;
    }
    let judge = Judge::new(&config)?;
    let asks = judge.liveness_model().is_some();
    let relay = SimulatedRelay::new();
    let panel = RecordedDisplay::new(Texts::shipped(&args.language), PANEL.0, PANEL.1);
    let (opener, every_frame) = camera(args, asks);
    let shown = panel.clone();
    let policy = judge.policy().clone();
    let mut gate = Gate::new(GateParts {
        judge,
        capture: Capture::start(opener, every_frame, true)?,
        log: Box::new(AuditLog::open(&config.log)?),
        door: Box::new(LocalDoor::new(&config.relay, Box::new(relay.clone()))),
        display: DisplayWorker::start(Box::new(move || Ok(Box::new(shown.clone()))))?,
        trigger: None,
        start: config.start.clone(),
        unit: crate::door_unit::DoorUnit::default(),
    });
    say!(
        "agegate {}: demonstration. Nothing is attached: the relay is simulated, the display is drawn here and to {}.",
        env!("CARGO_PKG_VERSION"),
        args.out.display()
    );
    say!(
        "Policy: {} and over, surely {} at P >= {:.3}, estimated age {} or more. {}",
        policy.threshold_age,
        policy.sure_age(),
        policy.confidence,
        policy.challenge_age,
        if args.frames.is_none() { "The visitors do not exist: their faces are means of many." } else { "" }
    );
    say!(
        "Living faces: {}\n",
        match (asks, args.frames.is_none()) {
            (true, true) =>
                "asked for; the last visitor holds up a phone with the picture of an adult, which is drawn, too.",
            (true, false) => "asked for.",
            (false, _) => "not asked for: the policy does not say how sure of one it must be.",
        }
    );
    let mut show = Show::new(panel, relay.clone(), args.quiet, stop);
    gate.run(&mut show);
    drop(gate);
    show.summary();
    show.pictures(&made)?;
    let report = verify(&log_folder, &Against::key_of(&log_folder, None)?)?;
    say!("\ndecision log: {}: {} records, {}", log_folder.display(), report.records, report.verdict());
    say!("display: {0}/{GIF}, {0}/{SHEET}", args.out.display());
    Ok(Exit::Success)
}

/// Set by Ctrl-C: a camera has no end of its own, and what was seen until then is shown.
fn stop_flag() -> std::io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The second one ends the program at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Whether there is a picture in the recording at all: the capture thread would try a camera again and again.
fn try_recording(path: &Path) -> Result<(), CameraError> {
    let mut camera = ReplayCamera::open(&[path.to_owned()], RATE, Pace::AtOnce)?;
    let mut broken = None;
    loop {
        match camera.next_frame() {
            Ok(_) => return Ok(()),
            Err(error) if error.retry() == Retry::NextFrame => broken = broken.or(Some(error)),
            Err(CameraError::End) => {
                let what = broken.map_or_else(|| "no picture in it".into(), |error| chain(&error));
                return Err(CameraError::Recording { path: path.display().to_string(), what });
            }
            Err(error) => return Err(error),
        }
    }
}

/// A demonstration begins with an empty log each time: in `log`, or in `log-2` and so on where there was one before.
fn new_log_folder(out: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    for number in 1.. {
        let name = if number == 1 { "log".into() } else { format!("log-{number}") };
        let folder = out.join(&name);
        let key = key::beside(&folder)?;
        let key_is_there = [key.clone(), key.with_file_name(format!("{name}.key.new"))].iter().any(|p| p.exists());
        if key_is_there || folder.symlink_metadata().is_ok() {
            continue;
        }
        std::fs::create_dir(&folder).map_err(|source| MadeError::Io { path: folder.clone(), source })?;
        return Ok(folder);
    }
    Err(format!("{}: no name is free for another log", out.display()).into())
}

fn camera(args: &DemoArgs, with_phone: bool) -> (Opener, bool) {
    match args.frames.clone() {
        None => (
            Box::new(move || {
                let clip = ZlibDecoder::new(VISITORS).chain(ZlibDecoder::new(PHONE).take(if with_phone {
                    u64::MAX
                } else {
                    0
                }));
                Ok(Box::new(ReplayCamera::from_bytes("the shipped visitors", clip, RATE, Pace::RealTime))
                    as Box<dyn Camera>)
            }),
            true,
        ),
        Some(path) if is_device(&path) => {
            let config = CameraConfig { device: path, ..CameraConfig::default() };
            (Box::new(move || Ok(Box::new(V4l2Camera::open(&config)?) as Box<dyn Camera>)), false)
        }
        Some(path) => {
            let played = AtomicBool::new(false);
            let open = move || {
                // A recording that fails in its middle is over, not to be begun again.
                if played.swap(true, Ordering::Relaxed) {
                    return Err(CameraError::End);
                }
                Ok(Box::new(ReplayCamera::open(std::slice::from_ref(&path), RATE, Pace::RealTime)?) as Box<dyn Camera>)
            };
            (Box::new(open), true)
        }
    }
}
