//! `agegate evaluate --attacks` and `agegate calibrate --attacks`: the shares of attacks and of living people are counted by kind,
//! with intervals, and the confidence that calibrate chooses keeps the share of the living it was asked to keep.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

use common::{agegate, bluish, bluish_net, close_view, text, visitor, write_config};
use image::RgbImage;
use serde_json::Value;

/// Another view of a picture: in other light, so that no two are the same.
fn view(picture: &RgbImage, k: u8) -> RgbImage {
    let mut out = picture.clone();
    out.iter_mut().for_each(|v| *v = v.saturating_add(k % 12));
    out.put_pixel(0, 0, image::Rgb([k, 0, 0]));
    out
}

/// Forty living faces, ten attacks on a screen, ten prints of which three look living, and a screen without a face.
fn attacks(folder: &Path) {
    let adult = close_view("adult");
    let put = |instrument: &str, k: u8, picture: &RgbImage| {
        let path = folder.join("attacks").join(instrument);
        std::fs::create_dir_all(&path).unwrap();
        // The same picture under two names of attacks would count once.
        let mut picture = picture.clone();
        picture.put_pixel(1, 0, image::Rgb([instrument.len() as u8, k, 0]));
        picture.save(path.join(format!("{k:03}.png"))).unwrap();
    };
    (0..40).for_each(|k| put("live", k, &view(&adult, k)));
    (0..10).for_each(|k| put("screen", k, &bluish(&view(&adult, k))));
    (0..10).for_each(|k| put("print", k, &if k >= 7 { view(&adult, k) } else { bluish(&view(&adult, k)) }));
    put("screen", 10, &visitor("nobody")[0]);
    std::fs::write(
        folder.join("attacks/labels.csv"),
        "path,gender,group\nlive/000.png,m,White\nlive/001.png,f,Asian\n",
    )
    .unwrap();
}

fn policy(folder: &Path) {
    let text = "threshold_age = 18\nchallenge_age = 25\nconfidence = 0.8\n[liveness]\nconfidence = 0.9\n";
    std::fs::write(folder.join("policy.toml"), text).unwrap();
}

fn evaluate(folder: &Path, more: &[&str]) -> (String, Value) {
    let net = bluish_net();
    let mut arguments = vec!["evaluate", "--attacks", "attacks", "--json", "r.json", "--policy", "policy.toml"];
    arguments.extend(["--liveness-model", net.to_str().unwrap()]);
    arguments.extend(more);
    let output = agegate(folder, &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), serde_json::from_slice(&std::fs::read(folder.join("r.json")).unwrap()).unwrap())
}

#[test]
fn attacks_are_counted_by_kind_and_the_living_apart_with_no_ages_at_all() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    policy(folder.path());
    let (printed, json) = evaluate(folder.path(), &[]);
    let liveness = &json["liveness"];
    assert_eq!(liveness["confidence"], 0.9);
    assert_eq!(liveness["bpcer"]["value"], 0.0);
    assert!(liveness["bpcer"]["high"].as_f64().unwrap() > 0.05);
    let print = &liveness["apcer"]["print"];
    assert_eq!((print["value"].as_f64(), print["frames"].as_u64()), (Some(0.3), Some(10)));
    assert!(print["low"].as_f64().unwrap() < 0.3 && print["high"].as_f64().unwrap() > 0.3);
    let screen = &liveness["apcer"]["screen"];
    assert_eq!((screen["value"].as_f64(), screen["frames"].as_u64()), (Some(0.0), Some(11)));
    assert_eq!(json["liveness_faceless"]["screen"], 1);
    assert_eq!(json["liveness_living"], serde_json::json!({ "frames": 40, "visits": 4 }));
    let row = printed.lines().find(|line| line.starts_with("living, taken for an attack")).unwrap();
    let numbers: Vec<&str> = row.split_whitespace().skip(5).collect();
    assert_eq!((numbers[0], row.matches(" 4 ").count()), ("40", 1), "{row}");
    assert!(printed.contains("screen: no face found in 1 pictures: counted as not let in"), "{printed}");
    assert!(json.get("mae_years").is_none(), "no ages were read");
}

#[test]
fn an_instrument_of_which_no_picture_can_be_read_is_told_and_not_left_out() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    policy(folder.path());
    let statue = folder.path().join("attacks/statue");
    std::fs::create_dir(&statue).unwrap();
    std::fs::write(statue.join("a.jpg"), "no picture").unwrap();
    std::fs::write(statue.join("b.jpg"), "none either").unwrap();
    for mut arguments in [vec!["evaluate"], vec!["calibrate", "--out", "chosen.toml"]] {
        arguments.extend(["--attacks", "attacks", "--policy", "policy.toml"]);
        let output = agegate(folder.path(), &arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("none of the 2 pictures of \"statue\" can be read") && said.contains("a.jpg"), "{said}");
    }
    assert!(!folder.path().join("chosen.toml").exists());
    // One that can be read is enough: the other is told among what was not used, in a line whatever its name is.
    view(&close_view("adult"), 99).save(statue.join("c.png")).unwrap();
    std::fs::rename(statue.join("a.jpg"), statue.join("a\nno attack gets in.jpg")).unwrap();
    let (printed, json) = evaluate(folder.path(), &[]);
    assert!(printed.contains("a\\u000ano attack gets in.jpg: "), "{printed}");
    assert_eq!(json["liveness"]["apcer"]["statue"]["frames"], 1);
    assert!(printed.contains("2 files could not be used") && printed.contains("b.jpg"), "{printed}");
}

