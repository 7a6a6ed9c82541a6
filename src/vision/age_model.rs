//! The age model: chip to distribution over ages.

use std::path::Path;

use super::{
    align::Chip,
    model_file::{ModelError, ModelFile, ModelIdentity, Runtime},
};
use crate::age::{AGES, AgeEstimate};

static EMBEDDED: &[u8] = include_bytes!("../../models/age-estimator.onnx");

/// What the age model reads from a face.
#[derive(Clone, Debug)]
pub struct FaceReading {
    /// Distribution over ages 0 to 100 years.
    pub age: AgeEstimate,
    /// Probability of female, 0 to 1. For evaluation only: the gate neither uses nor logs it.
    pub female: f32,
    /// What of the face is hidden.
    pub covered: Covered,
}

/// How likely parts of a face are hidden, 0 to 1; the model's makers put the point from which on they count as hidden at 0.5.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Covered {
    /// The mouth, by a mask, a scarf or a hand.
    pub mouth: f32,
    /// The eyes, by sunglasses, a hand or a cap. Clear glasses hide nothing.
    pub eyes: f32,
}

impl Covered {
    /// Whether a face is not to be judged: an age read from half a face is a guess.
    #[must_use]
    pub fn is_covered(self) -> bool {
        // Written so that what is no number hides the face.
        !(self.mouth <= 0.5 && self.eyes <= 0.5)
    }
}

/// The age estimator, shared between threads.
pub struct AgeModel(ModelFile);

impl AgeModel {
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
            None => Self::from_bytes("embedded age-estimator.onnx", EMBEDDED, runtime),
            Some(path) => Self::from_bytes(&path.display().to_string(), &ModelFile::read(path)?, runtime),
        }
    }

    /// How the model is run, for people: in integers and by which instructions, or in float and why.
    #[must_use]
    pub fn runs(&self) -> String {
        self.0.runs()
    }

    /// Loads a model from the bytes of its file; `label` names it in messages.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn from_bytes(label: &str, bytes: &[u8], runtime: Runtime) -> Result<Self, ModelError> {
        let file = ModelFile::load(label, bytes, "agegate-age-estimator", runtime, |_, _| {
            vec![vec![1, AGES], vec![1, 1], vec![1, 2]]
        })?;
        if file.input.width != file.input.height {
            return Err(file.metadata().wrong("input_height", format!("{}, as wide as high", file.input.width)));
        }
        Ok(Self(file))
    }

    /// Side of the chip in pixels.
    #[must_use]
    pub fn chip_side(&self) -> u32 {
        self.0.input.width
    }

    /// Which model this is.
    #[must_use]
    pub fn identity(&self) -> &ModelIdentity {
        &self.0.identity
    }

    /// Reads a chip of [`AgeModel::chip_side`] pixels.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the chip has another size or the model gives no distribution.
    pub fn read(&self, chip: &Chip) -> Result<FaceReading, ModelError> {
        let failed = |detail: String| ModelError::Run { model: self.0.label.clone(), detail };
        let side = self.chip_side();
        if chip.pixels().dimensions() != (side, side) {
            return Err(failed(format!("a chip of {:?} pixels, expected {side} x {side}", chip.pixels().dimensions())));
        }
        let outputs = self.0.run(chip.pixels())?;
        let age =
            AgeEstimate::from_weights(&outputs[0]).ok_or_else(|| failed("its ages are no distribution".into()))?;
        let [female] = outputs[1][..] else { return Err(failed("its gender is no number".into())) };
        let [mouth, eyes] = outputs[2][..] else { return Err(failed("its covers are not two numbers".into())) };
        Ok(FaceReading { age, female, covered: Covered { mouth, eyes } })
    }
}
