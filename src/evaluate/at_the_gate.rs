//! What people meet at the gate: simulated visits for all pictures, the gate's decisions about them under a policy, and the
//! shares of people that follow, by age, gender, ethnicity and source.

use rayon::prelude::*;

use super::{
    Eyes,
    bands::{self, Band},
    dataset::{Dataset, Gender, Sample},
    people::{Thumbnail, count, people, person_means, share_of_people},
    progress_bar,
    statistics::Interval,
    visits::{Recording, Setting, decide},
};
use crate::{
    age::AgeGroup,
    measured::{BandShare, GroupShare, MeasuredWith, PolicyEvidence},
    picture,
    policy::{Outcome, Policy},
    vision::ModelError,
    visit::{VisitSettings, VisitTracker},
};

/// Simulated visits of all pictures of a data set.
#[derive(Clone, Debug, Default)]
pub struct Visits {
    /// One for each picture with a face.
    pub recordings: Vec<Recording>,
    /// Names of the sources.
    pub sources: Vec<String>,
    /// Pictures that could not be opened, or in which no face was found, with the reason.
    pub unused: Vec<String>,
}

/// A policy that lets nobody in: its visits last as long as any.
#[must_use]
pub fn never() -> Policy {
    Policy {
        threshold_age: 18,
        challenge_age: 18,
        sure_age: None,
        confidence: 2.0,
        deny_confidence: None,
        temperature: 1.0,
        model: None,
        liveness: None,
        evidence: None,
    }
}

impl Visits {
    /// Lets every person of a data set come before the gate, until as many good frames are there as an Allow needs.
    ///
    /// # Errors
    /// The first model failure.
    pub fn begin(eyes: &Eyes, set: &Dataset, setting: &Setting) -> Result<Self, ModelError> {
        let bar = progress_bar(set.samples.len() as u64, "visits");
        let first =
            Setting { visit: VisitSettings { most_frames: setting.visit.good_frames, ..setting.visit }, ..*setting };
        let begun: Vec<Result<(Recording, Thumbnail), String>> = set
            .samples
            .par_iter()
            .map(|sample| {
                bar.inc(1);
                let unused = |why: &dyn std::fmt::Display| Err(format!("{}: {why}", sample.place()));
                let picture = match picture::open(&sample.path) {
                    Ok(picture) => picture,
                    Err(error) => return Ok(unused(&error)),
                };
                let Some(mut recording) = Recording::begin(eyes, sample, &picture, 0)? else {
                    let path = sample.path.display();
                    return Ok(unused(&format!("no face found in {path} (is it an aligned chip?)")));
                };
                recording.extend(eyes, &picture, &first, &never())?;
                Ok(Ok((recording, Thumbnail::of(&picture))))
            })
            .collect::<Result<_, ModelError>>()?;
        bar.finish_and_clear();
        let sources = (0..set.sources.len()).map(|k| set.source_name(k)).collect();
        let mut visits = Self { sources, ..Self::default() };
        let mut thumbnails = Vec::new();
        for visit in begun {
            match visit {
                Err(why) => visits.unused.push(why),
                Ok((recording, thumbnail)) => {
                    visits.recordings.push(recording);
                    thumbnails.push(thumbnail);
                }
            }
        }
        let looks: Vec<_> = visits.recordings.iter().map(|r| r.sample.person.as_deref()).zip(&thumbnails).collect();
        let numbers = people(&looks);
        for (recording, person) in visits.recordings.iter_mut().zip(numbers) {
            recording.person = person;
        }
        Ok(visits)
    }

