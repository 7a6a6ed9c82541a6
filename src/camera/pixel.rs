//! Pixel formats to RGB. Every function checks the length of its input before it reads a byte.

use image::RgbImage;

use super::jpeg;
use crate::picture;

/// A pixel format that the gate can judge; the names are V4L2's, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Packed 4:2:2, Y U Y V.
    Yuyv,
    /// Packed 4:2:2, U Y V Y.
    Uyvy,
    /// Packed 4:2:2, Y V Y U.
    Yvyu,
    /// Plane Y, then U and V by turns, 4:2:0.
    Nv12,
    /// Plane Y, then V and U by turns, 4:2:0.
    Nv21,
    /// Planes Y, U, V, 4:2:0: what v4l2loopback and libcamera's bridge give.
    Yu12,
    /// Planes Y, V, U, 4:2:0.
    Yv12,
    /// Packed, R G B.
    Rgb24,
    /// Packed, B G R.
    Bgr24,
    /// Packed, R G B and a fourth byte.
    Rgbx,
    /// Packed, B G R and a fourth byte.
    Bgrx,
    /// Packed, a byte before R G B.
    Xrgb,
    /// Packed, a byte before B G R.
    Xbgr,
    /// Motion-JPEG.
    Mjpeg,
    /// Grey, one byte a pixel.
    Grey,
    /// Grey, two bytes a pixel, the low one first, all 16 bits used.
    Y16,
    /// Grey, two bytes a pixel, the low one first, 10 bits used: infrared cameras.
    Y10,
    /// Grey, four pixels of 10 bits in five bytes.
    Y10Packed,
    /// Grey, two bytes a pixel, the low one first, 12 bits used.
    Y12,
}

/// Every format with the names that V4L2 has for it, the cheapest to convert and surest first.
const NAMES: [(PixelFormat, &[&[u8; 4]]); 19] = [
    (PixelFormat::Yuyv, &[b"YUYV"]),
    (PixelFormat::Uyvy, &[b"UYVY"]),
    (PixelFormat::Yvyu, &[b"YVYU"]),
    (PixelFormat::Nv12, &[b"NV12"]),
    (PixelFormat::Nv21, &[b"NV21"]),
    (PixelFormat::Yu12, &[b"YU12"]),
    (PixelFormat::Yv12, &[b"YV12"]),
    (PixelFormat::Rgb24, &[b"RGB3"]),
    (PixelFormat::Bgr24, &[b"BGR3"]),
    (PixelFormat::Rgbx, &[b"AB24", b"XB24"]),
    (PixelFormat::Bgrx, &[b"AR24", b"XR24", b"BGR4"]),
    (PixelFormat::Xrgb, &[b"BA24", b"BX24", b"RGB4"]),
    (PixelFormat::Xbgr, &[b"RA24", b"RX24"]),
    (PixelFormat::Mjpeg, &[b"MJPG", b"JPEG"]),
    (PixelFormat::Grey, &[b"GREY"]),
    (PixelFormat::Y16, &[b"Y16 "]),
    (PixelFormat::Y10, &[b"Y10 "]),
    (PixelFormat::Y10Packed, &[b"Y10P"]),
    (PixelFormat::Y12, &[b"Y12 "]),
];

