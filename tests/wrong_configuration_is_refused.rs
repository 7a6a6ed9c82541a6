//! Wrong configuration, models and arguments: a clear message, exit code 2, and nothing runs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use common::{agegate, text, write_config};

fn refused(config: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), config).unwrap();
    let output = agegate(folder.path(), &["run", "--config", "a.toml"]);
    assert_eq!(output.status.code(), Some(2));
    text(&output.stderr)
}

#[test]
fn an_unknown_key_is_named_with_file_line_and_what_there_is() {
    let message = refused("[relay]\nopen_second = 3\n");
    assert!(
        message.contains("a.toml, line 2") && message.contains("`open_second`") && message.contains("`open_seconds`"),
        "{message}"
    );
}

#[test]
fn a_value_out_of_range_is_named_with_what_was_expected() {
    let message = refused("\n\n[visit]\ngood_frames = 0\n");
    assert!(message.contains("line 4: `visit.good_frames` is 0, expected 1 to 50"), "{message}");
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = agegate(folder.path(), &["run", "--config", "none.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("none.toml: cannot read it"));
}

#[test]
fn a_model_that_is_cut_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(common::repository().join("models/age-estimator.onnx")).unwrap();
    let model = folder.path().join("short.onnx");
    std::fs::write(&model, &whole[..whole.len() / 2]).unwrap();
    let config = write_config(folder.path(), &format!("[models]\nage = {model:?}\n"));
    let output = agegate(folder.path(), &["run", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(message.contains("short.onnx") && message.contains("cut short"), "{message}");
}

#[test]
fn a_model_of_the_other_kind_is_refused_with_both_names() {
    let folder = tempfile::tempdir().unwrap();
    let detector = common::repository().join("models/face-detector.onnx");
    let config = write_config(folder.path(), &format!("[models]\nage = {detector:?}\n"));
    let output = agegate(folder.path(), &["run", "--config", config.to_str().unwrap()]);
    let message = text(&output.stderr);
    assert!(message.contains("agegate-face-detector") && message.contains("agegate-age-estimator"), "{message}");
}

#[test]
fn a_folder_for_the_log_that_cannot_be_one_is_told_with_its_key_and_what_stands_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain"), "").unwrap();
    for (log, cause) in [
        ("/dev/null".to_owned(), "/dev/null is a device, expected a folder".to_owned()),
        ("/dev/null/log".to_owned(), "/dev/null is a device, expected a folder".to_owned()),
        ("plain/log".to_owned(), format!("{} is a file, expected a folder", folder.path().join("plain").display())),
    ] {
        let config = write_config(folder.path(), "");
        let text_of_it = std::fs::read_to_string(&config).unwrap();
        let text_of_it = text_of_it.replace(&format!("{:?}", folder.path().join("log")), &format!("{log:?}"));
        std::fs::write(&config, text_of_it).unwrap();
        let place = "(`log.folder`, line 7 of agegate.toml)";
        let run = agegate(folder.path(), &["run", "--config", "agegate.toml"]);
        let said = text(&run.stderr);
        assert!(run.status.code() == Some(2) && said.contains(&cause) && said.contains(place), "{log}: {said}");
        let check = agegate(folder.path(), &["check", "--config", "agegate.toml"]);
        let printed = text(&check.stdout);
        let line =
            printed.lines().find(|l| l.starts_with("FAIL  decision log: ")).unwrap_or_else(|| panic!("{printed}"));
        assert!(check.status.code() == Some(1) && line.contains(&cause) && line.contains(place), "{log}: {printed}");
        let show = agegate(folder.path(), &["log", "show", "--config", "agegate.toml"]);
        let said = text(&show.stderr);
        assert!(said.contains(&cause) && said.contains(place), "{log}: {said}");
    }
}

#[test]
fn what_a_key_names_and_is_not_there_is_told_with_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &str| {
        let config = write_config(folder.path(), more);
        let output = agegate(folder.path(), &["run", "--config", config.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{more}");
        text(&output.stderr)
    };
    for key in ["detector", "age", "liveness"] {
        let said = run(&format!("[models]\n{key} = \"none.onnx\"\n"));
        assert!(said.contains("none.onnx: cannot read the file: No such file"), "{said}");
        assert!(said.contains(&format!("(`models.{key}`, line 9 of ")), "{said}");
    }
    let said = run("key_file = \"/dev/null\"\n");
    assert!(said.contains("/dev/null") && said.contains("(`log.key_file`, line 8 of "), "{said}");
    // What keeps `run` from starting makes `check` fail.
    let said = run("key_file = \"none/log.key\"\n");
    assert!(said.contains("none") && said.contains("(`log.key_file`, line 8 of "), "{said}");
    let checked = agegate(folder.path(), &["check", "--config", "agegate.toml"]);
    let line = text(&checked.stdout).lines().find(|l| l.contains("decision log:")).unwrap().to_owned();
    assert!(checked.status.code() == Some(1) && line.starts_with("FAIL") && line.contains("none"), "{line}");
    // A name is one line of every message.
    let said = run("key_file = \"a\\nok    policy: nobody gets in\"\n");
    assert!(said.contains("without control characters") && said.trim_end().lines().count() == 1, "{said}");
    // A camera may come later: the gate says so and waits.
    let camera = |text_of_it: &str| {
        let rest = "[relay]\ndriver = \"simulated\"\n";
        std::fs::write(folder.path().join("camera.toml"), format!("{text_of_it}{rest}")).unwrap();
        text(&agegate(folder.path(), &["check", "--config", "camera.toml"]).stdout)
    };
    for (text_of_it, cause, place) in [
        ("[camera]\nsource = \"replay\"\npath = \"none\"\n", "no such file or folder", "`camera.path`, line 3 of"),
        ("[camera]\ndevice = \"/dev/none\"\n", "No such file or directory", "`camera.device`, line 2 of"),
        (
            "[camera]\ndevice = \"/dev/null\"\n",
            "this is a device of another kind (expected a camera",
            "`camera.device`, line 2",
        ),
        ("[camera]\ndevice = \"/dev\"\n", "this is a folder (expected a camera", "`camera.device`, line 2"),
        (
            "[camera]\nsource = \"pipe\"\ncommand = [\"none\"]\n",
            "there is no such program",
            "`camera.command`, line 3 of",
        ),
    ] {
        let printed = camera(text_of_it);
        let line = printed.lines().find(|l| l.starts_with("FAIL  camera: ")).unwrap_or_else(|| panic!("{printed}"));
        assert!(line.contains(cause) && line.contains(place), "{line}");
    }
    let printed =
        camera("[camera]\nsource = \"replay\"\npath = \"none\"\n[display]\ndriver = \"st7789\"\nspi = \"/dev/none\"\n");
    assert!(printed.contains("`display.spi`, line 6 of camera.toml"), "{printed}");
}

#[test]
fn a_number_below_zero_for_an_option_is_told_as_one() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["aim", "--seconds"][..],
        &["supervise", "--watchdog-seconds"],
        &["replay", "a.png", "--rate"],
        &["replay", "a.png", "--repeat"],
        &["detect", "a.png", "--score"],
        &["calibrate", "--dataset", "x", "--threshold"],
        &["calibrate", "--dataset", "x", "--max-false-accept"],
        &["calibrate", "--dataset", "x", "--challenge"],
        &["calibrate", "--dataset", "x", "--frames"],
        &["calibrate", "--dataset", "x", "--max-bpcer"],
    ] {
        let option = arguments[arguments.len() - 1];
        for value in ["-1", "-0.5", "none"] {
            let output = agegate(folder.path(), &[arguments, &[value]].concat());
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{arguments:?} {value}: {said}");
            assert!(!said.contains("unexpected argument") && !said.contains("digit"), "{arguments:?} {value}: {said}");
            assert!(
                said.contains("expected") && said.contains(option.trim_start_matches('-')),
                "{arguments:?} {value}: {said}"
            );
        }
    }
}

#[test]
fn a_recording_that_is_over_leaves_a_shut_door_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    common::visitor("nobody")[0].save(pictures.join("1.png")).unwrap();
    let config = write_config(folder.path(), "");
    let text_of_it = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text_of_it.replace(&format!("{:?}", common::clip()), "\"pictures\"")).unwrap();
    let output = common::agegate_in_time(folder.path(), &["run", "--config", "agegate.toml"]);
    let said = text(&output.stderr);
    assert!(
        output.status.success() && said.contains("the recording is over") && said.contains("the door is shut"),
        "{said}"
    );
}

