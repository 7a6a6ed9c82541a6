//! A policy's measured figures are shown for the values they were measured with, and for no others: `check`, the journal and
//! `evaluate` say instead which value was changed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::{Path, PathBuf};

use common::{Daemon, agegate, close_view, repository, text, write_config};

/// The shipped policy, in a file of its own, with an edit.
fn policy(folder: &Path, edit: impl Fn(String) -> String) {
    let text = std::fs::read_to_string(repository().join("models/policy.toml")).unwrap();
    std::fs::write(folder.join("policy.toml"), edit(text)).unwrap();
}

/// Replaces the first line of the key, which is the one of the policy; what stands in [evidence] stays.
fn with(text: &str, key: &str, value: &str) -> String {
    let line = text.lines().find(|l| l.starts_with(&format!("{key} = "))).unwrap();
    text.replacen(line, &format!("{key} = {value}"), 1)
}

fn policy_line(folder: &Path, more: &str) -> String {
    check_line(folder, more, "policy:")
}

/// The line of `check` that begins with this.
fn check_line(folder: &Path, more: &str, name: &str) -> String {
    let config = write_config(folder, more);
    let named = format!("policy_file = \"policy.toml\"\n{}", std::fs::read_to_string(&config).unwrap());
    std::fs::write(&config, named).unwrap();
    let printed = text(&agegate(folder, &["check", "--config", config.to_str().unwrap()]).stdout);
    let of = |line: &&str| line[6.min(line.len())..].starts_with(name);
    printed.lines().find(of).unwrap_or_else(|| panic!("{printed}")).to_owned()
}

/// The shipped detector with other units of length: it loads, and finds other faces.
fn another_detector(folder: &Path) -> PathBuf {
    let mut model = std::fs::read(repository().join("models/face-detector.onnx")).unwrap();
    let (key, value) = (b"\x05units\x12\x0e", b"16.0,40.0,96.0");
    let at = model.windows(key.len()).position(|bytes| bytes == key).unwrap() + key.len();
    assert_eq!(&model[at..at + value.len()], value);
    model[at] = b'3';
    let path = folder.join("other.onnx");
    std::fs::write(&path, model).unwrap();
    path
}

#[test]
fn check_shows_the_figures_of_an_untouched_policy() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), |text| text);
    let line = policy_line(folder.path(), "");
    assert!(line.contains("of adults asked for ID") && !line.contains("do not hold"), "{line}");
    assert!(line.starts_with("ok "), "{line}");
}

#[test]
fn check_names_what_was_edited_by_hand_instead_of_figures() {
    for (key, value) in
        [("confidence", "0.6"), ("challenge_age", "19"), ("temperature", "1.5"), ("threshold_age", "16")]
    {
        let folder = tempfile::tempdir().unwrap();
        policy(folder.path(), |text| with(&text, key, value));
        let line = policy_line(folder.path(), "");
        assert!(
            line.contains("do not hold for these values") && line.contains(&format!("`{key}` is {value}")),
            "{line}"
        );
        assert!(!line.contains("asked for ID"), "{line}");
        assert!(line.starts_with("note "), "nobody takes it for all right: {line}");
    }
}

#[test]
fn check_names_a_setting_of_the_visit_or_of_the_quality_that_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), |text| text);
    for (setting, key) in
        [("[visit]\ngood_frames = 2\n", "good_frames"), ("[quality]\nmin_brightness = 5.0\n", "min_brightness")]
    {
        let line = policy_line(folder.path(), setting);
        assert!(line.contains("do not hold") && line.contains(&format!("`{key}`")), "{line}");
    }
}

/// As if it had been measured where no living face is asked for.
fn measured_without_liveness(text: &str) -> String {
    let (before, rest) = text.split_once("[evidence.measured_with.liveness]\n").unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    format!("{before}{after}")
}

