//! Statistics of the reports: intervals by bootstrap and for shares, from a fixed seed so that a report repeats exactly.

use serde::Serialize;

/// A figure with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The figure itself.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A share `hits` of `count`, with Wilson's 95 % score interval (Wilson 1927), good for shares near 0 and 1.
///
/// `None` for no observations.
#[must_use]
pub fn share(hits: usize, count: usize) -> Option<Interval> {
    share_of_weight(hits as f64, count)
}

/// The same where some of those counted are hit in part: people of several pictures.
#[must_use]
pub fn share_of_weight(hits: f64, count: usize) -> Option<Interval> {
    if count == 0 {
        return None;
    }
    let (n, z) = (count as f64, 1.959_964);
    let p = (hits / n).clamp(0.0, 1.0);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    Some(Interval { value: p, low: (middle - half).clamp(0.0, p), high: (middle + half).clamp(p, 1.0) })
}

/// The mean with a 95 % percentile bootstrap interval (Efron 1979) of 1,000 resamples. `None` for no values.
#[must_use]
pub fn bootstrap_mean(values: &[f64]) -> Option<Interval> {
    if values.is_empty() {
        return None;
    }
    const RESAMPLES: usize = 1000;
    let mut random = SplitMix(0x5eed ^ values.len() as u64);
    let mean = |sum: f64| sum / values.len() as f64;
    let mut means: Vec<f64> =
        (0..RESAMPLES).map(|_| mean((0..values.len()).map(|_| values[random.below(values.len())]).sum())).collect();
    means.sort_by(f64::total_cmp);
    Some(Interval {
        value: mean(values.iter().sum()),
        low: means[RESAMPLES * 25 / 1000],
        high: means[RESAMPLES * 975 / 1000 - 1],
    })
}

/// A small repeatable random generator (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 random bits.
    pub fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; `bound` must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_bits()) * bound as u128) >> 64) as usize
    }

    /// A number in 0.0 to 1.0.
    pub fn unit(&mut self) -> f32 {
        (self.next_bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// A normal number of mean 0 and deviation 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).max(1e-9).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hits_among_few_still_leaves_doubt() {
        let none = share(0, 30).unwrap();
        assert_eq!(none.value, 0.0);
        assert!(none.high > 0.1 && none.high < 0.13, "{none:?}");
    }

    #[test]
    fn the_interval_holds_the_mean_and_repeats() {
        let values: Vec<f64> = (0..200).map(|v| f64::from(v % 17)).collect();
        let first = bootstrap_mean(&values).unwrap();
        assert!(first.low < first.value && first.value < first.high);
        assert_eq!(Some(first), bootstrap_mean(&values));
    }
}
