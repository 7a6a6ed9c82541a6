//! Jumps of the wall clock within a boot: the running time in the same records disproves it. No fault, since a clock may be
//! set, but whoever reads times should know.

use super::{Record, clock::Now};

/// What a clock may be set by, seconds, without a word.
const SLACK: i64 = 60;
/// Jumps that are named.
const NAMED: usize = 4;

/// The clock so far.
#[derive(Debug, Default)]
pub(super) struct Watched {
    before: Option<(u64, Now)>,
    named: Vec<String>,
    count: usize,
}

impl Watched {
    /// Looks at the next record.
    pub(super) fn see(&mut self, record: &Record) {
        let Some(now) = Now::of(record) else { return };
        if let Some((seq, before)) = &self.before
            && !now.boot.is_empty()
            && now.boot == before.boot
        {
            let seconds = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
            let passed = seconds(now.mono).saturating_sub(seconds(before.mono));
            let jump = now.wall.as_second().saturating_sub(before.wall.as_second()).saturating_sub(passed);
            if jump.saturating_abs() > SLACK {
                self.count += 1;
                if self.named.len() < NAMED {
                    self.named.push(format!(
                        "the clock jumped {} by {} between records {seq} and {}",
                        if jump > 0 { "ahead" } else { "back" },
                        words(jump.saturating_abs()),
                        record.seq
                    ));
                }
            }
        }
        self.before = Some((record.seq, now));
    }

    /// What there is to say.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let more = self.count - self.named.len();
        let more = (more > 0).then(|| format!("the clock jumped {more} more times"));
        self.named.iter().cloned().chain(more)
    }
}

fn words(seconds: i64) -> String {
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7_200.. => format!("{} hours", seconds / 3_600),
        120.. => format!("{} minutes", seconds / 60),
        _ => format!("{seconds} seconds"),
    }
}
