//! Is this view of a face good enough to judge an age by? And if not, what should the visitor do?

use image::{
    RgbImage,
    imageops::{self, FilterType},
};
use serde::{Deserialize, Serialize};

use crate::vision::{Chip, Face, align::Similarity};

/// Limits of a usable view. Light and focus were set on the validation chips: `models/train/quality_limits.py` prints what
/// those have. The geometry follows what the models were trained for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityLimits {
    /// Least height of a face as a share of the frame's height; smaller is "come closer". 0.05 to 0.9.
    pub min_face_share: f32,
    /// Least height of a face in pixels. 24 to 1000.
    pub min_face_pixels: f32,
    /// Least mean brightness of the chip, 0 to 255; darker is "more light".
    pub min_brightness: f32,
    /// Largest mean brightness of the chip, 0 to 255.
    pub max_brightness: f32,
    /// Least deviation of the brightness within the chip, 0 to 127.
    pub min_contrast: f32,
    /// Least sharpness: see [`sharpness`].
    pub min_sharpness: f32,
    /// Largest turn of the head to the side, as the nose's way off the middle of the eyes over their distance.
    pub max_turn: f32,
    /// Largest roll in degrees.
    pub max_roll_degrees: f32,
    /// Share of the box that must lie inside the frame, 0.5 to 1.
    pub min_inside: f32,
}

impl Default for QualityLimits {
    fn default() -> Self {
        Self {
            min_face_share: 0.20,
            min_face_pixels: 64.0,
            min_brightness: 35.0,
            max_brightness: 232.0,
            min_contrast: 12.0,
            min_sharpness: 0.02,
            max_turn: 0.32,
            max_roll_degrees: 25.0,
            min_inside: 0.9,
        }
    }
}

/// What is wrong with a view, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Flaw {
    /// Too small: come closer.
    TooFar,
    /// Partly outside the frame: step into the middle.
    OutsideFrame,
    /// Turned or tilted: look at the camera.
    LookingAway,
    /// Too dark or too flat: more light.
    TooDark,
    /// Blown out.
    TooBright,
    /// Out of focus or moving: hold still.
    Blurred,
    /// Mouth or eyes are hidden: show your face.
    Covered,
}

impl Flaw {
    /// The flaw in words, as they follow "the face is".
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::TooFar => "too far away",
            Self::OutsideFrame => "partly outside the picture",
            Self::LookingAway => "turned away or tilted",
            Self::TooDark => "too dark",
            Self::TooBright => "too bright",
            Self::Blurred => "blurred",
            Self::Covered => "covered",
        }
    }
}

/// The verdict on a view: its weight as evidence, or what is wrong.
pub type Quality = Result<f32, Flaw>;

/// Whether a face is near enough to begin a visit, from its box alone.
///
/// # Errors
/// [`Flaw::TooFar`].
pub fn near_enough(face: &Face, frame_height: u32, limits: &QualityLimits) -> Result<(), Flaw> {
    let height = face.bounds.height();
    if height < limits.min_face_pixels || height < limits.min_face_share * frame_height as f32 {
        return Err(Flaw::TooFar);
    }
    Ok(())
}

/// Judges a view by its geometry: size, place, pose.
///
/// # Errors
/// The first [`Flaw`] found.
pub fn geometry(face: &Face, frame: (u32, u32), limits: &QualityLimits) -> Result<(), Flaw> {
    near_enough(face, frame.1, limits)?;
    let b = &face.bounds;
    let inside_width = b.x1.min(frame.0 as f32) - b.x0.max(0.0);
    let inside_height = b.y1.min(frame.1 as f32) - b.y0.max(0.0);
    let share = (inside_width.max(0.0) * inside_height.max(0.0)) / (b.width() * b.height());
    if !(share >= limits.min_inside) {
        return Err(Flaw::OutsideFrame);
    }
    let map = Similarity::from_template(&face.landmarks).ok_or(Flaw::LookingAway)?;
    let turned = map.roll_degrees().abs() > limits.max_roll_degrees || turn(face).abs() > limits.max_turn;
    if turned || !(map.misfit(&face.landmarks) <= MAX_MISFIT) {
        return Err(Flaw::LookingAway);
    }
    Ok(())
}

