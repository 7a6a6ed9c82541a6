//! `agegate calibrate --attacks`: how sure of a living face an Allow must be, so that a stated share of living people is taken for
//! an attack at most.
//!
//! 1. Temperature and offset are fitted by their likelihood on living faces and attacks, both counting as much (Platt 1999, with
//!    his targets short of 0 and 1, so that a net that tells all of them apart does not become sure beyond measure).
//! 2. The highest confidence is chosen at which the share of living frames taken for an attack is the stated one at most. Frame
//!    by frame, as the standard counts, and of the frames in which a face is found: on the others no confidence has a bearing.
//!    Visits pool their frames and are taken for attacks less often.

use super::{
    attacks::{AllSeen, LIVE, Seen},
    liveness_figures::LivenessFigures,
};
use crate::{
    measured::{AttackShare, LivenessEvidence, LivenessMeasuredWith},
    policy::LivenessPolicy,
    vision::ModelIdentity,
    visit::VisitSettings,
};

/// Why there is no such confidence.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum LivenessPolicyError {
    /// A share that nobody can want.
    #[error("--max-bpcer {0}: expected 0.001 to 0.5")]
    Wish(f64),
    /// So few frames cannot show such a share.
    #[error("{frames} frames of living people with a face in them cannot show a share of {:.2} %: it takes at least {needed}", share * 100.0)]
    TooFewLiving {
        /// Frames.
        frames: usize,
        /// Share asked for.
        share: f64,
        /// Frames it takes.
        needed: usize,
    },
    /// Nothing to tell the living from.
    #[error("no face in any picture of an attack: P(living) cannot be fitted without")]
    NoAttacks,
    /// The scores say nothing.
    #[error("the liveness model scores attacks no lower than living people: it cannot tell them apart here")]
    NoOrder,
    /// Too many living frames look like attacks.
    #[error("no confidence keeps {:.2} % of {frames} living frames: too many of them look like attacks beyond doubt", share * 100.0)]
    Unreachable {
        /// Frames of living people.
        frames: usize,
        /// Share asked for.
        share: f64,
    },
}

/// Lowest confidence, as in `config/table.rs`.
const LEAST: f64 = 0.001;
/// Steps of the confidence: what the policy file shows is what the gate uses.
const STEPS: f64 = 1e4;

/// Whether somebody can want this share, told before any picture is looked at.
///
/// # Errors
/// [`LivenessPolicyError::Wish`].
pub fn may_be_wished(max_bpcer: f64) -> Result<(), LivenessPolicyError> {
    if (0.001..=0.5).contains(&max_bpcer) { Ok(()) } else { Err(LivenessPolicyError::Wish(max_bpcer)) }
}

/// Chooses the liveness part of a policy and measures it.
///
/// # Errors
/// [`LivenessPolicyError`].
pub fn choose_liveness(
    all: &AllSeen,
    max_bpcer: f64,
    visit: &VisitSettings,
    model: &ModelIdentity,
) -> Result<(LivenessPolicy, LivenessFigures), LivenessPolicyError> {
    may_be_wished(max_bpcer)?;
    let found = all.seen.iter().filter(|s| s.score.is_some());
    let (live, attacks): (Vec<&Seen>, Vec<&Seen>) = found.partition(|s| s.held.instrument == LIVE);
    let needed = (1.0 / max_bpcer).ceil() as usize;
    if live.len() < needed {
        return Err(LivenessPolicyError::TooFewLiving { frames: live.len(), share: max_bpcer, needed });
    }
    let logits = |seen: &[&Seen]| seen.iter().filter_map(|s| Some(f64::from(s.score?.logit()))).collect::<Vec<_>>();
    let (living, held) = (logits(&live), logits(&attacks));
    if held.is_empty() {
        return Err(LivenessPolicyError::NoAttacks);
    }
    let (slope, offset) = fit(&living, &held).filter(|(slope, _)| *slope > 0.01).ok_or(LivenessPolicyError::NoOrder)?;
    let digits = |v: f64| ((v * 1e4).round() / 1e4) as f32;
    let (temperature, offset) = (digits((1.0 / slope).clamp(0.01, 100.0)), digits(offset.clamp(-100.0, 100.0)));
    let mut policy =
        LivenessPolicy { confidence: 0.5, temperature, offset, model: Some(model.to_string()), evidence: None };
    let probability = |s: &&Seen| s.score.and_then(|score| policy.probability(&[score])).map(f64::from);
    let mut probabilities: Vec<f64> = live.iter().filter_map(probability).collect();
    probabilities.sort_by(f64::total_cmp);
    let refused = (max_bpcer * live.len() as f64 + 1e-9).floor() as usize;
    let confidence = ((probabilities[refused] * STEPS).floor() / STEPS).min(1.0 - 1.0 / STEPS);
    if confidence < LEAST {
        return Err(LivenessPolicyError::Unreachable { frames: live.len(), share: max_bpcer });
    }
    policy.confidence = confidence as f32;
    let figures = LivenessFigures::of(all, &policy, visit, model);
    policy.evidence = Some(evidence(&figures, &policy, all, live.len(), max_bpcer, model));
    Ok((policy, figures))
}

