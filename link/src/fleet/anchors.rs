//! Anchors kept where the boards' owners cannot reach them: a file for each gate, as `agegate log verify --anchors` reads it.

use std::{fs::OpenOptions, io::Write, path::Path};

use super::collect::Gates;
use crate::files;

/// Largest file of anchors that the gate's program takes, bytes.
const MOST_BYTES: u64 = 1_000_000;

/// Adds each gate's anchor to its file, unless it is the last one there already.
///
/// # Errors
/// What the system said.
pub fn keep(folder: &Path, gates: &Gates) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (base, gate) in &gates.0 {
        let Some(chain) = gate.chain.as_ref().filter(|chain| is_anchor(&chain.anchor)) else { continue };
        // The levels of the topic, none of which can lead elsewhere.
        let name: String =
            base.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '.' }).collect();
        let path = folder.join(format!("{}.anchors", name.trim_start_matches('.')));
        let known = match files::read_text(&path, MOST_BYTES) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let last = known.lines().last().and_then(|line| line.split_whitespace().next()).unwrap_or_default();
        if last == chain.anchor {
            continue;
        }
        let time: String = chain.time.chars().filter(|c| !c.is_control()).take(40).collect();
        let line = format!("{} # {time}\n", chain.anchor);
        if known.len() + line.len() >= usize::try_from(MOST_BYTES).unwrap_or(usize::MAX) {
            return Err(std::io::Error::other(format!("{}: full; move it away, and keep it", path.display())));
        }
        OpenOptions::new().create(true).append(true).open(&path)?.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Whether a text can be an anchor: a number, a dash, and groups of digits and letters.
fn is_anchor(text: &str) -> bool {
    let Some((number, rest)) = text.split_once('-') else { return false };
    text.len() <= 48
        && number.parse::<u64>().is_ok_and(|seq| seq > 0)
        && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase() || b == b'-')
}
