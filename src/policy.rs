//! The policy: when the evidence of a visit is enough. What its values may be stands in `config/table.rs`.

use serde::{Deserialize, Serialize};

use crate::{age::AgeEstimate, config::LivenessMode};
pub use crate::{
    decision::{Outcome, Reason},
    evidence::{Evidence, GoodView, Verdict},
    living::LivenessPolicy,
    measured::PolicyEvidence,
};

/// When to let people in. Made by `agegate calibrate`, or written by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The legal limit T in years.
    pub threshold_age: u8,
    /// Adults whose estimated age is below this are asked for ID all the same; T or more, in years.
    pub challenge_age: u8,
    /// The age that whoever is let in must surely have reached, T or more, in years: with a distance from T an error of the estimate
    /// costs less. Absent: T itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sure_age: Option<u8>,
    /// P(age >= `sure_age`) that a visit must reach for `Allow`.
    pub confidence: f32,
    /// P(age < T) from which on a visit ends in `Deny` instead of `Refer`. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_confidence: Option<f32>,
    /// Temperature at which P(age >= `sure_age`) is read off an estimate: above 1, small doubts count more; 1 changes nothing. `agegate calibrate` chooses it.
    #[serde(default = "one")]
    pub temperature: f32,
    /// Identity of the age model that this policy was made for. Another model: the gate does not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How sure of a living face an Allow must be. A policy in force asks for one if it has this: see [`Policy::in_force`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<LivenessPolicy>,
    /// What the policy rests on, as `agegate calibrate` found it. For the reader; the gate does not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<PolicyEvidence>,
}

fn one() -> f32 {
    1.0
}

/// A policy that ships with the embedded model. Each file has its measured figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShippedPolicy {
    /// Few minors get in, more adults show an ID.
    Strict,
    /// Between the two.
    #[default]
    Balanced,
    /// Few adults show an ID, more minors get in: where staff look on.
    Fast,
}

impl ShippedPolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Balanced, Self::Fast];

    fn text(self) -> &'static str {
        match self {
            Self::Strict => include_str!("../models/policy-strict.toml"),
            Self::Balanced => include_str!("../models/policy.toml"),
            Self::Fast => include_str!("../models/policy-fast.toml"),
        }
    }
}

impl std::fmt::Display for ShippedPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Strict => "strict",
            Self::Balanced => "balanced",
            Self::Fast => "fast",
        })
    }
}

impl Policy {
    /// The policy that ships with the embedded model and is in force unless another is named: made by `agegate calibrate` on
    /// its validation data.
    #[must_use]
    pub fn shipped() -> Self {
        Self::of(ShippedPolicy::default())
    }

    /// One of the policies that ship with the embedded model.
    ///
    /// # Panics
    /// Never in a build that passes its tests: the embedded files are checked by one.
    #[must_use]
    pub fn of(which: ShippedPolicy) -> Self {
        toml::from_str(which.text()).expect("the embedded policy is valid")
    }

    /// The age model this policy was made for, where that is another one than `loaded`.
    #[must_use]
    pub fn foreign_to(&self, loaded: &str) -> Option<&str> {
        self.model.as_deref().filter(|made_for| *made_for != loaded)
    }

    /// The policy as a gate of this mode puts it into force: without the question for a living face where none is asked, and
    /// never without it where one is. `None` if the policy does not say how sure of a living face it wants to be.
    #[must_use]
    pub fn in_force(self, mode: LivenessMode) -> Option<Self> {
        match mode {
            LivenessMode::Off => Some(Self { liveness: None, ..self }),
            LivenessMode::Passive | LivenessMode::Turn => self.liveness.is_some().then_some(self),
        }
    }

    /// A short identity for the log: the values that decide, hashed.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut text = format!(
            "{} {} {} {:?} {}",
            self.threshold_age, self.challenge_age, self.confidence, self.deny_confidence, self.temperature
        );
        if self.sure_age() > self.threshold_age {
            text += &format!(" sure {}", self.sure_age());
        }
        if let Some(l) = &self.liveness {
            text += &format!(" liveness {} {} {}", l.confidence, l.temperature, l.offset);
        }
        format!("T{}/C{}/{}", self.threshold_age, self.challenge_age, &blake3::hash(text.as_bytes()).to_hex()[..8])
    }

    /// The age that is asked for: never under the threshold age, whatever a policy says.
    #[must_use]
    pub fn sure_age(&self) -> u8 {
        self.sure_age.unwrap_or_default().max(self.threshold_age)
    }

    /// How sure an estimate is of the age that is asked for: P(age >= `sure_age`) at the policy's temperature, which `confidence` is
    /// compared with. P(age >= T) is at least as much.
    #[must_use]
    pub fn sureness(&self, estimate: &AgeEstimate) -> f32 {
        estimate.tempered(self.temperature).at_least(self.sure_age())
    }

    /// Whether an estimate is surely old enough. The estimate is the model's: only how sure it is goes by the temperature, which
    /// would lean the estimated age itself to the middle of all ages.
    #[must_use]
    pub fn surely_old_enough(&self, estimate: &AgeEstimate) -> bool {
        self.sureness(estimate) >= self.confidence && estimate.years() >= f32::from(self.challenge_age)
    }

    /// Whether an estimate is surely that of a minor, where the policy knows `Deny`.
    #[must_use]
    pub fn surely_minor(&self, estimate: &AgeEstimate) -> bool {
        let under_age = 1.0 - estimate.tempered(self.temperature).at_least(self.threshold_age);
        self.deny_confidence.is_some_and(|limit| under_age >= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_be_surely_older_than_the_limit_is_asked_of_whom_is_let_in_and_makes_nobody_a_minor() {
        let policy = Policy {
            sure_age: Some(21),
            confidence: 0.5,
            challenge_age: 18,
            deny_confidence: Some(0.6),
            temperature: 1.0,
            ..Policy::shipped()
        };
        let plain = Policy { sure_age: None, ..policy.clone() };
        let twenty = AgeEstimate::normal(19.9, 1.0);
        assert!(plain.surely_old_enough(&twenty) && !policy.surely_old_enough(&twenty));
        assert!(policy.sureness(&twenty) <= plain.sureness(&twenty));
        assert!(!policy.surely_minor(&twenty), "under 21 is not under age");
        assert_ne!(policy.identity(), plain.identity());
    }

    #[test]
    fn no_policy_asks_for_less_than_the_limit() {
        let younger = Policy { sure_age: Some(12), ..Policy::shipped() };
        assert_eq!(younger.sure_age(), younger.threshold_age);
    }

    #[test]
    fn the_temperature_makes_an_estimate_less_sure_and_nobody_older() {
        let policy = |temperature| Policy { temperature, ..Policy::shipped() };
        let seventeen = AgeEstimate::normal(17.0, 2.0);
        let (cold, hot) = (policy(1.0), policy(4.0));
        let forty = AgeEstimate::normal(40.0, 8.0);
        assert!(hot.sureness(&forty) < cold.sureness(&forty));
        // Read at the temperature, the tail up to a hundred years would make an adult of any age of him.
        let lenient = Policy { confidence: 0.01, challenge_age: 18, ..hot };
        assert!(seventeen.tempered(4.0).years() > seventeen.years());
        assert!(!lenient.surely_old_enough(&seventeen));
    }
}
