//! Debounce: what a line that is read again and again means. Pure: time comes in with each reading.
//!
//! A level counts once every reading of the debounce time had it. A press is a turn to active of a line that was released
//! before, by readings of its own: an input that is stuck since the start, or was unreadable, presses nothing until it has
//! been seen released for the debounce time.

use std::time::Duration;

/// Readings further apart than this prove nothing about the time between them.
pub const MOST_APART: Duration = Duration::from_millis(200);

/// One reading of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// At its active level.
    Active,
    /// At the other level, as an open switch and a broken wire read.
    Inactive,
    /// It cannot be read. That counts as inactive, but releases nothing.
    Unreadable,
}

/// A change of what a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is active from now on, and was seen released before.
    Pressed,
    /// It is active, and nobody knows since when.
    Active,
    /// It is inactive from now on.
    Inactive,
}

/// The readings of one line so far.
#[derive(Clone, Debug)]
pub struct Debounce {
    time: Duration,
    last: Option<Duration>,
    /// The level of the readings since a moment.
    level: bool,
    since: Duration,
    /// Since when every reading was a real, inactive one.
    inactive_since: Option<Duration>,
    /// What the line means.
    meaning: Option<bool>,
    released: bool,
}

impl Debounce {
    /// A line of which nothing is known.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self {
            time,
            last: None,
            level: false,
            since: Duration::ZERO,
            inactive_since: None,
            meaning: None,
            released: false,
        }
    }

    /// What the line means; `None` until that is known.
    #[must_use]
    pub fn meaning(&self) -> Option<bool> {
        self.meaning
    }

    /// Takes in one reading.
    pub fn look(&mut self, reading: Reading, now: Duration) -> Option<Turn> {
        let level = reading == Reading::Active;
        let follows = self.last.is_some_and(|last| now >= last && now - last <= MOST_APART);
        if !follows || level != self.level {
            (self.level, self.since) = (level, now);
        }
        if !follows || reading != Reading::Inactive {
            self.inactive_since = None;
        }
        self.last = Some(now);
        match reading {
            Reading::Inactive => {
                let since = *self.inactive_since.get_or_insert(now);
                self.released |= now - since >= self.time;
            }
            Reading::Unreadable => self.released = false,
            Reading::Active => {}
        }
        if now - self.since < self.time || self.meaning == Some(level) {
            return None;
        }
        self.meaning = Some(level);
        Some(match level {
            true if std::mem::take(&mut self.released) => Turn::Pressed,
            true => Turn::Active,
            false => Turn::Inactive,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME: Duration = Duration::from_millis(50);

    fn ms(at: u64) -> Duration {
        Duration::from_millis(at)
    }

    /// Reads the same every 5 ms for a time; the turns.
    fn hold(d: &mut Debounce, now: &mut u64, reading: Reading, time: u64) -> Vec<Turn> {
        let until = *now + time;
        let mut turns = Vec::new();
        while *now < until {
            turns.extend(d.look(reading, ms(*now)));
            *now += 5;
        }
        turns
    }

    #[test]
    fn one_press_is_one_press_however_the_switch_bounces() {
        let (mut d, mut now) = (Debounce::new(TIME), 1000);
        assert_eq!(hold(&mut d, &mut now, Reading::Inactive, 100), [Turn::Inactive]);
        for _ in 0..5 {
            assert!(hold(&mut d, &mut now, Reading::Active, 10).is_empty());
            assert!(hold(&mut d, &mut now, Reading::Inactive, 5).is_empty());
        }
        assert_eq!(hold(&mut d, &mut now, Reading::Active, 3000), [Turn::Pressed]);
        assert_eq!(hold(&mut d, &mut now, Reading::Inactive, 100), [Turn::Inactive]);
        assert_eq!(hold(&mut d, &mut now, Reading::Active, 60), [Turn::Pressed]);
    }

    #[test]
    fn an_input_that_is_stuck_since_the_start_presses_nothing_until_it_was_released() {
        let (mut d, mut now) = (Debounce::new(TIME), 1000);
        assert_eq!(hold(&mut d, &mut now, Reading::Active, 60_000), [Turn::Active]);
        assert_eq!(hold(&mut d, &mut now, Reading::Inactive, 40), [], "too short for a release");
        assert_eq!(hold(&mut d, &mut now, Reading::Active, 1000), []);
        hold(&mut d, &mut now, Reading::Inactive, 100);
        assert_eq!(hold(&mut d, &mut now, Reading::Active, 100), [Turn::Pressed]);
    }

    #[test]
    fn a_line_that_comes_back_active_after_it_could_not_be_read_was_not_pressed() {
        let (mut d, mut now) = (Debounce::new(TIME), 1000);
        hold(&mut d, &mut now, Reading::Inactive, 1000);
        assert_eq!(hold(&mut d, &mut now, Reading::Unreadable, 1000), []);
        assert_eq!(hold(&mut d, &mut now, Reading::Active, 1000), [Turn::Active]);
    }

    #[test]
    fn a_line_that_cannot_be_read_counts_as_a_broken_wire() {
        let (mut d, mut now) = (Debounce::new(TIME), 1000);
        hold(&mut d, &mut now, Reading::Active, 100);
        assert_eq!((d.meaning(), hold(&mut d, &mut now, Reading::Unreadable, 100)), (Some(true), vec![Turn::Inactive]));
    }

    fn reading() -> impl Strategy<Value = Reading> {
        prop_oneof![4 => Just(Reading::Active), 4 => Just(Reading::Inactive), 1 => Just(Reading::Unreadable)]
    }

    /// Readings, each for some looks, with steps in milliseconds that now and then go far or back.
    fn looks() -> impl Strategy<Value = Vec<(Reading, i64)>> {
        let step = prop_oneof![20 => 1i64..12, 1 => 150i64..3000, 1 => -500i64..0];
        prop::collection::vec((reading(), 1usize..30, step), 1..60).prop_map(|runs| {
            runs.into_iter()
                .flat_map(|(reading, looks, step)| (0..looks).map(move |k| (reading, if k == 0 { step } else { 5 })))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_press_was_active_for_its_time_and_released_for_its_time_before(looks in looks()) {
            let mut d = Debounce::new(TIME);
            let mut now = 10_000i64;
            // All readings since the last press or unreadable moment, with whether each follows the one before.
            let mut history: Vec<(Reading, i64, bool)> = Vec::new();
            for (reading, step) in looks {
                now = (now + step).max(0);
                let follows = history.last().is_none_or(|(_, at, _)| now >= *at && now - at <= 200);
                history.push((reading, now, follows));
                if d.look(reading, ms(now.unsigned_abs())) != Some(Turn::Pressed) {
                    continue;
                }
                // Active, without a break, for the debounce time.
                let mut k = history.len() - 1;
                while k > 0 && history[k].2 && history[k - 1].0 == Reading::Active {
                    k -= 1;
                }
                prop_assert!(now - history[k].1 >= 50);
                // Before that, since the last press, released for the debounce time, and readable ever since.
                let before = &history[..k];
                let readable = before.iter().rposition(|(r, ..)| *r == Reading::Unreadable).map_or(0, |p| p + 1);
                let mut released = false;
                let mut since = None;
                for (r, at, follows) in &before[readable..] {
                    if *r != Reading::Inactive || !follows {
                        since = None;
                    }
                    if *r == Reading::Inactive {
                        let since = *since.get_or_insert(*at);
                        released |= at - since >= 50;
                    }
                }
                prop_assert!(released, "{history:?}");
                history.clear();
                history.push((Reading::Active, now, true));
            }
        }

        #[test]
        fn what_is_never_released_or_never_read_never_presses(readings in prop::collection::vec((prop_oneof![Just(Reading::Active), Just(Reading::Unreadable)], 1u64..300), 1..300)) {
            let (mut d, mut now) = (Debounce::new(TIME), 0);
            for (reading, step) in readings {
                now += step;
                prop_assert_ne!(d.look(reading, ms(now)), Some(Turn::Pressed));
            }
        }

        #[test]
        fn turns_alternate(looks in looks()) {
            let (mut d, mut now, mut was) = (Debounce::new(TIME), 10_000i64, None);
            for (reading, step) in looks {
                now = (now + step).max(0);
                if let Some(turn) = d.look(reading, ms(now.unsigned_abs())) {
                    let active = turn != Turn::Inactive;
                    prop_assert_ne!(was, Some(active));
                    prop_assert_eq!(d.meaning(), Some(active));
                    was = Some(active);
                }
            }
        }
    }
}
