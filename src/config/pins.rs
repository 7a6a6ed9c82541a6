//! Pins that cannot be: one line for two purposes, or a line that the panel's SPI bus drives.
//!
//! A line is a chip and a number: equal numbers on different chips are different lines. Which lines a chip has is only known
//! when it is opened; [`crate::gpio::line`] says it then.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    door_unit::{OutputConfig, SIMULATED_CHIP},
    error::Fault,
    tree::{Config, DEFAULT_CHIP, DisplayDriver, RelayDriver, StartMode},
};

/// A GPIO chip, as far as a configuration tells.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Chip<'a> {
    /// That of a Raspberry Pi's 40-pin header, whatever the model: there is one.
    Header,
    /// One named by its label.
    Label(&'a str),
    /// One named by a path, whose number says little.
    Path(&'a str),
}

impl<'a> Chip<'a> {
    fn of(name: &'a str) -> Self {
        if name == crate::gpio::AUTO || name.starts_with("pinctrl-bcm") || name.ends_with("rp1") {
            Self::Header
        } else if name.starts_with('/') {
            Self::Path(name)
        } else {
            Self::Label(name)
        }
    }

    /// Whether both can be one chip. The driver `rppal` does not ask the kernel, so that nobody else would notice.
    fn may_be(self, other: Self) -> bool {
        self == other || matches!((self, other), (Self::Header, Self::Path(_)) | (Self::Path(_), Self::Header))
    }
}

/// A line in use.
#[derive(Clone, Copy, Debug)]
struct Use<'a> {
    key: &'static str,
    chip: Chip<'a>,
    number: u32,
}

/// The lines in use, the door's first: a clash is told at the key that came later.
fn uses<'a>(config: &'a Config, outputs: &'a [(&'static str, OutputConfig)]) -> Vec<Use<'a>> {
    let (relay, display, start) = (&config.relay, &config.display, &config.start);
    let mut uses = Vec::new();
    match relay.driver {
        RelayDriver::Rppal => uses.push(Use { key: "relay.pin", chip: Chip::Header, number: relay.pin }),
        RelayDriver::Cdev => uses.push(Use { key: "relay.pin", chip: Chip::of(&relay.chip), number: relay.pin }),
        RelayDriver::Simulated => {}
    }
    if display.driver != DisplayDriver::None {
        let chip = Chip::of(&display.chip);
        uses.push(Use { key: "display.dc_line", chip, number: display.dc_line });
        uses.extend(display.reset_line.map(|number| Use { key: "display.reset_line", chip, number }));
        uses.extend(display.backlight_line.map(|number| Use { key: "display.backlight_line", chip, number }));
    }
    if start.mode != StartMode::Always {
        uses.push(Use { key: "start.line", chip: Chip::of(&start.chip), number: start.line });
    }
    let inputs = config.inputs.lines().into_iter();
    uses.extend(inputs.map(|(key, input)| Use { key, chip: Chip::of(&input.chip), number: input.line }));
    uses.extend(outputs.iter().map(|(key, output)| Use { key, chip: Chip::of(&output.chip), number: output.line }));
    uses
}

/// A line in use, as a gate tells others of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The key that names it.
    pub key: String,
    /// The chip; that of the header for the driver `rppal`.
    pub chip: String,
    /// The line.
    pub line: u32,
}

impl Held {
    /// Whether it is a file of the run-time directory.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.chip == SIMULATED_CHIP
    }

    /// Whether both can be one line. Some drivers do not ask the kernel, so that nobody else would notice.
    #[must_use]
    pub fn may_be(&self, other: &Self) -> bool {
        self.line == other.line && Chip::of(&self.chip).may_be(Chip::of(&other.chip))
    }
}

