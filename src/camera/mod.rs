//! Cameras: one trait; a V4L2 device, a command or recorded pictures behind it; and the thread that keeps only the newest frame.

pub mod capture;
pub mod controls;
pub mod exposure;
pub mod family;
pub mod jpeg;
pub mod metering;
pub mod pipe;
pub mod pixel;
pub mod raw;
pub mod recovery;
pub mod replay;
pub mod stream;
pub mod turn_watch;
pub mod turned;
pub mod v4l2;

use std::{path::Path, time::Duration};

use crate::{
    config::{CameraConfig, CameraSource, Config, Place},
    frame::Frame,
    picture::PictureError,
};
use exposure::Light;
use pixel::PixelError;
use stream::{Kind, StreamError};
use turned::{Rotation, Turn, Turned};

/// A source of frames.
pub trait Camera: Send {
    /// Waits for the next frame, for as long as the camera may be silent.
    ///
    /// # Errors
    /// [`CameraError`]; [`CameraError::retry`] says whether the same camera can go on or must be opened anew.
    fn next_frame(&mut self) -> Result<Frame, CameraError>;

    /// Takes in how bright the face in the last frames was. A camera whose exposure cannot be set does nothing with it.
    fn meter(&mut self, _light: Light) {}

    /// What it is, for messages: device and format.
    fn describe(&self) -> String;
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// The device cannot be opened.
    #[error("camera {device}: cannot open it: {source}{}", mend(source, device))]
    Open {
        /// Device.
        device: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The device is no camera that can stream.
    #[error("camera {device}: {what}")]
    Unfit {
        /// Device.
        device: String,
        /// What is missing, and what to do.
        what: String,
    },
    /// The driver refused or the device is gone.
    #[error("camera {device}: {action} failed: {source}{}", mend(source, device))]
    Device {
        /// Device.
        device: String,
        /// What was asked of it.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A control that cannot be set.
    #[error("camera {device}: [camera.controls]: {source}")]
    Control {
        /// Device.
        device: String,
        /// What is wrong.
        source: controls::ControlError,
    },
    /// No frame for too long.
    #[error("camera {device}: no frame for {:.1} s", silence.as_secs_f32())]
    Stalled {
        /// Device.
        device: String,
        /// For how long.
        silence: Duration,
    },
    /// One broken frame; the next may be good.
    #[error("camera {device}: {source}")]
    Broken {
        /// Device.
        device: String,
        /// What is wrong with it.
        source: BrokenFrame,
    },
    /// Recorded pictures that cannot be read.
    #[error("recorded frames {path}: {what}")]
    Recording {
        /// File or folder.
        path: String,
        /// What is wrong and what was expected.
        what: String,
    },
    /// The recording is over.
    #[error("the recording is over")]
    End,
    /// The camera that a configuration names cannot be opened.
    #[error("{source} ({place})")]
    Configured {
        /// Why.
        source: Box<CameraError>,
        /// The key that names it.
        place: Place,
    },
}

/// What is wrong with one frame.
#[derive(Debug, thiserror::Error)]
pub enum BrokenFrame {
    /// Its pixels.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// Its place in a stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A picture of a folder.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The driver says so.
    #[error("the driver marks frame {0} as broken")]
    Marked(u32),
}

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Drop the frame and take the next.
    NextFrame,
    /// Open the camera anew, after a pause.
    Reopen,
    /// Nothing more will come.
    Never,
}

impl CameraError {
    /// Whether and how to go on.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Broken { .. } => Retry::NextFrame,
            Self::End => Retry::Never,
            Self::Configured { source, .. } => source.retry(),
            _ => Retry::Reopen,
        }
    }

    /// The same with the key of the configuration that names this camera.
    fn of(self, config: &Config) -> Self {
        let key = match (config.camera.source, &self) {
            (_, Self::Control { .. }) => "camera.controls",
            (CameraSource::V4l2, _) => "camera.device",
            (CameraSource::Pipe, _) => "camera.command",
            (CameraSource::Replay, _) => "camera.path",
        };
        Self::Configured { source: Box::new(self), place: config.written.place(key) }
    }
}

/// What to do about something that is no camera.
const NO_CAMERA: &str =
    " (expected a camera: `v4l2-ctl --list-devices` lists them, their names are /dev/video0 and so on)";