#[test]
fn copies_of_a_picture_count_once() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    policy(folder.path());
    let (_, before) = evaluate(folder.path(), &[]);
    let live = folder.path().join("attacks/live");
    for k in 0..30 {
        std::fs::copy(live.join("007.png"), live.join(format!("copy-{k}.png"))).unwrap();
    }
    let (printed, after) = evaluate(folder.path(), &["--attacks", "attacks"]);
    assert_eq!(after["liveness"], before["liveness"]);
    assert_eq!(after["liveness_living"]["frames"], 40);
    assert!(printed.contains("the same picture as attacks/live/007.png"), "{printed}");
}

#[test]
fn visits_are_runs_of_up_to_ten_frames_and_pool_them() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    policy(folder.path());
    let (_, json) = evaluate(folder.path(), &[]);
    let visits = &json["liveness_visits"];
    // Three living-looking prints of ten do not make a visit living; the screen's eleventh frame is a visit of its own.
    assert_eq!(
        (visits["apcer"]["print"]["value"].as_f64(), visits["apcer"]["print"]["visits"].as_u64()),
        (Some(0.0), Some(1))
    );
    assert_eq!(visits["apcer"]["screen"]["visits"], 2);
    assert_eq!(visits["bpcer"]["value"], 0.0);
}

#[test]
fn groups_are_those_of_the_labels() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    policy(folder.path());
    let (printed, json) = evaluate(folder.path(), &[]);
    let names: Vec<&str> =
        json["liveness_groups"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["female", "male", "asian", "white"]);
    assert!(printed.contains("asian"), "{printed}");
}

#[test]
fn ages_and_attacks_stand_in_one_result_and_one_report() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    policy(folder.path());
    std::fs::create_dir(folder.path().join("set")).unwrap();
    close_view("adult").save(folder.path().join("set/40_0_0_1.png")).unwrap();
    let (_, json) = evaluate(folder.path(), &["--dataset", "set", "--report", "out"]);
    assert!(json["mae_years"].is_number() && json["liveness"]["bpcer"].is_object());
    let page = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("Living faces and attacks") && page.contains("screen, taken for living"), "{page}");
    let report: Value = serde_json::from_slice(&std::fs::read(folder.path().join("out/report.json")).unwrap()).unwrap();
    assert_eq!(report["liveness"], json["liveness"]);
}

#[test]
fn a_report_of_attacks_alone_has_them_alone() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    policy(folder.path());
    evaluate(folder.path(), &["--report", "out"]);
    let page = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("print, taken for living") && !page.contains("Calibration"), "{page}");
}

#[test]
fn a_policy_without_a_liveness_part_judges_no_attacks() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    std::fs::write(folder.path().join("policy.toml"), "threshold_age = 18\nchallenge_age = 25\nconfidence = 0.8\n")
        .unwrap();
    let output = agegate(folder.path(), &["evaluate", "--attacks", "attacks", "--policy", "policy.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("has no [liveness] table"), "{}", text(&output.stderr));
}

fn calibrate(folder: &Path, share: &str) -> std::process::Output {
    let net = bluish_net();
    let net = net.to_str().unwrap();
    let from = ["calibrate", "--attacks", "attacks", "--policy", "policy.toml", "--max-bpcer", share];
    agegate(folder, &[&from[..], &["--liveness-model", net, "--out", "chosen.toml"]].concat())
}

#[test]
fn calibrate_writes_the_confidence_that_keeps_the_share_of_the_living_and_the_gate_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    policy(folder.path());
    let output = calibrate(folder.path(), "0.03");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = std::fs::read_to_string(folder.path().join("chosen.toml")).unwrap();
    assert!(written.contains("# Attacks taken for living, of 1,000 frames (of visits): print 300"), "{written}");
    assert!(written.contains("threshold_age = 18") && written.contains("max_bpcer = 0.03"), "{written}");
    let more = format!("[models]\nliveness = {:?}\n[liveness]\nmode = \"passive\"\n", bluish_net());
    let config = write_config(folder.path(), &more);
    let check = || {
        let named = format!("policy_file = \"chosen.toml\"\n{}", std::fs::read_to_string(&config).unwrap());
        std::fs::write(folder.path().join("with.toml"), named).unwrap();
        let printed = text(&agegate(folder.path(), &["check", "--config", "with.toml"]).stdout);
        printed.lines().find(|l| l.contains("liveness:")).unwrap_or_else(|| panic!("{printed}")).to_owned()
    };
    let line = check();
    assert!(line.contains("0.0 % of 40 living frames taken for an attack") && line.contains("print 30.0 %"), "{line}");
    // Edited by hand, it has no figures any more.
    let chosen: toml::Table = toml::from_str(&written).unwrap();
    let confidence = chosen["liveness"]["confidence"].as_float().unwrap();
    let edited =
        written.replacen(&format!("[liveness]\nconfidence = {confidence}"), "[liveness]\nconfidence = 0.123", 1);
    assert_ne!(edited, written);
    std::fs::write(folder.path().join("chosen.toml"), edited).unwrap();
    let line = check();
    assert!(line.contains("do not hold") && line.contains("`liveness.confidence` is 0.123"), "{line}");
    assert!(!line.contains("living frames"), "{line}");
}

