//! Motion-JPEG as cameras send it: frames are found in a stream whatever lies between them, tables that are left out are
//! put in, and a frame that is cut short is an error instead of a picture that is half grey.
//!
//! Webcams leave out the Huffman tables (the ones of ITU-T T.81, annex K, are meant), pad frames, and lose the ends of
//! frames when the bus is busy. Decoders for the web show what there is; a gate must not judge it.

use std::sync::OnceLock;

use image::RgbImage;
use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use crate::picture;

/// Largest Motion-JPEG frame that is read, in bytes.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const HUFFMAN: u8 = 0xc4;

/// Why a frame is no picture.
#[derive(Debug, thiserror::Error)]
pub enum JpegError {
    /// The frame does not begin like a JPEG.
    #[error("it does not begin like a JPEG")]
    NoStart,
    /// The frame ends too early.
    #[error("it is cut short")]
    CutShort,
    /// The parts before the picture's data do not follow each other.
    #[error("its segments do not follow each other")]
    Segments,
    /// More bytes than any frame has.
    #[error("it has more than {MAX_FRAME} bytes")]
    TooLong,
    /// The decoder refuses it.
    #[error("{0}")]
    Decode(DecodeErrors),
    /// The picture's size is refused.
    #[error("a picture of {width}x{height}, at most {most} pixels a side are read", most = picture::MAX_SIDE)]
    Size {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
}

/// Decodes one buffer of a camera: the first whole JPEG in it, whatever is before and after it.
///
/// # Errors
/// [`JpegError`]: nothing is made up for what is missing.
pub fn decode_frame(bytes: &[u8]) -> Result<RgbImage, JpegError> {
    let mut splitter = Splitter::default();
    splitter.feed(bytes);
    match splitter.next() {
        Some(frame) => decode(&frame?),
        None if splitter.started() => Err(JpegError::CutShort),
        None => Err(JpegError::NoStart),
    }
}

/// Whether a file holds a JPEG from its start to its end marker, whatever follows.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    let mut splitter = Splitter { limit: usize::MAX, ..Splitter::default() };
    splitter.feed(bytes);
    matches!(splitter.next(), Some(Ok(_)))
}

/// Decodes a whole JPEG, from its start marker to its end marker.
///
/// # Errors
/// [`JpegError`] for everything that is not in order; half a picture is an error.
pub fn decode(jpeg: &[u8]) -> Result<RgbImage, JpegError> {
    // The decoder takes an end marker that comes too early for the end of the picture, but data that runs out for an error:
    // so it gets the data alone.
    let whole = with_tables(jpeg.strip_suffix(&[0xff, END]).unwrap_or(jpeg));
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(picture::MAX_SIDE as usize)
        .set_max_height(picture::MAX_SIDE as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(whole.as_ref()), options);
    decoder.decode_headers().map_err(JpegError::Decode)?;
    let (width, height) = decoder.dimensions().ok_or(JpegError::Segments)?;
    if (width as u64 * height as u64 * 3) > picture::MAX_BYTES {
        return Err(JpegError::Size { width, height });
    }
    let pixels = decoder.decode().map_err(JpegError::Decode)?;
    RgbImage::from_raw(width as u32, height as u32, pixels).ok_or(JpegError::Segments)
}

/// The JPEG with the usual Huffman tables before its scan, if it has none.
fn with_tables(jpeg: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    match scan_without_tables(jpeg) {
        None => jpeg.into(),
        Some(scan) => [&jpeg[..scan], usual_tables(), &jpeg[scan..]].concat().into(),
    }
}

/// Where the first scan begins, if no Huffman table comes before it.
fn scan_without_tables(jpeg: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        let (marker, length) = segment(jpeg.get(at..)?)?;
        match marker {
            HUFFMAN => return None,
            SCAN => return Some(at),
            _ => at += length,
        }
    }
}

/// The marker at the start of `bytes` and the length of its segment, fill bytes included.
fn segment(bytes: &[u8]) -> Option<(u8, usize)> {
    let fill = bytes.iter().take_while(|b| **b == 0xff).count();
    let marker = *bytes.get(fill)?;
    if fill == 0 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*bytes.get(fill + 1)?, *bytes.get(fill + 2)?]));
    (length >= 2).then_some((marker, fill + 1 + length))
}

/// The Huffman tables of ITU-T T.81, annex K, as segments: those that the encoder of the `image` crate writes.
fn usual_tables() -> &'static [u8] {
    static TABLES: OnceLock<Vec<u8>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut jpeg = Vec::new();
        let picture = RgbImage::new(8, 8);
        // Writing a picture of 8x8 to memory cannot fail.
        image::codecs::jpeg::JpegEncoder::new(&mut jpeg).encode_image(&picture).expect("a picture in memory");
        let (mut at, mut tables) = (2, Vec::new());
        while let Some((marker, length)) = jpeg.get(at..).and_then(segment) {
            if marker == SCAN {
                break;
            }
            if marker == HUFFMAN {
                tables.extend(&jpeg[at..at + length]);
            }
            at += length;
        }
        tables
    })
}

