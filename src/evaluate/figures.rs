//! The figures of an evaluation: accuracy, error by group, false accepts and false rejects, with intervals.

use serde::Serialize;
use std::fmt;

use super::{
    Input, Reading, Readings,
    bands::Band,
    dataset::{Gender, Rejected},
    people::{count, person_means, share_of_people},
    statistics::{Interval, bootstrap_mean},
};
use crate::{age::AgeGroup, out, vision::ModelIdentity};

/// Everything `agegate evaluate` prints, and the JSON it writes. A person of several pictures counts once in all shares and
/// means; `images` counts pictures.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Whether the pictures were chips already; absent where some were and some not.
    pub input: Option<Input>,
    /// The model that was judged.
    pub model: ModelIdentity,
    /// Labelled pictures that could be opened.
    pub images: usize,
    /// Those with a face found (all of them for chips).
    pub faces_found: usize,
    /// Labels that are a range of ages: each counts as the age in it that is worst for a figure.
    #[serde(skip_serializing_if = "is_zero")]
    pub age_ranges: usize,
    /// People in them: identical and near-identical pictures, and those of one labelled person, are one.
    pub people: usize,
    /// Mean absolute error in years.
    pub mae_years: f64,
    /// The same with its interval.
    pub mae_interval: Interval,
    /// Mean error in years: positive when people are taken for older than they are.
    pub bias_years: f64,
    /// Share of estimates within 5 years of the true age.
    pub within_5_years: f64,
    /// Share of estimates in the right one of the seven age groups.
    pub age_group_accuracy: f64,
    /// Share of right genders among the labelled.
    pub gender_accuracy: Option<f64>,
    /// Error by true age group.
    pub by_group: Vec<Part>,
    /// Error by gender.
    pub by_gender: Vec<Part>,
    /// Error by labelled ethnicity (or other group).
    pub by_ethnicity: Vec<Part>,
    /// The same figures for each source, where there were several.
    pub by_source: Vec<SourceFigures>,
    /// Largest difference of the error between two ethnicities, in years, and which.
    pub largest_gap: Option<Gap>,
    /// Rows: true group; columns: estimated group; counts.
    pub confusion: Vec<Vec<usize>>,
    /// Rows: true male, female; columns: judged male, female; counts.
    pub gender_confusion: [[usize; 2]; 2],
    /// Judged by the estimate at the threshold 18.
    pub threshold_18: Limit,
    /// Judged by the estimate at the challenge age 25.
    pub challenge_25: Limit,
    /// Files that could not be used.
    pub rejected: Vec<Rejected>,
    /// Pictures without a face found.
    pub faceless: Vec<String>,
}

/// Figures of one source.
#[derive(Clone, Debug, Serialize)]
pub struct SourceFigures {
    /// Error.
    #[serde(flatten)]
    pub part: Part,
    /// Judged by the estimate at the threshold 18.
    pub threshold_18: Limit,
    /// Judged by the estimate at the challenge age 25.
    pub challenge_25: Limit,
}

/// Error of a part of the pictures.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// What the part is.
    pub name: String,
    /// How many pictures.
    pub images: usize,
    /// How many people.
    pub people: usize,
    /// Mean absolute error in years with its interval; none for no pictures.
    pub mae_years: Option<Interval>,
    /// Mean error in years with its interval.
    pub bias_years: Option<Interval>,
    /// Share within 5 years.
    pub within_5_years: Option<f64>,
}

/// The two parts whose errors lie furthest apart.
#[derive(Clone, Debug, Serialize)]
pub struct Gap {
    /// The part with the larger error.
    pub worst: String,
    /// The part with the smaller error.
    pub best: String,
    /// Difference of the mean absolute errors in years.
    pub years: f64,
}

