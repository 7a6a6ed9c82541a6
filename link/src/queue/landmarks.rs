//! Records that were sent, close together near the end and ever farther apart before it: where a log was cut or put back,
//! the newest of them that is still there tells how much of it is known.

use serde::{Deserialize, Serialize};

/// Numbers and hashes, oldest first: at most about two for each doubling of the distance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Landmarks(Vec<(u64, String)>);

impl Landmarks {
    /// Adds the newest one. One with a number that is not higher than those before takes their place: the log was put back.
    pub fn add(&mut self, seq: u64, hash: &str) {
        self.0.retain(|(known, _)| *known < seq);
        self.0.push((seq, hash.into()));
        // Of two that are about as far away, the older one is enough.
        let mut k = self.0.len().saturating_sub(2);
        while k > 0 {
            let (after, before) = (self.0[k + 1].0, self.0[k - 1].0);
            if after - before <= (seq - after) / 2 {
                self.0.remove(k);
            }
            k -= 1;
        }
    }

    /// The hash under which the record of a number was sent, if that is known.
    #[must_use]
    pub fn hash(&self, seq: u64) -> Option<&String> {
        self.0.binary_search_by_key(&seq, |(seq, _)| *seq).ok().map(|k| &self.0[k].1)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_stay_few_and_reach_back_to_the_beginning(steps in prop::collection::vec(1u64..300, 1..3000)) {
            let mut landmarks = Landmarks::default();
            let mut seq = 0;
            for step in steps {
                seq += step;
                landmarks.add(seq, &seq.to_string());
                prop_assert_eq!(landmarks.hash(seq), Some(&seq.to_string()));
            }
            prop_assert!(landmarks.len() <= 64, "{}", landmarks.len());
            // Whatever is cut off, less than three times as much (and one batch) is sent again.
            let known: Vec<u64> = landmarks.0.iter().map(|(seq, _)| *seq).collect();
            for pair in known.windows(2) {
                prop_assert!(pair[1] - pair[0] <= 300.max((seq - pair[1]) / 2 + 300), "{:?} of {}", pair, seq);
            }
        }
    }
}
