//! `agegate calibrate`: chooses a policy and writes it with its figures.

use std::fmt::Write as _;

use super::{Exit, Outcome, labelled};
use crate::{
    cli::CalibrateArgs,
    complain,
    config::{VisitConfig, load_policy},
    evaluate::{
        Eyes,
        at_the_gate::Visits,
        bands,
        calibrate::{MARGIN, TEMPERATURES, Wish, choose, dataset_hash},
        liveness_policy::{choose_liveness, may_be_wished},
        temperature::Temperature,
    },
    made,
    measured::{AttackShare, BandShare, GroupShare, LivenessEvidence},
    out,
    policy::{LivenessPolicy, Policy, PolicyEvidence},
    say,
    vision::{FoundBy, Runtime},
};

/// By which an earlier result is known.
const MARK: &str = "# Made by `agegate calibrate`";
/// The challenge age where none is asked for, years.
const DEFAULT_CHALLENGE: u8 = 25;
/// Unusable files that are told one by one; the others are counted.
const TOLD: usize = 20;

/// Runs the command.
///
/// # Errors
/// If the data set cannot be opened, cannot support the bound, or the policy cannot be written.
pub fn run(args: &CalibrateArgs) -> Outcome {
    ages_are_asked_of_ages(args)?;
    let bounds = if args.max_false_accept.is_empty() { vec![0.01] } else { args.max_false_accept.clone() };
    let challenge_age = match args.challenge.as_deref() {
        None => Some(DEFAULT_CHALLENGE),
        Some("auto") => None,
        Some(text) => Some(text.parse().map_err(|_| format!("--challenge {text:?}: expected years or auto"))?),
    };
    let threshold_age = args.threshold.unwrap_or(18);
    if args.challenge.is_none() && threshold_age > DEFAULT_CHALLENGE {
        return Err(format!(
            "--threshold {threshold_age}: the challenge age is {DEFAULT_CHALLENGE} unless --challenge says otherwise; expected one of {threshold_age} to 60 years, or auto"
        )
        .into());
    }
    let config = labelled::settings(&args.data)?;
    let mut visit = config.visit.clone();
    if let Some(frames) = args.frames {
        visit.good_frames = frames as usize;
        visit.most_frames = visit.most_frames.max(visit.good_frames);
    }
    if !args.out.is_empty() && args.out.len() != bounds.len() {
        let (bounds, files) = (bounds.len(), args.out.len());
        return Err(
            format!("--max-false-accept is given {bounds} times, --out {files} times: expected one for each").into()
        );
    }
    let wish = |max_false_accept| Wish {
        threshold_age,
        challenge_age,
        sure_age: args.sure_of.unwrap_or(threshold_age.saturating_add(MARGIN)),
        max_false_accept,
        visit: visit.clone(),
        quality: config.quality,
        liveness: None,
        found_by: FoundBy::default(),
    };
    let mut wishes: Vec<Wish> = bounds.iter().map(|bound| wish(*bound)).collect();
    wishes.iter().try_for_each(Wish::check)?;
    may_be_wished(args.max_bpcer)?;
    let eyes = Eyes::load(None, args.age_model.as_deref(), args.liveness_model.as_deref(), Runtime::Auto)?
        .above(config.models.detector_score);
    for wish in &mut wishes {
        wish.found_by = eyes.found_by()?;
    }
    let before = args.policy.as_deref().map_or_else(|| Ok(Policy::shipped()), load_policy)?;
    let from = args.policy.as_ref().map_or_else(|| "the shipped policy".into(), |path| path.display().to_string());
    let liveness = liveness(args, &before, &visit, &eyes)?;
    if !labelled::has_ages(&args.data) {
        // Everything else stays; what it was measured with says that its figures are those of another liveness.
        let policy = Policy { liveness, ..before };
        return write(args, 0, &block(&policy, None, &Bases { ages: Basis::Before(&from), liveness: Basis::Now })?);
    }
    // A policy that was chosen without liveness has no figures with it, and one chosen with it none without.
    let in_force = Policy { liveness: liveness.clone(), ..before }.in_force(config.liveness.mode).ok_or(
        "the configuration asks for a living face, and there is nothing to calibrate that with: give --attacks DIR, or a policy with a [liveness] table",
    )?;
    for wish in &mut wishes {
        wish.liveness.clone_from(&in_force.liveness);
    }
    let [first, ..] = wishes.as_slice() else { return Err("no bound".into()) };
    let set = labelled::open(&args.data)?;
    let mut visits = Visits::begin(&eyes, &set, &first.setting())?;
    tell(set.rejected.iter().map(ToString::to_string).chain(visits.unused.iter().cloned()));
    let dataset = dataset_hash(&set.samples);
    for (number, wish) in wishes.iter().enumerate() {
        let (policy, temperature) = choose(&mut visits, &eyes, wish, &dataset)?;
        let policy = Policy { liveness: liveness.clone(), ..policy };
        let asked = !args.data.attacks.is_empty() || !args.data.live.is_empty();
        let bases = Bases { ages: Basis::Now, liveness: if asked { Basis::Now } else { Basis::Before(&from) } };
        write(args, number, &block(&policy, Some(&temperature), &bases)?)?;
    }
    Ok(Exit::Success)
}

