//! `agegate calibrate`: the policy that keeps a bound on the minors let in, with the figures that it rests on.
//!
//! 1. Each picture becomes a simulated visit, which the gate's own tracker judges after each good frame.
//! 2. One temperature is fitted to the pooled distributions by their likelihood (Guo et al. 2017), cross-validated.
//! 3. At that temperature and at some above it the lowest confidence is chosen at which the upper end of the 95 % interval of
//!    the share of minors of 13 and over let in stays under the bound, and that of younger children too. Being surer asks more
//!    adults for ID and lets no more minors in, so the lowest is the best.
//! 4. The temperature is taken that asks the fewest adults. Above the fitted one a small doubt counts for more: whoever the net
//!    takes for forty with a hint of sixteen is told apart from whoever is forty without one.

use super::{
    Eyes,
    at_the_gate::{Visits, evidence, judge, let_in, turned_away},
    bands::{self, Band},
    dataset::Sample,
    people::count,
    statistics::share,
    temperature::{Case, Temperature, fit_temperature},
    visits::Setting,
};
use crate::{
    config::{
        LivenessMode, VisitConfig,
        table::{self, High, Low, Range},
    },
    measured::{MeasuredWith, Models},
    policy::{LivenessPolicy, Policy},
    quality::QualityLimits,
    vision::FoundBy,
};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Legal limit in years.
    pub threshold_age: u8,
    /// Challenge age, or `None` to choose it too.
    pub challenge_age: Option<u8>,
    /// The age that whoever is let in must surely have reached, in years: see [`Policy::sure_age`].
    pub sure_age: u8,
    /// Bound on the upper end of the interval.
    pub max_false_accept: f64,
    /// How the gate runs visits.
    pub visit: VisitConfig,
    /// Which views count there.
    pub quality: QualityLimits,
    /// What is asked of a living face there; none where none is asked for.
    pub liveness: Option<LivenessPolicy>,
    /// By what faces are found.
    pub found_by: FoundBy,
}

impl Wish {
    /// How the simulated gate is set.
    #[must_use]
    pub fn setting(&self) -> Setting {
        let liveness = if self.liveness.is_some() { LivenessMode::Passive } else { LivenessMode::Off };
        Setting { visit: self.visit.settings(), quality: self.quality, liveness }
    }

    /// Whether it can be asked for.
    ///
    /// # Errors
    /// [`CalibrateError::Wish`].
    pub fn check(&self) -> Result<(), CalibrateError> {
        let wrong = |text: String| Err(CalibrateError::Wish(text));
        let (threshold, challenge) = (bounds("policy.threshold_age"), bounds("policy.challenge_age"));
        if !(threshold.0..=threshold.1).contains(&f64::from(self.threshold_age)) {
            let (low, high) = threshold;
            return wrong(format!("--threshold {}: expected {low} to {high} years", self.threshold_age));
        }
        if !(1e-6..=0.5).contains(&self.max_false_accept) {
            return wrong(format!("--max-false-accept {}: expected 0.000001 to 0.5", self.max_false_accept));
        }
        let sure = bounds("policy.sure_age").1;
        if self.sure_age < self.threshold_age || f64::from(self.sure_age) > sure {
            return wrong(format!(
                "--sure-of {}: expected the threshold {} to {sure} years",
                self.sure_age, self.threshold_age
            ));
        }
        if let Some(c) = self.challenge_age.filter(|c| *c < self.threshold_age || f64::from(*c) > challenge.1) {
            let expected = format!("expected the threshold {} to {} years, or auto", self.threshold_age, challenge.1);
            return wrong(format!("--challenge {c}: {expected}"));
        }
        Ok(())
    }
}

/// The fixed ends of a key's range.
fn bounds(key: &str) -> (f64, f64) {
    match table::range(key) {
        Some(Range::Within(_, low, High::At(high) | High::Below(high), _)) => {
            (if let Low::At(low) = low { low } else { f64::MIN }, high)
        }
        _ => (f64::MIN, f64::MAX),
    }
}

