//! The permit: what opens the door, made only from a fresh, logged `Allow`.

use std::time::Duration;

use crate::{audit::Logged, policy::Outcome};

/// Age of the deciding frame beyond which an `Allow` is not acted on: whoever stood there may be gone.
pub const MAX_AGE: Duration = Duration::from_secs(2);

/// The right to open the door once.
///
/// There is one way to get it, [`Permit::from_logged`], and it cannot be copied:
///
/// ```compile_fail
/// use std::time::Duration;
/// let forged = agegate::relay::permit::Permit { decision: 1, captured: Duration::ZERO };
/// ```
///
/// ```compile_fail
/// fn twice(permit: agegate::relay::permit::Permit) -> [agegate::relay::permit::Permit; 2] {
///     [permit.clone(), permit]
/// }
/// ```
///
/// The door takes nothing else, and takes it away:
///
/// ```
/// use agegate::relay::{door::Door, permit::Permit};
/// fn once(door: &mut dyn Door, permit: Permit) {
///     let _ = door.open(permit);
/// }
/// ```
///
/// ```compile_fail
/// use agegate::relay::{door::Door, permit::Permit};
/// fn twice(door: &mut dyn Door, permit: Permit) {
///     let _ = door.open(permit);
///     let _ = door.open(permit);
/// }
/// ```
///
/// ```compile_fail
/// use agegate::{audit::Logged, relay::door::Door};
/// fn stale(door: &mut dyn Door, logged: Logged) {
///     let _ = door.open(logged);
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    decision: u64,
    captured: Duration,
}

/// Why a logged decision opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was no `Allow`.
    #[error("the decision is {0}, and only Allow opens the door")]
    NoAllow(Outcome),
    /// The deciding frame is older than [`MAX_AGE`], or from a time that has not come.
    #[error("the deciding frame is {:.1} s away, and at most {} s are acted on", age.as_secs_f32(), MAX_AGE.as_secs())]
    TooOld {
        /// Its age.
        age: Duration,
    },
}

impl Permit {
    /// Turns the proof of a logged decision into the right to open, at monotonic time `now`.
    ///
    /// # Errors
    /// [`Refusal`] if the decision was no `Allow`, or its frame is not of the last two seconds. A `now` from before the
    /// record was written makes nothing younger.
    #[expect(clippy::needless_pass_by_value, reason = "one logged decision, one permit")]
    pub fn from_logged(logged: Logged, now: Duration) -> Result<Self, Refusal> {
        if logged.outcome() != Outcome::Allow {
            return Err(Refusal::NoAllow(logged.outcome()));
        }
        let now = now.max(logged.synced());
        let age = now.abs_diff(logged.captured());
        if age > MAX_AGE {
            return Err(Refusal::TooOld { age });
        }
        Ok(Self { decision: logged.seq(), captured: logged.captured() })
    }

    /// Number of the decision's record.
    #[must_use]
    pub fn decision(&self) -> u64 {
        self.decision
    }

    /// Monotonic time after which it is too late to open.
    #[must_use]
    pub fn expires(&self) -> Duration {
        self.captured + MAX_AGE
    }
}
