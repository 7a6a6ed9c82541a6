//! One temperature for the age distributions, fitted by their likelihood (Guo et al. 2017), cross-validated by person.

use rayon::prelude::*;
use serde::Serialize;

use super::{figures::calibration_error, true_age::TrueAge, visits::Recording};
use crate::age::{AGES, AgeEstimate};

/// The fitted temperature and what it brings.
#[derive(Clone, Debug, Serialize)]
pub struct Temperature {
    /// Fitted on all people.
    pub value: f32,
    /// Negative log-likelihood on folds that the fit did not see, before and after.
    pub held_out_nll: [f64; 2],
    /// Expected calibration error of P(age >= T), before and after, on those folds.
    pub held_out_ece: [f64; 2],
}

/// What the fit goes by: the views of a visit with their weights, whose it is, and how old that person is.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// Estimates at temperature 1, and weights.
    pub views: Vec<(&'a AgeEstimate, f32)>,
    /// True age.
    pub age: TrueAge,
    /// Number of the person.
    pub person: usize,
}

/// A visit judged at a temperature that its fit did not see: cost before and after, stated probability and truth both times.
type HeldOut = (f64, f64, (f32, bool), (f32, bool));

const FOLDS: usize = 5;
/// Temperatures that are tried: from 0.3 to 4 in equal ratios; between them the cost is a parabola.
const STEPS: usize = 40;
const ENDS: (f64, f64) = (0.3, 4.0);

impl<'a> Case<'a> {
    /// The good views of a visit so far.
    #[must_use]
    pub fn of(recording: &'a Recording) -> Self {
        let views = recording.good_views().map(|view| (&view.estimate, view.weight)).collect();
        Self { views, age: recording.sample.age, person: recording.person }
    }

    /// As the gate reads them: the weighted mean, at the temperature.
    fn pooled(&self, temperature: f32) -> Option<AgeEstimate> {
        AgeEstimate::pool(self.views.iter().copied()).map(|pooled| pooled.tempered(temperature))
    }

    fn cost(&self, temperature: f32) -> f64 {
        self.pooled(temperature).map_or(0.0, |p| {
            // What a label leaves open is as likely as all of its ages together.
            let (first, last) = (*self.age.ages().start() as usize, *self.age.ages().end() as usize);
            let of_label: f32 = p.probabilities()[first.min(AGES - 1)..=last.min(AGES - 1)].iter().sum();
            -f64::from(of_label.max(1e-9)).ln()
        })
    }
}

/// Fits the temperature to visits, and measures it by five-fold cross-validation. A person of several visits counts once.
#[must_use]
pub fn fit_temperature(cases: &[Case<'_>], threshold: u8) -> Temperature {
    let mut visits: std::collections::HashMap<usize, usize> = std::collections::HashMap::new();
    for case in cases {
        *visits.entry(case.person).or_default() += 1;
    }
    let weights: Vec<f64> = cases.iter().map(|c| 1.0 / visits[&c.person] as f64).collect();
    // All visits of a person are in one fold.
    let fold_of = |case: &Case<'_>| case.person.wrapping_mul(7919) % FOLDS;
    let costs: Vec<Vec<f64>> =
        cases.par_iter().map(|c| (0..STEPS).map(|k| c.cost(temperature_of(k as f64) as f32)).collect()).collect();
    let fit = |inside: &dyn Fn(&Case<'_>) -> bool| {
        let mut sums = [0.0; STEPS];
        for ((case, weight), row) in cases.iter().zip(&weights).zip(&costs) {
            if inside(case) {
                sums.iter_mut().zip(row).for_each(|(sum, cost)| *sum += weight * cost);
            }
        }
        lowest(&sums)
    };
    let folds: Vec<f32> = (0..FOLDS).map(|fold| fit(&|c| fold_of(c) != fold)).collect();
    let held_out: Vec<HeldOut> = cases
        .par_iter()
        .filter_map(|case| {
            let fitted = folds[fold_of(case)];
            let (before, after) = (case.pooled(1.0)?, case.pooled(fitted)?);
            let truth = case.age.at_least(u32::from(threshold))?;
            let pair = |e: &AgeEstimate| (e.at_least(threshold), truth);
            Some((case.cost(1.0), case.cost(fitted), pair(&before), pair(&after)))
        })
        .collect();
    let count = held_out.len().max(1) as f64;
    let (before, after): (Vec<_>, Vec<_>) = held_out.iter().map(|(_, _, b, a)| (*b, *a)).unzip();
    Temperature {
        value: fit(&|_| true),
        held_out_nll: [
            held_out.iter().map(|h| h.0).sum::<f64>() / count,
            held_out.iter().map(|h| h.1).sum::<f64>() / count,
        ],
        held_out_ece: [calibration_error(&before), calibration_error(&after)],
    }
}

fn temperature_of(step: f64) -> f64 {
    ENDS.0 * (ENDS.1 / ENDS.0).powf(step / (STEPS - 1) as f64)
}

/// The temperature of the lowest cost, between the steps by the parabola through the three around it.
fn lowest(costs: &[f64; STEPS]) -> f32 {
    // Labels that leave every age open say nothing.
    if costs.iter().all(|cost| (cost - costs[0]).abs() < 1e-9) {
        return 1.0;
    }
    let best = (0..STEPS).min_by(|a, b| costs[*a].total_cmp(&costs[*b])).unwrap_or_default();
    let mut step = best as f64;
    if best > 0 && best + 1 < STEPS {
        let (left, middle, right) = (costs[best - 1], costs[best], costs[best + 1]);
        let bend = left - 2.0 * middle + right;
        if bend > 0.0 {
            step += (0.5 * (left - right) / bend).clamp(-0.5, 0.5);
        }
    }
    // Four digits: what the policy file shows is what the gate uses.
    ((temperature_of(step) * 1e4).round() / 1e4) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(people: &[(u32, AgeEstimate)]) -> Temperature {
        let cases: Vec<Case<'_>> = people
            .iter()
            .enumerate()
            .map(|(person, (age, estimate))| Case { views: vec![(estimate, 1.0)], age: TrueAge::exactly(*age), person })
            .collect();
        fit_temperature(&cases, 18)
    }

    #[test]
    fn a_model_that_is_too_sure_gets_a_temperature_above_one() {
        let sure: Vec<(u32, AgeEstimate)> = (0..400u32)
            .map(|k| (20 + k % 40, AgeEstimate::normal(20.0 + (k % 40) as f32 + (k % 13) as f32 - 6.0, 1.0)))
            .collect();
        let found = fitted(&sure);
        assert!(found.value > 1.5, "{found:?}");
        assert!(found.held_out_nll[1] < found.held_out_nll[0]);
    }

    #[test]
    fn the_temperature_between_the_steps_is_found() {
        let rows: [f64; STEPS] = std::array::from_fn(|k| (k as f64 - 17.3).powi(2));
        assert!((f64::from(lowest(&rows)) - temperature_of(17.3)).abs() < 2e-4);
    }
}