    /// Goes on with the visits that this policy does not decide yet.
    ///
    /// # Errors
    /// The first model failure, or a picture that cannot be opened any more.
    pub fn extend(
        &mut self,
        eyes: &Eyes,
        setting: &Setting,
        policy: &Policy,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let open: Vec<&mut Recording> =
            self.recordings.par_iter_mut().filter(|r| decision(r, setting, policy).is_none()).collect();
        let bar = progress_bar(open.len() as u64, "visits that take longer");
        open.into_par_iter().try_for_each(|recording| {
            bar.inc(1);
            let picture = picture::open(&recording.sample.path).map_err(|e| e.to_string())?;
            recording.extend(eyes, &picture, setting, policy).map_err(|e| e.to_string())
        })?;
        bar.finish_and_clear();
        Ok(())
    }
}

/// The gate's decision about a visit of its own: nobody has tried before.
fn decision(recording: &Recording, setting: &Setting, policy: &Policy) -> Option<Outcome> {
    let mut tracker = VisitTracker::new(setting.visit, recording.policy(policy));
    decide(&mut tracker, recording.views(), std::time::Duration::ZERO).map(|d| d.outcome)
}

/// A decided visit.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Whose visit.
    pub sample: &'a Sample,
    /// Number of the person.
    pub person: usize,
    /// Whether the door opened.
    pub let_in: bool,
    /// Whether it would not have opened for what does not look living.
    pub asked_to_live: bool,
    /// Share of the first views that are refused, as they are and in half the light.
    pub refused: [f64; 2],
}

/// The gate's decisions under a policy. `views` are those of the recordings at the policy's temperature.
#[must_use]
pub fn judge<'a>(recordings: &'a [Recording], setting: &Setting, policy: &Policy) -> Vec<Judged<'a>> {
    recordings
        .par_iter()
        .map(|recording| Judged {
            sample: &recording.sample,
            person: recording.person,
            let_in: decision(recording, setting, policy) == Some(Outcome::Allow),
            asked_to_live: policy.liveness.is_some() && recording.has_surroundings(),
            refused: recording.refused(),
        })
        .collect()
}

/// Share of the people of a band who are let in.
#[must_use]
pub fn let_in<'a>(judged: impl IntoIterator<Item = &'a Judged<'a>>, band: Band) -> Option<Interval> {
    share_of_people(judged.into_iter().filter(|j| j.sample.age.counts_in(band, j.let_in)).map(|j| (j.person, j.let_in)))
}

/// Share of the people of a band who are not let in.
#[must_use]
pub fn turned_away<'a>(judged: impl IntoIterator<Item = &'a Judged<'a>>, band: Band) -> Option<Interval> {
    share_of_people(
        judged.into_iter().filter(|j| j.sample.age.counts_in(band, !j.let_in)).map(|j| (j.person, !j.let_in)),
    )
}

/// Number of people whom a share of a band counts: those who are surely of it, and of whom it is `wrongly` true those who may be.
#[must_use]
fn counted(judged: &[Judged<'_>], band: Band, wrongly: impl Fn(&Judged<'_>) -> bool) -> usize {
    count(judged.iter().filter(|j| j.sample.age.counts_in(band, wrongly(j))).map(|j| j.person))
}