impl PixelFormat {
    /// All formats, the cheapest to convert and surest first.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(format, _)| *format)
    }

    /// The four characters by which V4L2 names it.
    #[must_use]
    pub fn fourcc(self) -> [u8; 4] {
        NAMES.iter().find(|(format, _)| *format == self).map_or(*b"    ", |(_, names)| *names[0])
    }

    /// The format that V4L2 names so.
    ///
    /// # Errors
    /// Formats that the gate cannot judge, with the way out.
    pub fn of_fourcc(code: [u8; 4]) -> Result<Self, PixelError> {
        NAMES.iter().find(|(_, names)| names.contains(&&code)).map(|(format, _)| *format).ok_or_else(|| {
            PixelError::Unsupported {
                fourcc: String::from_utf8_lossy(&code).trim_end().to_owned(),
                hint: way_out(code),
            }
        })
    }

    /// How many pixels share a chroma sample, across and down.
    fn sharing(self) -> (usize, usize) {
        match self {
            Self::Yuyv | Self::Uyvy | Self::Yvyu => (2, 1),
            Self::Nv12 | Self::Nv21 | Self::Yu12 | Self::Yv12 => (2, 2),
            Self::Y10Packed => (4, 1),
            _ => (1, 1),
        }
    }

    /// Where the luma of the first pixel of a line lies and how far it is to the next, if luma has a byte of its own.
    pub(super) fn luma(self) -> Option<(isize, isize)> {
        match self {
            Self::Yuyv | Self::Yvyu => Some((0, 2)),
            Self::Uyvy => Some((1, 2)),
            Self::Nv12 | Self::Nv21 | Self::Yu12 | Self::Yv12 | Self::Grey => Some((0, 1)),
            _ => None,
        }
    }

    /// Bytes of a line of `width` pixels of the first plane, without padding.
    fn line(self, width: usize) -> usize {
        match self {
            Self::Yuyv | Self::Uyvy | Self::Yvyu | Self::Y16 | Self::Y10 | Self::Y12 => width * 2,
            Self::Rgb24 | Self::Bgr24 => width * 3,
            Self::Rgbx | Self::Bgrx | Self::Xrgb | Self::Xbgr => width * 4,
            Self::Y10Packed => width / 4 * 5,
            Self::Nv12 | Self::Nv21 | Self::Yu12 | Self::Yv12 | Self::Grey | Self::Mjpeg => width,
        }
    }

    /// Bytes of a frame whose lines have no padding; `None` for Motion-JPEG, whose frames differ.
    #[must_use]
    pub fn frame_bytes(self, width: u32, height: u32) -> Option<usize> {
        let (w, h) = (width as usize, height as usize);
        match self {
            Self::Mjpeg => None,
            Self::Nv12 | Self::Nv21 | Self::Yu12 | Self::Yv12 => Some(w * h + 2 * w.div_ceil(2) * h.div_ceil(2)),
            _ => Some(self.line(w) * h),
        }
    }
}

/// What to do about a format that cannot be judged.
fn way_out(code: [u8; 4]) -> &'static str {
    if is_bayer(code) {
        "raw sensor data of a CSI camera; use `source = \"pipe\"`, whose default command is rpicam-vid (see README, Cameras), or a USB camera"
    } else if &code == b"H264" || &code == b"HEVC" {
        "a video stream; choose another mode of the camera, such as YUYV or MJPG"
    } else {
        "choose a camera or mode with YUYV, UYVY, MJPG, NV12, YU12, RGB3, BGR3 or GREY, or let `source = \"pipe\"` convert it with ffmpeg"
    }
}

/// Whether a format is a sensor's raw mosaic.
#[must_use]
pub fn is_bayer(code: [u8; 4]) -> bool {
    const BAYER: [&[u8; 4]; 28] = [
        b"BA81", b"GBRG", b"GRBG", b"RGGB", b"BG10", b"GB10", b"BA10", b"RG10", b"pBAA", b"pGAA", b"pgAA", b"pRAA",
        b"BYR2", b"RG12", b"BG12", b"GB12", b"BA12", b"pBCC", b"pGCC", b"pgCC", b"pRCC", b"BG14", b"RG14", b"GB14",
        b"GR14", b"RG16", b"GB16", b"GR16",
    ];
    BAYER.contains(&&code)
}

/// How luma and chroma of a picture become RGB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colour {
    /// The matrix.
    pub matrix: Matrix,
    /// The range of the values.
    pub range: Range,
}

/// Weights of red, green and blue in luma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601: standard definition, and what a camera means that says nothing.
    #[default]
    Bt601,
    /// ITU-R BT.709: high definition.
    Bt709,
}

/// Which values stand for black and white.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// 16 to 235, chroma 16 to 240.
    #[default]
    Limited,
    /// 0 to 255.
    Full,
}

