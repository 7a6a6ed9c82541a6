//! How a policy tells living faces from attacks, by the standard's measures (ISO/IEC 30107-3): APCER, the share of attacks of one
//! kind taken for living; BPCER, the share of living people taken for an attack; of frames, and of visits that the gate's own
//! tracker judged.

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use serde::Serialize;

use super::{
    attacks::{AllSeen, LIVE, Seen},
    dataset::Rejected,
    statistics::{Interval, share},
    visits::BETWEEN_FRAMES,
};
use crate::{
    age::AgeEstimate,
    policy::{GoodView, LivenessPolicy, Outcome, Policy},
    vision::{BoundingBox, LivenessScore, ModelIdentity},
    visit::{SeenFace, Sighting, VisitSettings, VisitTracker},
};

/// Said where nobody living was shown.
const NO_LIVING: &str = "no picture of living people: how many of them are taken for an attack (BPCER) is not known; give some in a \
     sub-folder `live`, or with --live DIR";
/// Said where no attack was shown.
const NO_ATTACK: &str = "no picture of an attack: how many are taken for living (APCER) is not known; give some with --attacks DIR, in \
     sub-folders that name what is held up";

/// Everything about liveness that `agegate evaluate` prints and writes.
#[derive(Clone, Debug, Serialize)]
pub struct LivenessFigures {
    /// Frame by frame.
    pub liveness: Shares,
    /// By visits: runs of consecutive frames of a folder, by file name, each as long as a visit may be.
    pub liveness_visits: Shares,
    /// Frames of a visit at most.
    pub liveness_visit_frames: usize,
    /// Frame by frame, of the pictures in which a face is found: what the model itself gets wrong. (The standard counts the others
    /// apart, as presentations without a response.)
    pub liveness_of_faces: Shares,
    /// Frame by frame, by gender and ethnicity (or whatever the labels call a group).
    pub liveness_groups: Vec<GroupShares>,
    /// Frames and visits of living people.
    pub liveness_living: Living,
    /// Pictures in which no face was found, by instrument: nobody is let in by them, so they count among the shares.
    pub liveness_faceless: BTreeMap<String, usize>,
    /// The model that was judged.
    pub liveness_model: ModelIdentity,
    /// Files that could not be used.
    pub liveness_rejected: Vec<Rejected>,
}

/// Both errors at one confidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shares {
    /// P(living) from which on something is taken for living.
    pub confidence: f32,
    /// Share of the living taken for an attack; none without any.
    pub bpcer: Option<Interval>,
    /// By attack instrument.
    pub apcer: BTreeMap<String, Apcer>,
}

/// How many living people the shares are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Living {
    /// Frames.
    pub frames: usize,
    /// Visits.
    pub visits: usize,
}

/// Share of the attacks of one kind taken for living.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Apcer {
    /// The share with its interval.
    #[serde(flatten)]
    pub share: Interval,
    /// Pictures.
    pub frames: usize,
    /// Visits, where visits are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visits: Option<usize>,
}

/// Both errors for a group of people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupShares {
    /// The group, such as `female`.
    pub name: String,
    /// Frames of living people.
    pub live: usize,
    /// Share of them taken for an attack.
    pub bpcer: Option<Interval>,
    /// Frames of attacks, of all kinds.
    pub attacks: usize,
    /// Share of them taken for living.
    pub apcer: Option<Interval>,
}

impl LivenessFigures {
    /// The figures of a policy: what it takes for living, and whom it does not.
    #[must_use]
    pub fn of(all: &AllSeen, policy: &LivenessPolicy, visit: &VisitSettings, model: &ModelIdentity) -> Self {
        let passes = |seen: &Seen| is_living(policy, seen.score);
        let frames: Vec<(&str, usize, bool)> =
            all.seen.iter().map(|s| (s.held.instrument.as_str(), 1, passes(s))).collect();
        let runs: Vec<(&str, usize, bool)> = runs(&all.seen, visit.most_frames)
            .into_iter()
            .map(|run| (run[0].held.instrument.as_str(), run.len(), visit_is_living(policy, visit, run)))
            .collect();
        let with_face = all.seen.iter().zip(&frames).filter(|(s, _)| s.score.is_some());
        let with_face: Vec<(&str, usize, bool)> = with_face.map(|(_, frame)| *frame).collect();
        let of_frames = |frames: &[(&str, usize, bool)]| {
            let mut shares = Shares::of(policy.confidence, frames);
            shares.apcer.values_mut().for_each(|apcer| apcer.visits = None);
            shares
        };
        let mut faceless: BTreeMap<String, usize> = BTreeMap::new();
        for seen in all.seen.iter().filter(|s| s.score.is_none()) {
            *faceless.entry(seen.held.instrument.clone()).or_default() += 1;
        }
        let living =
            |cases: &[(&str, usize, bool)]| cases.iter().filter(|(instrument, ..)| *instrument == LIVE).count();
        Self {
            liveness_living: Living { frames: living(&frames), visits: living(&runs) },
            liveness: of_frames(&frames),
            liveness_of_faces: of_frames(&with_face),
            liveness_visits: Shares::of(policy.confidence, &runs),
            liveness_visit_frames: visit.most_frames,
            liveness_groups: groups(&all.seen, &passes),
            liveness_faceless: faceless,
            liveness_model: model.clone(),
            liveness_rejected: all.rejected.clone(),
        }
    }

