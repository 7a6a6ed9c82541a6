//! `agegate calibrate`: the policy that keeps a bound on the minors let in, with the figures that it rests on.
//!
//! 1. Each picture becomes a simulated visit; its frames are pooled as at the gate.
//! 2. One temperature is fitted to the pooled distributions by their likelihood (Guo et al. 2017), cross-validated.
//! 3. The lowest confidence is chosen at which the upper end of the 95 % interval of the share of 13-17-year-olds let in
//!    stays under the bound, and that of younger children too. Being surer asks more adults for ID and lets no more
//!    minors in, so the lowest is the best.

use serde::Serialize;

use super::{
    Reading,
    dataset::Sample,
    figures::{calibration_error, negative_log_likelihood, share_of},
    statistics::{Interval, share},
};
use crate::policy::{Policy, PolicyEvidence};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Legal limit in years.
    pub threshold_age: u8,
    /// Challenge age, or `None` to choose it too.
    pub challenge_age: Option<u8>,
    /// Bound on the upper end of the interval.
    pub max_false_accept: f64,
    /// Frames of a visit.
    pub frames: usize,
}

/// Why no policy can be made.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CalibrateError {
    /// The bound is beyond what so few minors can show.
    #[error("{minors} pictures of 13-17-year-olds cannot support a bound of {:.2} %: even without a single one let in, the upper end of the 95 % interval is {:.2} %. It takes at least {needed} of them", bound * 100.0, best * 100.0)]
    TooFewMinors {
        /// Pictures of minors.
        minors: usize,
        /// Bound asked for.
        bound: f64,
        /// Upper end with none let in.
        best: f64,
        /// Pictures it takes.
        needed: usize,
    },
    /// No adults to state a false reject rate for.
    #[error("no picture of a person of {0} or over: the share of adults asked for ID cannot be stated")]
    NoAdults(u8),
    /// No confidence below 1 keeps the bound.
    #[error("no confidence below 1 keeps {:.2} % of the {minors} minors out as asked: the model is too sure of {sure} of them; look at their labels (`evaluate --report`), or raise the challenge age", bound * 100.0)]
    Unreachable {
        /// Pictures of minors.
        minors: usize,
        /// Bound asked for.
        bound: f64,
        /// Minors with P(age >= T) of practically 1.
        sure: usize,
    },
    /// A wish out of range.
    #[error("{0}")]
    Wish(String),
}

/// The fitted temperature and what it brings.
#[derive(Clone, Debug, Serialize)]
pub struct Temperature {
    /// Fitted on all readings.
    pub value: f32,
    /// Negative log-likelihood on folds that the fit did not see, before and after.
    pub held_out_nll: [f64; 2],
    /// Expected calibration error of P(age >= T), before and after, on those folds.
    pub held_out_ece: [f64; 2],
}

const FOLDS: usize = 5;

/// Fits the temperature by golden-section search on the log-likelihood, and measures it by five-fold cross-validation.
#[must_use]
pub fn fit_temperature(readings: &[Reading], threshold: u8) -> Temperature {
    let fold_of = |k: usize| k * 7919 % FOLDS;
    let (mut nll, mut before, mut after) = ([0.0; 2], Vec::new(), Vec::new());
    for fold in 0..FOLDS {
        let (inside, outside): (Vec<_>, Vec<_>) = readings.iter().enumerate().partition(|(k, _)| fold_of(*k) != fold);
        let fitted = search(&inside.iter().map(|(_, r)| *r).collect::<Vec<_>>());
        let outside: Vec<&Reading> = outside.into_iter().map(|(_, r)| r).collect();
        let weight = outside.len() as f64 / readings.len().max(1) as f64;
        nll[0] += weight * negative_log_likelihood(outside.iter().copied(), 1.0);
        nll[1] += weight * negative_log_likelihood(outside.iter().copied(), fitted);
        for r in outside {
            let truth = r.sample.age >= u32::from(threshold);
            before.push((r.estimate.at_least(threshold), truth));
            after.push((r.estimate.tempered(fitted).at_least(threshold), truth));
        }
    }
    let value = search(&readings.iter().collect::<Vec<_>>());
    Temperature { value, held_out_nll: nll, held_out_ece: [calibration_error(&before), calibration_error(&after)] }
}

fn search(readings: &[&Reading]) -> f32 {
    let cost = |log: f64| negative_log_likelihood(readings.iter().copied(), log.exp() as f32);
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.3f64.ln(), 4f64.ln());
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut fa, mut fb) = (cost(a), cost(b));
    for _ in 0..24 {
        if fa < fb {
            (high, b, fb) = (b, a, fa);
            a = high - golden * (high - low);
            fa = cost(a);
        } else {
            (low, a, fa) = (a, b, fb);
            b = low + golden * (high - low);
            fb = cost(b);
        }
    }
    // Four digits: what the policy file shows is what the gate uses.
    ((((low + high) / 2.0).exp() * 1e4).round() / 1e4) as f32
}

