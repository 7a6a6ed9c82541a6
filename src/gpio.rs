//! Finding a GPIO chip by its label: the numbers of /dev/gpiochipN moved between kernels, the labels stay.

use std::path::{Path, PathBuf};

use gpio_cdev::{LineHandle, LineRequestFlags};

/// What stands for the chip of a Raspberry Pi's header, whatever the model calls it.
pub const AUTO: &str = "auto";
/// The labels of the header's chip: of a Raspberry Pi 5; of a 4; of all before it.
pub const HEADER: [&str; 3] = ["pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835"];

/// Why a line of a GPIO chip cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ChipError {
    /// No such chip.
    #[error("no GPIO chip has the label {label:?}; there are: {found}")]
    NoChip {
        /// Label asked for.
        label: String,
        /// Labels found.
        found: String,
    },
    /// No Raspberry Pi.
    #[error("chip = \"auto\" finds the header of a Raspberry Pi ({}), and this board has none; name the chip by its label: {found}", HEADER.join(", "))]
    NoHeader {
        /// Labels found.
        found: String,
    },
    /// No such line.
    #[error("line {number} of {label:?}: {detail}")]
    NoLine {
        /// Label of the chip.
        label: String,
        /// Number asked for.
        number: u32,
        /// What is wrong with it.
        detail: String,
    },
}

/// A line that another program or the kernel has, or that cannot be had at all.
#[derive(Debug, thiserror::Error)]
#[error("{source}{}", consumer.as_deref().map_or_else(String::new, |who| format!("; it is held by {who:?}")))]
pub struct RequestError {
    /// What the system said.
    source: gpio_cdev::Error,
    /// Who has the line, as the kernel lists it.
    consumer: Option<String>,
}

/// Requests a line under the name of its purpose.
///
/// # Errors
/// [`RequestError`], with whoever has it.
pub fn request(
    line: &gpio_cdev::Line,
    flags: LineRequestFlags,
    level: u8,
    purpose: &str,
) -> Result<LineHandle, RequestError> {
    line.request(flags, level, purpose).map_err(|source| {
        let info = line.info().ok().filter(gpio_cdev::LineInfo::is_used);
        let consumer = info.map(|info| info.consumer().unwrap_or("the kernel").to_owned());
        RequestError { source, consumer }
    })
}

/// All GPIO chips: path, label, number of lines.
#[must_use]
pub fn list() -> Vec<(std::path::PathBuf, String, u32)> {
    let Ok(entries) = std::fs::read_dir("/dev") else { return Vec::new() };
    let mut paths: Vec<_> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("gpiochip")))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| {
            let chip = gpio_cdev::Chip::new(&path).ok()?;
            Some((path, chip.label().to_owned(), chip.num_lines()))
        })
        .collect()
}

/// Opens the chip with this label (or, failing that, this path).
///
/// # Errors
/// [`ChipError`] with the labels there are.
pub fn find(label: &str) -> Result<gpio_cdev::Chip, ChipError> {
    let chips = list();
    let none = || {
        let found = if chips.is_empty() {
            "none (is the user in group gpio?)".into()
        } else {
            chips
                .iter()
                .map(|(path, found, lines)| format!("{found:?} ({}, {lines} lines)", path.display()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match label {
            AUTO => ChipError::NoHeader { found },
            _ => ChipError::NoChip { label: label.into(), found },
        }
    };
    let (path, ..) = choose(label, &chips).ok_or_else(none)?;
    gpio_cdev::Chip::new(path).map_err(|_| none())
}

/// The chip that is meant, of those there are: by label, by path, or the header's.
fn choose<'a>(label: &str, chips: &'a [(PathBuf, String, u32)]) -> Option<&'a (PathBuf, String, u32)> {
    let named = |wanted: &str| chips.iter().find(|(_, found, _)| found == wanted);
    match label {
        AUTO => HEADER.into_iter().find_map(named),
        _ => named(label).or_else(|| chips.iter().find(|(path, ..)| path == Path::new(label))),
    }
}

/// A chip's name for messages: with what `auto` stands for here.
#[must_use]
pub fn shown(label: &str) -> String {
    match choose(label, &list()) {
        Some((_, found, _)) if label == AUTO => format!("{found:?}"),
        _ => format!("{label:?}"),
    }
}

/// A line of the chip with this label.
///
/// # Errors
/// [`ChipError`]; a line beyond those that the chip has is told with how many there are.
pub fn line(label: &str, number: u32) -> Result<gpio_cdev::Line, ChipError> {
    let mut chip = find(label)?;
    let failed = |detail| ChipError::NoLine { label: label.into(), number, detail };
    if let Some(detail) = beyond(number, chip.num_lines()) {
        return Err(failed(detail));
    }
    chip.get_line(number).map_err(|e| failed(e.to_string()))
}

/// What is wrong with the number of a line on a chip of so many; the kernel would only say "invalid argument".
fn beyond(number: u32, lines: u32) -> Option<String> {
    (number >= lines).then(|| match lines {
        0 => "the chip has no lines".into(),
        _ => format!("the chip has {lines} lines, expected 0 to {}", lines - 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_the_header_of_whatever_raspberry_pi_this_is() {
        let chips = |labels: &[&str]| -> Vec<(PathBuf, String, u32)> {
            let chip = |(k, label): (usize, &&str)| (format!("/dev/gpiochip{k}").into(), (*label).to_owned(), 54);
            labels.iter().enumerate().map(chip).collect()
        };
        for (there, expected) in [
            (&["pinctrl-bcm2835", "raspberrypi-exp-gpio"][..], Some("pinctrl-bcm2835")),
            (&["raspberrypi-exp-gpio", "pinctrl-bcm2711"], Some("pinctrl-bcm2711")),
            (&["gpio-brcmstb@107d508500", "pinctrl-rp1"], Some("pinctrl-rp1")),
            (&["gpio-sunxi"], None),
            (&[], None),
        ] {
            let chips = chips(there);
            assert_eq!(choose(AUTO, &chips).map(|c| c.1.as_str()), expected);
        }
        let two = chips(&["a", "b"]);
        assert_eq!(choose("b", &two).map(|c| c.1.as_str()), Some("b"));
        assert_eq!(choose("/dev/gpiochip0", &two).map(|c| c.1.as_str()), Some("a"));
        let none = ChipError::NoHeader { found: "\"gpio-sunxi\"".into() }.to_string();
        assert!(
            none.contains("pinctrl-rp1, pinctrl-bcm2711, pinctrl-bcm2835") && none.contains("gpio-sunxi"),
            "{none}"
        );
    }

    #[test]
    fn a_line_beyond_the_chip_is_told_with_the_lines_there_are() {
        assert_eq!(beyond(53, 54), None);
        assert_eq!(beyond(54, 54).as_deref(), Some("the chip has 54 lines, expected 0 to 53"));
        assert!(beyond(0, 0).is_some());
    }
}
