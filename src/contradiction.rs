//! What no measurement can have given: figures of a policy that somebody has written, or of which a part was edited. Nothing seals a
//! policy, so whoever edits all of it alike is believed; but what an auditor would find by adding up, the program finds first.
//!
//! Every rule here follows from how [`crate::evaluate::at_the_gate`] counts: a person once, by the share of their pictures; whoever is
//! one of those whom a share counts is one in a part (an age band, a source) as well; shares are kept to four digits. So the parts
//! together count as many people as the whole or more, and no more than those who are in several of them. Somebody whose age is a range may be of
//! the whole and of none of its bands: so many ([`PolicyEvidence::ranges`]) the sums may be off.

use crate::{
    evaluate::{
        bands::{self, Band},
        statistics::share_of_weight,
    },
    measured::{AttackShare, BandShare, GroupShare, LivenessEvidence, PolicyEvidence},
};

/// What is wrong with figures about ages.
#[must_use]
pub fn of_ages(e: &PolicyEvidence) -> Option<String> {
    bounds(e)
        .or_else(|| counts(e))
        .or_else(|| no_interval("false_accept", e.false_accept, e.false_accept_high, e.false_accept_people))
        .or_else(|| bands_of_no_limit(e))
        .or_else(|| intervals_of_parts(e))
        .or_else(|| children_over_the_bound(e))
        .or_else(|| parts_and_whole(e))
        .or_else(|| older_than_all(e))
        .or_else(|| the_same_people(e))
}

/// What is wrong with figures about living faces and attacks.
#[must_use]
pub fn of_liveness(e: &LivenessEvidence) -> Option<String> {
    if e.bpcer > e.max_bpcer {
        return Some(format!("`bpcer` {} is more than `max_bpcer` {}", e.bpcer, e.max_bpcer));
    }
    let twice = |k: usize, a: &AttackShare| e.attacks[..k].iter().any(|before| before.instrument == a.instrument);
    let of_attack = |(k, a): (usize, &AttackShare)| match twice(k, a) {
        true => Some(format!("{:?} stands there twice", a.instrument)),
        false => {
            no_interval("apcer", a.apcer, a.apcer_high, a.frames).map(|wrong| format!("{:?}: {wrong}", a.instrument))
        }
    };
    no_interval("bpcer", e.bpcer, e.bpcer_high, e.live).or_else(|| e.attacks.iter().enumerate().find_map(of_attack))
}

/// What is wrong where the upper end of an interval is not the one that this share of so many has.
fn no_interval(key: &str, value: f64, high: f64, of: usize) -> Option<String> {
    let right = share_of_weight(value * of as f64, of).map(|interval| interval.high);
    let near = right.is_some_and(|right| (right - high).abs() < 5e-4);
    (!near).then(|| format!("`{key}_high` {high} is not the upper end for `{key}` {value} of {of}"))
}

fn bounds(e: &PolicyEvidence) -> Option<String> {
    let (share, high, bound) = (e.false_accept, e.false_accept_high, e.max_false_accept);
    if share > high || high >= bound {
        return Some(format!(
            "`false_accept` {share}, `false_accept_high` {high} and `max_false_accept` {bound} do not rise"
        ));
    }
    let (ages, limit) = (&e.false_accept_ages, e.measured_with.threshold_age);
    (*ages != bands::hard_minors(limit).label())
        .then(|| format!("`false_accept_ages` {ages:?} are not the minors of a limit of {limit}"))
}

fn counts(e: &PolicyEvidence) -> Option<String> {
    let (people, minors, adults, asked) = (e.false_accept_people, e.minors, e.adults, e.asked_to_live);
    if people > minors {
        return Some(format!("`false_accept_people` {people} are more than `minors` {minors}"));
    }
    (minors + adults > e.pictures || asked > e.pictures).then(|| {
        let pictures = e.pictures;
        format!("`minors` {minors}, `adults` {adults} and `asked_to_live` {asked} are more people than `pictures` {pictures}")
    })
}

/// Bands that stand twice, or are none of those that there are.
fn bands_of_no_limit(e: &PolicyEvidence) -> Option<String> {
    let limit = e.measured_with.threshold_age;
    let wrong = |found: &[BandShare], known: Vec<Band>| {
        let known: Vec<String> = known.into_iter().map(Band::label).collect();
        let is_wrong = |(k, band): &(usize, &BandShare)| {
            !known.contains(&band.ages) || found[..*k].iter().any(|before| before.ages == band.ages)
        };
        let (_, band) = found.iter().enumerate().find(is_wrong)?;
        Some(format!("{:?} stands there twice, or is no band of a limit of {limit}: {}", band.ages, known.join(", ")))
    };
    wrong(&e.minors_by_age, bands::minors_by_age(limit))
        .or_else(|| wrong(&e.adults_by_age, bands::adults_by_age(limit)))
}

