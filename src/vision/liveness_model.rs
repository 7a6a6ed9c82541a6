//! The liveness model: a face with its surroundings to a score of how living it looks. Borders, hands and bezels lie around a
//! face, not in it, so the model sees square crops of the frame that are some times as large as the face's box.

use std::path::Path;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::{
    align::Similarity,
    detector::BoundingBox,
    model_file::{Metadata, ModelError, ModelFile, ModelIdentity, Runtime},
};
use crate::view::{Area, Part, View};

static EMBEDDED: &[u8] = include_bytes!("../../models/liveness.onnx");

/// Crops that a model may see at once.
const MOST_CROPS: usize = 4;
/// Smallest and largest crop, in sides of the face's box.
const SCALES: std::ops::RangeInclusive<f32> = 0.5..=8.0;

/// How living one view of a face looks: the model's logit, never NaN. What it means as a probability is for the policy to say
/// ([`crate::living::LivenessPolicy::probability`]).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct LivenessScore(f32);

impl LivenessScore {
    /// A score, or `None` for what is no number.
    #[must_use]
    pub fn new(logit: f32) -> Option<Self> {
        logit.is_finite().then_some(Self(logit))
    }

    /// The model's logit: larger is more living, 0 is as much one as the other in the model's own opinion.
    #[must_use]
    pub fn logit(self) -> f32 {
        self.0
    }
}

/// The liveness model, shared between threads.
pub struct LivenessModel {
    file: ModelFile,
    scales: Vec<f32>,
}

impl LivenessModel {
    /// The model that ships inside the binary.
    ///
    /// # Errors
    /// Only if the build embedded a broken file.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::load(None)
    }

    /// Loads the model at `path`, or the embedded one.
    ///
    /// # Errors
    /// See [`ModelError`]: the file is unreadable, no model, or another kind of model.
    pub fn load(path: Option<&Path>) -> Result<Self, ModelError> {
        Self::load_for(path, Runtime::Auto)
    }

    /// As [`Self::load`], to be run in this way.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn load_for(path: Option<&Path>, runtime: Runtime) -> Result<Self, ModelError> {
        match path {
            None => Self::from_bytes("embedded liveness.onnx", EMBEDDED, runtime),
            Some(path) => Self::from_bytes(&path.display().to_string(), &ModelFile::read(path)?, runtime),
        }
    }

    /// How the model is run, for people: in integers and by which instructions, or in float and why.
    #[must_use]
    pub fn runs(&self) -> String {
        self.file.runs()
    }

    /// Loads a model from the bytes of its file; `label` names it in messages.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn from_bytes(label: &str, bytes: &[u8], runtime: Runtime) -> Result<Self, ModelError> {
        let crops = |metadata: &Metadata<'_>| Ok(scales(metadata)?.len());
        let outputs = |_, _| vec![vec![1, 1]];
        let file = ModelFile::load_stacked(label, bytes, "agegate-liveness", runtime, crops, outputs)?;
        if file.input.width != file.input.height {
            return Err(file.metadata().wrong("input_height", format!("{}, as wide as high", file.input.width)));
        }
        let scales = scales(&file.metadata())?;
        Ok(Self { file, scales })
    }

    /// Which model this is.
    #[must_use]
    pub fn identity(&self) -> &ModelIdentity {
        &self.file.identity
    }

    /// Scores a face in its frame: the mean of what the model says of it and of its mirror image. Both are views of one face or
    /// of one screen, on which the model errs a little differently.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the box is none, or the model gives no number.
    pub fn read(&self, frame: &impl View, bounds: &BoundingBox) -> Result<LivenessScore, ModelError> {
        let failed = |detail: &str| ModelError::Run { model: self.file.label.clone(), detail: detail.into() };
        let side = self.file.input.width;
        let squares: Option<Vec<Square>> =
            self.scales.iter().map(|scale| Square::around(bounds, *scale, frame.size())).collect();
        let squares = squares.ok_or_else(|| failed("a face without a place in the frame"))?;
        // One pixel more on each side: between pixels, a crop that is enlarged sees beyond its own.
        let areas = squares.iter().map(|square| {
            let Area { left, top, width, height } = square.area(frame.size());
            let bounds = [left, top, left + width, top + height].map(|side| side as f32);
            Area::around(bounds, frame.size())
        });
        let part = frame.part(areas.reduce(Area::with).ok_or_else(|| failed("it sees no crop"))?);
        let mut crops: Vec<RgbImage> = squares.iter().map(|square| square.cut(&part, frame.size(), side)).collect();
        let seen = self.logit(&crops)?;
        crops.iter_mut().for_each(image::imageops::flip_horizontal_in_place);
        let mirrored = self.logit(&crops)?;
        LivenessScore::new(f32::midpoint(seen, mirrored)).ok_or_else(|| failed("it gave no score"))
    }

    fn logit(&self, crops: &[RgbImage]) -> Result<f32, ModelError> {
        let outputs = self.file.run_stacked(crops)?;
        let failed = || ModelError::Run { model: self.file.label.clone(), detail: "it gave no score".into() };
        outputs.first().and_then(|values| values.first()).copied().ok_or_else(failed)
    }
}