/// The figures of a policy whose decisions these are.
#[must_use]
pub fn evidence(
    judged: &[Judged<'_>],
    sources: &[String],
    measured_with: MeasuredWith,
    max_false_accept: f64,
    dataset: String,
) -> PolicyEvidence {
    let threshold = measured_with.threshold_age;
    let limits = Limits { threshold, challenge: measured_with.challenge_age };
    let (hard, adults) = (bands::hard_minors(threshold), bands::adults(threshold));
    let bounded = let_in(judged, hard);
    let bands_of =
        |bands: Vec<Band>, share: &dyn Fn(Band) -> Option<Interval>, wrongly: &dyn Fn(&Judged<'_>) -> bool| {
            let found = bands.into_iter().filter_map(|band| Some((band, share(band)?)));
            found
                .map(|(band, s)| BandShare {
                    ages: band.label(),
                    people: counted(judged, band, wrongly),
                    share: digits(s.value),
                    high: digits(s.high),
                })
                .collect()
        };
    PolicyEvidence {
        dataset,
        pictures: judged.len(),
        minors: counted(judged, bands::minors(threshold), |j| j.let_in),
        adults: counted(judged, adults, |j| !j.let_in),
        ranges: count(judged.iter().filter(|j| j.sample.age.is_range()).map(|j| j.person)),
        asked_to_live: count(judged.iter().filter(|j| j.asked_to_live).map(|j| j.person)),
        max_false_accept,
        false_accept_ages: hard.label(),
        false_accept_people: counted(judged, hard, |j| j.let_in),
        false_accept: digits(bounded.map_or(0.0, |s| s.value)),
        false_accept_high: digits(bounded.map_or(1.0, |s| s.high)),
        false_reject: digits(turned_away(judged, adults).map_or(0.0, |s| s.value)),
        measured_with,
        minors_by_age: bands_of(bands::minors_by_age(threshold), &|band| let_in(judged, band), &|j| j.let_in),
        adults_by_age: bands_of(bands::adults_by_age(threshold), &|band| turned_away(judged, band), &|j| !j.let_in),
        groups: groups(judged, limits),
        sources: match sources {
            [] | [_] => Vec::new(),
            all => {
                let of = |(k, name): (usize, &String)| group(name, judged, limits, |j| j.sample.source == k);
                all.iter().enumerate().filter_map(of).collect()
            }
        },
    }
}

/// The two ages that groups are counted by, in years.
#[derive(Clone, Copy)]
struct Limits {
    threshold: u8,
    challenge: u8,
}

/// By gender, by ethnicity (or whatever the labels call a group), by age.
fn groups(judged: &[Judged<'_>], limits: Limits) -> Vec<GroupShare> {
    let mut groups = Vec::new();
    for gender in [Gender::Male, Gender::Female] {
        groups.extend(group(&gender.to_string(), judged, limits, |j| j.sample.gender == Some(gender)));
    }
    // "Asian" of one source and "asian" of another are one group.
    let lower = |j: &Judged<'_>| j.sample.group.as_ref().map(|g| g.to_lowercase());
    let mut names: Vec<String> = judged.iter().filter_map(lower).collect();
    names.sort();
    names.dedup();
    for name in names {
        groups.extend(group(&name, judged, limits, |j| lower(j).as_ref() == Some(&name)));
    }
    for age in AgeGroup::ALL {
        groups.extend(group(age.label(), judged, limits, |j| j.sample.age.group() == Some(age)));
    }
    groups
}

/// The figures of those who belong to a group; `None` without any.
fn group(
    name: &str,
    judged: &[Judged<'_>],
    limits: Limits,
    belongs: impl Fn(&Judged<'_>) -> bool,
) -> Option<GroupShare> {
    let of: Vec<Judged<'_>> = judged.iter().filter(|j| belongs(j)).copied().collect();
    if of.is_empty() {
        return None;
    }
    let (hard, adults) = (bands::hard_minors(limits.threshold), bands::adults(limits.threshold));
    let older = bands::adults(limits.challenge);
    let accepted = let_in(&of, hard);
    let mean = |k: usize| {
        let means = person_means(of.iter().map(|j| (j.person, j.refused[k])));
        digits(means.iter().sum::<f64>() / means.len().max(1) as f64)
    };
    Some(GroupShare {
        name: name.into(),
        minors: counted(&of, hard, |j| j.let_in),
        false_accept: accepted.map(|s| digits(s.value)),
        false_accept_high: accepted.map(|s| digits(s.high)),
        adults: counted(&of, adults, |j| !j.let_in),
        false_reject: turned_away(&of, adults).map(|s| digits(s.value)),
        adults_over_challenge: Some(counted(&of, older, |j| !j.let_in)),
        false_reject_over_challenge: turned_away(&of, older).map(|s| digits(s.value)),
        views_refused: mean(0),
        views_refused_half_light: mean(1),
    })
}

fn digits(v: f64) -> f64 {
    (v * 1e4).round() / 1e4
}
