//! Pictures in which nothing changed are not searched while nobody is there, and no decision differs for that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

use common::{agegate, clip, text};

/// What replay says about every frame and every decision of `recording`.
fn replayed(skip: bool, rate: &str, recording: &Path, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("gate.toml"),
        format!("[camera]\nskip_unchanged = {skip}\n[relay]\ndriver = \"simulated\"\n[liveness]\nmode = \"off\"\n"),
    )
    .unwrap();
    let mut arguments = vec!["replay", "--config", "gate.toml", "--frames", "--rate", rate];
    arguments.extend(more);
    arguments.push(recording.to_str().unwrap());
    let output = agegate(folder.path(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The lines about frames with a face, up to what was seen of it, and the decisions without their figures.
/// `a_followed_face_is_searched_for_in_its_surroundings.rs` compares more.
fn seen(output: &str) -> Vec<String> {
    let lines = output.lines().filter(|line| !line.contains("no faces") && !line.contains(": 0 faces"));
    let told = |line: &str| line.replace("followed, ", "").split(", ").next().unwrap_or_default().to_owned();
    lines.map(told).collect()
}

#[test]
fn every_face_and_every_decision_of_the_recorded_visitors_is_the_same() {
    for rate in ["5", "10", "15", "30"] {
        let (with, without) = (replayed(true, rate, &clip(), &[]), replayed(false, rate, &clip(), &[]));
        assert!(seen(&without).iter().any(|line| line.contains("Allow (old-enough)")));
        assert_eq!(seen(&with), seen(&without), "at {rate} frames a second");
        assert!(with.contains("nothing changed"), "nothing was saved at {rate} frames a second");
        assert!(!without.contains("nothing changed"));
    }
}

#[test]
fn an_unchanged_room_is_searched_once_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let room = folder.path().join("room.png");
    common::visitor("nobody")[0].save(&room).unwrap();
    let output = replayed(true, "10", &room, &["--repeat", "100"]);
    let searched = output.lines().filter(|line| line.contains(": 0 faces")).count();
    assert!((10..=12).contains(&searched), "{searched} of 100 pictures in ten seconds were searched");
}

#[test]
fn whoever_stays_is_searched_for_in_every_picture() {
    let folder = tempfile::tempdir().unwrap();
    let adult = folder.path().join("adult.png");
    common::close_view("adult").save(&adult).unwrap();
    let output = replayed(true, "10", &adult, &["--repeat", "50"]);
    assert!(!output.contains("nothing changed"), "{output}");
}
