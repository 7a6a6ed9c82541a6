//! A frame as the camera gave it: its bytes, of which parts become RGB, or half their size in RGB, in one pass. Most frames are
//! of an empty room, and of most others a face is all that is looked at closely: the RGB of a whole frame is hardly ever needed.

use std::borrow::Cow;

use image::RgbImage;

use super::{
    pixel::{Colour, Layout, PixelError, PixelFormat},
    turned::Turn,
};
use crate::view::{Area, Luma, Part, View};

/// A frame in a format whose brightness is a byte of its own.
#[derive(Clone, Debug)]
pub struct RawPicture {
    layout: Layout,
    bytes: Vec<u8>,
    turn: Turn,
}

impl RawPicture {
    /// Whether frames of this format can be kept as they are.
    #[must_use]
    pub fn keeps(format: PixelFormat) -> bool {
        format.luma().is_some()
    }

    /// Takes a frame; see [`super::pixel::to_rgb`] for `stride`. Bytes behind the frame are let go.
    ///
    /// # Errors
    /// [`PixelError`] for a format that is not kept, too few bytes, and sizes that make no sense.
    pub fn new(
        format: PixelFormat,
        colour: Colour,
        bytes: Vec<u8>,
        size: (u32, u32),
        stride: usize,
    ) -> Result<Self, PixelError> {
        let layout = Layout::of(format, colour, bytes.len(), size, stride)?;
        if !Self::keeps(format) {
            return Err(PixelError::Size { format, width: size.0, height: size.1, stride });
        }
        Ok(Self { layout, bytes, turn: Turn::default() })
    }

    /// Puts its frame upright, which costs nothing; whether it could: only one that was not turned yet.
    pub fn turn(&mut self, turn: Turn) -> bool {
        let first = self.turn == Turn::default();
        if first {
            self.turn = turn;
        }
        first
    }

    /// An area of the upright picture in the camera's pixels.
    fn beneath(&self, area: Area) -> Area {
        self.turn.beneath(area, self.layout.size())
    }
}

impl View for RawPicture {
    fn size(&self) -> (u32, u32) {
        self.turn.size(self.layout.size())
    }

