//! The age estimate: a distribution over ages 0 to 100 years, and what can be read off it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Number of one-year classes: ages 0, 1, ... 100.
pub const AGES: usize = 101;

/// A probability distribution over the ages 0 to 100 years.
///
/// The estimated age is its median; how sure the estimate is of an age limit is [`AgeEstimate::at_least`].
///
/// ```
/// use agegate::age::AgeEstimate;
///
/// let estimate = AgeEstimate::normal(30.0, 4.0);
/// assert!((estimate.years() - 30.0).abs() < 0.1);
/// assert!(estimate.at_least(18) > 0.99);
/// ```
#[derive(Clone, PartialEq)]
pub struct AgeEstimate {
    probabilities: [f32; AGES],
}

impl AgeEstimate {
    /// Makes an estimate of `AGES` weights, which need not sum to one.
    ///
    /// Returns `None` unless all weights are finite, none is negative and at least one is positive.
    #[must_use]
    pub fn from_weights(weights: &[f32]) -> Option<Self> {
        let weights: &[f32; AGES] = weights.try_into().ok()?;
        if weights.iter().any(|w| !w.is_finite() || *w < 0.0) {
            return None;
        }
        let sum: f32 = weights.iter().sum();
        (sum > 0.0 && sum.is_finite()).then(|| Self { probabilities: weights.map(|w| w / sum) })
    }

    /// A discretised normal distribution, for tests and demonstrations. `mean` and `deviation` are in years.
    #[must_use]
    pub fn normal(mean: f32, deviation: f32) -> Self {
        let deviation = deviation.max(0.05);
        let exponent = |age: usize| -0.5 * ((age as f32 - mean) / deviation).powi(2);
        let largest = (0..AGES).map(exponent).fold(f32::MIN, f32::max);
        let weights: Vec<f32> = (0..AGES).map(|age| (exponent(age) - largest).exp()).collect();
        // The largest weight is exp(0) = 1, so the sum is positive.
        Self::from_weights(&weights).expect("a normal distribution has a positive weight")
    }

    /// The probability of each age in years, summing to one.
    #[must_use]
    pub fn probabilities(&self) -> &[f32; AGES] {
        &self.probabilities
    }

    /// The estimated age in years, 0 to 100: the median of the distribution, each class spread over the year around it.
    ///
    /// The median is what a mean absolute error is smallest for. The mean leans to the long tail: it makes teenagers older
    /// (`models/train/mean_or_median.py` measures both, and the groups).
    #[must_use]
    pub fn years(&self) -> f32 {
        let mut before = 0.0;
        for (age, &p) in self.probabilities.iter().enumerate() {
            if before + p >= 0.5 {
                // The first class that reaches the half has a positive probability.
                let into = (0.5 - before) / p;
                return (age as f32 - 0.5 + into).clamp(0.0, (AGES - 1) as f32);
            }
            before += p;
        }
        // Only where rounding kept the sum below a half, which no distribution that sums to one does.
        (AGES - 1) as f32
    }

    /// The most probable of the report's age groups.
    #[must_use]
    pub fn group(&self) -> AgeGroup {
        let mut sums = [0.0f32; AgeGroup::ALL.len()];
        for (age, p) in self.probabilities.iter().enumerate() {
            sums[AgeGroup::of(age as f32) as usize] += p;
        }
        // The younger one where two are alike.
        let mut likeliest = AgeGroup::Child;
        for group in AgeGroup::ALL {
            if sums[group as usize] > sums[likeliest as usize] {
                likeliest = group;
            }
        }
        likeliest
    }

    /// P(age >= `threshold`), 0 to 1; `threshold` in years.
    #[must_use]
    pub fn at_least(&self, threshold: u8) -> f32 {
        let from = usize::from(threshold).min(AGES);
        self.probabilities[from..].iter().sum::<f32>().clamp(0.0, 1.0)
    }

    /// The distribution at another temperature: above 1 less sure of itself, below 1 more.
    ///
    /// Guo et al., "On Calibration of Modern Neural Networks", 2017. A temperature of 1 changes nothing.
    #[must_use]
    pub fn tempered(&self, temperature: f32) -> Self {
        if temperature == 1.0 || !temperature.is_finite() || temperature <= 0.0 {
            return self.clone();
        }
        let weights = self.probabilities.map(|p| p.powf(1.0 / temperature));
        Self::from_weights(&weights).unwrap_or_else(|| self.clone())
    }

    /// The weighted mean of several distributions (a linear opinion pool), or `None` without a positive weight.
    ///
    /// Frames of one visit show the same face in nearly the same light: their errors are alike. Multiplying the
    /// distributions would count each error as often as there are frames; the mean never gets surer than its surest frame.
    #[must_use]
    pub fn pool<'a>(estimates: impl IntoIterator<Item = (&'a AgeEstimate, f32)>) -> Option<Self> {
        let mut sum = [0.0f32; AGES];
        for (estimate, weight) in estimates {
            for (total, p) in sum.iter_mut().zip(estimate.probabilities) {
                *total += p * weight;
            }
        }
        Self::from_weights(&sum)
    }
}

