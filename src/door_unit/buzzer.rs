//! What the buzzer says: a pattern of tones for each outcome. Pure: time comes in from outside.

use std::time::Duration;

/// A pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One short tone: the door is open.
    Opened,
    /// Two tones: show an ID.
    Refer,
    /// One long tone: no.
    Deny,
    /// Three long tones: something failed.
    Failed,
    /// Five very short ones, for staff: not now.
    NotNow,
}

impl Pattern {
    /// Every pattern.
    pub const ALL: [Self; 5] = [Self::Opened, Self::Refer, Self::Deny, Self::Failed, Self::NotNow];

    /// Milliseconds on, off, on and so forth; it ends with a tone.
    #[must_use]
    pub fn times(self) -> &'static [u64] {
        match self {
            Self::Opened => &[150],
            Self::Refer => &[150, 150, 150],
            Self::Deny => &[800],
            Self::Failed => &[500, 200, 500, 200, 500],
            Self::NotNow => &[50, 50, 50, 50, 50, 50, 50, 50, 50],
        }
    }

    /// Whether there is a tone so long after the beginning, and until when; `None` once it is over.
    #[must_use]
    pub fn at(self, since: Duration) -> Option<(bool, Duration)> {
        let mut end = Duration::ZERO;
        for (time, on) in self.times().iter().zip([true, false].into_iter().cycle()) {
            end += Duration::from_millis(*time);
            if since < end {
                return Some((on, end));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_its_own_and_ends_silent_within_two_seconds() {
        for (k, pattern) in Pattern::ALL.into_iter().enumerate() {
            assert!(pattern.times().len() % 2 == 1, "it ends with a tone, and then nothing");
            assert_eq!(pattern.at(Duration::from_secs(2)), None);
            assert!(Pattern::ALL[..k].iter().all(|other| other.times() != pattern.times()));
        }
    }

    #[test]
    fn a_pattern_is_on_and_off_by_turns() {
        let heard: Vec<_> =
            (0..50).map(|k| Pattern::Refer.at(Duration::from_millis(k * 10)).is_some_and(|(on, _)| on)).collect();
        let tones = heard.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect::<Vec<_>>();
        assert_eq!(tones, [(true, 15), (false, 15), (true, 15), (false, 5)]);
    }
}
