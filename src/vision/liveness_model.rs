//! The liveness model: a face with its surroundings to a score of how living it looks. Borders, hands and bezels lie around a
//! face, not in it, so the model sees square crops of the frame that are some times as large as the face's box.

use std::path::Path;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::{
    align::Similarity,
    detector::BoundingBox,
    model_file::{Metadata, ModelError, ModelFile, ModelIdentity},
};

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
        Self::from_bytes("embedded liveness.onnx", EMBEDDED)
    }

    /// Loads the model at `path`, or the embedded one.
    ///
    /// # Errors
    /// See [`ModelError`]: the file is unreadable, no model, or another kind of model.
    pub fn load(path: Option<&Path>) -> Result<Self, ModelError> {
        match path {
            None => Self::embedded(),
            Some(path) => Self::from_bytes(&path.display().to_string(), &ModelFile::read(path)?),
        }
    }

    /// Loads a model from the bytes of its file; `label` names it in messages.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn from_bytes(label: &str, bytes: &[u8]) -> Result<Self, ModelError> {
        let crops = |metadata: &Metadata<'_>| Ok(scales(metadata)?.len());
        let file = ModelFile::load_stacked(label, bytes, "agegate-liveness", crops, |_, _| vec![vec![1, 1]])?;
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

    /// Scores a face in its frame.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the box is none, or the model gives no number.
    pub fn read(&self, frame: &RgbImage, bounds: &BoundingBox) -> Result<LivenessScore, ModelError> {
        let failed = |detail: &str| ModelError::Run { model: self.file.label.clone(), detail: detail.into() };
        let side = self.file.input.width;
        let crops: Option<Vec<RgbImage>> =
            self.scales.iter().map(|scale| Some(Square::around(bounds, *scale, frame)?.cut(frame, side))).collect();
        let outputs = self.file.run_stacked(&crops.ok_or_else(|| failed("a face without a place in the frame"))?)?;
        let logit = outputs.first().and_then(|values| values.first()).copied();
        logit.and_then(LivenessScore::new).ok_or_else(|| failed("it gave no score"))
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
    fn around(bounds: &BoundingBox, scale: f32, frame: &RgbImage) -> Option<Self> {
        let (width, height) = (frame.width() as f32, frame.height() as f32);
        let side = (scale * bounds.width().max(bounds.height())).min(width).min(height);
        let centre = bounds.centre();
        if !(side >= 1.0) || !centre.x.is_finite() || !centre.y.is_finite() {
            return None;
        }
        let shifted = |middle: f32, length: f32| (middle - side / 2.0).clamp(0.0, (length - side).max(0.0));
        Some(Self { x: shifted(centre.x, width), y: shifted(centre.y, height), side })
    }

    /// Its pixels, scaled to `side` pixels a side without aliasing.
    fn cut(&self, frame: &RgbImage, side: u32) -> RgbImage {
        Similarity::upright(self.side, self.x, self.y).sample(frame, side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn model() -> LivenessModel {
        LivenessModel::from_bytes("bluish", include_bytes!("../../tests/liveness/bluish.onnx")).unwrap()
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
    fn another_kind_of_model_is_refused() {
        let age = include_bytes!("../../models/age-estimator.onnx");
        let error = LivenessModel::from_bytes("age", age).err().unwrap().to_string();
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
            let frame = RgbImage::new(640, 480);
            let face = bounds(x, y, width, height);
            let square = Square::around(&face, scale, &frame).unwrap();
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
