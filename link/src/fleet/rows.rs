//! One row for each gate: what the head office asks every morning. Pure: the time comes in.

use jiff::{Timestamp, tz::TimeZone};

use super::{collect::Gates, wilson};

/// How it is, as far as it can be known from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing comes from its link.
    Offline,
    /// The link is there, and the gate cannot be used.
    OutOfOrder,
    /// It works, and something is to be looked after.
    Attention,
    /// All is well.
    Well,
}

impl Health {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::OutOfOrder => "out of order",
            Self::Attention => "look after",
            Self::Well => "in use",
        }
    }
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Site and name: the topic without what all have in common.
    pub gate: String,
    /// How it is.
    pub health: Health,
    /// The gate's own word, and alarms.
    pub state: String,
    /// Since when.
    pub since: Option<String>,
    /// Decisions today (UTC).
    pub today: u64,
    /// Decisions a day, over the days on which there were any.
    pub per_day: Option<f64>,
    /// Referred, and decided, within the days.
    pub referred: (u64, u64),
    /// Interval of the referral rate, 95 %.
    pub interval: (f64, f64),
    /// Whether the whole interval is above the rate of all other gates together.
    pub stands_out: bool,
    /// The chain in words.
    pub chain: String,
    /// Whether the chain has faults.
    pub chain_faults: bool,
    /// The last anchor.
    pub anchor: String,
    /// Records that wait.
    pub waiting: Option<u64>,
    /// Version.
    pub version: String,
}

impl Row {
    /// The referral rate, where anybody was decided about.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        (self.referred.1 > 0).then(|| self.referred.0 as f64 / self.referred.1 as f64)
    }

    /// Whether somebody should look at this gate.
    #[must_use]
    pub fn needs_a_look(&self) -> bool {
        self.health != Health::Well || self.chain_faults || self.stands_out
    }
}

/// The rows, the worst first.
#[must_use]
pub fn of(gates: &Gates, now: Timestamp, days: u16) -> Vec<Row> {
    let today = TimeZone::UTC.to_datetime(now).date();
    let first = today.saturating_sub(jiff::Span::new().days(i64::from(days))).to_string();
    let today = today.to_string();
    let common = common_prefix(gates);
    let mut rows: Vec<Row> = gates
        .0
        .iter()
        .map(|(base, gate)| {
            let counted: Vec<_> = gate.days.range(first.clone()..today.clone()).map(|(_, day)| day).collect();
            let referred: u64 = counted.iter().map(|day| day.refer).sum();
            let decided: u64 = counted.iter().map(|day| day.decided()).sum();
            let status = gate.status.as_ref();
            let chain = gate.chain.as_ref();
            let (health, state, since) = health(gate, now);
            Row {
                gate: printable(base.get(common..).unwrap_or(base)),
                health,
                state,
                since: since.map(|text| printable(&text)),
                today: gate.days.get(&today).map_or(0, crate::counts::Day::decided),
                per_day: (!counted.is_empty()).then(|| decided as f64 / counted.len() as f64),
                referred: (referred, decided),
                interval: wilson::interval(referred, decided),
                stands_out: false,
                chain: chain.map_or_else(|| "unknown".into(), chain_words),
                chain_faults: chain.is_some_and(|chain| chain.faults > 0),
                anchor: chain.map(|chain| printable(&chain.anchor)).unwrap_or_default(),
                waiting: status.and_then(|status| status.waiting),
                version: status.and_then(|status| status.version.as_deref()).map(printable).unwrap_or_default(),
            }
        })
        .collect();
    let (all_referred, all) = rows.iter().fold((0, 0), |sum, row| (sum.0 + row.referred.0, sum.1 + row.referred.1));
    for row in &mut rows {
        let others = all - row.referred.1;
        // By itself a gate cannot stand out.
        row.stands_out = others > 0 && row.interval.0 > (all_referred - row.referred.0) as f64 / others as f64;
    }
    rows.sort_by(|a, b| (a.health, !a.needs_a_look(), &a.gate).cmp(&(b.health, !b.needs_a_look(), &b.gate)));
    rows
}

fn chain_words(chain: &super::collect::Chain) -> String {
    match (chain.faults, &chain.last_fault) {
        (0, _) if chain.missed > 0 => format!("whole to {}, {} deleted unsent", chain.seq, chain.missed),
        (0, _) => format!("whole to {}", chain.seq),
        (faults, Some(last)) => format!("{faults} faults, the last: {}", printable(&last.what)),
        (faults, None) => format!("{faults} faults"),
    }
}

fn health(gate: &super::collect::Gate, now: Timestamp) -> (Health, String, Option<String>) {
    let status = gate.status.as_ref();
    let link_is_gone = gate.online == Some(false);
    // A status without a time is none that a link has sent.
    let garbled_status =
        gate.garbled.contains("status") || status.is_some_and(|s| s.time.parse::<Timestamp>().is_err());
    if garbled_status && !link_is_gone {
        return (Health::OutOfOrder, "its status cannot be read".into(), None);
    }
    let Some(status) = status else {
        let state = if gate.online == Some(true) { "nothing heard yet" } else { "never heard" };
        return (Health::Offline, state.into(), None);
    };
    let sent = status.time.parse::<Timestamp>().ok();
    // Twice in a row missed and a little: a broker's word that a link is there may be an old one, too.
    let patience = i64::try_from(status.every_seconds.clamp(1, 86_400)).unwrap_or(60) * 2 + 60;
    let silent = sent.is_none_or(|at| now.as_second() - at.as_second() > patience);
    if link_is_gone || silent {
        return (Health::Offline, "link offline".into(), Some(status.time.clone()));
    }
    let state = printable(&status.state);
    if status.state != "in-use" {
        return (Health::OutOfOrder, state, status.since.clone());
    }
    if !status.alarms.is_empty() {
        let alarms: Vec<String> = status.alarms.iter().map(|alarm| printable(alarm)).collect();
        return (Health::Attention, alarms.join(", "), status.since.clone());
    }
    if let Some(trouble) = &status.log_trouble {
        return (Health::Attention, printable(trouble), None);
    }
    if !gate.garbled.is_empty() {
        let leaves: Vec<&str> = gate.garbled.iter().copied().collect();
        return (Health::Attention, format!("cannot be read: {}", leaves.join(", ")), None);
    }
    (Health::Well, state, status.since.clone())
}