    /// What these pictures say nothing about, in words.
    #[must_use]
    pub fn not_known(&self) -> Vec<&'static str> {
        let (no_living, no_attack) = (self.liveness_living.frames == 0, self.liveness.apcer.is_empty());
        [(no_living, NO_LIVING), (no_attack, NO_ATTACK)]
            .into_iter()
            .filter(|(no, _)| *no)
            .map(|(_, what)| what)
            .collect()
    }

    /// The two groups of at least twenty living frames whose BPCER lies furthest apart: worse, better, difference.
    #[must_use]
    pub fn largest_gap(&self) -> Option<(&str, &str, f64)> {
        let counted = self.liveness_groups.iter().filter(|g| g.live >= 20);
        let mut shares: Vec<(f64, &str)> = counted.filter_map(|g| Some((g.bpcer?.value, g.name.as_str()))).collect();
        shares.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ((low, best), (high, worst)) = (*shares.first()?, *shares.last()?);
        (shares.len() > 1).then_some((worst, best, high - low))
    }
}

impl Shares {
    /// Of cases: their instrument, how many frames each has, and whether it was taken for living.
    fn of(confidence: f32, cases: &[(&str, usize, bool)]) -> Self {
        let mut by_instrument: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        for (instrument, frames, passes) in cases {
            let [count, of_frames, passed] = by_instrument.entry(instrument).or_default();
            (*count, *of_frames, *passed) = (*count + 1, *of_frames + frames, *passed + usize::from(*passes));
        }
        let live = by_instrument.remove(LIVE);
        let apcer = by_instrument.into_iter().filter_map(|(instrument, [count, frames, passed])| {
            Some((instrument.to_owned(), Apcer { share: share(passed, count)?, frames, visits: Some(count) }))
        });
        let bpcer = live.and_then(|[count, _, passed]| share(count - passed, count));
        Self { confidence, bpcer, apcer: apcer.collect() }
    }
}

/// Whether one frame is taken for a living face; one without a face never is.
fn is_living(policy: &LivenessPolicy, score: Option<LivenessScore>) -> bool {
    score.and_then(|score| policy.probability(&[score])).is_some_and(|p| policy.is_enough(p))
}

/// Runs of consecutive frames: of one instrument and one folder, in the order of their names.
fn runs(seen: &[Seen], most_frames: usize) -> Vec<&[Seen]> {
    let place = |s: &Seen| (s.held.instrument.clone(), s.held.path.parent().map(Path::to_owned));
    seen.chunk_by(|a, b| place(a) == place(b)).flat_map(|of_a_folder| of_a_folder.chunks(most_frames.max(1))).collect()
}

/// Whether the gate's own tracker lets in whoever shows these frames: somebody who is beyond doubt old enough. A run that is
/// shorter than an Allow needs is judged by all its frames.
fn visit_is_living(policy: &LivenessPolicy, visit: &VisitSettings, run: &[Seen]) -> bool {
    let long = Duration::from_secs(3600);
    let good_frames = visit.good_frames.min(run.len());
    let most_frames = visit.most_frames.max(good_frames);
    let settings = VisitSettings { good_frames, most_frames, decide_within: long, lost_after: long, ..*visit };
    let sure = Policy {
        threshold_age: 18,
        challenge_age: 18,
        sure_age: None,
        confidence: 0.5,
        deny_confidence: None,
        temperature: 1.0,
        model: None,
        liveness: Some(policy.clone()),
        evidence: None,
    };
    let mut tracker = VisitTracker::new(settings, sure);
    let bounds = BoundingBox { x0: 200.0, y0: 100.0, x1: 350.0, y1: 300.0 };
    let decision = run.iter().zip(1..).find_map(|(seen, number)| {
        let view =
            |liveness| GoodView { estimate: AgeEstimate::normal(60.0, 1.0), weight: 1.0, liveness: Some(liveness) };
        let nearest = seen.score.map(|score| SeenFace { bounds, view: Ok(view(score)), points: None });
        tracker
            .observe(Sighting { at: BETWEEN_FRAMES * number, nearest, doubtful_companion: Some(false), several: false })
            .decision
    });
    decision.is_some_and(|decision| decision.outcome == Outcome::Allow)
}

