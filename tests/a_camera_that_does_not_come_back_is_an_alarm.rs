//! A camera that does not come back however often it is tried is an alarm: a record in the log, once for each loss, and in the
//! status file until frames come again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{path::Path, time::Duration};

use agegate::status::{Alarm, State};
use common::{
    Daemon,
    door_unit::{story, until},
    run_folder, wait_for_status,
};

/// A gate with this camera.
fn gate(folder: &Path, camera: &str) -> Daemon {
    std::fs::create_dir(run_folder(folder)).unwrap();
    let config = folder.join("agegate.toml");
    let log = folder.join("log");
    let text = format!("[camera]\n{camera}\n[relay]\ndriver = \"simulated\"\n[log]\nfolder = {log:?}\n");
    std::fs::write(&config, text).unwrap();
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    daemon
}

fn alarms(folder: &Path) -> Vec<String> {
    story(folder).into_iter().filter(|what| what.starts_with("camera-lost")).collect()
}

#[test]
fn of_a_command_that_ends_again_and_again_until_it_gives_frames() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Plugged in once the file is there.
    let plug = folder.join("plugged");
    let script = format!(
        "test -e {} || exit 3; exec ffmpeg -hide_banner -loglevel error -re -f lavfi -i testsrc=size=320x240:rate=10 -f mjpeg -",
        plug.display()
    );
    let mut daemon = gate(folder, &format!("source = \"pipe\"\ncommand = [\"sh\", \"-c\", {script:?}]"));
    let status = wait_for_status(folder, |status| status.state == State::CameraLost);
    assert_eq!((status.alarms, alarms(folder)), (vec![], vec![]), "a loss is no alarm at once");
    until("the alarm is in the log", || alarms(folder) == ["camera-lost raised"]);
    let status = wait_for_status(folder, |status| !status.alarms.is_empty());
    assert_eq!((status.alarms, status.state), (vec![Alarm::CameraLost], State::CameraLost));
    daemon.wait_for("alarm: the camera does not come back");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(alarms(folder), ["camera-lost raised"], "once for each loss");
    std::fs::write(&plug, "").unwrap();
    wait_for_status(folder, |status| status.alarms.is_empty() && status.state == State::InUse);
    assert_eq!(alarms(folder), ["camera-lost raised", "camera-lost ended"]);
    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
}

#[test]
fn of_a_device_that_is_not_there_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut daemon = gate(folder, "device = \"/dev/v4l/by-id/unplugged\"");
    until("the alarm is in the log", || alarms(folder) == ["camera-lost raised"]);
    let status = wait_for_status(folder, |status| !status.alarms.is_empty());
    assert_eq!(status.alarms, [Alarm::CameraLost]);
    daemon.kill();
}