/// Finds the JPEGs in a stream of bytes. Whatever lies between two of them is skipped: padding, garbage, MIME headers. A
/// frame that is broken off by the start of the next is reported, and the next one is not lost.
#[derive(Debug)]
pub struct Splitter {
    /// Most bytes of a frame.
    limit: usize,
    bytes: Vec<u8>,
    /// Up to where the present frame was looked through.
    at: usize,
    inside: Inside,
}

/// Where in a frame the splitter is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    /// Before a frame.
    #[default]
    Nothing,
    /// Among the segments.
    Segments,
    /// In the entropy-coded data, where 0xff is always followed by zero, a restart number or the next marker.
    Scan,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { limit: MAX_FRAME, bytes: Vec::new(), at: 0, inside: Inside::Nothing }
    }
}

impl Splitter {
    /// Takes in more of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a frame has begun that has not ended yet.
    #[must_use]
    pub fn started(&self) -> bool {
        self.inside != Inside::Nothing
    }

    /// Bytes that wait for more.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Gives up the frame that has begun, and looks for another one behind its start.
    fn give_up(&mut self) {
        self.bytes.drain(..self.bytes.len().min(2));
        (self.at, self.inside) = (0, Inside::Nothing);
    }

    /// Drops everything before the next start marker; whether there is one.
    fn find_start(&mut self) -> bool {
        let start = self.bytes.windows(3).position(|w| w[0] == 0xff && w[1] == START && w[2] == 0xff);
        match start {
            Some(start) => {
                self.bytes.drain(..start);
                (self.at, self.inside) = (2, Inside::Segments);
                true
            }
            None => {
                // The last two bytes may be the beginning of a start.
                let keep = self.bytes.len().min(2);
                self.bytes.drain(..self.bytes.len() - keep);
                false
            }
        }
    }

    /// Walks one segment. `None`: more bytes are needed.
    fn walk_segment(&mut self) -> Option<Result<(), JpegError>> {
        let rest = &self.bytes[self.at..];
        let fill = rest.iter().take_while(|b| **b == 0xff).count();
        let marker = *rest.get(fill)?;
        match marker {
            // Another frame begins, or what comes is no segment: the present one is broken off.
            _ if fill == 0 => return Some(Err(JpegError::Segments)),
            0x00 => return Some(Err(JpegError::Segments)),
            START | END => return Some(Err(JpegError::CutShort)),
            0x01 | 0xd0..=0xd7 => self.at += fill + 1,
            _ => {
                let length = usize::from(u16::from_be_bytes([*rest.get(fill + 1)?, *rest.get(fill + 2)?]));
                if length < 2 {
                    return Some(Err(JpegError::Segments));
                }
                if rest.len() < fill + 1 + length {
                    return None;
                }
                self.at += fill + 1 + length;
                if marker == SCAN {
                    self.inside = Inside::Scan;
                }
            }
        }
        Some(Ok(()))
    }

    /// Walks entropy-coded data up to the next marker. `None`: more bytes are needed; true: the frame is whole.
    fn walk_scan(&mut self) -> Option<Result<bool, JpegError>> {
        loop {
            let Some(found) = self.bytes[self.at..].iter().position(|b| *b == 0xff) else {
                self.at = self.bytes.len();
                return None;
            };
            self.at += found;
            let marker = *self.bytes.get(self.at + 1)?;
            match marker {
                0x00 | 0x01 | 0xd0..=0xd7 => self.at += 2,
                0xff => self.at += 1,
                END => {
                    self.at += 2;
                    return Some(Ok(true));
                }
                START => return Some(Err(JpegError::CutShort)),
                _ => {
                    self.inside = Inside::Segments;
                    return Some(Ok(false));
                }
            }
        }
    }
}

impl Iterator for Splitter {
    type Item = Result<Vec<u8>, JpegError>;