fn evidence(
    figures: &LivenessFigures,
    policy: &LivenessPolicy,
    all: &AllSeen,
    live: usize,
    max_bpcer: f64,
    model: &ModelIdentity,
) -> LivenessEvidence {
    let digits = |v: f64| (v * 1e4).round() / 1e4;
    let (frames, visits) = (&figures.liveness_of_faces, &figures.liveness_visits);
    let mut hasher = blake3::Hasher::new();
    for seen in &all.seen {
        let name = seen.held.path.file_name().unwrap_or_default().to_string_lossy();
        hasher.update(format!("{} {name}\n", seen.held.instrument).as_bytes());
    }
    LivenessEvidence {
        dataset: hasher.finalize().to_hex()[..16].to_owned(),
        max_bpcer,
        live,
        bpcer: digits(frames.bpcer.map_or(0.0, |s| s.value)),
        bpcer_high: digits(frames.bpcer.map_or(1.0, |s| s.high)),
        visit_bpcer: digits(visits.bpcer.map_or(0.0, |s| s.value)),
        measured_with: LivenessMeasuredWith::now(policy, &model.to_string(), &all.found_by),
        attacks: frames
            .apcer
            .iter()
            .map(|(instrument, apcer)| AttackShare {
                instrument: instrument.clone(),
                frames: apcer.frames,
                apcer: digits(apcer.share.value),
                apcer_high: digits(apcer.share.high),
                visit_apcer: digits(visits.apcer.get(instrument).map_or(1.0, |v| v.share.value)),
            })
            .collect(),
    }
}