/// Judges the pixels of a chip: light and focus. The weight is 0.2 to 1: a barely usable view counts a fifth of a good one.
///
/// # Errors
/// The first [`Flaw`] found.
pub fn pixels(chip: &Chip, limits: &QualityLimits) -> Quality {
    let light = Light::of(chip.pixels());
    if light.mean < limits.min_brightness || light.deviation < limits.min_contrast {
        return Err(Flaw::TooDark);
    }
    if light.mean > limits.max_brightness {
        return Err(Flaw::TooBright);
    }
    let sharp = sharpness(chip);
    if sharp < limits.min_sharpness {
        return Err(Flaw::Blurred);
    }
    let ramp = |value: f32, floor: f32, good: f32| ((value - floor) / (good - floor)).clamp(0.0, 1.0);
    let weight = ramp(sharp, limits.min_sharpness, limits.min_sharpness * 3.0).min(ramp(
        light.deviation,
        limits.min_contrast,
        35.0,
    ));
    Ok(0.2 + 0.8 * weight)
}

/// How far the nose lies off the middle between the eyes, over the distance of the eyes, less what the template has;
/// about 0 for a face turned to the camera, 0.3 at 30 degrees of yaw.
#[must_use]
pub fn turn(face: &Face) -> f32 {
    let [left, right, nose, ..] = face.landmarks;
    let (dx, dy) = (right.x - left.x, right.y - left.y);
    let length = dx.hypot(dy).max(1e-3);
    let (mx, my) = ((left.x + right.x) / 2.0, (left.y + right.y) / 2.0);
    ((nose.x - mx) * dx + (nose.y - my) * dy) / (length * length)
}

/// Landmarks further than this from those of an upright face turned to the camera are none of one, in sides of the chip (see
/// [`Similarity::misfit`]). Of the shipped detector's views that are upright enough, in bad light and 40 pixels high too, the furthest
/// has 0.03, a head that is turned and nods as far as a view may has 0.06; two of the five in each other's place have 0.2 and more.
pub const MAX_MISFIT: f32 = 0.1;

/// Side at which sharpness is measured, pixels.
pub const SHARPNESS_SIDE: u32 = 64;

/// Sharpness of a chip: energy of the Laplacian over the variance of the brightness, 0 to about 4.
///
/// Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000, made independent of contrast. Of the
/// validation chips, 99 in 100 have 0.028 or more; reduced to 16 pixels and back, five in six fall below the default limit
/// of 0.02, at 12 pixels nearly all.
///
/// Measured at [`SHARPNESS_SIDE`], whatever the side of the age model's chip, so that the limit does not depend on the model.
#[must_use]
pub fn sharpness(chip: &Chip) -> f32 {
    let reduced;
    let mut picture = chip.pixels();
    if picture.width() > SHARPNESS_SIDE {
        reduced = imageops::resize(picture, SHARPNESS_SIDE, SHARPNESS_SIDE, FilterType::Triangle);
        picture = &reduced;
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if width < 3 || height < 3 {
        return 0.0;
    }
    let grey = luminance(picture);
    let at = |x: usize, y: usize| grey[y * width + x];
    let mut energy = 0.0;
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            let laplacian = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y);
            energy += laplacian * laplacian;
        }
    }
    let deviation = Light::of(picture).deviation.max(1.0);
    energy / ((width - 2) * (height - 2)) as f32 / (deviation * deviation)
}

/// Brightness of a picture: mean and deviation, 0 to 255.
#[derive(Clone, Copy, Debug)]
pub struct Light {
    /// Mean.
    pub mean: f32,
    /// Standard deviation.
    pub deviation: f32,
}

