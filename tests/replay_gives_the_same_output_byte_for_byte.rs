//! `agegate replay`: same input, same output; and the exit codes and files of the other commands that read pictures.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::os::unix::ffi::OsStrExt;

use common::{agegate, clip, close_view, text};

#[test]
fn twice_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let run = || agegate(folder.path(), &["replay", "--frames", clip().to_str().unwrap()]);
    let (first, second) = (run(), run());
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert_eq!(text(&first.stdout), text(&second.stdout));
    assert!(text(&first.stdout).contains("Allow (old-enough)"));
}

#[test]
fn a_missing_recording_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = agegate(folder.path(), &["replay", "none.mjpeg"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("none.mjpeg: no such file or folder"));
}

#[test]
fn detect_keeps_two_pictures_apart_whose_names_are_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let names = [b"n\xff.png".as_slice(), b"n\xfe.png"].map(std::ffi::OsStr::from_bytes);
    for name in names {
        close_view("adult").save_with_format(folder.path().join(name), image::ImageFormat::Png).unwrap();
    }
    let output = agegate(folder.path(), &["detect", ".", "--json", "f.json"]);
    assert!(text(&output.stdout).contains("2 pictures, 2 faces"), "{}", text(&output.stdout));
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("f.json")).unwrap()).unwrap();
    let mut found: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, ["./n\\xfe.png", "./n\\xff.png"]);
}

#[test]
fn detect_writes_the_faces_of_each_picture_as_json_and_draws_them() {
    let folder = tempfile::tempdir().unwrap();
    common::close_view("adult").save(folder.path().join("adult.png")).unwrap();
    common::visitor("nobody")[0].save(folder.path().join("room.png")).unwrap();
    // The same face, a third as large.
    let near = common::close_view("adult");
    let (width, height) = near.dimensions();
    let mut far = image::RgbImage::from_pixel(width, height, image::Rgb([114; 3]));
    let small = image::imageops::resize(&near, width / 3, height / 3, image::imageops::FilterType::Triangle);
    image::imageops::replace(&mut far, &small, i64::from(width / 3), i64::from(height / 3));
    far.save(folder.path().join("far.png")).unwrap();
    std::fs::write(folder.path().join("broken.jpg"), b"no picture").unwrap();
    let output = agegate(
        folder.path(),
        &["detect", "adult.png", "far.png", "room.png", "broken.jpg", "--json", "f.json", "--annotate", "out"],
    );
    assert_eq!(output.status.code(), Some(1), "a picture that cannot be read is told by the exit code");
    assert!(text(&output.stderr).contains("broken.jpg"));
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("f.json")).unwrap()).unwrap();
    assert_eq!(json["room.png"].as_array().map(Vec::len), Some(0));
    let face = &json["adult.png"][0];
    assert!(face["score"].as_f64().unwrap() > 0.5);
    assert_eq!((face["box"].as_array().unwrap().len(), face["landmarks"].as_array().unwrap().len()), (4, 5));
    assert!(face.get("flaw").is_none(), "a gate would judge it: {face}");
    assert_eq!(json["far.png"][0]["flaw"], "TooFar", "{json}");
    assert!(folder.path().join("out/adult.faces.png").is_file());
}

#[test]
fn evaluate_counts_and_lists_what_it_cannot_use() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    std::fs::create_dir(&set).unwrap();
    common::close_view("adult").save(set.join("40_0_0_1.png")).unwrap();
    common::close_view("child").save(set.join("7_1_2_2.png")).unwrap();
    std::fs::write(set.join("30_0_0_3.jpg"), b"torn").unwrap();
    std::fs::write(set.join("notes.txt"), b"hello").unwrap();
    let output = agegate(folder.path(), &["evaluate", "--dataset", "set", "--json", "r.json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!(json["images"], 2);
    assert_eq!(json["faces_found"], 2);
    for key in ["mae_years", "within_5_years", "age_group_accuracy", "gender_accuracy", "by_group"] {
        assert!(!json[key].is_null(), "{key}");
    }
    let rejected = json["rejected"].to_string();
    assert!(rejected.contains("30_0_0_3.jpg") && rejected.contains("notes.txt"), "{rejected}");
}

#[test]
fn a_report_is_not_made_with_the_policy_of_another_model() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    std::fs::create_dir(&set).unwrap();
    common::close_view("adult").save(set.join("40_0_0_1.png")).unwrap();
    std::fs::write(
        folder.path().join("p.toml"),
        "threshold_age = 18\nchallenge_age = 25\nconfidence = 0.9\nmodel = \"other 1\"\n",
    )
    .unwrap();
    let output = agegate(folder.path(), &["evaluate", "--dataset", "set", "--report", "out", "--policy", "p.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("made for the age model other 1"), "{}", text(&output.stderr));
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_csv_with_wrong_lines_reports_them_by_line() {
    let folder = tempfile::tempdir().unwrap();
    common::close_view("adult").save(folder.path().join("a.png")).unwrap();
    std::fs::write(
        folder.path().join("set.csv"),
        "path,age,gender\na.png,41,male\na.png,999,male\nnone.png,20,female\n",
    )
    .unwrap();
    let output = agegate(folder.path(), &["evaluate", "--dataset", "set.csv"]);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(printed.contains("set.csv:3: age \"999\"") && printed.contains("set.csv:4: the picture"), "{printed}");
}

#[test]
fn calibrate_says_how_many_minors_it_would_take() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    std::fs::create_dir(&set).unwrap();
    common::close_view("adult").save(set.join("40_0_0_1.png")).unwrap();
    common::close_view("teenager").save(set.join("15_0_0_2.png")).unwrap();
    let output = agegate(folder.path(), &["calibrate", "--dataset", "set"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("It takes at least 381"), "{}", text(&output.stderr));
}
