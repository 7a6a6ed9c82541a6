//! From a frame to a step of the visit: detect, judge the view, estimate, follow. No device and no clock in it, so the
//! daemon, `agegate demo` and `agegate replay` share it.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use crate::{
    camera::{self, exposure::Light, turn_watch::TurnWatch, turned::Turn},
    change::ChangeWatch,
    config::{Config, ConfigError, ExposureBy, LivenessMode},
    frame::{Frame, Pixels},
    gaze::Gaze,
    liveness::{
        Side,
        turn::{Failure, TurnLimits},
    },
    measured::{MeasuredWith, Models, doubt, liveness_statement, statement},
    policy::{GoodView, Policy, Reason},
    quality::{self, Flaw, QualityLimits},
    still_faces::StillFaces,
    view::{Luma, View},
    vision::{
        AgeModel, BoundingBox, Chip, Detector, Face, LivenessModel, ModelError, ModelIdentity, Point, TurnPoints,
        nearest,
    },
    visit::{Decision, Question, SeenFace, Sighting, Step, VisitTracker},
};

/// Another face is near enough to slip in from this share of the nearest face's height on, wherever in the frame it is: faces
/// are alike in size, so somebody at 0.35 of the height stands not quite three times as far from the camera.
const COMPANION_SIZE: f32 = 0.35;
/// A face smaller than this share of what is near enough is a passer-by, not somebody to call closer.
const CALLED_CLOSER_FROM: f32 = 0.45;
/// From this share of the detector's score on something is almost a face: the next picture is searched whether it changed or not.
const ALMOST: f32 = 0.5;

/// Said beside a policy's figures where the gate asks for a turn, which no figure counts in.
const THE_TURN_ASKS_MORE: &str = "A turn of the head is asked for besides, which these figures do not count in: nobody more is let in, \
                                  and more adults are asked for ID (docs/turn.md says how many people fail it)";

/// Why frames cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What a key of the configuration names cannot be used.
    #[error(transparent)]
    Configured(#[from] ConfigError),
    /// The policy was made for another age or liveness model.
    #[error(
        "the policy was made for the {kind} model {expected}, but {found} is loaded; run `agegate calibrate` for it, or remove `model` from the policy to take the risk"
    )]
    ForeignPolicy {
        /// Which of them.
        kind: &'static str,
        /// Model named by the policy.
        expected: String,
        /// Model loaded.
        found: String,
    },
    /// A living face is asked for, and the policy does not say how sure of it one must be.
    #[error(
        "the policy has no [liveness] table, which says how sure of a living face an Allow must be: make one with `agegate calibrate --live DIR --attacks DIR`, or set `mode = \"off\"` in [liveness]"
    )]
    NoLiveness,
}

/// The eyes and the memory of one visit.
pub struct Judge {
    detector: Detector,
    age: AgeModel,
    /// Where a living face is asked for.
    liveness: Option<LivenessModel>,
    mode: LivenessMode,
    /// Where a turn of the head is asked for.
    points: Option<TurnPoints>,
    turns: usize,
    /// Visitors in a row who turned to the wrong side.
    wrong_sides: u32,
    score: f32,
    quality: QualityLimits,
    policy: Policy,
    tracker: VisitTracker,
    in_force: MeasuredWith,
    turn: Turn,
    turn_watch: TurnWatch,
    region: Region,
    still: StillFaces,
    change: Option<ChangeWatch>,
    gaze: Gaze,
    /// Whether the camera's exposure follows what is seen here.
    metered: bool,
}

/// The part of the picture whose faces count.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Region([f32; 4]);

impl Region {
    /// The same in pixels.
    fn bounds(&self, frame: &Frame) -> BoundingBox {
        let (width, height) = frame.pixels.dimensions();
        let (width, height) = (width as f32, height as f32);
        let [left, top, right, bottom] = self.0;
        BoundingBox { x0: left * width, y0: top * height, x1: right * width, y1: bottom * height }
    }