/// What to do about an error of the system.
fn mend(error: &std::io::Error, device: &str) -> String {
    use rustix::io::Errno;
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) if device.starts_with("command") => {
            " (there is no such program: rpicam-vid comes with the package rpicam-apps, ffmpeg with the package ffmpeg)".into()
        }
        Some(Errno::ACCESS | Errno::PERM) if device.starts_with("command") => {
            " (the program is there, and this user may not run it: `chmod +x` makes a file a program)".into()
        }
        Some(Errno::ISDIR) if device.starts_with("command") => {
            " (expected a program and its arguments, such as [\"rpicam-vid\", \"--output\", \"-\"])".into()
        }
        Some(Errno::NOTTY | Errno::ISDIR) => NO_CAMERA.into(),
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => {
            " (is it plugged in? `v4l2-ctl --list-devices` lists the cameras)".into()
        }
        Some(Errno::ACCESS | Errno::PERM) => " (the user must be in group video)".into(),
        Some(Errno::BUSY) => match holders(Path::new(device)).as_slice() {
            [] => " (another program has it; `fuser -v` names it when asked as root)".into(),
            programs => format!(" (held by {})", programs.join(", ")),
        },
        Some(Errno::NOSPC) => {
            " (no room left on the USB bus: another camera uses it; put one of them on another USB controller, or ask for a smaller size or for MJPG)".into()
        }
        _ => String::new(),
    }
}

/// The programs that have a device open, as far as this user may see them: name and process number.
fn holders(device: &Path) -> Vec<String> {
    let Ok(device) = device.canonicalize() else { return Vec::new() };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let holds = |process: &Path| {
        let open = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|target| target == device)
    };
    processes
        .map(|entry| entry.path())
        .filter(|process| holds(process))
        .filter_map(|process| {
            let name = std::fs::read_to_string(process.join("comm")).ok()?;
            Some(format!("{} (process {})", name.trim(), process.file_name()?.to_string_lossy()))
        })
        .collect()
}

/// Opens the configured camera.
///
/// # Errors
/// See [`CameraError`].
pub fn open(config: &CameraConfig) -> Result<Box<dyn Camera>, CameraError> {
    let camera: Box<dyn Camera> = match config.source {
        CameraSource::V4l2 => Box::new(v4l2::V4l2Camera::open(config)?),
        CameraSource::Pipe => Box::new(pipe::PipeCamera::open(pipe_settings(config))?),
        CameraSource::Replay => {
            // A checked configuration has a path for this source.
            let path = config.path.clone().unwrap_or_default();
            Box::new(replay::ReplayCamera::open(&[path], config.rate, replay::Pace::RealTime)?)
        }
    };
    Ok(Turned::over(camera, turn(config)))
}

/// Opens the camera of a configuration; what is wrong is told with the key that names it.
///
/// # Errors
/// See [`CameraError`].
pub fn open_of(config: &Config) -> Result<Box<dyn Camera>, CameraError> {
    open(&config.camera).map_err(|error| error.of(config))
}

/// How the configured camera is opened again and again: a USB camera that hangs is reset.
#[must_use]
pub fn opener(config: Config) -> capture::Opener {
    if config.camera.source != CameraSource::V4l2 {
        return Box::new(move || open_of(&config));
    }
    let recovery =
        recovery::Recovery::new(&config.camera.device, recovery::Trees::default(), Box::new(recovery::reset));
    Box::new(move || recovery.open(|| open(&config.camera)).map_err(|error| error.of(&config)))
}

/// The turn of a checked configuration.
#[must_use]
pub fn turn(config: &CameraConfig) -> Turn {
    Turn { rotation: Rotation::of_degrees(config.rotation).unwrap_or_default(), mirror: config.mirror }
}

/// The command of a configuration, with its size and rate put in.
#[must_use]
pub fn pipe_settings(config: &CameraConfig) -> pipe::PipeSettings {
    let put_in = |part: &String| {
        part.replace("{width}", &config.width.to_string())
            .replace("{height}", &config.height.to_string())
            .replace("{rate}", &(config.rate.ceil() as u32).to_string())
    };
    let size = (config.width, config.height);
    pipe::PipeSettings {
        command: config.command.iter().map(put_in).collect(),
        kind: config.format.pixels().map_or(Kind::Told, |format| Kind::Raw { format, size }),
        rate: config.rate,
        stall: Duration::from_secs_f32(config.stall_seconds),
        warmup: config.warmup_frames,
    }
}
