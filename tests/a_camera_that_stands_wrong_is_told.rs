//! A camera on its side or upside down, a poster before it, a part of the picture that does not count: said, and put right.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

use agegate::camera::turned::{Rotation, Turn};
use common::{Daemon, agegate, close_view, text};

/// A folder of the same picture again and again, and a configuration whose camera plays it.
fn camera(folder: &Path, picture: &image::RgbImage, count: usize, more: &str) -> std::path::PathBuf {
    let frames = folder.join("frames");
    std::fs::create_dir(&frames).unwrap();
    picture.save(frames.join("0000.png")).unwrap();
    for number in 1..count {
        std::fs::hard_link(frames.join("0000.png"), frames.join(format!("{number:04}.png"))).unwrap();
    }
    let config = folder.join("agegate.toml");
    let log = folder.join("log");
    let camera = format!("[camera]\nsource = \"replay\"\npath = {frames:?}\n{more}");
    std::fs::write(&config, format!("{camera}[relay]\ndriver = \"simulated\"\n[log]\nfolder = {log:?}\n")).unwrap();
    config
}

/// The adult as a camera sees them that is mounted so.
fn seen_by(rotation: Rotation) -> image::RgbImage {
    rotation.apply(&close_view("adult"))
}

#[test]
fn check_names_the_turn_that_a_camera_on_its_side_needs() {
    for (mounted, needed) in [(Rotation::Right, 270), (Rotation::Half, 180), (Rotation::Left, 90)] {
        let folder = tempfile::tempdir().unwrap();
        let config = camera(folder.path(), &seen_by(mounted), 20, "");
        let run = agegate(folder.path(), &["check", "--config", config.to_str().unwrap()]);
        let said = text(&run.stdout);
        assert!(said.contains(&format!("set `rotation = {needed}` in [camera]")), "{mounted:?}: {said}");
        assert_eq!(run.status.code(), Some(1), "{said}");
    }
}

#[test]
fn with_the_turn_set_the_same_camera_lets_the_adult_in() {
    for mirror in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let picture = Turn { rotation: Rotation::None, mirror }.apply(close_view("adult"));
        let seen = Rotation::Right.apply(&picture);
        let config = camera(folder.path(), &seen, 100, &format!("rotation = 270\nmirror = {mirror}\n"));
        let daemon = Daemon::start(&["run"], &config);
        daemon.wait_for("simulated relay energised");
    }
}

#[test]
fn the_journal_names_the_turn_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = camera(folder.path(), &seen_by(Rotation::Half), 600, "");
    let daemon = Daemon::start(&["run"], &config);
    let (_, line) = daemon.wait_for("faces are found only when the picture is turned");
    assert!(line.contains("`rotation = 180`"), "{line}");
}

#[test]
fn a_face_outside_the_region_is_nobody() {
    let folder = tempfile::tempdir().unwrap();
    // The adult stands in the middle; only the left fifth counts.
    let config = camera(folder.path(), &close_view("adult"), 40, "region = [0.0, 0.0, 0.2, 1.0]\n");
    let run = agegate(folder.path(), &["replay", "--config", config.to_str().unwrap(), "frames"]);
    let said = text(&run.stdout);
    assert!(said.contains("40 frames, 0 decisions"), "{said}");
}
