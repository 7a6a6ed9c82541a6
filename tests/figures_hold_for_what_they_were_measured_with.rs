//! A policy's measured figures are shown for the values they were measured with, and for no others: `check`, the journal and
//! `evaluate` say instead which value was changed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

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
    let config = write_config(folder, more);
    let named = format!("policy_file = \"policy.toml\"\n{}", std::fs::read_to_string(&config).unwrap());
    std::fs::write(&config, named).unwrap();
    let printed = text(&agegate(folder, &["check", "--config", config.to_str().unwrap()]).stdout);
    printed.lines().find(|l| l.contains("policy:")).unwrap_or_else(|| panic!("{printed}")).to_owned()
}

#[test]
fn check_shows_the_figures_of_an_untouched_policy() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), |text| text);
    let line = policy_line(folder.path(), "");
    assert!(line.contains("of adults asked for ID") && !line.contains("do not hold"), "{line}");
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
