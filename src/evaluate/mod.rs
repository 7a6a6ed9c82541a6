//! Evaluation: the embedded models, through the deployed code path, over labelled pictures.

pub mod calibrate;
pub mod dataset;
pub mod figures;
pub mod report;

pub mod statistics;
pub mod visits;

use image::RgbImage;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde::Serialize;
use std::path::Path;

use crate::{
    age::AgeEstimate,
    picture,
    vision::{AgeModel, Chip, Detector, FaceReading, ModelError, nearest},
};
use dataset::{Dataset, Rejected, Sample};

/// Whether the pictures are chips already or must go through the detector first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Whole pictures: detect, align, estimate.
    Pictures,
    /// Aligned chips: estimate only.
    Chips,
}

/// The models under evaluation.
pub struct Eyes {
    /// Finds faces.
    pub detector: Detector,
    /// Reads ages.
    pub age: AgeModel,
}

impl Eyes {
    /// The models embedded in this binary, or those at the given paths.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn load(detector: Option<&Path>, age: Option<&Path>) -> Result<Self, ModelError> {
        Ok(Self { detector: Detector::load(detector)?, age: AgeModel::load(age)? })
    }

    /// Reads one picture; `None` if no face is found in it.
    ///
    /// Of several faces the nearest counts, as at the gate: the one with the largest box.
    ///
    /// # Errors
    /// [`ModelError::Run`] if a model fails.
    pub fn read(&self, picture: &RgbImage, input: Input) -> Result<Option<FaceReading>, ModelError> {
        let side = self.age.chip_side();
        let chip = match input {
            Input::Chips => Some(Chip::from_aligned(picture, side)),
            Input::Pictures => {
                nearest(&self.detector.detect(picture)?).and_then(|face| Chip::align(picture, &face.landmarks, side))
            }
        };
        chip.map(|chip| self.age.read(&chip)).transpose()
    }
}

/// One evaluated picture.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The picture and its labels.
    pub sample: Sample,
    /// What the models said.
    pub estimate: AgeEstimate,
    /// Probability of female.
    pub female: f32,
}

/// All that an evaluation yields.
#[derive(Clone, Debug)]
pub struct Readings {
    /// Pictures with a face.
    pub read: Vec<Reading>,
    /// Pictures in which no face was found.
    pub faceless: Vec<Sample>,
    /// Files that could not be used.
    pub rejected: Vec<Rejected>,
}

/// Reads every picture of a data set on all cores, with a progress bar where somebody watches.
///
/// Memory stays flat: a picture lives only while it is read.
///
/// # Errors
/// The first model failure; unreadable pictures are counted in [`Readings::rejected`] instead.
pub fn read_all(eyes: &Eyes, set: Dataset, input: Input) -> Result<Readings, ModelError> {
    enum Outcome {
        Read(Box<Reading>),
        Faceless(Sample),
        Rejected(Rejected),
    }
    let bar = progress_bar(set.samples.len() as u64, "pictures");
    let outcomes: Vec<Outcome> = set
        .samples
        .into_par_iter()
        .map(|sample| {
            let outcome = match picture::open(&sample.path) {
                Err(error) => {
                    Outcome::Rejected(Rejected { place: sample.path.display().to_string(), reason: error.to_string() })
                }
                Ok(picture) => match eyes.read(&picture, input)? {
                    None => Outcome::Faceless(sample),
                    Some(FaceReading { age, female }) => {
                        Outcome::Read(Box::new(Reading { sample, estimate: age, female }))
                    }
                },
            };
            bar.inc(1);
            Ok(outcome)
        })
        .collect::<Result<_, ModelError>>()?;
    bar.finish_and_clear();
    let mut readings = Readings { read: Vec::new(), faceless: Vec::new(), rejected: set.rejected };
    for outcome in outcomes {
        match outcome {
            Outcome::Read(reading) => readings.read.push(*reading),
            Outcome::Faceless(sample) => readings.faceless.push(sample),
            Outcome::Rejected(rejected) => readings.rejected.push(rejected),
        }
    }
    Ok(readings)
}

/// A progress bar on standard error; silent where that is no terminal.
#[must_use]
pub fn progress_bar(length: u64, unit: &str) -> ProgressBar {
    let template = format!("{{bar:32}} {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left");
    // The template is a constant of ours and valid.
    let style = ProgressStyle::with_template(&template).expect("a valid progress template");
    ProgressBar::new(length).with_style(style)
}