    /// Whether the middle of a face lies inside.
    fn holds(&self, face: &Face, (width, height): (u32, u32)) -> bool {
        let [left, top, right, bottom] = self.0;
        let centre = face.bounds.centre();
        let (x, y) = (centre.x / width as f32, centre.y / height as f32);
        // A side that lies on the picture's edge bounds nothing: the middle of a face that looks in may lie beyond it.
        let within = |at: f32, low: f32, high: f32| (low <= 0.0 || at >= low) && (high >= 1.0 || at <= high);
        within(x, left, right) && within(y, top, bottom)
    }
}

/// How much of a picture was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Searched {
    /// Nothing: nobody was there, and nothing has changed.
    Nothing,
    /// The surroundings of the face that is followed.
    Around,
    /// All of it.
    Everything,
}

/// What one frame came to.
#[derive(Debug)]
pub struct Judged {
    /// What to tell the visitor, and the decision if there is one.
    pub step: Step,
    /// Faces found.
    pub faces: usize,
    /// How much of the picture was searched for faces.
    pub searched: Searched,
    /// The nearest face's verdict, for `replay --frames`.
    pub view: Option<Result<GoodView, Flaw>>,
    /// Whether the whole picture is dark: a covered lens, or no light at all.
    pub dark: bool,
    /// How bright the nearest face is, or the region while nobody is there; where the camera's exposure follows it.
    pub light: Option<Light>,
    /// Where the time went: detection, estimation.
    pub times: [Duration; 2],
}

