//! The evaluation report: one self-contained HTML page, and the same as JSON and CSV.

use std::{fmt::Write as _, path::Path};

use serde::Serialize;

use super::{
    Reading, bands,
    figures::{Figures, Part, ReliabilityBin, reliability, share_of},
    liveness_figures::LivenessFigures,
    plots,
    repeats::VisitFigures,
    statistics::Interval,
    temperature::{Case, Temperature, fit_temperature},
    true_age::TrueAge,
};
use crate::{
    age::AgeGroup,
    made::MadeFolder,
    measured::{BandShare, GroupShare},
    out,
    policy::Policy,
};

/// Everything in the report; what `report.json` holds.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The figures of `agegate evaluate`.
    pub figures: Figures,
    /// The threshold age of all that follows.
    pub threshold_age: u8,
    /// The age that whoever is let in must surely have reached, in years: what the trade-offs are about.
    pub sure_age: u8,
    /// False accepts and rejects against the confidence, by challenge age.
    pub trade_offs: Vec<TradeOff>,
    /// Fitted temperature, with the calibration error before and after.
    pub calibration: Temperature,
    /// Reliability of P(age >= T) before calibration.
    pub reliability_before: Vec<ReliabilityBin>,
    /// The same after.
    pub reliability_after: Vec<ReliabilityBin>,
    /// Simulated visits.
    pub visits: VisitFigures,
    /// Living faces and attacks, where there were any.
    #[serde(flatten)]
    pub liveness: Option<LivenessFigures>,
    /// The twenty largest errors.
    pub worst: Vec<Worst>,
}

/// False accepts and rejects against the confidence at one challenge age.
#[derive(Debug, Serialize)]
pub struct TradeOff {
    /// Challenge age in years.
    pub challenge_age: u8,
    /// Points, by rising confidence.
    pub points: Vec<TradeOffPoint>,
}

/// One point of a trade-off.
#[derive(Debug, Serialize)]
pub struct TradeOffPoint {
    /// P(age >= T) that opens.
    pub confidence: f32,
    /// Share of the minors let in, by age.
    pub false_accept: Vec<AcceptByAge>,
    /// Share of people of T or over asked for ID.
    pub false_reject: Option<Interval>,
}

/// Minors of an age let in.
#[derive(Debug, Serialize)]
pub struct AcceptByAge {
    /// The ages, such as `13-15`.
    pub ages: String,
    /// The share.
    pub share: Option<Interval>,
}

/// A large error.
#[derive(Debug, Serialize)]
pub struct Worst {
    /// File name.
    pub name: String,
    /// True age.
    pub age: TrueAge,
    /// Estimated age.
    pub estimate: f32,
    #[serde(skip)]
    path: std::path::PathBuf,
}

/// Challenge ages of the trade-offs: so many years above the threshold.
const CHALLENGES: [u8; 3] = [3, 7, 12];
const WORST: usize = 20;

impl Report {
    /// Gathers everything; `visits` come from [`super::repeats::measure`].
    #[must_use]
    pub fn of(figures: Figures, readings: &[Reading], visits: VisitFigures, liveness: Option<LivenessFigures>) -> Self {
        let threshold = visits.at_the_gate.measured_with.threshold_age;
        let sure_age = visits.at_the_gate.measured_with.sure_age;
        let cases: Vec<Case<'_>> = readings
            .iter()
            .map(|r| Case { views: vec![(&r.estimate, 1.0)], age: r.sample.age, person: r.person })
            .collect();
        let calibration = fit_temperature(&cases, threshold);
        let pairs = |temperature: f32| -> Vec<(f32, bool)> {
            // A range that reaches over the threshold has no truth to be compared with.
            let truth = |r: &Reading| r.sample.age.at_least(u32::from(threshold));
            let stated = |r: &Reading| r.estimate.tempered(temperature).at_least(threshold);
            readings.iter().filter_map(|r| Some((stated(r), truth(r)?))).collect()
        };
        let error = |r: &Reading| r.sample.age.error_of(f64::from(r.estimate.years())).abs();
        let mut order: Vec<&Reading> = readings.iter().collect();
        order.sort_by(|a, b| error(b).total_cmp(&error(a)).then_with(|| a.sample.path.cmp(&b.sample.path)));
        let worst = order
            .into_iter()
            .take(WORST)
            .map(|r| Worst {
                name: r.sample.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                age: r.sample.age,
                estimate: r.estimate.years(),
                path: r.sample.path.clone(),
            })
            .collect();
        Self {
            threshold_age: threshold,
            sure_age: sure_age.unwrap_or(threshold),
            trade_offs: CHALLENGES
                .iter()
                .map(|c| trade_off(readings, threshold, sure_age, threshold + c, calibration.value))
                .collect(),
            reliability_before: reliability(&pairs(1.0)),
            reliability_after: reliability(&pairs(calibration.value)),
            calibration,
            visits,
            liveness,
            worst,
            figures,
        }
    }

