//! A camera that hangs: after several failed openings its USB port is reset, as pulling the plug would do, more and more rarely.
//! When that does not help, it needs hands: the capture thread gives it up ([`super::capture::GIVEN_UP_AFTER`]), which is an alarm.
//!
//! Only what a reset may mend counts: a driver that fails, a camera that stays silent. Not a camera that another program holds,
//! that the user may not open, or that is not there.

use std::{
    fs::OpenOptions,
    io::{Error, ErrorKind},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nusb::MaybeFuture as _;
use rustix::io::Errno;

use super::{Camera, CameraError, exposure::Light};
use crate::frame::Frame;

/// Failures in a row before the first reset; twice as many before the second, and so on.
const FIRST_RESET: u32 = 5;
/// Failures between two resets, in the end.
const MOST_BETWEEN: u32 = 640;

/// What to do about a camera that failed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Open it again.
    Wait,
    /// Reset its port before that.
    Reset,
}

/// Counts failures. Pure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    resets: u32,
    since_reset: u32,
}

impl Patience {
    /// Takes in one failure that a reset may mend.
    pub fn failed(&mut self) -> Remedy {
        self.since_reset += 1;
        let due = FIRST_RESET.saturating_mul(1 << self.resets.min(16)).min(MOST_BETWEEN);
        if self.since_reset < due {
            return Remedy::Wait;
        }
        self.since_reset = 0;
        self.resets += 1;
        Remedy::Reset
    }

    /// A frame came.
    pub fn good(&mut self) {
        *self = Self::default();
    }
}

/// Whether a reset may mend an error.
fn may_hang(error: &CameraError) -> bool {
    let (CameraError::Open { source, .. } | CameraError::Device { source, .. }) = error else {
        return matches!(error, CameraError::Stalled { .. });
    };
    !matches!(
        source.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::ACCESS | Errno::PERM | Errno::BUSY | Errno::NOSPC)
    )
}

/// Where a camera is plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsbPort {
    /// As the kernel writes it: `1-1.2`.
    pub name: String,
    /// Its device node.
    pub node: PathBuf,
}

/// The kernel's trees of devices.
#[derive(Clone, Debug)]
pub struct Trees {
    /// `/sys`
    pub sys: PathBuf,
    /// `/dev`
    pub dev: PathBuf,
}

impl Default for Trees {
    fn default() -> Self {
        Self { sys: "/sys".into(), dev: "/dev".into() }
    }
}

impl Trees {
    /// The folder of the USB device that a camera's node belongs to; `None` for a camera that is not on USB.
    #[must_use]
    pub fn usb_device(&self, camera: &Path) -> Option<PathBuf> {
        let camera = camera.canonicalize().ok()?;
        let device = self.sys.join("class/video4linux").join(camera.file_name()?).join("device").canonicalize().ok()?;
        device.ancestors().find(|folder| folder.join("busnum").is_file()).map(Path::to_owned)
    }

    /// The port of such a folder, as it is numbered now: a camera gets another number whenever it is found anew.
    ///
    /// # Errors
    /// If the device is gone.
    pub fn port(&self, folder: &Path) -> std::io::Result<UsbPort> {
        let number = |name: &str| {
            let text = std::fs::read_to_string(folder.join(name))?;
            text.trim().parse::<u32>().map_err(|_| Error::new(ErrorKind::InvalidData, format!("{name} is {text:?}")))
        };
        let node = self.dev.join(format!("bus/usb/{:03}/{:03}", number("busnum")?, number("devnum")?));
        Ok(UsbPort { name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(), node })
    }
}

/// Resets a USB device by its node.
///
/// # Errors
/// What the system said.
pub fn reset(node: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(node)?;
    let device = nusb::Device::from_fd(OwnedFd::from(file)).wait()?;
    Ok(device.reset().wait()?)
}

/// How a USB device is reset.
pub type Reset = Box<dyn Fn(&Path) -> std::io::Result<()> + Send + Sync>;

/// Follows a camera through its openings.
pub struct Recovery {
    camera: PathBuf,
    trees: Trees,
    reset: Reset,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    patience: Patience,
    reset_due: bool,
    /// Where it was when it could last be opened.
    usb_device: Option<PathBuf>,
}

