//! How much several frames help, and how much several tries harm: for the report. Every row is of visits of one person and
//! one attempt each; no row pools two.

use std::time::Duration;

use rayon::prelude::*;
use serde::Serialize;

use super::{
    Eyes,
    at_the_gate::{Visits, evidence, judge, let_in, never, turned_away},
    bands,
    calibrate::dataset_hash,
    dataset::Sample,
    people::{count, person_means, share_of_people},
    progress_bar,
    statistics::{Interval, bootstrap_mean},
    visits::{Recording, Setting, decide, leave},
};
use crate::{
    age::AgeEstimate,
    measured::{MeasuredWith, PolicyEvidence},
    picture,
    policy::{GoodView, Outcome, Policy},
    vision::ModelError,
    visit::{VisitSettings, VisitTracker},
};

/// What simulated visits show about a policy.
#[derive(Clone, Debug, Serialize)]
pub struct VisitFigures {
    /// The policy in a line, with its own measured figures if they hold.
    pub policy: String,
    /// People simulated.
    pub people: usize,
    /// What they met at the gate.
    pub at_the_gate: PolicyEvidence,
    /// Error of the pooled estimate by number of frames.
    pub by_frames: Vec<ByFrames>,
    /// Correlation of the errors of two frames of one visit, -1 to 1: how far they are from independent.
    pub error_correlation: f64,
    /// Share of minors let in at least once, by number of tries in a row.
    pub by_tries: Vec<ByTries>,
}

/// Error with a number of frames, all of one visit.
#[derive(Clone, Debug, Serialize)]
pub struct ByFrames {
    /// Good frames after which the visit is decided.
    pub frames: usize,
    /// Mean absolute error in years.
    pub mae_years: Option<Interval>,
    /// Share of the minors let in whom the policy's bound is about.
    pub false_accept: Option<Interval>,
    /// Share of people of T or over who are not let in.
    pub false_reject: Option<Interval>,
}

/// False accepts with a number of tries.
#[derive(Clone, Debug, Serialize)]
pub struct ByTries {
    /// Tries in a row.
    pub tries: usize,
    /// Share of the minors let in at least once.
    pub false_accept: Option<Interval>,
}

const COUNTS: [usize; 5] = [1, 2, 3, 5, 8];
const TRIES: usize = 5;

/// People of whom visits are simulated: all hard minors first, then others at equal steps; one picture of each person.
#[must_use]
pub fn choose<'a>(samples: &[(&'a Sample, usize)], threshold: u8, most: usize) -> Vec<&'a Sample> {
    let mut seen = std::collections::HashSet::new();
    let hard = bands::hard_minors(threshold);
    let once: Vec<&Sample> = samples.iter().filter(|(_, person)| seen.insert(*person)).map(|(s, _)| *s).collect();
    let (minors, others): (Vec<&Sample>, Vec<&Sample>) = once.into_iter().partition(|s| s.age.perhaps_in(hard));
    let mut chosen: Vec<&Sample> = minors.into_iter().take(most).collect();
    let step = (others.len() / most.saturating_sub(chosen.len()).max(1)).max(1);
    let left = most - chosen.len();
    chosen.extend(others.into_iter().step_by(step).take(left));
    chosen
}

/// Measures a policy on the visits of some people; `values` are those it is judged with, `statement` says what they are.
///
/// # Errors
/// The first model failure, or a picture that cannot be opened any more.
pub fn measure(
    eyes: &Eyes,
    visits: &mut Visits,
    setting: &Setting,
    policy: &Policy,
    values: MeasuredWith,
    statement: String,
) -> Result<VisitFigures, Box<dyn std::error::Error>> {
    // Long enough for every row and for the policy.
    let frames = setting.visit.most_frames.max(COUNTS[COUNTS.len() - 1]);
    let longest = Setting { visit: exactly(&setting.visit, frames), ..*setting };
    visits.extend(eyes, &longest, &never())?;
    let judged = judge(&visits.recordings, setting, policy);
    let bound = policy.evidence.as_ref().map_or(1.0, |e| e.max_false_accept);
    let samples: Vec<Sample> = visits.recordings.iter().map(|r| r.sample.clone()).collect();
    let at_the_gate = evidence(&judged, &visits.sources, values, bound, dataset_hash(&samples));
    let by_frames = COUNTS.iter().map(|count| by_frames(visits, setting, policy, *count)).collect();
    Ok(VisitFigures {
        policy: statement,
        people: count(visits.recordings.iter().map(|r| r.person)),
        at_the_gate,
        by_frames,
        error_correlation: correlation(&visits.recordings),
        by_tries: by_tries(eyes, visits, setting, policy)?,
    })
}

