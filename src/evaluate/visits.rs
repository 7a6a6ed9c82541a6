//! Simulated visits: several frames of one picture as a camera would see the person within a second.
//!
//! Jitter of place, scale and roll (what the detector's landmarks do from frame to frame), light, focus and noise. The face
//! and its expression stay the same, so this says how much several frames help against the camera and the detector, not
//! against the face itself: a real visit helps a little more.

use image::RgbImage;
use rayon::prelude::*;
use serde::Serialize;

use super::{
    Eyes, Input, Reading,
    dataset::Sample,
    progress_bar,
    statistics::{Interval, SplitMix, bootstrap_mean, share},
};
use crate::{
    age::AgeEstimate,
    picture,
    policy::Policy,
    vision::{Chip, FaceReading, ModelError, Point, align::TEMPLATE, nearest},
};

/// Frames of a simulated visit of one picture; `None` without a face.
///
/// The same seed gives the same frames.
///
/// # Errors
/// [`ModelError::Run`] if a model fails.
pub fn simulate(
    eyes: &Eyes,
    picture: &RgbImage,
    input: Input,
    frames: usize,
    seed: u64,
) -> Result<Option<Vec<FaceReading>>, ModelError> {
    let landmarks = match input {
        Input::Chips => {
            let (w, h) = (picture.width() as f32, picture.height() as f32);
            let side = w.min(h);
            TEMPLATE.map(|p| Point::new((w - side) / 2.0 + p.x * side, (h - side) / 2.0 + p.y * side))
        }
        Input::Pictures => match nearest(&eyes.detector.detect(picture)?) {
            Some(face) => face.landmarks,
            None => return Ok(None),
        },
    };
    let mut random = SplitMix(seed);
    // What stays the same within a visit: the place's light, the camera's focus.
    let visit_gain = (random.normal() * 0.10).exp();
    let visit_blur = (random.unit() < 0.25).then(|| 0.5 + random.unit() * 0.4);
    let mut readings = Vec::with_capacity(frames);
    for frame in 0..frames {
        let moved = jitter(&landmarks, &mut random);
        let side = eyes.age.chip_side();
        let Some(chip) = Chip::align(picture, &moved, side) else { return Ok(None) };
        let degraded = degrade(chip.pixels(), visit_gain, visit_blur, &mut random);
        readings.push(eyes.age.read(&Chip::from_aligned(&degraded, side).turned_for(frame))?);
    }
    Ok(Some(readings))
}

/// Moves all landmarks by one similarity transform, and each by a little of its own.
fn jitter(landmarks: &[Point; 5], random: &mut SplitMix) -> [Point; 5] {
    let size = landmarks[0].distance(landmarks[4]).max(1.0);
    let (angle, scale) = (random.normal() * 0.035, (random.normal() * 0.03).exp());
    let (dx, dy) = (random.normal() * 0.02 * size, random.normal() * 0.02 * size);
    let centre = landmarks[2];
    let (sin, cos) = angle.sin_cos();
    landmarks.map(|p| {
        let (x, y) = (p.x - centre.x, p.y - centre.y);
        Point::new(
            centre.x + scale * (cos * x - sin * y) + dx + random.normal() * 0.008 * size,
            centre.y + scale * (sin * x + cos * y) + dy + random.normal() * 0.008 * size,
        )
    })
}

fn degrade(chip: &RgbImage, gain: f32, blur: Option<f32>, random: &mut SplitMix) -> RgbImage {
    let mut out = match blur {
        Some(sigma) => image::imageops::blur(chip, sigma),
        None => chip.clone(),
    };
    let gain = gain * (random.normal() * 0.03).exp();
    let noise = 1.0 + random.unit() * 4.0;
    for value in out.iter_mut() {
        *value = (f32::from(*value) * gain + random.normal() * noise).clamp(0.0, 255.0) as u8;
    }
    out
}

/// The estimate of a visit: its frames pooled with equal weight.
#[must_use]
pub fn pooled(frames: &[FaceReading], temperature: f32) -> Option<AgeEstimate> {
    let tempered: Vec<AgeEstimate> = frames.iter().map(|f| f.age.tempered(temperature)).collect();
    AgeEstimate::pool(tempered.iter().map(|e| (e, 1.0)))
}

/// Simulates one visit for each sample and gives the pooled estimates as readings.
///
/// # Errors
/// The first model failure. Unreadable and faceless pictures are left out.
pub fn visit_readings(
    eyes: &Eyes,
    samples: &[Sample],
    input: Input,
    frames: usize,
) -> Result<Vec<Reading>, ModelError> {
    let bar = progress_bar(samples.len() as u64, "visits");
    let readings: Vec<Option<Reading>> = samples
        .par_iter()
        .enumerate()
        .map(|(k, sample)| {
            bar.inc(1);
            let Ok(picture) = picture::open(&sample.path) else { return Ok(None) };
            let Some(frames) = simulate(eyes, &picture, input, frames, 0xa9e + k as u64)? else { return Ok(None) };
            Ok(pooled(&frames, 1.0).map(|estimate| Reading {
                sample: sample.clone(),
                estimate,
                female: frames[0].female,
            }))
        })
        .collect::<Result<_, ModelError>>()?;
    bar.finish_and_clear();
    Ok(readings.into_iter().flatten().collect())
}

