//! How old somebody truly is, as labels say it: an age in whole years, or a range of them.
//!
//! **A range counts, in every figure, as the age in it that is worst for that figure.** In a share of people who were judged
//! wrongly it counts where the judgement is wrong for any age in it, and is left out where it is right for some age: somebody of
//! `10-19` who is let in is a minor let in, and one who is refused is nobody (an adult of 19 would make the share of minors look
//! better). An error in years is the one to the farther end. Tables by age take a range that lies in one of their groups.

use std::fmt;

use serde::{Serialize, Serializer};

use super::bands::Band;
use crate::age::AgeGroup;

/// Oldest age that a label may have, in years.
pub const OLDEST: u32 = 120;

/// An age or a range of ages, in whole years as people count them: from 17 until the 18th birthday it is 17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrueAge {
    youngest: u32,
    oldest: u32,
}

impl TrueAge {
    /// One age.
    #[must_use]
    pub fn exactly(years: u32) -> Self {
        Self { youngest: years, oldest: years }
    }

    /// Reads `17`, `17.5`, `17,5`, `10-19` or `70+`.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = format!("expected years such as 17, 17.5, 10-19 or 70+, 0 to {OLDEST}");
        let wrong = || format!("age {text:?}, {expected}");
        let (youngest, oldest) = match text.trim().split_once(['-', '\u{2013}']) {
            Some((low, high)) => (years(low).ok_or_else(wrong)?, years(high).ok_or_else(wrong)?),
            None => match text.trim().strip_suffix('+') {
                Some(low) => (years(low).ok_or_else(wrong)?, OLDEST),
                None => {
                    let years = years(text).ok_or_else(wrong)?;
                    (years, years)
                }
            },
        };
        if youngest > oldest || oldest > OLDEST {
            return Err(wrong());
        }
        Ok(Self { youngest, oldest })
    }

    /// Whether it is a range of several ages.
    #[must_use]
    pub fn is_range(self) -> bool {
        self.youngest < self.oldest
    }

    /// Whether every age in it is of the band.
    #[must_use]
    pub fn surely_in(self, band: Band) -> bool {
        band.has(self.youngest) && band.has(self.oldest)
    }

    /// Whether some age in it is of the band.
    #[must_use]
    pub fn perhaps_in(self, band: Band) -> bool {
        self.youngest <= band.high && self.oldest >= band.low
    }

    /// Whether it counts in a share of a band's people who were judged wrongly, of which it is one or not.
    #[must_use]
    pub fn counts_in(self, band: Band, wrongly: bool) -> bool {
        if wrongly { self.perhaps_in(band) } else { self.surely_in(band) }
    }

    /// Whether somebody of this age is that old; `None` where the range leaves it open.
    #[must_use]
    pub fn at_least(self, years: u32) -> Option<bool> {
        ((self.youngest >= years) == (self.oldest >= years)).then_some(self.youngest >= years)
    }

    /// By how many years an estimate is too old: of a range, the error to the farther end.
    #[must_use]
    pub fn error_of(self, estimate: f64) -> f64 {
        let (of_young, of_old) = (estimate - f64::from(self.youngest), estimate - f64::from(self.oldest));
        if of_young.abs() >= of_old.abs() { of_young } else { of_old }
    }

    /// The age group, where the whole range lies in one.
    #[must_use]
    pub fn group(self) -> Option<AgeGroup> {
        let group = AgeGroup::of(self.youngest as f32);
        (group == AgeGroup::of(self.oldest as f32)).then_some(group)
    }

    /// The ages in it.
    #[must_use]
    pub fn ages(self) -> std::ops::RangeInclusive<u32> {
        self.youngest..=self.oldest
    }
}

/// Whole years lived: of 17.9 they are 17.
fn years(text: &str) -> Option<u32> {
    let text = text.trim();
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if digits(whole) && digits(part) { whole.parse().ok().filter(|y| *y <= OLDEST) } else { None }
}

impl fmt::Display for TrueAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.youngest, self.oldest) {
            (low, high) if low == high => write!(f, "{low}"),
            (low, OLDEST) => write!(f, "{low}+"),
            (low, high) => write!(f, "{low}-{high}"),
        }
    }
}

impl Serialize for TrueAge {
    /// A number; a range as text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_range() { serializer.collect_str(self) } else { serializer.serialize_u32(self.youngest) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn age(text: &str) -> TrueAge {
        TrueAge::parse(text).unwrap()
    }

    #[test]
    fn ages_are_read_as_people_write_them() {
        for (text, shown) in [
            ("17", "17"),
            (" 17.9 ", "17"),
            ("17,5", "17"),
            ("10-19", "10-19"),
            ("10 \u{2013} 19", "10-19"),
            ("70+", "70+"),
            ("18-18", "18"),
            ("0.5-1.5", "0-1"),
        ] {
            assert_eq!(age(text).to_string(), shown);
        }
        for wrong in ["", "x", "-3", "19-10", "121", "17.", ".5", "1e1", "nan", "10-", "10-19-20", "19-Oct", "100-130"]
        {
            let message = TrueAge::parse(wrong).unwrap_err();
            assert!(message.contains(&format!("{wrong:?}")) && message.contains("10-19"), "{message}");
        }
    }

    proptest! {
        /// Whatever age a range stands for, no share of errors gets smaller than with that age.
        #[test]
        fn a_range_never_makes_a_share_of_errors_smaller_than_its_true_age_would(
            people in prop::collection::vec((0u32..60, 0u32..25, 0u32..25, any::<bool>()), 1..60),
            low in 0u32..40, width in 0u32..30,
        ) {
            let band = Band { low, high: low + width };
            #[expect(clippy::type_complexity, reason = "used once, here")]
            let share = |of: &dyn Fn(&(u32, u32, u32, bool)) -> TrueAge| {
                let counted: Vec<bool> =
                    people.iter().filter(|p| of(p).counts_in(band, p.3)).map(|p| p.3).collect();
                let wrong = counted.iter().filter(|w| **w).count();
                (!counted.is_empty()).then(|| wrong as f64 / counted.len() as f64)
            };
            let truth = share(&|p| TrueAge::exactly(p.0));
            let range = share(&|p| TrueAge { youngest: p.0.saturating_sub(p.1), oldest: p.0 + p.2 });
            if let (Some(truth), Some(range)) = (truth, range) {
                prop_assert!(range >= truth, "{range} {truth}");
            }
        }

        #[test]
        fn the_error_of_a_range_is_none_smaller_than_that_of_any_age_in_it(
            youngest in 0u32..100, width in 0u32..20, estimate in 0.0f64..100.0,
        ) {
            let range = TrueAge { youngest, oldest: youngest + width };
            for years in range.ages() {
                prop_assert!(range.error_of(estimate).abs() >= TrueAge::exactly(years).error_of(estimate).abs());
            }
        }
    }
}