/// Sides of the crops, in larger sides of the face's box: numbers with spaces or commas.
fn scales(metadata: &Metadata<'_>) -> Result<Vec<f32>, ModelError> {
    let text = metadata.text("scales")?;
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let found: Option<Vec<f32>> = words.map(|word| word.parse().ok().filter(|s| SCALES.contains(s))).collect();
    found.filter(|scales| (1..=MOST_CROPS).contains(&scales.len())).ok_or_else(|| {
        let (low, high) = (SCALES.start(), SCALES.end());
        metadata.wrong("scales", format!("1 to {MOST_CROPS} numbers with spaces, each {low} to {high}"))
    })
}

/// A square of the frame, in pixels: corner and side.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Square {
    x: f32,
    y: f32,
    side: f32,
}

impl Square {
    /// The square around a face: its side is `scale` times the larger side of the box, and no more than the frame's shorter
    /// side; it is shifted so that it lies inside the frame. `None` for a box that is none, or an empty frame.
    fn around(bounds: &BoundingBox, scale: f32, (width, height): (u32, u32)) -> Option<Self> {
        let (width, height) = (width as f32, height as f32);
        let side = (scale * bounds.width().max(bounds.height())).min(width).min(height);
        let centre = bounds.centre();
        if !(side >= 1.0) || !centre.x.is_finite() || !centre.y.is_finite() {
            return None;
        }
        let shifted = |middle: f32, length: f32| (middle - side / 2.0).clamp(0.0, (length - side).max(0.0));
        Some(Self { x: shifted(centre.x, width), y: shifted(centre.y, height), side })
    }

    /// Its pixels, scaled to `side` pixels a side: each the mean of the area that it covers, or between pixels where it covers less
    /// than one. To whole pixels of the frame, so that what the net was trained with (`crop` in `models/train/liveness_net.py`) is
    /// seen here to the last grain: the pixels of a screen are told by it.
    fn cut(&self, part: &Part<'_>, frame: (u32, u32), side: u32) -> RgbImage {
        let Area { left: x, top: y, width: whole, .. } = self.area(frame);
        if whole <= side {
            return Similarity::upright(whole as f32, x as f32, y as f32).sample(part, side);
        }
        mean_of_areas(&part.pixels, (x - part.left, y - part.top, whole), side)
    }

    /// Its whole pixels in a frame of this size.
    fn area(&self, (width, height): (u32, u32)) -> Area {
        let whole = (self.side.round_ties_even() as u32).max(2).min(width.min(height));
        let within = |at: f32, length: u32| (at.round_ties_even() as u32).min(length - whole);
        Area { left: within(self.x, width), top: within(self.y, height), width: whole, height: whole }
    }
}

