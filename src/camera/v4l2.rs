//! A Video4Linux2 camera: memory-mapped streaming through the `v4l` crate.
//!
//! Traps of that crate, read in its source: `next` waits for ever unless a time-out is set; after a time-out the stream
//! must be rebuilt (`next` would queue a buffer that the kernel still owns); dropping a stream panics on errors other
//! than ENODEV (the capture thread catches that); `set_format` answers with what the driver chose.

use std::{
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
    time::{Duration, Instant},
};

use v4l::{
    Device, Format, FourCC,
    buffer::{Flags, Type},
    capability,
    format::{Colorspace, Quantization},
    frameinterval::FrameIntervalEnum,
    framesize::FrameSizeEnum,
    io::{mmap::Stream, traits::CaptureStream},
    video::{Capture, capture::Parameters},
};

use super::{
    BrokenFrame, Camera, CameraError, NO_CAMERA, controls,
    exposure::Light,
    metering::Metering,
    pixel::{Colour, Matrix, PixelFormat, Range},
};
use crate::{
    clock::monotonic_now,
    config::{CameraConfig, ExposureBy},
    frame::{Frame, Pixels},
};

const BUFFERS: u32 = 4;
/// A time stamp further off than this is not from the monotonic clock.
const PLAUSIBLE_AGE: Duration = Duration::from_secs(5);

/// A streaming camera.
pub struct V4l2Camera {
    name: String,
    card: String,
    mode: Mode,
    stride: usize,
    colour: Colour,
    stream: Stream<'static>,
    metering: Option<Metering>,
    stall: Duration,
    interval: Duration,
    warmup: u32,
    last: Option<(u32, Duration)>,
    sequence: u64,
}

/// The kernel's number for the nodes of cameras.
const CAMERAS: u32 = 81;

/// Opens the node of a camera. What is none is not even opened: that alone would start a watchdog.
///
/// # Errors
/// [`CameraError`] if it is not there, may not be opened, or is something else.
pub fn device(path: &Path) -> Result<Device, CameraError> {
    let device = path.display().to_string();
    let found = std::fs::metadata(path).map_err(|source| CameraError::Open { device: device.clone(), source })?;
    let kind = found.file_type();
    let what = match kind {
        _ if kind.is_char_device() && rustix::fs::major(found.rdev()) == CAMERAS => None,
        _ if kind.is_file() => Some("a file"),
        _ if kind.is_dir() => Some("a folder"),
        _ if kind.is_char_device() || kind.is_block_device() => Some("a device of another kind"),
        _ => Some("a pipe or a socket"),
    };
    match what {
        Some(what) => Err(CameraError::Unfit { device, what: format!("this is {what}{NO_CAMERA}") }),
        None => Device::with_path(path).map_err(|source| CameraError::Open { device, source }),
    }
}

/// A format, size and rate that a camera offers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// Format of the pixels.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames a second at most; `None` where the driver does not say.
    pub rate: Option<f32>,
}