impl fmt::Debug for AgeEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgeEstimate {{ {:.1} years, P(>=18): {:.3} }}", self.years(), self.at_least(18))
    }
}

/// The age groups of the evaluation report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AgeGroup {
    /// 0 to 12 years.
    #[serde(rename = "0-12")]
    Child,
    /// 13 to 17 years.
    #[serde(rename = "13-17")]
    Teen,
    /// 18 to 24 years.
    #[serde(rename = "18-24")]
    YoungAdult,
    /// 25 to 34 years.
    #[serde(rename = "25-34")]
    Adult,
    /// 35 to 49 years.
    #[serde(rename = "35-49")]
    MiddleAged,
    /// 50 to 64 years.
    #[serde(rename = "50-64")]
    Older,
    /// 65 years and over.
    #[serde(rename = "65+")]
    Senior,
}

impl AgeGroup {
    /// All groups, youngest first.
    pub const ALL: [Self; 7] =
        [Self::Child, Self::Teen, Self::YoungAdult, Self::Adult, Self::MiddleAged, Self::Older, Self::Senior];

    /// The group of an age in years; an estimated age is rounded to the nearest year first.
    #[must_use]
    pub fn of(years: f32) -> Self {
        match years.round() {
            y if y < 13.0 => Self::Child,
            y if y < 18.0 => Self::Teen,
            y if y < 25.0 => Self::YoungAdult,
            y if y < 35.0 => Self::Adult,
            y if y < 50.0 => Self::MiddleAged,
            y if y < 65.0 => Self::Older,
            _ => Self::Senior,
        }
    }

    /// The group's name as reports and the log show it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Child => "0-12",
            Self::Teen => "13-17",
            Self::YoungAdult => "18-24",
            Self::Adult => "25-34",
            Self::MiddleAged => "35-49",
            Self::Older => "50-64",
            Self::Senior => "65+",
        }
    }
}

impl fmt::Display for AgeGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_equal_estimates_changes_nothing() {
        let one = AgeEstimate::normal(22.0, 3.0);
        let pooled = AgeEstimate::pool([(&one, 0.3), (&one, 2.0)]).unwrap();
        assert!((pooled.years() - one.years()).abs() < 1e-3);
        assert!((pooled.at_least(18) - one.at_least(18)).abs() < 1e-5);
    }

    #[test]
    fn weights_that_are_no_distribution_are_refused() {
        assert!(AgeEstimate::from_weights(&[0.0; AGES]).is_none());
        assert!(AgeEstimate::from_weights(&[f32::NAN; AGES]).is_none());
        assert!(AgeEstimate::from_weights(&[1.0; AGES - 1]).is_none());
        let mut negative = [1.0; AGES];
        negative[3] = -0.1;
        assert!(AgeEstimate::from_weights(&negative).is_none());
    }

    #[test]
    fn a_higher_temperature_is_less_sure() {
        let sharp = AgeEstimate::normal(24.0, 3.0);
        assert!(sharp.tempered(2.0).at_least(18) < sharp.at_least(18));
        assert!(sharp.tempered(0.5).at_least(18) > sharp.at_least(18));
    }

    #[test]
    fn a_long_tail_makes_nobody_older() {
        let mut weights = [0.0; AGES];
        weights[15] = 0.6;
        weights[60] = 0.4;
        let doubtful = AgeEstimate::from_weights(&weights).unwrap();
        assert!((doubtful.years() - 15.33).abs() < 0.01, "{doubtful:?}");
        assert_eq!(doubtful.group(), AgeGroup::Teen);
    }

    #[test]
    fn the_group_is_the_likeliest_and_not_that_of_the_middle() {
        let mut weights = [0.0; AGES];
        (weights[10], weights[17], weights[20]) = (0.4, 0.25, 0.35);
        let torn = AgeEstimate::from_weights(&weights).unwrap();
        assert_eq!((AgeGroup::of(torn.years()), torn.group()), (AgeGroup::Teen, AgeGroup::Child));
    }

    proptest::proptest! {
        #[test]
        fn half_of_the_distribution_lies_on_either_side_of_the_years(weights in proptest::collection::vec(0.0f32..1.0, AGES)) {
            let Some(estimate) = AgeEstimate::from_weights(&weights) else { return Ok(()) };
            let years = estimate.years();
            proptest::prop_assert!((0.0..=100.0).contains(&years));
            let class = years.round() as u8;
            let eps = 1e-4;
            proptest::prop_assert!(estimate.at_least(class) >= 0.5 - eps && estimate.at_least(class + 1) <= 0.5 + eps);
        }
    }

    #[test]
    fn groups_meet_at_the_rounded_year() {
        assert_eq!(AgeGroup::of(12.4), AgeGroup::Child);
        assert_eq!(AgeGroup::of(12.6), AgeGroup::Teen);
        assert_eq!(AgeGroup::of(17.49), AgeGroup::Teen);
        assert_eq!(AgeGroup::of(64.5), AgeGroup::Senior);
    }
}