/// Every line of a configuration; those that are files, too, which other gates of the same run-time directory have as well.
#[must_use]
pub fn held(config: &Config) -> Vec<Held> {
    let (relay, display, start) = (&config.relay, &config.display, &config.start);
    let mut held = Vec::new();
    let mut hold = |key: &str, chip: &str, line: u32| held.push(Held { key: key.into(), chip: chip.into(), line });
    match relay.driver {
        RelayDriver::Rppal => hold("relay.pin", DEFAULT_CHIP, relay.pin),
        RelayDriver::Cdev => hold("relay.pin", &relay.chip, relay.pin),
        RelayDriver::Simulated => {}
    }
    if display.driver != DisplayDriver::None {
        hold("display.dc_line", &display.chip, display.dc_line);
        if let Some(line) = display.reset_line {
            hold("display.reset_line", &display.chip, line);
        }
        if let Some(line) = display.backlight_line {
            hold("display.backlight_line", &display.chip, line);
        }
    }
    if start.mode != StartMode::Always {
        hold("start.line", &start.chip, start.line);
    }
    for (key, input) in config.inputs.lines() {
        hold(key, &input.chip, input.line);
    }
    for (key, output) in config.outputs.lines() {
        hold(key, &output.chip, output.line);
    }
    held
}

/// What a line of the header is on an SPI bus.
#[derive(Clone, Copy, Debug, PartialEq)]
enum SpiRole {
    Clock,
    Out,
    In,
    Select(u32),
}

/// The lines of the buses of a Raspberry Pi that every model has: `dtparam=spi=on` and `dtoverlay=spi1-...`.
const SPI: [(u32, &[(u32, SpiRole)]); 2] = [
    (
        0,
        &[(11, SpiRole::Clock), (10, SpiRole::Out), (9, SpiRole::In), (8, SpiRole::Select(0)), (7, SpiRole::Select(1))],
    ),
    (
        1,
        &[
            (21, SpiRole::Clock),
            (20, SpiRole::Out),
            (19, SpiRole::In),
            (18, SpiRole::Select(0)),
            (17, SpiRole::Select(1)),
            (16, SpiRole::Select(2)),
        ],
    ),
];

/// Bus and chip select of a name such as `/dev/spidev0.1`.
fn spidev(path: &Path) -> Option<(u32, u32)> {
    let (bus, select) = path.file_name()?.to_str()?.strip_prefix("spidev")?.split_once('.')?;
    Some((bus.parse().ok()?, select.parse().ok()?))
}

