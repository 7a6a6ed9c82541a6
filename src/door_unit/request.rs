//! The request: somebody asks to be let through, by a fresh press of a configured input, at a time at which they may. Pure.
//!
//! It is not a permit. The log writes it as an `Allow` of its own reason first ([`crate::audit::AuditLog::append_request`]),
//! and what the log gives for it is as fresh as any other decision, or opens nothing.

use std::time::Duration;

use crate::{
    config::{InputsConfig, StaffWhen},
    policy::Reason,
};

/// Who can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Staff, after an ID check.
    Staff,
    /// Somebody inside.
    Exit,
}

impl Who {
    /// The reason of the decision that follows.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Staff => Reason::Staff,
            Self::Exit => Reason::Exit,
        }
    }
}

/// A fresh press of a configured input: only the thread that reads the lines makes one.
///
/// ```compile_fail
/// use agegate::door_unit::request::{Press, Who};
/// let forged = Press { who: Who::Staff, at: std::time::Duration::ZERO };
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Press {
    who: Who,
    at: Duration,
}

impl Press {
    pub(in crate::door_unit) fn new(who: Who, at: Duration) -> Self {
        Self { who, at }
    }
}

/// Somebody asks, and may. It comes from a [`Press`] alone, and cannot be copied:
///
/// ```compile_fail
/// use agegate::door_unit::{request::Who, Request};
/// let forged = Request { who: Who::Staff, at: std::time::Duration::ZERO };
/// ```
///
/// ```compile_fail
/// fn twice(request: agegate::door_unit::Request) -> [agegate::door_unit::Request; 2] {
///     [request.clone(), request]
/// }
/// ```
///
/// Nor is it a permit:
///
/// ```compile_fail
/// use agegate::{door_unit::Request, relay::door::Door};
/// fn unlogged(door: &mut dyn Door, request: Request) {
///     let _ = door.open(request);
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Request {
    who: Who,
    at: Duration,
}

impl Request {
    /// Who asks.
    #[must_use]
    pub fn who(&self) -> Who {
        self.who
    }

    /// Monotonic time of the press.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.at
    }
}

/// Why staff may not open now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// Nobody was referred or denied, or that visitor was let in already.
    #[error("staff asked to open, and nobody waits for an ID check")]
    NobodyWaits,
    /// That was too long ago.
    #[error("staff asked to open {:.0} s after the last visitor was referred, and may for {:.0} s", ago.as_secs_f32(), within.as_secs_f32())]
    TooLate {
        /// How long ago.
        ago: Duration,
        /// How long staff may.
        within: Duration,
    },
}

/// When staff may open.
#[derive(Clone, Debug)]
pub struct StaffRule {
    when: StaffWhen,
    within: Duration,
    /// When the visitor was referred whom nobody has let in since.
    referred: Option<Duration>,
}

impl Default for StaffRule {
    fn default() -> Self {
        Self::new(&InputsConfig::default())
    }
}

impl StaffRule {
    /// Nobody was referred yet.
    #[must_use]
    pub fn new(config: &InputsConfig) -> Self {
        Self { when: config.staff_when, within: Duration::from_secs_f32(config.staff_seconds), referred: None }
    }

    /// Puts another rule into force; whoever waits, waits.
    pub fn change(&mut self, config: &InputsConfig) {
        *self = Self { referred: self.referred, ..Self::new(config) };
    }

    /// A visitor was referred or denied.
    pub fn referred(&mut self, at: Duration) {
        self.referred = Some(at);
    }

    /// Turns a press into a request, where it may be one. One visitor who was referred is one request.
    ///
    /// # Errors
    /// [`NotNow`]: staff, without anybody whose ID they can have checked.
    #[expect(clippy::needless_pass_by_value, reason = "one press, one request")]
    pub fn ask(&mut self, press: Press, now: Duration) -> Result<Request, NotNow> {
        let request = Request { who: press.who, at: press.at };
        if press.who == Who::Exit {
            return Ok(request);
        }
        let referred = self.referred.take();
        if self.when == StaffWhen::Always {
            return Ok(request);
        }
        // A visitor who is referred only after the press was not meant by it.
        let referred = referred.filter(|at| *at <= press.at).ok_or_else(|| {
            self.referred = referred;
            NotNow::NobodyWaits
        })?;
        let ago = now.max(press.at) - referred;
        match ago <= self.within {
            true => Ok(request),
            false => Err(NotNow::TooLate { ago, within: self.within }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(when: StaffWhen) -> StaffRule {
        StaffRule::new(&InputsConfig { staff_when: when, staff_seconds: 30.0, ..InputsConfig::default() })
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn staff(rule: &mut StaffRule, at: u64) -> Result<Request, NotNow> {
        rule.ask(Press::new(Who::Staff, s(at)), s(at))
    }

    #[test]
    fn staff_open_once_for_each_visitor_who_was_referred() {
        let mut r = rule(StaffWhen::Referred);
        assert_eq!(staff(&mut r, 10), Err(NotNow::NobodyWaits));
        r.referred(s(20));
        assert_eq!(staff(&mut r, 50).map(|r| (r.who(), r.at())), Ok((Who::Staff, s(50))));
        assert_eq!(staff(&mut r, 51), Err(NotNow::NobodyWaits));
    }

    #[test]
    fn staff_who_come_too_late_open_nothing() {
        let mut r = rule(StaffWhen::Referred);
        r.referred(s(20));
        assert_eq!(staff(&mut r, 51), Err(NotNow::TooLate { ago: s(31), within: s(30) }));
    }

    #[test]
    fn a_press_from_before_the_visitor_was_referred_is_not_for_them_and_takes_nothing_away() {
        let mut r = rule(StaffWhen::Referred);
        r.referred(s(20));
        assert_eq!(r.ask(Press::new(Who::Staff, s(19)), s(21)), Err(NotNow::NobodyWaits));
        assert!(staff(&mut r, 22).is_ok());
    }

    proptest! {
        #[test]
        fn never_more_openings_than_visitors_who_were_referred_and_each_within_its_time(
            steps in prop::collection::vec((any::<bool>(), 0u64..20_000), 1..100)
        ) {
            let (mut r, mut now, mut waiting) = (rule(StaffWhen::Referred), 1000, None::<u64>);
            for (referred, step) in steps {
                now += step;
                let at = Duration::from_millis(now);
                if referred {
                    r.referred(at);
                    waiting = Some(now);
                } else {
                    let opened = r.ask(Press::new(Who::Staff, at), at).is_ok();
                    prop_assert_eq!(opened, waiting.take().is_some_and(|since| now - since <= 30_000));
                }
            }
        }

        #[test]
        fn the_way_out_is_always_free(at in 0u64..100_000, referred in prop::option::of(0u64..100_000)) {
            for when in [StaffWhen::Referred, StaffWhen::Always] {
                let mut r = rule(when);
                if let Some(referred) = referred {
                    r.referred(Duration::from_millis(referred));
                }
                let at = Duration::from_millis(at);
                prop_assert_eq!(r.ask(Press::new(Who::Exit, at), at).map(|r| r.who()), Ok(Who::Exit));
                prop_assert_eq!(r.referred, referred.map(Duration::from_millis), "and takes nothing from staff");
            }
        }
    }
}
