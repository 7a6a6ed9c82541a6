//! Frames out of a stream of bytes: Motion-JPEG, Y4M or raw frames of a known size. Clips and commands use the same code.
//!
//! One broken frame never ends a stream: it is told, and the next good one follows.

use image::RgbImage;

use super::{
    jpeg::{self, JpegError, Splitter},
    pixel::{self, Colour, Matrix, PixelError, PixelFormat, Range},
};
use crate::{frame::Pixels, picture};

/// Longest header line of a Y4M stream, in bytes.
const MAX_HEADER: usize = 1024;
const Y4M: &[u8] = b"YUV4MPEG2";
const FRAME: &[u8] = b"FRAME";

/// What a stream is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Motion-JPEG or Y4M, by the first bytes.
    Told,
    /// Raw frames without anything between them.
    Raw {
        /// Format of the pixels.
        format: PixelFormat,
        /// Width and height in pixels.
        size: (u32, u32),
    },
}

/// Why there is no picture where one should be.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The stream is neither of the kinds that are told by their first bytes.
    #[error("neither Motion-JPEG nor Y4M, by its first bytes")]
    Unknown,
    /// A JPEG of the stream.
    #[error("a JPEG that is broken: {0}")]
    Jpeg(#[from] JpegError),
    /// A raw frame.
    #[error(transparent)]
    Raw(#[from] PixelError),
    /// The header of a Y4M stream.
    #[error("Y4M {key} {found:?}, expected {expected}")]
    Header {
        /// Which part.
        key: &'static str,
        /// What was found.
        found: String,
        /// What would do.
        expected: String,
    },
    /// A Y4M frame that is not where it should be.
    #[error("a Y4M frame that does not begin with FRAME")]
    NoFrame,
    /// The stream ended within a frame.
    #[error("the last frame is cut short")]
    CutShort,
}

impl StreamError {
    /// Whether nothing can follow.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Unknown | Self::Header { .. } | Self::CutShort)
    }
}

/// A frame that is whole but not decoded yet: those that nobody will look at need not be.
#[derive(Debug)]
pub struct Packet(Inner);

#[derive(Debug)]
enum Inner {
    Jpeg(Vec<u8>),
    Planes(Header, Vec<u8>),
    Raw(PixelFormat, (u32, u32), Vec<u8>),
}

impl Packet {
    /// The picture.
    ///
    /// # Errors
    /// [`StreamError`] if it is broken.
    pub fn decode(self) -> Result<Pixels, StreamError> {
        match self.0 {
            Inner::Jpeg(bytes) => Ok(jpeg::decode(&bytes)?.into()),
            Inner::Planes(header, bytes) => header.pixels(bytes),
            Inner::Raw(format, size, bytes) => Ok(Pixels::of(format, Colour::default(), bytes, size, 0)?),
        }
    }
}

/// Takes a stream apart.
#[derive(Debug)]
pub struct Demuxer {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not enough bytes yet to tell.
    Telling(Vec<u8>),
    Jpeg(Splitter),
    Y4m {
        header: Header,
        bytes: Vec<u8>,
        lost: bool,
    },
    Raw {
        format: PixelFormat,
        size: (u32, u32),
        length: usize,
        bytes: Vec<u8>,
    },
    Failed,
}

