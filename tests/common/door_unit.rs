//! A door unit whose lines are files, beside the real program: what the tests of its promises share.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{agegate, clip, close_view, run_folder, text, visitor, write_config};

pub const STAFF: u32 = 5;
pub const EXIT: u32 = 6;
pub const CONTACT: u32 = 13;
pub const ROTATION: u32 = 19;
pub const TAMPER: u32 = 26;
pub const LAMP: u32 = 12;
pub const BUZZER: u32 = 16;
pub const ALARM: u32 = 20;
pub const D0: u32 = 22;
pub const D1: u32 = 23;

/// A simulated line, as it stands in a configuration.
pub fn line(number: u32) -> String {
    format!("{{ line = {number}, chip = \"simulated\" }}")
}

/// A configuration whose recording shows these visitors, each for so many tenths of a second.
pub fn write_unit(folder: &Path, play: &[(&str, usize)], relay: &str, unit: &str) -> PathBuf {
    let (pictures, frames) = (folder.join("pictures"), folder.join("play"));
    std::fs::create_dir_all(&pictures).unwrap();
    std::fs::create_dir_all(&frames).unwrap();
    let mut k = 0;
    for (who, tenths) in play {
        let picture = pictures.join(format!("{who}.png"));
        if !picture.exists() {
            let view = if *who == "nobody" { visitor(who).swap_remove(0) } else { close_view(who) };
            view.save(&picture).unwrap();
        }
        for _ in 0..*tenths {
            std::os::unix::fs::symlink(&picture, frames.join(format!("frame-{k:05}.png"))).unwrap();
            k += 1;
        }
    }
    // A machine that judges a frame a second must come to the same decisions.
    let visit = "[visit]\nmost_frames = 6\ndecide_seconds = 30.0\nlost_seconds = 3.0\n";
    let config = write_config(folder, &format!("{visit}{unit}"));
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace("driver = \"simulated\"", &format!("driver = \"simulated\"\n{relay}"))
        .replace(&format!("{:?}", clip()), &format!("{frames:?}"));
    std::fs::write(&config, text).unwrap();
    config
}

fn file(folder: &Path, name: &str) -> PathBuf {
    let lines = run_folder(folder).join("lines");
    std::fs::create_dir_all(&lines).unwrap();
    lines.join(name)
}

/// Drives an input: `0` and `1` are its levels, anything else is a line that cannot be read.
pub fn drive(folder: &Path, number: u32, level: &str) {
    // In one step, so that nobody reads half of it.
    let (new, path) = (file(folder, &format!("{number}.new")), file(folder, &number.to_string()));
    std::fs::write(&new, level).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Cuts the wire of an input.
pub fn cut(folder: &Path, number: u32) {
    std::fs::remove_file(file(folder, &number.to_string())).unwrap();
}

/// Presses a button to ground for a quarter of a second.
pub fn press(folder: &Path, number: u32) {
    drive(folder, number, "0");
    std::thread::sleep(Duration::from_millis(250));
    drive(folder, number, "1");
    std::thread::sleep(Duration::from_millis(150));
}

/// What an output did: microseconds, and whether it was on from then.
pub fn did(folder: &Path, number: u32) -> Vec<(u64, bool)> {
    let text = std::fs::read_to_string(file(folder, &format!("{number}.out"))).unwrap_or_default();
    let parsed = text.lines().map(|line| {
        let (at, level) = line.split_once(' ').unwrap();
        (at.parse().unwrap(), level == "1")
    });
    parsed.collect()
}

/// Whether an output is on.
pub fn is_on(folder: &Path, number: u32) -> bool {
    did(folder, number).last().is_some_and(|(_, on)| *on)
}

/// Waits until something is so, for at most half a minute.
pub fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came to be that {what}");
}

/// What the log says of decisions, acts and alarms, oldest first, in short: `Allow staff`, `opened`, `shut time-up`,
/// `forced raised`. Visits that ended early are left out.
pub fn story(folder: &Path) -> Vec<String> {
    let output = agegate(folder, &["log", "show", "--json", "--config", "agegate.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let word = |r: &serde_json::Value, key: &str| r[key].as_str().unwrap_or_default().to_owned();
    let told = text(&output.stdout);
    let records = told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records
        .filter_map(|r| match r["event"].as_str().unwrap() {
            "decision" if r["decision"] == "NoDecision" => None,
            "decision" => Some(format!("{} {}", word(&r, "decision"), word(&r, "reason"))),
            "act" => Some(format!("{} {}", word(&r, "act"), word(&r, "reason")).trim().to_owned()),
            "alarm" => Some(format!("{} {}", word(&r, "alarm"), word(&r, "change"))),
            _ => None,
        })
        .collect()
}
