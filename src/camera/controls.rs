//! A camera's controls, by name: exposure, gain, white balance, power line frequency, focus. They are set at every opening,
//! because many cameras forget them when they are unplugged.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use v4l::{
    Device,
    control::{Control, Description, Flags, MenuItem, Type, Value},
};

/// A value in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wanted {
    /// On or off.
    Switch(bool),
    /// A number, or the number of a menu's entry.
    Number(i64),
    /// A menu's entry by its text.
    Entry(String),
}

/// Names and values of `[camera.controls]`.
pub type WantedControls = BTreeMap<String, Wanted>;

/// Why a control cannot be set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The driver library fails on what the camera says of its controls.
    #[error("the camera's controls cannot be read")]
    Unreadable,
    /// No such control.
    #[error("the camera has no control {name:?}; it has: {there}")]
    Unknown {
        /// Name asked for.
        name: String,
        /// Names there are.
        there: String,
    },
    /// The value is not one of the control's.
    #[error("control {name:?} is {found}, expected {expected}")]
    Value {
        /// The control.
        name: String,
        /// What was found.
        found: String,
        /// What would do.
        expected: String,
    },
    /// The driver refuses.
    #[error("control {name:?}: setting it to {value} failed: {detail}")]
    Refused {
        /// The control.
        name: String,
        /// The value.
        value: i64,
        /// What the system said.
        detail: String,
    },
}

/// A control of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Name as the configuration has it: small letters, digits and underscores.
    pub name: String,
    id: u32,
    range: Allowed,
    default: i64,
}

/// Which values a control takes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Switch,
    Numbers { least: i64, most: i64, step: i64 },
    Entries(Vec<(i64, String)>),
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch => f.write_str("true or false"),
            Self::Numbers { least, most, step: 0 | 1 } => write!(f, "{least} to {most}"),
            Self::Numbers { least, most, step } => write!(f, "{least} to {most} in steps of {step}"),
            Self::Entries(entries) => {
                let texts: Vec<_> = entries.iter().map(|(number, text)| format!("{number} ({text:?})")).collect();
                f.write_str(&texts.join(", "))
            }
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.range {
            Allowed::Switch => write!(f, "{} = {}   # {}", self.name, self.default != 0, self.range),
            _ => write!(f, "{} = {}   # {}", self.name, self.default, self.range),
        }
    }
}

impl Known {
    fn of(control: &Description) -> Option<Self> {
        if control.flags.intersects(Flags::DISABLED | Flags::READ_ONLY) {
            return None;
        }
        let entries =
            |items: &[(u32, MenuItem)]| items.iter().map(|(n, item)| (i64::from(*n), item.to_string())).collect();
        let range = match control.typ {
            Type::Boolean => Allowed::Switch,
            Type::Menu | Type::IntegerMenu => Allowed::Entries(entries(control.items.as_deref().unwrap_or_default())),
            Type::Integer | Type::Integer64 | Type::Bitmask => Allowed::Numbers {
                least: control.minimum,
                most: control.maximum,
                step: i64::try_from(control.step).unwrap_or(1),
            },
            _ => return None,
        };
        Some(Self { name: plain(&control.name), id: control.id, range, default: control.default })
    }

    /// Least, most and step, for a control that is a number.
    #[must_use]
    pub fn numbers(&self) -> Option<(i64, i64, i64)> {
        match self.range {
            Allowed::Numbers { least, most, step } => Some((least, most, step.max(1))),
            Allowed::Switch | Allowed::Entries(_) => None,
        }
    }

