//! The eyes of the gate: frame to faces, face to chip, chip to age estimate, face with its surroundings to liveness score. The
//! only place that knows tract.
//!
//! ```text
//! RgbImage -> Detector -> Face -> align -> Chip -> AgeModel -> AgeEstimate
//!                         Face -> crop -> LivenessModel -> LivenessScore
//! ```
//!
//! Coordinates are pixels of the picture that was given to the detector: x to the right, y down, the origin at the
//! outer corner of the first pixel, so that the centre of that pixel is (0.5, 0.5).

pub mod age_model;
pub mod align;
pub mod detector;
mod integer;
pub mod liveness_model;
pub mod model_file;
pub mod turn_points;

pub use age_model::{AgeModel, Covered, FaceReading};
pub use align::Chip;
pub use detector::{BoundingBox, Detector, Face, FoundBy, nearest};
pub use liveness_model::{LivenessModel, LivenessScore};
pub use model_file::{ModelError, ModelIdentity, Runtime};
pub use turn_points::TurnPoints;

/// A point in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

impl Point {
    /// A point at `(x, y)`.
    #[must_use]
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// Distance to another point, in pixels.
    #[must_use]
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}
