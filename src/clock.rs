//! The one clock: monotonic, the same for frames, leases and records. The pure parts of the gate never read it; time is handed
//! in to them.

use std::time::Duration;

/// Whether `longest` has passed between two times. A clock that went back says nothing about that: then it has.
#[must_use]
pub fn has_passed(longest: Duration, since: Duration, now: Duration) -> bool {
    now.checked_sub(since).is_none_or(|passed| passed >= longest)
}

/// The monotonic clock, which is that of V4L2's time stamps too.
#[must_use]
pub fn monotonic_now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // The monotonic clock of Linux is never negative.
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_went_back_makes_nobody_wait() {
        let (second, at) = (Duration::from_secs(1), Duration::from_secs);
        assert!(!has_passed(second, at(5), at(5)));
        assert!(has_passed(second, at(5), at(6)));
        assert!(has_passed(second, at(5), at(4)));
    }
}
