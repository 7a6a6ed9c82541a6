//! The policy: from the evidence of a visit to a decision. Pure: no clock, no thread, no device.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::age::{AgeEstimate, AgeGroup};

/// When to let people in. Made by `agegate calibrate`, or written by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The legal limit T in years, 10 to 30.
    pub threshold_age: u8,
    /// Adults whose estimated age is below this are asked for ID all the same; T or more, in years.
    pub challenge_age: u8,
    /// P(age >= T) that a visit must reach for `Allow`, 0.5 to 1 (exclusive).
    pub confidence: f32,
    /// P(age < T) from which on a visit ends in `Deny` instead of `Refer`, 0.5 to 1 (exclusive). Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_confidence: Option<f32>,
    /// Temperature of the calibration, 0.2 to 5; 1 changes nothing.
    #[serde(default = "one")]
    pub temperature: f32,
    /// Identity of the age model that this policy was made for. Another model: the gate does not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the policy rests on, as `agegate calibrate` found it. For the reader; the gate does not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<PolicyEvidence>,
}

/// The figures under which a policy was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyEvidence {
    /// Hash over names and labels of the data set.
    pub dataset: String,
    /// Pictures of 13-17-year-olds in it.
    pub minors: usize,
    /// Pictures of people of T or over.
    pub adults: usize,
    /// Frames a simulated visit had.
    pub frames: usize,
    /// Bound asked for.
    pub max_false_accept: f64,
    /// Share of the 13-17-year-olds let in.
    pub false_accept: f64,
    /// Upper end of its 95 % interval.
    pub false_accept_high: f64,
    /// Share of the children under 13 let in, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_accept_0_12: Option<f64>,
    /// Upper end of its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_accept_0_12_high: Option<f64>,
    /// Share of 13-15-year-olds let in.
    pub false_accept_13_15: f64,
    /// Share of 16-17-year-olds let in.
    pub false_accept_16_17: f64,
    /// Share of people of T or over who are asked for ID.
    pub false_reject: f64,
    /// The same for 18-24-year-olds.
    pub false_reject_18_24: f64,
    /// The same for 25-34-year-olds.
    pub false_reject_25_34: f64,
    /// The same for people of 35 and over.
    pub false_reject_35_up: f64,
}

fn one() -> f32 {
    1.0
}

static SHIPPED: &str = include_str!("../models/policy.toml");

impl Policy {
    /// The policy that ships with the embedded model: made by `agegate calibrate` on its validation data.
    ///
    /// # Panics
    /// Never in a build that passes its tests: the embedded file is checked by one.
    #[must_use]
    pub fn shipped() -> Self {
        toml::from_str(SHIPPED).expect("the embedded policy is valid")
    }

