//! The examples are run, not only built.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use std::{path::Path, process::Command};

/// What an example prints, given the picture of the golden answers.
fn output(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--locked", "--example", name, "--"])
        .arg(folder.join("tests/golden/frame.png"))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn an_age_is_estimated_in_twenty_lines() {
    let text = output("estimate_age");
    let sure = text.trim_end().rsplit(' ').next().and_then(|p| p.parse::<f32>().ok());
    assert!(text.starts_with("1 faces; the nearest looks ") && text.contains("P(age >= 18) is "), "{text}");
    assert!(sure.is_some_and(|p| (0.0..=1.0).contains(&p)), "{text}");
    let source = include_str!("../examples/estimate_age.rs");
    assert!(source.lines().skip_while(|line| !line.starts_with("use")).count() <= 21, "twenty lines and the bracket");
}

#[test]
fn a_camera_of_ones_own_gives_frames_that_are_judged() {
    assert_eq!(output("own_camera").lines().filter(|line| line.ends_with("1 faces")).count(), 3);
}

#[test]
fn a_panel_of_ones_own_shows_the_screens() {
    let text = output("own_panel");
    assert!(["Idle", "Welcome", "ShowId"].iter().all(|screen| text.lines().any(|line| line == *screen)), "{text}");
    assert!(text.contains("####"), "{text}");
}
