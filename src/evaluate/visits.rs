//! Simulated visits: frames of one picture as a camera would see the person, judged by the very visit that the gate runs.
//!
//! Jitter of place, scale and roll (what the detector's landmarks do from frame to frame), light, focus and noise. The face
//! and its expression stay the same, so this says how much several frames help against the camera and the detector, not
//! against the face itself: a real visit helps a little more. Light and focus are judged as at the gate; size and pose are
//! not, since they are the picture's and not the person's. How living somebody looks is judged in whole pictures, where that is
//! asked for; in an aligned chip there are no surroundings to see it by, and it is left out.

use std::time::Duration;

use image::RgbImage;

#[cfg(test)]
use super::true_age::TrueAge;
use super::{Eyes, Input, dataset::Sample, statistics::SplitMix};
use crate::{
    config::LivenessMode,
    policy::{GoodView, Policy},
    quality::{self, Flaw, QualityLimits},
    vision::{BoundingBox, Chip, ModelError, Point, align::TEMPLATE, nearest},
    visit::{Decision, SeenFace, Sighting, VisitSettings, VisitTracker},
};

/// Time between two frames of a simulated visit: the ten frames a second of the shipped configuration.
pub const BETWEEN_FRAMES: Duration = Duration::from_millis(100);

/// How the simulated gate is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// How visits are run.
    pub visit: VisitSettings,
    /// Which views count.
    pub quality: QualityLimits,
    /// Whether a living face is asked for.
    pub liveness: LivenessMode,
}

/// What one frame showed, or what was wrong.
pub type View = Result<GoodView, Flaw>;

/// One person before the simulated camera, for one visit. Frames are made as they are needed, the same ones always.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The picture and its labels.
    pub sample: Sample,
    /// Number of the person.
    pub person: usize,
    views: Vec<View>,
    /// Of the first views: how many there are, how many are refused, how many in half the light.
    light: [usize; 3],
    landmarks: [Point; 5],
    /// The face's box, where the picture has surroundings.
    bounds: Option<BoundingBox>,
    random: SplitMix,
    gain: f32,
    blur: Option<f32>,
}

/// Of so many views of each person the refusals are counted.
const JUDGED_FOR_LIGHT: usize = 3;

impl Recording {
    /// A person comes before the camera; `None` without a face in the picture. Attempts differ in light and focus.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the detector fails.
    pub fn begin(eyes: &Eyes, sample: &Sample, picture: &RgbImage, attempt: u64) -> Result<Option<Self>, ModelError> {
        let (landmarks, bounds) = match sample.input {
            Input::Chips => {
                let (w, h) = (picture.width() as f32, picture.height() as f32);
                let side = w.min(h);
                let point = |p: Point| Point::new((w - side) / 2.0 + p.x * side, (h - side) / 2.0 + p.y * side);
                (TEMPLATE.map(point), None)
            }
            Input::Pictures => match nearest(&eyes.detect(picture)?) {
                Some(face) => (face.landmarks, Some(face.bounds)),
                None => return Ok(None),
            },
        };
        // By name, so that the other pictures of a data set change nothing.
        let name = sample.path.file_name().unwrap_or_default();
        let hash = blake3::hash(name.as_encoded_bytes());
        let seed = hash.as_bytes().iter().take(8).fold(attempt, |seed, byte| seed.rotate_left(8) ^ u64::from(*byte));
        let mut random = SplitMix(seed);
        // What stays the same within a visit: the place's light, the camera's focus.
        let gain = (random.normal() * 0.10).exp();
        let blur = (random.unit() < 0.25).then(|| 0.5 + random.unit() * 0.4);
        let views = Vec::new();
        let (sample, light) = (sample.clone(), [0; 3]);
        Ok(Some(Self { sample, person: 0, views, light, landmarks, bounds, random, gain, blur }))
    }

    /// A visit with these views, which needs no models; for tests.
    #[cfg(test)]
    pub(super) fn of(person: usize, age: u32, views: Vec<View>) -> Self {
        let path = format!("{person}.jpg").into();
        let (gender, group, source, input) = (None, None, 0, Input::Chips);
        let sample =
            Sample { path, age: TrueAge::exactly(age), gender, group, person: None, source, input, listed: None };
        let (landmarks, random) = (TEMPLATE, SplitMix(0));
        Self { sample, person, views, light: [0; 3], landmarks, bounds: None, random, gain: 1.0, blur: None }
    }

    /// Whether the picture has surroundings by which a living face can be told.
    #[must_use]
    pub fn has_surroundings(&self) -> bool {
        self.bounds.is_some()
    }

    /// The policy as it can judge this picture: an aligned chip cannot be asked for a living face.
    #[must_use]
    pub fn policy(&self, policy: &Policy) -> Policy {
        let liveness = policy.liveness.clone().filter(|_| self.has_surroundings());
        Policy { liveness, ..policy.clone() }
    }

    /// Makes the frames that a visit takes which is judged by this policy.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the age model fails.
    pub fn extend(
        &mut self,
        eyes: &Eyes,
        picture: &RgbImage,
        setting: &Setting,
        policy: &Policy,
    ) -> Result<(), ModelError> {
        let mut tracker = VisitTracker::new(setting.visit, self.policy(policy));
        for k in 0..frames_in_time(&setting.visit) {
            if k == self.views.len() {
                let view = self.look(eyes, picture, setting)?;
                self.views.push(view);
            }
            if show(&mut tracker, &self.views[k], k, Duration::ZERO).is_some() {
                break;
            }
        }
        Ok(())
    }

