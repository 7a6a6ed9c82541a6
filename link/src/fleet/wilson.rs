//! The interval of a rate, after Wilson: it stays between 0 and 1, and is honest about a door that few people went through.

/// For 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// Lower and upper bound of the rate of which `hits` of `total` were seen, 95 %; 0 and 1 where nothing was.
#[must_use]
pub fn interval(hits: u64, total: u64) -> (f64, f64) {
    if total == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (total as f64, hits.min(total) as f64 / total as f64);
    let z2 = Z * Z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_the_textbooks() {
        // Newcombe (1998): 81 of 263, 0.2553 to 0.3662; 15 of 148, 0.0624 to 0.1605; 0 of 20, 0 to 0.1611.
        for (hits, total, low, high) in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)] {
            let (l, h) = interval(hits, total);
            assert!((l - low).abs() < 1e-4 && (h - high).abs() < 1e-4, "{hits}/{total}: {l} {h}");
        }
    }

    proptest! {
        #[test]
        fn it_holds_the_rate_and_stays_within_bounds(total in 0u64..100_000, share in 0.0f64..=1.0) {
            let hits = (total as f64 * share) as u64;
            let (low, high) = interval(hits, total);
            let rate = if total == 0 { 0.5 } else { hits as f64 / total as f64 };
            prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
            prop_assert!(low <= rate + 1e-9 && rate <= high + 1e-9);
        }
    }
}