impl V4l2Camera {
    /// Opens the configured device in the best mode it offers and prepares streaming.
    ///
    /// # Errors
    /// [`CameraError`] with what is missing.
    pub fn open(config: &CameraConfig) -> Result<Self, CameraError> {
        let name = config.device.display().to_string();
        let failed = |action: &'static str| {
            let device = name.clone();
            move |source| CameraError::Device { device, action, source }
        };
        let device = device(&config.device)?;
        let caps = device.query_caps().map_err(failed("asking what it is"))?;
        let wanted = capability::Flags::VIDEO_CAPTURE | capability::Flags::STREAMING;
        if caps.capabilities.contains(capability::Flags::VIDEO_CAPTURE_MPLANE) {
            return Err(CameraError::Unfit {
                device: name.clone(),
                what: format!(
                    "{} (driver {}) gives each frame in several planes of memory, which is not read directly; use `source = \"pipe\"` \
                     with `format = \"YU12\"` and the command gst-launch-1.0 -q v4l2src device={name} ! videoconvert ! \
                     video/x-raw,format=I420,width={},height={} ! fdsink",
                    caps.card, caps.driver, config.width, config.height
                ),
            });
        }
        if !caps.capabilities.contains(wanted) {
            return Err(CameraError::Unfit {
                device: name,
                what: format!(
                    "{} does not capture video; /dev/video* has one node for each of a camera's streams, try the next",
                    caps.card
                ),
            });
        }
        let (modes, refused) = offered(&device).map_err(failed("listing its formats"))?;
        let mode = choose(&modes, config.width, config.height, config.rate).ok_or_else(|| CameraError::Unfit {
            device: name.clone(),
            what: format!("{} offers no format that can be judged: {}", caps.card, refused.join("; ")),
        })?;
        let format = device
            .set_format(&Format::new(mode.width, mode.height, FourCC::new(&mode.format.fourcc())))
            .map_err(failed("setting the format"))?;
        // The driver answers with what it chose; judge that, not what was asked for.
        let got = PixelFormat::of_fourcc(format.fourcc.repr)
            .map_err(|e| CameraError::Unfit { device: name.clone(), what: e.to_string() })?;
        let mode = Mode { format: got, width: format.width, height: format.height, rate: mode.rate };
        if let Err(error) = device.set_params(&Parameters::with_fps(config.rate.ceil() as u32)) {
            log::debug!("camera {name}: the rate cannot be set ({error}); frames in excess are dropped");
        }
        controls::set(&device, &config.controls)
            .map_err(|source| CameraError::Control { device: name.clone(), source })?;
        let mut stream =
            Stream::with_buffers(&device, Type::VideoCapture, BUFFERS).map_err(failed("mapping its buffers"))?;
        let metering = match config.exposure {
            ExposureBy::Camera => None,
            ExposureBy::Face => match Metering::start(device, config.rate) {
                Ok(metering) => Some(metering),
                Err(why) => {
                    log::warn!("camera {name}: exposure = \"face\": {why}; it meters by itself");
                    None
                }
            },
        };
        let stall = Duration::from_secs_f32(config.stall_seconds);
        stream.set_timeout(stall);
        Ok(Self {
            name,
            card: caps.card,
            mode,
            stride: format.stride as usize,
            colour: colour_of(&format),
            stream,
            metering,
            stall,
            interval: Duration::from_secs_f32(1.0 / config.rate),
            warmup: config.warmup_frames,
            last: None,
            sequence: 0,
        })
    }

    /// The mode in use.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

impl Camera for V4l2Camera {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let mut since = Instant::now();
        loop {
            if since.elapsed() >= self.stall {
                return Err(CameraError::Stalled { device: self.name.clone(), silence: since.elapsed() });
            }
            let (bytes, meta) = self.stream.next().map_err(|source| match source.kind() {
                std::io::ErrorKind::TimedOut => {
                    CameraError::Stalled { device: self.name.clone(), silence: since.elapsed() }
                }
                _ => CameraError::Device { device: self.name.clone(), action: "waiting for a frame", source },
            })?;
            let captured = capture_time(meta.timestamp, meta.flags);
            // Fresh means a new number: a driver that hands out the same frame again has stopped.
            let repeated = self.last.is_some_and(|(sequence, _)| sequence == meta.sequence && meta.sequence != 0);
            let early = self.last.is_some_and(|(_, last)| captured.saturating_sub(last) < self.interval.mul_f32(0.85));
            if repeated {
                continue;
            }
            // A frame came, whatever is done with it: frames of the warm-up are no silence.
            since = Instant::now();
            if self.warmup > 0 {
                self.warmup -= 1;
                self.last = Some((meta.sequence, captured.saturating_sub(self.interval)));
                continue;
            }
            if early {
                continue;
            }
            self.last = Some((meta.sequence, captured));
            self.sequence += 1;
            let used = (meta.bytesused as usize).min(bytes.len());
            if meta.flags.contains(Flags::ERROR) {
                return Err(CameraError::Broken {
                    device: self.name.clone(),
                    source: BrokenFrame::Marked(meta.sequence),
                });
            }
            let size = (self.mode.width, self.mode.height);
            let pixels = Pixels::of(self.mode.format, self.colour, &bytes[..used], size, self.stride)
                .map_err(|source| CameraError::Broken { device: self.name.clone(), source: source.into() })?;
            return Ok(Frame { pixels, captured, sequence: self.sequence });
        }
    }

    fn meter(&mut self, light: Light) {
        if let Some(metering) = &mut self.metering {
            metering.look(light);
        }
    }

    fn describe(&self) -> String {
        let m = self.mode;
        let metering = self.metering.as_ref().map(|metering| format!(", {}", metering.describe())).unwrap_or_default();
        format!("camera {} ({}): {}x{} {:?}{metering}", self.name, self.card, m.width, m.height, m.format)
    }
}

