//! What starts and ends watching: a button, a sensor or nothing, the time to read an answer, a picture that stays dark.
//! Pure: time comes in from outside, as it does for a visit and for the lease.
//!
//! ```text
//!               press                  decision, or time up            answer read
//!   Waiting ------------> Watching ---------------------------> Tail -------------> Waiting
//!      ^                                                          | press
//!      +----------------------- no answer to read                 +------> Watching
//! ```
//!
//! With a button one press is one visit: whatever its decision, nobody is judged after it without another press, and no
//! decision makes the window longer. A sensor reports that somebody is there: visits follow each other while it does, and
//! for the window after.

use std::time::Duration;

use crate::config::{StartConfig, StartMode};

/// For how long an answer stays readable after watching has ended.
pub const TAIL: Duration = Duration::from_secs(3);
/// A picture that is dark for longer is not the camera's warm-up any more.
pub const DARK_FOR: Duration = Duration::from_secs(3);

/// Whether frames are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nobody asked to be looked at: no frame is read.
    Waiting,
    /// Frames are judged.
    Watching,
    /// The answer stands; no frame is read.
    Tail,
}

/// What a moment changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// Watching began.
    Began,
    /// Watching ended, and the answer may be read now.
    Answered,
    /// Watching, or the time to read the answer, is over.
    Ended,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Start {
    mode: StartMode,
    window: Duration,
    state: State,
    /// Whether the line was active at the last look: a button that is held down was pressed once.
    was_active: bool,
    last: Duration,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Waiting,
    Watching { until: Duration, answered: Option<Duration> },
    Tail { until: Duration },
}

impl Start {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(config: &StartConfig) -> Self {
        let window = Duration::from_secs_f32(config.seconds);
        Self { mode: config.mode, window, state: State::Waiting, was_active: false, last: Duration::ZERO }
    }

    /// Puts other settings into force. A visit that was started goes on only where the way of starting is the same.
    pub fn change(&mut self, config: &StartConfig) {
        let next = Self::new(config);
        *self = if self.mode == next.mode { Self { window: next.window, ..self.clone() } } else { next };
    }

    /// Whether frames are judged now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match (self.mode, self.state) {
            (StartMode::Always, _) | (_, State::Watching { .. }) => Phase::Watching,
            (_, State::Waiting) => Phase::Waiting,
            (_, State::Tail { .. }) => Phase::Tail,
        }
    }

    /// Takes in whether the line is active at `now`, and ends what has lasted long enough.
    pub fn look(&mut self, active: bool, now: Duration) -> Change {
        if self.mode == StartMode::Always {
            return Change::None;
        }
        // A clock that goes back must not make a window longer.
        let back = now < self.last;
        self.last = now;
        let pressed = active && !self.was_active;
        self.was_active = active;
        if back && !matches!(self.state, State::Waiting) {
            self.state = State::Waiting;
            return Change::Ended;
        }
        let begins = match self.mode {
            StartMode::Button => pressed,
            StartMode::Sensor | StartMode::Always => active,
        };
        match self.state {
            State::Watching { answered, .. } if self.mode == StartMode::Sensor && active => {
                self.state = State::Watching { until: now + self.window, answered };
                Change::None
            }
            State::Waiting | State::Tail { .. } if begins => {
                self.state = State::Watching { until: now + self.window, answered: None };
                Change::Began
            }
            State::Watching { until, answered } if now >= until => {
                match answered.map(|at| at + TAIL).filter(|end| *end > now) {
                    Some(until) => {
                        self.state = State::Tail { until };
                        Change::Answered
                    }
                    None => {
                        self.state = State::Waiting;
                        Change::Ended
                    }
                }
            }
            State::Tail { until } if now >= until => {
                self.state = State::Waiting;
                Change::Ended
            }
            _ => Change::None,
        }
    }

    /// Takes in that a visit was decided at `now`, and whether there is an answer to be read.
    pub fn decided(&mut self, answer: bool, now: Duration) -> Change {
        let State::Watching { until, .. } = self.state else { return Change::None };
        match (self.mode, answer) {
            (StartMode::Button, true) => {
                self.state = State::Tail { until: now + TAIL };
                Change::Answered
            }
            (StartMode::Button, false) => {
                self.state = State::Waiting;
                Change::Ended
            }
            (StartMode::Sensor, true) => {
                self.state = State::Watching { until, answered: Some(now) };
                Change::None
            }
            (StartMode::Sensor, false) | (StartMode::Always, _) => Change::None,
        }
    }
}

/// Follows a picture that may be dark.
#[derive(Clone, Copy, Debug, Default)]
pub struct Darkness {
    since: Option<Duration>,
    told: bool,
}

/// How dark it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dark {
    /// Not, or not for long.
    No,
    /// For long, since this frame.
    Begins,
    /// For long.
    Stays,
}

