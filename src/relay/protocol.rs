//! What gate and keeper say to each other, a line each.
//!
//! ```text
//! gate   {"protocol":1,"relay":{...}}              everything that the keeper needs to know; it reads no file
//! keeper ready                                     the pin is held
//! gate   7 open 1234 88000000                      number of the order, of the decision, and the monotonic microsecond
//! keeper 7 ok                                        after which it is too late to open
//! keeper 7 refused door-limit
//! gate   8 alive         9 shut camera-lost        10 settings {...}
//! keeper 10 failed relay line 5 ...
//! keeper shut 1234 time-up                         unasked: the opening for this decision, and those before, ended
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::door::{Opening, Shut};
use crate::{audit::ActReason, config::RelayConfig};

/// Changes with every change of these lines. Gate and keeper are one program; another number means that they are not.
pub const PROTOCOL: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The relay.
    pub relay: RelayConfig,
}

/// What the gate asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Open for a decision, unless it is later than a monotonic time.
    Open {
        /// Number of the decision.
        decision: u64,
        /// After this it is too late.
        expires: Duration,
    },
    /// Shut now.
    Shut(ActReason),
    /// The gate lives.
    Alive,
    /// Other settings.
    Settings(Box<RelayConfig>),
}

/// What the keeper answers to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Ok,
    /// It must not be done.
    Refused(ActReason),
    /// It could not be done.
    Failed(String),
}

impl Answer {
    /// As the answer to `open`.
    ///
    /// # Errors
    /// Why it failed.
    pub fn opening(self) -> Result<Opening, String> {
        match self {
            Self::Ok => Ok(Opening::Opened),
            Self::Refused(why) => Ok(Opening::Refused(why)),
            Self::Failed(what) => Err(what),
        }
    }
}

/// What the keeper says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It holds the pin.
    Ready,
    /// It answers an order of this number.
    Answer(u64, Answer),
    /// An opening ended.
    Shut(Shut),
    /// It ends because of this.
    Failed(String),
}

impl Order {
    /// The line for an order of this number, without its end.
    #[must_use]
    pub fn line(&self, number: u64) -> String {
        match self {
            Self::Open { decision, expires } => format!("{number} open {decision} {}", expires.as_micros()),
            Self::Shut(why) => format!("{number} shut {why}"),
            Self::Alive => format!("{number} alive"),
            Self::Settings(relay) => format!("{number} settings {}", json(relay)),
        }
    }

    /// Number and order of a line.
    #[must_use]
    pub fn parse(line: &str) -> Option<(u64, Self)> {
        let (number, rest) = line.trim().split_once(' ')?;
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let order = match word {
            "open" => {
                let (decision, expires) = rest.split_once(' ')?;
                Self::Open { decision: decision.parse().ok()?, expires: Duration::from_micros(expires.parse().ok()?) }
            }
            "shut" => Self::Shut(reason(rest)?),
            "alive" => Self::Alive,
            "settings" => Self::Settings(serde_json::from_str(rest).ok()?),
            _ => return None,
        };
        Some((number.parse().ok()?, order))
    }
}

impl Said {
    /// The line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        let text = match self {
            Self::Ready => "ready".into(),
            Self::Answer(number, Answer::Ok) => format!("{number} ok"),
            Self::Answer(number, Answer::Refused(why)) => format!("{number} refused {why}"),
            Self::Answer(number, Answer::Failed(what)) => format!("{number} failed {what}"),
            Self::Shut(shut) => format!("shut {} {}", shut.decision, shut.why),
            Self::Failed(what) => format!("failed {what}"),
        };
        // One line whatever the system's message has in it.
        text.replace(['\n', '\r'], " ")
    }

    /// What a line says.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (first, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        Some(match first {
            "ready" => Self::Ready,
            "failed" => Self::Failed(rest.into()),
            "shut" => {
                let (decision, why) = rest.split_once(' ')?;
                Self::Shut(Shut { decision: decision.parse().ok()?, why: reason(why)? })
            }
            number => {
                let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let answer = match word {
                    "ok" => Answer::Ok,
                    "refused" => Answer::Refused(reason(rest)?),
                    "failed" => Answer::Failed(rest.into()),
                    _ => return None,
                };
                Self::Answer(number.parse().ok()?, answer)
            }
        })
    }
}

impl Settings {
    /// The settings of this program's protocol.
    #[must_use]
    pub fn new(relay: &RelayConfig) -> Self {
        Self { protocol: PROTOCOL, relay: relay.clone() }
    }

    /// The line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        json(self)
    }

    /// The settings of a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &str) -> Result<Self, String> {
        let settings: Self = serde_json::from_str(line.trim()).map_err(|e| {
            format!("the first line must be the settings as JSON, as `agegate run` sends them ({e}); this command is not for people")
        })?;
        if settings.protocol != PROTOCOL {
            return Err(format!(
                "the gate speaks protocol {}, this keeper speaks {PROTOCOL}: they are not of one version; restart the gate",
                settings.protocol
            ));
        }
        Ok(settings)
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("settings are plain numbers and names")
}

fn reason(word: &str) -> Option<ActReason> {
    ActReason::ALL.into_iter().find(|reason| reason.word() == word.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn orders() -> impl Strategy<Value = Order> {
        prop_oneof![
            (any::<u64>(), any::<u64>())
                .prop_map(|(decision, at)| Order::Open { decision, expires: Duration::from_micros(at) }),
            prop::sample::select(ActReason::ALL.to_vec()).prop_map(Order::Shut),
            Just(Order::Alive),
            (0u32..512, "[a-z \"\\\\\n]{0,20}").prop_map(|(pin, chip)| Order::Settings(Box::new(RelayConfig {
                pin,
                chip,
                ..RelayConfig::default()
            }))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_ordered_is_understood(number: u64, order in orders()) {
            let line = order.line(number);
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Order::parse(&line), Some((number, order)));
        }

        #[test]
        fn what_is_no_order_is_none(line in "\\PC*") {
            if let Some((number, order)) = Order::parse(&line) {
                prop_assert_eq!(Order::parse(&order.line(number)), Some((number, order)));
            }
        }
    }

    #[test]
    fn what_is_said_is_understood() {
        for said in [
            Said::Ready,
            Said::Answer(3, Answer::Ok),
            Said::Answer(3, Answer::Refused(ActReason::DoorLimit)),
            Said::Answer(3, Answer::Failed("no such line".into())),
            Said::Shut(Shut { decision: 9, why: ActReason::TimeUp }),
            Said::Failed("no pin".into()),
        ] {
            assert_eq!(Said::parse(&said.line()), Some(said));
        }
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let line = Settings { protocol: 99, relay: RelayConfig::default() }.line();
        assert!(Settings::parse(&line).unwrap_err().contains("protocol 99"));
        assert!(Settings::parse("open").unwrap_err().contains("not for people"));
    }
}