impl Light {
    /// Measures a picture; an empty one is dark.
    #[must_use]
    pub fn of(picture: &RgbImage) -> Self {
        let grey = luminance(picture);
        let count = grey.len().max(1) as f32;
        let mean = grey.iter().sum::<f32>() / count;
        let variance = grey.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / count;
        Self { mean, deviation: variance.sqrt() }
    }
}

/// Rec. 601 luminance of each pixel, 0 to 255.
fn luminance(picture: &RgbImage) -> Vec<f32> {
    picture
        .as_raw()
        .chunks_exact(3)
        .map(|p| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::{BoundingBox, Point, align::TEMPLATE};

    fn face(x: f32, y: f32, side: f32) -> Face {
        Face {
            score: 0.9,
            bounds: BoundingBox { x0: x, y0: y, x1: x + side, y1: y + side },
            landmarks: TEMPLATE.map(|p| Point::new(x + p.x * side, y + p.y * side)),
        }
    }

    #[test]
    fn a_face_in_the_middle_passes_and_a_distant_one_is_called_closer() {
        let limits = QualityLimits::default();
        assert_eq!(geometry(&face(200.0, 100.0, 200.0), (640, 480), &limits), Ok(()));
        assert_eq!(geometry(&face(200.0, 100.0, 50.0), (640, 480), &limits), Err(Flaw::TooFar));
    }

    #[test]
    fn a_face_cut_by_the_border_is_outside() {
        assert_eq!(
            geometry(&face(-60.0, 100.0, 200.0), (640, 480), &QualityLimits::default()),
            Err(Flaw::OutsideFrame)
        );
    }

    #[test]
    fn a_nose_far_off_the_middle_is_a_turned_head() {
        let mut turned = face(200.0, 100.0, 200.0);
        turned.landmarks[2].x += 40.0;
        assert_eq!(geometry(&turned, (640, 480), &QualityLimits::default()), Err(Flaw::LookingAway));
    }

    #[test]
    fn landmarks_that_contradict_an_upright_face_are_no_good_view() {
        let limits = QualityLimits::default();
        let upright = face(200.0, 100.0, 200.0);
        let judged = |order: [usize; 5]| {
            let landmarks = order.map(|k| upright.landmarks[k]);
            geometry(&Face { landmarks, ..upright }, (640, 480), &limits)
        };
        assert_eq!(judged([0, 1, 2, 3, 4]), Ok(()));
        for (what, order) in [
            ("upside down", [4, 3, 2, 1, 0]),
            ("a mouth above the eyes, left and right as they were", [3, 4, 2, 0, 1]),
            ("the eyes exchanged", [1, 0, 2, 3, 4]),
            ("the mouth's corners exchanged", [0, 1, 2, 4, 3]),
            ("an eye at a corner of the mouth", [0, 4, 2, 3, 1]),
        ] {
            assert_eq!(judged(order), Err(Flaw::LookingAway), "{what}");
        }
        let mut flat = upright;
        for p in &mut flat.landmarks {
            p.y = 160.0;
        }
        assert_eq!(geometry(&flat, (640, 480), &limits), Err(Flaw::LookingAway), "all on one line");
    }

    #[test]
    fn black_is_dark_and_a_smooth_ramp_is_blurred() {
        let limits = QualityLimits::default();
        let chip =
            |f: fn(u32, u32) -> u8| Chip::from_aligned(&RgbImage::from_fn(64, 64, |x, y| image::Rgb([f(x, y); 3])), 64);
        assert_eq!(pixels(&chip(|_, _| 3), &limits), Err(Flaw::TooDark));
        assert_eq!(pixels(&chip(|x, _| (60 + x * 2) as u8), &limits), Err(Flaw::Blurred));
        assert!(pixels(&chip(|x, y| if (x / 3 + y / 3) % 2 == 0 { 60 } else { 190 }), &limits).is_ok());
    }
}
