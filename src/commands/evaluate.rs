//! `agegate evaluate`: the embedded models on labelled pictures.

use std::{error::Error, fmt::Write as _};

use serde::Serialize;

use super::{Exit, Outcome, labelled};
use crate::{
    cli::EvaluateArgs,
    complain,
    config::{Config, load_policy},
    evaluate::{
        Eyes, Readings,
        at_the_gate::Visits,
        attacks::AllSeen,
        dataset::{Dataset, Source},
        figures::Figures,
        liveness_figures::LivenessFigures,
        read_all,
        repeats::{choose, measure},
        report::{Report, write_liveness_alone},
        visits::Setting,
    },
    made,
    measured::{MeasuredWith, Models, statement},
    out,
    policy::Policy,
    quality::QualityLimits,
    say,
};

/// People of whom visits are simulated for the report: more would take minutes and tell little more.
const MOST_VISITORS: usize = 500;

/// Said where a living face is asked for.
const NO_LIVENESS: &str = "the policy has no [liveness] table, which says how sure of a living face an Allow must be: make one with `agegate calibrate --attacks DIR`, and give it with --policy";

/// First line of the predictions.
const PREDICTIONS: &str = "path,age,estimate,p18,p25,female,mouth_covered,eyes_covered,weight,sure,old_enough\n";

/// What an earlier result begins with, one of an earlier version too.
const PREDICTIONS_BEFORE: &[u8] = b"path,age,estimate,p18,p25,female";

/// What the JSON holds: figures of ages, of living faces and attacks, or of both.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    ages: Option<&'a Figures>,
    #[serde(flatten)]
    liveness: Option<&'a LivenessFigures>,
}

/// Runs the command.
///
/// # Errors
/// If the data set cannot be opened, a model fails, no face is found at all, or a result cannot be written.
pub fn run(args: &EvaluateArgs) -> Outcome {
    let config = labelled::settings(&args.data)?;
    let eyes =
        Eyes::load(args.detector.as_deref(), args.age_model.as_deref(), args.liveness_model.as_deref(), args.runtime)?
            .above(config.models.detector_score);
    let has_ages = labelled::has_ages(&args.data);
    let policy = policy_in_use(args, &eyes)?;
    let liveness = match labelled::look(&args.data, &eyes)? {
        None => None,
        Some(all) => Some(liveness_figures(&all, &policy, &config, &eyes)?),
    };
    let ages = match has_ages {
        false => None,
        true => Some(ages(args, &eyes, &config.quality)?),
    };
    if let Some((figures, ..)) = &ages {
        out::write(format_args!("{figures}"), "");
    }
    if let Some(liveness) = &liveness {
        out::write(format_args!("{}{liveness}", if has_ages { "\n" } else { "" }), "");
    }
    if let Some(path) = &args.json {
        let whole = Whole { ages: ages.as_ref().map(|(figures, ..)| figures), liveness: liveness.as_ref() };
        made::write_file(path, &serde_json::to_vec_pretty(&whole)?, is_evaluation)?;
    }
    match (ages, args.report.as_deref()) {
        (Some((figures, readings, sources)), folder) => {
            if let Some(path) = &args.predictions {
                let read_by = eyes.age.identity().to_string();
                let made_for = policy.foreign_to(&read_by);
                if let Some(made_for) = made_for {
                    complain!("the policy was made for the age model {made_for}: `sure` and `old_enough` stay empty");
                }
                let judging = made_for.is_none().then_some(&policy);
                let text = predictions(&readings, judging);
                made::write_file(path, text.as_bytes(), |before| before.starts_with(PREDICTIONS_BEFORE))?;
            }
            if let Some(folder) = folder {
                let visitors = visitors(&readings, sources, policy.threshold_age);
                let report = whole_report(figures, &readings, &visitors, &eyes, policy, &config, liveness)?;
                report.write(folder, &readings.read, args.with_pictures)?;
            }
        }
        (None, Some(folder)) => write_liveness_alone(folder, liveness.as_ref().ok_or("nothing to report")?)?,
        (None, None) => {}
    }
    if let Some(folder) = &args.report {
        say!("report: {}", folder.join("report.html").display());
    }
    Ok(Exit::Success)
}

/// Reads the ages of all pictures.
fn ages(
    args: &EvaluateArgs,
    eyes: &Eyes,
    quality: &QualityLimits,
) -> Result<(Figures, Readings, Vec<Source>), Box<dyn Error>> {
    let set = labelled::open(&args.data)?;
    let sources = set.sources.clone();
    let readings = read_all(eyes, set, quality)?;
    let figures = Figures::of(&readings, eyes.age.identity()).ok_or_else(|| readings.nothing_read())?;
    Ok((figures, readings, sources))
}

