//! Alignment: from a face in a frame to the chip that the age model sees.
//!
//! The chip is the square of the UTKFace data set: the five landmarks of an upright face lie at [`TEMPLATE`] of its
//! side. A similarity transform (turn, scale, shift; no shear, which would change the shape of the face) carries the
//! landmarks there with the least squared error; `models/train/common.py` uses the same numbers.

use std::borrow::Cow;

use image::RgbImage;

use super::Point;
use crate::view::{Area, Part, View};

/// Where the landmarks lie in a chip, as shares of its side: left eye, right eye, nose tip, left and right mouth corner,
/// left and right as the viewer sees them.
pub const TEMPLATE: [Point; 5] = [
    Point::new(0.30, 0.28),
    Point::new(0.68, 0.28),
    Point::new(0.49, 0.52),
    Point::new(0.35, 0.70),
    Point::new(0.63, 0.70),
];

/// An aligned square crop of a face, RGB.
#[derive(Clone, Debug)]
pub struct Chip(RgbImage);

impl Chip {
    /// Cuts the chip of a face out of a picture. `side` is the side of the chip in pixels.
    ///
    /// What lies outside the picture repeats its border. Returns `None` for landmarks that fall onto one point.
    #[must_use]
    pub fn align(picture: &impl View, landmarks: &[Point; 5], side: u32) -> Option<Self> {
        let map = Similarity::from_template(landmarks)?;
        Some(Self(map.sample(&picture.part(map.area(picture.size())), side)))
    }

    /// Takes a whole picture that is a chip already, as in the UTKFace data set, and scales it to `side` pixels.
    #[must_use]
    pub fn from_aligned(picture: &RgbImage, side: u32) -> Self {
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let side_in = width.min(height);
        let map = Similarity { a: side_in, b: 0.0, x: (width - side_in) / 2.0, y: (height - side_in) / 2.0 };
        Self(map.sample(&picture.part(Area::whole(picture.dimensions())), side))
    }

    /// The chip as the frame of this number in a visit is judged: every other one mirrored.
    ///
    /// A face and its mirror image are two views of one age, on which the age model errs a little differently; their mean
    /// over a visit errs a little less than one of them, and costs nothing more.
    #[must_use]
    pub fn turned_for(self, frame: usize) -> Self {
        if frame.is_multiple_of(2) { self } else { Self(image::imageops::flip_horizontal(&self.0)) }
    }

    /// The pixels.
    #[must_use]
    pub fn pixels(&self) -> &RgbImage {
        &self.0
    }
}

/// A similarity transform from chip coordinates (0 to 1) to picture pixels:
/// `x' = a x - b y + x0`, `y' = b x + a y + y0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    a: f32,
    b: f32,
    x: f32,
    y: f32,
}

impl Similarity {
    /// The transform that carries [`TEMPLATE`] onto the landmarks with the least squared error.
    ///
    /// The two-dimensional case of Umeyama, "Least-squares estimation of transformation parameters between two point
    /// patterns", 1991, in closed form.
    #[must_use]
    pub fn from_template(landmarks: &[Point; 5]) -> Option<Self> {
        let mean = |points: &[Point; 5]| {
            let sum = points.iter().fold((0.0, 0.0), |s, p| (s.0 + p.x, s.1 + p.y));
            Point::new(sum.0 / 5.0, sum.1 / 5.0)
        };
        let (from, to) = (mean(&TEMPLATE), mean(landmarks));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in TEMPLATE.iter().zip(landmarks) {
            let (px, py, qx, qy) = (p.x - from.x, p.y - from.y, q.x - to.x, q.y - to.y);
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
            spread += px * px + py * py;
        }
        let (a, b) = (dot / spread, cross / spread);
        if !(a.hypot(b) > 1e-3) || !to.x.is_finite() || !to.y.is_finite() {
            return None;
        }
        Some(Self { a, b, x: to.x - a * from.x + b * from.y, y: to.y - b * from.x - a * from.y })
    }

    /// An upright square of the picture: its side and its upper left corner, in pixels.
    pub(super) const fn upright(side: f32, x: f32, y: f32) -> Self {
        Self { a: side, b: 0.0, x, y }
    }

    /// Pixels of the picture for one side of the chip.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }

    /// Turn of the face in the picture plane, degrees, clockwise positive.
    #[must_use]
    pub fn roll_degrees(&self) -> f32 {
        self.b.atan2(self.a).to_degrees()
    }

    /// How far five landmarks lie from where this transform puts those of an upright face turned to the camera: the root of the mean
    /// square, in sides of the chip. 0 for the template itself.
    #[must_use]
    pub fn misfit(&self, landmarks: &[Point; 5]) -> f32 {
        let squares = TEMPLATE.iter().zip(landmarks).map(|(p, q)| {
            let at = self.apply(*p);
            (q.x - at.x).powi(2) + (q.y - at.y).powi(2)
        });
        (squares.sum::<f32>() / 5.0).sqrt() / self.scale()
    }

