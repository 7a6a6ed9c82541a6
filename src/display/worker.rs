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

/// How the panel is opened, again and again.
pub type Opener = Box<dyn Fn() -> Result<Box<dyn Display>, DisplayError> + Send>;

/// Handle of the display thread; dropping it shows a last screen and ends the thread.
pub struct DisplayWorker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    wanted: Mutex<(Option<Screen>, bool)>,
    changed: Condvar,
    failing: AtomicBool,
}

impl Shared {
    fn wanted(&self) -> std::sync::MutexGuard<'_, (Option<Screen>, bool)> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
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
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("display".into()).spawn(move || run(&theirs, &opener))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks for a screen; returns at once.
    pub fn show(&self, screen: Screen) {
        let mut wanted = self.shared.wanted();
        if wanted.0 != Some(screen) {
            wanted.0 = Some(screen);
            self.shared.changed.notify_all();
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
            let result = match &mut panel {
                Some(panel) => panel.show(screen),
                None => opener().and_then(|mut opened| {
                    log::info!("{}", opened.describe());
                    opened.show(screen)?;
                    panel = Some(opened);
                    Ok(())
                }),
            };
            match result {
                Ok(()) => {
                    shown = Some(screen);
                    shared.failing.store(false, Ordering::Relaxed);
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