impl Colour {
    /// The weights in 1/256: luma, red of v, green of u and v, blue of u; and the luma of black.
    fn weights(self) -> Weights {
        // Kr and Kb of the two recommendations; Kg is what is left of one.
        let (kr, kb) = match self.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let (luma, chroma, black) = match self.range {
            Range::Limited => (255.0 / 219.0, 255.0 / 224.0, 16),
            Range::Full => (1.0, 1.0, 0),
        };
        let kg = 1.0 - kr - kb;
        let parts = |x: f64| (x * 256.0).round() as i32;
        Weights {
            black,
            luma: parts(luma),
            red_v: parts(2.0 * (1.0 - kr) * chroma),
            green_u: parts(2.0 * kb * (1.0 - kb) / kg * chroma),
            green_v: parts(2.0 * kr * (1.0 - kr) / kg * chroma),
            blue_u: parts(2.0 * (1.0 - kb) * chroma),
        }
    }
}

/// Why a frame could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum PixelError {
    /// A format that the gate cannot judge.
    #[error("pixel format {fourcc} cannot be judged: {hint}")]
    Unsupported {
        /// V4L2's name.
        fourcc: String,
        /// The way out.
        hint: &'static str,
    },
    /// Fewer bytes than the size needs.
    #[error(
        "a frame of {width}x{height} in {format:?} with lines of {stride} bytes needs {needed} bytes, the camera gave {found}"
    )]
    Short {
        /// Format.
        format: PixelFormat,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes from line to line.
        stride: usize,
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        found: usize,
    },
    /// Sizes that no camera has.
    #[error("a frame of {width}x{height} in {format:?} with lines of {stride} bytes makes no sense")]
    Size {
        /// Format.
        format: PixelFormat,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes from line to line.
        stride: usize,
    },
    /// A broken JPEG.
    #[error("a Motion-JPEG frame is broken: {0}")]
    Jpeg(#[from] jpeg::JpegError),
}

/// Converts a frame to RGB.
///
/// `stride` is the number of bytes from line to line of the first plane as the driver states it; 0 stands for lines without
/// padding. For Motion-JPEG the sizes are those of the picture itself, and `colour` is the JPEG's own.
///
/// # Errors
/// [`PixelError`] for input that is too short, sizes that make no sense, or a broken JPEG.
pub fn to_rgb(
    format: PixelFormat,
    colour: Colour,
    bytes: &[u8],
    (width, height): (u32, u32),
    stride: usize,
) -> Result<RgbImage, PixelError> {
    if format == PixelFormat::Mjpeg {
        return Ok(jpeg::decode_frame(bytes)?);
    }
    let layout = Layout::of(format, colour, bytes.len(), (width, height), stride)?;
    let mut out = vec![0u8; layout.width * layout.height * 3];
    for (row, target) in out.chunks_exact_mut(layout.width * 3).enumerate() {
        layout.row(bytes, row, 0, target);
    }
    // `out` has exactly width * height * 3 bytes.
    Ok(RgbImage::from_raw(width, height, out).expect("the buffer has the picture's size"))
}

/// Where the pixels of a frame lie in its bytes, and what they mean. Motion-JPEG has none.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    format: PixelFormat,
    weights: Weights,
    width: usize,
    height: usize,
    stride: usize,
    planes: Planes,
}