/// Pictures of minors that a bound takes, if none of them is let in.
#[must_use]
pub fn minors_needed(bound: f64) -> usize {
    let (mut low, mut high) = (1, 100_000_000);
    while low < high {
        let middle = (low + high) / 2;
        if share(0, middle).is_some_and(|s| s.high < bound) { high = middle } else { low = middle + 1 }
    }
    low
}

/// Chooses the policy. `readings` are those of simulated visits, at temperature 1.
///
/// # Errors
/// [`CalibrateError`].
pub fn choose(
    readings: &[Reading],
    wish: Wish,
    model: &str,
    dataset: String,
) -> Result<(Policy, Temperature), CalibrateError> {
    if !(10..=30).contains(&wish.threshold_age) {
        return Err(CalibrateError::Wish(format!("--threshold {}: expected 10 to 30 years", wish.threshold_age)));
    }
    if !(1e-6..=0.5).contains(&wish.max_false_accept) {
        return Err(CalibrateError::Wish(format!(
            "--max-false-accept {}: expected 0.000001 to 0.5",
            wish.max_false_accept
        )));
    }
    if wish.challenge_age.is_some_and(|c| c < wish.threshold_age || c > 60) {
        return Err(CalibrateError::Wish(format!(
            "--challenge: expected the threshold {} to 60 years, or auto",
            wish.threshold_age
        )));
    }
    let minors = readings.iter().filter(|r| (13..=17).contains(&r.sample.age)).count();
    let best = share(0, minors).map_or(1.0, |s| s.high);
    if best >= wish.max_false_accept {
        return Err(CalibrateError::TooFewMinors {
            minors,
            bound: wish.max_false_accept,
            best,
            needed: minors_needed(wish.max_false_accept),
        });
    }
    if !readings.iter().any(|r| r.sample.age >= u32::from(wish.threshold_age)) {
        return Err(CalibrateError::NoAdults(wish.threshold_age));
    }
    let temperature = fit_temperature(readings, wish.threshold_age);
    let tempered: Vec<Reading> =
        readings.iter().map(|r| Reading { estimate: r.estimate.tempered(temperature.value), ..r.clone() }).collect();
    let challenges: Vec<u8> =
        wish.challenge_age.map_or_else(|| (wish.threshold_age..=30.max(wish.threshold_age)).collect(), |c| vec![c]);
    let candidates = challenges.into_iter().filter_map(|challenge_age| {
        let confidence = lowest_confidence(&tempered, wish, challenge_age)?;
        let policy = Policy {
            threshold_age: wish.threshold_age,
            challenge_age,
            confidence,
            deny_confidence: None,
            temperature: temperature.value,
            model: Some(model.to_owned()),
            evidence: None,
        };
        let rejected =
            rate(&tempered, u32::from(wish.threshold_age), u32::MAX, |r| !policy.surely_old_enough(&r.estimate))?;
        Some((rejected.value, policy))
    });
    let (_, mut policy) = candidates.min_by(|a, b| a.0.total_cmp(&b.0)).ok_or_else(|| CalibrateError::Unreachable {
        minors,
        bound: wish.max_false_accept,
        sure: tempered
            .iter()
            .filter(|r| (13..=17).contains(&r.sample.age) && r.estimate.at_least(wish.threshold_age) > 0.999)
            .count(),
    })?;
    policy.evidence = Some(evidence(&tempered, &policy, wish, dataset));
    Ok((policy, temperature))
}

fn rate(readings: &[Reading], low: u32, high: u32, hit: impl Fn(&Reading) -> bool) -> Option<Interval> {
    share_of(readings, low, high, hit)
}

/// The lowest confidence, in thousandths, that keeps the bound; `None` if none below 1 does.
fn lowest_confidence(readings: &[Reading], wish: Wish, challenge: u8) -> Option<f32> {
    let keeps = |confidence: f32| {
        let allows = |r: &Reading| {
            r.estimate.at_least(wish.threshold_age) >= confidence && r.estimate.mean() >= f32::from(challenge)
        };
        // A set without children under 13 says nothing about them; the 13-17-year-olds it must have.
        rate(readings, 13, 17, allows).is_some_and(|s| s.high < wish.max_false_accept)
            && rate(readings, 0, 12, allows).is_none_or(|s| s.value == 0.0 || s.high < wish.max_false_accept)
    };
    // The share let in falls as the confidence rises: binary search.
    let (mut low, mut high) = (500u32, 1000u32);
    while low < high {
        let middle = (low + high) / 2;
        if keeps(middle as f32 / 1000.0) { high = middle } else { low = middle + 1 }
    }
    (low < 1000).then(|| low as f32 / 1000.0)
}

