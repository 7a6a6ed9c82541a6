//! The log's own clock: how much time has passed since its first record, as far as the log itself can vouch for it.
//!
//! Records are deleted by this time, not by the wall clock: a clock that is wrong or jumps must not delete what is young,
//! and a board that never learns the right time must delete what is old all the same. Within a boot the monotonic clock
//! tells what has passed. From one boot to the next only the wall clock can, so it counts, but only as far as it goes beyond
//! every time seen so far, and at most [`UNSURE`] for each time the board was off ([`SURE`] where both times came from a
//! synchronised clock). A board that was off for longer keeps its records for longer.

use std::{path::Path, time::Duration};

use jiff::Timestamp;

use super::Record;
use crate::clock::monotonic_now;

/// Most that counts for a time without power when the clock is not known to be right.
pub const UNSURE: Duration = Duration::from_secs(24 * 3600);
/// Most that counts for a time without power between two synchronised times.
pub const SURE: Duration = Duration::from_secs(7 * 24 * 3600);

/// All times of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, UTC.
    pub wall: Timestamp,
    /// Since the system started.
    pub mono: Duration,
    /// First 8 digits of the kernel's boot id; empty where the system does not tell.
    pub boot: String,
    /// Whether the wall clock was synchronised; `None` where the system does not tell.
    pub synced: Option<bool>,
}

impl Now {
    /// Asks the system.
    #[must_use]
    pub fn system() -> Self {
        Self { wall: Timestamp::now(), mono: monotonic_now(), boot: boot_id(), synced: synced() }
    }

    /// The times in a record; `None` if its wall-clock time is none.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        Some(Self {
            wall: record.time.parse().ok()?,
            mono: Duration::from_millis(record.mono_ms),
            boot: record.boot.clone(),
            synced: record.clock_synced,
        })
    }
}

fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.chars().filter(char::is_ascii_hexdigit).take(8).collect()
}

/// Whether the system clock was synchronised since boot, as systemd's time service marks it.
fn synced() -> Option<bool> {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Some(true);
    }
    Path::new("/run/systemd/timesync").exists().then_some(false)
}

/// The time that has passed since the log began.
#[derive(Clone, Debug)]
pub struct Span {
    total: Duration,
    last: Option<Now>,
    latest: Timestamp,
}

impl Span {
    /// Continues after the last record: the time that had passed then, its own times, and the latest wall-clock time of any
    /// record.
    #[must_use]
    pub fn after(total: Duration, last: Option<Now>, latest: Timestamp) -> Self {
        let latest = last.as_ref().map_or(latest, |last| latest.max(last.wall));
        Self { total, last, latest }
    }

    /// Moves on to a moment; the time that has passed by then.
    pub fn advance(&mut self, now: &Now) -> Duration {
        if let Some(last) = &self.last {
            // What a record says may be anything: somebody else may have written it.
            self.total = self.total.saturating_add(elapsed(last, now, self.latest));
        }
        self.latest = self.latest.max(now.wall);
        self.last = Some(now.clone());
        self.total
    }
}

fn elapsed(last: &Now, now: &Now, latest: Timestamp) -> Duration {
    if !now.boot.is_empty() && now.boot == last.boot && now.mono >= last.mono {
        return now.mono - last.mono;
    }
    let most = if last.synced == Some(true) && now.synced == Some(true) { SURE } else { UNSURE };
    let wall = Duration::try_from(now.wall.duration_since(latest)).unwrap_or_default();
    // What the board has run since it started has passed at any rate.
    wall.min(most).max(now.mono)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(days: f64, boot: u32, mono_days: f64) -> Now {
        Now {
            wall: Timestamp::from_second(1_700_000_000 + (days * 86_400.0) as i64).unwrap(),
            mono: Duration::from_secs_f64(mono_days * 86_400.0),
            boot: boot.to_string(),
            synced: None,
        }
    }

    fn days(moments: &[Now]) -> f64 {
        let mut span = Span::after(Duration::ZERO, None, Timestamp::UNIX_EPOCH);
        moments.iter().map(|m| span.advance(m)).last().unwrap().as_secs_f64() / 86_400.0
    }

    #[test]
    fn a_jump_of_the_clock_within_a_boot_is_no_time() {
        assert!(days(&[at(0.0, 1, 0.0), at(100.0, 1, 0.01), at(-3000.0, 1, 0.02), at(1.0, 1, 0.03)]) < 0.031);
    }

    #[test]
    fn a_jump_of_the_clock_while_the_board_was_off_is_a_day_at_most_and_only_once() {
        let mut moments = vec![at(0.0, 0, 0.0)];
        for boot in 1..50 {
            moments.push(at(if boot % 2 == 0 { 0.1 } else { 100.0 }, boot, 0.001));
        }
        assert!(days(&moments) < 1.1, "{}", days(&moments));
    }

    #[test]
    fn a_board_without_network_time_grows_old_by_the_time_it_runs() {
        // Its clock stands at the same day after every start.
        let moments: Vec<Now> = (0..40).flat_map(|boot| [at(0.0, boot, 0.0), at(0.9, boot, 0.9)]).collect();
        assert!(days(&moments) > 35.0);
    }

    #[test]
    fn a_gate_that_is_off_at_night_counts_the_nights() {
        let moments: Vec<Now> =
            (0..30).flat_map(|day| [at(f64::from(day), day, 0.0), at(f64::from(day) + 0.5, day, 0.5)]).collect();
        assert!((29.0..30.0).contains(&days(&moments)), "{}", days(&moments));
    }

    proptest! {
        #[test]
        fn it_never_goes_back_nor_faster_than_what_can_have_passed(
            steps in prop::collection::vec((-4000.0f64..4000.0, 0u32..4, 0.0f64..5.0), 1..60),
        ) {
            let mut span = Span::after(Duration::ZERO, None, Timestamp::UNIX_EPOCH);
            let mut before = Duration::ZERO;
            for (wall, boot, mono) in steps {
                let now = at(wall, boot, mono);
                let total = span.advance(&now);
                prop_assert!(total >= before && total - before <= UNSURE.max(now.mono));
                before = total;
            }
        }
    }
}