    /// The next whole frame, what is wrong with the next broken one, or nothing until more is fed.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.bytes.len() > self.limit {
                self.give_up();
                // None of what was kept can belong to a frame of a size that there is.
                self.bytes.clear();
                return Some(Err(JpegError::TooLong));
            }
            let step = match self.inside {
                Inside::Nothing => {
                    if !self.find_start() {
                        return None;
                    }
                    Ok(false)
                }
                Inside::Segments => self.walk_segment()?.map(|()| false),
                Inside::Scan => self.walk_scan()?,
            };
            match step {
                Ok(false) => {}
                Ok(true) => {
                    let frame = self.bytes.drain(..self.at).collect();
                    (self.at, self.inside) = (0, Inside::Nothing);
                    return Some(Ok(frame));
                }
                Err(error) => {
                    self.give_up();
                    return Some(Err(error));
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn jpeg(shade: u8) -> Vec<u8> {
        let picture = RgbImage::from_fn(64, 48, |x, y| image::Rgb([shade, (x * 4) as u8, (y * 5) as u8]));
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut bytes).encode_image(&picture).unwrap();
        bytes
    }

    /// The same JPEG as a webcam sends it: without its Huffman tables.
    pub(crate) fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let (mut at, mut out) = (2, jpeg[..2].to_vec());
        loop {
            let (marker, length) = segment(&jpeg[at..]).unwrap();
            if marker != HUFFMAN {
                out.extend(&jpeg[at..at + length]);
            }
            at += length;
            if marker == SCAN {
                out.extend(&jpeg[at..]);
                return out;
            }
        }
    }

    fn split(stream: &[u8], piece: usize) -> Vec<Result<Vec<u8>, String>> {
        let (mut splitter, mut frames) = (Splitter::default(), Vec::new());
        for part in stream.chunks(piece) {
            splitter.feed(part);
            frames.extend(splitter.by_ref().map(|f| f.map_err(|e| e.to_string())));
        }
        frames
    }

    #[test]
    fn a_frame_without_huffman_tables_is_the_same_picture() {
        let whole = jpeg(90);
        let bare = without_tables(&whole);
        assert!(bare.len() < whole.len());
        assert_eq!(decode_frame(&bare).unwrap(), decode_frame(&whole).unwrap());
    }

    #[test]
    fn a_frame_that_is_cut_short_is_no_picture_wherever_it_is_cut() {
        let whole = jpeg(90);
        for length in [1, 3, 20, 200, whole.len() / 2, whole.len() - 30, whole.len() - 2, whole.len() - 1] {
            assert!(decode_frame(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
        }
        // With its end marker, as a driver closes it that has lost packets in the middle.
        for length in (640..whole.len() - 40).step_by(20) {
            let closed = [&whole[..length], &[0xff, END]].concat();
            assert!(decode_frame(&closed).is_err(), "closed after {length} of {} bytes", whole.len());
        }
    }

    #[test]
    fn padding_garbage_and_mime_headers_between_frames_are_skipped() {
        let (one, two, three) = (jpeg(10), jpeg(120), jpeg(240));
        let stream = [
            &b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"[..],
            &one,
            &[0; 700],
            &[0xff, 0xff, 0x12],
            &two,
            b"\r\n--frame\r\n",
            &three,
            &[0; 3],
        ]
        .concat();
        for piece in [1, 7, 1000, stream.len()] {
            let frames: Vec<_> = split(&stream, piece).into_iter().map(Result::unwrap).collect();
            assert_eq!(frames, [one.clone(), two.clone(), three.clone()], "in pieces of {piece}");
        }
    }

    #[test]
    fn a_broken_frame_is_told_and_the_next_one_is_not_lost() {
        let (one, two) = (jpeg(10), jpeg(120));
        // A frame that ends within the length of a segment is known as broken only some frames later.
        let later = [two.clone(), one.clone()].concat().repeat(50);
        for cut in [4, 30, 300, one.len() - 9] {
            let frames = split(&[&one[..cut], &later].concat(), 500);
            let whole = frames.iter().filter_map(|f| f.as_ref().ok());
            assert!(whole.eq([&two, &one].into_iter().cycle().take(100)), "cut at {cut}: a frame is lost or wrong");
            assert!(frames.iter().any(Result::is_err), "cut at {cut}: nothing said");
        }
    }

    #[test]
    fn fill_bytes_before_markers_are_allowed() {
        let whole = jpeg(90);
        let filled =
            [&whole[..2], &[0xff, 0xff], &whole[2..whole.len() - 2], &[0xff, 0xff], &whole[whole.len() - 2..]].concat();
        assert_eq!(decode_frame(&filled).unwrap(), decode_frame(&whole).unwrap());
    }

    proptest! {
        #[test]
        fn no_stream_panics_or_is_kept_for_ever(bytes in prop::collection::vec(prop_oneof![Just(0xffu8), Just(0xd8), Just(0xda), any::<u8>()], 0..3000), piece in 1usize..400) {
            let _ = decode_frame(&bytes);
            let frames = split(&bytes, piece);
            prop_assert!(frames.len() <= bytes.len());
        }
    }
}
