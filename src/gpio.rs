//! Finding a GPIO chip by its label: the numbers of /dev/gpiochipN moved between kernels, the labels stay.

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
    let path = chips
        .iter()
        .find(|(path, found, _)| found == label || path.as_os_str() == label)
        .map(|(path, ..)| path.clone());
    let none = || ChipError::NoChip {
        label: label.into(),
        found: if chips.is_empty() {
            "none (is the user in group gpio?)".into()
        } else {
            chips
                .iter()
                .map(|(path, found, lines)| format!("{found:?} ({}, {lines} lines)", path.display()))
                .collect::<Vec<_>>()
                .join(", ")
        },
    };
    gpio_cdev::Chip::new(path.ok_or_else(none)?).map_err(|_| none())
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
    fn a_line_beyond_the_chip_is_told_with_the_lines_there_are() {
        assert_eq!(beyond(53, 54), None);
        assert_eq!(beyond(54, 54).as_deref(), Some("the chip has 54 lines, expected 0 to 53"));
        assert!(beyond(0, 0).is_some());
    }
}