/// What is said of ages needs pictures with ages: without any it would be passed over, and the policy be one for another age.
fn ages_are_asked_of_ages(args: &CalibrateArgs) -> Result<(), String> {
    if labelled::has_ages(&args.data) {
        return Ok(());
    }
    let given = [
        ("--threshold", args.threshold.is_some()),
        ("--challenge", args.challenge.is_some()),
        ("--sure-of", args.sure_of.is_some()),
        ("--frames", args.frames.is_some()),
        ("--max-false-accept", !args.max_false_accept.is_empty()),
        ("a second --out", args.out.len() > 1),
    ];
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => {
            Err(format!("{option} is about ages, and there are no pictures with ages: give --dataset, or leave it out"))
        }
    }
}

/// The liveness part: chosen on attacks and living people, or else that of the policy before, if it is for the same model.
fn liveness(
    args: &CalibrateArgs,
    before: &Policy,
    visit: &VisitConfig,
    eyes: &Eyes,
) -> Result<Option<LivenessPolicy>, Box<dyn std::error::Error>> {
    let model = eyes.liveness.identity();
    let Some(all) = labelled::look(&args.data, eyes)? else {
        return Ok(before.liveness.clone().filter(|l| l.foreign_to(&model.to_string()).is_none()));
    };
    tell(all.rejected.iter().map(ToString::to_string));
    let (policy, figures) = choose_liveness(&all, args.max_bpcer, &visit.settings(), model)?;
    for (instrument, count) in &figures.liveness_faceless {
        complain!("{instrument}: no face found in {count} pictures: left out of its share");
    }
    Ok(Some(policy))
}

/// Writes the policy of a number to its file, or to standard output.
fn write(args: &CalibrateArgs, number: usize, text: &str) -> Outcome {
    match args.out.get(number) {
        Some(path) => {
            made::write_file(path, text.as_bytes(), |before| before.starts_with(MARK.as_bytes()))?;
            say!("{}", path.display());
        }
        None => out::write(format_args!("{text}"), ""),
    }
    Ok(Exit::Success)
}

/// Says on standard error what was not used.
fn tell(unused: impl Iterator<Item = String>) {
    let mut more = 0usize;
    for (k, what) in unused.enumerate() {
        if k < TOLD {
            complain!("not used: {}", out::one_line(&what));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        complain!("not used: {more} more");
    }
}

/// Where figures come from.
enum Basis<'a> {
    /// They were measured by this call.
    Now,
    /// They are those of this policy.
    Before(&'a str),
}

impl Basis<'_> {
    /// What is to be said before figures that were not measured now.
    fn told(&self, what: &str) -> Option<String> {
        match self {
            Self::Now => None,
            Self::Before(from) => Some(format!(
                "{what}: not measured now, but taken over from {from} with its figures, which follow; `agegate check` says whether they hold for this policy."
            )),
        }
    }
}

