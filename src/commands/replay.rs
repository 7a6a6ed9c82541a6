//! `agegate replay`: recorded pictures through detection, visit and policy. Same input, same output, byte for byte.

use std::{path::Path, time::Duration};

use super::{Exit, Outcome};
use crate::{
    camera::{
        Camera, CameraError, Retry,
        replay::{Pace, ReplayCamera},
    },
    cli::ReplayArgs,
    config::Config,
    frame::Frame,
    judge::{Judge, Searched},
    liveness::Side,
    policy::Reason,
    say,
    visit::Decision,
};

/// Runs the command.
///
/// # Errors
/// If configuration, models or recordings cannot be used.
pub fn run(args: &ReplayArgs) -> Outcome {
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::parse("", Path::new("built-in"))?,
    };
    if !(0.5..=1000.0).contains(&args.rate) {
        return Err(format!("--rate {}: expected 0.5 to 1000 pictures a second", args.rate).into());
    }
    let mut judge = Judge::new(&config)?;
    judge.ask_always_for(Side::Left);
    let mut camera = ReplayCamera::open(&args.files, args.rate, Pace::AtOnce)?;
    let interval = Duration::from_secs_f32(1.0 / args.rate);
    let (mut now, mut number, mut decisions) = (Duration::ZERO, 0u64, 0);
    loop {
        let frame = match camera.next_frame() {
            Ok(frame) => frame,
            Err(CameraError::End) => break,
            Err(error) if error.retry() == Retry::NextFrame => {
                log::warn!("{}; left out", super::chain(&error));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for _ in 0..args.repeat {
            now += interval;
            number += 1;
            let frame = Frame { pixels: frame.pixels.clone(), captured: now, sequence: number };
            let judged = judge.frame(&frame)?;
            if args.frames {
                let view = match &judged.view {
                    None => "-".into(),
                    Some(Ok(view)) => {
                        let (policy, estimate) = (judge.policy(), &view.estimate);
                        let living = policy.liveness.as_ref().zip(view.liveness).and_then(|(l, s)| l.probability(&[s]));
                        format!(
                            "years {:.1} P(>={}) {:.3}{}",
                            estimate.years(),
                            policy.sure_age(),
                            policy.sureness(estimate),
                            living.map_or_else(String::new, |p| format!(" P(living) {p:.3}"))
                        )
                    }
                    Some(Err(flaw)) => format!("{flaw:?}"),
                };
                say!(
                    "frame {number} at {:.2} s: {} faces, {view}, {:?}",
                    now.as_secs_f32(),
                    match judged.searched {
                        Searched::Nothing => "nothing changed, no".to_owned(),
                        Searched::Around => format!("followed, {}", judged.faces),
                        Searched::Everything => judged.faces.to_string(),
                    },
                    judged.step.guidance
                );
            }
            if let Some(decision) = judged.step.decision {
                decisions += 1;
                print(&decision);
            }
        }
    }
    if let Some(decision) = judge.abort(Reason::Stopped, now + interval) {
        decisions += 1;
        print(&decision);
    }
    say!("{number} frames, {decisions} decisions");
    Ok(Exit::Success)
}

fn print(d: &Decision) {
    say!(
        "{:.2} s: {} ({}), band {}, confidence {}{}, {} good frames, try {}",
        d.decided.as_secs_f32(),
        d.outcome,
        d.reason,
        d.band.map_or("-", |b| b.label()),
        d.confidence.map_or_else(|| "-".into(), |c| format!("{c:.3}")),
        d.liveness.map_or_else(String::new, |p| format!(", living {p:.3}")),
        d.frames,
        d.attempt
    );
}