impl Recovery {
    /// For a camera's node.
    #[must_use]
    pub fn new(camera: &Path, trees: Trees, reset: Reset) -> Arc<Self> {
        Arc::new(Self { camera: camera.to_owned(), trees, reset, state: Mutex::default() })
    }

    /// Opens the camera, after a reset where one is due.
    ///
    /// # Errors
    /// Those of the opening.
    pub fn open(
        self: &Arc<Self>,
        open: impl FnOnce() -> Result<Box<dyn Camera>, CameraError>,
    ) -> Result<Box<dyn Camera>, CameraError> {
        let due = std::mem::take(&mut self.state().reset_due);
        if due {
            self.mend();
        }
        let camera = open().inspect_err(|error| self.failed(error))?;
        if let Some(found) = self.trees.usb_device(&self.camera) {
            self.state().usb_device = Some(found);
        }
        Ok(Box::new(Watched { camera, recovery: Arc::clone(self) }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A plain value: whoever panicked while holding it cannot have left it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &CameraError) {
        let mut state = self.state();
        // A camera whose node is gone while its device is still there has hung too.
        let there = || state.usb_device.as_ref().is_some_and(|folder| folder.join("devnum").is_file());
        if may_hang(error) || (matches!(error, CameraError::Open { .. }) && !self.camera.exists() && there()) {
            state.reset_due = state.patience.failed() == Remedy::Reset;
        }
    }

    fn mend(&self) {
        let camera = self.camera.display();
        let found = self.trees.usb_device(&self.camera).or_else(|| self.state().usb_device.clone());
        let Some(folder) = found else {
            log::warn!("camera {camera}: it hangs, and it is not on USB: only a restart of the board resets it");
            return;
        };
        let result = self.trees.port(&folder).and_then(|port| (self.reset)(&port.node).map(|()| port.name));
        match result {
            Ok(port) => log::warn!("camera {camera}: it hangs; its USB port {port} was reset"),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => log::error!(
                "camera {camera}: it hangs, and its USB port cannot be reset: {error} (the udev rules and the unit that come \
                 with agegate allow it: 60-agegate.rules and `DeviceAllow=char-usb_device rw`); pull its plug"
            ),
            Err(error) => log::error!("camera {camera}: it hangs, and resetting its USB port failed: {error}"),
        }
    }
}

/// A camera whose frames and failures are counted.
struct Watched {
    camera: Box<dyn Camera>,
    recovery: Arc<Recovery>,
}

impl Camera for Watched {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let frame = self.camera.next_frame();
        match &frame {
            Ok(_) => self.recovery.state().patience.good(),
            Err(error) => self.recovery.failed(error),
        }
        frame
    }

    fn meter(&mut self, light: Light) {
        self.camera.meter(light);
    }

    fn describe(&self) -> String {
        self.camera.describe()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::camera::capture::GIVEN_UP_AFTER;

    fn failure(number: i32) -> CameraError {
        CameraError::Device {
            device: "d".into(),
            action: "waiting for a frame",
            source: Error::from_raw_os_error(number),
        }
    }

    #[test]
    fn resets_become_rarer_and_three_are_tried_before_the_camera_is_given_up() {
        let mut patience = Patience::default();
        let told: Vec<(u32, Remedy)> =
            (1..2000).map(|k| (k, patience.failed())).filter(|(_, r)| *r != Remedy::Wait).collect();
        assert_eq!(told[..3], [(5, Remedy::Reset), (15, Remedy::Reset), (35, Remedy::Reset)]);
        assert_eq!(told.iter().filter(|(k, _)| *k < GIVEN_UP_AFTER).count(), 3);
        assert!(told.len() > 8, "resets go on: it may come back");
    }

    #[test]
    fn a_frame_in_between_starts_the_count_anew() {
        let mut patience = Patience::default();
        for _ in 0..100 {
            assert!((0..4).all(|_| patience.failed() == Remedy::Wait));
            patience.good();
        }
    }

    #[test]
    fn what_no_reset_can_mend_asks_for_none() {
        for (number, hangs) in
            [(5, true), (71, true), (110, true), (2, false), (13, false), (16, false), (28, false), (19, false)]
        {
            assert_eq!(may_hang(&failure(number)), hangs, "{number}");
        }
        assert!(may_hang(&CameraError::Stalled { device: "d".into(), silence: Duration::from_secs(2) }));
        assert!(!may_hang(&CameraError::End));
    }
}