impl Darkness {
    /// Takes in one frame of `now`.
    pub fn look(&mut self, dark: bool, now: Duration) -> Dark {
        if !dark {
            *self = Self::default();
            return Dark::No;
        }
        let since = *self.since.get_or_insert(now);
        match now.saturating_sub(since) >= DARK_FOR {
            false => Dark::No,
            true if std::mem::replace(&mut self.told, true) => Dark::Stays,
            true => Dark::Begins,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn start(mode: StartMode) -> Start {
        Start::new(&StartConfig { mode, seconds: 5.0, ..StartConfig::default() })
    }

    fn ms(at: u64) -> Duration {
        Duration::from_millis(at)
    }

    #[test]
    fn one_press_is_one_visit_with_time_to_read_the_answer() {
        let mut s = start(StartMode::Button);
        assert_eq!((s.phase(), s.look(false, ms(0))), (Phase::Waiting, Change::None));
        assert_eq!((s.look(true, ms(100)), s.phase()), (Change::Began, Phase::Watching));
        assert_eq!(s.look(false, ms(500)), Change::None);
        assert_eq!((s.decided(true, ms(1000)), s.phase()), (Change::Answered, Phase::Tail));
        assert_eq!(s.look(false, ms(3900)), Change::None);
        assert_eq!((s.look(false, ms(4000)), s.phase()), (Change::Ended, Phase::Waiting));
    }

    #[test]
    fn whoever_presses_while_the_answer_stands_is_next() {
        let mut s = start(StartMode::Button);
        s.look(true, ms(0));
        s.look(false, ms(100));
        s.decided(true, ms(1000));
        assert_eq!((s.look(true, ms(1500)), s.phase()), (Change::Began, Phase::Watching));
    }

    #[test]
    fn a_button_that_is_held_down_starts_one_visit() {
        let mut s = start(StartMode::Button);
        s.look(true, ms(0));
        s.decided(false, ms(500));
        for at in 6..200 {
            assert_eq!(s.look(true, ms(at * 100)), Change::None);
        }
        assert_eq!(s.phase(), Phase::Waiting);
    }

    #[test]
    fn visits_follow_each_other_while_a_sensor_sees_somebody() {
        let mut s = start(StartMode::Sensor);
        for at in 0..300 {
            s.look(true, ms(at * 100));
            s.decided(at % 20 == 0, ms(at * 100));
            assert_eq!(s.phase(), Phase::Watching);
        }
        s.decided(true, ms(34_800));
        assert_eq!((s.look(false, ms(34_900)), s.phase()), (Change::Answered, Phase::Tail));
        assert_eq!(s.look(false, ms(37_800)), Change::Ended);
    }

    #[test]
    fn a_camera_that_always_watches_needs_no_start() {
        let mut s = start(StartMode::Always);
        assert_eq!(
            (s.look(false, ms(0)), s.decided(true, ms(1)), s.phase()),
            (Change::None, Change::None, Phase::Watching)
        );
    }

    #[test]
    fn a_picture_is_dark_after_three_seconds_and_said_to_be_once() {
        let mut d = Darkness::default();
        let said: Vec<_> = (0..60).map(|k| d.look(true, ms(k * 100))).collect();
        assert_eq!(said.iter().position(|d| *d == Dark::Begins), Some(30));
        assert_eq!(said.iter().filter(|d| **d == Dark::Begins).count(), 1);
        assert_eq!((d.look(false, ms(6000)), d.look(true, ms(6100))), (Dark::No, Dark::No));
    }

    /// Steps of time in milliseconds, whether the line is active, and what was decided before the step.
    fn steps() -> impl Strategy<Value = Vec<(u64, bool, Option<bool>)>> {
        prop::collection::vec((0u64..900, any::<bool>(), prop::option::weighted(0.2, any::<bool>())), 1..200)
    }

    proptest! {
        #[test]
        fn nobody_is_judged_without_a_press_of_their_own(steps in steps()) {
            let mut s = start(StartMode::Button);
            let (mut now, mut was, mut presses, mut judged, mut watching_since) = (0, false, 0, 0, None);
            for (step, active, decision) in steps {
                // Only whoever is watched can be decided about.
                if let Some(answer) = decision.filter(|_| s.phase() == Phase::Watching) {
                    s.decided(answer, ms(now));
                    judged += 1;
                    prop_assert_ne!(s.phase(), Phase::Watching, "one press, one visit");
                }
                now += step;
                presses += usize::from(active && !was);
                was = active;
                match s.look(active, ms(now)) {
                    Change::Began => watching_since = Some(now),
                    Change::None | Change::Answered | Change::Ended => {}
                }
                prop_assert!(judged <= presses);
                if s.phase() == Phase::Watching {
                    let since = watching_since.unwrap();
                    prop_assert!(now - since < 5000, "no decision makes a window longer");
                }
            }
            // Left alone, it waits in the end.
            for _ in 0..2 {
                now += 5000;
                s.look(was, ms(now));
            }
            prop_assert_eq!(s.phase(), Phase::Waiting);
        }

        #[test]
        fn a_sensor_that_sees_nobody_for_the_window_ends_watching(steps in steps()) {
            let mut s = start(StartMode::Sensor);
            let (mut now, mut seen) = (0, None);
            for (step, active, decision) in steps {
                if let Some(answer) = decision {
                    s.decided(answer, ms(now));
                }
                now += step;
                s.look(active, ms(now));
                seen = if active { Some(now) } else { seen };
                let watching = s.phase() == Phase::Watching;
                prop_assert_eq!(watching, seen.is_some_and(|at| now - at < 5000));
            }
        }

        #[test]
        fn a_clock_that_goes_back_makes_no_window_longer(back in 0u64..10_000) {
            let mut s = start(StartMode::Button);
            s.look(true, ms(10_000));
            s.look(false, ms(10_000 - back.max(1)));
            prop_assert_eq!(s.phase(), Phase::Waiting);
        }
    }
}