impl Layout {
    /// The layout of a frame of `found` bytes.
    pub(super) fn of(
        format: PixelFormat,
        colour: Colour,
        found: usize,
        (width, height): (u32, u32),
        stride: usize,
    ) -> Result<Self, PixelError> {
        let wrong = PixelError::Size { format, width, height, stride };
        let (w, h) = (width as usize, height as usize);
        let (across, down) = format.sharing();
        let fits = w.is_multiple_of(across) && h.is_multiple_of(down) && format != PixelFormat::Mjpeg;
        if w == 0 || h == 0 || width > picture::MAX_SIDE || height > picture::MAX_SIDE || !fits {
            return Err(wrong);
        }
        let packed = format.line(w);
        let stride = if stride == 0 { packed } else { stride };
        if stride < packed || stride > packed * 4 + 4096 {
            return Err(wrong);
        }
        let planes = Planes::of(format, stride, packed, h);
        if found < planes.needed {
            return Err(PixelError::Short { format, width, height, stride, needed: planes.needed, found });
        }
        Ok(Self { format, weights: colour.weights(), width: w, height: h, stride, planes })
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.width as u32, self.height as u32)
    }

    /// Bytes from line to line.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Where the brightness of the first pixel lies, and how far it is to the next; of a format that has it in a byte of its own.
    pub(super) fn luma(&self) -> (isize, isize) {
        self.format.luma().unwrap_or((0, 1))
    }

    /// The byte of black, and what a step from it is worth in 1/256.
    pub(super) fn brightness(&self) -> (i32, i32) {
        if self.format == PixelFormat::Grey { (0, 256) } else { (self.weights.black, self.weights.luma) }
    }

    /// Bytes of a line from one column to another; both lie where pixels share nothing.
    fn line<'a>(&self, bytes: &'a [u8], row: usize, from: usize, to: usize) -> &'a [u8] {
        let start = row * self.stride;
        &bytes[start + self.format.line(from)..start + self.format.line(to)]
    }

    /// Makes the RGB of a row from a column on, which is a multiple of four, as far as `target` reaches.
    pub(super) fn row(&self, bytes: &[u8], row: usize, from: usize, target: &mut [u8]) {
        let (to, weights, planes) = (from + target.len() / 3, &self.weights, &self.planes);
        let line = self.line(bytes, row, from, to);
        match self.format {
            PixelFormat::Yuyv => weights.packed::<0, 1, 3>(line, target),
            PixelFormat::Uyvy => weights.packed::<1, 0, 2>(line, target),
            PixelFormat::Yvyu => weights.packed::<0, 3, 1>(line, target),
            PixelFormat::Nv12 => weights.interleaved::<0, 1>(line, &planes.first(bytes, row)[from..to], target),
            PixelFormat::Nv21 => weights.interleaved::<1, 0>(line, &planes.first(bytes, row)[from..to], target),
            PixelFormat::Yu12 | PixelFormat::Yv12 => {
                let (u, v) = planes.blue_and_red(self.format, bytes, row);
                weights.planar(line, &u[from / 2..to / 2], &v[from / 2..to / 2], target);
            }
            PixelFormat::Rgb24 | PixelFormat::Mjpeg => target.copy_from_slice(line),
            PixelFormat::Bgr24 => picked::<3, 2, 1, 0>(line, target),
            PixelFormat::Rgbx => picked::<4, 0, 1, 2>(line, target),
            PixelFormat::Bgrx => picked::<4, 2, 1, 0>(line, target),
            PixelFormat::Xrgb => picked::<4, 1, 2, 3>(line, target),
            PixelFormat::Xbgr => picked::<4, 3, 2, 1>(line, target),
            PixelFormat::Grey => grey(line.iter().copied(), target),
            PixelFormat::Y16 => grey(deep::<8>(line), target),
            PixelFormat::Y12 => grey(deep::<4>(line), target),
            PixelFormat::Y10 => grey(deep::<2>(line), target),
            PixelFormat::Y10Packed => grey(line.chunks_exact(5).flat_map(|group| group[..4].iter().copied()), target),
        }
    }

    /// Makes a row of half the size of this row and the next, which begin where four pixels share nothing with others: each pixel
    /// the mean of four. Brightness and colour are averaged before they become RGB, which is a quarter of the work.
    pub(super) fn halved_row(&self, bytes: &[u8], row: usize, from: usize, target: &mut [u8]) {
        let (to, weights, planes) = (from + 2 * (target.len() / 3), &self.weights, &self.planes);
        let rows = [self.line(bytes, row, from, to), self.line(bytes, row + 1, from, to)];
        match self.format {
            PixelFormat::Yuyv => weights.packed_halved::<0, 1, 3>(rows, target),
            PixelFormat::Uyvy => weights.packed_halved::<1, 0, 2>(rows, target),
            PixelFormat::Yvyu => weights.packed_halved::<0, 3, 1>(rows, target),
            PixelFormat::Nv12 => {
                weights.interleaved_halved::<0, 1>(rows, &planes.first(bytes, row)[from..to], target);
            }
            PixelFormat::Nv21 => {
                weights.interleaved_halved::<1, 0>(rows, &planes.first(bytes, row)[from..to], target);
            }
            PixelFormat::Yu12 | PixelFormat::Yv12 => {
                let (u, v) = planes.blue_and_red(self.format, bytes, row);
                weights.planar_halved(rows, &u[from / 2..to / 2], &v[from / 2..to / 2], target);
            }
            PixelFormat::Grey => {
                let pairs = rows[0].as_chunks::<2>().0.iter().zip(rows[1].as_chunks::<2>().0);
                grey(pairs.map(|(a, b)| ((sum(*a) + sum(*b) + 2) / 4) as u8), target);
            }
            _ => {
                let mut whole = [vec![0; 2 * target.len()], vec![0; 2 * target.len()]];
                for (k, target) in whole.iter_mut().enumerate() {
                    self.row(bytes, row + k, from, target);
                }
                crate::view::means_of_four(&whole[0], &whole[1], target);
            }
        }
    }
}