/// What is wrong with the pins.
pub(super) fn faults(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let outputs = config.outputs.lines();
    let uses = uses(config, &outputs);
    if config.relay.driver == RelayDriver::Rppal && config.relay.pin > 27 {
        faults.push(Fault::new("relay.pin", config.relay.pin, "a BCM number, 0 to 27"));
    }
    for (k, later) in uses.iter().enumerate() {
        if let Some(earlier) = uses[..k].iter().find(|u| u.number == later.number && u.chip.may_be(later.chip)) {
            let hint =
                if earlier.chip == later.chip { "" } else { " (name the chip by its label if it is another one)" };
            faults.push(Fault::new(later.key, later.number, &format!("another line than `{}`{hint}", earlier.key)));
        }
    }
    let Some((bus, select)) = spidev(&config.display.spi).filter(|_| config.display.driver != DisplayDriver::None)
    else {
        return faults;
    };
    let lines = SPI.iter().find(|(number, _)| *number == bus).map_or(&[][..], |(_, lines)| lines);
    for used in uses.iter().filter(|u| u.chip.may_be(Chip::Header)) {
        let Some((_, role)) = lines.iter().find(|(number, _)| *number == used.number) else { continue };
        // The kernel drives every chip select of a bus, and from boot on: a relay there would open the door. A panel is
        // never read from, so boards do use its MISO for data/command, and the select that is not its own.
        let free =
            used.key != "relay.pin" && (*role == SpiRole::In || matches!(role, SpiRole::Select(s) if *s != select));
        if !free {
            let all: Vec<String> = lines.iter().map(|(number, _)| number.to_string()).collect();
            let expected = format!(
                "a line that is not on the panel's bus {} (BCM {})",
                config.display.spi.display(),
                all.join(", ")
            );
            faults.push(Fault::new(used.key, used.number, &expected));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use crate::config::parsed::{accepted, error};

    #[test]
    fn the_relay_and_the_display_cannot_share_a_pin() {
        let message = error("[relay]\npin = 25\n[display]\ndriver = \"st7789\"\n");
        assert!(message.contains("`display.dc_line` is 25, expected another line than `relay.pin`"), "{message}");
        assert!(
            error("[relay]\npin = 22\n[display]\ndriver = \"st7789\"\nreset_line = 22\n")
                .contains("display.reset_line")
        );
    }

    #[test]
    fn a_line_for_two_purposes_is_refused_whichever_they_are() {
        let display = "[display]\ndriver = \"ili9341\"\ndc_line = 25\nreset_line = 24\n";
        assert!(
            error("[display]\ndriver = \"st7789\"\ndc_line = 24\nreset_line = 24\n")
                .contains("`display.reset_line` is 24")
        );
        for (line, key) in [(25, "`display.dc_line`"), (24, "`display.reset_line`"), (17, "`relay.pin`")] {
            let message = error(&format!("{display}[start]\nmode = \"button\"\nline = {line}\n"));
            assert!(message.contains("`start.line`") && message.contains(key), "{message}");
        }
    }

    #[test]
    fn equal_numbers_on_different_chips_are_different_lines() {
        let expander = "[relay]\ndriver = \"cdev\"\nchip = \"pca9535\"\npin = 25\n";
        assert!(accepted(&format!("{expander}[display]\ndriver = \"st7789\"\n")));
        assert!(accepted(&format!("{expander}[start]\nmode = \"sensor\"\nline = 25\n")));
        assert!(accepted("[relay]\npin = 5\n[start]\nmode = \"button\"\nchip = \"pca9535\"\nline = 5\n"));
        assert!(
            error(&format!("{expander}[start]\nmode = \"sensor\"\nline = 25\nchip = \"pca9535\"\n"))
                .contains("start.line")
        );
        assert!(error("[relay]\npin = 5\n[start]\nmode = \"button\"\nline = 5\n").contains("start.line"), "auto");
        assert!(
            error("[display]\ndriver = \"st7789\"\nbacklight_line = 17\n").contains("`display.backlight_line` is 17")
        );
        // The header is one chip, whatever this model calls it and whoever drives it.
        assert!(
            error("[relay]\npin = 5\n[start]\nmode = \"button\"\nchip = \"pinctrl-rp1\"\nline = 5\n")
                .contains("start.line")
        );
        assert!(
            error("[relay]\npin = 5\n[start]\nmode = \"button\"\nchip = \"/dev/gpiochip0\"\nline = 5\n")
                .contains("label")
        );
    }

    #[test]
    fn a_relay_on_the_bus_of_the_panel_is_refused() {
        for (spi, pins) in [("/dev/spidev0.0", 7..=11), ("/dev/spidev0.1", 7..=11), ("/dev/spidev1.0", 16..=21)] {
            for pin in pins {
                let text = format!("[relay]\npin = {pin}\n[display]\ndriver = \"st7789\"\nspi = {spi:?}\n");
                let message = error(&text);
                assert!(message.contains("line 2: `relay.pin`") && message.contains(spi), "{message}");
            }
        }
        assert!(accepted("[relay]\npin = 10\n"), "no panel, no bus");
        assert!(accepted("[relay]\npin = 20\n[display]\ndriver = \"st7789\"\n"), "the other bus");
        let other = "[relay]\ndriver = \"cdev\"\nchip = \"gpio-sunxi\"\npin = 10\n[display]\ndriver = \"st7789\"\nchip = \"gpio-sunxi\"\n";
        assert!(accepted(other), "another board has its buses elsewhere");
        let cdev = "[relay]\ndriver = \"cdev\"\nchip = \"pinctrl-bcm2711\"\npin = 10\n[display]\ndriver = \"st7789\"\n";
        assert!(error(cdev).contains("relay.pin"));
    }

    #[test]
    fn a_panel_may_use_what_its_bus_leaves_free() {
        let panel = |dc: u32, spi: &str| format!("[display]\ndriver = \"st7789\"\ndc_line = {dc}\nspi = {spi:?}\n");
        assert!(accepted(&panel(9, "/dev/spidev0.1")), "data/command on MISO, as some boards have it");
        for dc in [7, 10, 11] {
            assert!(error(&panel(dc, "/dev/spidev0.1")).contains("display.dc_line"));
        }
    }
}