/// Where the figures of a policy come from.
struct Bases<'a> {
    ages: Basis<'a>,
    liveness: Basis<'a>,
}

/// The policy as TOML, with what it means before it.
fn block(policy: &Policy, temperature: Option<&Temperature>, bases: &Bases<'_>) -> Result<String, toml::ser::Error> {
    let mut text = format!("{MARK}; use it with `policy_file` in the configuration.\n#\n");
    let ages = policy.evidence.as_ref().map(|e| (bases.ages.told("Ages"), sentences(policy, e)));
    let living = policy.liveness.as_ref().and_then(|l| Some((l, l.evidence.as_ref()?)));
    let living = living.map(|(l, e)| (bases.liveness.told("Living faces"), liveness_sentences(l, e)));
    for (basis, lines) in ages.into_iter().chain(living) {
        for line in basis.into_iter().chain(lines) {
            // Names of files and folders are in it, which may hold anything: in a comment there is no second line.
            text += &format!("# {}\n", out::one_line(&line));
        }
    }
    if let Some(t) = temperature {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# Judged at temperature {}: of {} to {} the one that asks the fewest adults for ID under this bound; above 1, small doubts count more. By the likelihood it would be {:.2}: on folds that the fit did not see, negative log-likelihood {:.3} before, {:.3} after; calibration error of P(age >= T) {:.4} before, {:.4} after.",
            policy.temperature,
            t.value.min(TEMPERATURES[0]),
            TEMPERATURES[TEMPERATURES.len() - 1],
            t.value,
            t.held_out_nll[0],
            t.held_out_nll[1],
            t.held_out_ece[0],
            t.held_out_ece[1]
        );
    }
    text.push('\n');
    text.push_str(&out::printable(format_args!("{}", toml::to_string(policy)?)));
    Ok(text)
}

fn per_thousand(share: f64) -> String {
    format!("{:.0}", share * 1e3)
}

/// What the figures of living faces and attacks mean.
fn liveness_sentences(asked: &LivenessPolicy, e: &LivenessEvidence) -> Vec<String> {
    let attack = |a: &AttackShare| {
        let (frames, visits) = (per_thousand(a.apcer), per_thousand(a.visit_apcer));
        format!("{} {frames} ({visits})", a.instrument)
    };
    let attacks = e.attacks.iter().map(attack).collect::<Vec<_>>().join(", ");
    vec![
        format!(
            "Living faces, at P >= {}: of 1,000 frames of living people, {} are taken for an attack, with 95 % confidence fewer than {:.0}; of 1,000 visits, {}.",
            asked.confidence,
            per_thousand(e.bpcer),
            (e.bpcer_high * 1e3).ceil(),
            per_thousand(e.visit_bpcer)
        ),
        format!(
            "Attacks taken for living, of 1,000 frames (of visits): {attacks}. A visit is a run of pictures by their names in a folder, as long as a visit at the gate may be; where those are of different attacks, one that is held still passes as often as its frame does."
        ),
    ]
}

/// In brackets: who of a group is asked of those whom the policy means to let in.
fn asked_of_older(g: &GroupShare) -> String {
    match (g.adults_over_challenge, g.false_reject_over_challenge) {
        (None, _) => String::new(),
        (Some(_), None) => " (-)".into(),
        (Some(_), Some(share)) => format!(" ({})", per_thousand(share)),
    }
}

