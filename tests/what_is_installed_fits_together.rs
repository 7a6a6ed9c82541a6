//! `make install`: the unit starts the program where it was put, and every manual page bears the name of its command.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::process::Command;

use common::{agegate, repository, text};

#[test]
fn every_manual_page_bears_the_name_of_its_command() {
    let folder = tempfile::tempdir().unwrap();
    assert!(agegate(folder.path(), &["generate", "out"]).status.success());
    for name in ["agegate", "agegate-run", "agegate-calibrate", "agegate-log", "agegate-log-verify"] {
        let page = std::fs::read_to_string(folder.path().join(format!("out/{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1")), "{name}: {}", &page[..200]);
        let head = page.split(".SH NAME\n").nth(1).unwrap().lines().next().unwrap().replace('\\', "");
        assert!(head == name || head.starts_with(&format!("{name} - ")), "{name}: {head}");
        assert!(page.contains(&format!("fB{}", name.replace('-', " "))), "{name}: the synopsis has the whole command");
    }
    assert!(!folder.path().join("out/agegate-relay-keeper.1").exists(), "what nobody types has no page");
}

#[test]
fn the_unit_starts_the_program_where_it_was_put() {
    let (root, build) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A copy of what `make install` reads, so that nothing of the working tree is written to.
    for part in ["Makefile", "systemd", "config", "scripts"] {
        let status = Command::new("cp").arg("-r").arg(repository().join(part)).arg(build.path()).status().unwrap();
        assert!(status.success());
    }
    std::fs::create_dir(build.path().join("target")).unwrap();
    for (prefix, binary) in [("/usr", "/usr/bin/agegate"), ("/usr/local", "/usr/local/bin/agegate")] {
        let output = Command::new("make")
            .current_dir(build.path())
            .args(["install", &format!("PREFIX={prefix}"), &format!("DESTDIR={}", root.path().display())])
            .arg(format!("BINARY={}", env!("CARGO_BIN_EXE_agegate")))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        for name in ["agegate.service", "agegate@.service"] {
            let unit = root.path().join(format!("{}/lib/systemd/system/{name}", &prefix[1..]));
            let unit = std::fs::read_to_string(unit).unwrap();
            let starts = unit.lines().filter(|l| l.starts_with("Exec") && l.contains("agegate ")).collect::<Vec<_>>();
            assert!(starts.len() >= 2 && starts.iter().all(|l| l.contains(&format!("={binary} "))), "{starts:?}");
        }
        assert!(root.path().join(&binary[1..]).is_file());
    }
}

/// What holds for the one gate of a board holds for each lane of it.
#[test]
fn the_unit_of_a_lane_is_that_of_the_gate_with_a_configuration_and_a_log_folder_of_its_own() {
    let unit = |name: &str| std::fs::read_to_string(repository().join("systemd").join(name)).unwrap();
    let settings = |text: &str| text.lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    let (gate, lane) = (settings(&unit("agegate.service")), settings(&unit("agegate@.service")));
    let differ: Vec<(String, String)> =
        gate.iter().cloned().zip(lane.iter().cloned()).filter(|(a, b)| a != b).collect();
    assert_eq!(gate.len(), lane.len());
    let of_lanes: Vec<&str> = differ.iter().map(|(_, lane)| lane.as_str()).collect();
    assert_eq!(
        of_lanes,
        [
            "Description=agegate: age gate of %i, decides on the device and keeps no picture",
            "ExecStart=/usr/bin/agegate run --config /etc/agegate/%i.toml",
            "ExecStopPost=/usr/bin/agegate relay --off --config /etc/agegate/%i.toml",
            "StateDirectory=agegate/%i",
        ]
    );
}