    /// Writes `report.html`, `report.json` and `report.csv` to a folder.
    ///
    /// # Errors
    /// What the system said, or that a plot cannot be drawn.
    pub fn write(
        &self,
        folder: &Path,
        readings: &[Reading],
        with_pictures: bool,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let made = MadeFolder::open(folder)?;
        made.write("report.html", self.html(readings, with_pictures)?.as_bytes())?;
        made.write("report.json", &serde_json::to_vec_pretty(self)?)?;
        made.write("report.csv", self.csv().as_bytes())?;
        Ok(())
    }

    /// The groups as CSV.
    fn csv(&self) -> String {
        let mut text = String::from(
            "part,images,people,mae_years,mae_low,mae_high,bias_years,bias_low,bias_high,within_5_years\n",
        );
        let f = &self.figures;
        let sources = f.by_source.iter().map(|s| &s.part);
        for p in f.by_group.iter().chain(&f.by_gender).chain(&f.by_ethnicity).chain(sources) {
            let three = |i: Option<Interval>| {
                i.map_or_else(|| ",,".into(), |i| format!("{:.4},{:.4},{:.4}", i.value, i.low, i.high))
            };
            let within = p.within_5_years.map_or_else(String::new, |w| format!("{w:.4}"));
            // Writing to a String cannot fail.
            let (mae, bias) = (three(p.mae_years), three(p.bias_years));
            let _ = writeln!(text, "{},{},{},{mae},{bias},{within}", out::field(&p.name), p.images, p.people);
        }
        text
    }

    fn html(&self, readings: &[Reading], with_pictures: bool) -> Result<String, Box<dyn std::error::Error>> {
        let f = &self.figures;
        let mut body = String::new();
        let mut section = |title: &str, content: &str| {
            let _ = writeln!(body, "<section><h2>{title}</h2>{content}</section>");
        };
        section("In short", &summary(f));
        section("True against estimated age", &plots::density(readings)?);
        section("Error and bias by age group", &format!("{}{}", plots::errors(&f.by_group)?, parts_table(&f.by_group)));
        section(
            "Age groups: true (rows) against estimated",
            &confusion(&f.confusion, &AgeGroup::ALL.map(AgeGroup::label)),
        );
        let genders: Vec<Vec<usize>> = f.gender_confusion.iter().map(|row| row.to_vec()).collect();
        section("Gender: true (rows) against judged", &confusion(&genders, &["male", "female"]));
        let gap = f.largest_gap.as_ref().map_or_else(String::new, |g| {
            format!(
                "<p>Largest gap: <b>{}</b> against <b>{}</b>, {:.2} years.</p>",
                escape(&g.worst),
                escape(&g.best),
                g.years
            )
        });
        section(
            "By gender and ethnicity",
            &format!("{gap}{}{}", parts_table(&f.by_gender), parts_table(&f.by_ethnicity)),
        );
        if !f.by_source.is_empty() {
            let parts: Vec<Part> = f.by_source.iter().map(|s| s.part.clone()).collect();
            section("By source", &parts_table(&parts));
        }
        let mut curves = format!(
            "<p>Share of minors let in, and of adults asked for ID, against the confidence in P(age &ge; {}), which the policy asks for, after calibration.</p>",
            self.sure_age
        );
        for t in &self.trade_offs {
            let _ = write!(
                curves,
                "<h3>Challenge age {}</h3>{}{}",
                t.challenge_age,
                plots::trade_off_plot(t)?,
                trade_off_table(t)
            );
        }
        section(&format!("False accepts and false rejects at T = {}", self.threshold_age), &curves);
        section(&format!("Calibration of P(age &ge; {})", self.threshold_age), &self.calibration_section()?);
        section("At the gate", &gate_section(&self.visits));
        section("Visits: several frames, several tries", &visits_section(&self.visits));
        if let Some(liveness) = &self.liveness {
            section("Living faces and attacks", &liveness_section(liveness));
        }
        section("The twenty largest errors", &worst_section(&self.worst, with_pictures));
        if !f.rejected.is_empty() || !f.faceless.is_empty() {
            let mut list = String::from("<ul>");
            for r in &f.rejected {
                let _ = write!(list, "<li>{}</li>", escape(&r.to_string()));
            }
            for path in &f.faceless {
                let _ = write!(list, "<li>{}: no face found</li>", escape(path));
            }
            section("Not evaluated", &(list + "</ul>"));
        }
        Ok(page(&body))
    }

