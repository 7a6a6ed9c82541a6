//! Recorded frames: folders of pictures, Motion-JPEG files and Y4M files. For tests, tuning and the demonstration.
//!
//! Pictures are read one at a time; a clip's memory is bounded however long it is.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use image::RgbImage;

use super::{Camera, CameraError, pixel};
use crate::{
    frame::Frame,
    picture::{self, is_picture},
};

/// Largest Motion-JPEG frame that is read, in bytes.
const MAX_JPEG: usize = 16 * 1024 * 1024;
/// Longest header line of a Y4M file, in bytes.
const MAX_Y4M_HEADER: u64 = 1024;

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

type Source = Box<dyn BufRead + Send>;

enum Clip {
    MotionJpeg { path: PathBuf, reader: Source },
    Y4m { path: PathBuf, reader: Source, header: Y4mHeader },
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
                waiting.push_back(path.clone());
                continue;
            }
            let inside = picture::in_folder(path).map_err(|e| wrong(format!("cannot read the folder: {e}")))?;
            if inside.is_empty() {
                return Err(wrong("no JPEG or PNG picture in the folder".into()));
            }
            waiting.extend(inside);
        }
        let name = paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        let interval = Duration::from_secs_f64(1.0 / f64::from(rate.clamp(0.1, 1000.0)));
        Ok(Self { waiting, clip: None, interval, pace, started: None, count: 0, name })
    }

    /// Plays a clip from memory; `name` names it in messages.
    ///
    /// # Errors
    /// [`CameraError::Recording`] if it is no clip.
    pub fn from_bytes(name: &str, bytes: &'static [u8], rate: f32, pace: Pace) -> Result<Self, CameraError> {
        let clip = Clip::of(name.into(), Box::new(std::io::Cursor::new(bytes)))?;
        let interval = Duration::from_secs_f64(1.0 / f64::from(rate.clamp(0.1, 1000.0)));
        Ok(Self {
            waiting: VecDeque::new(),
            clip: Some(clip),
            interval,
            pace,
            started: None,
            count: 0,
            name: name.into(),
        })
    }

    fn next_picture(&mut self) -> Result<RgbImage, CameraError> {
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
                    .map_err(|e| CameraError::Recording { path: path.display().to_string(), what: e.to_string() });
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
            return Ok(Frame { pixels, captured: super::capture::monotonic_now(), sequence: self.count });
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
        let file = File::open(&path).map_err(|e| wrong(format!("cannot open it: {e}")))?;
        Self::of(path, Box::new(BufReader::new(file)))
    }

    fn of(path: PathBuf, mut reader: Source) -> Result<Self, CameraError> {
        let wrong = |what: String| CameraError::Recording { path: path.display().to_string(), what };
        let start = reader.fill_buf().map_err(|e| wrong(format!("cannot read it: {e}")))?;
        if start.starts_with(b"YUV4MPEG2") {
            let header = Y4mHeader::read(reader.as_mut()).map_err(wrong)?;
            return Ok(Self::Y4m { path, reader, header });
        }
        if start.starts_with(&[0xff, 0xd8]) {
            return Ok(Self::MotionJpeg { path, reader });
        }
        Err(wrong(
            "neither a JPEG or PNG picture (by its name) nor a Motion-JPEG or Y4M clip (by its first bytes)".into(),
        ))
    }

    fn next(&mut self) -> Result<Option<RgbImage>, CameraError> {
        let (path, result) = match self {
            Self::MotionJpeg { path, reader } => (path, next_jpeg(reader.as_mut())),
            Self::Y4m { path, reader, header } => (path, header.next(reader.as_mut())),
        };
        result.map_err(|what| CameraError::Recording { path: path.display().to_string(), what })
    }
}

/// Cuts the next JPEG out of a stream of them: from its start marker to its end marker, walking the segments between so
/// that a thumbnail inside one does not end it.
fn next_jpeg(reader: &mut dyn BufRead) -> Result<Option<RgbImage>, String> {
    let fail = |e: std::io::Error| format!("cannot read it: {e}");
    let mut bytes = Vec::new();
    let mut marker = [0u8; 2];
    match read_up_to(reader, &mut marker).map_err(fail)? {
        0 => return Ok(None),
        2 if marker == [0xff, 0xd8] => bytes.extend(marker),
        _ => return Err("a frame that does not begin like a JPEG".into()),
    }
    loop {
        if read_up_to(reader, &mut marker).map_err(fail)? < 2 {
            return Err("the last JPEG is cut short".into());
        }
        bytes.extend(marker);
        match marker {
            [0xff, 0xd9] => break,
            [0xff, 0xff] => {
                // Fill byte: one more is to come before the marker's code.
                bytes.pop();
                let mut code = [0u8; 1];
                reader.read_exact(&mut code).map_err(fail)?;
                bytes.push(code[0]);
            }
            [0xff, 0xda] => {
                copy_segment(reader, &mut bytes)?;
                if copy_scan(reader, &mut bytes)? {
                    break;
                }
            }
            [0xff, _] => copy_segment(reader, &mut bytes)?,
            _ => return Err("a JPEG whose segments do not follow each other".into()),
        }
        if bytes.len() > MAX_JPEG {
            return Err(format!("a JPEG of more than {MAX_JPEG} bytes"));
        }
    }
    picture::decode(&bytes).map(Some).map_err(|e| format!("a JPEG that cannot be decoded: {e}"))
}

fn copy_segment(reader: &mut dyn BufRead, bytes: &mut Vec<u8>) -> Result<(), String> {
    let mut length = [0u8; 2];
    reader.read_exact(&mut length).map_err(|e| format!("the last JPEG is cut short: {e}"))?;
    let rest = usize::from(u16::from_be_bytes(length)).checked_sub(2).ok_or("a JPEG segment of no length")?;
    bytes.extend(length);
    let at = bytes.len();
    bytes.resize(at + rest, 0);
    reader.read_exact(&mut bytes[at..]).map_err(|e| format!("the last JPEG is cut short: {e}"))
}