/// Slope and offset of P(living) over the logit: Newton's method on the likelihood, with steps that never make it worse.
/// `None` for no living faces.
fn fit(living: &[f64], attacks: &[f64]) -> Option<(f64, f64)> {
    if living.is_empty() {
        return None;
    }
    let (n, m) = (living.len() as f64, attacks.len() as f64);
    // Value, target, weight: each side as much as the other.
    let of =
        |logits: &[f64], target: f64, weight: f64| logits.iter().map(move |x| (*x, target, weight)).collect::<Vec<_>>();
    let mut cases = of(living, (n + 1.0) / (n + 2.0), 1.0 / n);
    cases.extend(of(attacks, 1.0 / (m + 2.0), 1.0 / m));
    let loss = |slope: f64, offset: f64| -> f64 {
        let of = |(x, target, weight): &(f64, f64, f64)| {
            let z = slope * x + offset;
            // ln(1 + e^z) - target z, without overflow.
            weight * (z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z)
        };
        cases.iter().map(of).sum()
    };
    let (mut slope, mut offset) = (1.0, 0.0);
    for _ in 0..100 {
        let [mut ga, mut gb, mut haa, mut hab, mut hbb] = [0.0; 5];
        for (x, target, weight) in &cases {
            let p = 1.0 / (1.0 + (-(slope * x + offset)).exp());
            let (g, h) = (weight * (p - target), weight * p * (1.0 - p));
            (ga, gb) = (ga + g * x, gb + g);
            (haa, hab, hbb) = (haa + h * x * x, hab + h * x, hbb + h);
        }
        (haa, hbb) = (haa + 1e-9, hbb + 1e-9);
        let det = haa * hbb - hab * hab;
        if !(det.abs() > 1e-18) {
            break;
        }
        let (da, db) = ((hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det);
        let mut step = 1.0;
        while step > 1e-6 && !(loss(slope - step * da, offset - step * db) <= loss(slope, offset)) {
            step /= 2.0;
        }
        if step <= 1e-6 {
            break;
        }
        (slope, offset) = (slope - step * da, offset - step * db);
        if (step * da).abs() + (step * db).abs() < 1e-9 {
            break;
        }
    }
    (slope.is_finite() && offset.is_finite()).then_some((slope, offset))
}

#[cfg(test)]
mod tests {
    use super::{super::liveness_figures::tests::seen, *};
    use crate::{config::VisitConfig, evaluate::statistics::SplitMix, vision::LivenessScore};

    fn model() -> ModelIdentity {
        ModelIdentity { name: "m".into(), version: "1".into(), hash: "0".into() }
    }

    /// So many living faces and attacks, whose logits lie around 2 and -2.
    fn all(living: usize, attacks: usize, spread: f32) -> AllSeen {
        let mut random = SplitMix(7);
        let mut seen: Vec<Seen> =
            (0..living).map(|k| self::seen(LIVE, k, Some(2.0 + random.normal() * spread))).collect();
        seen.extend((0..attacks).map(|k| self::seen("screen", k, Some(-2.0 + random.normal() * spread))));
        AllSeen { seen, ..AllSeen::default() }
    }

    fn chosen(all: &AllSeen, share: f64) -> Result<LivenessPolicy, LivenessPolicyError> {
        choose_liveness(all, share, &VisitConfig::default().settings(), &model()).map(|(policy, _)| policy)
    }

    #[test]
    fn the_confidence_is_the_highest_that_keeps_the_share_of_the_living() {
        let all = all(400, 400, 2.0);
        let policy = chosen(&all, 0.03).unwrap();
        let evidence = policy.evidence.clone().unwrap();
        assert!(evidence.bpcer <= 0.03 && evidence.bpcer > 0.02, "{evidence:?}");
        assert!(evidence.visit_bpcer <= evidence.bpcer);
        let laxer = chosen(&all, 0.10).unwrap();
        assert!(laxer.confidence > policy.confidence, "more living people refused, fewer attacks let in");
        assert!(laxer.evidence.unwrap().attacks[0].apcer <= evidence.attacks[0].apcer);
    }

    #[test]
    fn the_probability_is_what_it_says() {
        // Two normal distributions of deviation 2 at 2 and -2: the true log-odds are the logit itself.
        let policy = chosen(&all(4000, 4000, 2.0), 0.03).unwrap();
        assert!((policy.temperature - 1.0).abs() < 0.1 && policy.offset.abs() < 0.1, "{policy:?}");
    }

    #[test]
    fn a_model_that_tells_all_of_them_apart_is_not_sure_beyond_measure() {
        let policy = chosen(&all(200, 200, 0.1), 0.03).unwrap();
        assert!(policy.confidence < 0.9999 && policy.temperature > 0.05, "{policy:?}");
        assert_eq!(policy.evidence.unwrap().attacks[0].apcer, 0.0);
    }

    #[test]
    fn what_cannot_be_said_is_not_said() {
        assert_eq!(
            chosen(&all(20, 20, 1.0), 0.03),
            Err(LivenessPolicyError::TooFewLiving { frames: 20, share: 0.03, needed: 34 })
        );
        assert_eq!(chosen(&all(100, 0, 1.0), 0.03), Err(LivenessPolicyError::NoAttacks));
        assert_eq!(chosen(&all(100, 10, 1.0), 0.9), Err(LivenessPolicyError::Wish(0.9)));
        let mut turned = all(100, 100, 1.0);
        for seen in &mut turned.seen {
            seen.held.instrument = if seen.held.instrument == LIVE { "screen".into() } else { LIVE.into() };
        }
        assert_eq!(chosen(&turned, 0.03), Err(LivenessPolicyError::NoOrder));
        // Five living people who look as no attack does.
        let mut dead = all(100, 100, 0.5);
        dead.seen.iter_mut().take(5).for_each(|seen| seen.score = LivenessScore::new(-8.0));
        assert_eq!(chosen(&dead, 0.03), Err(LivenessPolicyError::Unreachable { frames: 100, share: 0.03 }));
    }

    #[test]
    fn frames_without_a_face_have_no_bearing_on_the_confidence() {
        let mut faceless = all(400, 400, 2.0);
        let before = chosen(&faceless, 0.03).unwrap();
        faceless.seen.extend((400..500).map(|k| seen(LIVE, k, None)));
        let with = chosen(&faceless, 0.03).unwrap();
        assert_eq!((with.confidence, with.temperature), (before.confidence, before.temperature));
        assert_eq!(with.evidence.unwrap().live, 400);
    }
}
