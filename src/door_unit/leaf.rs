//! The leaf: what its contact means while the door is open or shut. Pure: time comes in from outside.
//!
//! Who was let in goes through: the leaf opens during the lease and shuts again, and with that the lease ends, so that nobody
//! follows. A leaf that opens while nobody was let through is forced; one that stays open is held open. A contact whose wire
//! is broken reads as an open leaf: that raises an alarm, and opens nothing.

use std::time::Duration;

use crate::audit::{Alarm, AlarmChange};

/// A leaf that opens so shortly before or after a lease was let through: the latch was free a moment ago, or whoever pressed
/// the exit button has pushed already.
pub const GRACE: Duration = Duration::from_secs(1);

/// What the leaf has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafEvent {
    /// Somebody went through: it opened during this lease, and is shut again.
    WentThrough,
    /// An alarm began or ended.
    Alarm(Alarm, AlarmChange),
}

/// The state of the leaf.
#[derive(Clone, Debug)]
pub struct Leaf {
    held_open_after: Duration,
    state: State,
    /// When the door was open last.
    door_open_at: Option<Duration>,
    door_was_open: bool,
    /// Whether the leaf opened during the lease that runs.
    passing: bool,
    forced: bool,
    held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Unknown,
    Shut,
    /// Since when, and whether it was let.
    Open(Duration, Let),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Let {
    /// The door was open, or the gate had just started.
    Through,
    /// The door was not open: perhaps it will be in a moment.
    NotYet,
}

impl Leaf {
    /// A leaf of which nothing is known; seconds after which it counts as held open.
    #[must_use]
    pub fn new(held_open_seconds: f32) -> Self {
        Self {
            held_open_after: Duration::from_secs_f32(held_open_seconds),
            state: State::Unknown,
            door_open_at: None,
            door_was_open: false,
            passing: false,
            forced: false,
            held: false,
        }
    }

    /// Puts another time into force.
    pub fn change(&mut self, held_open_seconds: f32) {
        self.held_open_after = Duration::from_secs_f32(held_open_seconds);
    }

    /// The contact turned: whether the leaf is shut from now on.
    pub fn turned(&mut self, shut: bool, door_open: bool, now: Duration) -> Option<LeafEvent> {
        self.follow_door(door_open, now);
        if !shut {
            let just = self.door_open_at.is_some_and(|at| now.saturating_sub(at) <= GRACE);
            let first = self.state == State::Unknown;
            self.state = State::Open(now, if just || first { Let::Through } else { Let::NotYet });
            self.passing |= door_open && !first;
            return None;
        }
        self.state = State::Shut;
        (std::mem::take(&mut self.passing) && door_open).then_some(LeafEvent::WentThrough)
    }

    /// Takes in the time, and ends and begins alarms.
    pub fn look(&mut self, door_open: bool, now: Duration) -> Vec<LeafEvent> {
        self.follow_door(door_open, now);
        let (mut forced, mut held) = (false, false);
        if let State::Open(since, by) = &mut self.state {
            if door_open {
                *by = Let::Through;
            }
            forced = *by == Let::NotYet && now.saturating_sub(*since) > GRACE;
            let since = self.door_open_at.map_or(*since, |at| at.max(*since));
            held = now.saturating_sub(since) >= self.held_open_after;
        }
        // A forced leaf stays one until it shuts, whoever is let in meanwhile.
        forced |= self.forced && matches!(self.state, State::Open(..));
        let mut events = Vec::new();
        for (alarm, before, is) in [(Alarm::Forced, &mut self.forced, forced), (Alarm::HeldOpen, &mut self.held, held)]
        {
            if std::mem::replace(before, is) != is {
                let change = if is { AlarmChange::Raised } else { AlarmChange::Ended };
                events.push(LeafEvent::Alarm(alarm, change));
            }
        }
        events
    }

