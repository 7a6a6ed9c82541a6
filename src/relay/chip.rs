//! Finding a GPIO chip by its label: the numbers of /dev/gpiochipN moved between kernels, the labels stay.

/// No such chip.
#[derive(Debug, thiserror::Error)]
#[error("no GPIO chip has the label {label:?}; there are: {found}")]
pub struct ChipError {
    /// Label asked for.
    pub label: String,
    /// Labels found.
    pub found: String,
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
    let none = || ChipError {
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
