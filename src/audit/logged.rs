//! The proof that a decision was written: only the log can make it, and only out of the decision that it wrote.
//!
//! Whatever opens the door begins with one of these, so that no later change can open it for what is not in the log.

use std::time::Duration;

use super::{ActReason, AuditError, AuditLog, Event};
use crate::{
    clock::monotonic_now,
    door_unit::Request,
    policy::{Outcome, Reason},
    visit::Decision,
};

/// A decision that the medium has.
///
/// It cannot be copied, and nobody but the log can make one:
///
/// ```compile_fail
/// use std::time::Duration;
/// use agegate::{audit::Logged, policy::Outcome};
/// let forged = Logged { seq: 1, outcome: Outcome::Allow, captured: Duration::ZERO, synced: Duration::ZERO };
/// ```
///
/// ```compile_fail
/// use std::time::Duration;
/// use agegate::{audit::Logged, policy::Outcome};
/// let forged = Logged::new(1, Outcome::Allow, Duration::ZERO, Duration::ZERO);
/// ```
///
/// ```compile_fail
/// fn twice(logged: agegate::audit::Logged) -> [agegate::audit::Logged; 2] {
///     [logged.clone(), logged]
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Logged {
    seq: u64,
    outcome: Outcome,
    captured: Duration,
    synced: Duration,
}

impl Logged {
    pub(in crate::audit) fn new(seq: u64, outcome: Outcome, captured: Duration, synced: Duration) -> Self {
        Self { seq, outcome, captured, synced }
    }

    /// Number of the decision's record.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// What was decided.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Monotonic capture time of the frame that decided.
    #[must_use]
    pub fn captured(&self) -> Duration {
        self.captured
    }

    /// Monotonic time at which the medium had the record.
    #[must_use]
    pub fn synced(&self) -> Duration {
        self.synced
    }

    /// From the capture of the deciding frame to the moment at which the medium had the record.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.synced.saturating_sub(self.captured)
    }
}

/// By what a decision was made: the record names it.
#[derive(Clone, Debug)]
pub struct DecidedBy {
    /// Hash of the age model.
    pub age_model: String,
    /// Hash of the liveness model, where a living face is asked for.
    pub liveness_model: Option<String>,
    /// Identity of the policy.
    pub policy: String,
}

impl AuditLog {
    /// Writes a decision and waits until the medium has it.
    ///
    /// # Errors
    /// As [`AuditLog::append`]; the decision then must not be acted on, and there is nothing to act with.
    pub fn append_decision(&mut self, decision: &Decision, by: DecidedBy) -> Result<Logged, AuditError> {
        let seq = self.append(decision_event(decision, by, monotonic_now()))?;
        // Staff and the way out begin with a request: no visit opens in their name.
        let outcome = match decision.reason {
            Reason::Staff | Reason::Exit => Outcome::NoDecision,
            _ => decision.outcome,
        };
        Ok(Logged::new(seq, outcome, decision.decided, monotonic_now()))
    }

    /// Writes that somebody asked by an input and is let through, and waits until the medium has it. Only this makes an
    /// `Allow` of a request, and only a [`Request`], which a fresh press of a configured input alone makes, gets it:
    ///
    /// ```compile_fail
    /// fn unasked(log: &mut agegate::audit::AuditLog, by: agegate::audit::DecidedBy) {
    ///     let _ = log.append_request(agegate::door_unit::request::Who::Staff, by);
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`AuditLog::append`]; the request then must not be acted on, and there is nothing to act with.
    #[expect(clippy::needless_pass_by_value, reason = "one request, one opening")]
    pub fn append_request(&mut self, request: Request, by: DecidedBy) -> Result<Logged, AuditError> {
        let decision = Decision {
            outcome: Outcome::Allow,
            reason: request.who().reason(),
            band: None,
            confidence: None,
            liveness: None,
            frames: 0,
            attempt: 0,
            began: request.at(),
            decided: request.at(),
        };
        let seq = self.append(decision_event(&decision, by, monotonic_now()))?;
        Ok(Logged::new(seq, Outcome::Allow, request.at(), monotonic_now()))
    }
}

/// The log's record of a decision: rule 4 of the design says what may be in it.
fn decision_event(decision: &Decision, by: DecidedBy, now: Duration) -> Event {
    let hundredths = |p: f32| (p * 100.0).round() / 100.0;
    let short = |hash: &str| hash.chars().take(8).collect::<String>();
    Event::Decision {
        decision: decision.outcome,
        reason: decision.reason,
        band: decision.band,
        confidence: decision.confidence.map(hundredths),
        liveness: decision.liveness.map(hundredths),
        frames: decision.frames,
        attempt: decision.attempt,
        latency_ms: millis(now.saturating_sub(decision.decided)),
        model: short(&by.age_model),
        liveness_model: by.liveness_model.as_deref().map(short),
        policy: by.policy,
    }
}

/// What the door did, as a record.
#[must_use]
pub fn act_event(
    decision: u64,
    act: super::Act,
    reason: Option<ActReason>,
    detail: Option<String>,
    latency: Option<Duration>,
) -> Event {
    Event::Act { decision, act, reason, detail, latency_ms: latency.map(millis) }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{super::reader, *};
    use crate::config::LogConfig;

    fn by() -> DecidedBy {
        let liveness_model = Some("abcdef0123".into());
        DecidedBy { age_model: "0123456789".into(), liveness_model, policy: "p".into() }
    }

    #[test]
    fn what_was_written_and_what_is_proven_are_one_decision() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = AuditLog::open(&LogConfig { folder: folder.path().into(), ..LogConfig::default() }).unwrap();
        let captured = monotonic_now();
        for outcome in [Outcome::Refer, Outcome::Allow] {
            let decision = Decision {
                outcome,
                reason: Reason::OldEnough,
                band: None,
                confidence: Some(0.987),
                liveness: Some(0.912),
                frames: 5,
                attempt: 1,
                began: captured,
                decided: captured,
            };
            let logged = log.append_decision(&decision, by()).unwrap();
            assert_eq!((logged.outcome(), logged.captured()), (outcome, captured));
            assert!(logged.synced() >= captured);
            let mut last = None;
            reader::records(folder.path(), |record| last = Some(record)).unwrap();
            let last = last.unwrap();
            assert_eq!(last.seq, logged.seq());
            let Event::Decision { decision, model, liveness, liveness_model, .. } = last.event else {
                panic!("{last:?}")
            };
            assert_eq!((decision, model.as_str()), (outcome, "01234567"));
            assert_eq!((liveness, liveness_model.as_deref()), (Some(0.91), Some("abcdef01")));
        }
    }

    #[test]
    fn a_visit_that_calls_itself_a_request_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = AuditLog::open(&LogConfig { folder: folder.path().into(), ..LogConfig::default() }).unwrap();
        let captured = monotonic_now();
        for reason in [Reason::Staff, Reason::Exit] {
            let decision = Decision {
                outcome: Outcome::Allow,
                reason,
                band: None,
                confidence: None,
                liveness: None,
                frames: 0,
                attempt: 0,
                began: captured,
                decided: captured,
            };
            let by = DecidedBy { age_model: "0123456789".into(), liveness_model: None, policy: "p".into() };
            let logged = log.append_decision(&decision, by).unwrap();
            assert!(crate::relay::permit::Permit::from_logged(logged, monotonic_now()).is_err());
        }
    }

    #[test]
    fn every_reason_is_the_word_that_the_log_has() {
        for reason in ActReason::ALL {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("{:?}", reason.word()));
        }
    }
}