    fn follow_door(&mut self, open: bool, now: Duration) {
        if open {
            self.door_open_at = Some(now);
        }
        if open != self.door_was_open {
            // Each lease has its own passage.
            self.passing = false;
            self.door_was_open = open;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORCED: LeafEvent = LeafEvent::Alarm(Alarm::Forced, AlarmChange::Raised);
    const HELD: LeafEvent = LeafEvent::Alarm(Alarm::HeldOpen, AlarmChange::Raised);

    fn ms(at: u64) -> Duration {
        Duration::from_millis(at)
    }

    /// A shut leaf.
    fn shut() -> Leaf {
        let mut leaf = Leaf::new(20.0);
        assert_eq!(leaf.turned(true, false, ms(0)), None);
        leaf
    }

    #[test]
    fn whoever_went_through_ends_the_lease() {
        let mut leaf = shut();
        assert!(leaf.look(true, ms(1000)).is_empty());
        assert_eq!(leaf.turned(false, true, ms(1500)), None);
        assert!(leaf.look(true, ms(2000)).is_empty());
        assert_eq!(leaf.turned(true, true, ms(2500)), Some(LeafEvent::WentThrough));
    }

    #[test]
    fn a_leaf_that_was_open_before_the_lease_tells_nothing_of_a_passage() {
        let mut leaf = shut();
        leaf.look(true, ms(1000));
        leaf.turned(false, true, ms(1500));
        leaf.look(false, ms(4000));
        leaf.look(true, ms(5000));
        assert_eq!(leaf.turned(true, true, ms(5500)), None, "the leaf of the visitor before");
    }

    #[test]
    fn a_leaf_that_opens_while_nobody_was_let_through_is_forced_until_it_shuts() {
        let mut leaf = shut();
        leaf.turned(false, false, ms(5000));
        assert!(leaf.look(false, ms(6000)).is_empty(), "not before the grace is over");
        assert_eq!(leaf.look(false, ms(6001)), [FORCED]);
        assert!(leaf.look(true, ms(7000)).is_empty());
        leaf.turned(true, true, ms(8000));
        assert_eq!(leaf.look(true, ms(8000)), [LeafEvent::Alarm(Alarm::Forced, AlarmChange::Ended)]);
    }

    #[test]
    fn a_leaf_that_is_pulled_at_the_last_moment_or_pushed_before_the_button_acted_is_not_forced() {
        let mut leaf = shut();
        leaf.look(true, ms(1000));
        leaf.look(false, ms(1100));
        leaf.turned(false, false, ms(1900));
        assert!(leaf.look(false, ms(9000)).is_empty());
        let mut leaf = shut();
        leaf.turned(false, false, ms(5000));
        leaf.look(true, ms(5500));
        assert!(leaf.look(false, ms(9000)).is_empty());
    }

    #[test]
    fn a_leaf_that_stays_open_is_held_open_since_it_was_let() {
        let mut leaf = shut();
        leaf.look(true, ms(1000));
        leaf.turned(false, true, ms(1500));
        leaf.look(true, ms(4000));
        assert!(leaf.look(false, ms(23_999)).is_empty());
        assert_eq!(leaf.look(false, ms(24_000)), [HELD]);
        assert!(leaf.look(false, ms(60_000)).is_empty(), "told once");
        leaf.turned(true, false, ms(61_000));
        assert_eq!(leaf.look(false, ms(61_000)), [LeafEvent::Alarm(Alarm::HeldOpen, AlarmChange::Ended)]);
    }

    #[test]
    fn a_wire_that_breaks_or_a_leaf_open_at_the_start_ends_no_lease_and_is_told() {
        let mut leaf = Leaf::new(20.0);
        leaf.turned(false, false, ms(0));
        assert!(leaf.look(false, ms(19_000)).is_empty());
        assert_eq!(leaf.look(false, ms(20_000)), [HELD]);
        let mut leaf = shut();
        leaf.look(true, ms(1000));
        assert_eq!(leaf.turned(false, true, ms(1500)), None);
        let told: Vec<_> = (2..40).flat_map(|s| leaf.look(s < 4, ms(s * 1000))).collect();
        assert_eq!(told, [HELD]);
    }

    proptest! {
        #[test]
        fn somebody_went_through_only_where_the_leaf_opened_and_shut_within_one_lease(
            steps in prop::collection::vec((0u8..3, any::<bool>(), 0u64..4000), 1..200)
        ) {
            let (mut leaf, mut now, mut door, mut was) = (shut(), 0, false, true);
            let mut opened_in_lease = false;
            let mut raised = std::collections::BTreeSet::new();
            for (kind, value, step) in steps {
                now += step;
                let event = match kind {
                    0 => {
                        opened_in_lease &= value == door;
                        door = value;
                        None
                    }
                    // Turns alternate.
                    _ if value != was => {
                        was = value;
                        leaf.turned(value, door, ms(now))
                    }
                    _ => None,
                };
                if kind != 0 && event.is_some() {
                    prop_assert_eq!(event, Some(LeafEvent::WentThrough));
                    prop_assert!(door && opened_in_lease && was);
                }
                if kind != 0 && !was {
                    opened_in_lease |= door;
                } else if kind != 0 {
                    opened_in_lease = false;
                }
                for event in leaf.look(door, ms(now)) {
                    match event {
                        LeafEvent::Alarm(alarm, AlarmChange::Raised) => prop_assert!(raised.insert(alarm)),
                        LeafEvent::Alarm(alarm, AlarmChange::Ended) => prop_assert!(raised.remove(&alarm)),
                        LeafEvent::WentThrough => prop_assert!(false),
                    }
                }
                prop_assert!(!was || raised.is_empty(), "no alarm outlives the open leaf");
            }
        }
    }
}