#[test]
fn figures_that_calibrate_did_not_measure_are_told_as_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    std::fs::copy(common::repository().join("models/policy.toml"), folder.path().join("policy.toml")).unwrap();
    let output = calibrate(folder.path(), "0.1");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = std::fs::read_to_string(folder.path().join("chosen.toml")).unwrap();
    let line = |start: &str| {
        written.lines().position(|l| l.starts_with(start)).unwrap_or_else(|| panic!("{start}: {written}"))
    };
    let (taken_over, ages, living) = (
        line("# Ages: not measured now, but taken over from policy.toml"),
        line("# Of 1,000 people"),
        line("# Living faces, at P"),
    );
    assert!(taken_over < ages && ages < living, "{written}");
    assert!(!written.contains("Living faces: not measured now"), "{written}");
}

#[test]
fn what_is_said_of_ages_is_not_passed_over_where_there_are_none() {
    let folder = tempfile::tempdir().unwrap();
    for option in [["--threshold", "21"], ["--challenge", "30"], ["--frames", "9"], ["--max-false-accept", "0.001"]] {
        let output = agegate(folder.path(), &[&["calibrate", "--attacks", "attacks"], &option[..]].concat());
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(&format!("{} is about ages", option[0])), "{said}");
    }
}

#[test]
fn the_name_of_a_folder_is_no_line_of_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    policy(folder.path());
    let attacks = folder.path().join("attacks");
    std::fs::rename(attacks.join("screen"), attacks.join("screen\ndeny_confidence = 0.5\n#")).unwrap();
    let output = calibrate(folder.path(), "0.1");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = std::fs::read_to_string(folder.path().join("chosen.toml")).unwrap();
    assert!(written.contains("screen deny_confidence = 0.5 #"), "{written}");
    let read: toml::Table = written.parse().unwrap();
    assert!(!read.contains_key("deny_confidence"), "{written}");
}

#[test]
fn calibrate_says_how_many_living_frames_it_would_take() {
    let folder = tempfile::tempdir().unwrap();
    attacks(folder.path());
    policy(folder.path());
    let output = calibrate(folder.path(), "0.01");
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(
        message.contains("40 frames of living people with a face in them cannot show")
            && message.contains("at least 100"),
        "{message}"
    );
    assert!(!folder.path().join("chosen.toml").exists());
}

#[test]
fn detect_writes_how_living_each_face_looks_and_draws_it() {
    let folder = tempfile::tempdir().unwrap();
    close_view("adult").save(folder.path().join("a.png")).unwrap();
    bluish(&close_view("adult")).save(folder.path().join("b.png")).unwrap();
    let net = bluish_net();
    let net = net.to_str().unwrap();
    let output = agegate(
        folder.path(),
        &["detect", "a.png", "b.png", "--json", "f.json", "--annotate", "out", "--liveness-model", net],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&std::fs::read(folder.path().join("f.json")).unwrap()).unwrap();
    let living = |name: &str| json[name][0]["liveness"].as_f64().unwrap();
    assert!(living("a.png") > 0.9 && living("b.png") < 0.1, "{json}");
    assert!(text(&output.stdout).contains("living 0.9") || text(&output.stdout).contains("living 1.0"));
    // The label lies above the face: white letters on black, which the picture has nowhere else there.
    let drawn = image::open(folder.path().join("out/a.faces.png")).unwrap().to_rgb8();
    let face = &json["a.png"][0]["box"];
    let (x, y) = (face[0].as_f64().unwrap() as u32, face[1].as_f64().unwrap() as u32);
    let label = (0..10).flat_map(|dy| (0..60).map(move |dx| (x + dx, y - 10 + dy)));
    let (mut white, mut black) = (0, 0);
    for (x, y) in label {
        match drawn.get_pixel(x, y).0 {
            [255, 255, 255] => white += 1,
            [0, 0, 0] => black += 1,
            _ => {}
        }
    }
    assert!(white > 50 && black > 200, "{white} white, {black} black");
}
