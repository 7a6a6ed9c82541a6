//! `agegate evaluate`: the embedded models on labelled pictures.

use std::{error::Error, fmt::Write as _};

use super::{Exit, Outcome, labelled};
use crate::{
    cli::EvaluateArgs,
    config::load_policy,
    evaluate::{
        Eyes, Readings,
        at_the_gate::Visits,
        dataset::Dataset,
        figures::Figures,
        read_all,
        repeats::{choose, measure},
        report::Report,
        visits::Setting,
    },
    made,
    measured::{MeasuredWith, statement},
    out,
    policy::Policy,
    say,
};

/// People of whom visits are simulated for the report: more would take minutes and tell little more.
const MOST_VISITORS: usize = 500;

/// First line of the predictions, by which an earlier result is known.
const PREDICTIONS: &str = "path,age,estimate,p18,p25,female\n";

/// Runs the command.
///
/// # Errors
/// If the data set cannot be opened, a model fails, no face is found at all, or a result cannot be written.
pub fn run(args: &EvaluateArgs) -> Outcome {
    let eyes = Eyes::load(args.detector.as_deref(), args.age_model.as_deref())?;
    let policy = policy_of_report(args, &eyes)?;
    let set = labelled::open(&args.data)?;
    let sources = set.sources.clone();
    let readings = read_all(&eyes, set)?;
    let figures = Figures::of(&readings, eyes.age.identity()).ok_or(
        "no face was found in any of the pictures (are they aligned chips? then give them with --aligned-dataset)",
    )?;
    out::write(format_args!("{figures}"), "");
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&figures)?;
        made::write_file(path, &json, |before| made::same_keys(before, &json))?;
    }
    if let Some(path) = &args.predictions {
        let header = PREDICTIONS.as_bytes();
        made::write_file(path, predictions(&readings).as_bytes(), |before| before.starts_with(header))?;
    }
    if let Some(folder) = &args.report {
        let people: Vec<_> = readings.read.iter().map(|r| (&r.sample, r.person)).collect();
        let samples = choose(&people, policy.threshold_age, MOST_VISITORS).into_iter().cloned().collect();
        let visitors = Dataset { sources, samples, rejected: Vec::new() };
        let config = labelled::settings(&args.data)?;
        let setting = Setting { visit: config.visit.settings(), quality: config.quality };
        let model = eyes.age.identity().to_string();
        let values = MeasuredWith::now(&policy, &model, &config.visit, config.camera.rate, &config.quality);
        let line = statement(&policy, &values);
        say!("policy: {line}");
        let mut visits = Visits::begin(&eyes, &visitors, &setting)?;
        let visits = measure(&eyes, &mut visits, &setting, &policy, values, line)?;
        Report::of(figures, &readings.read, visits).write(folder, &readings.read, args.with_pictures)?;
        say!("report: {}", folder.join("report.html").display());
    }
    Ok(Exit::Success)
}

/// The policy for the report's visits, which must be made for the age model in use: with another one its figures mean nothing.
fn policy_of_report(args: &EvaluateArgs, eyes: &Eyes) -> Result<Policy, Box<dyn Error>> {
    let policy = args.policy.as_deref().map_or_else(|| Ok(Policy::shipped()), load_policy)?;
    let found = eyes.age.identity().to_string();
    match policy.foreign_to(&found) {
        Some(expected) if args.report.is_some() => Err(format!(
            "the report's policy was made for the age model {expected}, but {found} is loaded; run `agegate calibrate` with this model and give its policy with --policy"
        )
        .into()),
        _ => Ok(policy),
    }
}

/// A field of a CSV: in quotes where it needs them.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
}

/// One line a picture.
fn predictions(readings: &Readings) -> String {
    let mut text = String::from(PREDICTIONS);
    for r in &readings.read {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{},{},{:.3},{:.5},{:.5},{:.4}",
            field(&r.sample.path.display().to_string()),
            r.sample.age,
            r.estimate.mean(),
            r.estimate.at_least(18),
            r.estimate.at_least(25),
            r.female
        );
    }
    text
}