/// How much several frames help, and how much several tries harm.
#[derive(Clone, Debug, Serialize)]
pub struct VisitFigures {
    /// People simulated.
    pub people: usize,
    /// Error of the pooled estimate by number of frames.
    pub by_frames: Vec<ByFrames>,
    /// Correlation of the errors of two frames of one visit, -1 to 1: how far they are from independent.
    pub error_correlation: f64,
    /// Share of 13-17-year-olds let in at least once, by number of tries of five frames.
    pub by_tries: Vec<ByTries>,
}

/// Error with a number of frames.
#[derive(Clone, Debug, Serialize)]
pub struct ByFrames {
    /// Frames pooled.
    pub frames: usize,
    /// Mean absolute error in years.
    pub mae_years: Option<Interval>,
    /// Share of 13-17-year-olds let in.
    pub false_accept_13_17: Option<Interval>,
    /// Share of people of T or over who are not let in.
    pub false_reject: Option<Interval>,
}

/// False accepts with a number of tries.
#[derive(Clone, Debug, Serialize)]
pub struct ByTries {
    /// Tries in a row.
    pub tries: usize,
    /// Share of 13-17-year-olds let in at least once.
    pub false_accept_13_17: Option<Interval>,
}

const COUNTS: [usize; 5] = [1, 2, 3, 5, 8];
const TRIES: usize = 5;
const FRAMES_PER_TRY: usize = 5;

/// Measures both on at most `most` samples, among them all 13-17-year-olds that fit.
///
/// # Errors
/// The first model failure.
pub fn measure(
    eyes: &Eyes,
    samples: &[Sample],
    input: Input,
    policy: &Policy,
    most: usize,
) -> Result<VisitFigures, ModelError> {
    let minor = |s: &Sample| (13..=17).contains(&s.age);
    let mut chosen: Vec<&Sample> = samples.iter().filter(|s| minor(s)).take(most).collect();
    let others: Vec<&Sample> = samples.iter().filter(|s| !minor(s)).collect();
    let step = (others.len() / most.saturating_sub(chosen.len()).max(1)).max(1);
    chosen.extend(others.into_iter().step_by(step).take(most.saturating_sub(chosen.len())));
    let bar = progress_bar(chosen.len() as u64, "simulated people");
    let all: Vec<Option<(u32, Vec<FaceReading>)>> = chosen
        .par_iter()
        .enumerate()
        .map(|(k, sample)| {
            bar.inc(1);
            let Ok(picture) = picture::open(&sample.path) else { return Ok(None) };
            // Each try is a visit of its own: other light, other focus.
            let tries = if minor(sample) { TRIES } else { 2 };
            let mut frames = Vec::new();
            for attempt in 0..tries {
                let seed = 0x7e57 + (k * TRIES + attempt) as u64;
                match simulate(eyes, &picture, input, FRAMES_PER_TRY.max(COUNTS[4].div_ceil(2)), seed)? {
                    Some(more) => frames.extend(more),
                    None => return Ok(None),
                }
            }
            Ok(Some((sample.age, frames)))
        })
        .collect::<Result<_, ModelError>>()?;
    bar.finish_and_clear();
    let people: Vec<(u32, Vec<FaceReading>)> = all.into_iter().flatten().collect();
    let allowed =
        |frames: &[FaceReading]| pooled(frames, policy.temperature).is_some_and(|e| policy.surely_old_enough(&e));
    let threshold = u32::from(policy.threshold_age);
    let by_frames = COUNTS
        .iter()
        .map(|&count| {
            let errors: Vec<f64> = people
                .iter()
                .filter_map(|(age, f)| Some((f64::from(pooled(&f[..count], 1.0)?.mean()) - f64::from(*age)).abs()))
                .collect();
            let minors: Vec<bool> =
                people.iter().filter(|(age, _)| (13..=17).contains(age)).map(|(_, f)| allowed(&f[..count])).collect();
            let adults: Vec<bool> =
                people.iter().filter(|(age, _)| *age >= threshold).map(|(_, f)| allowed(&f[..count])).collect();
            ByFrames {
                frames: count,
                mae_years: bootstrap_mean(&errors),
                false_accept_13_17: share(minors.iter().filter(|a| **a).count(), minors.len()),
                false_reject: share(adults.iter().filter(|a| !**a).count(), adults.len()),
            }
        })
        .collect();
    let minors: Vec<&Vec<FaceReading>> =
        people.iter().filter(|(age, _)| (13..=17).contains(age)).map(|(_, f)| f).collect();
    let by_tries = (1..=TRIES)
        .map(|tries| {
            let hits = minors.iter().filter(|frames| frames.chunks(FRAMES_PER_TRY).take(tries).any(allowed)).count();
            ByTries { tries, false_accept_13_17: share(hits, minors.len()) }
        })
        .collect();
    Ok(VisitFigures { people: people.len(), by_frames, error_correlation: correlation(&people), by_tries })
}

/// Pearson's correlation of the errors of the first two frames.
fn correlation(people: &[(u32, Vec<FaceReading>)]) -> f64 {
    let pairs: Vec<(f64, f64)> = people
        .iter()
        .map(|(age, f)| (f64::from(f[0].age.mean()) - f64::from(*age), f64::from(f[1].age.mean()) - f64::from(*age)))
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