#[test]
fn a_policy_made_for_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(
        folder.path(),
        "[liveness]\nmode = \"off\"\n[policy]\nthreshold_age = 18\nchallenge_age = 25\nconfidence = 0.9\nmodel = \"agegate-age-estimator/1/0000000000000000\"\n",
    );
    let output = agegate(folder.path(), &["run", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("was made for the age model agegate-age-estimator/1/0000000000000000"));
}

#[test]
fn check_says_ok_line_by_line_where_run_would_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), "");
    let output = agegate(folder.path(), &["check", "--config", config.to_str().unwrap()]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    for part in ["configuration", "face detector", "age model", "policy", "camera", "relay", "decision log"] {
        assert!(printed.lines().any(|l| l.starts_with("ok") && l.contains(part)), "{part}: {printed}");
    }
}

#[test]
fn check_fails_where_run_would_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("a.toml");
    std::fs::write(&config, "[camera]\ndevice = \"/dev/none\"\n[relay]\ndriver = \"cdev\"\nchip = \"none\"\n[log]\nfolder = \"/proc/none\"\n").unwrap();
    let check = || agegate(folder.path(), &["check", "--config", "a.toml"]);
    let mut output = check();
    // A gate of another test may be at work: its pin is left alone, and the line about the relay is none of failure.
    for _ in 0..100 {
        if !text(&output.stdout).contains("nobody says which pin") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        output = check();
    }
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout);
    assert!(printed.lines().filter(|l| l.starts_with("FAIL")).count() >= 3, "{printed}");
}

