//! Anchors as `agegate log anchor` prints them and `agegate log verify --anchor` takes them: number, 100 bits of the hash and
//! two check digits. The link only writes them; the gate's crate has the reader, and a test holds the two together.

/// Crockford's digits.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// A prime below 32 * 32, for the check.
const PRIME: usize = 1021;

/// The anchor of a record by its number and its hash of 64 hexadecimal digits.
#[must_use]
pub fn anchor(seq: u64, hash: &str) -> String {
    let nibble = |k: usize| hash.as_bytes().get(k).and_then(|b| char::from(*b).to_digit(16)).unwrap_or(0);
    let bit = |k: usize| usize::try_from((nibble(k / 4) >> (3 - k % 4)) & 1).unwrap_or(0);
    let values: Vec<usize> = (0..20).map(|k| (0..5).fold(0, |value, b| value << 1 | bit(k * 5 + b))).collect();
    let number = seq.to_string();
    let all = number.bytes().map(|b| usize::from(b - b'0')).chain(values.iter().copied());
    let sum = all.rev().zip(1..).map(|(value, weight)| (value + 1) * weight).sum::<usize>() % PRIME;
    let mut text = number.clone();
    for group in values.chunks(4).map(<[usize]>::to_vec).chain([vec![sum / 32, sum % 32]]) {
        text.push('-');
        text.extend(group.iter().map(|value| char::from(DIGITS[*value])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_form_that_the_gate_takes() {
        let text = anchor(1234, &"0123456789abcdef".repeat(4));
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [4, 4, 4, 4, 4, 4, 2], "{text}");
        assert_ne!(anchor(1, &"0".repeat(64)), anchor(10, &"0".repeat(64)));
    }
}
