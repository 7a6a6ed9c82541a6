//! `[inputs]` and `[outputs]`: the lines of a door unit, each off until it stands in the file, and what no single value of
//! them shows. What values may be is said in [`super::table`].

use serde::{Deserialize, Serialize};

use super::{
    error::Fault,
    tree::{Config, DEFAULT_CHIP, Level, RelayDriver},
};
use crate::door_unit::wiegand::Frame;

/// The chip of lines that are files: for tests and demonstrations, and only with a simulated relay.
pub const SIMULATED_CHIP: &str = "simulated";

/// `[inputs]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputsConfig {
    /// Button or key switch of the staff: opens after an ID check.
    pub staff: Option<InputConfig>,
    /// When staff may open.
    pub staff_when: StaffWhen,
    /// Seconds after a `Refer` or `Deny` in which staff may open.
    pub staff_seconds: f32,
    /// Button on the inside: the free way out.
    pub exit: Option<InputConfig>,
    /// Contact of the leaf, active while it is shut.
    pub contact: Option<InputConfig>,
    /// Seconds after which a leaf that stays open raises an alarm.
    pub held_open_seconds: f32,
    /// Sensor of a turnstile, active for a moment with each person.
    pub rotation: Option<InputConfig>,
    /// Contact of the unit's cover, active while it is on.
    pub tamper: Option<InputConfig>,
}

impl Default for InputsConfig {
    fn default() -> Self {
        Self {
            staff: None,
            staff_when: StaffWhen::Referred,
            staff_seconds: 60.0,
            exit: None,
            contact: None,
            held_open_seconds: 20.0,
            rotation: None,
            tamper: None,
        }
    }
}

/// When staff may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StaffWhen {
    /// Once for each visitor who was referred or denied, for some time after it.
    Referred,
    /// At any time.
    Always,
}

/// A line that is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    /// Line of the chip.
    pub line: u32,
    /// Label of the GPIO chip.
    #[serde(default = "default_chip")]
    pub chip: String,
    /// Level that counts as active.
    #[serde(default = "low")]
    pub active: Level,
    /// What holds the line at its other level while the switch is open, or its wire broken.
    #[serde(default)]
    pub bias: Bias,
    /// Milliseconds for which a level must last to count.
    #[serde(default = "fifty")]
    pub debounce_ms: u32,
}

/// What holds a line that nothing drives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    /// The chip's own pull-up.
    #[default]
    PullUp,
    /// The chip's own pull-down.
    PullDown,
    /// A resistor on the board; the chip's own are off.
    External,
}

/// `[outputs]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputsConfig {
    /// Light for the face.
    pub lamp: Option<OutputConfig>,
    /// Buzzer with a tone of its own.
    pub buzzer: Option<OutputConfig>,
    /// Alarm.
    pub alarm: Option<OutputConfig>,
    /// What switches the alarm on.
    pub alarm_on: Vec<AlarmCause>,
    /// Wiegand to a controller.
    pub wiegand: Option<WiegandConfig>,
}

impl Default for OutputsConfig {
    fn default() -> Self {
        let alarm_on = vec![AlarmCause::Forced, AlarmCause::HeldOpen, AlarmCause::Tamper];
        Self { lamp: None, buzzer: None, alarm: None, alarm_on, wiegand: None }
    }
}

/// What can switch the alarm on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmCause {
    /// The leaf opened and nobody was let through.
    Forced,
    /// The leaf stays open.
    HeldOpen,
    /// The cover was opened.
    Tamper,
    /// The gate lets nobody in: camera, door or log are not in order.
    OutOfOrder,
}

/// A line that is driven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    /// Line of the chip.
    pub line: u32,
    /// Label of the GPIO chip.
    #[serde(default = "default_chip")]
    pub chip: String,
    /// Level that switches on.
    #[serde(default = "high")]
    pub active: Level,
}

/// Wiegand to a controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WiegandConfig {
    /// Line of D0.
    pub d0_line: u32,
    /// Line of D1.
    pub d1_line: u32,
    /// Label of the GPIO chip of both.
    #[serde(default = "default_chip")]
    pub chip: String,
    /// Level that makes a pulse: `high` through a transistor that pulls D0 or D1 down.
    #[serde(default = "high")]
    pub active: Level,
    /// Bits of a frame: 26 or 34.
    #[serde(default = "twenty_six")]
    pub bits: u32,
    /// Facility code.
    pub facility: u32,
    /// Card number that every opening sends.
    pub card: u32,
}