fn sum([a, b]: [u8; 2]) -> i32 {
    i32::from(a) + i32::from(b)
}

/// Where the chroma of a frame lies behind its luma.
#[derive(Clone, Debug)]
struct Planes {
    /// Start of the first and second chroma plane; both at the end where there are none.
    starts: [usize; 2],
    stride: usize,
    line: usize,
    needed: usize,
}

impl Planes {
    fn of(format: PixelFormat, stride: usize, packed: usize, height: usize) -> Self {
        let luma = stride * height;
        let half = height / 2;
        // The last line may come without its padding.
        match format {
            PixelFormat::Nv12 | PixelFormat::Nv21 => {
                Self { starts: [luma, luma], stride, line: packed, needed: luma + stride * (half - 1) + packed }
            }
            PixelFormat::Yu12 | PixelFormat::Yv12 => {
                let (stride, line) = (stride / 2, packed / 2);
                let second = luma + stride * half;
                Self { starts: [luma, second], stride, line, needed: second + stride * (half - 1) + line }
            }
            _ => Self { starts: [luma, luma], stride: 0, line: 0, needed: stride * (height - 1) + packed },
        }
    }

    fn first<'a>(&self, bytes: &'a [u8], row: usize) -> &'a [u8] {
        self.plane(bytes, self.starts[0], row)
    }

    fn second<'a>(&self, bytes: &'a [u8], row: usize) -> &'a [u8] {
        self.plane(bytes, self.starts[1], row)
    }

    /// The chroma of a format with two planes of it.
    fn blue_and_red<'a>(&self, format: PixelFormat, bytes: &'a [u8], row: usize) -> (&'a [u8], &'a [u8]) {
        let (first, second) = (self.first(bytes, row), self.second(bytes, row));
        if format == PixelFormat::Yv12 { (second, first) } else { (first, second) }
    }

    fn plane<'a>(&self, bytes: &'a [u8], start: usize, row: usize) -> &'a [u8] {
        let at = start + row / 2 * self.stride;
        &bytes[at..at + self.line]
    }
}

fn grey(values: impl Iterator<Item = u8>, target: &mut [u8]) {
    for (pixel, value) in target.chunks_exact_mut(3).zip(values) {
        pixel.fill(value);
    }
}

/// Values of 8 + `SHIFT` bits, the low byte first, as 8 bits.
fn deep<const SHIFT: u32>(line: &[u8]) -> impl Iterator<Item = u8> {
    line.chunks_exact(2).map(|pair| (u16::from_le_bytes([pair[0], pair[1]]) >> SHIFT).min(255) as u8)
}

/// Red, green and blue are the bytes `R`, `G`, `B` of every `SIZE`.
fn picked<const SIZE: usize, const R: usize, const G: usize, const B: usize>(line: &[u8], target: &mut [u8]) {
    for (pixel, source) in target.chunks_exact_mut(3).zip(line.chunks_exact(SIZE)) {
        pixel.copy_from_slice(&[source[R], source[G], source[B]]);
    }
}