/// What the figures mean, a sentence a line.
fn sentences(policy: &Policy, e: &PolicyEvidence) -> Vec<String> {
    let (hard, threshold) = (bands::hard_minors(policy.threshold_age), policy.threshold_age);
    let fewer = |high: f64| format!("with 95 % confidence fewer than {:.0}", (high * 1e3).ceil());
    let list = |bands: &[&BandShare]| {
        bands.iter().map(|b| format!("{}: {}", b.ages, per_thousand(b.share))).collect::<Vec<_>>().join(", ")
    };
    let children = bands::children(threshold).map(bands::Band::label);
    let older: Vec<&BandShare> = e.minors_by_age.iter().filter(|b| Some(&b.ages) != children.as_ref()).collect();
    let parts = if older.len() > 1 { format!(" ({})", list(&older)) } else { String::new() };
    let ages = if hard.low == 0 {
        format!("under {threshold} years")
    } else {
        format!("of {} to {} years", hard.low, hard.high)
    };
    let mut lines = vec![format!(
        "Of 1,000 people {ages}, {} are let in{parts}; {}.",
        per_thousand(e.false_accept),
        fewer(e.false_accept_high)
    )];
    if let Some(b) = e.minors_by_age.iter().find(|b| Some(&b.ages) == children.as_ref()) {
        let (share, high) = (per_thousand(b.share), fewer(b.high));
        let few = match b.high < e.max_false_accept {
            true => String::new(),
            false => format!(": {} are too few to say whether they keep the bound", b.people),
        };
        lines.push(format!("Of 1,000 children under {}, {share} are let in; {high}{few}.", hard.low));
    } else if hard.low > 0 {
        lines.push(format!("There were no children under {}: nothing is known of them.", hard.low));
    }
    let adults = list(&e.adults_by_age.iter().collect::<Vec<_>>());
    lines.push(format!(
        "Of 1,000 people of {threshold} or over, {} are asked for ID ({adults}).",
        per_thousand(e.false_reject)
    ));
    let of_groups = |value: &dyn Fn(&GroupShare) -> Option<String>| {
        let named = e.groups.iter().filter_map(|g| Some(format!("{}: {}", g.name, value(g)?)));
        named.collect::<Vec<_>>().join(", ")
    };
    // By age it is said above.
    let by_age = |g: &GroupShare| g.name.starts_with(|c: char| c.is_ascii_digit());
    let let_in = |g: &GroupShare| {
        let (share, high) = (g.false_accept?, g.false_accept_high?);
        Some(format!("{} ({}; {:.0})", per_thousand(share), g.minors, (high * 1e3).ceil()))
    };
    let passing = of_groups(&|g| let_in(g).filter(|_| !by_age(g)));
    if !passing.is_empty() {
        lines.push(format!(
            "Let in, of 1,000 people {ages} (people there were; at most, with 95 % confidence): {passing}."
        ));
    }
    let asked = of_groups(&|g| {
        g.false_reject.filter(|_| !by_age(g)).map(|f| format!("{}{}", per_thousand(f), asked_of_older(g)))
    });
    if !asked.is_empty() {
        let challenge = e.measured_with.challenge_age;
        lines.push(format!("Asked for ID, of 1,000 adults (of those of {challenge} and over): {asked}."));
    }
    let refused = of_groups(&|g| {
        Some(format!("{} ({})", per_thousand(g.views_refused), per_thousand(g.views_refused_half_light)))
    });
    lines.push(format!("Refused for light or focus, of 1,000 views (of the same views in half the light): {refused}."));
    let w = &e.measured_with;
    lines.push(format!(
        "Measured on {} people under {threshold} and {} of {threshold} or over in {} pictures, each a simulated visit that is judged after each of {} to {} good frames, one try; a person counts once.",
        e.minors, e.adults, e.pictures, w.good_frames, w.most_frames
    ));
    if e.asked_to_live > 0 {
        lines.push(format!(
            "Of them, {} people in pictures with surroundings were let in only if they looked living, too; the others are tight chips of faces, which cannot say that.",
            e.asked_to_live
        ));
    }
    for s in &e.sources {
        let let_in = s.false_accept.map_or_else(String::new, |f| {
            format!(", {} of 1,000 let in, {}", per_thousand(f), fewer(s.false_accept_high.unwrap_or(1.0)))
        });
        let asked = s.false_reject.map_or_else(String::new, |f| format!(", {} of 1,000 asked for ID", per_thousand(f)));
        let challenge = e.measured_with.challenge_age;
        let older =
            s.adults_over_challenge.map_or_else(String::new, |n| format!(", {n} of them of {challenge} and over"));
        lines
            .push(format!("Source {}: {} people {ages}{let_in}; {} adults{older}{asked}.", s.name, s.minors, s.adults));
    }
    lines
}