/// Copies entropy-coded data up to the next real marker. True if that marker ends the picture; another one is left for
/// the caller to read as a segment.
fn copy_scan(reader: &mut dyn BufRead, bytes: &mut Vec<u8>) -> Result<bool, String> {
    let mut byte = [0u8; 1];
    let cut = |e: std::io::Error| format!("the last JPEG is cut short: {e}");
    loop {
        reader.read_exact(&mut byte).map_err(cut)?;
        bytes.push(byte[0]);
        if bytes.len() > MAX_JPEG {
            return Err(format!("a JPEG of more than {MAX_JPEG} bytes"));
        }
        if byte[0] != 0xff {
            continue;
        }
        reader.read_exact(&mut byte).map_err(cut)?;
        bytes.push(byte[0]);
        match byte[0] {
            0x00 | 0xd0..=0xd7 => {}
            0xff => {
                bytes.pop();
            }
            0xd9 => return Ok(true),
            0xda | 0xc4 | 0xdd | 0xfe | 0xdb => {
                // Another scan, or a table before it.
                copy_segment(reader, bytes)?;
            }
            other => return Err(format!("an unexpected marker ff{other:02x} within a JPEG")),
        }
    }
}

fn read_up_to(reader: &mut dyn BufRead, target: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < target.len() {
        match reader.read(&mut target[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// The stream header of a Y4M file: 4:2:0, 4:2:2, 4:4:4 with 8 bits, or grey.
#[derive(Clone, Copy, Debug)]
struct Y4mHeader {
    width: usize,
    height: usize,
    /// How many luma samples share a chroma sample, across and down; `None` for grey.
    chroma: Option<(usize, usize)>,
}

impl Y4mHeader {
    fn read(reader: &mut dyn BufRead) -> Result<Self, String> {
        let line = header_line(reader)?.ok_or("an empty file")?;
        let (mut width, mut height, mut chroma) = (0, 0, Some((2, 2)));
        for part in line.split(' ').skip(1) {
            let (key, value) = part.split_at_checked(1).unwrap_or(("", ""));
            match key {
                "W" => width = value.parse().map_err(|_| format!("Y4M width {value:?}, expected a number"))?,
                "H" => height = value.parse().map_err(|_| format!("Y4M height {value:?}, expected a number"))?,
                "C" => {
                    chroma = match value {
                        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Some((2, 2)),
                        "422" => Some((2, 1)),
                        "444" => Some((1, 1)),
                        "mono" => None,
                        other => {
                            return Err(format!(
                                "Y4M colour space {other:?}, expected 420, 422, 444 or mono with 8 bits"
                            ));
                        }
                    }
                }
                _ => {}
            }
        }
        let most = picture::MAX_SIDE as usize;
        if width == 0 || height == 0 || width > most || height > most {
            return Err(format!("Y4M size {width}x{height}, expected 1 to {most} pixels"));
        }
        Ok(Self { width, height, chroma })
    }

    fn next(&self, reader: &mut dyn BufRead) -> Result<Option<RgbImage>, String> {
        let Some(line) = header_line(reader)? else { return Ok(None) };
        if !line.starts_with("FRAME") {
            return Err("a Y4M frame that does not begin with FRAME".into());
        }
        let (w, h) = (self.width, self.height);
        let (across, down) = self.chroma.unwrap_or((1, 1));
        let (cw, ch) = (w.div_ceil(across), h.div_ceil(down));
        let planes = if self.chroma.is_some() { 2 } else { 0 };
        let mut bytes = vec![0u8; w * h + planes * cw * ch];
        reader.read_exact(&mut bytes).map_err(|e| format!("the last Y4M frame is cut short: {e}"))?;
        let (luma, rest) = bytes.split_at(w * h);
        let mut picture = RgbImage::new(w as u32, h as u32);
        for (at, pixel) in picture.pixels_mut().enumerate() {
            let (x, y) = (at % w, at / w);
            let (u, v) = if planes == 0 {
                (128, 128)
            } else {
                let c = (y / down) * cw + x / across;
                (rest[c], rest[cw * ch + c])
            };
            let yuyv = [luma[at], u, luma[at], v];
            // Two equal pixels of YUYV: the same arithmetic as for a camera.
            let pair = pixel::to_rgb(pixel::PixelFormat::Yuyv, &yuyv, 2, 1, 0).map_err(|e| e.to_string())?;
            *pixel = *pair.get_pixel(0, 0);
        }
        Ok(Some(picture))
    }
}

fn header_line(reader: &mut dyn BufRead) -> Result<Option<String>, String> {
    let mut line = Vec::new();
    reader.take(MAX_Y4M_HEADER).read_until(b'\n', &mut line).map_err(|e| format!("cannot read it: {e}"))?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err("a Y4M header line without an end".into());
    }
    String::from_utf8(line).map(Some).map_err(|_| "a Y4M header that is no text".into())
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
    use image::codecs::jpeg::JpegEncoder;

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
                Err(error) => {
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
        assert!(third.pixels.get_pixel(3, 3)[0] > 200);
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
        let red = frames[1].as_ref().unwrap().pixels.get_pixel(3, 1).0;
        assert!(red[0] > 250 && red[1] < 5 && red[2] < 5, "{red:?}");
    }

    #[test]
    fn something_else_is_refused_with_what_was_expected() {
        let frames = play("notes.txt", b"hello");
        assert!(frames[0].as_ref().unwrap_err().to_string().contains("neither"));
    }
}
