//! What the visitor is told: the visit's word, as far as the door and the log stood by it. Pure.

use std::time::Duration;

use crate::{display::Screen, policy::Outcome, visit::Guidance};

/// A fault that a visitor saw stays on the screen for so long, and until they have left.
pub(super) const FAULT_STAYS: Duration = Duration::from_secs(3);

/// How the door is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DoorIs {
    Open,
    Shut,
    /// It cannot be opened now.
    OutOfOrder,
}

/// What became of the last decision, as far as the visitor has to know.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answer {
    fault: Option<Fault>,
    /// The visitor was allowed while the door had been open for too long: they are looked at again once it has shut.
    again: bool,
}

#[derive(Clone, Copy, Debug)]
struct Fault {
    since: Duration,
    /// Whoever it happened to has gone.
    left: bool,
}

impl Answer {
    /// A decision could not be logged or not be acted on.
    pub(super) fn failed(&mut self, now: Duration) {
        self.fault = Some(Fault { since: now, left: false });
    }

    /// The door opened: all is well.
    pub(super) fn opened(&mut self) {
        *self = Self::default();
    }

    /// The door must shut before it opens for this visitor.
    pub(super) fn must_wait(&mut self) {
        self.again = true;
    }

    /// The door shut; whether the visitor who waited for it is to be looked at again.
    pub(super) fn shut(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }

    /// Whether the visitor waits for the door to shut.
    pub(super) fn waits(&self) -> bool {
        self.again
    }

    /// Takes in what the visit says at `now`.
    pub(super) fn follow(&mut self, guidance: Guidance, now: Duration) {
        if guidance != Guidance::Decided(Outcome::Allow) {
            self.again = false;
        }
        if let Some(fault) = &mut self.fault {
            fault.left |= guidance == Guidance::Idle;
            if fault.left && now.saturating_sub(fault.since) >= FAULT_STAYS {
                self.fault = None;
            }
        }
    }

    /// The screen for what the visit says.
    pub(super) fn screen(&self, guidance: Guidance, door: DoorIs) -> Screen {
        match (guidance, door) {
            _ if self.fault.is_some() => Screen::NotAvailable,
            (_, DoorIs::OutOfOrder) => Screen::NotAvailable,
            // "One moment, please": the door is open still, but not for long enough.
            (Guidance::Decided(Outcome::Allow), _) if self.again => Screen::Checking(0),
            // Whoever stays after the door has shut must not be told that it is open.
            (Guidance::Decided(Outcome::Allow), DoorIs::Shut) => Screen::Idle,
            (guidance, _) => Screen::of(guidance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALLOWED: Guidance = Guidance::Decided(Outcome::Allow);

    fn ms(at: u64) -> Duration {
        Duration::from_millis(at)
    }

    #[test]
    fn a_fault_stays_for_three_seconds_though_the_visitor_is_gone_at_once() {
        let mut answer = Answer::default();
        answer.failed(ms(1000));
        answer.follow(Guidance::Idle, ms(1000));
        assert_eq!(answer.screen(Guidance::Idle, DoorIs::Shut), Screen::NotAvailable);
        answer.follow(Guidance::Checking(0.2), ms(3999));
        assert_eq!(answer.screen(Guidance::Checking(0.2), DoorIs::Shut), Screen::NotAvailable);
        answer.follow(Guidance::Checking(0.4), ms(4000));
        assert_eq!(answer.screen(Guidance::Checking(0.4), DoorIs::Shut), Screen::Checking(4));
    }

    #[test]
    fn a_fault_stays_for_as_long_as_the_visitor_does() {
        let mut answer = Answer::default();
        answer.failed(ms(0));
        answer.follow(ALLOWED, ms(60_000));
        assert_eq!(answer.screen(ALLOWED, DoorIs::Shut), Screen::NotAvailable);
    }

    fn guidance() -> impl Strategy<Value = Guidance> {
        prop_oneof![
            Just(Guidance::Idle),
            (0.0f32..1.0).prop_map(Guidance::Checking),
            prop::sample::select(vec![Outcome::Allow, Outcome::Refer, Outcome::Deny]).prop_map(Guidance::Decided),
        ]
    }

    proptest! {
        #[test]
        fn welcome_is_said_only_while_the_door_is_open(events in prop::collection::vec((0u8..5, guidance(), 0u64..2000), 1..60)) {
            let (mut answer, mut now) = (Answer::default(), 0);
            for (event, guidance, step) in events {
                now += step;
                match event {
                    0 => answer.failed(ms(now)),
                    1 => answer.opened(),
                    2 => answer.must_wait(),
                    3 => drop(answer.shut()),
                    _ => {}
                }
                answer.follow(guidance, ms(now));
                for door in [DoorIs::Shut, DoorIs::OutOfOrder] {
                    prop_assert_ne!(answer.screen(guidance, door), Screen::Welcome);
                }
            }
        }
    }
}
