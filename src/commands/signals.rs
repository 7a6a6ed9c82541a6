//! What the daemon and its supervisor are asked by signals: to stop, or to read the configuration anew.

use std::sync::{Arc, atomic::AtomicBool};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Flags that the signals set.
pub(super) struct Signals {
    pub(super) stop: Arc<AtomicBool>,
    pub(super) reload: Arc<AtomicBool>,
}

impl Signals {
    pub(super) fn register() -> std::io::Result<Self> {
        let signals = Self { stop: Arc::default(), reload: Arc::default() };
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&signals.stop))?;
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&signals.reload))?;
        Ok(signals)
    }
}
