//! Recorded frames: folders of pictures, Motion-JPEG files and Y4M files. For tests, tuning and the demonstration.
//!
//! Pictures are read one at a time; a clip's memory is bounded however long it is.

use std::{
    collections::VecDeque,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    Camera, CameraError,
    stream::{Demuxer, Kind, Packet, StreamError},
};
use crate::{
    frame::{Frame, Pixels},
    picture::{self, is_picture},
    regular,
};

/// When the frames of a recording come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once; only their time stamps tell the time. Repeats exactly.
    AtOnce,
    /// At the recording's own rate, as a camera gives them.
    RealTime,
}

/// A camera that plays recorded pictures.
pub struct ReplayCamera {
    waiting: VecDeque<PathBuf>,
    clip: Option<Clip>,
    interval: Duration,
    pace: Pace,
    started: Option<Instant>,
    count: u64,
    name: String,
}

type Source = Box<dyn Read + Send>;

/// Bytes of a clip that are read at once.
const CHUNK: usize = 64 * 1024;

/// A Motion-JPEG or Y4M clip.
struct Clip {
    path: PathBuf,
    reader: Source,
    demuxer: Demuxer,
    ended: bool,
}

impl ReplayCamera {
    /// Opens pictures, folders of pictures (in the order of their names) and clips, to be played one after the other at
    /// `rate` pictures a second.
    ///
    /// # Errors
    /// [`CameraError::Recording`] if a path does not exist or nothing is found.
    pub fn open(paths: &[PathBuf], rate: f32, pace: Pace) -> Result<Self, CameraError> {
        let mut waiting = VecDeque::new();
        for path in paths {
            let wrong = |what: String| CameraError::Recording { path: path.display().to_string(), what };
            if !path.is_dir() {
                if !path.exists() {
                    return Err(wrong("no such file or folder".into()));
                }
                crate::regular::open(path).map_err(|e| wrong(format!("cannot read the file: {e}")))?;
                waiting.push_back(path.clone());
                continue;
            }
            let inside = picture::in_folder(path).map_err(|e| wrong(format!("cannot read the folder: {e}")))?;
            if inside.is_empty() {
                return Err(wrong(format!("no picture in the folder ({})", picture::KINDS)));
            }
            waiting.extend(inside);
        }
        let name = paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        let interval = Duration::from_secs_f64(1.0 / f64::from(rate.clamp(0.1, 1000.0)));
        Ok(Self { waiting, clip: None, interval, pace, started: None, count: 0, name })
    }

    /// Plays a clip from memory; `name` names it in messages.
    #[must_use]
    pub fn from_bytes(name: &str, bytes: impl std::io::Read + Send + 'static, rate: f32, pace: Pace) -> Self {
        let clip = Clip::of(name.into(), Box::new(bytes));
        let interval = Duration::from_secs_f64(1.0 / f64::from(rate.clamp(0.1, 1000.0)));
        let (waiting, name) = (VecDeque::new(), name.into());
        Self { waiting, clip: Some(clip), interval, pace, started: None, count: 0, name }
    }

    fn next_picture(&mut self) -> Result<Pixels, CameraError> {
        loop {
            if let Some(clip) = &mut self.clip {
                if let Some(picture) = clip.next()? {
                    return Ok(picture);
                }
                self.clip = None;
            }
            let path = self.waiting.pop_front().ok_or(CameraError::End)?;
            if is_picture(&path) {
                return picture::open(&path)
                    .map(Pixels::from)
                    .map_err(|e| CameraError::Broken { device: "recording".into(), source: e.into() });
            }
            self.clip = Some(Clip::open(path)?);
        }
    }
}

impl Camera for ReplayCamera {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let pixels = self.next_picture()?;
        self.count += 1;
        let captured = self.interval.saturating_mul(u32::try_from(self.count).unwrap_or(u32::MAX));
        if self.pace == Pace::RealTime {
            let started = *self.started.get_or_insert_with(Instant::now);
            std::thread::sleep(captured.saturating_sub(started.elapsed()));
            // A camera's frames carry the clock's time, not the recording's.
            return Ok(Frame { pixels, captured: crate::clock::monotonic_now(), sequence: self.count });
        }
        Ok(Frame { pixels, captured, sequence: self.count })
    }

    fn describe(&self) -> String {
        format!("recorded frames of {}", self.name)
    }
}

impl Clip {
    fn open(path: PathBuf) -> Result<Self, CameraError> {
        let wrong = |what: String| CameraError::Recording { path: path.display().to_string(), what };
        let file = regular::open(&path).map_err(|e| wrong(format!("cannot open it: {e}")))?;
        Ok(Self::of(path, Box::new(file)))
    }

    fn of(path: PathBuf, reader: Source) -> Self {
        Self { path, reader, demuxer: Demuxer::new(Kind::Told), ended: false }
    }

