//! What a visit ends in, and why: the words of the log and of the screens.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a visit ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Surely old enough: the door opens.
    Allow,
    /// Not surely old enough: show ID to staff.
    Refer,
    /// Surely a minor, where configured.
    Deny,
    /// The visit ended without enough evidence.
    NoDecision,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "Allow",
            Self::Refer => "Refer",
            Self::Deny => "Deny",
            Self::NoDecision => "NoDecision",
        })
    }
}

/// Why a visit ended as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// P(age >= `sure_age`) reached the confidence and the estimated age the challenge age.
    OldEnough,
    /// Enough good frames, and still not sure.
    NotSure,
    /// Surely under the threshold.
    SurelyMinor,
    /// A face close by that is not surely old enough.
    YoungerFaceNear,
    /// Enough good frames, and they do not show a living face.
    NotLive,
    /// The head was not turned as asked, or what turned was no head.
    TurnFailed,
    /// Time ran out without enough good frames.
    PoorView,
    /// Refused too often in a row.
    TooManyTries,
    /// The face went before there was enough evidence.
    LeftEarly,
    /// Another person took the place in mid-visit.
    PersonChanged,
    /// The camera failed.
    CameraLost,
    /// The time of the frames went back or jumped.
    ClockJump,
    /// The age model failed.
    ModelFailed,
    /// The gate was stopped.
    Stopped,
    /// Staff opened, after an ID check.
    Staff,
    /// Somebody inside asked to be let out.
    Exit,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OldEnough => "old-enough",
            Self::NotSure => "not-sure",
            Self::SurelyMinor => "surely-minor",
            Self::YoungerFaceNear => "younger-face-near",
            Self::NotLive => "not-live",
            Self::TurnFailed => "turn-failed",
            Self::PoorView => "poor-view",
            Self::TooManyTries => "too-many-tries",
            Self::LeftEarly => "left-early",
            Self::PersonChanged => "person-changed",
            Self::CameraLost => "camera-lost",
            Self::ClockJump => "clock-jump",
            Self::ModelFailed => "model-failed",
            Self::Stopped => "stopped",
            Self::Staff => "staff",
            Self::Exit => "exit",
        })
    }
}
