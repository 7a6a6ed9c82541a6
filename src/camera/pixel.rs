//! Pixel formats to RGB. Every function checks the length of its input before it reads a byte.

use image::RgbImage;

use crate::picture;

/// A pixel format that the gate can judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Packed 4:2:2, Y U Y V.
    Yuyv,
    /// Motion-JPEG.
    Mjpeg,
    /// Planar 4:2:0, one plane Y, one of U and V by turns.
    Nv12,
    /// Grey, one byte a pixel.
    Grey,
    /// Packed RGB, three bytes a pixel.
    Rgb24,
}

impl PixelFormat {
    /// All formats, the cheapest to convert and surest first.
    pub const ALL: [Self; 5] = [Self::Yuyv, Self::Nv12, Self::Rgb24, Self::Mjpeg, Self::Grey];

    /// The four characters by which V4L2 names it.
    #[must_use]
    pub fn fourcc(self) -> [u8; 4] {
        *match self {
            Self::Yuyv => b"YUYV",
            Self::Mjpeg => b"MJPG",
            Self::Nv12 => b"NV12",
            Self::Grey => b"GREY",
            Self::Rgb24 => b"RGB3",
        }
    }

    /// The format that V4L2 names so.
    ///
    /// # Errors
    /// Formats that the gate cannot judge, with the way out.
    pub fn of_fourcc(code: [u8; 4]) -> Result<Self, PixelError> {
        Self::ALL
            .into_iter()
            .find(|format| format.fourcc() == code)
            .or(match &code {
                b"JPEG" => Some(Self::Mjpeg),
                _ => None,
            })
            .ok_or_else(|| PixelError::Unsupported {
                fourcc: String::from_utf8_lossy(&code).trim_end().to_owned(),
                hint: way_out(code),
            })
    }
}