/// A matrix from YCbCr to RGB in 1/256.
#[derive(Clone, Debug)]
struct Weights {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Weights {
    /// Two pixels that share their chroma.
    #[inline]
    fn pair(&self, y: [u8; 2], u: u8, v: u8, target: &mut [u8]) {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let (red, green, blue) =
            (self.red_v * v + 128, 128 - self.green_u * u - self.green_v * v, self.blue_u * u + 128);
        for (pixel, y) in target.chunks_exact_mut(3).zip(y) {
            let y = self.luma * (i32::from(y) - self.black);
            pixel[0] = ((y + red) >> 8).clamp(0, 255) as u8;
            pixel[1] = ((y + green) >> 8).clamp(0, 255) as u8;
            pixel[2] = ((y + blue) >> 8).clamp(0, 255) as u8;
        }
    }

    /// The mean of four pixels, from the sum of their luma and that of their chroma.
    #[inline]
    fn mean(&self, y: i32, u: i32, v: i32, pixel: &mut [u8]) {
        let (u, v, y) = (u - 512, v - 512, self.luma * (y - 4 * self.black) + 512);
        pixel[0] = ((y + self.red_v * v) >> 10).clamp(0, 255) as u8;
        pixel[1] = ((y - self.green_u * u - self.green_v * v) >> 10).clamp(0, 255) as u8;
        pixel[2] = ((y + self.blue_u * u) >> 10).clamp(0, 255) as u8;
    }

    /// Packed 4:2:2 as below, two lines to one of half the size.
    fn packed_halved<const Y: usize, const U: usize, const V: usize>(&self, rows: [&[u8]; 2], target: &mut [u8]) {
        let pairs = rows[0].as_chunks::<4>().0.iter().zip(rows[1].as_chunks::<4>().0);
        for (pixel, (a, b)) in target.as_chunks_mut::<3>().0.iter_mut().zip(pairs) {
            let of = |byte: usize| i32::from(a[byte]) + i32::from(b[byte]);
            self.mean(of(Y) + of(Y + 2), 2 * of(U), 2 * of(V), pixel);
        }
    }

    /// Two lines of luma and the one of chroma that they share.
    fn interleaved_halved<const U: usize, const V: usize>(&self, rows: [&[u8]; 2], chroma: &[u8], target: &mut [u8]) {
        let pairs = rows[0].as_chunks::<2>().0.iter().zip(rows[1].as_chunks::<2>().0).zip(chroma.as_chunks::<2>().0);
        for (pixel, ((a, b), uv)) in target.as_chunks_mut::<3>().0.iter_mut().zip(pairs) {
            self.mean(sum(*a) + sum(*b), 4 * i32::from(uv[U]), 4 * i32::from(uv[V]), pixel);
        }
    }

    /// Two lines of luma and one of each plane of chroma.
    fn planar_halved(&self, rows: [&[u8]; 2], u: &[u8], v: &[u8], target: &mut [u8]) {
        let pairs = rows[0].as_chunks::<2>().0.iter().zip(rows[1].as_chunks::<2>().0).zip(u.iter().zip(v));
        for (pixel, ((a, b), (u, v))) in target.as_chunks_mut::<3>().0.iter_mut().zip(pairs) {
            self.mean(sum(*a) + sum(*b), 4 * i32::from(*u), 4 * i32::from(*v), pixel);
        }
    }

    /// Packed 4:2:2 with the first luma at byte `Y`, the second two further, chroma at `U` and `V`.
    fn packed<const Y: usize, const U: usize, const V: usize>(&self, line: &[u8], target: &mut [u8]) {
        for (pair, source) in target.chunks_exact_mut(6).zip(line.chunks_exact(4)) {
            self.pair([source[Y], source[Y + 2]], source[U], source[V], pair);
        }
    }

    /// A line of luma, and one of chroma by turns, with u at `U` and v at `V` of every two bytes.
    fn interleaved<const U: usize, const V: usize>(&self, luma: &[u8], chroma: &[u8], target: &mut [u8]) {
        for ((pair, y), uv) in target.chunks_exact_mut(6).zip(luma.chunks_exact(2)).zip(chroma.chunks_exact(2)) {
            self.pair([y[0], y[1]], uv[U], uv[V], pair);
        }
    }

