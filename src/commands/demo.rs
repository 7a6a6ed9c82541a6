//! `agegate demo`: the whole gate with nothing attached.
//!
//! The same `Gate` as the daemon's, with recorded frames, a simulated relay and a display in memory; each says so. The
//! decisions are logged to a real log in the output folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use image::{
    Delay, Frame as GifFrame, RgbImage,
    codecs::gif::{GifEncoder, Repeat},
    imageops::{self, FilterType},
};

use super::{Exit, Outcome, chain};
use crate::{
    audit::{
        Act, ActReason, AuditLog, key,
        verify::{Against, verify},
    },
    camera::{
        Camera, CameraError, Retry,
        capture::{Capture, Opener},
        replay::{Pace, ReplayCamera, is_device},
        v4l2::V4l2Camera,
    },
    cli::DemoArgs,
    config::{CameraConfig, Config, LogConfig, RelayConfig, RelayDriver},
    display::{Screen, recorded::RecordedDisplay, texts::Texts, worker::DisplayWorker},
    frame::Frame,
    gate::{Ended, Gate, GateParts, Surroundings},
    judge::Judge,
    made::{MadeError, MadeFolder},
    picture,
    policy::Outcome as Decided,
    relay::{door::LocalDoor, simulated::SimulatedRelay},
    say,
    visit::Decision,
};