impl Demuxer {
    /// Before the first byte of a stream.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let state = match kind {
            Kind::Raw { format, size } => match format.frame_bytes(size.0, size.1) {
                Some(length) if length > 0 => State::Raw { format, size, length, bytes: Vec::new() },
                _ => State::Jpeg(Splitter::default()),
            },
            Kind::Told => State::Telling(Vec::new()),
        };
        Self { state }
    }

    /// Takes in more of the stream.
    pub fn feed(&mut self, more: &[u8]) {
        match &mut self.state {
            State::Telling(bytes) | State::Y4m { bytes, .. } | State::Raw { bytes, .. } => {
                bytes.extend_from_slice(more);
            }
            State::Jpeg(splitter) => splitter.feed(more),
            State::Failed => {}
        }
    }

    /// What is left when the stream has ended: a frame that is cut short, or a stream that never was one.
    ///
    /// # Errors
    /// [`StreamError::CutShort`], [`StreamError::Unknown`].
    pub fn finish(&self) -> Result<(), StreamError> {
        let whole = match &self.state {
            State::Telling(_) => return Err(StreamError::Unknown),
            State::Jpeg(splitter) => !splitter.started(),
            State::Y4m { bytes, .. } | State::Raw { bytes, .. } => bytes.is_empty(),
            State::Failed => true,
        };
        if whole { Ok(()) } else { Err(StreamError::CutShort) }
    }

    fn tell(&mut self) -> Option<Result<(), StreamError>> {
        let State::Telling(bytes) = &mut self.state else { return Some(Ok(())) };
        if bytes.len() < Y4M.len() {
            return None;
        }
        if !bytes.starts_with(Y4M) {
            // A stream of JPEGs may begin with the text that comes before each of them.
            let near = &bytes[..bytes.len().min(MAX_HEADER)];
            if !near.windows(3).any(|w| w == [0xff, 0xd8, 0xff]) {
                if bytes.len() < MAX_HEADER {
                    return None;
                }
                self.state = State::Failed;
                return Some(Err(StreamError::Unknown));
            }
            let mut splitter = Splitter::default();
            splitter.feed(bytes);
            self.state = State::Jpeg(splitter);
            return Some(Ok(()));
        }
        let line = match take_line(bytes)? {
            Ok(line) => line,
            Err(error) => {
                self.state = State::Failed;
                return Some(Err(error));
            }
        };
        match Header::parse(&line) {
            Ok(header) => {
                self.state = State::Y4m { header, bytes: std::mem::take(bytes), lost: false };
                Some(Ok(()))
            }
            Err(error) => {
                self.state = State::Failed;
                Some(Err(error))
            }
        }
    }
}

impl Iterator for Demuxer {
    type Item = Result<Packet, StreamError>;

    /// The next whole frame, what is wrong with the next broken one, or nothing until more is fed.
    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.tell()? {
            return Some(Err(error));
        }
        match &mut self.state {
            State::Jpeg(splitter) => Some(splitter.next()?.map(|bytes| Packet(Inner::Jpeg(bytes))).map_err(Into::into)),
            State::Y4m { header, bytes, lost } => {
                header.next(bytes, lost).map(|r| r.map(|b| Packet(Inner::Planes(*header, b))))
            }
            State::Raw { format, size, length, bytes } => {
                if bytes.len() < *length {
                    return None;
                }
                let frame = bytes.drain(..*length).collect();
                Some(Ok(Packet(Inner::Raw(*format, *size, frame))))
            }
            State::Telling(_) | State::Failed => None,
        }
    }
}

/// Takes a line off the front. `None`: it has no end yet.
fn take_line(bytes: &mut Vec<u8>) -> Option<Result<String, StreamError>> {
    let Some(end) = bytes.iter().take(MAX_HEADER).position(|b| *b == b'\n') else {
        let wrong = || StreamError::Header {
            key: "header",
            found: "a line without an end".into(),
            expected: format!("at most {MAX_HEADER} bytes"),
        };
        return (bytes.len() >= MAX_HEADER).then(|| Err(wrong()));
    };
    let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
    bytes.drain(..=end);
    Some(Ok(line))
}

/// The stream header of Y4M: 4:2:0, 4:2:2, 4:4:4 with 8 bits, or grey.
#[derive(Clone, Copy, Debug)]
struct Header {
    width: usize,
    height: usize,
    /// How many luma samples share a chroma sample, across and down; `None` for grey.
    chroma: Option<(usize, usize)>,
    colour: Colour,
}