fn evidence(readings: &[Reading], policy: &Policy, wish: Wish, dataset: String) -> PolicyEvidence {
    let allows = |r: &Reading| policy.surely_old_enough(&r.estimate);
    let digits = |v: f64| (v * 1e4).round() / 1e4;
    let value = |low, high| digits(rate(readings, low, high, allows).map_or(0.0, |s| s.value));
    let rejects = |low, high| digits(rate(readings, low, high, |r| !allows(r)).map_or(0.0, |s| s.value));
    let all = rate(readings, 13, 17, allows);
    let children = rate(readings, 0, 12, allows);
    let threshold = u32::from(wish.threshold_age);
    PolicyEvidence {
        dataset,
        minors: readings.iter().filter(|r| (13..=17).contains(&r.sample.age)).count(),
        adults: readings.iter().filter(|r| r.sample.age >= threshold).count(),
        frames: wish.frames,
        max_false_accept: wish.max_false_accept,
        false_accept: digits(all.map_or(0.0, |s| s.value)),
        false_accept_high: digits(all.map_or(1.0, |s| s.high)),
        false_accept_0_12: children.as_ref().map(|s| digits(s.value)),
        false_accept_0_12_high: children.as_ref().map(|s| digits(s.high)),
        false_accept_13_15: value(13, 15),
        false_accept_16_17: value(16, 17),
        false_reject: rejects(threshold, u32::MAX),
        false_reject_18_24: rejects(18, 24),
        false_reject_25_34: rejects(25, 34),
        false_reject_35_up: rejects(35, u32::MAX),
    }
}

/// A data set's identity: BLAKE3 over names and labels, 16 hex digits.
#[must_use]
pub fn dataset_hash(samples: &[Sample]) -> String {
    let mut hasher = blake3::Hasher::new();
    for s in samples {
        let name = s.path.file_name().unwrap_or_default().to_string_lossy();
        hasher.update(format!("{name} {} {:?} {:?}\n", s.age, s.gender, s.group).as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::age::AgeEstimate;

    fn reading(age: u32, mean: f32, deviation: f32) -> Reading {
        let sample = Sample { path: format!("{age}.jpg").into(), age, gender: None, group: None };
        Reading { sample, estimate: AgeEstimate::normal(mean, deviation), female: 0.5 }
    }

    fn wish(bound: f64) -> Wish {
        Wish { threshold_age: 18, challenge_age: Some(25), max_false_accept: bound, frames: 5 }
    }

    fn people() -> Vec<Reading> {
        let mut people: Vec<Reading> = (0..500).map(|k| reading(13 + k % 5, 14.0 + (k % 17) as f32, 3.0)).collect();
        people.extend((0..500).map(|k| reading(18 + k % 50, 18.0 + (k % 50) as f32 + (k % 7) as f32 - 3.0, 3.0)));
        people
    }

    #[test]
    fn too_few_minors_are_told_with_the_number_it_takes() {
        let few: Vec<Reading> = people().into_iter().take(100).collect();
        let error = choose(&few, wish(0.01), "m", "d".into()).unwrap_err();
        assert!(matches!(error, CalibrateError::TooFewMinors { minors: 100, needed: 381, .. }), "{error}");
    }

    #[test]
    fn the_policy_keeps_the_bound_and_a_looser_bound_rejects_no_more() {
        let (strict, _) = choose(&people(), wish(0.02), "m", "d".into()).unwrap();
        let (loose, _) = choose(&people(), wish(0.10), "m", "d".into()).unwrap();
        let (s, l) = (strict.evidence.unwrap(), loose.evidence.unwrap());
        assert!(s.false_accept_high < 0.02 && l.false_accept_high < 0.10);
        assert!(l.false_reject <= s.false_reject);
    }

    #[test]
    fn a_model_that_is_too_sure_gets_a_temperature_above_one() {
        let sure: Vec<Reading> =
            (0..400).map(|k| reading(20 + k % 40, 20.0 + (k % 40) as f32 + (k % 13) as f32 - 6.0, 1.0)).collect();
        let fitted = fit_temperature(&sure, 18);
        assert!(fitted.value > 1.5, "{fitted:?}");
        assert!(fitted.held_out_nll[1] < fitted.held_out_nll[0]);
    }

    #[test]
    fn children_who_look_old_raise_the_confidence_as_teenagers_do() {
        let mut people: Vec<Reading> = (0..500).map(|k| reading(13 + k % 5, 15.0, 3.0)).collect();
        let without = lowest_confidence(&people, wish(0.05), 25).expect("a confidence below 1");
        people.extend((0..100).map(|k| reading(8, if k < 10 { 30.0 } else { 9.0 }, 6.0)));
        let with = lowest_confidence(&people, wish(0.05), 25).expect("a confidence below 1");
        assert!(with > without, "{with} must be more than {without}");
    }

    #[test]
    fn the_number_of_minors_needed_is_just_enough() {
        let n = minors_needed(0.01);
        assert!(share(0, n).unwrap().high < 0.01 && share(0, n - 1).unwrap().high >= 0.01);
    }
}
