//! The points net of the turn: five points of a face that follow a turn of the head. It runs only where a turn is asked for.
//!
//! The detector's own landmarks do not: they were learned from chips whose labels are those of an upright face seen from the
//! front, and follow place, size, roll and squeeze, while the nose stays in the middle. `models/train/train_turn.py` makes this net.

use super::{
    Point,
    align::{Chip, Similarity, TEMPLATE},
    model_file::{ModelError, ModelFile, ModelIdentity, Runtime},
};
use crate::view::View;

static EMBEDDED: &[u8] = include_bytes!("../../models/turn-points.onnx");

/// The points net, shared between threads.
pub struct TurnPoints(ModelFile);

impl TurnPoints {
    /// The model that ships inside the binary.
    ///
    /// # Errors
    /// Only if the build embedded a broken file.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::embedded_for(Runtime::Auto)
    }

    /// As [`Self::embedded`], to be run in this way.
    ///
    /// # Errors
    /// Only if the build embedded a broken file.
    pub fn embedded_for(runtime: Runtime) -> Result<Self, ModelError> {
        Self::from_bytes("embedded turn-points.onnx", EMBEDDED, runtime)
    }

    /// How the model is run, for people.
    #[must_use]
    pub fn runs(&self) -> String {
        self.0.runs()
    }

    /// Loads a model from the bytes of its file; `label` names it in messages.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn from_bytes(label: &str, bytes: &[u8], runtime: Runtime) -> Result<Self, ModelError> {
        let file = ModelFile::load(label, bytes, "agegate-turn-points", runtime, |_, _| vec![vec![1, 10]])?;
        if file.input.width != file.input.height {
            return Err(file.metadata().wrong("input_height", format!("{}, as wide as high", file.input.width)));
        }
        Ok(Self(file))
    }

    /// Which model this is.
    #[must_use]
    pub fn identity(&self) -> &ModelIdentity {
        &self.0.identity
    }

    /// Eyes, nose tip and mouth corners of the face at these landmarks of the detector's, in pixels of the picture.
    /// `None` for landmarks that fall onto one point.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the model fails.
    pub fn find(&self, picture: &impl View, landmarks: &[Point; 5]) -> Result<Option<[Point; 5]>, ModelError> {
        let Some(map) = Similarity::from_template(landmarks) else { return Ok(None) };
        let Some(chip) = Chip::align(picture, landmarks, self.0.input.width) else { return Ok(None) };
        let moved = self.0.run(chip.pixels())?.remove(0);
        Ok(Some(std::array::from_fn(|k| {
            map.apply(Point::new(TEMPLATE[k].x + moved[2 * k], TEMPLATE[k].y + moved[2 * k + 1]))
        })))
    }
}
