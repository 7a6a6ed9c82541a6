//! Whether a living person stands there: what the passive liveness scores of a visit amount to. Pure: no clock, no thread, no
//! device.
//!
//! The frames of a visit show the same face in the same light, so their errors are alike. Adding up their log-odds would count
//! each error as often as there are frames; their mean never gets surer than its surest frame. A temperature and an offset,
//! fitted on live faces and attacks, make a probability of it (Platt, "Probabilistic outputs for support vector machines", 1999).

use serde::{Deserialize, Serialize};

use crate::{measured::LivenessEvidence, vision::LivenessScore};

/// How sure of a living face an Allow must be: the `[liveness]` table of a policy. Made by `agegate calibrate`, or by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessPolicy {
    /// P(living) that a visit must reach for `Allow`.
    pub confidence: f32,
    /// The logits are divided by this; 1 changes nothing.
    #[serde(default = "one")]
    pub temperature: f32,
    /// Then this is added.
    #[serde(default)]
    pub offset: f32,
    /// Identity of the liveness model that this was made for. Another model: the gate does not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it rests on, as `agegate calibrate` found it. For the reader; the gate does not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<LivenessEvidence>,
}

fn one() -> f32 {
    1.0
}

impl LivenessPolicy {
    /// P(living) of some views of one face, 0 to 1: of the mean of their log-odds. `None` without any.
    #[must_use]
    pub fn probability(&self, scores: &[LivenessScore]) -> Option<f32> {
        if scores.is_empty() {
            return None;
        }
        let mean = scores.iter().map(|s| f64::from(s.logit())).sum::<f64>() / scores.len() as f64;
        let odds = mean / f64::from(self.temperature) + f64::from(self.offset);
        Some((1.0 / (1.0 + (-odds).exp())) as f32)
    }

    /// Whether a probability is enough. Nothing that is no number is.
    #[must_use]
    pub fn is_enough(&self, probability: f32) -> bool {
        probability >= self.confidence
    }

    /// The liveness model this was made for, where that is another one than `loaded`.
    #[must_use]
    pub fn foreign_to(&self, loaded: &str) -> Option<&str> {
        self.model.as_deref().filter(|made_for| *made_for != loaded)
    }
}

/// The proof that a visit showed a living face, or that none is asked for. Without one there is no `Allow`:
///
/// ```compile_fail
/// let forged = agegate::living::Living(());
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Living(());

impl Living {
    /// Judges the scores of a visit: `asked` is what the policy in force asks for, `enough` how many views it takes.
    ///
    /// `None` if a living face is asked for and was not shown, for the want of views too.
    pub fn of(asked: Option<&LivenessPolicy>, scores: &[LivenessScore], enough: usize) -> Option<Self> {
        let Some(policy) = asked else { return Some(Self(())) };
        if scores.len() < enough.max(1) {
            return None;
        }
        policy.probability(scores).filter(|p| policy.is_enough(*p)).map(|_| Self(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(confidence: f32) -> LivenessPolicy {
        LivenessPolicy { confidence, temperature: 1.0, offset: 0.0, model: None, evidence: None }
    }

    fn scores(logits: &[f32]) -> Vec<LivenessScore> {
        logits.iter().map(|l| LivenessScore::new(*l).unwrap()).collect()
    }

    #[test]
    fn the_mean_of_the_log_odds_counts_at_the_policys_temperature_and_offset() {
        let fitted = LivenessPolicy { temperature: 2.0, offset: 1.0, ..policy(0.5) };
        let found = fitted.probability(&scores(&[1.0, 3.0])).unwrap();
        assert!((found - 1.0 / (1.0 + (-2.0f32).exp())).abs() < 1e-6, "{found}");
    }

    #[test]
    fn what_is_no_number_is_no_score_and_not_enough() {
        assert!([f32::NAN, f32::INFINITY].iter().all(|l| LivenessScore::new(*l).is_none()));
        assert!(!policy(0.5).is_enough(f32::NAN));
    }

    proptest! {
        #[test]
        fn no_views_show_no_living_face(confidence in 0.001f32..0.999, enough in 0usize..20) {
            prop_assert!(Living::of(Some(&policy(confidence)), &[], enough).is_none());
        }

        #[test]
        fn too_few_views_show_none_however_sure_they_are(count in 1usize..20, more in 1usize..5) {
            let sure = scores(&vec![40.0; count]);
            prop_assert!(Living::of(Some(&policy(0.9)), &sure, count + more).is_none());
            prop_assert!(Living::of(Some(&policy(0.9)), &sure, count).is_some());
        }

        #[test]
        fn seeing_the_same_again_makes_nothing_surer(logit in -30.0f32..30.0, count in 1usize..50) {
            let (once, often) = (scores(&[logit]), scores(&vec![logit; count]));
            let p = |s: &[LivenessScore]| policy(0.5).probability(s).unwrap();
            prop_assert!((p(&once) - p(&often)).abs() < 1e-6);
        }

        #[test]
        fn a_less_living_view_never_helps(logits in prop::collection::vec(-20.0f32..20.0, 1..12), at in 0usize..12, by in 0.0f32..20.0) {
            let mut worse = logits.clone();
            let k = at % worse.len();
            worse[k] -= by;
            let shown = |l: &[f32]| Living::of(Some(&policy(0.8)), &scores(l), 1).is_some();
            prop_assert!(!shown(&worse) || shown(&logits));
        }
    }
}