/// How the estimate judges people at an age limit.
#[derive(Clone, Debug, Serialize)]
pub struct Limit {
    /// The limit in years.
    pub limit: u8,
    /// Share of 0-12-year-olds at or over the limit.
    pub false_accept_children: Option<Interval>,
    /// Share of 13-15-year-olds.
    pub false_accept_13_15: Option<Interval>,
    /// Share of 16-17-year-olds.
    pub false_accept_16_17: Option<Interval>,
    /// Share of 13-17-year-olds.
    pub false_accept_13_17: Option<Interval>,
    /// Share of all people of 18 and over that are judged under the limit.
    pub false_reject_adults: Option<Interval>,
    /// Share of people at or over the limit that are judged under it.
    pub false_reject_over_limit: Option<Interval>,
}

/// Share of the people of a band who are judged wrongly, as `wrongly` says.
pub fn share_of<'a>(
    readings: impl IntoIterator<Item = &'a Reading>,
    band: Band,
    wrongly: impl Fn(&Reading) -> bool,
) -> Option<Interval> {
    let judged = readings.into_iter().map(|r| (r, wrongly(r)));
    share_of_people(
        judged.filter(|(r, wrong)| r.sample.age.counts_in(band, *wrong)).map(|(r, wrong)| (r.person, wrong)),
    )
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn error_of(reading: &Reading) -> f64 {
    reading.sample.age.error_of(f64::from(reading.estimate.years()))
}

fn part(name: &str, readings: &[&Reading]) -> Part {
    let by_person = |value: &dyn Fn(&Reading) -> f64| person_means(readings.iter().map(|r| (r.person, value(r))));
    let within = by_person(&|r| f64::from(u8::from(error_of(r).abs() <= 5.0)));
    Part {
        name: name.into(),
        images: readings.len(),
        people: within.len(),
        mae_years: bootstrap_mean(&by_person(&|r| error_of(r).abs())),
        bias_years: bootstrap_mean(&by_person(&error_of)),
        within_5_years: (!within.is_empty()).then(|| within.iter().sum::<f64>() / within.len() as f64),
    }
}

fn limit(readings: &[&Reading], years: u8) -> Limit {
    let share_of = |readings: &[&Reading], low, high, wrongly: &dyn Fn(&Reading) -> bool| {
        share_of(readings.iter().copied(), Band { low, high }, wrongly)
    };
    let over = |r: &Reading| r.estimate.years() >= f32::from(years);
    let under = |r: &Reading| !over(r);
    Limit {
        limit: years,
        false_accept_children: share_of(readings, 0, 12, &over),
        false_accept_13_15: share_of(readings, 13, 15, &over),
        false_accept_16_17: share_of(readings, 16, 17, &over),
        false_accept_13_17: share_of(readings, 13, 17, &over),
        false_reject_adults: share_of(readings, 18, u32::MAX, &under),
        false_reject_over_limit: share_of(readings, u32::from(years), u32::MAX, &under),
    }
}

impl Figures {
    /// Computes the figures, or `None` if no face was read at all.
    #[must_use]
    pub fn of(readings: &Readings, model: &ModelIdentity) -> Option<Self> {
        let read = &readings.read;
        let all: Vec<&Reading> = read.iter().collect();
        let whole = part("all", &all);
        let mae_interval = whole.mae_years?;
        let group_of = |r: &Reading| r.sample.age.group();
        let by_group = AgeGroup::ALL
            .iter()
            .map(|g| part(g.label(), &read.iter().filter(|r| group_of(r) == Some(*g)).collect::<Vec<_>>()))
            .collect();
        let by_gender = [Gender::Male, Gender::Female]
            .iter()
            .map(|g| part(&g.to_string(), &read.iter().filter(|r| r.sample.gender == Some(*g)).collect::<Vec<_>>()))
            .filter(|p| p.images > 0)
            .collect();
        let mut names: Vec<&String> = read.iter().filter_map(|r| r.sample.group.as_ref()).collect();
        names.sort();
        names.dedup();
        let by_ethnicity: Vec<Part> = names
            .iter()
            .map(|name| part(name, &read.iter().filter(|r| r.sample.group.as_ref() == Some(*name)).collect::<Vec<_>>()))
            .collect();
        let mut confusion = vec![vec![0; AgeGroup::ALL.len()]; AgeGroup::ALL.len()];
        let mut gender_confusion = [[0; 2]; 2];
        for reading in read {
            if let Some(group) = group_of(reading) {
                confusion[group as usize][reading.estimate.group() as usize] += 1;
            }
            if let Some(gender) = reading.sample.gender {
                gender_confusion[gender as usize][usize::from(reading.female >= 0.5)] += 1;
            }
        }
        let group_right = |r: &Reading| (r.person, group_of(r) == Some(r.estimate.group()));
        let gender_right = |r: &Reading| Some((r.person, (r.sample.gender? == Gender::Female) == (r.female >= 0.5)));
        let first = read.first()?.sample.input;
        let by_source = match readings.sources.as_slice() {
            [] | [_] => Vec::new(),
            sources => sources.iter().enumerate().map(|(k, name)| source_figures(k, name, read)).collect(),
        };
        Some(Self {
            input: read.iter().all(|r| r.sample.input == first).then_some(first),
            model: model.clone(),
            images: read.len() + readings.faceless.len(),
            faces_found: read.len(),
            age_ranges: read.iter().filter(|r| r.sample.age.is_range()).count(),
            people: count(read.iter().map(|r| r.person)),
            mae_years: mae_interval.value,
            mae_interval,
            bias_years: whole.bias_years?.value,
            within_5_years: whole.within_5_years?,
            age_group_accuracy: share_of_people(read.iter().map(group_right))?.value,
            gender_accuracy: share_of_people(read.iter().filter_map(gender_right)).map(|s| s.value),
            by_group,
            by_gender,
            largest_gap: largest_gap(&by_ethnicity),
            by_ethnicity,
            by_source,
            confusion,
            gender_confusion,
            threshold_18: limit(&all, 18),
            challenge_25: limit(&all, 25),
            rejected: readings.rejected.clone(),
            faceless: readings.faceless.iter().map(|s| s.path.display().to_string()).collect(),
        })
    }
}

fn source_figures(number: usize, name: &str, read: &[Reading]) -> SourceFigures {
    let of: Vec<&Reading> = read.iter().filter(|r| r.sample.source == number).collect();
    SourceFigures { part: part(name, &of), threshold_18: limit(&of, 18), challenge_25: limit(&of, 25) }
}

fn largest_gap(parts: &[Part]) -> Option<Gap> {
    let mae = |p: &Part| p.mae_years.map(|i| i.value);
    let counted: Vec<&Part> = parts.iter().filter(|p| p.images >= 20).collect();
    let worst = counted.iter().max_by(|a, b| mae(a).partial_cmp(&mae(b)).unwrap_or(std::cmp::Ordering::Equal))?;
    let best = counted.iter().min_by(|a, b| mae(a).partial_cmp(&mae(b)).unwrap_or(std::cmp::Ordering::Equal))?;
    // Of one group there is none.
    if counted.len() < 2 {
        return None;
    }
    Some(Gap { worst: worst.name.clone(), best: best.name.clone(), years: mae(worst)? - mae(best)? })
}

/// Expected calibration error of P(age >= `threshold`): ten equal bins (Naeini et al. 2015), 0 to 1.
#[must_use]
pub fn calibration_error(pairs: &[(f32, bool)]) -> f64 {
    reliability(pairs).iter().map(|bin| bin.images as f64 * (bin.stated - bin.found).abs()).sum::<f64>()
        / pairs.len().max(1) as f64
}

/// One bin of the reliability diagram.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ReliabilityBin {
    /// Mean stated probability.
    pub stated: f64,
    /// Share that is true.
    pub found: f64,
    /// Pictures in the bin.
    pub images: usize,
}

