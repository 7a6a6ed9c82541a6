//! `agegate calibrate`: chooses a policy and writes it with its figures.

use std::fmt::Write as _;

use super::{Exit, Outcome};
use crate::{
    cli::CalibrateArgs,
    complain,
    evaluate::{
        Eyes, Input,
        calibrate::{Temperature, Wish, choose, dataset_hash},
        dataset::Dataset,
        visits::visit_readings,
    },
    made, out,
    policy::Policy,
    say,
};

/// By which an earlier result is known.
const MARK: &str = "# Made by `agegate calibrate`";

/// Runs the command.
///
/// # Errors
/// If the data set cannot be opened, cannot support the bound, or the policy cannot be written.
pub fn run(args: &CalibrateArgs) -> Outcome {
    let challenge_age = match args.challenge.as_str() {
        "auto" => None,
        text => Some(text.parse().map_err(|_| format!("--challenge {text:?}: expected years or auto"))?),
    };
    let wish = Wish {
        threshold_age: args.threshold,
        challenge_age,
        max_false_accept: args.max_false_accept,
        frames: args.frames as usize,
    };
    let eyes = Eyes::load(None, args.age_model.as_deref())?;
    let set = Dataset::open(&args.dataset)?;
    for rejected in &set.rejected {
        complain!("not used: {}: {}", rejected.place, rejected.reason);
    }
    let input = if args.aligned { Input::Chips } else { Input::Pictures };
    let readings = visit_readings(&eyes, &set.samples, input, wish.frames)?;
    let (policy, temperature) = choose(&readings, wish, &eyes.age.identity().to_string(), dataset_hash(&set.samples))?;
    let text = block(&policy, &temperature)?;
    match &args.out {
        Some(path) => {
            made::write_file(path, text.as_bytes(), |before| before.starts_with(MARK.as_bytes()))?;
            say!("{}", path.display());
        }
        None => out::write(format_args!("{text}"), ""),
    }
    Ok(Exit::Success)
}

/// The policy as TOML, with what it means before it.
fn block(policy: &Policy, t: &Temperature) -> Result<String, toml::ser::Error> {
    let mut text = format!("{MARK}; use it with `policy_file` in the configuration.\n");
    if let Some(e) = &policy.evidence {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "#\n# Of 1,000 people of 13 to 17 years, {:.0} are let in (13-15: {:.0}, 16-17: {:.0}); with 95 % confidence fewer than {:.0}.",
            e.false_accept * 1e3,
            e.false_accept_13_15 * 1e3,
            e.false_accept_16_17 * 1e3,
            (e.false_accept_high * 1e3).ceil()
        );
        if let (Some(share), Some(high)) = (e.false_accept_0_12, e.false_accept_0_12_high) {
            let _ = writeln!(
                text,
                "# Of 1,000 children under 13, {:.0} are let in; with 95 % confidence fewer than {:.0}.",
                share * 1e3,
                (high * 1e3).ceil()
            );
        }
        let _ = writeln!(
            text,
            "# Of 1,000 people of {} or over, {:.0} are asked for ID (18-24: {:.0}, 25-34: {:.0}, 35 and over: {:.0}).",
            policy.threshold_age,
            e.false_reject * 1e3,
            e.false_reject_18_24 * 1e3,
            e.false_reject_25_34 * 1e3,
            e.false_reject_35_up * 1e3
        );
        let _ = writeln!(
            text,
            "# Measured on {} pictures of minors and {} of adults, each as a simulated visit of {} frames, one try.",
            e.minors, e.adults, e.frames
        );
    }
    let _ = writeln!(
        text,
        "# Temperature, on folds that its fit did not see: negative log-likelihood {:.3} before, {:.3} after; calibration error of P(age >= T) {:.4} before, {:.4} after.\n",
        t.held_out_nll[0], t.held_out_nll[1], t.held_out_ece[0], t.held_out_ece[1]
    );
    text.push_str(&toml::to_string(policy)?);
    Ok(text)
}
