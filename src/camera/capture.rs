//! The capture thread: keeps only the newest frame, notices a lost camera, and opens it again when it is back.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{Camera, CameraError, Retry, exposure::Light};
use crate::frame::Frame;

/// Pause before a lost camera is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);
/// Time with broken frames and no good one after which the camera counts as lost. Some cameras break most of their frames.
const BROKEN_FOR: Duration = Duration::from_secs(3);
/// Tries in a row without a frame after which somebody has to look after a camera, whatever kind it is. The door stays shut, and
/// the tries go on.
pub const GIVEN_UP_AFTER: u32 = 40;

/// What the capture thread has for the deciding one.
#[derive(Debug)]
pub enum Captured {
    /// A frame that was not given out before.
    Frame(Frame),
    /// No new frame within the time asked for; the camera is not known to be lost.
    Nothing,
    /// The camera is lost.
    Lost(Loss),
    /// The recording is over.
    Ended,
}

/// A lost camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Why there is no frame.
    pub reason: String,
    /// Whether it was tried so often ([`GIVEN_UP_AFTER`]) that somebody has to look after it.
    pub given_up: bool,
}

#[derive(Default)]
struct Slot {
    newest: Option<Frame>,
    lost: Option<Loss>,
    ended: bool,
    /// How bright the face was, for the camera.
    light: Option<Light>,
}

struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
    stop: AtomicBool,
    /// Frames are wanted; otherwise the camera stays closed.
    wanted: AtomicBool,
    dropped: AtomicU64,
    broken: AtomicU64,
}

impl Shared {
    fn slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        // A slot is a plain value: whoever panicked while holding it cannot have left it half changed.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, change: impl FnOnce(&mut Slot)) {
        change(&mut self.slot());
        self.changed.notify_all();
    }

    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// How the camera is opened, again and again.
pub type Opener = Box<dyn Fn() -> Result<Box<dyn Camera>, CameraError> + Send>;

/// Handle of the capture thread; dropping it ends the thread.
pub struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Counters of the capture thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureCounts {
    /// Frames that a newer one replaced before they were judged.
    pub dropped: u64,
    /// Frames that could not be decoded.
    pub broken: u64,
}

impl Capture {
    /// Starts the thread. With `every_frame` no frame is dropped: for recordings that must repeat exactly.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(opener: Opener, every_frame: bool, wanted: bool) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            slot: Mutex::default(),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            wanted: AtomicBool::new(wanted),
            dropped: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        });
        let theirs = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("capture".into()).spawn(move || run(&theirs, &opener, every_frame))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Whether frames are wanted; while not, the camera is closed and no frame is read.
    pub fn want(&self, wanted: bool) {
        self.shared.wanted.store(wanted, Ordering::Relaxed);
        if !wanted {
            self.shared.put(|slot| slot.newest = None);
        }
    }

    /// Tells the camera how bright the face is.
    pub fn meter(&self, light: Light) {
        self.shared.slot().light = Some(light);
    }

    /// Takes the newest frame, waiting at most `patience` for one.
    #[must_use]
    pub fn take(&self, patience: Duration) -> Captured {
        let until = Instant::now() + patience;
        let mut slot = self.shared.slot();
        loop {
            if let Some(frame) = slot.newest.take() {
                self.shared.changed.notify_all();
                return Captured::Frame(frame);
            }
            if let Some(loss) = &slot.lost {
                return Captured::Lost(loss.clone());
            }
            if slot.ended {
                return Captured::Ended;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Captured::Nothing;
            }
            slot = self.shared.changed.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The counters so far.
    #[must_use]
    pub fn counts(&self) -> CaptureCounts {
        CaptureCounts {
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            broken: self.shared.broken.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A camera that hangs in its driver must not hold up the end of the program.
            let until = Instant::now() + Duration::from_millis(300);
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

fn run(shared: &Shared, opener: &Opener, every_frame: bool) {
    let mut reported = String::new();
    // In a row, also through the times in which nobody wants frames.
    let mut tries = 0u32;
    while !shared.stop.load(Ordering::Relaxed) {
        if !shared.wanted.load(Ordering::Relaxed) {
            shared.put(|slot| (slot.newest, slot.lost) = (None, None));
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        // A driver that panics is a lost camera, not a lost gate.
        let outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stream(shared, opener, every_frame, &mut tries)));
        let error = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(error)) if error.retry() == Retry::Never => {
                shared.put(|slot| (slot.lost, slot.ended) = (None, true));
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the camera's driver library failed".into(),
        };
        if error != reported {
            log::error!("{error}; the door stays shut, trying again every {:.1} s", REOPEN_PAUSE.as_secs_f32());
            reported.clone_from(&error);
        }
        tries = tries.saturating_add(1);
        let loss = Loss { reason: error, given_up: tries >= GIVEN_UP_AFTER };
        shared.put(|slot| (slot.newest, slot.lost) = (None, Some(loss)));
        shared.pause(REOPEN_PAUSE);
    }
}

/// Opens the camera and hands out its frames until it fails or is no longer wanted. With a frame the tries are counted anew.
fn stream(shared: &Shared, opener: &Opener, every_frame: bool, tries: &mut u32) -> Result<(), CameraError> {
    let mut camera = opener()?;
    let mut good = Instant::now();
    let mut announced = false;
    while !shared.stop.load(Ordering::Relaxed) && shared.wanted.load(Ordering::Relaxed) {
        match camera.next_frame() {
            Ok(frame) => {
                if !announced {
                    log::info!("{}", camera.describe());
                    announced = true;
                }
                good = Instant::now();
                *tries = 0;
                hand_out(shared, frame, every_frame);
                let light = shared.slot().light.take();
                if let Some(light) = light {
                    camera.meter(light);
                }
            }
            Err(error) if error.retry() == Retry::NextFrame && good.elapsed() < BROKEN_FOR => {
                shared.broken.fetch_add(1, Ordering::Relaxed);
                log::debug!("{error}; dropped");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn hand_out(shared: &Shared, frame: Frame, every_frame: bool) {
    if every_frame {
        let mut slot = shared.slot();
        while slot.newest.is_some() && !shared.stop.load(Ordering::Relaxed) {
            slot =
                shared.changed.wait_timeout(slot, Duration::from_millis(50)).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(slot);
    }
    shared.put(|slot| {
        slot.lost = None;
        if slot.newest.replace(frame).is_some() {
            shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    });
}
