//! `agegate aim`: for whoever mounts the camera. Shows where the face is and what it lacks, on the panel and in the terminal.
//! Nothing is judged, logged or opened, and no picture is shown or kept.

use std::{
    io::IsTerminal,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{Exit, Outcome, chain, signals::Signals};
use crate::{
    aim::{Aim, Aimed},
    camera::{self, Retry},
    cli::AimArgs,
    config::{CameraSource, Config, ConfigError, DisplayDriver},
    display::{Display, panel},
    frame::Frame,
    out, say,
    vision::{AgeModel, Chip, Detector, ModelError, nearest},
};

/// How often a terminal, and how often a file gets lines.
const DRAWN_EVERY: Duration = Duration::from_millis(300);
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// Size of the box in a terminal, in characters.
const SKETCH: (usize, usize) = (48, 14);

/// Runs until Ctrl-C, for so many seconds, or until the recording is over.
///
/// # Errors
/// If configuration, models or camera cannot be used.
pub fn run(args: &AimArgs) -> Outcome {
    let signals = Signals::register()?;
    let config = Config::load(&args.config.config)?;
    let mut eyes = Eyes::load(&config)?;
    let mut display = open_display(&config);
    let mut camera = camera::open_of(&config)?;
    say!("{}; Ctrl-C ends this. No picture is shown or kept.", camera.describe());
    let terminal = std::io::stdout().is_terminal();
    let until = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut told: Option<Instant> = None;
    let mut lines = 0;
    let mut frames = 0u64;
    while !signals.stop.load(Ordering::Relaxed) && until.is_none_or(|until| Instant::now() < until) {
        let frame = match camera.next_frame() {
            Ok(frame) => frame,
            Err(error) if error.retry() == Retry::NextFrame => continue,
            Err(error) if error.retry() == Retry::Never && frames > 0 => break,
            Err(error) => return Err(error.into()),
        };
        frames += 1;
        let aim = eyes.look(&frame, &config)?;
        let every = if terminal { DRAWN_EVERY } else { TOLD_EVERY };
        // The last frames of a recording come at once.
        if config.camera.source != CameraSource::Replay && told.is_some_and(|told| told.elapsed() < every) {
            continue;
        }
        told = Some(Instant::now());
        let words = aim.words(&config.quality);
        if terminal {
            let shown: Vec<String> = aim.sketch(SKETCH.0, SKETCH.1).into_iter().chain(words).collect();
            // Back to the first line, each cleared before it is written.
            let back = if lines > 0 { format!("\u{1b}[{lines}A") } else { String::new() };
            lines = shown.len();
            out::draw(
                &(back + &shown.iter().map(|line| format!("\u{1b}[2K{line}")).collect::<Vec<_>>().join("\n")),
                "\n",
            );
        } else {
            say!("{}", words.join(" | "));
        }
        if let Some(panel) = &mut display {
            let paint = |width, height, mono| aim.draw(&config.quality, width, height, mono);
            if let Err(error) = panel.paint(&paint) {
                say!("note  {}", chain(&error));
                display = None;
            }
        }
    }
    Ok(Exit::Success)
}

fn open_display(config: &Config) -> Option<Box<dyn Display>> {
    if config.display.driver == DisplayDriver::None {
        return None;
    }
    match panel::open_of(config) {
        Ok(display) => Some(display),
        Err(error) => {
            say!("note  {}; the terminal shows the same", chain(&error));
            None
        }
    }
}

/// What looks at the frames, and how fast they came.
struct Eyes {
    detector: Detector,
    age: AgeModel,
    score: f32,
    /// Time of the last frame, and the mean time between two.
    last: Option<Duration>,
    between: f32,
}

impl Eyes {
    fn load(config: &Config) -> Result<Self, ConfigError> {
        let detector = config.model("models.detector", |path, _| Detector::load(path))?;
        let age = config.model("models.age", |path, _| AgeModel::load(path))?;
        let score = config.models.detector_score.unwrap_or_else(|| detector.shipped_score());
        Ok(Self { detector, age, score, last: None, between: 1.0 / config.camera.rate })
    }

    fn look(&mut self, frame: &Frame, config: &Config) -> Result<Aim, ModelError> {
        if let Some(last) = self.last.replace(frame.captured) {
            let between = frame.captured.saturating_sub(last).as_secs_f32().max(1e-3);
            self.between = self.between * 0.8 + between * 0.2;
        }
        let started = Instant::now();
        let faces = self.detector.detect_above(&frame.pixels, self.score)?;
        let size = frame.pixels.dimensions();
        let face = nearest(&faces).map(|face| {
            let chip = Chip::align(&frame.pixels, &face.landmarks, self.age.chip_side());
            (Aimed::of(face, size, chip.as_ref(), &config.quality), chip)
        });
        if let Some((_, Some(chip))) = &face {
            // Only its time counts here.
            self.age.read(chip)?;
        }
        let seconds = started.elapsed().as_secs_f32();
        Ok(Aim { frame: size, face: face.map(|(face, _)| face), rate: 1.0 / self.between, seconds })
    }
}