impl WiegandConfig {
    /// The two lines: D0, D1.
    #[must_use]
    pub fn lines(&self) -> [OutputConfig; 2] {
        [self.d0_line, self.d1_line].map(|line| OutputConfig { line, chip: self.chip.clone(), active: self.active })
    }
}

fn default_chip() -> String {
    DEFAULT_CHIP.into()
}

fn low() -> Level {
    Level::Low
}

fn high() -> Level {
    Level::High
}

fn fifty() -> u32 {
    50
}

fn twenty_six() -> u32 {
    26
}

impl InputsConfig {
    /// The configured lines, with their keys.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, &InputConfig)> {
        [
            ("inputs.staff", &self.staff),
            ("inputs.exit", &self.exit),
            ("inputs.contact", &self.contact),
            ("inputs.rotation", &self.rotation),
            ("inputs.tamper", &self.tamper),
        ]
        .into_iter()
        .filter_map(|(key, line)| Some((key, line.as_ref()?)))
        .collect()
    }
}

impl OutputsConfig {
    /// The configured lines, with their keys; those of Wiegand among them.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, OutputConfig)> {
        let single = [("outputs.lamp", &self.lamp), ("outputs.buzzer", &self.buzzer), ("outputs.alarm", &self.alarm)];
        let single = single.into_iter().filter_map(|(key, line)| Some((key, line.clone()?)));
        let keys = ["outputs.wiegand.d0_line", "outputs.wiegand.d1_line"];
        let pair = self.wiegand.iter().flat_map(|wiegand| keys.into_iter().zip(wiegand.lines()));
        single.chain(pair).collect()
    }

    /// Whether another configuration has the same lines and numbers, so that the gate can go on with them.
    #[must_use]
    pub fn same_lines(&self, other: &Self) -> bool {
        let own = |c: &Self| Self { alarm_on: Vec::new(), ..c.clone() };
        own(self) == own(other)
    }
}

/// What is wrong between the values.
pub(super) fn faults(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let inputs = config.inputs.lines();
    for (key, input) in &inputs {
        let (wrong, word, right) = match input.active {
            Level::Low => (Bias::PullDown, "\"pull-down\"", "\"pull-up\" or \"external\" with active = \"low\""),
            Level::High => (Bias::PullUp, "\"pull-up\"", "\"pull-down\" or \"external\" with active = \"high\""),
        };
        if input.bias == wrong {
            let expected = format!("{right}: a broken wire must read inactive");
            faults.push(Fault::new(&format!("{key}.bias"), word, &expected));
        }
    }
    let outputs = config.outputs.lines();
    let chips = inputs.iter().map(|(key, line)| (*key, &line.chip)).chain(outputs.iter().map(|(k, l)| (*k, &l.chip)));
    for (key, _) in chips.filter(|(_, chip)| *chip == SIMULATED_CHIP) {
        if config.relay.driver != RelayDriver::Simulated {
            let table = key.split('.').take(2).collect::<Vec<_>>().join(".");
            let expected = "the label of a GPIO chip: lines are simulated only where `relay.driver` is";
            faults.push(Fault::new(&format!("{table}.chip"), format!("{SIMULATED_CHIP:?}"), expected));
        }
    }
    faults.extend(config.outputs.wiegand.as_ref().and_then(wiegand));
    faults
}