#[test]
fn check_looks_at_a_liveness_model_before_the_day_on_which_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let check = |more: &str| {
        let config = write_config(folder.path(), &format!("[liveness]\nmode = \"off\"\n{more}"));
        let output = agegate(folder.path(), &["check", "--config", config.to_str().unwrap()]);
        (output.status.code(), text(&output.stdout))
    };
    let (code, printed) = check("[models]\nliveness = \"models/livenes.onnx\"\n");
    let line = printed.lines().find(|l| l.contains("livenes.onnx")).unwrap_or_else(|| panic!("{printed}"));
    assert!(code == Some(1) && line.starts_with("FAIL  models.liveness: "), "{printed}");
    let (code, printed) = check(&format!("[models]\nliveness = {:?}\n", common::bluish_net()));
    assert!(
        code == Some(0) && printed.contains("ok    models.liveness: ") && printed.contains("not in use"),
        "{printed}"
    );
}

#[test]
fn a_turn_of_the_head_at_few_frames_a_second_is_noted_by_check_and_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let turn = "[liveness]\nmode = \"turn\"\n";
    let config = write_config(folder.path(), turn);
    let at = |rate: &str| {
        let text =
            std::fs::read_to_string(&config).unwrap().replacen("[camera]\n", &format!("[camera]\nrate = {rate}\n"), 1);
        let path = folder.path().join("at.toml");
        std::fs::write(&path, text).unwrap();
        path
    };
    let checked =
        |path: &std::path::Path| text(&agegate(folder.path(), &["check", "--config", path.to_str().unwrap()]).stdout);
    let printed = checked(&at("10.0"));
    assert!(!printed.contains("note  camera.rate"), "{printed}");
    let slow = at("5.0");
    let printed = checked(&slow);
    assert!(
        printed.contains("note  camera.rate: with `liveness.mode` \"turn\"") && printed.contains("docs/turn.md"),
        "{printed}"
    );
    let mut daemon = common::Daemon::start(&["run"], &slow);
    daemon.wait_for("camera.rate: with `liveness.mode` \"turn\"");
    daemon.kill();
}