    /// A line of each plane.
    fn planar(&self, luma: &[u8], u: &[u8], v: &[u8], target: &mut [u8]) {
        for (((pair, y), u), v) in target.chunks_exact_mut(6).zip(luma.chunks_exact(2)).zip(u).zip(v) {
            self.pair([y[0], y[1]], *u, *v, pair);
        }
    }
}

/// The two planes of chroma.
#[derive(Clone, Copy, Debug)]
pub struct ChromaPlanes<'a> {
    /// The blue one.
    pub u: &'a [u8],
    /// The red one.
    pub v: &'a [u8],
    /// How many pixels share a sample, across and down.
    pub sharing: (usize, usize),
}

/// Converts planes of any sharing, as Y4M files have them; `None` for grey.
///
/// # Panics
/// Never: planes that are shorter than the size needs give black.
#[must_use]
pub fn planes_to_rgb(
    colour: Colour,
    (width, height): (usize, usize),
    luma: &[u8],
    chroma: Option<ChromaPlanes<'_>>,
) -> RgbImage {
    let weights = colour.weights();
    let mut out = vec![0u8; width * height * 3];
    for (row, target) in out.chunks_exact_mut(width * 3).enumerate() {
        for (x, pixel) in target.chunks_exact_mut(3).enumerate() {
            let y = luma.get(row * width + x).copied().unwrap_or(0);
            let (u, v) = chroma.map_or((128, 128), |ChromaPlanes { u, v, sharing: (across, down) }| {
                let at = row / down * width.div_ceil(across) + x / across;
                (u.get(at).copied().unwrap_or(128), v.get(at).copied().unwrap_or(128))
            });
            weights.pair([y, y], u, v, pixel);
        }
    }
    RgbImage::from_raw(width as u32, height as u32, out).expect("the buffer has the picture's size")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn convert(format: PixelFormat, bytes: &[u8], size: (u32, u32), stride: usize) -> Result<RgbImage, PixelError> {
        to_rgb(format, Colour::default(), bytes, size, stride)
    }

    /// BT.601 limited range: white 235, black 16, red (81, 90, 240).
    const COLOURS: [([u8; 3], [u8; 3]); 5] = [
        ([235, 128, 128], [255, 255, 255]),
        ([16, 128, 128], [0, 0, 0]),
        ([81, 90, 240], [255, 0, 0]),
        ([145, 54, 34], [0, 255, 0]),
        ([41, 240, 110], [0, 0, 255]),
    ];

    #[track_caller]
    fn same(picture: &RgbImage, rgb: [u8; 3]) {
        for pixel in picture.pixels() {
            assert!(pixel.0.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 2), "{:?}, expected {rgb:?}", pixel.0);
        }
    }

    #[test]
    fn white_black_and_the_primary_colours_come_out_right_in_every_format() {
        for ([y, u, v], rgb) in COLOURS {
            let [r, g, b] = rgb;
            for (format, bytes) in [
                (PixelFormat::Yuyv, vec![y, u, y, v, y, u, y, v]),
                (PixelFormat::Uyvy, vec![u, y, v, y, u, y, v, y]),
                (PixelFormat::Yvyu, vec![y, v, y, u, y, v, y, u]),
                (PixelFormat::Nv12, vec![y, y, y, y, u, v]),
                (PixelFormat::Nv21, vec![y, y, y, y, v, u]),
                (PixelFormat::Yu12, vec![y, y, y, y, u, v]),
                (PixelFormat::Yv12, vec![y, y, y, y, v, u]),
                (PixelFormat::Rgb24, [r, g, b].repeat(4)),
                (PixelFormat::Bgr24, [b, g, r].repeat(4)),
                (PixelFormat::Rgbx, [r, g, b, 9].repeat(4)),
                (PixelFormat::Bgrx, [b, g, r, 9].repeat(4)),
                (PixelFormat::Xrgb, [9, r, g, b].repeat(4)),
                (PixelFormat::Xbgr, [9, b, g, r].repeat(4)),
            ] {
                assert_eq!(format.frame_bytes(2, 2), Some(bytes.len()), "{format:?}");
                same(&convert(format, &bytes, (2, 2), 0).unwrap(), rgb);
            }
        }
    }

    #[test]
    fn planes_lie_where_padded_lines_put_them() {
        // Lines of 4 bytes for 2 pixels, so chroma lines of 2 for 1.
        let bytes = [81, 81, 7, 7, 81, 81, 7, 7, 90, 7, 240];
        same(&convert(PixelFormat::Yu12, &bytes, (2, 2), 4).unwrap(), [255, 0, 0]);
        let bytes = [81, 81, 7, 7, 81, 81, 7, 7, 90, 240];
        same(&convert(PixelFormat::Nv12, &bytes, (2, 2), 4).unwrap(), [255, 0, 0]);
    }

    #[test]
    fn range_and_matrix_are_those_that_the_driver_states() {
        let pixel = |matrix, range, yuv: [u8; 3]| {
            let [y, u, v] = yuv;
            to_rgb(PixelFormat::Yuyv, Colour { matrix, range }, &[y, u, y, v], (2, 1), 0).unwrap().get_pixel(0, 0).0
        };
        assert_eq!(pixel(Matrix::Bt601, Range::Full, [255, 128, 128]), [255; 3]);
        assert_eq!(pixel(Matrix::Bt601, Range::Full, [16, 128, 128]), [16; 3]);
        assert_eq!(pixel(Matrix::Bt601, Range::Limited, [16, 128, 128]), [0; 3]);
        // Pure green: (145, 54, 34) in BT.601, (173, 42, 26) in BT.709.
        for (matrix, yuv) in [(Matrix::Bt601, [145, 54, 34]), (Matrix::Bt709, [173, 42, 26])] {
            let [r, g, b] = pixel(matrix, Range::Limited, yuv);
            assert!(r <= 2 && g >= 253 && b <= 2, "{matrix:?}: {r} {g} {b}");
        }
    }

    #[test]
    fn infrared_cameras_of_more_than_eight_bits_are_read() {
        let grey = |format, bytes: &[u8]| convert(format, bytes, (2, 1), 0).unwrap().get_pixel(1, 0).0[0];
        assert_eq!(grey(PixelFormat::Y16, &[0, 0, 0x34, 0x80]), 0x80);
        assert_eq!(grey(PixelFormat::Y10, &[0, 0, 0xff, 0x03]), 255);
        assert_eq!(grey(PixelFormat::Y12, &[0, 0, 0xff, 0x07]), 127);
        let packed = convert(PixelFormat::Y10Packed, &[10, 20, 30, 40, 0], (4, 1), 0).unwrap();
        assert_eq!(packed.as_raw(), &[10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40]);
    }

    #[test]
    fn padding_at_the_end_of_lines_is_skipped() {
        let bytes = [10, 11, 99, 12, 13, 99];
        let picture = convert(PixelFormat::Grey, &bytes, (2, 2), 3).unwrap();
        assert_eq!(picture.get_pixel(1, 1).0, [13; 3]);
        // The last line may lack its padding.
        assert!(convert(PixelFormat::Grey, &bytes[..5], (2, 2), 3).is_ok());
    }

    #[test]
    fn a_short_frame_says_how_much_was_needed() {
        let error = convert(PixelFormat::Yuyv, &[0; 100], (640, 480), 1280).unwrap_err().to_string();
        assert!(error.contains("614400") && error.contains("100"), "{error}");
    }

    #[test]
    fn a_bayer_camera_is_refused_with_the_way_out() {
        let error = PixelFormat::of_fourcc(*b"pBAA").unwrap_err().to_string();
        assert!(error.contains("pBAA") && error.contains("rpicam-vid"), "{error}");
    }

    proptest! {
        #[test]
        fn no_input_panics(
            format in prop::sample::select(PixelFormat::all().collect::<Vec<_>>()),
            bytes in prop::collection::vec(any::<u8>(), 0..4000),
            size in (0u32..70, 0u32..70), stride in 0usize..300,
        ) {
            if let Ok(picture) = convert(format, &bytes, size, stride) {
                prop_assert!(format == PixelFormat::Mjpeg || picture.dimensions() == size);
            }
        }
    }
}