    /// Applies the transform to a point in chip coordinates.
    #[must_use]
    pub fn apply(&self, p: Point) -> Point {
        Point::new(self.a * p.x - self.b * p.y + self.x, self.b * p.x + self.a * p.y + self.y)
    }

    /// The chip coordinates of a point of the picture.
    #[must_use]
    pub fn invert(&self, p: Point) -> Point {
        let (dx, dy) = (p.x - self.x, p.y - self.y);
        let norm = self.a * self.a + self.b * self.b;
        Point::new((self.a * dx + self.b * dy) / norm, (self.a * dy - self.b * dx) / norm)
    }

    /// The pixels of a picture of this size that the square is sampled from.
    pub(super) fn area(&self, size: (u32, u32)) -> Area {
        let corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)].map(|(x, y)| self.apply(Point::new(x, y)));
        let least = |of: fn(&Point) -> f32| corners.iter().map(of).fold(f32::INFINITY, f32::min);
        let most = |of: fn(&Point) -> f32| corners.iter().map(of).fold(f32::NEG_INFINITY, f32::max);
        Area::around([least(|p| p.x), least(|p| p.y), most(|p| p.x), most(|p| p.y)], size)
    }

    /// Samples a square of `side` pixels; each is the mean of as many bilinear samples as it covers picture pixels, so
    /// that a near face is reduced without aliasing. What lies outside the part repeats its border.
    pub(super) fn sample(&self, part: &Part<'_>, side: u32) -> RgbImage {
        let picture = part.pixels.as_ref();
        let here = Self { x: self.x - part.left as f32, y: self.y - part.top as f32, ..*self };
        let area = here.area(picture.dimensions());
        let here = Self { x: here.x - area.left as f32, y: here.y - area.top as f32, ..here };
        if area.width == 0 || area.height == 0 || side == 0 {
            return RgbImage::new(side, side);
        }
        if u64::from(area.width) * u64::from(area.height) > MOST_SAMPLED {
            let half = Part { pixels: Cow::Owned(picture.halved(area)), left: 0, top: 0 };
            return Self { a: here.a / 2.0, b: here.b / 2.0, x: here.x / 2.0, y: here.y / 2.0 }.sample(&half, side);
        }
        let lanes = Lanes::of(picture, area);
        let steps = ((self.scale() / side as f32).ceil() as u32).clamp(1, MOST_STEPS);
        let count = side * steps;
        // Places in 2^-32 of a pixel, from the middle of the area's first; a float becomes the nearest number that there is.
        let fixed = |value: f64| (value * f64::from(1u32 << 31) * 2.0).clamp(-4e18, 4e18) as i64;
        let (a, b) = (f64::from(here.a), f64::from(here.b));
        let step = (fixed(a / f64::from(count)), fixed(b / f64::from(count)));
        let mut out = vec![0; (side * side * 3) as usize];
        let mut sums = vec![[0u32; 3]; side as usize];
        for (y, row) in (0..side).zip(out.chunks_exact_mut(side as usize * 3)) {
            sums.fill([0; 3]);
            for sub in 0..steps {
                // The middle of the first sample of this line.
                let (u, v) = (0.5 / f64::from(count), (f64::from(y * steps + sub) + 0.5) / f64::from(count));
                let mut x = fixed(a * u - b * v + f64::from(here.x) - 0.5);
                let mut y = fixed(b * u + a * v + f64::from(here.y) - 0.5);
                for sum in &mut sums {
                    let mut lane = 0;
                    for _ in 0..steps {
                        lane += lanes.at(x, y);
                        (x, y) = (x.saturating_add(step.0), y.saturating_add(step.1));
                    }
                    for (k, sum) in sum.iter_mut().enumerate() {
                        *sum += (lane >> (LANE * k)) as u32 & ((1 << LANE) - 1);
                    }
                }
            }
            // 256ths, as the samples have them.
            let samples = 256 * steps * steps;
            for (pixel, sum) in row.as_chunks_mut::<3>().0.iter_mut().zip(&sums) {
                *pixel = sum.map(|value| ((value + samples / 2) / samples) as u8);
            }
        }
        RgbImage::from_raw(side, side, out).expect("three values for each pixel")
    }
}

/// The most samples of a pixel in each direction.
const MOST_STEPS: u32 = 12;
/// The largest area that is sampled as it is, in pixels: of a larger one, every fourth pixel says as much.
const MOST_SAMPLED: u64 = 1 << 22;
/// Bits of a colour in a pixel of [`Lanes`]: `MOST_STEPS` samples of 255 * 256 fit.
const LANE: usize = 21;

/// Pixels whose three colours lie in one number, so that one multiplication weighs all of them; the last column and row are there
/// twice, as what lies behind them.
struct Lanes {
    pixels: Vec<u64>,
    width: usize,
    height: usize,
}

