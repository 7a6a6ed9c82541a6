//! A log in memory takes every record and has none after a power cut: `check` and the gate's start say so, and with a cover contact, whose
//! alarm would be forgotten as well, `check` fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

use common::{
    Daemon, agegate,
    door_unit::{TAMPER, drive, line, write_unit},
    text, write_config_with_an_adult,
};

/// Every Linux mounts a tmpfs here.
const IN_MEMORY: &str = "/dev/shm";
/// A disk, where the tests are built.
const ON_DISK: &str = env!("CARGO_TARGET_TMPDIR");

fn folder_in(place: &str) -> tempfile::TempDir {
    tempfile::Builder::new().prefix("agegate-test-").tempdir_in(place).unwrap()
}

fn medium(folder: &Path) -> Option<String> {
    let printed = text(&agegate(folder, &["check", "--config", "agegate.toml"]).stdout);
    assert!(printed.contains("decision log:"), "{printed}");
    // What is built in a container lies in an overlay whose disk cannot be seen from within.
    let mut told =
        printed.lines().filter(|line| line.contains("log medium:") && !line.contains("cannot be seen from here"));
    told.next().map(str::to_owned)
}

#[test]
fn by_check_and_at_the_start() {
    let folder = folder_in(IN_MEMORY);
    let config = write_config_with_an_adult(folder.path(), "");
    let told = medium(folder.path()).unwrap();
    assert!(told.starts_with("note  ") && told.contains("in memory (tmpfs at /dev/shm)"), "{told}");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("in memory (tmpfs at /dev/shm)");
    daemon.kill();
}

#[test]
fn and_check_fails_where_an_opened_cover_would_be_forgotten() {
    for (place, fails) in [(IN_MEMORY, true), (ON_DISK, false)] {
        let folder = folder_in(place);
        write_unit(folder.path(), &[("nobody", 600)], "", &format!("[inputs]\ntamper = {}\n", line(TAMPER)));
        drive(folder.path(), TAMPER, "0");
        let told = medium(folder.path());
        assert_eq!(told.is_some_and(|line| line.starts_with("FAIL  ") && line.contains("the cover was opened")), fails);
    }
}

#[test]
fn also_where_only_what_lies_beside_the_folder_is_in_memory() {
    let (memory, disk) = (folder_in(IN_MEMORY), folder_in(ON_DISK));
    std::fs::create_dir(disk.path().join("log")).unwrap();
    std::os::unix::fs::symlink(disk.path().join("log"), memory.path().join("log")).unwrap();
    write_unit(disk.path(), &[("nobody", 600)], "", &format!("[inputs]\ntamper = {}\n", line(TAMPER)));
    let config = disk.path().join("agegate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let folder = format!("folder = {:?}", memory.path().join("log"));
    let edited: Vec<&str> = text.lines().map(|l| if l.starts_with("folder = ") { &folder } else { l }).collect();
    std::fs::write(&config, edited.join("\n")).unwrap();
    drive(disk.path(), TAMPER, "0");
    let told = medium(disk.path()).unwrap();
    assert!(told.starts_with("FAIL  ") && told.contains("the cover was opened") && !told.contains("records"), "{told}");
}

#[test]
fn but_not_of_a_log_on_a_disk() {
    let folder = folder_in(ON_DISK);
    write_config_with_an_adult(folder.path(), "");
    assert_eq!(medium(folder.path()), None);
}
