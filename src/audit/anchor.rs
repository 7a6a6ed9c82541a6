//! Anchors: the last number and hash of a log, short enough for a receipt printer or a telephone. Kept elsewhere, an anchor
//! exposes a log that was cut, rewritten or put back to an older copy, whoever did it.
//!
//! ```text
//! 1234-7K3Q-W9XG-2BT4-M8CP-Z0RA-V5
//! ^number  ^100 bits of the hash  ^check: tells a typing error from another log
//! ```

use std::{fmt, str::FromStr};

use super::head::Head;

/// Crockford's digits: none that are taken for each other.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Digits of the hash, 5 bits each.
const HASH_DIGITS: usize = 20;
/// A prime below 32 * 32: every wrong digit and every swap of two changes the sum below modulo it.
const PRIME: usize = 1021;

/// Number and shortened hash of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Number of the record.
    pub seq: u64,
    hash: [u8; HASH_DIGITS],
}

/// Why a text is no anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// The form is wrong.
    #[error(
        "anchor {0:?}: expected a number, five groups of four digits and letters and one of two, as `agegate log anchor` prints it"
    )]
    Form(String),
    /// The check does not match.
    #[error("anchor {0:?}: its check digits do not match; it was mistyped or misread. This says nothing about the log")]
    Check(String),
}

impl Anchor {
    /// The anchor of a record.
    ///
    /// # Panics
    /// Never for the hash of a record, which has 64 hexadecimal digits; others are taken for zeros.
    #[must_use]
    pub fn of(head: &Head) -> Self {
        let nibble = |k: usize| head.hash.as_bytes().get(k).and_then(|b| char::from(*b).to_digit(16)).unwrap_or(0);
        let bit = |k: usize| (nibble(k / 4) >> (3 - k % 4)) as u8 & 1;
        Self { seq: head.seq, hash: std::array::from_fn(|k| (0..5).fold(0, |value, b| value << 1 | bit(k * 5 + b))) }
    }

    fn check(&self) -> [u8; 2] {
        let number = self.seq.to_string();
        let values = number.bytes().map(|b| b - b'0').chain(self.hash);
        // Numbers of another length must not look alike: the hash's weights come first.
        let sum: usize = values.rev().zip(1..).map(|(value, weight)| (usize::from(value) + 1) * weight).sum();
        let sum = sum % PRIME;
        [(sum / 32) as u8, (sum % 32) as u8]
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |values: &[u8]| values.iter().map(|v| char::from(DIGITS[usize::from(*v)])).collect::<String>();
        write!(f, "{}", self.seq)?;
        for group in self.hash.chunks(4) {
            write!(f, "-{}", text(group))?;
        }
        write!(f, "-{}", text(&self.check()))
    }
}

impl FromStr for Anchor {
    type Err = AnchorError;

    fn from_str(text: &str) -> Result<Self, AnchorError> {
        let wrong = || AnchorError::Form(text.to_owned());
        let (number, rest) = text.trim().split_once('-').ok_or_else(wrong)?;
        let number = number.trim();
        let plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
        let seq = number.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
        let mut values = Vec::new();
        for c in rest.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            };
            values.push(DIGITS.iter().position(|d| char::from(*d) == c).ok_or_else(wrong)? as u8);
        }
        let (hash, check) = values.split_at_checked(HASH_DIGITS).ok_or_else(wrong)?;
        let anchor = Self { seq, hash: hash.try_into().map_err(|_| wrong())? };
        if check.len() != 2 {
            return Err(wrong());
        }
        if check != anchor.check() {
            return Err(AnchorError::Check(text.to_owned()));
        }
        Ok(anchor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn anchor() -> impl Strategy<Value = Anchor> {
        (1u64..1_000_000_000_000, "[0-9a-f]{64}").prop_map(|(seq, hash)| Anchor::of(&Head { seq, hash }))
    }

    proptest! {
        #[test]
        fn an_anchor_fits_a_receipt_and_reads_back_as_it_may_be_typed(anchor in anchor()) {
            let text = anchor.to_string();
            prop_assert!(text.len() <= 40, "{text}");
            prop_assert_eq!(text.parse(), Ok(anchor.clone()));
            let (number, rest) = text.split_once('-').unwrap();
            let typed = rest.to_lowercase().replace('0', "o").replace('1', "l").replace('-', " ");
            prop_assert_eq!(format!(" {number}-{typed} ").parse(), Ok(anchor));
        }

        #[test]
        fn one_wrong_digit_and_two_swapped_ones_are_typing_errors(anchor in anchor(), at in 0usize..40, other in 0usize..32, with in 0usize..40) {
            let text = anchor.to_string();
            let characters: Vec<char> = text.chars().collect();
            let (at, with) = (at % characters.len(), with % characters.len());
            let mut wrong = characters.clone();
            wrong[at] = char::from(DIGITS[other]);
            let mut swapped = characters.clone();
            swapped.swap(at, with);
            for typed in [wrong, swapped] {
                let dashes = |t: &[char]| t.iter().map(|c| *c == '-').collect::<Vec<_>>();
                if typed != characters && dashes(&typed) == dashes(&characters) {
                    let typed: String = typed.into_iter().collect();
                    prop_assert!(typed.parse::<Anchor>().is_err(), "{typed} for {text}");
                }
            }
        }
    }

    #[test]
    fn a_typing_error_is_told_from_a_wrong_form() {
        let good = Anchor::of(&Head { seq: 12, hash: "0123456789abcdef".repeat(4) }).to_string();
        assert!(matches!(good.replacen("12-", "13-", 1).parse::<Anchor>(), Err(AnchorError::Check(_))));
        assert!(matches!("12".parse::<Anchor>(), Err(AnchorError::Form(_))));
        assert!(matches!(good[..20].parse::<Anchor>(), Err(AnchorError::Form(_))));
    }
}
