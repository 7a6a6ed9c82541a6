//! Two gates on one board, as two units `agegate@lane1` and `agegate@lane2` run them: what one has the other is refused, and
//! whoever cleans up after one leaves the other alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use common::{
    Daemon, agegate, agegate_in_time,
    door_unit::{EXIT, drive, line, press, write_unit},
    run_folder, text,
};

/// The configuration of a lane beside the first one, with these parts of it exchanged.
fn lane(folder: &Path, name: &str, changes: &[(&str, &str)]) -> PathBuf {
    let mut config = std::fs::read_to_string(folder.join("agegate.toml")).unwrap();
    for (from, to) in changes {
        assert!(config.contains(from), "{from}");
        config = config.replace(from, to);
    }
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, config).unwrap();
    path
}

fn run_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run_folder(folder)).unwrap().map(|e| e.unwrap().path());
    // Each gate has a status file beside it, which the link reads.
    let name = |p: &PathBuf| p.file_name().is_some_and(|n| !n.to_string_lossy().starts_with("status-"));
    entries.filter(|p| p.extension().is_some_and(|e| e == "json") && name(p)).collect()
}

#[test]
fn each_opens_its_own_door_and_outlives_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unit = format!("[inputs]\nexit = {}\n", line(EXIT));
    write_unit(folder, &[("nobody", 600)], "", &unit);
    let lane1 = lane(folder, "lane1", &[("/log\"", "/lane1/log\"")]);
    let lane2 = lane(folder, "lane2", &[("/log\"", "/lane2/log\""), ("line = 6", "line = 7")]);
    for number in [6, 7] {
        drive(folder, number, "1");
    }
    let mut first = Daemon::start(&["run"], &lane1);
    first.wait_for("agegate 0.1.0 runs");
    let mut second = Daemon::start(&["run"], &lane2);
    second.wait_for("agegate 0.1.0 runs");
    assert_eq!(run_files(folder).len(), 2);
    assert!(folder.join("lane1/log.key").exists() && folder.join("lane2/log.key").exists());
    std::thread::sleep(Duration::from_millis(300));
    press(folder, 7);
    second.wait_for("simulated relay energised");
    assert!(first.lines_for(Duration::from_millis(300)).iter().all(|(_, l)| !l.contains("energised")));
    second.kill();
    let off = |name: &str| agegate(folder, &["relay", "--off", "--config", name]);
    assert!(off("lane2.toml").status.success());
    let refused = off("lane1.toml");
    assert!(!refused.status.success() && text(&refused.stderr).contains("a gate runs"), "{}", text(&refused.stderr));
    press(folder, 6);
    first.wait_for("simulated relay energised");
    first.kill();
}

#[test]
fn a_simulated_line_of_the_other_is_refused_by_its_number_and_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_unit(folder, &[("nobody", 600)], "", &format!("[inputs]\nexit = {}\n", line(EXIT)));
    let lane1 = lane(folder, "lane1", &[("/log\"", "/lane1/log\"")]);
    drive(folder, EXIT, "1");
    let mut first = Daemon::start(&["run"], &lane1);
    first.wait_for("agegate 0.1.0 runs");
    lane(folder, "lane2", &[("/log\"", "/lane2/log\""), ("exit = ", "staff = ")]);
    let output = agegate_in_time(folder, &["run", "--config", "lane2.toml"]);
    let said = text(&output.stderr);
    let expected = [
        format!("process {}", first.child.id()),
        "lane1.toml".into(),
        format!("simulated line {EXIT} (`inputs.exit` there, `inputs.staff` here)"),
    ];
    assert!(!output.status.success() && expected.iter().all(|part| said.contains(part)), "{said}");
    // What reads the line now would read another level than the gate that has it.
    let checked = text(&agegate(folder, &["check", "--config", "lane2.toml"]).stdout);
    assert!(checked.contains("FAIL  inputs.staff: line 6 is held by the gate that runs"), "{checked}");
    first.kill();
}

#[test]
fn a_log_or_a_line_of_the_other_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_unit(folder, &[("nobody", 600)], "", "");
    let lane1 = lane(folder, "lane1", &[("/log\"", "/lane1/log\"")]);
    let mut first = Daemon::start(&["run"], &lane1);
    first.wait_for("agegate 0.1.0 runs");
    let refused = |name: &str| {
        let output = agegate(folder, &["run", "--config", name]);
        assert!(!output.status.success());
        text(&output.stderr)
    };
    lane(folder, "same-log", &[("/log\"", "/lane1/log\"")]);
    assert!(refused("same-log.toml").contains("another agegate writes to it"));
    // A gate with real pins cannot run here: the first one's file is made to tell of some.
    let file = run_files(folder).pop().unwrap();
    let mut told: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    told["devices"]["lines"] = serde_json::json!([{ "key": "relay.pin", "chip": "pinctrl-bcm2711", "line": 5 }]);
    std::fs::write(&file, told.to_string()).unwrap();
    let real = ("driver = \"simulated\"", "driver = \"cdev\"\npin = 17");
    let text =
        format!("{}[inputs]\nexit = {{ line = 5 }}\n", std::fs::read_to_string(folder.join("agegate.toml")).unwrap());
    std::fs::write(folder.join("agegate.toml"), text).unwrap();
    lane(folder, "same-line", &[("/log\"", "/lane2/log\""), real]);
    let said = refused("same-line.toml");
    assert!(
        said.contains("another gate runs") && said.contains("line 5 (`relay.pin` there, `inputs.exit` here)"),
        "{said}"
    );
    lane(folder, "other-line", &[("/log\"", "/lane2/log\""), real, ("line = 5", "line = 6")]);
    let said = refused("other-line.toml");
    assert!(!said.contains("another gate runs"), "{said}");
    first.kill();
}