#[test]
fn figures_of_age_hold_where_a_living_face_is_asked_for_too_and_say_what_they_leave_out() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), |text| measured_without_liveness(&text));
    let figures = policy_line(folder.path(), "[liveness]\nmode = \"off\"\n");
    let figures = figures.split("; ").nth(1).unwrap();
    for mode in ["passive", "turn"] {
        let line = policy_line(folder.path(), &format!("[liveness]\nmode = {mode:?}\n"));
        for part in [
            figures,
            "measured without asking for a living face",
            "`agegate calibrate --config FILE --dataset DIR --attacks DIR`",
        ] {
            assert!(line.contains(part) && !line.contains("do not hold"), "{mode}: {part}: {line}");
        }
    }
    // Another value is another gate, whatever is asked of the face.
    let line = policy_line(folder.path(), "[liveness]\nmode = \"passive\"\n[visit]\ngood_frames = 2\n");
    assert!(line.contains("do not hold") && line.contains("`good_frames`"), "{line}");
}

#[test]
fn the_journal_says_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), "[visit]\nmost_frames = 20\n");
    let mut daemon = Daemon::start(&["run"], &config);
    let (_, line) = daemon.wait_for("policy: ");
    daemon.signal("-TERM");
    daemon.child.wait().unwrap();
    assert!(line.contains("do not hold") && line.contains("`most_frames` is 20, measured with 10"), "{line}");
}

#[test]
fn figures_of_living_faces_are_withdrawn_where_other_faces_are_found() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), |text| text);
    let line = check_line(folder.path(), "", "liveness:");
    assert!(line.contains("attacks taken for living"), "{line}");
    let other = another_detector(folder.path());
    for models in [format!("detector = {other:?}"), "detector_score = 0.9".into(), "detector_score = 0.1".into()] {
        let line = check_line(folder.path(), &format!("[models]\n{models}\n"), "liveness:");
        assert!(line.contains("do not hold for these values: `detector` is agegate-face-detector/"), "{line}");
        assert!(!line.contains("attacks taken for living"), "{line}");
    }
}

#[test]
fn the_report_of_an_evaluation_says_it_of_another_detector_and_of_another_score() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("set")).unwrap();
    close_view("adult").save(folder.path().join("set/40_0_0_1.png")).unwrap();
    std::fs::write(folder.path().join("surer.toml"), "[models]\ndetector_score = 0.95\n").unwrap();
    let other = another_detector(folder.path());
    for more in [["--detector", other.to_str().unwrap()], ["--config", "surer.toml"]] {
        let output =
            agegate(folder.path(), &[&["evaluate", "--dataset", "set", "--report", "out"][..], &more].concat());
        let printed = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(printed.contains("do not hold for these values: `detector` is agegate-face-detector/"), "{printed}");
    }
}

#[test]
fn a_face_that_the_gate_would_not_find_is_not_found_by_an_evaluation_either() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("live")).unwrap();
    // Out of focus, of which the detector is less sure.
    image::imageops::blur(&close_view("adult"), 8.0).save(folder.path().join("live/a.png")).unwrap();
    std::fs::write(folder.path().join("surest.toml"), "[models]\ndetector_score = 0.99\n").unwrap();
    let faceless = |more: &[&str]| {
        let output = agegate(folder.path(), &[&["evaluate", "--live", "live"][..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).contains("live: no face found in 1 pictures")
    };
    assert!(!faceless(&[]) && faceless(&["--config", "surest.toml"]));
}

#[test]
fn the_report_of_an_evaluation_says_it_too() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), |text| with(&text, "confidence", "0.61"));
    std::fs::create_dir(folder.path().join("set")).unwrap();
    close_view("adult").save(folder.path().join("set/40_0_0_1.png")).unwrap();
    let output =
        agegate(folder.path(), &["evaluate", "--dataset", "set", "--report", "out", "--policy", "policy.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    for told in [text(&output.stdout), page] {
        assert!(told.contains("do not hold for these values: `confidence` is 0.61"), "{told}");
    }
}
