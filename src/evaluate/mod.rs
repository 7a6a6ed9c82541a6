//! Evaluation: the embedded models, through the deployed code path, over labelled pictures.

pub mod at_the_gate;
pub mod attacks;
pub mod bands;
pub mod calibrate;
pub mod dataset;
pub mod figures;
pub mod labels;
pub mod liveness_figures;
pub mod liveness_policy;
pub mod people;
mod plots;
pub mod repeats;
pub mod report;
pub mod statistics;
pub mod temperature;
pub mod true_age;
pub mod visits;

use image::RgbImage;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde::Serialize;
use std::path::Path;

use crate::{
    age::AgeEstimate,
    picture,
    quality::{self, Quality, QualityLimits},
    vision::{
        AgeModel, Chip, Covered, Detector, Face, FaceReading, FoundBy, LivenessModel, ModelError, Runtime, nearest,
    },
};
use dataset::{Dataset, Rejected, Sample};
use people::{Thumbnail, people};

/// Whether pictures are chips already or must go through the detector first.
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
    /// Tells living faces from attacks.
    pub liveness: LivenessModel,
    /// The score that a face must reach.
    score: f32,
}

impl Readings {
    /// Why nothing was read, in words, where nothing was.
    #[must_use]
    pub fn nothing_read(&self) -> String {
        let aligned = "are they aligned chips? then give them with --aligned-dataset";
        match (self.faceless.len(), self.rejected.as_slice()) {
            (0, [only]) => format!("nothing can be read: {only}"),
            (0, [first, ..]) => {
                format!("none of {} files can be used, such as {}", self.rejected.len(), first)
            }
            (_, []) => format!("no face was found in any of the pictures ({aligned})"),
            (faceless, [first, ..]) => format!(
                "no face was found in any of {faceless} pictures ({aligned}), and {} more cannot be read, such as {}",
                self.rejected.len(),
                first
            ),
        }
    }
}

impl Eyes {
    /// The models embedded in this binary, or those at the given paths.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn load(
        detector: Option<&Path>,
        age: Option<&Path>,
        liveness: Option<&Path>,
        runtime: Runtime,
    ) -> Result<Self, ModelError> {
        let (detector, age) = (Detector::load_for(detector, runtime)?, AgeModel::load_for(age, runtime)?);
        let score = detector.shipped_score();
        Ok(Self { detector, age, liveness: LivenessModel::load_for(liveness, runtime)?, score })
    }

    /// The same, where faces must reach another score than the detector's own.
    #[must_use]
    pub fn above(self, score: Option<f32>) -> Self {
        Self { score: score.unwrap_or(self.score), ..self }
    }

    /// The faces of a picture, surest first.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the detector fails.
    pub fn detect(&self, picture: &RgbImage) -> Result<Vec<Face>, ModelError> {
        self.detector.detect_above(picture, self.score)
    }

    /// By what faces are found.
    ///
    /// # Errors
    /// As [`Detector::found_by`].
    pub fn found_by(&self) -> Result<FoundBy, ModelError> {
        self.detector.found_by(self.score)
    }

    /// The chip of one picture, as the age model sees it; `None` if no face is found in it.
    ///
    /// Of several faces the nearest counts, as at the gate: the one with the largest box.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the detector fails.
    pub fn chip(&self, picture: &RgbImage, input: Input) -> Result<Option<Chip>, ModelError> {
        let side = self.age.chip_side();
        Ok(match input {
            Input::Chips => Some(Chip::from_aligned(picture, side)),
            Input::Pictures => {
                nearest(&self.detect(picture)?).and_then(|face| Chip::align(picture, &face.landmarks, side))
            }
        })
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
    /// What of the face is hidden.
    pub covered: Covered,
    /// What the gate would say of its light and focus.
    pub quality: Quality,
    /// Number of the person: pictures that count once have the same.
    pub person: usize,
}

/// All that an evaluation yields.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// Names of the sources.
    pub sources: Vec<String>,
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
pub fn read_all(eyes: &Eyes, set: Dataset, limits: &QualityLimits) -> Result<Readings, ModelError> {
    enum Outcome {
        Read(Box<Reading>, Thumbnail),
        Faceless(Sample),
        Rejected(Rejected),
    }
    let sources = (0..set.sources.len()).map(|k| set.source_name(k)).collect();
    let bar = progress_bar(set.samples.len() as u64, "pictures");
    let outcomes: Vec<Outcome> = set
        .samples
        .into_par_iter()
        .map(|sample| {
            let outcome = match picture::open(&sample.path) {
                Err(error) => Outcome::Rejected(Rejected::picture(sample.place(), &error)),
                Ok(picture) => match eyes.chip(&picture, sample.input)? {
                    None => Outcome::Faceless(sample),
                    Some(chip) => {
                        let FaceReading { age, female, covered } = eyes.age.read(&chip)?;
                        let quality = quality::pixels(&chip, limits);
                        let reading = Reading { sample, estimate: age, female, covered, quality, person: 0 };
                        Outcome::Read(Box::new(reading), Thumbnail::of(&picture))
                    }
                },
            };
            bar.inc(1);
            Ok(outcome)
        })
        .collect::<Result<_, ModelError>>()?;
    bar.finish_and_clear();
    let mut readings = Readings { sources, ..Readings::default() };
    let mut thumbnails = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Read(reading, thumbnail) => {
                readings.read.push(*reading);
                thumbnails.push(thumbnail);
            }
            Outcome::Faceless(sample) => readings.faceless.push(sample),
            Outcome::Rejected(rejected) => readings.rejected.push(rejected),
        }
    }
    readings.rejected.extend(set.rejected);
    let looks: Vec<_> = readings.read.iter().map(|r| r.sample.person.as_deref()).zip(&thumbnails).collect();
    let numbers = people(&looks);
    for (reading, person) in readings.read.iter_mut().zip(numbers) {
        reading.person = person;
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
