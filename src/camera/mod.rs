//! Cameras: one trait, a V4L2 device behind it or recorded pictures, and the thread that keeps only the newest frame.

pub mod capture;
pub mod pixel;
pub mod replay;
pub mod v4l2;

use std::time::Duration;

use crate::{
    config::{CameraConfig, CameraSource},
    frame::Frame,
};
use pixel::PixelError;

/// A source of frames.
pub trait Camera: Send {
    /// Waits for the next frame, for as long as the camera may be silent.
    ///
    /// # Errors
    /// [`CameraError`]; [`CameraError::retry`] says whether the same camera can go on or must be opened anew.
    fn next_frame(&mut self) -> Result<Frame, CameraError>;

    /// What it is, for messages: device and format.
    fn describe(&self) -> String;
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// The device cannot be opened.
    #[error("camera {device}: cannot open it: {source}{}", hint(source))]
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
    #[error("camera {device}: {action} failed: {source}")]
    Device {
        /// Device.
        device: String,
        /// What was asked of it.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
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
        source: PixelError,
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
            _ => Retry::Reopen,
        }
    }
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => " (is it plugged in? `v4l2-ctl --list-devices` lists the cameras)",
        std::io::ErrorKind::PermissionDenied => " (the user must be in group video)",
        _ => "",
    }
}

/// Opens the configured camera.
///
/// # Errors
/// See [`CameraError`].
pub fn open(config: &CameraConfig) -> Result<Box<dyn Camera>, CameraError> {
    match config.source {
        CameraSource::V4l2 => Ok(Box::new(v4l2::V4l2Camera::open(config)?)),
        CameraSource::Replay => {
            // A checked configuration has a path for this source.
            let path = config.path.clone().unwrap_or_default();
            Ok(Box::new(replay::ReplayCamera::open(&[path], config.rate, replay::Pace::RealTime)?))
        }
    }
}