fn intervals_of_parts(e: &PolicyEvidence) -> Option<String> {
    let band =
        |b: &BandShare| no_interval("share", b.share, b.high, b.people).map(|wrong| format!("of {}: {wrong}", b.ages));
    let group = |g: &GroupShare| {
        let (share, high) = (g.false_accept?, g.false_accept_high.unwrap_or(0.0));
        no_interval("false_accept", share, high, g.minors).map(|wrong| format!("of {}: {wrong}", g.name))
    };
    let bands = e.minors_by_age.iter().chain(&e.adults_by_age).find_map(band);
    bands.or_else(|| e.groups.iter().chain(&e.sources).find_map(group))
}

/// `calibrate` chooses no policy that lets in more children than its bound, if any.
fn children_over_the_bound(e: &PolicyEvidence) -> Option<String> {
    let children = bands::children(e.measured_with.threshold_age)?.label();
    let over = |b: &&BandShare| b.ages == children && b.share > 0.0 && b.high >= e.max_false_accept;
    let band = e.minors_by_age.iter().find(over)?;
    Some(format!("of {children}: `high` {} is not under `max_false_accept` {}", band.high, e.max_false_accept))
}

/// Shares of people, and how many people those are of.
type Share = (f64, usize);

fn parts_and_whole(e: &PolicyEvidence) -> Option<String> {
    let bands = |bands: &[BandShare], of: &dyn Fn(&BandShare) -> bool| -> Vec<Share> {
        bands.iter().filter(|b| of(b)).map(|b| (b.share, b.people)).collect()
    };
    let sources = |share: &dyn Fn(&GroupShare) -> (Option<f64>, usize)| -> Vec<Share> {
        e.sources.iter().map(share).map(|(share, people)| (share.unwrap_or(0.0), people)).collect()
    };
    let children = bands::children(e.measured_with.threshold_age).map(Band::label);
    let hard = |b: &BandShare| Some(&b.ages) != children.as_ref();
    let (let_in, asked) = ((e.false_accept, e.false_accept_people), (e.false_reject, e.adults));
    let all_minors: Vec<usize> = e.minors_by_age.iter().map(|b| b.people).collect();
    no_sum("minors", "by age", e.minors, &all_minors, e.ranges)
        .or_else(|| do_not_add_up("false_accept", "by age", let_in, &bands(&e.minors_by_age, &hard), e.ranges))
        .or_else(|| do_not_add_up("false_reject", "by age", asked, &bands(&e.adults_by_age, &|_| true), e.ranges))
        .or_else(|| {
            do_not_add_up("false_accept", "by source", let_in, &sources(&|g| (g.false_accept, g.minors)), e.ranges)
        })
        .or_else(|| {
            do_not_add_up("false_reject", "by source", asked, &sources(&|g| (g.false_reject, g.adults)), e.ranges)
        })
}

/// Groups in which more are asked of those of the challenge age and over than of all adults there.
fn older_than_all(e: &PolicyEvidence) -> Option<String> {
    e.groups.iter().chain(&e.sources).find_map(|g| {
        let older = g.adults_over_challenge?;
        let asked = |share: Option<f64>, of: usize| share.unwrap_or(0.0) * of as f64;
        let more = asked(g.false_reject_over_challenge, older) > asked(g.false_reject, g.adults) + 0.5;
        (older > g.adults || more).then(|| {
            format!(
                "{:?}: more adults of the challenge age and over, or more of them asked, than of all adults",
                g.name
            )
        })
    })
}

/// What is wrong where parts have more people than the whole, or all of them fewer.
fn no_sum(what: &str, how: &str, whole: usize, parts: &[usize], ranges: usize) -> Option<String> {
    let (most, sum) = (*parts.iter().max()?, parts.iter().sum::<usize>());
    (most > whole || whole > sum + ranges)
        .then(|| format!("`{what}` are {whole} people, and {how} they are {sum}, at most {most} in one part"))
}

/// What is wrong where the people of the parts, or those of them whom a share counts, are no sum of the whole's.
fn do_not_add_up(key: &str, how: &str, (share, people): Share, parts: &[Share], ranges: usize) -> Option<String> {
    let in_parts: Vec<usize> = parts.iter().map(|(_, people)| *people).collect();
    if let Some(wrong) = no_sum(&format!("people of {key}"), how, people, &in_parts, ranges) {
        return Some(wrong);
    }
    if parts.is_empty() {
        return None;
    }
    let of_all = in_parts.iter().sum::<usize>();
    let (whole, sum) = (share * people as f64, parts.iter().map(|(share, people)| share * *people as f64).sum::<f64>());
    // Each share was rounded.
    let slack = 5.1e-5 * (people + of_all) as f64;
    let in_several = (of_all + ranges).saturating_sub(people) as f64;
    let appear = share == 0.0 && sum > slack;
    (whole > sum + slack || sum > whole + in_several + slack || appear).then(|| {
        format!("`{key}` {share} is about {whole:.1} of {people} people, and {how} they are {sum:.1} of {of_all}")
    })
}

