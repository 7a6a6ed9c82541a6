//! A map of activations: rows of pixels of channels, one byte each, with a border.

use crate::{Path, convolution::Steps};

/// Bytes that a kernel may read beyond the last pixel: a segment is read in steps of 16.
const SLACK: usize = 64;

/// Activations `[height, width, channels]`, unsigned 8-bit, with a border of one pixel that stands for what is outside, and
/// the channels filled up to a multiple of 4.
#[derive(Clone, Debug)]
pub struct Map {
    pub(crate) bytes: Vec<u8>,
    pub(crate) path: Path,
    width: usize,
    height: usize,
    channels: usize,
}

/// Channels as they are stored.
pub(crate) const fn stored(channels: usize) -> usize {
    channels.next_multiple_of(4)
}

/// Pixels of three bytes to pixels of four, four of them at a time in whole words: byte by byte it takes twice the instructions.
/// What lands in the fourth byte does not count, as its weights are 0.
fn set_picture_row(bytes: &mut [u8], row: &[u8], flip: u8) {
    let flips = u32::from_ne_bytes([flip; 4]);
    let (fours, rest) = row.as_chunks::<12>();
    let (wide, narrow) = bytes.split_at_mut(fours.len() * 16);
    for (pixels, three) in wide.as_chunks_mut::<16>().0.iter_mut().zip(fours) {
        let word = |k: usize| u32::from_le_bytes([three[4 * k], three[4 * k + 1], three[4 * k + 2], three[4 * k + 3]]);
        let [a, b, c] = [word(0), word(1), word(2)];
        let four = [a, a >> 24 | b << 8, b >> 16 | c << 16, c >> 8];
        for (pixel, value) in pixels.as_chunks_mut::<4>().0.iter_mut().zip(four) {
            *pixel = (value ^ flips).to_le_bytes();
        }
    }
    for (pixel, [red, green, blue]) in narrow.as_chunks_mut::<4>().0.iter_mut().zip(rest.as_chunks::<3>().0) {
        *pixel = [red ^ flip, green ^ flip, blue ^ flip, pixel[3]];
    }
}

impl Map {
    /// A map in which every value, the border's too, is `outside`: 0 after a rectifier, the mean for a picture.
    ///
    /// # Panics
    /// If a size is 0.
    #[must_use]
    pub fn new(path: Path, width: usize, height: usize, channels: usize, outside: u8) -> Self {
        assert!(width > 0 && height > 0 && channels > 0, "a map has pixels");
        let count = (width + 2) * (height + 2) * stored(channels);
        let mut bytes = vec![outside ^ path.flip(); count];
        bytes.resize(count + SLACK, path.flip());
        Self { bytes, path, width, height, channels }
    }

    /// Width and height in pixels, without the border.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Bytes from one pixel to the next.
    pub(crate) fn pixel_stride(&self) -> usize {
        stored(self.channels)
    }

    /// Bytes from one row to the next.
    pub(crate) fn row_stride(&self) -> usize {
        (self.width + 2) * self.pixel_stride()
    }

    /// Where a pixel lies; `(0, 0)` is the first inside the border.
    pub(crate) fn offset(&self, x: usize, y: usize) -> usize {
        (y + 1) * self.row_stride() + (x + 1) * self.pixel_stride()
    }

    /// Where the pixels inside the border lie.
    pub(crate) fn steps(&self) -> Steps {
        Steps { start: self.offset(0, 0), pixel: self.pixel_stride(), row: self.row_stride() }
    }

    /// Puts in a row of a picture: `width * channels` bytes, pixel by pixel.
    ///
    /// # Panics
    /// If the row has another length, or lies outside.
    pub fn set_row(&mut self, y: usize, row: &[u8]) {
        assert!(y < self.height && row.len() == self.width * self.channels, "a row of the map");
        let (start, stride, flip) = (self.offset(0, y), self.pixel_stride(), self.path.flip());
        let bytes = &mut self.bytes[start..start + self.width * stride];
        if self.channels == 3 {
            return set_picture_row(bytes, row, flip);
        }
        let pixels = bytes.chunks_exact_mut(stride);
        for (pixel, values) in pixels.zip(row.chunks_exact(self.channels)) {
            for (to, value) in pixel.iter_mut().zip(values) {
                *to = value ^ flip;
            }
        }
    }

    /// The values of a pixel.
    ///
    /// # Panics
    /// If it lies outside.
    pub fn pixel(&self, x: usize, y: usize) -> impl Iterator<Item = u8> {
        assert!(x < self.width && y < self.height, "a pixel of the map");
        let start = self.offset(x, y);
        let flip = self.path.flip();
        self.bytes[start..start + self.channels].iter().map(move |value| value ^ flip)
    }
}