    fn calibration_section(&self) -> Result<String, Box<dyn std::error::Error>> {
        let c = &self.calibration;
        Ok(format!(
            "<p>Temperature {:.3}. On folds that its fit did not see: expected calibration error {:.4} before, {:.4} after; negative \
             log-likelihood {:.3} before, {:.3} after.</p>{}",
            c.value,
            c.held_out_ece[0],
            c.held_out_ece[1],
            c.held_out_nll[0],
            c.held_out_nll[1],
            plots::reliability_plot(&self.reliability_before, &self.reliability_after)?
        ))
    }
}

fn page(body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>agegate: evaluation</title><style>{STYLE}</style></head><body><h1>agegate: evaluation</h1>\n{body}</body></html>\n"
    )
}

/// Writes `report.html` and `report.json` of living faces and attacks, where there are no ages to report.
///
/// # Errors
/// What the system said.
pub fn write_liveness_alone(folder: &Path, liveness: &LivenessFigures) -> Result<(), Box<dyn std::error::Error>> {
    let made = MadeFolder::open(folder)?;
    let body = format!("<section><h2>Living faces and attacks</h2>{}</section>", liveness_section(liveness));
    made.write("report.html", page(&body).as_bytes())?;
    Ok(made.write("report.json", &serde_json::to_vec_pretty(liveness)?)?)
}

const STYLE: &str = "body{font:16px/1.45 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:0 1rem 3rem;color:#1b2430;background:#fff}\
h1{font-size:1.6rem}h2{font-size:1.2rem;border-bottom:2px solid #d5dde6;padding-bottom:.2rem;margin-top:2rem}h3{font-size:1rem}\
svg{width:100%;height:auto;display:block}.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem;margin:.6rem 0}\
td,th{padding:.25rem .55rem;text-align:right;border-bottom:1px solid #e3e8ee;white-space:nowrap}td:first-child,th:first-child{text-align:left}\
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.6rem;margin:0}dl div{background:#f2f5f8;border-radius:.5rem;padding:.5rem .8rem}\
dt{font-size:.8rem;color:#56657a}dd{margin:0;font-size:1.25rem;font-weight:600}img{width:5rem;border-radius:.4rem}";

