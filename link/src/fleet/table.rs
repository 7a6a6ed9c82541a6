//! The table in the terminal.

use super::rows::{Health, Row};

/// The rows as text, with a line that sums them up.
#[must_use]
pub fn text(rows: &[Row], days: u16) -> String {
    let head = ["gate", "is", "since (UTC)", "today", "a day", "referred (95 %)", "chain", "waiting"];
    let mut lines: Vec<Vec<String>> = vec![head.iter().map(|h| (*h).to_owned()).collect()];
    lines.extend(rows.iter().map(|row| {
        vec![
            row.gate.clone(),
            is(row),
            row.since.as_deref().map(minute).unwrap_or_default(),
            row.today.to_string(),
            row.per_day.map_or_else(|| "-".into(), |per_day| format!("{per_day:.0}")),
            rate(row),
            row.chain.clone(),
            row.waiting.map_or_else(|| "-".into(), |waiting| waiting.to_string()),
        ]
    }));
    let widths: Vec<usize> =
        (0..head.len()).map(|k| lines.iter().map(|line| line[k].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text + &summary(rows, days) + "\n"
}

/// One line about all gates.
#[must_use]
pub fn summary(rows: &[Row], days: u16) -> String {
    let count = |health: Health| rows.iter().filter(|row| row.health == health).count();
    format!(
        "{} gates: {} in use, {} to look after, {} out of order, {} offline; {} with faults in the log, {} refer more than the others ({days} days)",
        rows.len(),
        count(Health::Well),
        count(Health::Attention),
        count(Health::OutOfOrder),
        count(Health::Offline),
        rows.iter().filter(|row| row.chain_faults).count(),
        rows.iter().filter(|row| row.stands_out).count(),
    )
}

/// How a gate is, in words.
#[must_use]
pub fn is(row: &Row) -> String {
    match row.health {
        Health::Well => row.health.words().into(),
        health => format!("{}: {}", health.words(), row.state),
    }
}

/// The referral rate with its interval.
#[must_use]
pub fn rate(row: &Row) -> String {
    let Some(rate) = row.rate() else { return "-".into() };
    let mark = if row.stands_out { " !" } else { "" };
    format!("{:.1} % ({:.1} to {:.1}){mark}", rate * 100.0, row.interval.0 * 100.0, row.interval.1 * 100.0)
}

/// A time without seconds.
#[must_use]
pub fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}
