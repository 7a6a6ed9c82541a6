//! What the eyes look at: a picture of which parts are taken, in RGB or reduced, and whose brightness is sampled. A camera's
//! frame makes the RGB of a part only when it is asked for ([`crate::frame::Pixels`]); a picture that is RGB already lends it.

use std::borrow::Cow;

use image::RgbImage;

/// A rectangle of whole pixels inside a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Area {
    /// A whole picture of this size.
    #[must_use]
    pub const fn whole((width, height): (u32, u32)) -> Self {
        Self { left: 0, top: 0, width, height }
    }

    /// The pixels of a picture of this size on which the colours of all points of a box depend: one more on each side, what lies
    /// outside left out. Never empty, unless the picture is: outside it, its border is repeated.
    #[must_use]
    pub fn around([x0, y0, x1, y1]: [f32; 4], (width, height): (u32, u32)) -> Self {
        // A float becomes the nearest number that the type has; what is no number, 0.
        let span = |low: f32, high: f32, length: u32| {
            let first = ((low.floor() - 1.0) as u32).min(length.saturating_sub(1));
            let end = ((high.ceil() + 1.0) as u32).clamp((first + 1).min(length), length);
            (first, end - first)
        };
        let ((left, width), (top, height)) = (span(x0, x1, width), span(y0, y1, height));
        Self { left, top, width, height }
    }

    /// The smallest area with both in it.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let (left, top) = (self.left.min(other.left), self.top.min(other.top));
        let right = (self.left + self.width).max(other.left + other.width);
        let bottom = (self.top + self.height).max(other.top + other.height);
        Self { left, top, width: right - left, height: bottom - top }
    }

    /// Widened to corners at multiples of four, or at the border of a picture of this size: whatever pixels share is in it whole.
    #[must_use]
    pub fn in_fours(self, (width, height): (u32, u32)) -> Self {
        let span = |first: u32, count: u32, length: u32| {
            let (from, to) = (first / 4 * 4, (first + count).next_multiple_of(4).min(length));
            (from, to - from)
        };
        let ((left, width), (top, height)) = (span(self.left, self.width, width), span(self.top, self.height, height));
        Self { left, top, width, height }
    }
}

/// Pixels of a picture in RGB, and where in it they lie: those that were asked for, and perhaps more.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The pixels.
    pub pixels: Cow<'a, RgbImage>,
    /// Column of the first of them in the picture.
    pub left: u32,
    /// Row of the first of them.
    pub top: u32,
}

/// A picture to look at.
pub trait View {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);

    /// A part in RGB. It lies inside the picture.
    fn part(&self, area: Area) -> Part<'_>;

    /// A part at half its size, each pixel the mean of four; of an odd row or column at its end nothing is seen.
    fn halved(&self, area: Area) -> RgbImage;

    /// Its brightness.
    fn luma(&self) -> Luma<'_>;

    /// The whole picture in RGB.
    fn whole(&self) -> Cow<'_, RgbImage> {
        self.part(Area::whole(self.size())).pixels
    }
}

impl View for RgbImage {
    fn size(&self) -> (u32, u32) {
        self.dimensions()
    }

    fn part(&self, _: Area) -> Part<'_> {
        Part { pixels: Cow::Borrowed(self), left: 0, top: 0 }
    }

    fn halved(&self, area: Area) -> RgbImage {
        let (row, from) = (self.width() as usize * 3, area.left as usize * 3);
        let rows =
            self.as_raw()[area.top as usize * row..].chunks_exact((2 * row).max(1)).take(area.height as usize / 2);
        let (width, height) = (area.width / 2, area.height / 2);
        let mut out = vec![0; (width * height * 3) as usize];
        for (target, pair) in out.chunks_exact_mut((width as usize * 3).max(1)).zip(rows) {
            let (upper, lower) = pair.split_at(row);
            means_of_four(&upper[from..], &lower[from..], target);
        }
        RgbImage::from_raw(width, height, out).expect("three values for each pixel")
    }

    fn luma(&self) -> Luma<'_> {
        let row = 3 * self.width() as isize;
        Luma { bytes: self.as_raw(), start: 0, right: 3, down: row, values: Values::Rgb }
    }
}