/// Length of what all topics have in common, up to a level.
fn common_prefix(gates: &Gates) -> usize {
    let mut bases = gates.0.keys().map(|base| base.rsplit_once('/').map_or("", |(prefix, _)| prefix));
    let Some(first) = bases.next() else { return 0 };
    let mut common: Vec<&str> = first.split('/').collect();
    for base in bases {
        let same = common.iter().zip(base.split('/')).take_while(|(a, b)| **a == *b).count();
        common.truncate(same);
    }
    common.iter().map(|level| level.len() + 1).sum()
}

/// Of one line, and not endless.
fn printable(text: &str) -> String {
    crate::out::one_line(&text.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gates() -> Gates {
        let mut gates = Gates::default();
        for (name, state, refer, online) in [
            ("a", "in-use", 10, "online"),
            ("b", "camera-lost", 12, "online"),
            ("c", "in-use", 60, "online"),
            ("d", "in-use", 11, "offline"),
        ] {
            let status = format!(
                r#"{{"time":"2026-03-10T12:00:00.000Z","every_seconds":60,"state":"{state}","since":"2026-03-10T06:00:00.000Z","alarms":[]}}"#
            );
            let days = format!(
                r#"{{"days":{{"2026-03-09":{{"allow":{},"refer":{refer}}},"2026-03-10":{{"allow":3}}}}}}"#,
                100 - refer
            );
            for (leaf, payload) in [("status", status), ("days", days), ("link", format!(r#"{{"state":"{online}"}}"#))]
            {
                assert!(gates.take(&format!("agegate/berlin/{name}/{leaf}"), payload.as_bytes()));
            }
        }
        gates
    }

    #[test]
    fn what_is_out_of_order_stands_first_and_since_when() {
        let rows = of(&gates(), "2026-03-10T12:01:00Z".parse().unwrap(), 14);
        let shown: Vec<_> = rows.iter().map(|r| (r.gate.as_str(), r.health)).collect();
        let expected = [("d", Health::Offline), ("b", Health::OutOfOrder), ("c", Health::Well), ("a", Health::Well)];
        assert_eq!(shown, expected);
        assert_eq!(rows[1].since.as_deref(), Some("2026-03-10T06:00:00.000Z"));
        assert_eq!((rows[3].today, rows[3].per_day, rows[3].rate()), (3, Some(100.0), Some(0.1)));
    }

    #[test]
    fn only_the_badly_lit_door_stands_out() {
        let rows = of(&gates(), "2026-03-10T12:01:00Z".parse().unwrap(), 14);
        let out: Vec<_> = rows.iter().filter(|r| r.stands_out).map(|r| r.gate.as_str()).collect();
        assert_eq!(out, ["c"]);
    }

    #[test]
    fn a_link_of_which_nothing_comes_is_offline_whatever_the_broker_kept() {
        let rows = of(&gates(), "2026-03-10T13:00:00Z".parse().unwrap(), 14);
        assert!(rows.iter().all(|r| r.health == Health::Offline));
    }

    #[test]
    fn what_cannot_be_read_is_told_and_is_not_never_heard() {
        let mut gates = gates();
        for garbage in [&b"\xff\xfe"[..], b"{}", b"42"] {
            gates.take("agegate/berlin/c/status", garbage);
            gates.take("agegate/berlin/new/status", garbage);
            let rows = of(&gates, "2026-03-10T12:01:00Z".parse().unwrap(), 14);
            for name in ["c", "new"] {
                let row = rows.iter().find(|r| r.gate == name).unwrap();
                assert_eq!((row.health, row.state.as_str()), (Health::OutOfOrder, "its status cannot be read"));
                assert!(row.needs_a_look());
            }
        }
        gates.take("agegate/berlin/a/anchor", b"nonsense");
        let row = of(&gates, "2026-03-10T12:01:00Z".parse().unwrap(), 14).into_iter().find(|r| r.gate == "a").unwrap();
        assert_eq!((row.health, row.state.as_str()), (Health::Attention, "cannot be read: anchor"));
        let good = r#"{"seq":3,"faults":0}"#;
        assert!(gates.take("agegate/berlin/a/anchor", good.as_bytes()), "and is forgotten with the next one that can");
        let row = of(&gates, "2026-03-10T12:01:00Z".parse().unwrap(), 14).into_iter().find(|r| r.gate == "a").unwrap();
        assert_eq!(row.health, Health::Well);
    }

    #[test]
    fn what_anybody_may_have_published_is_bounded_and_harmless() {
        let mut gates = Gates::default();
        assert!(!gates.take("agegate/../../etc/x y/status", b"{}"));
        assert!(!gates.take("agegate/a/command", b"{}"));
        assert!(!gates.take("agegate/a/status", b"\xff\xfe"));
        assert!(gates.take("agegate/a/status", br#"{"state":"\u001b[2Jin-use"}"#));
        let rows = of(&gates, Timestamp::now(), 14);
        assert!(!rows[0].state.contains('\u{1b}'), "{rows:?}");
    }
}