    /// The next picture, or nothing at the end. After an error that is not final the next call goes on behind it.
    fn next(&mut self) -> Result<Option<Pixels>, CameraError> {
        let place = self.path.display().to_string();
        let wrong = |what: String| CameraError::Recording { path: place.clone(), what };
        loop {
            if let Some(packet) = self.demuxer.next() {
                return match packet.and_then(Packet::decode) {
                    Ok(picture) => Ok(Some(picture)),
                    Err(StreamError::Unknown) => Err(wrong(format!(
                        "{} (and by its name no picture that can be read: {})",
                        StreamError::Unknown,
                        picture::KINDS
                    ))),
                    Err(error) if error.is_final() => Err(wrong(error.to_string())),
                    Err(source) => Err(CameraError::Broken { device: place, source: source.into() }),
                };
            }
            if self.ended {
                return Ok(None);
            }
            let mut chunk = vec![0u8; CHUNK];
            match self.reader.read(&mut chunk).map_err(|e| wrong(format!("cannot read it: {e}")))? {
                0 => {
                    self.ended = true;
                    match self.demuxer.finish() {
                        Ok(()) => return Ok(None),
                        Err(source @ StreamError::CutShort) => {
                            return Err(CameraError::Broken { device: place, source: source.into() });
                        }
                        Err(error) => {
                            return Err(wrong(format!(
                                "{error} (and by its name no picture that can be read: {})",
                                picture::KINDS
                            )));
                        }
                    }
                }
                length => self.demuxer.feed(&chunk[..length]),
            }
        }
    }
}

/// Whether a path is a V4L2 device rather than a recording.
#[must_use]
pub fn is_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|m| m.file_type().is_char_device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{RgbImage, codecs::jpeg::JpegEncoder};

    fn jpeg(shade: u8) -> Vec<u8> {
        let picture = RgbImage::from_fn(32, 24, |x, _| image::Rgb([shade, (x * 8) as u8, 60]));
        let mut bytes = Vec::new();
        JpegEncoder::new(&mut bytes).encode_image(&picture).unwrap();
        bytes
    }

    fn play(name: &str, bytes: &[u8]) -> Vec<Result<Frame, CameraError>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut camera = ReplayCamera::open(&[path], 10.0, Pace::AtOnce).unwrap();
        let mut frames = Vec::new();
        loop {
            match camera.next_frame() {
                Err(CameraError::End) => return frames,
                Err(error) if error.retry() != super::super::Retry::NextFrame => {
                    frames.push(Err(error));
                    return frames;
                }
                frame => frames.push(frame),
            }
        }
    }

    #[test]
    fn a_motion_jpeg_clip_gives_each_of_its_pictures() {
        let frames = play("clip.mjpeg", &[jpeg(20), jpeg(120), jpeg(220)].concat());
        assert_eq!(frames.len(), 3);
        let third = frames[2].as_ref().unwrap();
        assert_eq!(third.captured, Duration::from_millis(300));
        assert!(third.pixels.clone().into_rgb().get_pixel(3, 3)[0] > 200);
    }

    #[test]
    fn one_broken_frame_never_ends_a_clip() {
        let whole = [jpeg(20), jpeg(120)].concat();
        let cut = jpeg(60);
        let frames = play("clip.mjpeg", &[&whole[..], &cut[..cut.len() / 2], &whole].concat());
        assert_eq!(frames.iter().filter(|f| f.is_ok()).count(), 4, "{frames:?}");
        assert_eq!(frames.iter().filter(|f| f.is_err()).count(), 1, "{frames:?}");
    }

    #[test]
    fn a_clip_that_is_cut_short_says_so_after_its_good_frames() {
        let whole = [jpeg(20), jpeg(120)].concat();
        let frames = play("clip.mjpeg", &whole[..whole.len() - 40]);
        assert_eq!(frames.len(), 2);
        assert!(frames[1].as_ref().unwrap_err().to_string().contains("cut short"));
    }

    #[test]
    fn a_y4m_clip_is_read_in_colour() {
        let mut bytes = b"YUV4MPEG2 W4 H2 F10:1 C420jpeg\n".to_vec();
        for _ in 0..2 {
            bytes.extend(b"FRAME\n");
            bytes.extend([81; 8]);
            bytes.extend([90, 90, 240, 240]);
        }
        let frames = play("clip.y4m", &bytes);
        assert_eq!(frames.len(), 2);
        let red = frames[1].as_ref().unwrap().pixels.clone().into_rgb().get_pixel(3, 1).0;
        assert!(red[0] > 250 && red[1] < 5 && red[2] < 5, "{red:?}");
    }

    #[test]
    fn something_else_is_refused_with_what_was_expected() {
        let frames = play("notes.txt", b"hello");
        assert!(frames[0].as_ref().unwrap_err().to_string().contains("neither"));
    }
}