static VISITORS: &[u8] = include_bytes!("../../demo/visitors.mjpeg");
const RATE: f32 = 10.0;
const PANEL: (u32, u32) = (240, 320);
const GIF: &str = "display.gif";
const SHEET: &str = "contact-sheet.png";

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
    let judge = Judge::new(&config)?;
    let relay = SimulatedRelay::new();
    let panel = RecordedDisplay::new(Texts::shipped(&args.language), PANEL.0, PANEL.1);
    let (opener, every_frame) = camera(args);
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
    });
    say!(
        "agegate {}: demonstration. Nothing is attached: the relay is simulated, the display is drawn here and to {}.",
        env!("CARGO_PKG_VERSION"),
        args.out.display()
    );
    say!(
        "Policy: {} and over at P >= {:.3}, estimated age {} or more. {}\n",
        policy.threshold_age,
        policy.confidence,
        policy.challenge_age,
        if args.frames.is_none() { "The visitors do not exist: their faces are means of many." } else { "" }
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

fn screen_name(screen: Screen) -> String {
    format!("screen-{}.png", format!("{screen:?}").split('(').next().unwrap_or("").to_lowercase())
}

fn camera(args: &DemoArgs) -> (Opener, bool) {
    match args.frames.clone() {
        None => (
            Box::new(|| {
                Ok(Box::new(ReplayCamera::from_bytes("the shipped visitors", VISITORS, RATE, Pace::RealTime))
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

/// What the door did about a decision, and why.
type Told = (Act, Option<ActReason>);

/// What the demonstration shows and remembers.
struct Show {
    panel: RecordedDisplay,
    relay: SimulatedRelay,
    quiet: bool,
    stop: Arc<AtomicBool>,
    began: Instant,
    last: Option<Screen>,
    /// Frames for the picture: what the camera saw, reduced, and what the display showed.
    strip: Vec<(RgbImage, Screen)>,
    decisions: Vec<(Duration, Decision, Option<Told>)>,
}

/// Most frames of the animation: bounds memory where the demonstration watches a camera for long.
const MOST_FRAMES: usize = 400;

impl Show {
    fn new(panel: RecordedDisplay, relay: SimulatedRelay, quiet: bool, stop: Arc<AtomicBool>) -> Self {
        let began = Instant::now();
        Self { panel, relay, quiet, stop, began, last: None, strip: Vec::new(), decisions: Vec::new() }
    }

    fn summary(&self) {
        say!(
            "\n{:>7}  {:<10} {:<18} {:<6} {:<10} {:<6} door",
            "at",
            "decision",
            "reason",
            "band",
            "confidence",
            "frames"
        );
        for (at, d, act) in &self.decisions {
            let door = match act {
                Some((Act::Opened, _)) => "opened (simulated)".into(),
                Some((act, Some(reason))) => format!("{act} ({reason})"),
                _ => "shut".into(),
            };
            say!(
                "{:>5.1} s  {:<10} {:<18} {:<6} {:<10} {:<6} {door}",
                at.as_secs_f32(),
                d.outcome,
                d.reason,
                d.band.map_or("-", |b| b.label()),
                d.confidence.map_or_else(|| "-".into(), |c| format!("{c:.3}")),
                d.frames,
            );
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, d, _) in &self.decisions {
            *counts.entry(d.outcome.to_string()).or_default() += 1;
        }
        let text: Vec<String> = counts.iter().map(|(outcome, n)| format!("{n} {outcome}")).collect();
        say!(
            "{} visits: {}; the simulated relay was energised {} times",
            self.decisions.len(),
            text.join(", "),
            self.relay.history().iter().filter(|(_, on)| *on).count()
        );
    }

    /// Writes the animation and the contact sheet of what camera and display showed.
    fn pictures(&self, folder: &MadeFolder) -> Result<(), Box<dyn std::error::Error>> {
        let mut bytes = Vec::new();
        let mut gif = GifEncoder::new_with_speed(&mut bytes, 20);
        gif.set_repeat(Repeat::Infinite)?;
        for (seen, screen) in self.strip.iter().step_by(2) {
            let picture = beside(seen, &self.panel.picture(*screen).to_rgb());
            let rgba = image::DynamicImage::ImageRgb8(picture).into_rgba8();
            gif.encode_frame(GifFrame::from_parts(rgba, 0, 0, Delay::from_numer_denom_ms(200, 1)))?;
        }
        drop(gif);
        folder.write(GIF, &bytes)?;
        // One tile for each decision: the frame in which it fell and the screen that followed.
        let mut tiles: Vec<RgbImage> = Vec::new();
        let mut before = None;
        for (seen, screen) in &self.strip {
            let told = matches!(
                screen,
                Screen::Welcome | Screen::ShowId | Screen::Denied | Screen::HoldStill | Screen::NotAvailable
            );
            if told && before != Some(*screen) {
                tiles.push(beside(seen, &self.panel.picture(*screen).to_rgb()));
            }
            before = Some(*screen);
        }
        if let Some(first) = tiles.first() {
            let columns = 3.min(tiles.len() as u32);
            let rows = (tiles.len() as u32).div_ceil(columns);
            let (w, h) = first.dimensions();
            let mut sheet = RgbImage::from_pixel(columns * (w + 8) + 8, rows * (h + 8) + 8, image::Rgb([30, 32, 36]));
            for (k, tile) in tiles.iter().enumerate() {
                let (column, row) = (k as u32 % columns, k as u32 / columns);
                imageops::replace(&mut sheet, tile, i64::from(8 + column * (w + 8)), i64::from(8 + row * (h + 8)));
            }
            folder.write(SHEET, &picture::png(&sheet)?)?;
        }
        for screen in Screen::ALL {
            folder.write(&screen_name(screen), &picture::png(&self.panel.picture(screen).to_rgb())?)?;
        }
        Ok(())
    }
}

fn beside(seen: &RgbImage, screen: &RgbImage) -> RgbImage {
    let height = seen.height();
    let width = screen.width() * height / screen.height();
    let small = imageops::resize(screen, width, height, FilterType::Triangle);
    let mut picture = RgbImage::from_pixel(seen.width() + 4 + width, height, image::Rgb([30, 32, 36]));
    imageops::replace(&mut picture, seen, 0, 0);
    imageops::replace(&mut picture, &small, i64::from(seen.width()) + 4, 0);
    picture
}

impl Surroundings for Show {
    fn asked(&mut self) -> Option<Ended> {
        self.stop.load(Ordering::Relaxed).then_some(Ended::Stopped)
    }

    fn progress(&mut self) {}

    fn decided(&mut self, decision: &Decision, logged: bool) {
        let d = decision;
        say!(
            "{:>5.1} s  {} ({}), band {}, {} good frames{}",
            self.began.elapsed().as_secs_f32(),
            d.outcome,
            d.reason,
            d.band.map_or("-", |b| b.label()),
            d.frames,
            if logged { ", logged" } else { ", NOT logged: not acted on" }
        );
        self.decisions.push((self.began.elapsed(), decision.clone(), None));
    }

    fn acted(&mut self, _decision: u64, act: Act, reason: Option<ActReason>) {
        // The newest decision is the one that is acted on; `shut` belongs to an older one, whose row has its act.
        if let Some((.., told @ None)) = self.decisions.last_mut().filter(|(_, d, _)| d.outcome == Decided::Allow)
            && act != Act::Shut
        {
            *told = Some((act, reason));
        }
    }

    fn judged(&mut self, frame: &Frame, screen: Screen) {
        if self.strip.len() < MOST_FRAMES {
            let (w, h) = frame.pixels.dimensions();
            let small = imageops::resize(&frame.pixels, 200 * w / h.max(1), 200, FilterType::Triangle);
            self.strip.push((small, screen));
        }
        if self.last != Some(screen)
            && !matches!((self.last, screen), (Some(Screen::Checking(_)), Screen::Checking(_)))
            && !self.quiet
        {
            say!("{}", terminal(&self.panel.picture(screen).to_rgb()));
        }
        self.last = Some(screen);
    }
}

/// A picture for a terminal: two pixels a character, upper half block, 24-bit colour where the terminal is one.
fn terminal(picture: &RgbImage) -> String {
    use std::{fmt::Write as _, io::IsTerminal};
    let small = imageops::resize(picture, 36, 48, FilterType::Triangle);
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut text = String::new();
    if !colour {
        // Without colours: light and dark against the background of the upper left corner.
        let back = small.get_pixel(0, 0).0.map(i32::from);
        for y in (0..48).step_by(2) {
            let line: String = (0..36)
                .map(|x| {
                    let ink = |y: u32| {
                        (0..3).map(|c| (i32::from(small.get_pixel(x, y).0[c]) - back[c]).abs()).sum::<i32>() > 150
                    };
                    match (ink(y), ink(y + 1)) {
                        (true, true) => '\u{2588}',
                        (true, false) => '\u{2580}',
                        (false, true) => '\u{2584}',
                        (false, false) => ' ',
                    }
                })
                .collect();
            let _ = writeln!(text, "    |{line}|");
        }
        return text;
    }
    for y in (0..48).step_by(2) {
        text.push_str("    ");
        for x in 0..36 {
            let ([a, b, c], [d, e, f]) = (small.get_pixel(x, y).0, small.get_pixel(x, y + 1).0);
            let _ = write!(text, "\x1b[38;2;{a};{b};{c}m\x1b[48;2;{d};{e};{f}m\u{2580}");
        }
        text.push_str("\x1b[0m\n");
    }
    text
}
