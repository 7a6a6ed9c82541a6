//! Alignment: from a face in a frame to the chip that the age model sees.
//!
//! The chip is the square of the UTKFace data set: the five landmarks of an upright face lie at [`TEMPLATE`] of its
//! side. A similarity transform (turn, scale, shift; no shear, which would change the shape of the face) carries the
//! landmarks there with the least squared error; `models/train/common.py` uses the same numbers.

use image::RgbImage;

use super::Point;

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
    pub fn align(picture: &RgbImage, landmarks: &[Point; 5], side: u32) -> Option<Self> {
        let map = Similarity::from_template(landmarks)?;
        Some(Self(map.sample(picture, side)))
    }

    /// Takes a whole picture that is a chip already, as in the UTKFace data set, and scales it to `side` pixels.
    #[must_use]
    pub fn from_aligned(picture: &RgbImage, side: u32) -> Self {
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let side_in = width.min(height);
        let map = Similarity { a: side_in, b: 0.0, x: (width - side_in) / 2.0, y: (height - side_in) / 2.0 };
        Self(map.sample(picture, side))
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

    /// Samples a square of `side` pixels; each is the mean of as many bilinear samples as it covers picture pixels, so
    /// that a near face is reduced without aliasing.
    pub(super) fn sample(&self, picture: &RgbImage, side: u32) -> RgbImage {
        let per_pixel = self.scale() / side as f32;
        let steps = (per_pixel.ceil() as u32).clamp(1, 12);
        let share = 1.0 / (steps * steps) as f32;
        RgbImage::from_fn(side, side, |x, y| {
            let mut sum = [0.0f32; 3];
            for sub_y in 0..steps {
                for sub_x in 0..steps {
                    let at = |cell: u32, sub: u32| (cell as f32 + (sub as f32 + 0.5) / steps as f32) / side as f32;
                    let value = bilinear(picture, self.apply(Point::new(at(x, sub_x), at(y, sub_y))));
                    for (total, v) in sum.iter_mut().zip(value) {
                        *total += v;
                    }
                }
            }
            image::Rgb(sum.map(|v| (v * share + 0.5) as u8))
        })
    }
}

/// The colour at a point of the picture, between pixel centres; the border is repeated.
fn bilinear(picture: &RgbImage, p: Point) -> [f32; 3] {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let x = (p.x - 0.5).clamp(0.0, (width - 1) as f32);
    let y = (p.y - 0.5).clamp(0.0, (height - 1) as f32);
    let (left, top) = (x as usize, y as usize);
    let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    let (fx, fy) = (x - left as f32, y - top as f32);
    let raw = picture.as_raw();
    let pixel = |x: usize, y: usize| &raw[(y * width + x) * 3..][..3];
    let (p00, p10, p01, p11) = (pixel(left, top), pixel(right, top), pixel(left, bottom), pixel(right, bottom));
    std::array::from_fn(|c| {
        let upper = f32::from(p00[c]) * (1.0 - fx) + f32::from(p10[c]) * fx;
        let lower = f32::from(p01[c]) * (1.0 - fx) + f32::from(p11[c]) * fx;
        upper * (1.0 - fy) + lower * fy
    })
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
