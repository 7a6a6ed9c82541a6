//! `agegate aim` says where the face is, how high it is against what is needed, light, sharpness, turn and speed; it keeps and
//! shows no picture.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

use common::{agegate, close_view, text};
use image::{RgbImage, imageops};

/// What is said of a recording of these pictures.
fn aimed(folder: &Path, pictures: &[RgbImage]) -> Vec<String> {
    let frames = folder.join("frames");
    std::fs::create_dir(&frames).unwrap();
    for (k, picture) in pictures.iter().enumerate() {
        picture.save(frames.join(format!("{k:03}.png"))).unwrap();
    }
    std::fs::write(folder.join("gate.toml"), "[camera]\nsource = \"replay\"\npath = \"frames\"\n").unwrap();
    let output = agegate(folder, &["aim", "--config", "gate.toml", "--seconds", "5"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().filter(|line| line.contains('|')).map(str::to_owned).collect()
}

#[test]
fn a_visitor_who_stands_well_is_said_to() {
    let folder = tempfile::tempdir().unwrap();
    let said = aimed(folder.path(), &[close_view("adult"), close_view("adult")]);
    let last = said.last().unwrap();
    for part in
        ["face ", "height ", "needed 96: well", "light ", "sharpness ", "turned ", "frames a second", "s to judge one"]
    {
        assert!(last.contains(part), "{part}: {last}");
    }
    assert!(last.contains("this view can be judged"), "{last}");
}

#[test]
fn a_face_in_a_corner_and_nobody_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let view = close_view("adult");
    let mut corner = RgbImage::from_pixel(640, 480, image::Rgb([90, 90, 90]));
    let small = imageops::resize(&view, view.width() * 2 / 5, view.height() * 2 / 5, imageops::FilterType::Triangle);
    imageops::overlay(&mut corner, &small, 0, 0);
    let nobody = RgbImage::from_pixel(640, 480, image::Rgb([90, 90, 90]));
    let said = aimed(folder.path(), &[corner, nobody]);
    assert!(said[0].contains("left") && said[0].contains("too high") && said[0].contains("come closer"), "{}", said[0]);
    assert!(said[1].contains("no face: stand where visitors will stand"), "{}", said[1]);
}

#[test]
fn nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    aimed(folder.path(), &[close_view("adult")]);
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["frames", "gate.toml"]);
}
