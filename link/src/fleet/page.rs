//! One page of HTML with all gates: nothing outside it is loaded, and whatever a gate says stands there as text.

use std::fmt::Write as _;

use super::{
    rows::{Health, Row},
    table::{is, minute, rate, summary},
};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--bad:#c62828;--warn:#b26a00;--good:#2e7d32}
body{font:16px/1.45 system-ui,sans-serif;margin:1rem auto;max-width:80rem;padding:0 1rem}
h1{font-size:1.5rem;margin:.5rem 0}p{margin:.4rem 0}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td{overflow-wrap:anywhere}td.n,th.n{text-align:right;white-space:nowrap}
.is{font-weight:600}.offline .is,.out .is,.fault{color:var(--bad)}.look .is,.stands{color:var(--warn);font-weight:600}.well .is{color:var(--good)}
.anchor{font:.85em ui-monospace,monospace}
.bar{display:block;position:relative;height:.4rem;background:var(--line);border-radius:.2rem;min-width:5rem}
.bar i{position:absolute;top:0;bottom:0;background:currentColor;border-radius:.2rem;opacity:.6}
@media(max-width:45rem){thead{display:none}tr{display:block;border-bottom:2px solid var(--line);padding:.5rem 0}
td,td.n{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.15rem 0;text-align:right;white-space:normal}
td::before{content:attr(data-name);font-weight:400;color:inherit;opacity:.7;text-align:left}.bar{display:none}}";

/// The page; with `refresh`, a browser loads it again after so many seconds.
#[must_use]
pub fn html(rows: &[Row], days: u16, refresh: Option<u64>) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    page += "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n";
    page += "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n";
    page += "<link rel=\"icon\" href=\"data:,\">\n";
    // Writing to a String cannot fail.
    if let Some(seconds) = refresh {
        let _ = writeln!(page, "<meta http-equiv=\"refresh\" content=\"{seconds}\">");
    }
    let now = minute(&jiff::Timestamp::now().to_string());
    let _ = write!(
        page,
        "<title>Age gates</title><style>{STYLE}</style></head><body>\n<h1>Age gates</h1>\n<p>{}</p>\n<p>As of {now} UTC. Referred: share of decided visits that were asked for ID, of the last {days} days without today, with its 95 % interval; marked where even its lower end is above all others together.</p>\n<table><thead><tr><th>Gate<th>Is<th>Since (UTC)<th class=\"n\">Today<th class=\"n\">A day<th>Referred<th>Log<th class=\"n\">Waiting</tr></thead><tbody>\n",
        escaped(&summary(rows, days))
    );
    for row in rows {
        let class = match row.health {
            Health::Offline => "offline",
            Health::OutOfOrder => "out",
            Health::Attention => "look",
            Health::Well => "well",
        };
        let _ = write!(page, "<tr class=\"{class}\">");
        let mut cell = |name: &str, class: &str, html: &str| {
            let _ = write!(page, "<td class=\"{class}\" data-name=\"{name}\"><span>{html}</span></td>");
        };
        cell("Gate", "", &format!("<b>{}</b> {}", escaped(&row.gate), escaped(&row.version)));
        cell("Is", "is", &escaped(&is(row)));
        cell("Since (UTC)", "", &escaped(&row.since.as_deref().map(minute).unwrap_or_default()));
        cell("Today", "n", &row.today.to_string());
        cell("A day", "n", &row.per_day.map_or_else(|| "-".into(), |n| format!("{n:.0}")));
        let (low, high) = (row.interval.0 * 100.0, row.interval.1 * 100.0);
        let bar = match row.rate() {
            Some(_) => format!(
                "<span class=\"bar\"><i style=\"left:{low:.1}%;width:{:.1}%\"></i></span>",
                (high - low).max(1.0)
            ),
            None => String::new(),
        };
        cell("Referred", if row.stands_out { "stands" } else { "" }, &(escaped(&rate(row)) + &bar));
        let anchor = format!("{}<br><span class=\"anchor\">{}</span>", escaped(&row.chain), escaped(&row.anchor));
        cell("Log", if row.chain_faults { "fault" } else { "" }, &anchor);
        cell("Waiting", "n", &row.waiting.map_or_else(|| "-".into(), |n| n.to_string()));
        page += "</tr>\n";
    }
    page + "</tbody></table>\n</body></html>\n"
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}