    /// The first value that is out of range: its key, what was found, what is expected.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String, String)> {
        let within = |v: f32, low: f32, high: f32| v >= low && v < high;
        if !(10..=30).contains(&self.threshold_age) {
            return Some(("threshold_age", self.threshold_age.to_string(), "10 to 30 years".into()));
        }
        if self.challenge_age < self.threshold_age || self.challenge_age > 60 {
            let expected = format!("the threshold age {} or more, at most 60 years", self.threshold_age);
            return Some(("challenge_age", self.challenge_age.to_string(), expected));
        }
        if !within(self.confidence, 0.5, 1.0) {
            return Some(("confidence", self.confidence.to_string(), "0.5 or more, below 1".into()));
        }
        if let Some(deny) = self.deny_confidence.filter(|d| !within(*d, 0.5, 1.0)) {
            return Some(("deny_confidence", deny.to_string(), "0.5 or more, below 1".into()));
        }
        (!within(self.temperature, 0.2, 5.001))
            .then(|| ("temperature", self.temperature.to_string(), "0.2 to 5".into()))
    }

    /// The age model this policy was made for, where that is another one than `loaded`.
    #[must_use]
    pub fn foreign_to(&self, loaded: &str) -> Option<&str> {
        self.model.as_deref().filter(|made_for| *made_for != loaded)
    }

    /// A short identity for the log: the values that decide, hashed.
    #[must_use]
    pub fn identity(&self) -> String {
        let text = format!(
            "{} {} {} {:?} {}",
            self.threshold_age, self.challenge_age, self.confidence, self.deny_confidence, self.temperature
        );
        format!("T{}/C{}/{}", self.threshold_age, self.challenge_age, &blake3::hash(text.as_bytes()).to_hex()[..8])
    }

    /// Whether an estimate, already at the policy's temperature, is surely old enough.
    #[must_use]
    pub fn surely_old_enough(&self, estimate: &AgeEstimate) -> bool {
        estimate.at_least(self.threshold_age) >= self.confidence && estimate.mean() >= f32::from(self.challenge_age)
    }

    /// Whether an estimate is surely that of a minor, where the policy knows `Deny`.
    #[must_use]
    pub fn surely_minor(&self, estimate: &AgeEstimate) -> bool {
        self.deny_confidence.is_some_and(|limit| 1.0 - estimate.at_least(self.threshold_age) >= limit)
    }
}

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
    /// P(age >= T) reached the confidence and the estimated age the challenge age.
    OldEnough,
    /// Enough good frames, and still not sure.
    NotSure,
    /// Surely under the threshold.
    SurelyMinor,
    /// A face close by that is not surely old enough.
    YoungerFaceNear,
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
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OldEnough => "old-enough",
            Self::NotSure => "not-sure",
            Self::SurelyMinor => "surely-minor",
            Self::YoungerFaceNear => "younger-face-near",
            Self::PoorView => "poor-view",
            Self::TooManyTries => "too-many-tries",
            Self::LeftEarly => "left-early",
            Self::PersonChanged => "person-changed",
            Self::CameraLost => "camera-lost",
            Self::ClockJump => "clock-jump",
            Self::ModelFailed => "model-failed",
            Self::Stopped => "stopped",
        })
    }
}

/// The evidence that a visit has gathered so far.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    frames: Vec<(AgeEstimate, f32)>,
    doubtful_companions: usize,
}

/// What the evidence amounts to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look on.
    Open,
    /// Decided.
    Final(Outcome, Reason),
}

impl Evidence {
    /// Adds a good frame: its estimate at the policy's temperature, its quality as weight (0 to 1), and whether a face
    /// close by was not surely old enough.
    pub fn add(&mut self, estimate: AgeEstimate, weight: f32, doubtful_companion: bool) {
        let weight = if weight.is_finite() { weight.clamp(0.01, 1.0) } else { 0.01 };
        self.frames.push((estimate, weight));
        self.doubtful_companions += usize::from(doubtful_companion);
    }

    /// Number of good frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// The frames' distributions combined: see [`AgeEstimate::pool`]. `None` before the first frame.
    #[must_use]
    pub fn pooled(&self) -> Option<AgeEstimate> {
        AgeEstimate::pool(self.frames.iter().map(|(estimate, weight)| (estimate, *weight)))
    }

    /// The age band of the visit so far.
    #[must_use]
    pub fn band(&self) -> Option<AgeGroup> {
        self.pooled().map(|p| AgeGroup::of(p.mean()))
    }

    /// Whether a doubtful face was close by in so many frames that it is no mistake of the detector's.
    fn companion(&self) -> bool {
        self.doubtful_companions > 0 && self.doubtful_companions * 5 >= self.frames.len()
    }