/// Visits that are decided by exactly so many good frames.
fn exactly(visit: &VisitSettings, frames: usize) -> VisitSettings {
    VisitSettings { good_frames: frames, most_frames: frames, ..*visit }
}

fn by_frames(visits: &Visits, setting: &Setting, policy: &Policy, frames: usize) -> ByFrames {
    let exact = Setting { visit: exactly(&setting.visit, frames), ..*setting };
    let judged = judge(&visits.recordings, &exact, policy);
    let errors = visits.recordings.iter().filter_map(|r| {
        let first: Vec<&GoodView> = r.good_views().take(frames).collect();
        let pooled = AgeEstimate::pool(first.iter().map(|v| (&v.estimate, v.weight)));
        let pooled = pooled.filter(|_| first.len() == frames)?;
        Some((r.person, r.sample.age.error_of(f64::from(pooled.years())).abs()))
    });
    ByFrames {
        frames,
        mae_years: bootstrap_mean(&person_means(errors)),
        false_accept: let_in(&judged, bands::hard_minors(policy.threshold_age)),
        false_reject: turned_away(&judged, bands::adults(policy.threshold_age)),
    }
}

/// Minors who come again and again, as fast as the gate lets them; it counts their tries as it does at the door.
fn by_tries(
    eyes: &Eyes,
    visits: &Visits,
    setting: &Setting,
    policy: &Policy,
) -> Result<Vec<ByTries>, Box<dyn std::error::Error>> {
    let hard = bands::hard_minors(policy.threshold_age);
    let minors: Vec<&Recording> = visits.recordings.iter().filter(|r| r.sample.age.perhaps_in(hard)).collect();
    let bar = progress_bar(minors.len() as u64, "minors who try again");
    let first_success: Vec<(&Recording, Option<usize>)> = minors
        .par_iter()
        .map(|first| {
            bar.inc(1);
            let picture = picture::open(&first.sample.path).map_err(|e| e.to_string())?;
            let success = try_again(eyes, first, &picture, setting, policy).map_err(|e| e.to_string())?;
            Ok((*first, success))
        })
        .collect::<Result<_, String>>()?;
    bar.finish_and_clear();
    let within = |tries: usize| {
        let tried = first_success.iter().map(move |(r, success)| (r, success.is_some_and(|at| at <= tries)));
        tried.filter(move |(r, let_in)| r.sample.age.counts_in(hard, *let_in)).map(|(r, let_in)| (r.person, let_in))
    };
    Ok((1..=TRIES).map(|tries| ByTries { tries, false_accept: share_of_people(within(tries)) }).collect())
}

/// At which try somebody gets in, from 1.
fn try_again(
    eyes: &Eyes,
    first: &Recording,
    picture: &image::RgbImage,
    setting: &Setting,
    policy: &Policy,
) -> Result<Option<usize>, ModelError> {
    let mut tracker = VisitTracker::new(setting.visit, first.policy(policy));
    let mut now = Duration::ZERO;
    for attempt in 1..=TRIES {
        // Each try is a visit of its own: other light, other focus.
        let again = match attempt {
            1 => Some(first.clone()),
            _ => Recording::begin(eyes, &first.sample, picture, attempt as u64 - 1)?,
        };
        let Some(mut recording) = again else { return Ok(None) };
        recording.extend(eyes, picture, setting, policy)?;
        let Some(decision) = decide(&mut tracker, recording.views(), now) else {
            return Ok(None);
        };
        if decision.outcome == Outcome::Allow {
            return Ok(Some(attempt));
        }
        now = leave(&mut tracker, &setting.visit, decision.decided);
    }
    Ok(None)
}

/// Pearson's correlation of the errors of the first two good frames.
fn correlation(recordings: &[Recording]) -> f64 {
    let error = |r: &Recording, view: &GoodView| r.sample.age.error_of(f64::from(view.estimate.years()));
    let pairs: Vec<(f64, f64)> = recordings
        .iter()
        .filter_map(|r| {
            let mut good = r.good_views();
            Some((error(r, good.next()?), error(r, good.next()?)))
        })
        .collect();
    let n = pairs.len().max(1) as f64;
    let (mx, my) = pairs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        xy += (x - mx) * (y - my);
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
    }
    xy / (xx * yy).sqrt().max(1e-12)
}