    /// The value with which the camera does not adjust by itself.
    #[must_use]
    pub fn manual(&self) -> Option<i64> {
        match &self.range {
            Allowed::Switch => Some(0),
            Allowed::Entries(entries) => {
                entries.iter().find(|(_, text)| plain(text).contains("manual")).map(|(value, _)| *value)
            }
            Allowed::Numbers { .. } => None,
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`ControlError::Unreadable`].
    pub fn get(&self, device: &Device) -> Result<i64, ControlError> {
        match device.control(self.id).map_err(|_| ControlError::Unreadable)?.value {
            Value::Integer(value) => Ok(value),
            Value::Boolean(on) => Ok(i64::from(on)),
            _ => Err(ControlError::Unreadable),
        }
    }

    /// Sets it.
    ///
    /// # Errors
    /// [`ControlError::Refused`].
    pub fn put(&self, device: &Device, value: i64) -> Result<(), ControlError> {
        let set = match self.range {
            Allowed::Switch => Value::Boolean(value != 0),
            _ => Value::Integer(value),
        };
        device.set_control(Control { id: self.id, value: set }).map_err(|e| ControlError::Refused {
            name: self.name.clone(),
            value,
            detail: e.to_string(),
        })
    }

    /// Switches and menus say whether the camera adjusts by itself: they come before the numbers that this locks.
    fn comes_first(&self) -> bool {
        !matches!(self.range, Allowed::Numbers { .. })
    }

    /// The driver's value for a wanted one.
    fn value(&self, wanted: &Wanted) -> Result<i64, ControlError> {
        let number = match (&self.range, wanted) {
            (Allowed::Switch, Wanted::Switch(on)) => Some(i64::from(*on)),
            (Allowed::Numbers { least, most, step }, Wanted::Number(n)) => {
                ((least..=most).contains(&n) && (n - least) % (*step).max(1) == 0).then_some(*n)
            }
            (Allowed::Entries(entries), Wanted::Number(n)) => entries.iter().map(|(k, _)| *k).find(|k| k == n),
            (Allowed::Entries(entries), Wanted::Entry(text)) => {
                entries.iter().find(|(_, entry)| plain(entry) == plain(text)).map(|(k, _)| *k)
            }
            _ => None,
        };
        number.ok_or_else(|| ControlError::Value {
            name: self.name.clone(),
            found: match wanted {
                Wanted::Switch(on) => on.to_string(),
                Wanted::Number(n) => n.to_string(),
                Wanted::Entry(text) => format!("{text:?}"),
            },
            expected: self.range.to_string(),
        })
    }
}

/// A name as `v4l2-ctl` writes it: small letters and digits, one underscore for everything between.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

/// The controls of a camera that can be set.
///
/// # Errors
/// [`ControlError::Unreadable`].
pub fn list(device: &Device) -> Result<Vec<Known>, ControlError> {
    // The `v4l` crate panics on kinds of controls that are newer than it.
    let described = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| device.query_controls()));
    let described = described.ok().and_then(Result::ok).ok_or(ControlError::Unreadable)?;
    Ok(described.iter().filter_map(Known::of).collect())
}

/// What is to be set, in the order in which it must be.
///
/// # Errors
/// [`ControlError`] for unknown names and values out of range.
fn plan(known: &[Known], wanted: &WantedControls) -> Result<Vec<(Known, i64)>, ControlError> {
    let mut steps = Vec::new();
    for (name, value) in wanted {
        let control =
            known.iter().find(|control| control.name == plain(name)).ok_or_else(|| ControlError::Unknown {
                name: name.clone(),
                there: known.iter().map(|control| control.name.as_str()).collect::<Vec<_>>().join(", "),
            })?;
        steps.push((control.clone(), control.value(value)?));
    }
    steps.sort_by_key(|(control, _)| !control.comes_first());
    Ok(steps)
}

/// Sets the wanted controls.
///
/// # Errors
/// [`ControlError`]: nothing is set if a name or value is wrong.
pub fn set(device: &Device, wanted: &WantedControls) -> Result<(), ControlError> {
    if wanted.is_empty() {
        return Ok(());
    }
    for (control, value) in plan(&list(device)?, wanted)? {
        control.put(device, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webcam() -> Vec<Known> {
        let known = |name: &str, id, range| Known { name: name.into(), id, range, default: 1 };
        vec![
            known(
                "auto_exposure",
                1,
                Allowed::Entries(vec![(1, "Manual Mode".into()), (3, "Aperture Priority Mode".into())]),
            ),
            known("exposure_time_absolute", 2, Allowed::Numbers { least: 3, most: 2047, step: 1 }),
            known("focus_absolute", 3, Allowed::Numbers { least: 0, most: 250, step: 5 }),
            known("focus_automatic_continuous", 4, Allowed::Switch),
        ]
    }

    fn wanted(pairs: &[(&str, Wanted)]) -> WantedControls {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn what_unlocks_a_number_is_set_before_it() {
        let steps = plan(
            &webcam(),
            &wanted(&[
                ("focus_absolute", Wanted::Number(35)),
                ("focus_automatic_continuous", Wanted::Switch(false)),
                ("exposure_time_absolute", Wanted::Number(100)),
                ("auto_exposure", Wanted::Entry("manual mode".into())),
            ]),
        );
        let order: Vec<_> = steps.unwrap().into_iter().map(|(control, value)| (control.id, value)).collect();
        assert_eq!(order, [(1, 1), (4, 0), (2, 100), (3, 35)]);
    }

    #[test]
    fn a_wrong_name_or_value_says_what_there_is() {
        let error = |name, value| plan(&webcam(), &wanted(&[(name, value)])).unwrap_err().to_string();
        assert!(error("exposure", Wanted::Number(1)).contains("exposure_time_absolute"));
        assert_eq!(
            error("focus_absolute", Wanted::Number(33)),
            "control \"focus_absolute\" is 33, expected 0 to 250 in steps of 5"
        );
        assert_eq!(
            error("auto_exposure", Wanted::Number(2)),
            "control \"auto_exposure\" is 2, expected 1 (\"Manual Mode\"), 3 (\"Aperture Priority Mode\")"
        );
        assert!(error("focus_automatic_continuous", Wanted::Number(1)).contains("true or false"));
    }

    #[test]
    fn names_are_those_of_v4l2_ctl() {
        assert_eq!(plain("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(plain("White Balance, Automatic"), "white_balance_automatic");
    }
}