    /// Judges the evidence: `Allow` needs at least `enough` good frames; with `most` of them it ends either way.
    ///
    /// The number of frames is the only thing besides the estimates that counts, so a lost face, an error or the time can
    /// never make an `Allow` of it.
    #[must_use]
    pub fn judge(&self, policy: &Policy, enough: usize, most: usize) -> Verdict {
        let enough = enough.max(1);
        let Some(pooled) = self.pooled().filter(|_| self.frames.len() >= enough) else {
            return Verdict::Open;
        };
        if policy.surely_old_enough(&pooled) {
            if self.companion() {
                return Verdict::Final(Outcome::Refer, Reason::YoungerFaceNear);
            }
            return Verdict::Final(Outcome::Allow, Reason::OldEnough);
        }
        if policy.surely_minor(&pooled) {
            return Verdict::Final(Outcome::Deny, Reason::SurelyMinor);
        }
        if self.frames.len() >= most.max(enough) {
            return Verdict::Final(Outcome::Refer, Reason::NotSure);
        }
        Verdict::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> Policy {
        Policy {
            threshold_age: 18,
            challenge_age: 25,
            confidence: 0.95,
            deny_confidence: None,
            temperature: 1.0,
            model: None,
            evidence: None,
        }
    }

    fn evidence(frames: &[(f32, f32, f32)], companions: &[bool]) -> Evidence {
        let mut evidence = Evidence::default();
        for (k, (mean, deviation, weight)) in frames.iter().enumerate() {
            evidence.add(AgeEstimate::normal(*mean, *deviation), *weight, companions.get(k).copied().unwrap_or(false));
        }
        evidence
    }

    fn allowed(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Final(Outcome::Allow, _))
    }

    proptest! {
        #[test]
        fn more_evidence_for_a_higher_age_never_takes_an_allow_back(
            frames in prop::collection::vec((5.0f32..80.0, 1.0f32..8.0, 0.1f32..1.0), 3..12),
            raised in 0usize..12,
            by in 0.0f32..20.0,
        ) {
            let before = evidence(&frames, &[]);
            if allowed(before.judge(&policy(), 3, 12)) {
                let mut older = frames.clone();
                let k = raised % older.len();
                older[k].0 = (older[k].0 + by).min(95.0);
                prop_assert!(allowed(evidence(&older, &[]).judge(&policy(), 3, 12)));
                let mut longer = frames.clone();
                longer.push((90.0, 2.0, 1.0));
                prop_assert!(allowed(evidence(&longer, &[]).judge(&policy(), 3, 12)));
            }
        }

        #[test]
        fn too_few_good_frames_never_allow(frames in prop::collection::vec((60.0f32..90.0, 1.0f32..4.0, 0.1f32..1.0), 0..5)) {
            prop_assert_eq!(evidence(&frames, &[]).judge(&policy(), 5, 12), Verdict::Open);
        }

        #[test]
        fn a_doubtful_face_close_by_in_every_frame_never_allows(frames in prop::collection::vec((20.0f32..90.0, 1.0f32..4.0, 0.1f32..1.0), 1..12)) {
            let companions = vec![true; frames.len()];
            prop_assert!(!allowed(evidence(&frames, &companions).judge(&policy(), 1, 12)));
        }

        #[test]
        fn minors_that_the_model_sees_as_such_are_never_allowed(frames in prop::collection::vec((0.0f32..16.0, 0.5f32..3.0, 0.1f32..1.0), 1..20)) {
            prop_assert!(!allowed(evidence(&frames, &[]).judge(&policy(), 1, 12)));
        }
    }

    #[test]
    fn a_young_adult_below_the_challenge_age_is_referred_however_sure_the_model_is() {
        let sure = evidence(&[(22.0, 0.8, 1.0); 12], &[]);
        assert_eq!(sure.judge(&policy(), 3, 12), Verdict::Final(Outcome::Refer, Reason::NotSure));
    }

    #[test]
    fn deny_happens_only_where_configured() {
        let child = evidence(&[(9.0, 1.5, 1.0); 6], &[]);
        assert_eq!(child.judge(&policy(), 3, 12), Verdict::Open);
        let strict = Policy { deny_confidence: Some(0.9), ..policy() };
        assert_eq!(child.judge(&strict, 3, 12), Verdict::Final(Outcome::Deny, Reason::SurelyMinor));
    }

    #[test]
    fn values_out_of_range_are_named() {
        assert_eq!(Policy { confidence: 1.0, ..policy() }.fault().unwrap().0, "confidence");
        assert_eq!(Policy { challenge_age: 17, ..policy() }.fault().unwrap().0, "challenge_age");
        assert_eq!(Policy { temperature: f32::NAN, ..policy() }.fault().unwrap().0, "temperature");
        assert_eq!(policy().fault(), None);
    }
}