/// What to do about a format that cannot be judged.
fn way_out(code: [u8; 4]) -> &'static str {
    const BAYER: [&[u8; 4]; 16] = [
        b"BA81", b"GBRG", b"GRBG", b"RGGB", b"BG10", b"GB10", b"BA10", b"RG10", b"pBAA", b"pGAA", b"pgAA", b"pRAA",
        b"BYR2", b"RG12", b"pBCC", b"pRCC",
    ];
    if BAYER.contains(&&code) {
        "raw sensor data of a CSI camera; put libcamera's V4L2 bridge before it (see README, Cameras), or use a USB camera"
    } else if &code == b"H264" || &code == b"HEVC" {
        "a video stream; choose another mode of the camera, such as YUYV or MJPG"
    } else {
        "choose a camera or mode with YUYV, MJPG, NV12, RGB3 or GREY"
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
    #[error("a Motion-JPEG frame that cannot be decoded: {0}")]
    Jpeg(#[source] image::ImageError),
}

/// Converts a frame to RGB.
///
/// `stride` is the number of bytes from line to line as the driver states it; 0 stands for lines without padding. For
/// Motion-JPEG the sizes are those of the picture itself.
///
/// # Errors
/// [`PixelError`] for input that is too short, sizes that make no sense, or a broken JPEG.
pub fn to_rgb(
    format: PixelFormat,
    bytes: &[u8],
    width: u32,
    height: u32,
    stride: usize,
) -> Result<RgbImage, PixelError> {
    if format == PixelFormat::Mjpeg {
        return picture::decode(bytes).map_err(PixelError::Jpeg);
    }
    let wrong = PixelError::Size { format, width, height, stride };
    let even = format != PixelFormat::Yuyv && format != PixelFormat::Nv12 || width.is_multiple_of(2);
    let even_lines = format != PixelFormat::Nv12 || height.is_multiple_of(2);
    if width == 0 || height == 0 || width > picture::MAX_SIDE || height > picture::MAX_SIDE || !even || !even_lines {
        return Err(wrong);
    }
    let (w, h) = (width as usize, height as usize);
    let packed = match format {
        PixelFormat::Yuyv => w * 2,
        PixelFormat::Rgb24 => w * 3,
        _ => w,
    };
    let stride = if stride == 0 { packed } else { stride };
    if stride < packed || stride > packed * 4 + 4096 {
        return Err(wrong);
    }
    let lines = if format == PixelFormat::Nv12 { h + h / 2 } else { h };
    // The last line may come without its padding.
    let needed = stride * (lines - 1) + packed;
    if bytes.len() < needed {
        return Err(PixelError::Short { format, width, height, stride, needed, found: bytes.len() });
    }
    let mut out = vec![0u8; w * h * 3];
    let line = |row: usize| &bytes[row * stride..row * stride + packed];
    for (row, target) in out.chunks_exact_mut(w * 3).enumerate() {
        match format {
            PixelFormat::Yuyv => yuyv_line(line(row), target),
            PixelFormat::Nv12 => nv12_line(line(row), line(h + row / 2), target),
            PixelFormat::Grey => grey_line(line(row), target),
            PixelFormat::Rgb24 | PixelFormat::Mjpeg => target.copy_from_slice(line(row)),
        }
    }
    // `out` has exactly width * height * 3 bytes.
    Ok(RgbImage::from_raw(width, height, out).expect("the buffer has the picture's size"))
}

fn grey_line(line: &[u8], target: &mut [u8]) {
    for (pixel, &y) in target.chunks_exact_mut(3).zip(line) {
        pixel.fill(y);
    }
}

fn yuyv_line(line: &[u8], target: &mut [u8]) {
    for (pair, source) in target.chunks_exact_mut(6).zip(line.chunks_exact(4)) {
        let chroma = Chroma::of(source[1], source[3]);
        chroma.write(source[0], &mut pair[..3]);
        chroma.write(source[2], &mut pair[3..]);
    }
}

fn nv12_line(luma: &[u8], chroma: &[u8], target: &mut [u8]) {
    for ((pair, y), uv) in target.chunks_exact_mut(6).zip(luma.chunks_exact(2)).zip(chroma.chunks_exact(2)) {
        let chroma = Chroma::of(uv[0], uv[1]);
        chroma.write(y[0], &mut pair[..3]);
        chroma.write(y[1], &mut pair[3..]);
    }
}

/// The colour part of BT.601 limited range, in 1/256.
struct Chroma {
    red: i32,
    green: i32,
    blue: i32,
}

impl Chroma {
    fn of(u: u8, v: u8) -> Self {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        Self { red: 409 * v + 128, green: -100 * u - 208 * v + 128, blue: 516 * u + 128 }
    }

    fn write(&self, y: u8, pixel: &mut [u8]) {
        let y = 298 * (i32::from(y) - 16);
        pixel[0] = ((y + self.red) >> 8).clamp(0, 255) as u8;
        pixel[1] = ((y + self.green) >> 8).clamp(0, 255) as u8;
        pixel[2] = ((y + self.blue) >> 8).clamp(0, 255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_black_and_the_primary_colours_come_out_right() {
        // BT.601 limited range: white 235, black 16, red (81, 90, 240).
        for (yuv, rgb) in [
            ([235, 128, 128], [255, 255, 255]),
            ([16, 128, 128], [0, 0, 0]),
            ([81, 90, 240], [255, 0, 0]),
            ([145, 54, 34], [0, 255, 0]),
            ([41, 240, 110], [0, 0, 255]),
        ] {
            let [y, u, v] = yuv;
            for picture in [
                to_rgb(PixelFormat::Yuyv, &[y, u, y, v], 2, 1, 0).unwrap(),
                to_rgb(PixelFormat::Nv12, &[y, y, y, y, u, v], 2, 2, 0).unwrap(),
            ] {
                let found = picture.get_pixel(1, 0).0;
                assert!(
                    found.iter().zip(rgb).all(|(a, b): (&u8, u8)| a.abs_diff(b) <= 2),
                    "{yuv:?} gave {found:?}, expected {rgb:?}"
                );
            }
        }
    }

    #[test]
    fn padding_at_the_end_of_lines_is_skipped() {
        let bytes = [10, 11, 99, 12, 13, 99];
        let picture = to_rgb(PixelFormat::Grey, &bytes, 2, 2, 3).unwrap();
        assert_eq!(picture.get_pixel(1, 1).0, [13; 3]);
        // The last line may lack its padding.
        assert!(to_rgb(PixelFormat::Grey, &bytes[..5], 2, 2, 3).is_ok());
    }

    #[test]
    fn a_short_frame_says_how_much_was_needed() {
        let error = to_rgb(PixelFormat::Yuyv, &[0; 100], 640, 480, 1280).unwrap_err().to_string();
        assert!(error.contains("614400") && error.contains("100"), "{error}");
    }

    #[test]
    fn a_bayer_camera_is_refused_with_the_way_out() {
        let error = PixelFormat::of_fourcc(*b"pBAA").unwrap_err().to_string();
        assert!(error.contains("pBAA") && error.contains("libcamera"), "{error}");
    }

    proptest! {
        #[test]
        fn no_input_panics(
            format in prop::sample::select(PixelFormat::ALL.to_vec()),
            bytes in prop::collection::vec(any::<u8>(), 0..4000),
            width in 0u32..70, height in 0u32..70, stride in 0usize..300,
        ) {
            if let Ok(picture) = to_rgb(format, &bytes, width, height, stride) {
                prop_assert!(format == PixelFormat::Mjpeg || picture.dimensions() == (width, height));
            }
        }
    }
}