/// Why no policy can be made.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// The bound is beyond what so few minors can show.
    #[error("{minors} people of {ages} years cannot support a bound of {:.2} %: even without a single one let in, the upper end of the 95 % interval is {:.2} %. It takes at least {needed} of them (pictures of one person, and pictures that are nearly the same, count once)", bound * 100.0, best * 100.0)]
    TooFewMinors {
        /// Such people.
        minors: usize,
        /// Their ages.
        ages: String,
        /// Bound asked for.
        bound: f64,
        /// Upper end with none let in.
        best: f64,
        /// People it takes.
        needed: usize,
    },
    /// No adults to state a false reject rate for.
    #[error("no picture of a person of {0} or over: the share of adults asked for ID cannot be stated")]
    NoAdults(u8),
    /// No confidence below 1 keeps the bound.
    #[error("no confidence below 1 keeps {:.2} % of the {minors} minors out as asked: the model is too sure of {sure} of them; look at their labels (`evaluate --report`), or raise the challenge age", bound * 100.0)]
    Unreachable {
        /// People of 13 years or more under the threshold age.
        minors: usize,
        /// Bound asked for.
        bound: f64,
        /// Those whom even the surest policy lets in.
        sure: usize,
    },
    /// A wish out of range.
    #[error("{0}")]
    Wish(String),
    /// The visits could not be simulated to their end.
    #[error("{0}")]
    Visits(String),
}

/// People under age that a bound takes, if none of them is let in.
#[must_use]
pub fn minors_needed(bound: f64) -> usize {
    let (mut low, mut high) = (1, 100_000_000);
    while low < high {
        let middle = (low + high) / 2;
        if share(0, middle).is_some_and(|s| s.high < bound) { high = middle } else { low = middle + 1 }
    }
    low
}

/// How far over the threshold age whoever is let in must surely be, unless a wish says otherwise, years. Near the limit an estimate says
/// little of the doubt that counts: with three years between, fewer adults are asked for ID where as few minors get in, in the simulated
/// visits and by most nets that were tried (`models/train/margin.py`, the model card).
pub const MARGIN: u8 = 3;
/// The highest confidence that is tried, in thousandths.
const SUREST: u32 = 999;
/// The oldest challenge age that `auto` tries, years.
const OLDEST_CHALLENGE: u8 = 30;

/// The temperatures that are tried besides the fitted one, where they are above it.
pub const TEMPERATURES: [f32; 5] = [1.0, 1.5, 2.0, 3.0, 4.0];

/// Chooses the policy, and says which temperature the likelihood would choose. The visits are those that [`Visits::begin`] began.
///
/// # Errors
/// [`CalibrateError`].
pub fn choose(
    visits: &mut Visits,
    eyes: &Eyes,
    wish: &Wish,
    dataset: &str,
) -> Result<(Policy, Temperature), CalibrateError> {
    wish.check()?;
    enough(visits, wish)?;
    let fitted = fit(visits, wish.threshold_age);
    let higher = TEMPERATURES.into_iter().filter(|t| *t > fitted.value);
    let found = std::iter::once(fitted.value)
        .chain(higher)
        .map(|temperature| choose_at(temperature, visits, eyes, wish, dataset))
        .collect::<Vec<_>>();
    Ok((fewest_asked(found)?, fitted))
}

