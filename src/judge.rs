//! From a frame to a step of the visit: detect, judge the view, estimate, follow. No device and no clock in it, so the
//! daemon, `agegate demo` and `agegate replay` share it.

use std::time::{Duration, Instant};

use crate::{
    age::AgeEstimate,
    config::Config,
    frame::Frame,
    policy::{Policy, Reason},
    quality::{self, Flaw, QualityLimits},
    vision::{AgeModel, Chip, Detector, Face, ModelError, ModelIdentity, nearest},
    visit::{Decision, SeenFace, Sighting, Step, VisitTracker},
};

/// Another face counts as close by from this share of the nearest face's height on.
const COMPANION_SIZE: f32 = 0.35;
/// And within this many heights of the nearest face.
const COMPANION_REACH: f32 = 3.5;
/// A face smaller than this share of what is near enough is a passer-by, not somebody to call closer.
const CALLED_CLOSER_FROM: f32 = 0.45;

/// Why frames cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The policy was made for another age model.
    #[error(
        "the policy was made for the age model {expected}, but {found} is loaded; run `agegate calibrate` for it, or remove `model` from the policy to take the risk"
    )]
    ForeignPolicy {
        /// Model named by the policy.
        expected: String,
        /// Model loaded.
        found: String,
    },
}

/// The eyes and the memory of one visit.
pub struct Judge {
    detector: Detector,
    age: AgeModel,
    score: f32,
    quality: QualityLimits,
    policy: Policy,
    tracker: VisitTracker,
}

/// What one frame came to.
#[derive(Debug)]
pub struct Judged {
    /// What to tell the visitor, and the decision if there is one.
    pub step: Step,
    /// Faces found.
    pub faces: usize,
    /// The nearest face's verdict, for `replay --frames`.
    pub view: Option<Result<AgeEstimate, Flaw>>,
    /// Whether the whole picture is dark: a covered lens, or no light at all.
    pub dark: bool,
    /// Where the time went: detection, estimation.
    pub times: [Duration; 2],
}

impl Judge {
    /// Loads the models and checks that the policy was made for them.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub fn new(config: &Config) -> Result<Self, JudgeError> {
        let detector = Detector::load(config.models.detector.as_deref())?;
        let age = AgeModel::load(config.models.age.as_deref())?;
        let policy = config.policy();
        let found = age.identity().to_string();
        if let Some(expected) = policy.foreign_to(&found) {
            return Err(JudgeError::ForeignPolicy { expected: expected.to_owned(), found });
        }
        let score = config.models.detector_score.unwrap_or_else(|| detector.shipped_score());
        let tracker = VisitTracker::new(config.visit.settings(), policy.clone());
        Ok(Self { detector, age, score, quality: config.quality, policy, tracker })
    }

    /// Whether this one judges as the other does: the same models, policy and limits.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let models = |j: &Self| (j.detector.identity().to_string(), j.age.identity().to_string());
        models(self) == models(other)
            && self.score == other.score
            && self.quality == other.quality
            && self.policy == other.policy
            && self.tracker.settings() == other.tracker.settings()
    }

    /// The age model in use.
    #[must_use]
    pub fn age_model(&self) -> &ModelIdentity {
        self.age.identity()
    }

    /// The face detector in use.
    #[must_use]
    pub fn detector_model(&self) -> &ModelIdentity {
        self.detector.identity()
    }

    /// The policy in use.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether nobody is before the camera.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Judges a frame.
    ///
    /// # Errors
    /// [`ModelError`] if a model fails; call [`Judge::abort`] then.
    pub fn frame(&mut self, frame: &Frame) -> Result<Judged, ModelError> {
        let started = Instant::now();
        let faces = self.detector.detect_above(&frame.pixels, self.score)?;
        let detected = started.elapsed();
        let mut view = None;
        let mut companion = false;
        let seen = match nearest(&faces).filter(|face| self.is_visitor(face, frame)) {
            None => None,
            Some(face) if !self.tracker.wants_estimates() => {
                Some(SeenFace { bounds: face.bounds, view: Err(Flaw::TooFar) })
            }
            Some(face) => {
                let seen = self.view(face, frame)?;
                view = Some(seen.as_ref().map(|(estimate, _)| estimate.clone()).map_err(|flaw| *flaw));
                if seen.is_ok() {
                    companion = self.doubtful_companion(face, &faces, frame)?;
                }
                Some(SeenFace { bounds: face.bounds, view: seen })
            }
        };
        let sighting = Sighting { at: frame.captured, nearest: seen, doubtful_companion: companion };
        let step = self.tracker.observe(sighting);
        Ok(Judged {
            dark: is_dark(&frame.pixels),
            step,
            faces: faces.len(),
            view,
            times: [detected, started.elapsed() - detected],
        })
    }

    /// Ends the visit for a reason outside it. Never an `Allow`.
    pub fn abort(&mut self, reason: Reason, at: Duration) -> Option<Decision> {
        self.tracker.abort(reason, at)
    }

    fn is_visitor(&self, face: &Face, frame: &Frame) -> bool {
        let least = (self.quality.min_face_share * frame.pixels.height() as f32).max(self.quality.min_face_pixels);
        face.bounds.height() >= least * CALLED_CLOSER_FROM
    }

    /// The estimate of a face at the policy's temperature and its weight, or what is wrong with the view.
    fn view(&self, face: &Face, frame: &Frame) -> Result<Result<(AgeEstimate, f32), Flaw>, ModelError> {
        if let Err(flaw) = quality::geometry(face, frame.pixels.dimensions(), &self.quality) {
            return Ok(Err(flaw));
        }
        let Some(chip) = Chip::align(&frame.pixels, &face.landmarks, self.age.chip_side()) else {
            return Ok(Err(Flaw::LookingAway));
        };
        let weight = match quality::pixels(&chip, &self.quality) {
            Err(flaw) => return Ok(Err(flaw)),
            Ok(weight) => weight,
        };
        let chip = chip.turned_for(self.tracker.good_frames());
        Ok(Ok((self.age.read(&chip)?.age.tempered(self.policy.temperature), weight)))
    }

    /// Whether another face close by is not surely old enough. A face that cannot be judged is not surely old enough.
    fn doubtful_companion(&self, visitor: &Face, faces: &[Face], frame: &Frame) -> Result<bool, ModelError> {
        let height = visitor.bounds.height();
        for face in faces.iter().filter(|face| *face != visitor) {
            let near = face.bounds.height() >= height * COMPANION_SIZE
                && face.bounds.centre().distance(visitor.bounds.centre()) <= height * COMPANION_REACH;
            if !near {
                continue;
            }
            // A companion stands further back: what is too small for a visitor is judged all the same.
            let Some(chip) = Chip::align(&frame.pixels, &face.landmarks, self.age.chip_side()) else { return Ok(true) };
            if quality::pixels(&chip, &self.quality).is_err() {
                return Ok(true);
            }
            if !self.policy.surely_old_enough(&self.age.read(&chip)?.age.tempered(self.policy.temperature)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a picture shows nothing for lack of light: the mean of every 97th byte is below 10 of 255.
fn is_dark(picture: &image::RgbImage) -> bool {
    let (sum, count) = picture.as_raw().iter().step_by(97).fold((0u64, 0u64), |(s, n), v| (s + u64::from(*v), n + 1));
    count > 0 && sum < 10 * count
}
