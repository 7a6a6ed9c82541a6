//! The display's own thread: it draws the newest screen, once per change, and tries again when the panel fails.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{Display, DisplayError, Screen};

/// Pause before a failed panel is opened again.
const REOPEN_PAUSE: Duration = Duration::from_secs(2);

/// A panel that takes longer than this to show one screen hangs. A full screen over a slow SPI bus takes a third of a second.
const LONGEST_DRAW: Duration = Duration::from_secs(5);

/// How the panel is opened, again and again.
pub type Opener = Box<dyn Fn() -> Result<Box<dyn Display>, DisplayError> + Send>;

/// Handle of the display thread, which survives a driver that panics; dropping it shows a last screen and ends the thread.
pub struct DisplayWorker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    wanted: Mutex<(Option<Screen>, bool)>,
    changed: Condvar,
    failing: AtomicBool,
    /// Since when the thread has been at the panel, if it is.
    drawing: Mutex<Option<Instant>>,
}

impl Shared {
    fn drawing(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.drawing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted(&self) -> std::sync::MutexGuard<'_, (Option<Screen>, bool)> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long, or until the end is wanted; whether it is.
    fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut wanted = self.wanted();
        while !wanted.1 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            wanted = self.changed.wait_timeout(wanted, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        wanted.1
    }
}

impl DisplayWorker {
    /// Starts the thread. A panel that cannot be opened is no reason for a gate not to run: it is tried again.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(opener: Opener) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            wanted: Mutex::new((None, false)),
            changed: Condvar::new(),
            failing: AtomicBool::new(false),
            drawing: Mutex::new(None),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("display".into()).spawn(move || {
            // A driver or a screen that panics costs the panel, not the thread: nobody would draw any more.
            while std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&theirs, &opener))).is_err() {
                *theirs.drawing() = None;
                theirs.failing.store(true, Ordering::Relaxed);
                log::error!(
                    "display: the thread that draws died; it is started again in {} s, and the gate goes on",
                    REOPEN_PAUSE.as_secs()
                );
                if theirs.pause(REOPEN_PAUSE) {
                    return;
                }
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks for a screen; returns at once. Says so, once, when the thread has hung at the panel for five seconds.
    pub fn show(&self, screen: Screen) {
        self.watch(Instant::now());
        let mut wanted = self.shared.wanted();
        if wanted.0 != Some(screen) {
            wanted.0 = Some(screen);
            self.shared.changed.notify_all();
        }
    }

    fn watch(&self, now: Instant) {
        let Some(since) = *self.shared.drawing() else { return };
        let hung = now.saturating_duration_since(since);
        if hung >= LONGEST_DRAW && !self.shared.failing.swap(true, Ordering::Relaxed) {
            log::error!(
                "display: the panel has not taken a screen for {} s and may show an old one; the gate goes on without it (are bus and lines wired as configured?)",
                hung.as_secs()
            );
        }
    }

    /// Whether the panel cannot be reached now.
    #[must_use]
    pub fn failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }
}

impl Drop for DisplayWorker {
    fn drop(&mut self) {
        self.shared.wanted().1 = true;
        self.shared.changed.notify_all();
        let Some(thread) = self.thread.take() else { return };
        let until = Instant::now() + Duration::from_millis(400);
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, opener: &Opener) {
    let mut panel: Option<Box<dyn Display>> = None;
    let mut shown = None;
    let mut retry_at = Instant::now();
    loop {
        let mut wanted = shared.wanted();
        while !wanted.1 && (wanted.0 == shown || Instant::now() < retry_at) {
            wanted = shared
                .changed
                .wait_timeout(wanted, Duration::from_millis(200))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let (screen, ending) = *wanted;
        drop(wanted);
        if let Some(screen) = screen.filter(|s| shown != Some(*s)) {
            *shared.drawing() = Some(Instant::now());
            let result = match &mut panel {
                Some(panel) => panel.show(screen),
                None => opener().and_then(|mut opened| {
                    log::info!("{}", opened.describe());
                    opened.show(screen)?;
                    panel = Some(opened);
                    Ok(())
                }),
            };
            *shared.drawing() = None;
            match result {
                Ok(()) => {
                    shown = Some(screen);
                    if shared.failing.swap(false, Ordering::Relaxed) {
                        log::info!("display: the panel shows screens again");
                    }
                }
                Err(error) => {
                    if !shared.failing.swap(true, Ordering::Relaxed) {
                        log::error!(
                            "{error}; the gate goes on without it, trying again every {} s",
                            REOPEN_PAUSE.as_secs()
                        );
                    }
                    panel = None;
                    shown = None;
                    retry_at = Instant::now() + REOPEN_PAUSE;
                }
            }
        }
        if ending {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows what it is told, and panics at "Denied" as a driver with a fault does.
    struct Fragile(Arc<Mutex<Vec<Screen>>>);

    impl Display for Fragile {
        fn show(&mut self, screen: Screen) -> Result<(), DisplayError> {
            assert_ne!(screen, Screen::Denied, "a fault of the driver");
            self.0.lock().unwrap().push(screen);
            Ok(())
        }

        fn describe(&self) -> String {
            "fragile".into()
        }
    }

    /// Does not come back from its first screen until it is let go.
    struct Hanging(Arc<Mutex<()>>);

    impl Display for Hanging {
        fn show(&mut self, _screen: Screen) -> Result<(), DisplayError> {
            drop(self.0.lock().unwrap());
            Ok(())
        }

        fn describe(&self) -> String {
            "hanging".into()
        }
    }

    #[test]
    fn a_panel_that_hangs_is_noticed_and_forgiven_when_it_draws_again() {
        let held: Arc<Mutex<()>> = Arc::default();
        let theirs = Arc::clone(&held);
        let guard = held.lock().unwrap();
        let worker = DisplayWorker::start(Box::new(move || Ok(Box::new(Hanging(Arc::clone(&theirs)))))).unwrap();
        let wait = |what: &dyn Fn() -> bool| {
            let until = Instant::now() + Duration::from_secs(10);
            while !what() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(what());
        };
        worker.show(Screen::Idle);
        wait(&|| worker.shared.drawing().is_some());
        worker.watch(Instant::now() + LONGEST_DRAW.mul_f32(0.5));
        assert!(!worker.failing(), "a slow panel is not a hanging one");
        worker.watch(Instant::now() + LONGEST_DRAW);
        assert!(worker.failing());
        drop(guard);
        wait(&|| !worker.failing());
    }

    #[test]
    fn a_driver_that_panics_is_noticed_and_the_next_screen_is_drawn_all_the_same() {
        let shown: Arc<Mutex<Vec<Screen>>> = Arc::default();
        let theirs = Arc::clone(&shown);
        let worker = DisplayWorker::start(Box::new(move || Ok(Box::new(Fragile(Arc::clone(&theirs)))))).unwrap();
        let wait = |what: &dyn Fn() -> bool| {
            let until = Instant::now() + Duration::from_secs(10);
            while !what() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(what());
        };
        worker.show(Screen::Idle);
        wait(&|| shown.lock().unwrap().contains(&Screen::Idle));
        worker.show(Screen::Denied);
        wait(&|| worker.failing());
        worker.show(Screen::Welcome);
        wait(&|| shown.lock().unwrap().contains(&Screen::Welcome));
    }
}