impl Header {
    fn parse(line: &str) -> Result<Self, StreamError> {
        let wrong = |key, found: &str, expected: &str| StreamError::Header {
            key,
            found: found.into(),
            expected: expected.into(),
        };
        let number = |key, value: &str| value.parse::<usize>().map_err(|_| wrong(key, value, "a number"));
        let (mut width, mut height, mut chroma, mut range) = (0, 0, Some((2, 2)), None);
        for part in line.split(' ').skip(1) {
            let (key, value) = part.split_at_checked(1).unwrap_or(("", ""));
            match (key, value) {
                ("W", _) => width = number("width", value)?,
                ("H", _) => height = number("height", value)?,
                ("C", "420" | "420jpeg" | "420mpeg2" | "420paldv") => chroma = Some((2, 2)),
                ("C", "422") => chroma = Some((2, 1)),
                ("C", "444") => chroma = Some((1, 1)),
                ("C", "mono") => chroma = None,
                ("C", other) => {
                    return Err(wrong("colour space", other, "420, 422, 444 or mono with 8 bits"));
                }
                ("X", "COLORRANGE=FULL") => range = Some(Range::Full),
                ("X", "COLORRANGE=LIMITED") => range = Some(Range::Limited),
                _ => {}
            }
        }
        let most = picture::MAX_SIDE as usize;
        if width == 0 || height == 0 || width > most || height > most {
            return Err(wrong("size", &format!("{width}x{height}"), &format!("1 to {most} pixels a side")));
        }
        // Y4M has no word for the matrix; what ffmpeg writes of a camera is BT.601.
        let colour = Colour { matrix: Matrix::Bt601, range: range.unwrap_or_default() };
        Ok(Self { width, height, chroma, colour })
    }

    fn chroma_bytes(&self) -> usize {
        self.chroma.map_or(0, |(across, down)| self.width.div_ceil(across) * self.height.div_ceil(down))
    }

    fn length(&self) -> usize {
        self.width * self.height + 2 * self.chroma_bytes()
    }

    fn next(&self, bytes: &mut Vec<u8>, lost: &mut bool) -> Option<Result<Vec<u8>, StreamError>> {
        if !bytes.starts_with(FRAME) {
            if FRAME.starts_with(bytes.as_slice()) {
                return None;
            }
            let found = bytes.windows(FRAME.len()).position(|w| w == FRAME);
            let skip = found.unwrap_or(bytes.len().saturating_sub(FRAME.len() - 1));
            bytes.drain(..skip);
            if !*lost {
                *lost = true;
                return Some(Err(StreamError::NoFrame));
            }
            found?;
        }
        let end = bytes.iter().take(MAX_HEADER).position(|b| *b == b'\n');
        let Some(end) = end else {
            if bytes.len() < MAX_HEADER {
                return None;
            }
            bytes.drain(..FRAME.len());
            return Some(Err(StreamError::NoFrame));
        };
        if bytes.len() < end + 1 + self.length() {
            return None;
        }
        *lost = false;
        bytes.drain(..=end);
        Some(Ok(bytes.drain(..self.length()).collect()))
    }

    fn pixels(&self, bytes: Vec<u8>) -> Result<Pixels, StreamError> {
        let even = self.width.is_multiple_of(2) && self.height.is_multiple_of(2);
        if self.chroma == Some((2, 2)) && even {
            let size = (self.width as u32, self.height as u32);
            return Ok(Pixels::of(PixelFormat::Yu12, self.colour, bytes, size, 0)?);
        }
        Ok(self.picture(&bytes).into())
    }

    fn picture(&self, bytes: &[u8]) -> RgbImage {
        let (luma, rest) = bytes.split_at(self.width * self.height);
        let chroma = self.chroma.map(|sharing| {
            let (u, v) = rest.split_at(self.chroma_bytes());
            pixel::ChromaPlanes { u, v, sharing }
        });
        pixel::planes_to_rgb(self.colour, (self.width, self.height), luma, chroma)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::jpeg::tests::jpeg, *};
    use proptest::prelude::*;

