//! Age bands on both sides of the threshold age: minors are all who are under it, whatever it is.

/// Ages in whole years, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// Youngest.
    pub low: u32,
    /// Oldest; [`u32::MAX`] for no end.
    pub high: u32,
}

impl Band {
    /// Whether an age is in the band.
    #[must_use]
    pub fn has(self, age: u32) -> bool {
        (self.low..=self.high).contains(&age)
    }

    /// Its name: `13-15`, `18`, `35 and over`.
    #[must_use]
    pub fn label(self) -> String {
        match (self.low, self.high) {
            (low, u32::MAX) => format!("{low} and over"),
            (low, high) if low == high => low.to_string(),
            (low, high) => format!("{low}-{high}"),
        }
    }
}

/// From this age on minors are hard to tell from adults; children under it are counted apart.
const HARD_FROM: u32 = 13;

/// All minors.
#[must_use]
pub fn minors(threshold: u8) -> Band {
    Band { low: 0, high: u32::from(threshold).saturating_sub(1) }
}

/// All adults.
#[must_use]
pub fn adults(threshold: u8) -> Band {
    Band { low: u32::from(threshold), high: u32::MAX }
}

/// The minors whom the bound is about: those from 13 years on; all of them where the threshold age is not above that.
#[must_use]
pub fn hard_minors(threshold: u8) -> Band {
    let all = minors(threshold);
    Band { low: if all.high >= HARD_FROM { HARD_FROM } else { 0 }, ..all }
}

/// The children apart from them, where there are such ages.
#[must_use]
pub fn children(threshold: u8) -> Option<Band> {
    hard_minors(threshold).low.checked_sub(1).map(|high| Band { low: 0, high })
}

/// The minors, youngest first: under 13, 13 to 15, 16 to 17, 18 to 20, 21 to 24, 25 to 29, as far as the threshold goes.
#[must_use]
pub fn minors_by_age(threshold: u8) -> Vec<Band> {
    cut(minors(threshold), &[13, 16, 18, 21, 25])
}

/// The adults: to 24, 25 to 34, 35 and over.
#[must_use]
pub fn adults_by_age(threshold: u8) -> Vec<Band> {
    cut(adults(threshold), &[18, 25, 35])
}

fn cut(whole: Band, at: &[u32]) -> Vec<Band> {
    let starts = std::iter::once(whole.low).chain(at.iter().copied().filter(|a| *a > whole.low && *a <= whole.high));
    let starts: Vec<u32> = starts.collect();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([whole.high]);
    starts.iter().zip(ends).map(|(low, high)| Band { low: *low, high }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(bands: &[Band]) -> String {
        bands.iter().map(|b| b.label()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn minors_are_all_under_the_threshold_by_band() {
        for (threshold, expected, hard) in [
            (18, "0-12 13-15 16-17", "13-17"),
            (21, "0-12 13-15 16-17 18-20", "13-20"),
            (16, "0-12 13-15", "13-15"),
            (14, "0-12 13", "13"),
            (13, "0-12", "0-12"),
            (10, "0-9", "0-9"),
            (30, "0-12 13-15 16-17 18-20 21-24 25-29", "13-29"),
        ] {
            assert_eq!(labels(&minors_by_age(threshold)), expected);
            assert_eq!(hard_minors(threshold).label(), hard);
        }
    }

    #[test]
    fn adults_are_all_others() {
        assert_eq!(labels(&adults_by_age(18)), "18-24 25-34 35 and over");
        assert_eq!(labels(&adults_by_age(21)), "21-24 25-34 35 and over");
        assert_eq!(labels(&adults_by_age(16)), "16-17 18-24 25-34 35 and over");
        assert_eq!(labels(&adults_by_age(25)), "25-34 35 and over");
    }

    #[test]
    fn every_age_is_in_one_band() {
        for threshold in 10..=30 {
            for age in 0..=120 {
                let all = minors_by_age(threshold).into_iter().chain(adults_by_age(threshold));
                assert_eq!(all.filter(|b| b.has(age)).count(), 1, "{age} at {threshold}");
            }
        }
    }
}
