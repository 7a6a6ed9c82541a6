//! Which wire goes where, for exactly the pins of a configuration: the 40-pin header of a Raspberry Pi.

use std::fmt::Write as _;

use crate::config::{Config, DisplayConfig, DisplayDriver, Level, RelayDriver, StartMode};

/// Pins of the header in the order of their BCM numbers, 0 to 27.
const HEADER: [u8; 28] =
    [27, 28, 3, 5, 7, 29, 31, 26, 24, 21, 19, 23, 32, 33, 8, 10, 36, 11, 12, 35, 38, 40, 15, 16, 18, 22, 37, 13];
/// Ground pins, of which any will do.
const GROUND: &str = "GND (pin 6, 9, 14, 20, 25, 30, 34 or 39)";
const SUPPLY: &str = "3.3 V (pin 1 or 17)";

/// A line as somebody with a wire in the hand finds it.
fn line(chip: &str, number: u32) -> String {
    let header = chip == crate::gpio::AUTO || crate::gpio::HEADER.contains(&chip);
    match HEADER.get(number as usize) {
        Some(pin) if header => format!("BCM {number} (pin {pin})"),
        _ => format!("line {number} of {chip:?}"),
    }
}

/// Part, its terminal, and where that goes: one row for each wire.
#[must_use]
pub fn wires(config: &Config) -> Vec<[String; 3]> {
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut wire = |part: &str, terminal: &str, to: String| rows.push([part.into(), terminal.into(), to]);
    let relay = &config.relay;
    if relay.driver != RelayDriver::Simulated {
        let chip = if relay.driver == RelayDriver::Rppal { crate::gpio::AUTO } else { relay.chip.as_str() };
        let input = line(chip, relay.pin);
        let (pull, rail) = if relay.active == Level::High { ("pull-down", GROUND) } else { ("pull-up", SUPPLY) };
        wire("relay board", "IN", input.clone());
        wire("relay board", "GND", GROUND.into());
        wire("relay board", "VCC", "its own supply, as the board says".into());
        wire(&format!("10 kOhm, {pull}"), "", format!("from {input} to {}", rail.split(" (").next().unwrap_or(rail)));
    }
    if config.start.mode != StartMode::Always {
        let name = if config.start.mode == StartMode::Button { "button" } else { "sensor" };
        let at = line(&config.start.chip, config.start.line);
        let (idle, other) = match config.start.active {
            Level::Low => ("3.3 V", GROUND),
            Level::High => ("GND", SUPPLY),
        };
        wire(name, "output", at.clone());
        if config.start.mode == StartMode::Button {
            wire(name, "other side", other.into());
            wire("10 kOhm", "", format!("from {at} to {idle}"));
        } else {
            wire(name, "GND", GROUND.into());
        }
    }
    let display = &config.display;
    if display.driver != DisplayDriver::None {
        let part = "display";
        let [clock, data, select] = bus(display);
        wire(part, "SCL, CLK", clock);
        wire(part, "SDA, MOSI, DIN", data);
        if display.spi_mode == 0 {
            wire(part, "CS", select);
        }
        wire(part, "DC, RS", line(&display.chip, display.dc_line));
        if let Some(reset) = display.reset_line {
            wire(part, "RES, RST", line(&display.chip, reset));
        }
        match display.backlight_line {
            Some(number) => wire(part, "BL, LED", line(&display.chip, number)),
            None => wire(part, "BL, LED", SUPPLY.into()),
        }
        wire(part, "VCC", SUPPLY.into());
        wire(part, "GND", GROUND.into());
    }
    rows
}

/// Clock, data and select of the panel's bus.
fn bus(display: &DisplayConfig) -> [String; 3] {
    let name = display.spi.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let at = |number| line(crate::gpio::AUTO, number);
    match name.as_str() {
        "spidev0.0" => [at(11), at(10), at(8)],
        "spidev0.1" => [at(11), at(10), at(7)],
        "spidev1.0" => [at(21), at(20), at(18)],
        "spidev1.1" => [at(21), at(20), at(17)],
        "spidev1.2" => [at(21), at(20), at(16)],
        _ => ["clock", "data out", "select"].map(|what| format!("{what} of {}", display.spi.display())),
    }
}

/// The rows as a table of text.
#[must_use]
pub fn table(config: &Config) -> String {
    let rows = wires(config);
    let width = |k: usize| rows.iter().map(|row| row[k].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let mut text = String::new();
    for [part, terminal, to] in &rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{part:<first$}  {terminal:<second$}  {to}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shown(text: &str) -> String {
        table(&Config::parse(text, Path::new("gate.toml")).unwrap())
    }

    #[test]
    fn every_bcm_number_has_a_pin_of_its_own() {
        let mut pins = HEADER.to_vec();
        pins.sort_unstable();
        pins.dedup();
        assert_eq!(pins.len(), 28);
        // The pins that are power and ground on every Raspberry Pi.
        assert!([1, 2, 4, 6, 9, 14, 17, 20, 25, 30, 34, 39].iter().all(|p| !pins.contains(p)));
        assert_eq!((HEADER[17], HEADER[27], HEADER[11], HEADER[10], HEADER[8]), (11, 13, 23, 19, 24));
    }

    #[test]
    fn the_wires_are_those_of_the_configuration() {
        let text = shown(
            "[relay]\npin = 5\nactive = \"low\"\n[start]\nmode = \"button\"\n[display]\ndriver = \"st7789\"\nspi = \"/dev/spidev0.1\"\nreset_line = 24\nbacklight_line = 23\n",
        );
        for part in [
            "BCM 5 (pin 29)",
            "pull-up",
            "BCM 27 (pin 13)",
            "BCM 7 (pin 26)",
            "BCM 25 (pin 22)",
            "BCM 24 (pin 18)",
            "BCM 23 (pin 16)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn other_chips_keep_their_own_numbers_and_what_is_not_there_has_no_wire() {
        assert!(
            shown("[relay]\ndriver = \"cdev\"\nchip = \"gpio-sunxi\"\npin = 5\n").contains("line 5 of \"gpio-sunxi\"")
        );
        assert_eq!(shown("[relay]\ndriver = \"simulated\"\n"), "");
        assert!(!shown("[display]\ndriver = \"st7789\"\nspi_mode = 3\n").contains(" CS "));
    }
}