    fn part(&self, area: Area) -> Part<'_> {
        let area = area.in_fours(self.size());
        let beneath = self.beneath(area);
        let mut out = vec![0u8; (beneath.width * beneath.height * 3) as usize];
        for (row, target) in (beneath.top as usize..).zip(out.chunks_exact_mut((beneath.width as usize * 3).max(1))) {
            self.layout.row(&self.bytes, row, beneath.left as usize, target);
        }
        let pixels = RgbImage::from_raw(beneath.width, beneath.height, out).expect("three values for each pixel");
        Part { pixels: Cow::Owned(self.turn.apply(pixels)), left: area.left, top: area.top }
    }

    fn halved(&self, area: Area) -> RgbImage {
        let beneath = self.beneath(area);
        let (width, height) = (beneath.width / 2, beneath.height / 2);
        let mut out = vec![0u8; (width * height * 3) as usize];
        for (pair, target) in (0..).zip(out.chunks_exact_mut((width as usize * 3).max(1))) {
            self.layout.halved_row(&self.bytes, beneath.top as usize + 2 * pair, beneath.left as usize, target);
        }
        self.turn.apply(RgbImage::from_raw(width, height, out).expect("three values for each pixel"))
    }

    fn luma(&self) -> Luma<'_> {
        let (start, step) = self.layout.luma();
        let at = |x: u32, y: u32| {
            let (x, y) = self.turn.beneath_pixel((x, y), self.layout.size());
            start + x * step + y * self.layout.stride() as isize
        };
        let first = at(0, 0);
        Luma::plain(&self.bytes, first, (at(1, 0) - first, at(0, 1) - first), self.layout.brightness())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{pixel::to_rgb, turned::Rotation},
        *,
    };

    const KEPT: [PixelFormat; 8] = [
        PixelFormat::Yuyv,
        PixelFormat::Uyvy,
        PixelFormat::Yvyu,
        PixelFormat::Nv12,
        PixelFormat::Nv21,
        PixelFormat::Yu12,
        PixelFormat::Yv12,
        PixelFormat::Grey,
    ];

    /// Bytes of a frame with colours that RGB has: mean brightness, little colour, in slow waves and a grain.
    fn bytes(length: usize, seed: u32) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
        (0..length)
            .map(|k| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                (118 + k / 13 % 12 + (state % 14) as usize) as u8
            })
            .collect()
    }

    fn turns() -> impl Strategy<Value = Turn> {
        (0usize..4, any::<bool>()).prop_map(|(k, mirror)| Turn { rotation: Rotation::ALL[k], mirror })
    }

    fn worst(a: &RgbImage, b: &RgbImage) -> u8 {
        assert_eq!(a.dimensions(), b.dimensions());
        a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn every_part_of_a_frame_is_what_the_whole_of_it_shows_there(
            kind in 0usize..8, (across, down) in (1u32..20, 1u32..20), turn in turns(), more in 0usize..40, seed: u32,
            bounds in [-20.0f32..90.0, -20.0f32..90.0, -20.0f32..90.0, -20.0f32..90.0],
        ) {
            let (format, size) = (KEPT[kind], (2 * across, 2 * down));
            let stride = format.frame_bytes(size.0, 2).unwrap() / 2 + 2 * (more / 2);
            let frame = bytes(stride * size.1 as usize * 2, seed);
            let whole = turn.apply(to_rgb(format, Colour::default(), &frame, size, stride).unwrap());
            let mut raw = RawPicture::new(format, Colour::default(), frame, size, stride).unwrap();
            prop_assert!(raw.turn(turn));
            prop_assert_eq!(raw.size(), whole.dimensions());
            prop_assert!(*raw.whole() == whole);
            let area = Area::around(bounds, raw.size());
            let part = raw.part(area);
            prop_assert!(part.left <= area.left && part.top <= area.top);
            for (x, y, pixel) in part.pixels.enumerate_pixels() {
                prop_assert_eq!(pixel, whole.get_pixel(part.left + x, part.top + y));
            }
            let (right, bottom) = (part.left + part.pixels.width(), part.top + part.pixels.height());
            prop_assert!(right >= area.left + area.width && bottom >= area.top + area.height);
        }

        #[test]
        fn half_the_size_in_one_pass_is_that_of_the_rgb_but_for_rounding(
            kind in 0usize..8, (across, down) in (1u32..20, 1u32..20), turn in turns(), seed: u32, (left, top) in (0u32..20, 0u32..20),
        ) {
            let (format, size) = (KEPT[kind], (4 * across, 4 * down));
            let frame = bytes(format.frame_bytes(size.0, size.1).unwrap(), seed);
            let whole = turn.apply(to_rgb(format, Colour::default(), &frame, size, 0).unwrap());
            let mut raw = RawPicture::new(format, Colour::default(), frame, size, 0).unwrap();
            prop_assert!(raw.turn(turn));
            let (width, height) = whole.dimensions();
            let (left, top) = (2 * left % width, 2 * top % height);
            let area = Area { left, top, width: width - left, height: height - top };
            prop_assert!(worst(&raw.halved(area), &whole.halved(area)) <= 1);
        }

        #[test]
        fn the_brightness_is_that_of_the_rgb(
            kind in 0usize..8, (across, down) in (1u32..12, 1u32..12), turn in turns(), seed: u32,
        ) {
            let (format, size) = (KEPT[kind], (2 * across, 2 * down));
            let frame = bytes(format.frame_bytes(size.0, size.1).unwrap(), seed);
            let whole = turn.apply(to_rgb(format, Colour::default(), &frame, size, 0).unwrap());
            let mut raw = RawPicture::new(format, Colour::default(), frame, size, 0).unwrap();
            prop_assert!(raw.turn(turn));
            for y in 0..whole.height() as usize {
                for x in 0..whole.width() as usize {
                    let (found, wanted) = (raw.luma().at(x, y), whole.luma().at(x, y));
                    // The weights of the two are not the same to the last digit.
                    prop_assert!(found.abs_diff(wanted) <= 6 * Luma::EIGHTHS, "{} at {}, {}: {}", found, x, y, wanted);
                }
            }
        }
    }

    #[test]
    fn what_is_too_short_or_of_another_kind_is_refused() {
        let taken = |format, length| RawPicture::new(format, Colour::default(), vec![0; length], (8, 8), 0);
        assert!(taken(PixelFormat::Yuyv, 128).is_ok());
        assert!(matches!(taken(PixelFormat::Yuyv, 127), Err(PixelError::Short { .. })));
        assert!(matches!(taken(PixelFormat::Rgb24, 192), Err(PixelError::Size { .. })));
    }
}