/// Bins of stated probability against what was found; empty bins are left out.
#[must_use]
pub fn reliability(pairs: &[(f32, bool)]) -> Vec<ReliabilityBin> {
    (0..10)
        .filter_map(|bin| {
            let of: Vec<_> = pairs.iter().filter(|(p, _)| ((p * 10.0) as usize).min(9) == bin).collect();
            let count = of.len();
            (count > 0).then(|| ReliabilityBin {
                stated: of.iter().map(|(p, _)| f64::from(*p)).sum::<f64>() / count as f64,
                found: of.iter().filter(|(_, truth)| *truth).count() as f64 / count as f64,
                images: count,
            })
        })
        .collect()
}

fn percent(interval: Option<Interval>) -> String {
    interval.map_or_else(
        || "-".into(),
        |i| format!("{:.1} % ({:.1} to {:.1})", i.value * 100.0, i.low * 100.0, i.high * 100.0),
    )
}

fn years(interval: Option<Interval>) -> String {
    interval.map_or_else(|| "-".into(), |i| format!("{:.2} ({:.2} to {:.2})", i.value, i.low, i.high))
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "model                 {}", self.model)?;
        writeln!(f, "images                {}", self.images)?;
        writeln!(f, "faces found           {}", self.faces_found)?;
        writeln!(f, "people                {}", self.people)?;
        if self.age_ranges > 0 {
            let note = "each counts as the age in it that is worst for a figure";
            writeln!(f, "ranges of ages        {} ({note})", self.age_ranges)?;
        }
        writeln!(f, "MAE, years            {} (95 % interval)", years(Some(self.mae_interval)))?;
        writeln!(f, "bias, years           {:+.2}", self.bias_years)?;
        writeln!(f, "within 5 years        {:.1} %", self.within_5_years * 100.0)?;
        writeln!(f, "age group right       {:.1} %", self.age_group_accuracy * 100.0)?;
        if let Some(gender) = self.gender_accuracy {
            writeln!(f, "gender right          {:.1} %", gender * 100.0)?;
        }
        let head = ["true age", "images", "people"];
        writeln!(
            f,
            "\n{:<10} {:>7} {:>7}  {:<24} {:<24} within 5",
            head[0], head[1], head[2], "MAE, years", "bias, years"
        )?;
        let sources = self.by_source.iter().map(|s| &s.part);
        for p in self.by_group.iter().chain(&self.by_gender).chain(&self.by_ethnicity).chain(sources) {
            let within = p.within_5_years.map_or_else(|| "-".into(), |w| format!("{:.1} %", w * 100.0));
            writeln!(
                f,
                "{:<10} {:>7} {:>7}  {:<24} {:<24} {within}",
                p.name,
                p.images,
                p.people,
                years(p.mae_years),
                years(p.bias_years)
            )?;
        }
        if let Some(gap) = &self.largest_gap {
            writeln!(f, "largest gap: {} against {}, {:.2} years", gap.worst, gap.best, gap.years)?;
        }
        write_limits(f, "", &self.threshold_18, &self.challenge_25)?;
        for source in &self.by_source {
            write_limits(f, &source.part.name, &source.threshold_18, &source.challenge_25)?;
        }
        if !self.faceless.is_empty() {
            writeln!(f, "\nno face found in {} pictures:", self.faceless.len())?;
            for path in &self.faceless {
                writeln!(f, "  {}", out::one_line(path))?;
            }
        }
        if !self.rejected.is_empty() {
            writeln!(f, "\n{} files could not be used:", self.rejected.len())?;
            for rejected in &self.rejected {
                writeln!(f, "  {rejected}")?;
            }
        }
        Ok(())
    }
}

fn write_limits(f: &mut fmt::Formatter<'_>, source: &str, a: &Limit, b: &Limit) -> fmt::Result {
    let of = if source.is_empty() { String::new() } else { format!(", {source}") };
    writeln!(f, "\n{:<30} {:<26} challenge age 25", format!("judged by the estimate{of}"), "threshold 18")?;
    for (name, x, y) in [
        ("0-12 accepted", a.false_accept_children, b.false_accept_children),
        ("13-15 accepted", a.false_accept_13_15, b.false_accept_13_15),
        ("16-17 accepted", a.false_accept_16_17, b.false_accept_16_17),
        ("13-17 accepted", a.false_accept_13_17, b.false_accept_13_17),
        ("18 and over rejected", a.false_reject_adults, b.false_reject_adults),
        ("at or over limit rejected", a.false_reject_over_limit, b.false_reject_over_limit),
    ] {
        writeln!(f, "{name:<30} {:<26} {}", percent(x), percent(y))?;
    }
    Ok(())
}