/// Halves two rows of RGB into one.
pub(crate) fn means_of_four(upper: &[u8], lower: &[u8], target: &mut [u8]) {
    for ((out, a), b) in target.chunks_exact_mut(3).zip(upper.chunks_exact(6)).zip(lower.chunks_exact(6)) {
        for c in 0..3 {
            let sum = u16::from(a[c]) + u16::from(a[c + 3]) + u16::from(b[c]) + u16::from(b[c + 3]);
            out[c] = ((sum + 2) / 4) as u8;
        }
    }
}

/// The brightness of each pixel of a picture, read where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Luma<'a> {
    bytes: &'a [u8],
    start: isize,
    right: isize,
    down: isize,
    values: Values,
}

/// What the bytes say.
#[derive(Clone, Copy, Debug)]
enum Values {
    /// Three of them are red, green and blue.
    Rgb,
    /// One is the brightness: so many eighths of 1/32 for each step above black.
    Steps { black: i32, factor: i32 },
}

impl<'a> Luma<'a> {
    /// Eighths of a step of 255.
    pub const EIGHTHS: u32 = 8;

    /// Brightness that stands in one byte for each pixel: in bytes, where the first of them is and how far it is to the right and
    /// down from it; the byte of black, and what a step from it is worth in 1/256.
    pub(crate) fn plain(
        bytes: &'a [u8],
        start: isize,
        (right, down): (isize, isize),
        (black, factor): (i32, i32),
    ) -> Self {
        Self { bytes, start, right, down, values: Values::Steps { black, factor } }
    }

    /// The brightness of the pixel in this column and row in eighths, 0 to 8 * 255.
    ///
    /// # Panics
    /// If it lies outside the picture by so much that there is no byte.
    #[must_use]
    pub fn at(&self, x: usize, y: usize) -> u32 {
        let place = (self.start + x as isize * self.right + y as isize * self.down) as usize;
        match self.values {
            // Weights of BT.601 in eighths: red 2, green 5, blue 1.
            Values::Rgb => {
                let [red, green, blue] = [self.bytes[place], self.bytes[place + 1], self.bytes[place + 2]];
                2 * u32::from(red) + 5 * u32::from(green) + u32::from(blue)
            }
            Values::Steps { black, factor } => {
                (((i32::from(self.bytes[place]) - black) * factor) >> 5).clamp(0, 8 * 255) as u32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_takes_the_mean_of_four() {
        let picture = RgbImage::from_fn(4, 2, |x, y| image::Rgb([(x * 10 + y * 4) as u8; 3]));
        let half = picture.halved(Area::whole((4, 2)));
        assert_eq!(half.dimensions(), (2, 1));
        assert_eq!(half.get_pixel(0, 0)[0], 7);
        assert_eq!(half.get_pixel(1, 0)[0], 27);
        assert_eq!(picture.halved(Area { left: 2, top: 0, width: 2, height: 2 }).get_pixel(0, 0)[0], 27);
    }

    #[test]
    fn an_area_around_a_box_lies_inside_the_picture_and_is_never_empty() {
        let size = (640, 480);
        for bounds in [
            [10.2, 20.7, 30.1, 40.9],
            [-50.0, -60.0, -40.0, -30.0],
            [700.0, 500.0, 800.0, 900.0],
            [f32::NAN, 0.0, f32::INFINITY, 1e30],
        ] {
            let area = Area::around(bounds, size);
            assert!(area.width > 0 && area.height > 0, "{bounds:?}: {area:?}");
            assert!(area.left + area.width <= 640 && area.top + area.height <= 480, "{bounds:?}: {area:?}");
        }
        assert_eq!(
            Area::around([10.2, 20.7, 30.1, 40.9], size),
            Area { left: 9, top: 19, width: 23, height: 23 },
            "one pixel more on each side"
        );
    }
}