/// The policy that asks the fewest adults, the first of equals; the first reason where there is none.
fn fewest_asked(found: Vec<Result<Policy, CalibrateError>>) -> Result<Policy, CalibrateError> {
    let mut best: Option<Policy> = None;
    let mut failed = None;
    for policy in found {
        match policy {
            Ok(policy) if best.as_ref().is_none_or(|b| asked(&policy) < asked(b)) => best = Some(policy),
            Ok(_) => {}
            // One temperature may keep the bound where another cannot; whatever else went wrong did so for all.
            Err(error @ CalibrateError::Unreachable { .. }) => failed = failed.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    best.ok_or_else(|| failed.unwrap_or_else(|| CalibrateError::Visits("no temperature was tried".into())))
}

/// The share of adults that a policy asks for ID, as it was measured.
fn asked(policy: &Policy) -> f64 {
    policy.evidence.as_ref().map_or(1.0, |e| e.false_reject)
}

fn choose_at(
    temperature: f32,
    visits: &mut Visits,
    eyes: &Eyes,
    wish: &Wish,
    dataset: &str,
) -> Result<Policy, CalibrateError> {
    let model = eyes.age.identity().to_string();
    // Whom a stricter policy lets in early, every laxer one does too: only the other visits go on, first as far as a policy
    // takes that is well above what the first frames ask for, and to the strictest of all only if that is not enough.
    let guess = needed_for_the_first_frames(visits, wish, &model, temperature);
    for surest in [guess.map(|k| k + (SUREST - k).div_ceil(2)), Some(SUREST)].into_iter().flatten() {
        let strictest = candidate(wish, &model, temperature, oldest_challenge(wish), surest);
        visits.extend(eyes, &wish.setting(), &strictest).map_err(|e| CalibrateError::Visits(e.to_string()))?;
        match pick(visits, wish, &model, temperature, surest, dataset) {
            Err(CalibrateError::Unreachable { .. }) if surest < SUREST => {}
            done => return done,
        }
    }
    Err(CalibrateError::Visits("the strictest policy was tried and gave no answer".into()))
}

/// The confidence, in thousandths, that keeps the bound where every visit is decided by its first good frames: a guess.
fn needed_for_the_first_frames(visits: &Visits, wish: &Wish, model: &str, temperature: f32) -> Option<u32> {
    let first = VisitConfig { most_frames: wish.visit.good_frames, ..wish.visit.clone() };
    let policy = pick(visits, &Wish { visit: first, ..wish.clone() }, model, temperature, SUREST, "").ok()?;
    Some((policy.confidence * 1000.0).round() as u32)
}

/// Whether there are people enough to say anything.
fn enough(visits: &Visits, wish: &Wish) -> Result<(), CalibrateError> {
    let hard = bands::hard_minors(wish.threshold_age);
    let minors = people_aged(visits, hard);
    let best = share(0, minors).map_or(1.0, |s| s.high);
    if best >= wish.max_false_accept {
        return Err(CalibrateError::TooFewMinors {
            minors,
            ages: hard.label(),
            bound: wish.max_false_accept,
            best,
            needed: minors_needed(wish.max_false_accept),
        });
    }
    if people_aged(visits, bands::adults(wish.threshold_age)) == 0 {
        return Err(CalibrateError::NoAdults(wish.threshold_age));
    }
    Ok(())
}

fn people_aged(visits: &Visits, band: Band) -> usize {
    count(visits.recordings.iter().filter(|r| r.sample.age.surely_in(band)).map(|r| r.person))
}

/// The temperature of the good views that the visits have so far.
fn fit(visits: &Visits, threshold: u8) -> Temperature {
    let cases: Vec<Case<'_>> = visits.recordings.iter().map(Case::of).filter(|c| !c.views.is_empty()).collect();
    fit_temperature(&cases, threshold)
}

fn oldest_challenge(wish: &Wish) -> u8 {
    wish.challenge_age.unwrap_or_else(|| OLDEST_CHALLENGE.max(wish.threshold_age))
}

fn candidate(wish: &Wish, model: &str, temperature: f32, challenge_age: u8, thousandths: u32) -> Policy {
    Policy {
        threshold_age: wish.threshold_age,
        challenge_age,
        sure_age: (wish.sure_age > wish.threshold_age).then_some(wish.sure_age),
        confidence: thousandths as f32 / 1000.0,
        deny_confidence: None,
        temperature,
        model: Some(model.to_owned()),
        liveness: wish.liveness.clone(),
        evidence: None,
    }
}

/// The policy that asks the fewest adults for ID of those that keep the bound. The visits are recorded as far as a policy
/// takes whose confidence is `surest` thousandths; none above that is tried.
fn pick(
    visits: &Visits,
    wish: &Wish,
    model: &str,
    temperature: f32,
    surest: u32,
    dataset: &str,
) -> Result<Policy, CalibrateError> {
    let (hard, adults) = (bands::hard_minors(wish.threshold_age), bands::adults(wish.threshold_age));
    let setting = wish.setting();
    let judged = |policy: &Policy| judge(&visits.recordings, &setting, policy);
    let challenges = wish.challenge_age.unwrap_or(wish.threshold_age)..=oldest_challenge(wish);
    let candidates = challenges.filter_map(|challenge| {
        let policy = |thousandths| candidate(wish, model, temperature, challenge, thousandths);
        let confidence = lowest(surest, |thousandths| {
            let judged = judged(&policy(thousandths));
            let share = |band| let_in(&judged, band);
            // A set without children under 13 says nothing about them; the others it must have.
            share(hard).is_some_and(|s| s.high < wish.max_false_accept)
                && bands::children(wish.threshold_age)
                    .and_then(share)
                    .is_none_or(|s| s.value == 0.0 || s.high < wish.max_false_accept)
        })?;
        let policy = policy(confidence);
        Some((turned_away(&judged(&policy), adults)?.value, policy))
    });
    let best = candidates.min_by(|a, b| a.0.total_cmp(&b.0));
    let (_, mut policy) = best.ok_or_else(|| {
        let strictest = judged(&candidate(wish, model, temperature, oldest_challenge(wish), surest));
        let sure = count(strictest.iter().filter(|j| j.sample.age.perhaps_in(hard) && j.let_in).map(|j| j.person));
        CalibrateError::Unreachable { minors: people_aged(visits, hard), bound: wish.max_false_accept, sure }
    })?;
    let liveness = wish.liveness.as_ref().and_then(|l| l.model.clone());
    let now = MeasuredWith::now(
        &policy,
        &Models { age: model, detector: wish.found_by.clone(), liveness },
        &wish.visit,
        RATE,
        &wish.quality,
    );
    policy.evidence = Some(evidence(&judged(&policy), &visits.sources, now, wish.max_false_accept, dataset.into()));
    Ok(policy)
}

/// Frames a second of the simulated visits.
const RATE: f32 = 1000.0 / super::visits::BETWEEN_FRAMES.as_millis() as f32;

/// The lowest confidence, in thousandths, that keeps the bound; `None` if none up to `surest` does.
fn lowest(surest: u32, keeps: impl Fn(u32) -> bool) -> Option<u32> {
    // The share let in falls as the confidence rises: binary search.
    let (mut low, mut high) = (500u32, surest + 1);
    while low < high {
        let middle = (low + high) / 2;
        if keeps(middle) { high = middle } else { low = middle + 1 }
    }
    (low <= surest).then_some(low)
}

/// A data set's identity: BLAKE3 over names and labels, 16 hex digits.
#[must_use]
pub fn dataset_hash(samples: &[Sample]) -> String {
    let mut hasher = blake3::Hasher::new();
    for s in samples {
        let name = s.path.file_name().unwrap_or_default().to_string_lossy();
        hasher.update(format!("{name} {} {:?} {:?} {:?}\n", s.age, s.gender, s.group, s.person).as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        age::AgeEstimate,
        evaluate::visits::{Recording, View},
        policy::GoodView,
        quality::Flaw,
    };

    /// A person who is seen ten times alike.
    fn person(number: usize, age: u32, mean: f32, deviation: f32) -> Recording {
        let view = GoodView { estimate: AgeEstimate::normal(mean, deviation), weight: 1.0, liveness: None };
        Recording::of(number, age, vec![Ok(view); 10])
    }

    fn wish(bound: f64) -> Wish {
        Wish {
            threshold_age: 18,
            challenge_age: Some(25),
            sure_age: 18,
            max_false_accept: bound,
            visit: VisitConfig::default(),
            quality: QualityLimits::default(),
            liveness: None,
            found_by: FoundBy::default(),
        }
    }

    fn visits(recordings: Vec<Recording>) -> Visits {
        Visits { recordings, ..Visits::default() }
    }

    fn people() -> Vec<Recording> {
        let minors = (0..500).map(|k| person(k, 13 + k as u32 % 5, 14.0 + (k % 17) as f32, 3.0));
        let adults =
            (0..500).map(|k| person(500 + k, 18 + k as u32 % 50, 18.0 + (k % 50) as f32 + (k % 7) as f32 - 3.0, 3.0));
        minors.chain(adults).collect()
    }

    fn chosen(recordings: Vec<Recording>, wish: &Wish) -> Result<Policy, CalibrateError> {
        let visits = visits(recordings);
        enough(&visits, wish)?;
        pick(&visits, wish, "m", fit(&visits, wish.threshold_age).value, SUREST, "d")
    }

    #[test]
    fn too_few_minors_are_told_with_the_number_it_takes() {
        let error = chosen(people().into_iter().take(100).collect(), &wish(0.01)).unwrap_err();
        assert!(matches!(error, CalibrateError::TooFewMinors { minors: 100, needed: 381, .. }), "{error}");
    }

    /// Somebody who looks like forty, with a hint of sixteen.
    fn doubtful(number: usize) -> Recording {
        let (adult, minor) = (AgeEstimate::normal(40.0, 3.0), AgeEstimate::normal(14.0, 2.5));
        let estimate = AgeEstimate::pool([(&adult, 0.97), (&minor, 0.03)]).unwrap();
        Recording::of(number, 16, vec![Ok(GoodView { estimate, weight: 1.0, liveness: None }); 10])
    }

    #[test]
    fn the_temperature_is_taken_that_asks_the_fewest_adults() {
        let mut people: Vec<Recording> = (0..300).map(|k| person(k, 16, 15.0, 1.0)).collect();
        people.extend((300..320).map(doubtful));
        // Young adults, whose estimates reach below the threshold without a hint of anything else.
        people.extend((0..200).map(|k| person(1000 + k, 26, 23.6 + (k % 5) as f32 / 10.0, 3.5)));
        let visits = visits(people);
        let at =
            |temperature| pick(&visits, &Wish { challenge_age: Some(18), ..wish(0.05) }, "m", temperature, SUREST, "d");
        let (low, high) = (at(1.0).unwrap(), at(3.0).unwrap());
        assert!(asked(&high) < asked(&low), "{} {}", asked(&high), asked(&low));
        let best = fewest_asked(vec![Ok(low), Ok(high)]).unwrap();
        assert!((best.temperature - 3.0).abs() < 1e-6 && best.evidence.unwrap().false_accept_high < 0.05);
    }

    #[test]
    fn a_temperature_that_cannot_keep_the_bound_is_left_out_and_told_where_none_can() {
        let unreachable = || Err(CalibrateError::Unreachable { minors: 3, bound: 0.1, sure: 1 });
        let kept = candidate(&wish(0.1), "m", 2.0, 25, 900);
        assert!((fewest_asked(vec![unreachable(), Ok(kept)]).unwrap().temperature - 2.0).abs() < 1e-6);
        assert!(matches!(fewest_asked(vec![unreachable()]).unwrap_err(), CalibrateError::Unreachable { sure: 1, .. }));
    }

    #[test]
    fn figures_with_ranges_of_ages_do_not_contradict_each_other() {
        let mut people: Vec<Recording> = (0..300).map(|k| person(k, 13 + k as u32 % 5, 14.0, 2.0)).collect();
        people.extend((0..200).map(|k| person(1000 + k, 18 + k as u32 % 40, 20.0 + (k % 30) as f32, 3.0)));
        for (k, range) in ["16-19", "14-17", "14-25", "13-15", "17-40"].iter().cycle().take(200).enumerate() {
            let mut somebody = person(2000 + k, 17, if k % 3 == 0 { 45.0 } else { 15.0 }, 2.0);
            somebody.sample.age = crate::evaluate::true_age::TrueAge::parse(range).unwrap();
            people.push(somebody);
        }
        let visits = visits(people);
        let wish = wish(0.4);
        let policy = candidate(&wish, "m", 1.0, 25, 600);
        let models = Models { age: "m", detector: FoundBy::default(), liveness: None };
        let now = MeasuredWith::now(&policy, &models, &wish.visit, RATE, &wish.quality);
        let judged = judge(&visits.recordings, &wish.setting(), &policy);
        let e = evidence(&judged, &["a".into(), "b".into()], now, 0.4, "d".into());
        assert!(e.false_accept > 0.05 && e.false_accept_people > 300, "{e:?}");
        assert_eq!((crate::contradiction::of_ages(&e), e.ranges), (None, 200));
    }

    #[test]
    fn eight_people_listed_sixty_times_are_eight() {
        let mut recordings: Vec<Recording> = (0..480).map(|k| person(k % 8, 15, 14.0, 2.0)).collect();
        recordings.extend((0..100).map(|k| person(1000 + k, 40, 40.0, 3.0)));
        let error = chosen(recordings, &wish(0.05)).unwrap_err();
        assert!(matches!(error, CalibrateError::TooFewMinors { minors: 8, .. }), "{error}");
    }

    #[test]
    fn the_policy_keeps_the_bound_and_a_looser_bound_rejects_no_more() {
        let (strict, loose) = (chosen(people(), &wish(0.02)).unwrap(), chosen(people(), &wish(0.10)).unwrap());
        let (s, l) = (strict.evidence.unwrap(), loose.evidence.unwrap());
        assert!(s.false_accept_high < 0.02 && l.false_accept_high < 0.10);
        assert!(l.false_reject <= s.false_reject);
    }

    #[test]
    fn children_who_look_old_raise_the_confidence_as_teenagers_do() {
        let mut people: Vec<Recording> = (0..500).map(|k| person(k, 13 + k as u32 % 5, 15.0, 3.0)).collect();
        people.extend((0..50).map(|k| person(2000 + k, 40, 40.0, 6.0)));
        let confidence = |people: &[Recording]| {
            pick(&visits(people.to_vec()), &wish(0.05), "m", 1.0, SUREST, "d").unwrap().confidence
        };
        let without = confidence(&people);
        people.extend((0..100).map(|k| person(1000 + k, 8, if k < 10 { 30.0 } else { 9.0 }, 6.0)));
        let with = confidence(&people);
        assert!(with > without, "{with} must be more than {without}");
    }

    #[test]
    fn minors_are_all_under_the_threshold_that_is_asked_for() {
        // Nobody of 18 to 20 may get in where the limit is 21, and at 16 the ones of 16 are adults.
        let mut recordings: Vec<Recording> =
            (0..400).map(|k| person(k, 18 + k as u32 % 3, 24.0 + (k % 9) as f32, 2.0)).collect();
        recordings.extend((0..200).map(|k| person(1000 + k, 30 + k as u32 % 20, 38.0, 3.0)));
        let policy = chosen(recordings.clone(), &Wish { threshold_age: 21, ..wish(0.05) }).unwrap();
        let e = policy.evidence.unwrap();
        assert_eq!((e.minors, e.adults, e.false_accept_ages.as_str()), (400, 200, "13-20"));
        let band = e.minors_by_age.iter().find(|b| b.ages == "18-20").expect("the band below the threshold");
        assert_eq!(band.people, 400);
        assert!(e.false_accept_high < 0.05 && e.adults_by_age.iter().all(|b| b.ages != "18-24"));
        recordings.extend((0..100).map(|k| person(5000 + k, 15, 12.0, 2.0)));
        let e = chosen(recordings, &Wish { threshold_age: 16, ..wish(0.05) }).unwrap().evidence.unwrap();
        assert_eq!((e.minors, e.adults, e.false_accept_ages.as_str()), (100, 600, "13-15"));
    }

    #[test]
    fn a_visit_is_judged_after_every_good_frame_as_at_the_gate() {
        // Sure only once: with the seventh of ten frames. Five frames of equal weight would never tell.
        let view = |mean, deviation, weight| GoodView {
            estimate: AgeEstimate::normal(mean, deviation),
            weight,
            liveness: None,
        };
        let mut views: Vec<View> = vec![Ok(view(19.0, 3.0, 0.1)); 10];
        views[6] = Ok(view(60.0, 2.0, 1.0));
        views.insert(2, Err(Flaw::TooDark));
        let lucky = Recording::of(0, 15, views);
        let policy = Policy { confidence: 0.80, ..candidate(&wish(0.1), "m", 1.0, 25, 800) };
        let judged_by = |visit: VisitConfig| {
            let setting = Wish { visit, ..wish(0.1) }.setting();
            judge(std::slice::from_ref(&lucky), &setting, &policy)[0].let_in
        };
        assert!(judged_by(VisitConfig::default()));
        assert!(!judged_by(VisitConfig { most_frames: 6, ..VisitConfig::default() }));
    }

    #[test]
    fn whoever_is_never_seen_well_is_asked_for_id_and_counted() {
        let mut recordings = people();
        recordings.extend((0..100).map(|k| Recording::of(9000 + k, 40, vec![Err(Flaw::TooDark); 62])));
        let with = chosen(recordings, &wish(0.10)).unwrap().evidence.unwrap();
        let without = chosen(people(), &wish(0.10)).unwrap().evidence.unwrap();
        assert_eq!(with.adults, without.adults + 100);
        assert!(with.false_reject > without.false_reject);
    }

    #[test]
    fn figures_are_by_source_where_there_are_several() {
        let mut recordings = people();
        recordings.iter_mut().filter(|r| r.person % 2 == 1).for_each(|r| r.sample.source = 1);
        let visits = Visits { recordings, sources: vec!["a".into(), "b".into()], ..Visits::default() };
        let e = pick(&visits, &wish(0.1), "m", fit(&visits, 18).value, SUREST, "d").unwrap().evidence.unwrap();
        let people: Vec<(&str, usize, usize)> =
            e.sources.iter().map(|s| (s.name.as_str(), s.minors, s.adults)).collect();
        assert_eq!(people, [("a", 250, 250), ("b", 250, 250)]);
    }

    #[test]
    fn the_number_of_minors_needed_is_just_enough() {
        let n = minors_needed(0.01);
        assert!(share(0, n).unwrap().high < 0.01 && share(0, n - 1).unwrap().high >= 0.01);
    }
}