/// A group of the ages whom the bound is about is the people whom it is about, where every age is known.
fn the_same_people(e: &PolicyEvidence) -> Option<String> {
    let same = |g: &&GroupShare| g.name == e.false_accept_ages && e.ranges == 0;
    let group = e.groups.iter().find(same)?;
    let figures = (group.minors, group.false_accept.unwrap_or(0.0));
    (figures != (e.false_accept_people, e.false_accept)).then(|| {
        format!(
            "`false_accept` {} of {} people is that of {}, of whom {} of {} are let in",
            e.false_accept, e.false_accept_people, group.name, figures.1, figures.0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, ShippedPolicy};

    fn shipped() -> PolicyEvidence {
        Policy::shipped().evidence.unwrap()
    }

    #[test]
    fn the_shipped_figures_do_not_contradict_each_other() {
        for shipped in ShippedPolicy::ALL {
            let policy = Policy::of(shipped);
            assert_eq!(of_ages(&policy.evidence.unwrap()), None);
            assert_eq!(of_liveness(&policy.liveness.unwrap().evidence.unwrap()), None);
        }
    }

    #[test]
    fn what_an_auditor_would_find_by_adding_up_is_found() {
        type Edit = fn(&mut PolicyEvidence);
        let edits: [(&str, Edit); 28] = [
            ("one person fewer is let in", |e| (e.false_accept, e.false_accept_high) = (0.0051, 0.0282)),
            ("nobody is let in", |e| (e.false_accept, e.false_accept_high) = (0.0, 0.0192)),
            ("nearly all of the same people are", |e| {
                let same = e.groups.iter_mut().find(|g| g.name == "13-17").unwrap();
                (same.false_accept, same.false_accept_high) = (Some(0.9036), Some(0.9373));
            }),
            ("half of the children are", |e| (e.minors_by_age[0].share, e.minors_by_age[0].high) = (0.5, 0.5484)),
            ("few adults are asked", |e| e.false_reject = 0.0766),
            ("a few fewer adults are asked", |e| e.false_reject = 0.2466),
            ("more adults are asked", |e| e.false_reject = 0.35),
            ("nobody is asked", |e| e.false_reject = 0.0),
            ("other ages", |e| e.false_accept_ages = "16-17".into()),
            ("ages of another limit", |e| e.false_accept_ages = "13-20".into()),
            ("no ages", |e| e.false_accept_ages = "all".into()),
            ("fewer minors than children", |e| e.minors = 300),
            ("only those of whom the bound is", |e| e.minors = e.false_accept_people),
            ("more minors than by age", |e| e.minors = 650),
            ("hardly any minors", |e| e.minors = 14),
            ("fewer adults than in a band", |e| e.adults = 600),
            ("more people than pictures", |e| e.pictures = 1),
            ("more asked than pictures", |e| e.asked_to_live = 99_999),
            ("a band twice", |e| e.minors_by_age[2].ages = "13-15".into()),
            ("adults who are none", |e| e.adults_by_age[1].ages = "5-9".into()),
            ("an interval of a band", |e| e.minors_by_age[0].high = 0.01),
            ("an interval of a group", |e| e.groups[0].false_accept = Some(1.0)),
            ("no interval of a source", |e| e.sources[1].false_accept_high = None),
            ("more of the older adults than of all", |e| e.groups[0].false_reject_over_challenge = Some(1.0)),
            ("more older adults than adults", |e| e.groups[0].adults_over_challenge = Some(99_999)),
            ("a source left out", |e| drop(e.sources.pop())),
            ("of no people", |e| e.false_accept_people = 0),
            ("of a million", |e| e.false_accept_people = 1_000_000),
        ];
        for (what, edit) in edits {
            let mut e = shipped();
            edit(&mut e);
            assert!(of_ages(&e).is_some(), "{what}");
        }
    }

    #[test]
    fn an_interval_or_a_bound_that_is_another_is_found() {
        type Edit = fn(&mut PolicyEvidence);
        let edits: [Edit; 3] =
            [|e| e.false_accept_high = 0.03, |e| e.false_accept_high = 0.001, |e| e.max_false_accept = 0.001];
        for edit in edits {
            let mut e = shipped();
            edit(&mut e);
            assert!(of_ages(&e).is_some());
        }
    }
}