impl Lanes {
    fn of(picture: &RgbImage, area: Area) -> Self {
        let (width, height) = (area.width as usize, area.height as usize);
        let mut pixels = Vec::with_capacity((width + 1) * (height + 1));
        for y in 0..=height {
            let start = (area.top as usize + y.min(height - 1)) * picture.width() as usize + area.left as usize;
            let row = picture.as_raw()[3 * start..3 * (start + width)].as_chunks::<3>().0;
            pixels.extend(row.iter().map(|rgb| {
                let [red, green, blue] = rgb.map(u64::from);
                red | green << LANE | blue << (2 * LANE)
            }));
            pixels.extend(pixels.last().copied());
        }
        Self { pixels, width, height }
    }

    /// The colours at a place between pixel centres, which is in 2^-32 of a pixel, in 256ths; the border is repeated.
    #[inline]
    fn at(&self, x: i64, y: i64) -> u64 {
        let (x, y) = (x.clamp(0, (self.width as i64 - 1) << 32), y.clamp(0, (self.height as i64 - 1) << 32));
        let (right, down) = ((x >> 24) as u64 & 255, (y >> 24) as u64 & 255);
        let (place, next) = ((y >> 32) as usize * (self.width + 1) + (x >> 32) as usize, self.width + 1);
        let (upper, lower) = (&self.pixels[place..place + 2], &self.pixels[place + next..place + next + 2]);
        // The four weights sum to 256.
        let both = (right * down + 128) >> 8;
        upper[0] * (256 + both - right - down) + upper[1] * (right - both) + lower[0] * (down - both) + lower[1] * both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(scale: f32, degrees: f32, x: f32, y: f32) -> [Point; 5] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        TEMPLATE.map(|p| Point::new(scale * (cos * p.x - sin * p.y) + x, scale * (sin * p.x + cos * p.y) + y))
    }

    #[test]
    fn the_fit_recovers_scale_and_roll() {
        let fit = Similarity::from_template(&placed(120.0, 17.0, 40.0, 33.0)).unwrap();
        assert!((fit.scale() - 120.0).abs() < 1e-2);
        assert!((fit.roll_degrees() - 17.0).abs() < 1e-2);
    }

    #[test]
    fn inverting_undoes_applying() {
        let fit = Similarity::from_template(&placed(80.0, -9.0, 10.0, 20.0)).unwrap();
        let back = fit.invert(fit.apply(Point::new(0.2, 0.9)));
        assert!(back.distance(Point::new(0.2, 0.9)) < 1e-4);
    }

    #[test]
    fn every_other_frame_of_a_visit_is_judged_mirrored() {
        let chip = || Chip(RgbImage::from_fn(4, 4, |x, y| image::Rgb([x as u8, y as u8, 0])));
        assert_eq!(chip().turned_for(0).pixels(), chip().pixels());
        assert_eq!(chip().turned_for(1).pixels().get_pixel(0, 2), &image::Rgb([3, 2, 0]));
        assert_eq!(chip().turned_for(2).pixels(), chip().pixels());
    }

    #[test]
    fn landmarks_on_one_point_are_no_face() {
        assert!(Similarity::from_template(&[Point::new(5.0, 5.0); 5]).is_none());
        assert!(Similarity::from_template(&[Point::new(f32::NAN, 5.0); 5]).is_none());
    }

    #[test]
    fn a_face_of_thousands_of_pixels_is_sampled_like_one_of_hundreds() {
        let shade = |x: u32, y: u32, of: u32| image::Rgb([(x * 200 / of) as u8, (y * 200 / of) as u8, 90]);
        let large = RgbImage::from_fn(4400, 4400, |x, y| shade(x, y, 4400));
        let small = RgbImage::from_fn(440, 440, |x, y| shade(x, y, 440));
        let chip =
            |picture: &RgbImage, of: f32| Chip::align(picture, &placed(0.8 * of, 5.0, 0.1 * of, 0.1 * of), 64).unwrap();
        let (large, small) = (chip(&large, 4400.0), chip(&small, 440.0));
        let worst = large.pixels().as_raw().iter().zip(small.pixels().as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(2), "{worst:?}");
    }

    #[test]
    fn an_upright_face_at_whole_pixels_is_copied_unchanged() {
        let picture =
            RgbImage::from_fn(90, 90, |x, y| image::Rgb([(x * 2) as u8, (y * 2) as u8, ((x * 7 + y * 3) % 251) as u8]));
        let chip = Chip::align(&picture, &placed(64.0, 0.0, 10.0, 15.0), 64).unwrap();
        let worst = chip
            .pixels()
            .enumerate_pixels()
            .flat_map(|(x, y, p)| {
                let q = picture.get_pixel(x + 10, y + 15);
                (0..3).map(move |c| p[c].abs_diff(q[c]))
            })
            .max();
        assert!(worst <= Some(1), "{worst:?}");
    }
}
