//! The one clock: monotonic, the same for frames, leases and records. The pure parts of the gate never read it; time is handed
//! in to them.

use std::time::Duration;

/// The monotonic clock, which is that of V4L2's time stamps too.
#[must_use]
pub fn monotonic_now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // The monotonic clock of Linux is never negative.
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