/// What the policy takes for living, whatever the configuration asks for.
fn liveness_figures(
    all: &AllSeen,
    policy: &Policy,
    config: &Config,
    eyes: &Eyes,
) -> Result<LivenessFigures, Box<dyn Error>> {
    let asked = policy.liveness.as_ref().ok_or(NO_LIVENESS)?;
    Ok(LivenessFigures::of(all, asked, &config.visit.settings(), eyes.liveness.identity()))
}

/// The people of whom visits are simulated.
fn visitors(readings: &Readings, sources: Vec<Source>, threshold: u8) -> Dataset {
    let people: Vec<_> = readings.read.iter().map(|r| (&r.sample, r.person)).collect();
    let samples = choose(&people, threshold, MOST_VISITORS).into_iter().cloned().collect();
    Dataset { sources, samples, rejected: Vec::new() }
}

/// Everything about ages, with the visits of some people as the configured gate would judge them.
fn whole_report(
    figures: Figures,
    readings: &Readings,
    visitors: &Dataset,
    eyes: &Eyes,
    policy: Policy,
    config: &Config,
    liveness: Option<LivenessFigures>,
) -> Result<Report, Box<dyn Error>> {
    let policy = policy.in_force(config.liveness.mode).ok_or(NO_LIVENESS)?;
    let setting = Setting { visit: config.visit.settings(), quality: config.quality, liveness: config.liveness.mode };
    let model = eyes.age.identity().to_string();
    let models =
        Models { age: &model, detector: eyes.found_by()?, liveness: Some(eyes.liveness.identity().to_string()) };
    let values = MeasuredWith::now(&policy, &models, &config.visit, config.camera.rate, &config.quality);
    let line = statement(&policy, &values);
    say!("policy: {line}");
    let mut visits = Visits::begin(eyes, visitors, &setting)?;
    let visits = measure(eyes, &mut visits, &setting, &policy, values, line)?;
    Ok(Report::of(figures, &readings.read, visits, liveness))
}

/// Whether JSON is an earlier result, with or without living faces and attacks.
fn is_evaluation(before: &[u8]) -> bool {
    let value: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(before);
    let has = |keys: [&str; 2]| value.as_ref().is_ok_and(|v| keys.iter().all(|key| v.contains_key(*key)));
    has(["mae_years", "faces_found"]) || has(["liveness", "liveness_visits"])
}

/// The policy that judges, which must be made for the models in use: with others its figures mean nothing.
fn policy_in_use(args: &EvaluateArgs, eyes: &Eyes) -> Result<Policy, Box<dyn Error>> {
    let policy = args.policy.as_deref().map_or_else(|| Ok(Policy::shipped()), load_policy)?;
    let refused = |what: &str, expected: &str, found: &str| {
        Err(format!(
            "the {what} was made for the {expected}, but {found} is loaded; run `agegate calibrate` with this model and give its policy with --policy"
        )
        .into())
    };
    let found = eyes.age.identity().to_string();
    if let Some(expected) =
        policy.foreign_to(&found).filter(|_| args.report.is_some() && labelled::has_ages(&args.data))
    {
        return refused("report's policy", &format!("age model {expected}"), &found);
    }
    let found = eyes.liveness.identity().to_string();
    let asks = !args.data.attacks.is_empty() || !args.data.live.is_empty();
    if let Some(expected) = policy.liveness.as_ref().filter(|_| asks).and_then(|l| l.foreign_to(&found)) {
        return refused("policy's liveness part", &format!("liveness model {expected}"), &found);
    }
    Ok(policy)
}

/// One line a picture. How sure each is of the policy's age, and whether that is old enough, stands there where the policy was made
/// for the model that read them: the confidence of another means nothing.
fn predictions(readings: &Readings, judging: Option<&Policy>) -> String {
    let mut text = String::from(PREDICTIONS);
    for r in &readings.read {
        let judged = judging.map_or_else(
            || ",".to_string(),
            |policy| format!("{:.5},{}", policy.sureness(&r.estimate), policy.surely_old_enough(&r.estimate)),
        );
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{},{},{:.3},{:.5},{:.5},{:.4},{:.4},{:.4},{:.4},{judged}",
            out::field(&r.sample.path.display().to_string()),
            r.sample.age,
            r.estimate.years(),
            r.estimate.at_least(18),
            r.estimate.at_least(25),
            r.female,
            r.covered.mouth,
            r.covered.eyes,
            r.quality.unwrap_or(0.0)
        );
    }
    text
}
