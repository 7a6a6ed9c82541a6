//! People count, not pictures: what is listed again, is nearly the same or belongs to one labelled person counts once, in one
//! source or across several; and minors are all who are under the threshold age that is asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

use common::{agegate, close_view, text};
use image::RgbImage;

/// Another picture of a visitor: turned round, in other light, or only saved again.
fn variant(picture: &RgbImage, k: u32) -> RgbImage {
    let mut out = picture.clone();
    for (x, y, p) in out.enumerate_pixels_mut() {
        let noise = ((x * 7 + y * 13 + k * 29) % 5) as i16 - 2;
        p.0 = p.0.map(|v| (i16::from(v) + noise).clamp(0, 255) as u8);
    }
    out
}

fn labelled(folder: &Path, name: &str, header: &str, rows: &[(String, RgbImage)]) {
    let set = folder.join(name);
    std::fs::create_dir_all(&set).unwrap();
    let mut labels = format!("{header}\n");
    for (k, (row, picture)) in rows.iter().enumerate() {
        picture.save(set.join(format!("{k}.png"))).unwrap();
        labels += &format!("{k}.png,{row}\n");
    }
    std::fs::write(set.join("labels.csv"), labels).unwrap();
}

fn json(folder: &Path, sources: &[&str]) -> serde_json::Value {
    let mut arguments = vec!["evaluate", "--json", "f.json"];
    sources.iter().for_each(|s| arguments.extend(["--dataset", s]));
    let output = agegate(folder, &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&std::fs::read(folder.join("f.json")).unwrap()).unwrap()
}

#[test]
fn one_picture_listed_sixty_times_is_one_minor() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    std::fs::create_dir(&set).unwrap();
    close_view("child").save(set.join("0.png")).unwrap();
    close_view("adult").save(set.join("1.png")).unwrap();
    let mut labels = "path,age\n1.png,40\n".to_owned();
    labels += &"0.png,15\n".repeat(60);
    std::fs::write(set.join("labels.csv"), labels).unwrap();
    let output = agegate(folder.path(), &["calibrate", "--dataset", "set", "--max-false-accept", "0.4"]);
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(message.contains("1 people of 13-17 years cannot support") && message.contains("at least 6"), "{message}");
}

#[test]
fn near_copies_and_one_labelled_person_count_once_and_across_sources() {
    let folder = tempfile::tempdir().unwrap();
    let (child, adult) = (close_view("child"), close_view("adult"));
    let near: Vec<(String, RgbImage)> = (0..6).map(|k| ("12,".to_owned(), variant(&child, k))).collect();
    labelled(folder.path(), "near", "path,age,person", &near);
    // Two views that look different, but one name.
    let turned = image::imageops::flip_horizontal(&adult);
    labelled(folder.path(), "named", "path,age,person", &[("40,p".into(), adult.clone()), ("44,p".into(), turned)]);
    labelled(folder.path(), "again", "path,age,person", &[("40,".into(), variant(&adult, 1))]);
    let both = json(folder.path(), &["near", "named"]);
    assert_eq!((both["images"].as_u64(), both["people"].as_u64()), (Some(8), Some(2)));
    let sources = both["by_source"].as_array().unwrap();
    let counts: Vec<_> =
        sources.iter().map(|s| (s["name"].as_str().unwrap(), s["images"].as_u64(), s["people"].as_u64())).collect();
    assert_eq!(counts, [("near", Some(6), Some(1)), ("named", Some(2), Some(1))]);
    let three = json(folder.path(), &["near", "named", "again"]);
    assert_eq!(three["people"].as_u64(), Some(2), "the adult again, in another source");
}

#[test]
fn whole_pictures_and_chips_can_be_judged_together() {
    let folder = tempfile::tempdir().unwrap();
    labelled(folder.path(), "whole", "path,age", &[("40".into(), close_view("adult"))]);
    let chips = folder.path().join("chips");
    std::fs::create_dir(&chips).unwrap();
    // No face is found in a flat square; as a chip it is judged.
    RgbImage::from_fn(80, 80, |x, y| image::Rgb([(x * 3) as u8, (y * 3) as u8, 90]))
        .save(chips.join("20_0_0_1.png"))
        .unwrap();
    let arguments = ["evaluate", "--dataset", "whole", "--aligned-dataset", "chips", "--json", "f.json"];
    let output = agegate(folder.path(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("f.json")).unwrap()).unwrap();
    assert_eq!((found["images"].as_u64(), found["faces_found"].as_u64()), (Some(2), Some(2)));
    assert!(found["input"].is_null(), "of both kinds");
}

#[test]
fn the_minors_of_a_threshold_are_all_who_are_younger() {
    let folder = tempfile::tempdir().unwrap();
    let adult = close_view("adult");
    let flipped = image::imageops::flip_horizontal(&adult);
    labelled(folder.path(), "set", "path,age", &[("40".into(), adult), ("19".into(), flipped)]);
    let calibrate = |threshold: &str| {
        let output = agegate(folder.path(), &["calibrate", "--dataset", "set", "--threshold", threshold]);
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    };
    assert!(calibrate("18").contains("0 people of 13-17 years"));
    assert!(calibrate("21").contains("1 people of 13-20 years"));
    assert!(
        calibrate("9")
            .contains("invalid value '9' for '--threshold <THRESHOLD>': expected a whole number, 10 to 30 years")
    );
}

#[test]
fn a_label_file_that_nobody_can_read_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    labelled(folder.path(), "set", "path,age,persn", &[("40,p".into(), close_view("adult"))]);
    let output = agegate(folder.path(), &["evaluate", "--dataset", "set"]);
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(message.contains("labels.csv, line 1") && message.contains("\"persn\""), "{message}");
}
