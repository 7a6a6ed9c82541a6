//! The lease: how long the door may be open, as a pure state machine. Time comes in from outside.
//!
//! `fail-secure`: the relay is energised while a lease runs. `fail-safe`: it is energised (locked) while none runs and the
//! gate shows that it lives; without a sign of life the lock lets go, as a door must that has to free people.

use std::time::Duration;

use crate::config::{Lock, RelayConfig};

/// Time without a sign of life after which a fail-safe lock lets go.
pub const LIFE_SIGN: Duration = Duration::from_secs(3);

/// The door has been open for so long that a whole opening does not fit before the configured longest time.
///
/// An opening for a fraction of a second would only slam the door into somebody's face: whoever is refused by this is
/// looked at again once the door has shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the door has been open for too long to be opened for a whole visit again; it must shut first")]
pub struct DoorLimit;

/// The state of the door.
#[derive(Clone, Debug)]
pub struct Lease {
    lock: Lock,
    open: Duration,
    longest: Duration,
    /// When the door was opened, and until when it stays so.
    running: Option<(Duration, Duration)>,
    last_sign: Option<Duration>,
}

impl Lease {
    /// A closed door.
    #[must_use]
    pub fn new(config: &RelayConfig) -> Self {
        Self {
            lock: config.lock,
            open: Duration::from_secs_f32(config.open_seconds),
            longest: Duration::from_secs_f32(config.max_open_seconds),
            running: None,
            last_sign: None,
        }
    }

    /// Opens the door for the configured time, never for less; the moment until which it stays open. While it is open,
    /// another visit prolongs it, at most to the configured longest time since it was opened.
    ///
    /// # Errors
    /// [`DoorLimit`] if less than the configured time would be left; a running opening then stays as it is.
    pub fn grant(&mut self, now: Duration) -> Result<Duration, DoorLimit> {
        self.expire(now);
        let (began, before) = self.running.unwrap_or((now, now));
        let until = now + self.open;
        if until > began + self.longest {
            return Err(DoorLimit);
        }
        let until = until.max(before);
        self.running = Some((began, until));
        Ok(until)
    }

    /// Whether the door is open at `now`.
    pub fn is_open(&mut self, now: Duration) -> bool {
        self.expire(now);
        self.running.is_some()
    }

    /// Puts other times into force. An opening that runs keeps the time that it was given; the sign of life stays.
    pub fn change(&mut self, config: &RelayConfig) {
        let (running, last_sign) = (self.running, self.last_sign);
        *self = Self { running, last_sign, ..Self::new(config) };
    }

    /// Closes the door now.
    pub fn revoke(&mut self) {
        self.running = None;
    }

    /// Notes that the gate lives.
    pub fn sign_of_life(&mut self, now: Duration) {
        self.last_sign = Some(now);
    }

    /// Whether the relay is to be energised at `now`.
    pub fn energised(&mut self, now: Duration) -> bool {
        self.expire(now);
        match self.lock {
            Lock::FailSecure => self.running.is_some(),
            Lock::FailSafe => {
                self.running.is_none() && self.last_sign.is_some_and(|at| now.saturating_sub(at) < LIFE_SIGN)
            }
        }
    }

    /// How long the current state lasts at most, if nothing happens.
    #[must_use]
    pub fn until_change(&self, now: Duration) -> Option<Duration> {
        let lease = self.running.map(|(_, until)| until.saturating_sub(now));
        let life = match self.lock {
            Lock::FailSafe => self.last_sign.map(|at| (at + LIFE_SIGN).saturating_sub(now)).filter(|d| !d.is_zero()),
            Lock::FailSecure => None,
        };
        lease.into_iter().chain(life).min()
    }

    fn expire(&mut self, now: Duration) {
        // A clock that went back before the opening is no clock to hold a door open by.
        if self.running.is_some_and(|(began, until)| now >= until || now < began) {
            self.running = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lease(lock: Lock) -> Lease {
        Lease::new(&RelayConfig { lock, open_seconds: 3.0, max_open_seconds: 5.0, ..RelayConfig::default() })
    }

    fn s(seconds: f32) -> Duration {
        Duration::from_secs_f32(seconds)
    }

    #[test]
    fn the_door_opens_for_its_time_and_no_longer() {
        let mut l = lease(Lock::FailSecure);
        assert!(!l.energised(s(0.9)));
        l.grant(s(1.0)).unwrap();
        assert!(l.energised(s(1.0)) && l.energised(s(3.9)));
        assert!(!l.energised(s(4.0)));
    }

    #[test]
    fn visits_that_follow_each_other_prolong_at_most_to_the_maximum() {
        let mut l = lease(Lock::FailSecure);
        for k in 0..20 {
            l.grant(s(1.0 + k as f32 * 0.1)).unwrap();
        }
        assert_eq!(l.grant(s(3.1)), Err(DoorLimit), "1.9 s after the opening, 3 s do not fit into 5 s any more");
        assert!(l.energised(s(5.8)));
        assert!(!l.energised(s(5.91)));
        assert_eq!(l.grant(s(5.95)), Ok(s(5.95) + s(3.0)), "shut, it may open again");
    }

    #[test]
    fn other_times_leave_a_running_opening_as_it_is() {
        let mut l = lease(Lock::FailSecure);
        l.grant(s(1.0)).unwrap();
        l.change(&RelayConfig { open_seconds: 20.0, max_open_seconds: 20.0, ..RelayConfig::default() });
        assert!(l.energised(s(3.9)));
        assert!(!l.energised(s(4.0)));
    }

    #[test]
    fn a_fail_safe_lock_holds_only_while_the_gate_lives() {
        let mut l = lease(Lock::FailSafe);
        assert!(!l.energised(s(0.0)));
        l.sign_of_life(s(1.0));
        assert!(l.energised(s(1.5)));
        l.grant(s(2.0)).unwrap();
        assert!(!l.energised(s(2.5)));
        l.sign_of_life(s(5.0));
        assert!(l.energised(s(5.5)));
        assert!(!l.energised(s(8.1)));
    }

    proptest! {
        #[test]
        fn whatever_is_granted_the_door_is_shut_after_the_longest_time(grants in prop::collection::vec(0.0f32..100.0, 1..60)) {
            let mut l = lease(Lock::FailSecure);
            let mut grants = grants;
            grants.sort_by(f32::total_cmp);
            let mut opened: Option<Duration> = None;
            for at in grants.into_iter().map(s) {
                if !l.is_open(at) {
                    opened = None;
                }
                if let Ok(until) = l.grant(at) {
                    let began = *opened.get_or_insert(at);
                    prop_assert!(until <= began + s(5.0));
                    prop_assert!(!l.clone().energised(until));
                }
            }
        }

        #[test]
        fn what_is_granted_is_a_whole_opening(grants in prop::collection::vec(0.0f32..30.0, 1..60)) {
            let mut l = lease(Lock::FailSecure);
            let mut grants = grants;
            grants.sort_by(f32::total_cmp);
            for at in grants.into_iter().map(s) {
                if l.grant(at).is_ok() {
                    prop_assert!(l.clone().energised(at + s(2.999)));
                } else {
                    prop_assert!(l.is_open(at), "a door that is shut is never refused");
                }
            }
        }
    }
}