/// By gender, then by group, in the order of their names.
fn groups(seen: &[Seen], passes: &dyn Fn(&Seen) -> bool) -> Vec<GroupShares> {
    let labels = |s: &Seen| [s.held.gender.map(|g| g.to_string()), s.held.group.as_ref().map(|g| g.to_lowercase())];
    let mut names: Vec<(usize, String)> = seen
        .iter()
        .flat_map(|s| labels(s).into_iter().enumerate().filter_map(|(kind, name)| Some((kind, name?))))
        .collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|(kind, name)| {
            let of = seen.iter().filter(|s| labels(s)[kind].as_ref() == Some(&name));
            let (live, attacks): (Vec<&Seen>, Vec<&Seen>) = of.partition(|s| s.held.instrument == LIVE);
            let refused = live.iter().filter(|s| !passes(s)).count();
            let passed = attacks.iter().filter(|s| passes(s)).count();
            let (bpcer, apcer) = (share(refused, live.len()), share(passed, attacks.len()));
            GroupShares { name, live: live.len(), bpcer, attacks: attacks.len(), apcer }
        })
        .collect()
}

/// A share as text.
#[must_use]
pub fn percent(share: Option<Interval>) -> String {
    share.map_or_else(
        || "-".into(),
        |i| format!("{:.1} % ({:.1} to {:.1})", i.value * 100.0, i.low * 100.0, i.high * 100.0),
    )
}

