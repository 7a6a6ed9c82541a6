//! A USB camera that fails again and again has its port reset, at its present number; one that no reset can mend has not. The
//! kernel's trees are simulated: folders with the names that Linux gives them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use agegate::{
    camera::{
        Camera, CameraError,
        recovery::{Recovery, Trees},
    },
    frame::Frame,
};

struct Board {
    folder: tempfile::TempDir,
    resets: Arc<Mutex<Vec<PathBuf>>>,
}

impl Board {
    /// A webcam at port 1-1.2, its second node video2, with a name that survives replugging.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let device = at("sys/devices/platform/usb1/1-1/1-1.2");
        std::fs::create_dir_all(device.join("1-1.2:1.0/video4linux/video2")).unwrap();
        std::fs::write(device.join("busnum"), "1\n").unwrap();
        std::fs::write(device.join("devnum"), "7\n").unwrap();
        std::fs::create_dir_all(at("sys/class/video4linux/video2")).unwrap();
        std::os::unix::fs::symlink(device.join("1-1.2:1.0"), at("sys/class/video4linux/video2/device")).unwrap();
        // A CSI camera: no USB device above it.
        std::fs::create_dir_all(at("sys/devices/platform/soc/csi")).unwrap();
        std::fs::create_dir_all(at("sys/class/video4linux/video0")).unwrap();
        std::os::unix::fs::symlink(at("sys/devices/platform/soc/csi"), at("sys/class/video4linux/video0/device"))
            .unwrap();
        std::fs::create_dir_all(at("dev/v4l/by-id")).unwrap();
        for node in ["video0", "video2"] {
            std::fs::write(at(&format!("dev/{node}")), "").unwrap();
        }
        std::os::unix::fs::symlink("../../video2", at("dev/v4l/by-id/usb-webcam-video-index0")).unwrap();
        Self { folder, resets: Arc::default() }
    }

    fn dev(&self, name: &str) -> PathBuf {
        self.folder.path().join("dev").join(name)
    }

    fn trees(&self) -> Trees {
        Trees { sys: self.folder.path().join("sys"), dev: self.folder.path().join("dev") }
    }

    fn recovery(&self, camera: &str) -> Arc<Recovery> {
        let resets = Arc::clone(&self.resets);
        let reset = move |node: &Path| {
            resets.lock().unwrap().push(node.to_owned());
            Ok(())
        };
        Recovery::new(&self.dev(camera), self.trees(), Box::new(reset))
    }

    fn resets(&self) -> Vec<PathBuf> {
        self.resets.lock().unwrap().clone()
    }
}

/// Opens, and gives no frame.
struct Silent;

impl Camera for Silent {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        Err(CameraError::Stalled { device: "silent".into(), silence: Duration::from_secs(2) })
    }
    fn describe(&self) -> String {
        "silent".into()
    }
}

fn failure(number: i32) -> CameraError {
    CameraError::Open { device: "d".into(), source: std::io::Error::from_raw_os_error(number) }
}

#[test]
fn a_camera_that_stays_silent_is_reset_at_its_port() {
    let board = Board::new();
    let recovery = board.recovery("v4l/by-id/usb-webcam-video-index0");
    for _ in 0..5 {
        assert!(recovery.open(|| Ok(Box::new(Silent))).unwrap().next_frame().is_err());
        assert!(board.resets().is_empty());
    }
    recovery.open(|| Ok(Box::new(Silent))).unwrap();
    assert_eq!(board.resets(), [board.dev("bus/usb/001/007")]);
}

#[test]
fn the_number_that_it_has_now_is_taken_also_when_its_node_is_gone() {
    let board = Board::new();
    let recovery = board.recovery("video2");
    recovery.open(|| Ok(Box::new(Silent))).unwrap();
    // Found anew by the kernel, but not by its driver.
    std::fs::write(board.folder.path().join("sys/devices/platform/usb1/1-1/1-1.2/devnum"), "8\n").unwrap();
    std::fs::remove_file(board.dev("video2")).unwrap();
    std::fs::remove_dir_all(board.folder.path().join("sys/class/video4linux/video2")).unwrap();
    for _ in 0..6 {
        assert!(recovery.open(|| Err(failure(2))).is_err());
    }
    assert_eq!(board.resets(), [board.dev("bus/usb/001/008")]);
}

#[test]
fn a_camera_that_is_unplugged_held_or_forbidden_is_not_reset() {
    for number in [2, 13, 16, 28] {
        let board = Board::new();
        let recovery = board.recovery("video2");
        for _ in 0..100 {
            assert!(recovery.open(|| Err(failure(number))).is_err());
        }
        assert!(board.resets().is_empty(), "{number}");
    }
}

#[test]
fn a_camera_that_is_not_on_usb_is_left_alone() {
    let board = Board::new();
    let recovery = board.recovery("video0");
    for _ in 0..50 {
        assert!(recovery.open(|| Err(failure(5))).is_err());
    }
    assert!(board.resets().is_empty());
    assert_eq!(board.trees().usb_device(&board.dev("video0")), None);
}