    /// The next frame. Every other good one is mirrored, as in `judge.rs`.
    fn look(&mut self, eyes: &Eyes, picture: &RgbImage, setting: &Setting) -> Result<View, ModelError> {
        let limits = &setting.quality;
        let moved = jitter(&self.landmarks, &mut self.random);
        let side = eyes.age.chip_side();
        let Some(chip) = Chip::align(picture, &moved, side) else { return Ok(Err(Flaw::LookingAway)) };
        let seen = degrade(chip.pixels(), self.gain, self.blur, &mut self.random);
        let chip = Chip::from_aligned(&seen, side);
        let quality = quality::pixels(&chip, limits);
        if self.light[0] < JUDGED_FOR_LIGHT {
            let halved = RgbImage::from_fn(seen.width(), seen.height(), |x, y| seen.get_pixel(x, y).map_half());
            let dark = quality::pixels(&Chip::from_aligned(&halved, side), limits);
            let refused = [true, quality.is_err(), dark.is_err()];
            self.light.iter_mut().zip(refused).for_each(|(count, refused)| *count += usize::from(refused));
        }
        match quality {
            Err(flaw) => Ok(Err(flaw)),
            Ok(weight) => {
                let good = self.good_views().count();
                let reading = eyes.age.read(&chip.turned_for(good))?;
                if reading.covered.is_covered() {
                    return Ok(Err(Flaw::Covered));
                }
                let bounds = self.bounds.filter(|_| setting.liveness != LivenessMode::Off);
                let bounds = bounds.map(|bounds| followed(&bounds, &self.landmarks, &moved));
                let liveness = bounds.map(|bounds| eyes.liveness.read(picture, &bounds)).transpose()?;
                Ok(Ok(GoodView { estimate: reading.age, weight, liveness }))
            }
        }
    }

    /// All views so far.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The good views so far.
    pub fn good_views(&self) -> impl Iterator<Item = &GoodView> {
        self.views.iter().filter_map(|v| v.as_ref().ok())
    }

    /// Share of the first views that are refused for light or focus, as they are and in half the light.
    #[must_use]
    pub fn refused(&self) -> [f64; 2] {
        [1, 2].map(|k| self.light[k] as f64 / self.light[0].max(1) as f64)
    }
}

/// Half as bright.
trait Half {
    fn map_half(&self) -> Self;
}

impl Half for image::Rgb<u8> {
    fn map_half(&self) -> Self {
        image::Rgb(self.0.map(|v| v / 2))
    }
}

/// Most frames that come before a visit's time is up.
fn frames_in_time(visit: &VisitSettings) -> usize {
    (visit.decide_within.as_millis() / BETWEEN_FRAMES.as_millis()) as usize + 2
}

/// Shows a frame to the gate's own tracker.
fn show(tracker: &mut VisitTracker, view: &View, k: usize, from: Duration) -> Option<Decision> {
    let bounds = BoundingBox { x0: 200.0, y0: 100.0, x1: 350.0, y1: 300.0 };
    // Not at zero: the first frame of all must be later than nothing.
    let at = from + BETWEEN_FRAMES * (k as u32 + 1);
    tracker
        .observe(Sighting {
            at,
            nearest: Some(SeenFace { bounds, view: view.clone(), points: None }),
            doubtful_companion: Some(false),
            several: false,
        })
        .decision
}

/// The decision of the gate's own tracker about a visit; the tracker goes on where it was, at the given time. `None` only for a
/// visit whose frames were not made to its end.
pub fn decide(tracker: &mut VisitTracker, views: &[View], from: Duration) -> Option<Decision> {
    (0..views.len()).find_map(|k| show(tracker, &views[k], k, from))
}

/// The person goes: frames without anybody until the visit is over. The time after that.
pub fn leave(tracker: &mut VisitTracker, visit: &VisitSettings, from: Duration) -> Duration {
    let mut at = from;
    while at < from + visit.lost_after + BETWEEN_FRAMES {
        at += BETWEEN_FRAMES;
        tracker.observe(Sighting { at, nearest: None, doubtful_companion: Some(false), several: false });
    }
    at
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

/// The box of a face whose landmarks have moved: shifted and enlarged as they are.
fn followed(bounds: &BoundingBox, before: &[Point; 5], now: &[Point; 5]) -> BoundingBox {
    let centre = |points: &[Point; 5]| {
        let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.x / 5.0, y + p.y / 5.0));
        Point::new(x, y)
    };
    let (from, to) = (centre(before), centre(now));
    let spread = |points: &[Point; 5], middle: Point| points.iter().map(|p| p.distance(middle)).sum::<f32>();
    let scale = spread(now, to) / spread(before, from).max(1e-3);
    let moved = |at: f32, from: f32, to: f32| to + scale * (at - from);
    BoundingBox {
        x0: moved(bounds.x0, from.x, to.x),
        y0: moved(bounds.y0, from.y, to.y),
        x1: moved(bounds.x1, from.x, to.x),
        y1: moved(bounds.y1, from.y, to.y),
    }
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