fn wiegand(config: &WiegandConfig) -> Option<Fault> {
    let (facility, card) = (config.facility, config.card);
    let most = if config.bits == 26 { 255 } else { 65_535 };
    if facility > most {
        let expected = format!("0 to {most}, which {} bits have room for", config.bits);
        return Some(Fault::new("outputs.wiegand.facility", facility, &expected));
    }
    let usable = |card: u32| Frame::new(config.bits, facility, card).is_some_and(|f| !f.beginning_counts_as_26());
    if usable(card) {
        return None;
    }
    let next = (card..=65_535).chain(0..card).find(|card| usable(*card));
    let expected = match next {
        Some(next) => format!(
            "another number, such as {next}: the beginning of this frame of {} bits would count as one of 26 bits",
            config.bits
        ),
        None => "another `facility`".into(),
    };
    Some(Fault::new("outputs.wiegand.card", card, &expected))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{
        Config,
        parsed::{accepted, error},
    };

    #[test]
    fn every_line_of_a_door_unit_is_off_until_it_stands_in_the_file() {
        let config = Config::default();
        assert!(config.inputs.lines().is_empty() && config.outputs.lines().is_empty());
    }

    #[test]
    fn a_bias_with_which_a_broken_wire_would_be_a_press_is_refused_with_its_line() {
        for key in ["staff", "exit", "contact", "rotation", "tamper"] {
            let message = error(&format!("[inputs]\n{key} = {{ line = 5, bias = \"pull-down\" }}\n"));
            let expected = format!("line 2: `inputs.{key}.bias` is \"pull-down\", expected \"pull-up\"");
            assert!(message.contains(&expected), "{message}");
            assert!(error(&format!("[inputs.{key}]\nline = 5\nactive = \"high\"\n")).contains("broken wire"));
            assert!(accepted(&format!("[inputs.{key}]\nline = 5\nactive = \"high\"\nbias = \"pull-down\"\n")));
            assert!(accepted(&format!("[inputs.{key}]\nline = 5\nbias = \"external\"\n")));
        }
    }

    #[test]
    fn a_simulated_line_beside_a_real_relay_is_refused() {
        let line = "[inputs]\nstaff = { line = 5, chip = \"simulated\" }\n";
        assert!(error(line).contains("line 2: `inputs.staff.chip` is \"simulated\", expected the label"));
        assert!(accepted(&format!("[relay]\ndriver = \"simulated\"\n{line}")));
        let wiegand = "[outputs.wiegand]\nd0_line = 5\nd1_line = 6\nchip = \"simulated\"\nfacility = 1\ncard = 2\n";
        assert!(error(wiegand).contains("line 4: `outputs.wiegand.chip`"));
    }

    #[test]
    fn a_key_within_a_line_is_checked_as_any_other() {
        assert!(error("[inputs]\nstaff = { line = 512 }\n").contains("`inputs.staff.line` is 512, expected 0 to 511"));
        assert!(error("[inputs.exit]\nline = 5\ndebounce_ms = 2\n").contains("line 3: `inputs.exit.debounce_ms` is 2"));
        assert!(error("[inputs]\nstaff = { lines = 5 }\n").contains("`lines`"));
        assert!(error("[inputs]\n\nstaff = { active = \"low\" }\n").contains("line 3: `inputs.staff` lacks `line`"));
        assert!(error("[outputs]\nlamp = { line = 600 }\n").contains("outputs.lamp.line"));
    }

    #[test]
    fn one_line_for_two_purposes_is_refused_among_inputs_and_outputs_too() {
        for text in [
            "[inputs]\nstaff = { line = 17 }\n",
            "[inputs]\nstaff = { line = 5 }\nexit = { line = 5 }\n",
            "[inputs]\nstaff = { line = 5 }\n[outputs]\nlamp = { line = 5 }\n",
            "[outputs]\nwiegand = { d0_line = 5, d1_line = 5, facility = 1, card = 1 }\n",
            "[start]\nmode = \"button\"\nline = 5\n[inputs]\nexit = { line = 5 }\n",
        ] {
            assert!(error(text).contains("expected another line than"), "{text}: {}", error(text));
        }
        assert!(accepted("[inputs]\nstaff = { line = 17, chip = \"pca9535\" }\n"));
    }

    #[test]
    fn a_number_that_its_frame_has_no_room_for_or_that_could_be_taken_for_another_is_refused() {
        let with = |bits: u32, facility: u32, card: u32| {
            format!(
                "[outputs]\nwiegand = {{ d0_line = 5, d1_line = 6, bits = {bits}, facility = {facility}, card = {card} }}\n"
            )
        };
        assert!(error(&with(26, 256, 1)).contains("`outputs.wiegand.facility` is 256, expected 0 to 255"));
        assert!(error(&with(26, 1, 65_536)).contains("`outputs.wiegand.card` is 65536, expected 0 to 65535"));
        assert!(error(&with(30, 1, 1)).contains("`outputs.wiegand.bits` is 30, expected 26 or 34"));
        let refused: Vec<String> = (0..200)
            .filter_map(|card| Config::parse(&with(34, 9, card), Path::new("a")).err())
            .map(|e| e.to_string())
            .collect();
        assert!(!refused.is_empty() && refused.len() < 100, "{}", refused.len());
        let said = refused[0].split("such as ").nth(1).unwrap();
        let next: u32 = said.split(':').next().unwrap().parse().unwrap();
        assert!(accepted(&with(34, 9, next)), "{}", refused[0]);
    }
}
