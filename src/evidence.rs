//! The evidence of a visit, and what it amounts to. Pure: no clock, no thread, no device.

use crate::{
    age::{AgeEstimate, AgeGroup},
    decision::{Outcome, Reason},
    policy::Policy,
};

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
}