fn escape(text: &str) -> String {
    out::one_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn trade_off(
    readings: &[Reading],
    threshold_age: u8,
    sure_age: Option<u8>,
    challenge_age: u8,
    temperature: f32,
) -> TradeOff {
    let steps = [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999];
    let points = steps
        .into_iter()
        .map(|confidence| {
            let policy = Policy {
                threshold_age,
                challenge_age,
                sure_age,
                confidence,
                deny_confidence: None,
                temperature,
                model: None,
                liveness: None,
                evidence: None,
            };
            let lets_in = |r: &Reading| policy.surely_old_enough(&r.estimate);
            TradeOffPoint {
                confidence,
                false_accept: bands::minors_by_age(threshold_age)
                    .into_iter()
                    .map(|b| AcceptByAge { ages: b.label(), share: share_of(readings, b, lets_in) })
                    .collect(),
                false_reject: share_of(readings, bands::adults(threshold_age), |r| !lets_in(r)),
            }
        })
        .collect();
    TradeOff { challenge_age, points }
}

fn summary(f: &Figures) -> String {
    let mut cells: Vec<(&str, String)> = vec![
        ("pictures", f.images.to_string()),
        ("faces found", f.faces_found.to_string()),
        ("people", f.people.to_string()),
        ("MAE", format!("{:.2} years", f.mae_years)),
        ("95 % interval", format!("{:.2} to {:.2}", f.mae_interval.low, f.mae_interval.high)),
        ("bias", format!("{:+.2} years", f.bias_years)),
        ("within 5 years", format!("{:.1} %", f.within_5_years * 100.0)),
        ("age group right", format!("{:.1} %", f.age_group_accuracy * 100.0)),
    ];
    if let Some(gender) = f.gender_accuracy {
        cells.push(("gender right", format!("{:.1} %", gender * 100.0)));
    }
    let cells: String =
        cells.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>")).collect();
    format!("<dl>{cells}</dl><p>Model {}.</p>", escape(&f.model.to_string()))
}

fn number(interval: Option<Interval>) -> String {
    interval.map_or_else(|| "-".into(), |i| format!("{:.2} ({:.2} to {:.2})", i.value, i.low, i.high))
}

fn percent(interval: Option<Interval>) -> String {
    interval.map_or_else(
        || "-".into(),
        |i| format!("{:.1} % ({:.1} to {:.1})", i.value * 100.0, i.low * 100.0, i.high * 100.0),
    )
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: String = head.iter().map(|h| format!("<th>{h}</th>")).collect();
    let rows: String = rows
        .iter()
        .map(|row| format!("<tr>{}</tr>", row.iter().map(|c| format!("<td>{c}</td>")).collect::<String>()))
        .collect();
    format!("<div class=\"wide\"><table><tr>{head}</tr>{rows}</table></div>")
}

fn parts_table(parts: &[Part]) -> String {
    let rows: Vec<Vec<String>> = parts
        .iter()
        .map(|p| {
            let within = p.within_5_years.map_or_else(|| "-".into(), |w| format!("{:.1} %", w * 100.0));
            vec![
                escape(&p.name),
                p.images.to_string(),
                p.people.to_string(),
                number(p.mae_years),
                number(p.bias_years),
                within,
            ]
        })
        .collect();
    table(&["part", "pictures", "people", "MAE, years", "bias, years", "within 5"], &rows)
}

fn confusion(counts: &[Vec<usize>], names: &[&str]) -> String {
    let mut html = String::from("<div class=\"wide\"><table><tr><th></th>");
    for name in names {
        let _ = write!(html, "<th>{name}</th>");
    }
    html.push_str("</tr>");
    for (row, name) in counts.iter().zip(names) {
        let sum = row.iter().sum::<usize>().max(1) as f64;
        let _ = write!(html, "<tr><td>{name}</td>");
        for count in row {
            let share = *count as f64 / sum;
            let _ = write!(
                html,
                "<td style=\"background:rgba(20,90,170,{:.2})\">{:.0} %<br><small>{count}</small></td>",
                share * 0.55,
                share * 100.0
            );
        }
        html.push_str("</tr>");
    }
    html + "</table></div>"
}

fn trade_off_table(t: &TradeOff) -> String {
    let rows: Vec<Vec<String>> = t
        .points
        .iter()
        .map(|p| {
            let minors = p.false_accept.iter().map(|a| percent(a.share));
            std::iter::once(format!("{:.3}", p.confidence)).chain(minors).chain([percent(p.false_reject)]).collect()
        })
        .collect();
    let minors: Vec<String> =
        t.points.first().map_or(Vec::new(), |p| p.false_accept.iter().map(|a| format!("{} let in", a.ages)).collect());
    let head: Vec<&str> =
        std::iter::once("confidence").chain(minors.iter().map(String::as_str)).chain(["adults asked for ID"]).collect();
    table(&head, &rows)
}

/// What the people met: by age, gender, ethnicity; and whose views the gate refuses.
fn gate_section(v: &VisitFigures) -> String {
    let e = &v.at_the_gate;
    let share = |s: f64| format!("{:.1} %", s * 100.0);
    let some = |s: Option<f64>| s.map_or_else(|| "-".into(), share);
    let bands = |bands: &[BandShare], what: &str| {
        let row = |b: &BandShare| vec![b.ages.clone(), b.people.to_string(), share(b.share), share(b.high)];
        table(&["age", "people", what, "at most, with 95 % confidence"], &bands.iter().map(row).collect::<Vec<_>>())
    };
    let row = |g: &GroupShare| {
        vec![
            escape(&g.name),
            g.minors.to_string(),
            some(g.false_accept),
            g.adults.to_string(),
            some(g.false_reject),
            some(g.false_reject_over_challenge),
            share(g.views_refused),
            share(g.views_refused_half_light),
        ]
    };
    let groups: Vec<Vec<String>> = e.groups.iter().chain(&e.sources).map(row).collect();
    let ages = format!("minors of {}", e.false_accept_ages);
    let of_older = format!("of those of {} and over", e.measured_with.challenge_age);
    let head = [
        "group",
        &ages,
        "let in",
        "adults",
        "asked for ID",
        &of_older,
        "views refused for light or focus",
        "the same in half the light",
    ];
    format!(
        "<p>{} people before the simulated gate, each for one visit, judged as at the door. The policy: {}.</p>{}{}{}",
        v.people,
        escape(&v.policy),
        bands(&e.minors_by_age, "let in"),
        bands(&e.adults_by_age, "asked for ID"),
        table(&head, &groups)
    )
}

/// The standard's two errors, of frames and of visits.
fn liveness_section(l: &LivenessFigures) -> String {
    let (frames, visits) = (&l.liveness, &l.liveness_visits);
    let mut rows = vec![vec![
        "living, taken for an attack (BPCER)".into(),
        l.liveness_living.frames.to_string(),
        percent(frames.bpcer),
        l.liveness_living.visits.to_string(),
        percent(visits.bpcer),
    ]];
    rows.extend(frames.apcer.iter().map(|(instrument, apcer)| {
        let of_visits = visits.apcer.get(instrument);
        vec![
            format!("{}, taken for living (APCER)", escape(instrument)),
            apcer.frames.to_string(),
            percent(Some(apcer.share)),
            of_visits.and_then(|v| v.visits).unwrap_or_default().to_string(),
            percent(of_visits.map(|v| v.share)),
        ]
    }));
    let groups: Vec<Vec<String>> = l
        .liveness_groups
        .iter()
        .map(|g| vec![escape(&g.name), g.live.to_string(), percent(g.bpcer), g.attacks.to_string(), percent(g.apcer)])
        .collect();
    let by_group = match groups.is_empty() {
        true => String::new(),
        false => table(&["group", "living frames", "taken for an attack", "attacks", "taken for living"], &groups),
    };
    let faceless: Vec<String> =
        l.liveness_faceless.iter().map(|(name, count)| format!("{}: {count}", escape(name))).collect();
    let faceless = match faceless.as_slice() {
        [] => String::new(),
        some => format!(
            "<p>Pictures in which no face was found count as not let in, attacks and living people alike: {}. Of the pictures with a \
             face, {} of the living are taken for an attack.</p>",
            some.join(", "),
            percent(l.liveness_of_faces.bpcer)
        ),
    };
    let gap = l.largest_gap().map_or_else(String::new, |(worst, best, gap)| {
        format!(
            "<p>Largest gap of the living: <b>{}</b> against <b>{}</b>, {:.1} points.</p>",
            escape(worst),
            escape(best),
            gap * 100.0
        )
    });
    let unknown: String = l.not_known().into_iter().map(|what| format!("<p>{}.</p>", escape(what))).collect();
    let rejected: String = l.liveness_rejected.iter().map(|r| format!("<li>{}</li>", escape(&r.to_string()))).collect();
    format!(
        "<p>Model {}, confidence {}. Frame by frame, and by visits of up to {} consecutive frames of a folder, which the gate's own \
         visit judged as those of somebody whose age is beyond doubt (ISO/IEC 30107-3).</p>{}{unknown}{faceless}{gap}{by_group}{}",
        escape(&l.liveness_model.to_string()),
        frames.confidence,
        l.liveness_visit_frames,
        table(&["", "frames", "of frames", "visits", "of visits"], &rows),
        if rejected.is_empty() { String::new() } else { format!("<p>Not used:</p><ul>{rejected}</ul>") }
    )
}

fn visits_section(v: &VisitFigures) -> String {
    let ages = &v.at_the_gate.false_accept_ages;
    let threshold = v.at_the_gate.measured_with.threshold_age;
    let frames: Vec<Vec<String>> = v
        .by_frames
        .iter()
        .map(|b| vec![b.frames.to_string(), number(b.mae_years), percent(b.false_accept), percent(b.false_reject)])
        .collect();
    let tries: Vec<Vec<String>> =
        v.by_tries.iter().map(|b| vec![b.tries.to_string(), percent(b.false_accept)]).collect();
    format!(
        "<p>The same people, each visit decided by so many good frames of one picture under jitter, noise, blur and light. The \
         errors of two frames of one visit correlate by {:.2}: they are not independent, so the gate pools their distributions \
         by their mean and does not multiply them.</p>{}<p>Minors who try again and again, as far as the gate's budget of \
         tries lets them:</p>{}",
        v.error_correlation,
        table(
            &["frames", "MAE, years", &format!("{ages} let in"), &format!("{threshold} and over asked for ID")],
            &frames
        ),
        table(&["tries", &format!("{ages} let in at least once")], &tries)
    )
}

fn worst_section(worst: &[Worst], with_pictures: bool) -> String {
    let rows: Vec<Vec<String>> = worst
        .iter()
        .map(|w| {
            let mut row = vec![
                escape(&w.name),
                w.age.to_string(),
                format!("{:.1}", w.estimate),
                format!("{:+.1}", w.age.error_of(f64::from(w.estimate))),
            ];
            if with_pictures {
                row.push(std::fs::read(&w.path).map_or_else(
                    |_| "-".into(),
                    |bytes| format!("<img alt=\"\" src=\"data:image/jpeg;base64,{}\">", base64(&bytes)),
                ));
            }
            row
        })
        .collect();
    let mut head = vec!["file", "true age", "estimate", "error"];
    if with_pictures {
        head.push("picture");
    }
    table(&head, &rows)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = u32::from(chunk[0]) << 16
            | u32::from(*chunk.get(1).unwrap_or(&0)) << 8
            | u32::from(*chunk.get(2).unwrap_or(&0));
        for k in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * k)) as usize & 63];
            text.push(if k <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_field_is_read_back_as_one_and_is_no_formula(text in "[=+@,;\"\n\r\t a-c\u{202e}-]{0,12}") {
            let line = format!("1,{},2\n", out::field(&text));
            let mut read = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let found: Vec<csv::StringRecord> = read.records().map(Result::unwrap).collect();
            proptest::prop_assert_eq!(found.len(), 1);
            let record = &found[0];
            proptest::prop_assert_eq!(record.len(), 3);
            let kept = record[1].strip_prefix('\'').unwrap_or(&record[1]);
            proptest::prop_assert_eq!(kept, out::one_line(&text));
            proptest::prop_assert!(!record[1].starts_with(['=', '+', '-', '@']));
        }
    }

    #[test]
    fn base64_pads_as_the_rfc_says() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|t| base64(t.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }

    #[test]
    fn file_names_cannot_break_out_of_the_page() {
        assert_eq!(escape("<script>\"&"), "&lt;script&gt;&quot;&amp;");
    }
}
