//! The evidence of a visit, and what it amounts to. Pure: no clock, no thread, no device.

use crate::{
    age::{AgeEstimate, AgeGroup},
    decision::{Outcome, Reason},
    living::Living,
    policy::Policy,
    vision::LivenessScore,
};

/// A view of a face that can be judged.
#[derive(Clone, Debug)]
pub struct GoodView {
    /// Its estimate, at the policy's temperature.
    pub estimate: AgeEstimate,
    /// Its weight by its quality, 0 to 1.
    pub weight: f32,
    /// How living it looks; `None` where that was not looked at, and then it shows no living face.
    pub liveness: Option<LivenessScore>,
}

/// The evidence that a visit has gathered so far.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    frames: Vec<(AgeEstimate, f32)>,
    liveness: Vec<LivenessScore>,
    /// Good frames in which everything was looked at, and those of them with a doubtful companion.
    looked: usize,
    doubtful_companions: usize,
    /// Whether everything was looked at in the newest of them.
    newest_looked: bool,
}

/// What the evidence amounts to now.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look on.
    Open,
    /// Surely old enough, surely living where that is asked for, and alone.
    Allow(Allowance),
    /// Decided otherwise.
    Refused(Refused, Reason),
}

/// How a visit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Show ID.
    Refer,
    /// Surely a minor.
    Deny,
}

impl From<Refused> for Outcome {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Refer => Self::Refer,
            Refused::Deny => Self::Deny,
        }
    }
}

/// The proof that evidence is enough for `Allow`: only [`Evidence::judge`] makes it, and only with the proof of a living face
/// where the policy asks for one.
///
/// ```compile_fail
/// fn forged(living: agegate::living::Living) -> agegate::evidence::Allowance {
///     agegate::evidence::Allowance(living)
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Allowance(Living);

impl From<Allowance> for (Outcome, Reason) {
    fn from(_: Allowance) -> Self {
        (Outcome::Allow, Reason::OldEnough)
    }
}