/// Reduces a square of the picture (left, top, side) to `side` pixels a side, each the mean of the area that it covers.
fn mean_of_areas(picture: &RgbImage, (x, y, whole): (u32, u32, u32), side: u32) -> RgbImage {
    let step = whole as f32 / side as f32;
    // For each pixel of the result: the pixels of a line that it covers, and the shares of them, summing to 1; all in one list.
    let mut shares: Vec<(usize, f32)> = Vec::with_capacity((whole + 2 * side) as usize);
    let mut ends = Vec::with_capacity(side as usize + 1);
    ends.push(0);
    for cell in 0..side {
        let (from, to) = (cell as f32 * step, (cell + 1) as f32 * step);
        shares.extend(
            (from as u32..(to.ceil() as u32).min(whole))
                .map(|k| (k as usize, ((to.min((k + 1) as f32) - from.max(k as f32)) / step).max(0.0))),
        );
        ends.push(shares.len());
    }
    let covered = || ends.windows(2).map(|ends| &shares[ends[0]..ends[1]]);
    let (width, values) = (picture.width() as usize, whole as usize * 3);
    let line = |row: usize| &picture.as_raw()[((y as usize + row) * width + x as usize) * 3..][..values];
    let mut out = Vec::with_capacity((side * side * 3) as usize);
    let mut together = vec![0.0f32; values];
    for rows in covered() {
        // The rows together first, which is most of the work and the same for every value; then the columns.
        together.fill(0.0);
        for (row, share) in rows {
            together.iter_mut().zip(line(*row)).for_each(|(sum, v)| *sum += share * f32::from(*v));
        }
        for columns in covered() {
            let sum = columns.iter().fold([0.0; 3], |sum: [f32; 3], (k, share)| {
                std::array::from_fn(|c| sum[c] + share * together[k * 3 + c])
            });
            out.extend(sum.map(|v| (v + 0.5) as u8));
        }
    }
    RgbImage::from_raw(side, side, out).expect("three values for each pixel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn model() -> LivenessModel {
        LivenessModel::from_bytes("bluish", include_bytes!("../../tests/liveness/bluish.onnx"), Runtime::Auto).unwrap()
    }

    fn bounds(x: f32, y: f32, width: f32, height: f32) -> BoundingBox {
        BoundingBox { x0: x, y0: y, x1: x + width, y1: y + height }
    }

    #[test]
    fn the_embedded_file_is_a_liveness_model() {
        assert_eq!(LivenessModel::embedded().unwrap().identity().name, "agegate-liveness");
    }

    #[test]
    fn the_score_is_of_the_face_with_its_surroundings_and_not_of_the_rest() {
        // Warm within 2.7 times the box, blue outside: at least 13 of 15 parts of the crop are warm.
        let frame = RgbImage::from_fn(640, 480, |x, y| {
            let near = (185..455).contains(&x) && (105..375).contains(&y);
            if near { image::Rgb([200, 150, 100]) } else { image::Rgb([0, 0, 255]) }
        });
        let near = model().read(&frame, &bounds(270.0, 190.0, 80.0, 100.0)).unwrap();
        assert!(near.logit() > 20.0, "{near:?}");
        let corner = model().read(&frame, &bounds(0.0, 0.0, 30.0, 30.0)).unwrap();
        assert!((corner.logit() - (6.0 - 0.2 * 255.0)).abs() < 0.5, "{corner:?}");
    }

    #[test]
    fn a_reduced_crop_is_the_mean_of_the_areas_that_it_covers() {
        let picture =
            RgbImage::from_fn(40, 40, |x, y| image::Rgb([(x * 6) as u8, (y * 6) as u8, ((x + y) % 2 * 200) as u8]));
        let halved = mean_of_areas(&picture, (4, 8, 20), 10);
        // Two by two pixels each: the fine pattern is gone, and nothing of its phase is left.
        assert!(halved.pixels().all(|p| p.0[2] == 100), "{:?}", halved.get_pixel(0, 0));
        assert_eq!(halved.get_pixel(0, 0).0, [27, 51, 100]);
        let thirds = mean_of_areas(&picture, (0, 0, 40), 15);
        let mean = |p: &RgbImage| p.pixels().map(|p| f32::from(p.0[0])).sum::<f32>() / (p.width() * p.height()) as f32;
        assert!((mean(&thirds) - mean(&picture)).abs() < 0.6);
    }

    #[test]
    fn another_kind_of_model_is_refused() {
        let age = include_bytes!("../../models/age-estimator.onnx");
        let error = LivenessModel::from_bytes("age", age, Runtime::Auto).err().unwrap().to_string();
        assert!(error.contains("`name`") && error.contains("agegate-liveness"), "{error}");
    }

    #[test]
    fn a_box_without_a_place_is_an_error_and_no_score() {
        let frame = RgbImage::new(64, 64);
        for wrong in [bounds(f32::NAN, 0.0, 10.0, 10.0), bounds(5.0, 5.0, 0.0, 0.0)] {
            assert!(model().read(&frame, &wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_crop_lies_inside_the_frame_and_around_the_face_where_it_can(
            (x, y) in (-200.0f32..900.0, -200.0f32..700.0),
            (width, height) in (1.0f32..900.0, 1.0f32..900.0),
            scale in 0.5f32..8.0,
        ) {
            let face = bounds(x, y, width, height);
            let square = Square::around(&face, scale, (640, 480)).unwrap();
            prop_assert!(square.x >= 0.0 && square.y >= 0.0);
            prop_assert!(square.x + square.side <= 640.01 && square.y + square.side <= 480.01);
            prop_assert!(square.side <= 480.0 && square.side <= scale * width.max(height) + 0.01);
            let wanted = scale * width.max(height);
            let (left, top) = (face.centre().x - wanted / 2.0, face.centre().y - wanted / 2.0);
            if left >= 0.0 && top >= 0.0 && left + wanted <= 640.0 && top + wanted <= 480.0 {
                prop_assert!((square.x - left).abs() < 0.01 && (square.y - top).abs() < 0.01, "not moved without need");
            }
        }
    }
}