impl Judge {
    /// Loads the models and checks that the policy was made for them.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub fn new(config: &Config) -> Result<Self, JudgeError> {
        let detector = config.model("models.detector", Detector::load_for)?;
        let age = config.model("models.age", AgeModel::load_for)?;
        let policy = config.policy().in_force(config.liveness.mode).ok_or(JudgeError::NoLiveness)?;
        let found = age.identity().to_string();
        let foreign = |kind, expected: &str, found| {
            let error = JudgeError::ForeignPolicy { kind, expected: expected.into(), found };
            Err(match config.policy_file {
                Some(_) => config.unusable("policy_file", error).into(),
                None => error,
            })
        };
        if let Some(expected) = policy.foreign_to(&found) {
            return foreign("age", expected, found);
        }
        let liveness = match &policy.liveness {
            None => None,
            Some(asked) => {
                let model = config.model("models.liveness", LivenessModel::load_for)?;
                let found = model.identity().to_string();
                if let Some(expected) = asked.foreign_to(&found) {
                    return foreign("liveness", expected, found);
                }
                Some(model)
            }
        };
        let score = config.models.detector_score.unwrap_or_else(|| detector.shipped_score());
        let tracker = VisitTracker::new(config.visit.settings(), policy.clone());
        let detected = detector.found_by(score)?;
        let models =
            Models { age: &found, detector: detected, liveness: liveness.as_ref().map(|m| m.identity().to_string()) };
        let in_force = MeasuredWith::now(&policy, &models, &config.visit, config.camera.rate, &config.quality);
        let (turn, turn_watch) = (camera::turn(&config.camera), TurnWatch::default());
        let (region, still) = (Region(config.camera.region), StillFaces::default());
        let quality = config.quality;
        let (mode, turns) = (config.liveness.mode, config.liveness.turns);
        let points =
            (mode == LivenessMode::Turn).then(|| TurnPoints::embedded_for(config.models.runtime)).transpose()?;
        let tracker = match &points {
            None => tracker,
            Some(_) => tracker.asking(Question { limits: TurnLimits::default(), turns, side: Box::new(chance) }),
        };
        let change = config.camera.skip_unchanged.then(ChangeWatch::default);
        Ok(Self {
            detector,
            age,
            liveness,
            mode,
            points,
            turns,
            wrong_sides: 0,
            score,
            quality,
            policy,
            tracker,
            in_force,
            turn,
            turn_watch,
            region,
            still,
            change,
            gaze: Gaze::default(),
            metered: config.camera.exposure == ExposureBy::Face,
        })
    }

    /// Whether this one judges as the other does: the same models, policy and limits.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let models = |j: &Self| {
            let liveness = j.liveness_model().map(ToString::to_string);
            (j.detector.identity().to_string(), j.age.identity().to_string(), liveness)
        };
        models(self) == models(other)
            && self.runs() == other.runs()
            && self.metered == other.metered
            && self.mode == other.mode
            && self.turns == other.turns
            && self.score == other.score
            && self.quality == other.quality
            && self.policy == other.policy
            && self.tracker.settings() == other.tracker.settings()
            && self.in_force == other.in_force
            && self.turn == other.turn
            && self.region == other.region
            && self.change.is_some() == other.change.is_some()
    }

    /// The age model in use.
    #[must_use]
    pub fn age_model(&self) -> &ModelIdentity {
        self.age.identity()
    }

    /// The face detector in use.
    #[must_use]
    pub fn detector_model(&self) -> &ModelIdentity {
        self.detector.identity()
    }

    /// How the models are run, for people: detector, age, and where they are asked for, liveness and the points of a turn.
    #[must_use]
    pub fn runs(&self) -> (String, String, Option<String>, Option<String>) {
        let liveness = self.liveness.as_ref().map(LivenessModel::runs);
        (self.detector.runs(), self.age.runs(), liveness, self.points.as_ref().map(TurnPoints::runs))
    }

    /// The liveness model in use; none where no living face is asked for.
    #[must_use]
    pub fn liveness_model(&self) -> Option<&ModelIdentity> {
        self.liveness.as_ref().map(LivenessModel::identity)
    }

    /// The points net in use; none where no turn of the head is asked for.
    #[must_use]
    pub fn turn_model(&self) -> Option<&ModelIdentity> {
        self.points.as_ref().map(TurnPoints::identity)
    }

    /// How a living face is asked for.
    #[must_use]
    pub fn liveness_mode(&self) -> LivenessMode {
        self.mode
    }

    /// The policy in use.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Why the policy's figures do not hold for the values in force; `None` if they do.
    #[must_use]
    pub fn doubt_about_figures(&self) -> Option<String> {
        doubt(&self.policy, &self.in_force)
    }

    /// The policy in a line; with its measured figures only if they hold for the values in force.
    #[must_use]
    pub fn policy_statement(&self) -> String {
        let stated = statement(&self.policy, &self.in_force);
        match self.mode {
            LivenessMode::Off | LivenessMode::Passive => stated,
            LivenessMode::Turn => format!("{stated}. {THE_TURN_ASKS_MORE}"),
        }
    }

    /// What is asked of a living face, in a line; `None` where nothing is.
    #[must_use]
    pub fn liveness_statement(&self) -> Option<String> {
        liveness_statement(&self.policy, &self.in_force)
    }

    /// Whether nobody is before the camera.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Asks for this side always: so that a recording is judged the same every time.
    pub fn ask_always_for(&mut self, side: Side) {
        if self.points.is_some() {
            let tracker = VisitTracker::new(self.tracker.settings(), self.policy.clone());
            let limits = TurnLimits::default();
            self.tracker = tracker.asking(Question { limits, turns: self.turns, side: Box::new(move || side) });
        }
    }

    /// Judges a frame.
    ///
    /// # Errors
    /// [`ModelError`] if a model fails; call [`Judge::abort`] then.
    pub fn frame(&mut self, frame: &Frame) -> Result<Judged, ModelError> {
        let started = Instant::now();
        if self.may_skip(frame) {
            let sighting =
                Sighting { at: frame.captured, nearest: None, doubtful_companion: Some(false), several: false };
            let (step, dark) = (self.tracker.observe(sighting), is_dark(&frame.pixels));
            return Ok(Judged {
                step,
                faces: 0,
                searched: Searched::Nothing,
                view: None,
                dark,
                light: self.light(frame, None),
                times: [started.elapsed(), Duration::ZERO],
            });
        }
        let (searched, mut faces) = match self.around(frame)? {
            Some(face) => (Searched::Around, vec![face]),
            None => (Searched::Everything, self.everywhere(frame)?),
        };
        faces.retain(|face| face.score >= self.score);
        self.look_turned(frame, faces.is_empty())?;
        let detected = started.elapsed();
        let mut view = None;
        let mut several = false;
        // Whoever else is there is not seen where only the surroundings were looked at.
        let mut companion = (searched == Searched::Everything).then_some(false);
        let living = self.living(&faces, frame.captured);
        let seen = match nearest(&living).filter(|face| self.is_visitor(face, frame)) {
            None => None,
            Some(face) if !self.tracker.wants_estimates() => {
                Some(SeenFace { bounds: face.bounds, view: Err(Flaw::TooFar), points: None })
            }
            Some(face) if self.tracker.is_turning() => {
                several = faces.iter().any(|other| is_companion(face, other));
                let points = self.points(face, frame)?;
                Some(SeenFace { bounds: face.bounds, view: Err(Flaw::LookingAway), points })
            }
            Some(face) => {
                let seen = self.view(face, frame)?;
                view = Some(seen.clone());
                if seen.is_ok() && companion.is_some() {
                    companion = Some(self.doubtful_companion(face, &faces, frame)?);
                }
                let points = if seen.is_ok() { self.points(face, frame)? } else { None };
                Some(SeenFace { bounds: face.bounds, view: seen, points })
            }
        };
        let sighting = Sighting { at: frame.captured, nearest: seen, doubtful_companion: companion, several };
        let step = self.tracker.observe(sighting);
        self.note_turn(step.decision.as_ref());
        Ok(Judged {
            dark: is_dark(&frame.pixels),
            light: self.light(frame, nearest(&living)),
            step,
            faces: faces.len(),
            searched,
            view,
            times: [detected, started.elapsed() - detected],
        })
    }

    /// All faces of a frame and what is almost one.
    fn everywhere(&mut self, frame: &Frame) -> Result<Vec<Face>, ModelError> {
        let mut faces = self.detector.detect_above(&frame.pixels, self.score * ALMOST)?;
        faces.retain(|face| self.region.holds(face, frame.pixels.dimensions()));
        if let Some(change) = &mut self.change {
            change.looked(frame.captured, faces.is_empty());
        }
        self.gaze.saw_all(frame.captured, &faces, self.score);
        Ok(faces)
    }

    /// The face that is followed, where its surroundings are all that must be looked at, and show it alone.
    fn around(&mut self, frame: &Frame) -> Result<Option<Face>, ModelError> {
        let Some(change) = &self.change else { return Ok(None) };
        // A turn of the head is measured by points whose noise was measured on whole pictures.
        if self.tracker.is_empty() || self.points.is_some() || self.tracker.may_allow() {
            return Ok(None);
        }
        let Some(before) = self.gaze.around(frame.captured) else { return Ok(None) };
        let size = frame.pixels.dimensions();
        let Some(surroundings) = self.detector.surroundings(size, &before) else { return Ok(None) };
        if change.changed_outside(&surroundings) {
            return Ok(None);
        }
        let found = self.detector.detect_around(&frame.pixels, &before, self.score * ALMOST)?;
        let Some((seen, mut faces)) = found else { return Ok(None) };
        faces.retain(|face| self.region.holds(face, size));
        Ok(self.gaze.saw(&seen, size, &faces, self.score).then(|| faces[0]))
    }

    /// How bright the face is, or the region where nobody is; where the camera's exposure follows it.
    fn light(&self, frame: &Frame, face: Option<&Face>) -> Option<Light> {
        let part = face.map_or_else(|| self.region.bounds(frame), |face| face.bounds);
        self.metered.then(|| light_of(&frame.pixels, &part))
    }

    /// The points that a turn goes by, where one is asked for.
    fn points(&self, face: &Face, frame: &Frame) -> Result<Option<[Point; 5]>, ModelError> {
        match &self.points {
            None => Ok(None),
            Some(net) => net.find(&frame.pixels, &face.landmarks),
        }
    }

    /// Says why a turn failed, and what it may mean that one after the other goes to the wrong side.
    fn note_turn(&mut self, decision: Option<&Decision>) {
        if let Some(failure) = self.tracker.take_failure() {
            log::info!("the turn of the head failed: {failure:?}");
            self.wrong_sides = if failure == Failure::WrongSide { self.wrong_sides + 1 } else { self.wrong_sides };
            if failure == Failure::WrongSide && self.wrong_sides == 3 {
                log::warn!(
                    "three visitors in a row turned to the wrong side: does the camera show them as a mirror does? Then change `mirror` in [camera]"
                );
            }
        } else if decision.is_some_and(|d| d.outcome == crate::policy::Outcome::Allow) {
            self.wrong_sides = 0;
        }
    }

    /// Ends the visit for a reason outside it. Never an `Allow`.
    pub fn abort(&mut self, reason: Reason, at: Duration) -> Option<Decision> {
        self.tracker.abort(reason, at)
    }

    /// Whether this picture need not be searched: nobody was there, and nothing has changed since.
    fn may_skip(&mut self, frame: &Frame) -> bool {
        let Some(change) = &mut self.change else { return false };
        !change.must_look(&frame.pixels, frame.captured) && self.tracker.is_empty()
    }

    /// The faces that may be living ones: a poster never starts a visit.
    fn living(&mut self, faces: &[Face], now: Duration) -> Vec<Face> {
        let sorted = self.still.sort(faces, now);
        if sorted.found {
            log::warn!(
                "a face has not moved for a minute, as no living one can: it starts no visit. If it is a poster, `region` in [camera] leaves its place out"
            );
        }
        faces.iter().zip(sorted.living).filter(|(_, living)| *living).map(|(face, _)| *face).collect()
    }

    /// Says so when faces are only found in another turn of the picture.
    fn look_turned(&mut self, frame: &Frame, nobody: bool) -> Result<(), ModelError> {
        if !nobody {
            self.turn_watch.upright();
            return Ok(());
        }
        let Some(rotation) = self.turn_watch.due(frame.captured) else { return Ok(()) };
        let found = !self.detector.detect_above(&rotation.apply(&frame.pixels.whole()), self.score)?.is_empty();
        if let Some(needed) = self.turn_watch.looked(rotation, found, frame.captured) {
            log::warn!(
                "faces are found only when the picture is turned: is the camera mounted so? Set `rotation = {}` in [camera]",
                self.turn.rotation.then(needed).degrees()
            );
        }
        Ok(())
    }

    fn is_visitor(&self, face: &Face, frame: &Frame) -> bool {
        let least =
            (self.quality.min_face_share * frame.pixels.dimensions().1 as f32).max(self.quality.min_face_pixels);
        face.bounds.height() >= least * CALLED_CLOSER_FROM
    }

    /// What a face shows, or what is wrong with the view. A living face is looked for in good views alone: nowhere else does it
    /// count.
    fn view(&self, face: &Face, frame: &Frame) -> Result<Result<GoodView, Flaw>, ModelError> {
        if let Err(flaw) = quality::geometry(face, frame.pixels.dimensions(), &self.quality) {
            return Ok(Err(flaw));
        }
        let Some(chip) = Chip::align(&frame.pixels, &face.landmarks, self.age.chip_side()) else {
            return Ok(Err(Flaw::LookingAway));
        };
        let weight = match quality::pixels(&chip, &self.quality) {
            Err(flaw) => return Ok(Err(flaw)),
            Ok(weight) => weight,
        };
        let chip = chip.turned_for(self.tracker.good_frames());
        let reading = self.age.read(&chip)?;
        if reading.covered.is_covered() {
            return Ok(Err(Flaw::Covered));
        }
        let liveness = self.liveness.as_ref().map(|model| model.read(&frame.pixels, &face.bounds)).transpose()?;
        Ok(Ok(GoodView { estimate: reading.age, weight, liveness }))
    }

    /// Whether another face close by is not surely old enough. A face that cannot be judged is not surely old enough.
    fn doubtful_companion(&self, visitor: &Face, faces: &[Face], frame: &Frame) -> Result<bool, ModelError> {
        for face in faces.iter().filter(|face| is_companion(visitor, face)) {
            // A companion stands further back: what is too small for a visitor is judged all the same.
            let Some(chip) = Chip::align(&frame.pixels, &face.landmarks, self.age.chip_side()) else { return Ok(true) };
            if quality::pixels(&chip, &self.quality).is_err() {
                return Ok(true);
            }
            let reading = self.age.read(&chip)?;
            if reading.covered.is_covered() || !self.policy.surely_old_enough(&reading.age) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A side by chance. The keys of a `RandomState` come from the system's source of chance.
fn chance() -> Side {
    Side::of(RandomState::new().hash_one(0u8) & 1 == 1)
}

/// Whether another face belongs to somebody who could slip in with the visitor.
fn is_companion(visitor: &Face, other: &Face) -> bool {
    other != visitor && other.bounds.height() >= visitor.bounds.height() * COMPANION_SIZE
}

/// Mean brightness of a part of a picture: of every third pixel of every third row.
fn light_of(picture: &Pixels, part: &BoundingBox) -> Light {
    let ((width, height), luma) = (picture.dimensions(), picture.luma());
    let within = |at: f32, most: u32| at.clamp(0.0, most as f32) as usize;
    let (left, right) = (within(part.x0, width), within(part.x1, width));
    let (top, bottom) = (within(part.y0, height), within(part.y1, height));
    let (mut sum, mut count) = (0u64, 0u64);
    for y in (top..bottom).step_by(3) {
        for x in (left..right).step_by(3) {
            sum += u64::from(luma.at(x, y));
            count += 1;
        }
    }
    Light(if count == 0 { f32::NAN } else { sum as f32 / (count * u64::from(Luma::EIGHTHS)) as f32 })
}

/// Whether a picture shows nothing for lack of light: its mean brightness, of every ninth pixel of every ninth row, is below 10 of 255.
fn is_dark(picture: &Pixels) -> bool {
    let ((width, height), luma) = (picture.dimensions(), picture.luma());
    let places = (4..height as usize).step_by(9).flat_map(|y| (4..width as usize).step_by(9).map(move |x| (x, y)));
    let (sum, count) = places.fold((0u64, 0u64), |(sum, count), (x, y)| (sum + u64::from(luma.at(x, y)), count + 1));
    count > 0 && sum < 10 * count * u64::from(Luma::EIGHTHS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, height: f32) -> Face {
        let bounds = BoundingBox { x0: x, y0: 100.0, x1: x + height * 0.8, y1: 100.0 + height };
        Face { score: 0.9, bounds, landmarks: [bounds.centre(); 5] }
    }

    #[test]
    fn another_way_to_run_the_models_is_another_judge_and_is_taken_at_a_reload() {
        let judge = |config: &Config| Judge::new(config).unwrap();
        let (mut float, mut metered) = (Config::default(), Config::default());
        float.models.runtime = crate::vision::Runtime::Float;
        metered.camera.exposure = ExposureBy::Face;
        let shipped = judge(&Config::default());
        assert!(shipped.same_as(&judge(&Config::default())));
        assert!(!shipped.same_as(&judge(&float)));
        assert!(!shipped.same_as(&judge(&metered)));
    }

    #[test]
    fn the_figures_of_a_policy_do_not_pass_for_those_of_a_gate_that_asks_for_a_turn() {
        let asking = |mode| {
            let mut config = Config::default();
            config.liveness.mode = mode;
            Judge::new(&config).unwrap().policy_statement()
        };
        assert!(asking(LivenessMode::Turn).ends_with(THE_TURN_ASKS_MORE));
        assert!(!asking(LivenessMode::Passive).contains(THE_TURN_ASKS_MORE));
    }

    #[test]
    fn a_companion_may_stand_anywhere_in_the_frame() {
        let adult = face(10.0, 100.0);
        assert!(is_companion(&adult, &face(480.0, 90.0)), "470 pixels apart, both small");
        assert!(is_companion(&adult, &face(600.0, 36.0)));
        assert!(!is_companion(&adult, &face(120.0, 30.0)), "somebody far behind");
        assert!(!is_companion(&adult, &adult));
    }
}