impl Evidence {
    /// Adds a good frame, and whether a face close by was not surely old enough; `None` where nobody looked for one.
    pub fn add(&mut self, view: GoodView, doubtful_companion: Option<bool>) {
        let weight = if view.weight.is_finite() { view.weight.clamp(0.01, 1.0) } else { 0.01 };
        self.frames.push((view.estimate, weight));
        self.liveness.extend(view.liveness);
        self.newest_looked = doubtful_companion.is_some();
        self.looked += usize::from(self.newest_looked);
        self.doubtful_companions += usize::from(doubtful_companion == Some(true));
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

    /// P(living) of the visit so far; `None` where the policy does not ask for it, or nothing was seen of it.
    #[must_use]
    pub fn living(&self, policy: &Policy) -> Option<f32> {
        policy.liveness.as_ref()?.probability(&self.liveness)
    }

    /// The age band of the visit so far.
    #[must_use]
    pub fn band(&self) -> Option<AgeGroup> {
        self.pooled().as_ref().map(AgeEstimate::group)
    }

    /// Whether a doubtful face was close by in so many frames that it is no mistake of the detector's.
    fn companion(&self) -> bool {
        self.doubtful_companions > 0 && self.doubtful_companions * 5 >= self.looked
    }

    /// Judges the evidence: `Allow` needs at least `enough` good frames, and as many that show a living face where the policy
    /// asks for one; with `most` of them it ends either way.
    ///
    /// The number of frames is the only thing besides the estimates and scores that counts, so a lost face, an error or the
    /// time can never make an `Allow` of it.
    #[must_use]
    pub fn judge(&self, policy: &Policy, enough: usize, most: usize) -> Verdict {
        let enough = enough.max(1);
        let Some(pooled) = self.pooled().filter(|_| self.frames.len() >= enough) else {
            return Verdict::Open;
        };
        let living = Living::of(policy.liveness.as_ref(), &self.liveness, enough);
        let not_living = living.is_none();
        if let Some(living) = living.filter(|_| policy.surely_old_enough(&pooled)) {
            if self.companion() {
                return Verdict::Refused(Refused::Refer, Reason::YoungerFaceNear);
            }
            // Nobody is let in by a frame of which only a part was looked at.
            return if self.newest_looked { Verdict::Allow(Allowance(living)) } else { Verdict::Open };
        }
        if policy.surely_minor(&pooled) {
            return Verdict::Refused(Refused::Deny, Reason::SurelyMinor);
        }
        if self.frames.len() >= most.max(enough) {
            // What may be no face at all says nothing about an age: the want of a living one is the first thing to tell.
            return Verdict::Refused(Refused::Refer, if not_living { Reason::NotLive } else { Reason::NotSure });
        }
        Verdict::Open
    }

    /// Why a visit whose time is up is referred.
    #[must_use]
    pub fn reason_in_the_end(&self, policy: &Policy, enough: usize) -> Reason {
        if self.frames.len() < enough {
            return Reason::PoorView;
        }
        match Living::of(policy.liveness.as_ref(), &self.liveness, enough) {
            None => Reason::NotLive,
            Some(_) => Reason::NotSure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::living::LivenessPolicy;
    use proptest::prelude::*;

    fn policy() -> Policy {
        Policy {
            threshold_age: 18,
            challenge_age: 25,
            sure_age: None,
            confidence: 0.95,
            deny_confidence: None,
            temperature: 1.0,
            model: None,
            liveness: None,
            evidence: None,
        }
    }

    fn asks_for_a_living_face(confidence: f32) -> Policy {
        let asked = LivenessPolicy { confidence, temperature: 1.0, offset: 0.0, model: None, evidence: None };
        Policy { liveness: Some(asked), ..policy() }
    }

    fn evidence(frames: &[(f32, f32, f32)], companions: &[bool]) -> Evidence {
        let mut evidence = Evidence::default();
        for (k, (mean, deviation, weight)) in frames.iter().enumerate() {
            let estimate = AgeEstimate::normal(*mean, *deviation);
            let view = GoodView { estimate, weight: *weight, liveness: None };
            evidence.add(view, Some(companions.get(k).copied().unwrap_or(false)));
        }
        evidence
    }

    /// An old person whose frames look so living.
    fn looks(logits: &[Option<f32>]) -> Evidence {
        let mut evidence = Evidence::default();
        for logit in logits {
            let liveness = logit.and_then(LivenessScore::new);
            evidence.add(GoodView { estimate: AgeEstimate::normal(60.0, 2.0), weight: 1.0, liveness }, Some(false));
        }
        evidence
    }

    fn allowed(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Allow(_))
    }

    proptest! {
        #[test]
        fn more_evidence_for_a_higher_age_never_takes_an_allow_back(
            frames in prop::collection::vec((5.0f32..80.0, 1.0f32..8.0, 0.1f32..1.0), 3..12),
            raised in 0usize..12,
            by in 0.0f32..20.0,
        ) {
            let before = evidence(&frames, &[]);
            if allowed(&before.judge(&policy(), 3, 12)) {
                let mut older = frames.clone();
                let k = raised % older.len();
                older[k].0 = (older[k].0 + by).min(95.0);
                prop_assert!(allowed(&evidence(&older, &[]).judge(&policy(), 3, 12)));
                let mut longer = frames.clone();
                longer.push((90.0, 2.0, 1.0));
                prop_assert!(allowed(&evidence(&longer, &[]).judge(&policy(), 3, 12)));
            }
        }

        #[test]
        fn too_few_good_frames_never_allow(frames in prop::collection::vec((60.0f32..90.0, 1.0f32..4.0, 0.1f32..1.0), 0..5)) {
            prop_assert_eq!(evidence(&frames, &[]).judge(&policy(), 5, 12), Verdict::Open);
        }

        #[test]
        fn no_frame_of_which_only_a_part_was_looked_at_allows(
            frames in prop::collection::vec((20.0f32..90.0, proptest::option::of(any::<bool>())), 1..14),
        ) {
            let mut evidence = Evidence::default();
            for (mean, companion) in frames {
                let estimate = AgeEstimate::normal(mean, 1.5);
                evidence.add(GoodView { estimate, weight: 1.0, liveness: None }, companion);
                let allowed = matches!(evidence.judge(&policy(), 3, 8), Verdict::Allow(_));
                prop_assert!(!allowed || companion.is_some());
            }
        }

        /// The frames in which nobody looked for a companion do not outvote those in which one was seen.
        #[test]
        fn a_companion_weighs_as_much_as_without_the_frames_that_looked_for_none(
            looks in prop::collection::vec(any::<bool>(), 1..8), parts in 0usize..8,
        ) {
            let view = || GoodView { estimate: AgeEstimate::normal(60.0, 1.5), weight: 1.0, liveness: None };
            let mut with = Evidence::default();
            (0..parts).for_each(|_| with.add(view(), None));
            let mut without = Evidence::default();
            for companion in looks {
                with.add(view(), Some(companion));
                without.add(view(), Some(companion));
            }
            prop_assert_eq!(with.companion(), without.companion());
        }

        #[test]
        fn a_doubtful_face_close_by_in_every_frame_never_allows(frames in prop::collection::vec((20.0f32..90.0, 1.0f32..4.0, 0.1f32..1.0), 1..12)) {
            let companions = vec![true; frames.len()];
            prop_assert!(!allowed(&evidence(&frames, &companions).judge(&policy(), 1, 12)));
        }

        #[test]
        fn minors_that_the_model_sees_as_such_are_never_allowed(frames in prop::collection::vec((0.0f32..16.0, 0.5f32..3.0, 0.1f32..1.0), 1..20)) {
            prop_assert!(!allowed(&evidence(&frames, &[]).judge(&policy(), 1, 12)));
        }
    }

    proptest! {
        #[test]
        fn where_a_living_face_is_asked_for_no_allow_without_it(
            logits in prop::collection::vec(prop::option::of(-12.0f32..12.0), 1..14),
            confidence in 0.01f32..0.99,
            enough in 1usize..8,
        ) {
            let (policy, seen) = (asks_for_a_living_face(confidence), looks(&logits));
            if allowed(&seen.judge(&policy, enough, 12)) {
                prop_assert!(logits.iter().flatten().count() >= enough);
                prop_assert!(seen.living(&policy).unwrap() >= confidence);
            }
        }

        #[test]
        fn frames_that_were_not_looked_at_show_no_living_face(count in 1usize..14, enough in 1usize..8) {
            let policy = asks_for_a_living_face(0.01);
            prop_assert!(!allowed(&looks(&vec![None; count]).judge(&policy, enough, 12)));
        }

        #[test]
        fn who_is_refused_without_liveness_is_refused_with_it(
            frames in prop::collection::vec((5.0f32..80.0, 1.0f32..8.0, 0.1f32..1.0), 1..12),
            logit in -12.0f32..12.0,
        ) {
            let mut with = Evidence::default();
            for (mean, deviation, weight) in &frames {
                let liveness = LivenessScore::new(logit);
                with.add(GoodView { estimate: AgeEstimate::normal(*mean, *deviation), weight: *weight, liveness }, Some(false));
            }
            let without = evidence(&frames, &[]).judge(&policy(), 3, 12);
            prop_assert!(!allowed(&with.judge(&asks_for_a_living_face(0.5), 3, 12)) || allowed(&without));
        }
    }

    #[test]
    fn an_old_face_that_does_not_look_living_is_referred_when_the_frames_are_used_up() {
        let policy = asks_for_a_living_face(0.9);
        assert_eq!(looks(&[Some(-3.0); 5]).judge(&policy, 5, 10), Verdict::Open);
        let referred = Verdict::Refused(Refused::Refer, Reason::NotLive);
        assert_eq!(looks(&[Some(-3.0); 10]).judge(&policy, 5, 10), referred);
        assert_eq!(looks(&[None; 10]).judge(&policy, 5, 10), referred, "nothing was seen of it");
        assert!(allowed(&looks(&[Some(3.0); 5]).judge(&policy, 5, 10)));
    }

    #[test]
    fn a_young_adult_below_the_challenge_age_is_referred_however_sure_the_model_is() {
        let sure = evidence(&[(22.0, 0.8, 1.0); 12], &[]);
        assert_eq!(sure.judge(&policy(), 3, 12), Verdict::Refused(Refused::Refer, Reason::NotSure));
    }

    #[test]
    fn deny_happens_only_where_configured() {
        let child = evidence(&[(9.0, 1.5, 1.0); 6], &[]);
        assert_eq!(child.judge(&policy(), 3, 12), Verdict::Open);
        let strict = Policy { deny_confidence: Some(0.9), ..policy() };
        assert_eq!(child.judge(&strict, 3, 12), Verdict::Refused(Refused::Deny, Reason::SurelyMinor));
    }
}