/// Matrix and range as the driver states them, or as V4L2 defines what it leaves open.
fn colour_of(format: &Format) -> Colour {
    let matrix = match format.colorspace {
        Colorspace::Rec709 | Colorspace::DCIP3 => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    let range = match (format.quantization, format.colorspace) {
        (Quantization::FullRange, _) | (Quantization::Default, Colorspace::JPEG) => Range::Full,
        _ => Range::Limited,
    };
    Colour { matrix, range }
}

fn capture_time(stamp: v4l::Timestamp, flags: Flags) -> Duration {
    let now = monotonic_now();
    let stated = Duration::new(
        u64::try_from(stamp.sec).unwrap_or(0),
        u32::try_from(stamp.usec).unwrap_or(0).min(999_999) * 1000,
    );
    let plausible = stated <= now && now - stated < PLAUSIBLE_AGE;
    if flags.contains(Flags::TIMESTAMP_MONOTONIC) && plausible { stated } else { now }
}

/// All modes of a device that can be judged, and the reasons against the others.
///
/// # Errors
/// What the driver said.
pub fn offered(device: &Device) -> std::io::Result<(Vec<Mode>, Vec<String>)> {
    let (mut modes, mut refused) = (Vec::new(), Vec::new());
    for description in device.enum_formats()? {
        let format = match PixelFormat::of_fourcc(description.fourcc.repr) {
            Ok(format) => format,
            Err(error) => {
                refused.push(error.to_string());
                continue;
            }
        };
        let sizes = device.enum_framesizes(description.fourcc).unwrap_or_default();
        // A driver that does not list sizes has one: the present one.
        if sizes.is_empty()
            && let Ok(current) = device.format()
        {
            modes.push(Mode { format, width: current.width, height: current.height, rate: None });
        }
        for size in sizes.into_iter().flat_map(|s| usual_sizes(s.size)) {
            let rate = fastest(device, description.fourcc, size);
            modes.push(Mode { format, width: size.0, height: size.1, rate });
        }
    }
    Ok((modes, refused))
}

/// The sizes of a driver: its list, or the usual ones within its range.
fn usual_sizes(size: FrameSizeEnum) -> Vec<(u32, u32)> {
    match size {
        FrameSizeEnum::Discrete(d) => vec![(d.width, d.height)],
        FrameSizeEnum::Stepwise(s) => {
            [(320, 240), (640, 360), (640, 480), (800, 600), (1280, 720), (1280, 960), (1920, 1080)]
                .into_iter()
                .filter(|(w, h)| (s.min_width..=s.max_width).contains(w) && (s.min_height..=s.max_height).contains(h))
                .collect()
        }
    }
}

fn fastest(device: &Device, fourcc: FourCC, size: (u32, u32)) -> Option<f32> {
    let intervals = device.enum_frameintervals(fourcc, size.0, size.1).ok()?;
    intervals
        .into_iter()
        .map(|i| match i.interval {
            FrameIntervalEnum::Discrete(f) => f.denominator as f32 / f.numerator.max(1) as f32,
            FrameIntervalEnum::Stepwise(s) => s.min.denominator as f32 / s.min.numerator.max(1) as f32,
        })
        .max_by(f32::total_cmp)
}

/// The best mode: fast enough, nearest to the wanted size (rather larger than smaller), cheapest to convert.
#[must_use]
pub fn choose(modes: &[Mode], width: u32, height: u32, rate: f32) -> Option<Mode> {
    let wanted = f64::from(width) * f64::from(height);
    let cost = |mode: &Mode| {
        let slow = mode.rate.is_some_and(|r| r < rate * 0.95);
        let ratio = f64::from(mode.width) * f64::from(mode.height) / wanted;
        // Half the pixels cost twice as much as double the pixels.
        let size = if ratio >= 1.0 { ratio.ln() } else { -2.0 * ratio.ln() };
        let rank = PixelFormat::all().position(|f| f == mode.format);
        (slow, (size * 1000.0) as i64, rank)
    };
    modes.iter().min_by_key(|mode| cost(mode)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(format: PixelFormat, width: u32, height: u32, rate: f32) -> Mode {
        Mode { format, width, height, rate: Some(rate) }
    }

    #[test]
    fn the_wanted_size_in_the_cheapest_format_wins() {
        let modes = [
            mode(PixelFormat::Mjpeg, 640, 480, 30.0),
            mode(PixelFormat::Yuyv, 640, 480, 30.0),
            mode(PixelFormat::Yuyv, 320, 240, 30.0),
            mode(PixelFormat::Yuyv, 1280, 720, 10.0),
        ];
        assert_eq!(choose(&modes, 640, 480, 10.0), Some(modes[1]));
    }

    #[test]
    fn a_compressed_mode_that_is_fast_enough_beats_a_raw_one_that_is_not() {
        let modes = [mode(PixelFormat::Yuyv, 1280, 720, 5.0), mode(PixelFormat::Mjpeg, 1280, 720, 30.0)];
        assert_eq!(choose(&modes, 1280, 720, 10.0), Some(modes[1]));
    }

    #[test]
    fn a_camera_without_a_usable_mode_has_none() {
        assert_eq!(choose(&[], 640, 480, 10.0), None);
    }
}