    fn pictures(kind: Kind, bytes: &[u8], piece: usize) -> Vec<Result<RgbImage, String>> {
        let (mut demuxer, mut found) = (Demuxer::new(kind), Vec::new());
        for part in bytes.chunks(piece) {
            demuxer.feed(part);
            found.extend(
                demuxer.by_ref().map(|p| p.and_then(Packet::decode).map(Pixels::into_rgb).map_err(|e| e.to_string())),
            );
        }
        if let Err(error) = demuxer.finish() {
            found.push(Err(error.to_string()));
        }
        found
    }

    fn y4m(header: &str, frames: &[[u8; 3]]) -> Vec<u8> {
        let mut bytes = format!("YUV4MPEG2 W4 H2 F10:1 {header}\n").into_bytes();
        for [y, u, v] in frames {
            bytes.extend(b"FRAME\n");
            bytes.extend([*y; 8]);
            bytes.extend([*u, *u, *v, *v]);
        }
        bytes
    }

    #[test]
    fn the_range_that_a_y4m_stream_states_is_used() {
        let centre = |header: &str| {
            pictures(Kind::Told, &y4m(header, &[[235, 128, 128]]), 9)[0].as_ref().unwrap().get_pixel(2, 1).0
        };
        assert_eq!(centre("C420jpeg"), [255; 3]);
        assert_eq!(centre("C420jpeg XCOLORRANGE=LIMITED"), [255; 3]);
        assert_eq!(centre("C420jpeg XCOLORRANGE=FULL"), [235; 3]);
    }

    #[test]
    fn a_damaged_y4m_frame_is_told_once_and_the_stream_goes_on() {
        let mut bytes = y4m("C420jpeg", &[[50, 128, 128], [100, 128, 128], [150, 128, 128]]);
        // Four bytes of the second frame are missing: it swallows the start of the third.
        bytes.extend_from_slice(&y4m("C420jpeg", &[[200, 128, 128]])[31..]);
        let second = 31 + 18 + 10;
        bytes.drain(second..second + 4);
        let found = pictures(Kind::Told, &bytes, 1000);
        assert_eq!(found.iter().filter(|f| f.is_ok()).count(), 3, "{found:?}");
        assert_eq!(found.iter().filter(|f| f.is_err()).count(), 1, "{found:?}");
    }

    #[test]
    fn raw_frames_follow_each_other_without_anything_between() {
        let kind = Kind::Raw { format: PixelFormat::Yu12, size: (4, 2) };
        let frame = |y: u8| [vec![y; 8], vec![128; 4]].concat();
        let found = pictures(kind, &[frame(16), frame(235), frame(16)].concat(), 5);
        let shades: Vec<_> = found.iter().map(|f| f.as_ref().unwrap().get_pixel(0, 0).0[0]).collect();
        assert_eq!(shades, [0, 255, 0]);
    }

    #[test]
    fn a_stream_of_something_else_is_refused_at_once() {
        let found = pictures(Kind::Told, &[b'x'; 3000], 100);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].as_ref().unwrap_err().contains("neither"));
    }

    #[test]
    fn motion_jpeg_behind_a_mime_header_is_found() {
        let bytes = [&b"\r\n--ffmpeg\r\nContent-type: image/jpeg\r\n\r\n"[..], &jpeg(40), &jpeg(80)].concat();
        assert_eq!(pictures(Kind::Told, &bytes, 333).iter().filter(|f| f.is_ok()).count(), 2);
    }

    proptest! {
        #[test]
        fn no_stream_panics_and_every_stream_ends(start in prop::sample::select(vec![&b"YUV4MPEG2 W4 H2 C420\n"[..], &b"\xff\xd8\xff"[..], b""]), bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1usize..300) {
            let all = [start, &bytes].concat();
            prop_assert!(pictures(Kind::Told, &all, piece).len() <= all.len() + 1);
        }
    }
}