impl fmt::Display for LivenessFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (frames, visits) = (&self.liveness, &self.liveness_visits);
        writeln!(f, "liveness model        {}", self.liveness_model)?;
        writeln!(f, "liveness confidence   {}", frames.confidence)?;
        writeln!(
            f,
            "\n{:<28} {:>7}  {:<24} {:>7}  of visits of up to {} frames",
            "", "frames", "of frames", "visits", self.liveness_visit_frames
        )?;
        writeln!(
            f,
            "{:<28} {:>7}  {:<24} {:>7}  {}",
            "living, taken for an attack",
            self.liveness_living.frames,
            percent(frames.bpcer),
            self.liveness_living.visits,
            percent(visits.bpcer)
        )?;
        for (instrument, apcer) in &frames.apcer {
            let of_visits = visits.apcer.get(instrument);
            writeln!(
                f,
                "{:<28} {:>7}  {:<24} {:>7}  {}",
                format!("{instrument}, taken for living"),
                apcer.frames,
                percent(Some(apcer.share)),
                of_visits.and_then(|v| v.visits).unwrap_or_default(),
                percent(of_visits.map(|v| v.share))
            )?;
        }
        for unknown in self.not_known() {
            writeln!(f, "{unknown}")?;
        }
        for g in &self.liveness_groups {
            writeln!(
                f,
                "{:<28} {:>7}  living taken for an attack {}; {} attacks, taken for living {}",
                g.name,
                g.live,
                percent(g.bpcer),
                g.attacks,
                percent(g.apcer)
            )?;
        }
        if let Some((worst, best, gap)) = self.largest_gap() {
            writeln!(f, "largest gap of the living: {worst} against {best}, {:.1} points", gap * 100.0)?;
        }
        for (instrument, count) in &self.liveness_faceless {
            writeln!(f, "{instrument}: no face found in {count} pictures: counted as not let in")?;
        }
        if self.liveness_faceless.contains_key(LIVE) {
            let share = percent(self.liveness_of_faces.bpcer);
            writeln!(f, "living, taken for an attack, of the pictures with a face: {share}")?;
        }
        if !self.liveness_rejected.is_empty() {
            writeln!(f, "\n{} files could not be used:", self.liveness_rejected.len())?;
            for rejected in &self.liveness_rejected {
                writeln!(f, "  {rejected}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{config::VisitConfig, evaluate::attacks::Held};

    pub(in crate::evaluate) fn seen(instrument: &str, number: usize, logit: Option<f32>) -> Seen {
        let path = format!("{instrument}/{number:03}.jpg").into();
        let held = Held { path, instrument: instrument.into(), gender: None, group: None };
        Seen { held, score: logit.and_then(LivenessScore::new) }
    }

    fn policy() -> LivenessPolicy {
        LivenessPolicy { confidence: 0.5, temperature: 1.0, offset: 0.0, model: None, evidence: None }
    }

    fn figures(seen: Vec<Seen>) -> LivenessFigures {
        let all = AllSeen { seen, ..AllSeen::default() };
        let model = ModelIdentity { name: "m".into(), version: "1".into(), hash: "0".into() };
        LivenessFigures::of(&all, &policy(), &VisitConfig::default().settings(), &model)
    }

    #[test]
    fn frames_and_visits_are_counted_by_instrument_and_a_picture_without_a_face_lets_nobody_in() {
        let mut all: Vec<Seen> = (0..20).map(|k| seen(LIVE, k, Some(if k == 3 { -1.0 } else { 3.0 }))).collect();
        all.push(seen(LIVE, 20, None));
        all.extend((0..10).map(|k| seen("print", k, Some(if k < 2 { 1.0 } else { -3.0 }))));
        all.extend((0..4).map(|k| seen("screen", k, (k > 0).then_some(-2.0))));
        let found = figures(all);
        let bpcer = found.liveness.bpcer.unwrap();
        assert!((bpcer.value - 2.0 / 21.0).abs() < 1e-9 && bpcer.high > bpcer.value, "{bpcer:?}");
        assert_eq!(found.liveness_of_faces.bpcer.unwrap().value, 0.05, "one of twenty in which a face is found");
        let print = found.liveness.apcer["print"];
        assert_eq!((print.share.value, print.frames), (0.2, 10));
        assert_eq!(found.liveness.apcer["screen"].share.value, 0.0);
        assert_eq!(found.liveness_faceless, BTreeMap::from([(LIVE.to_owned(), 1), ("screen".to_owned(), 1)]));
        // Three visits of the living: ten, ten, and the one without a face.
        assert!((found.liveness_visits.bpcer.unwrap().value - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(
            (found.liveness_visits.apcer["print"].share.value, found.liveness_visits.apcer["print"].visits),
            (0.0, Some(1))
        );
    }

    #[test]
    fn what_was_not_shown_is_told_as_not_known() {
        let attacks = figures(vec![seen("screen", 0, Some(1.0))]).to_string();
        assert!(attacks.contains("(BPCER) is not known") && !attacks.contains("(APCER) is not known"), "{attacks}");
        let living = figures(vec![seen(LIVE, 0, Some(1.0))]).to_string();
        assert!(living.contains("(APCER) is not known") && !living.contains("(BPCER) is not known"), "{living}");
        let both = figures(vec![seen(LIVE, 0, Some(1.0)), seen("screen", 0, Some(1.0))]).to_string();
        assert!(!both.contains("not known"), "{both}");
    }

    #[test]
    fn the_json_has_the_shares_by_their_names_and_no_others() {
        let json = serde_json::to_value(figures(vec![seen(LIVE, 0, Some(1.0)), seen("screen", 0, Some(1.0))])).unwrap();
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&json["liveness"]), ["apcer", "bpcer", "confidence"]);
        assert_eq!(keys(&json["liveness"]["bpcer"]), ["high", "low", "value"]);
        assert_eq!(keys(&json["liveness"]["apcer"]["screen"]), ["frames", "high", "low", "value"]);
        assert_eq!(json["liveness_visits"]["apcer"]["screen"]["frames"], 1);
    }

    #[test]
    fn groups_are_counted_apart_and_their_largest_gap_is_told() {
        let group = |name: &str, k: usize, logit: f32| {
            let mut one = seen(LIVE, k, Some(logit));
            one.held.group = Some(name.into());
            one
        };
        let mut all: Vec<Seen> = (0..20).map(|k| group("Asian", k, if k < 5 { -1.0 } else { 1.0 })).collect();
        all.extend((20..40).map(|k| group("White", k, 1.0)));
        let found = figures(all);
        assert_eq!(found.liveness_groups.iter().map(|g| g.live).collect::<Vec<_>>(), [20, 20]);
        assert_eq!(found.largest_gap(), Some(("asian", "white", 0.25)));
    }
}
