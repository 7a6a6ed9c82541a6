//! The visit: the time in which one person stands before the camera. Pure: time comes in with the frame.
//!
//! ```text
//!            near face                 decision                 face gone
//!   Empty ---------------> Watching ---------------> Decided ---------------> Empty
//!     ^                       |  face gone, person changed, camera lost, time going back: NoDecision
//!     +-----------------------+
//! ```
//!
//! Where a turn of the head is asked for, evidence that would do for `Allow` leads to `Turning`, and from there back to `Watching` with
//! nothing in hand but the proof of the turn: the age is judged twice, before it and after it, of a face that never left its place.
//!
//! What is absent: no path leads from an error, a lost face or a jump of the clock to `Allow`; only
//! [`Evidence::judge`] says `Allow`, and only out of good frames that show a living face where the policy asks for one.

use std::time::Duration;

use crate::{
    age::{AgeEstimate, AgeGroup},
    evidence::{Allowance, Refused},
    liveness::{
        Ask, Glimpse, Progress, Side, Turn, Turned,
        turn::{Failure, Sight, TurnLimits},
    },
    policy::{Evidence, GoodView, Outcome, Policy, Reason, Verdict},
    quality::Flaw,
    vision::{BoundingBox, Point},
};

/// How visits are run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VisitSettings {
    /// Good frames that `Allow` needs.
    pub good_frames: usize,
    /// Good frames after which a visit that is not sure ends in `Refer`.
    pub most_frames: usize,
    /// Time after which a visit ends in `Refer` whatever was seen.
    pub decide_within: Duration,
    /// Time without the face after which the visit is over.
    pub lost_after: Duration,
    /// Tries in a row before everyone is referred until the cool-down is over.
    pub max_tries: u32,
    /// Time after a refused try in which the next visit counts as another try.
    pub cool_down: Duration,
}

/// The nearest face of a frame.
#[derive(Clone, Debug)]
pub struct SeenFace {
    /// Its box in the frame.
    pub bounds: BoundingBox,
    /// What it shows, or why it cannot be judged.
    pub view: Result<GoodView, Flaw>,
    /// Its five points as the turn of the head sees them; `None` where none is asked for, or they cannot be told.
    pub points: Option<[Point; 5]>,
}

/// What a frame showed.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Monotonic capture time of the frame.
    pub at: Duration,
    /// The nearest face, if any.
    pub nearest: Option<SeenFace>,
    /// Whether another face is close by that is not surely old enough or cannot be judged; `None` where only the surroundings of
    /// the nearest one were looked at.
    pub doubtful_companion: Option<bool>,
    /// Whether any other face is close by.
    pub several: bool,
}

/// A decision and what it rests on; one for each visit.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What was decided.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Age band of the visit's evidence.
    pub band: Option<AgeGroup>,
    /// P(age >= `sure_age`) of the visit's evidence.
    pub confidence: Option<f32>,
    /// P(living) of the visit's evidence, where the policy asks for a living face.
    pub liveness: Option<f32>,
    /// Good frames.
    pub frames: usize,
    /// Which try in a row this was, from 1.
    pub attempt: u32,
    /// When the visit began, monotonic.
    pub began: Duration,
    /// Capture time of the frame that decided, monotonic.
    pub decided: Duration,
}

/// What to tell the visitor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Guidance {
    /// Nobody is there.
    Idle,
    /// Do something about the view.
    Improve(Flaw),
    /// Being looked at; share of the frames that are needed, 0 to 1.
    Checking(f32),
    /// Decided.
    Decided(Outcome),
    /// Referred, for the want of a living face.
    NotLive,
    /// Asked to turn the head, or back.
    Turn(Ask),
}

impl Guidance {
    /// What to say of a decision.
    fn after(outcome: Outcome, reason: Reason) -> Self {
        match reason {
            Reason::NotLive => Self::NotLive,
            _ => Self::Decided(outcome),
        }
    }
}

/// The result of one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What to tell the visitor now.
    pub guidance: Guidance,
    /// The decision, if this frame brought it.
    pub decision: Option<Decision>,
}

enum State {
    Empty,
    Watching(Watch),
    Turning(Watch, Box<Turn>),
    Decided { told: Guidance, last_seen: Duration, last_box: BoundingBox },
}

struct Watch {
    began: Duration,
    last_seen: Duration,
    last_box: BoundingBox,
    evidence: Evidence,
    attempt: u32,
    /// Since when this evidence is gathered: since the visit began, or since the turn.
    since: Duration,
    /// Points of the face seen from the front.
    front: Vec<[Point; 5]>,
    /// What was seen before the turn, and the proof of it.
    before: Option<(Evidence, Turned)>,
}

impl Watch {
    /// Good frames, those before the turn among them.
    fn frames(&self) -> usize {
        self.evidence.frames() + self.before.as_ref().map_or(0, |(before, _)| before.frames())
    }
}

/// The turn of the head that is asked for before an `Allow`.
pub struct Question {
    /// What counts as a turn.
    pub limits: TurnLimits,
    /// How many turns, one after the other.
    pub turns: usize,
    /// Chance: the side of the next one.
    pub side: Box<dyn FnMut() -> Side + Send>,
}

/// Why the turn of the head does not stand in the way of an `Allow`.
enum Answered {
    NotAsked,
    By(Turned),
}

impl Answered {
    fn and(self, allowance: Allowance) -> (Outcome, Reason) {
        match self {
            Self::NotAsked | Self::By(_) => allowance.into(),
        }
    }
}

/// Follows visits through the frames.
pub struct VisitTracker {
    settings: VisitSettings,
    policy: Policy,
    state: State,
    last_frame: Option<Duration>,
    tries: Tries,
    question: Option<Question>,
    last_failure: Option<Failure>,
}

/// Refused tries in a row. Nobody is recognised, so the budget is the place's, not the person's.
#[derive(Default)]
struct Tries {
    count: u32,
    last: Option<Duration>,
}

impl Tries {
    fn next(&mut self, at: Duration, cool_down: Duration) -> u32 {
        if self.last.is_none_or(|last| at.saturating_sub(last) >= cool_down) {
            self.count = 0;
        }
        self.count + 1
    }

    fn refused(&mut self, at: Duration) {
        self.count += 1;
        self.last = Some(at);
    }
}

impl VisitTracker {
    /// A tracker with nobody before the camera.
    #[must_use]
    pub fn new(settings: VisitSettings, policy: Policy) -> Self {
        let tries = Tries::default();
        Self { settings, policy, state: State::Empty, last_frame: None, tries, question: None, last_failure: None }
    }

    /// The same, with a turn of the head before every `Allow`.
    #[must_use]
    pub fn asking(self, question: Question) -> Self {
        Self { question: Some(question), ..self }
    }

    /// Whether the head is being turned: the points of the face are wanted then, whatever the view is worth, and no estimate.
    #[must_use]
    pub fn is_turning(&self) -> bool {
        matches!(self.state, State::Turning(..))
    }

    /// Why the last turn failed that did, once.
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.last_failure.take()
    }

    /// How visits are run.
    #[must_use]
    pub fn settings(&self) -> VisitSettings {
        self.settings
    }

    /// Whether nobody is before the camera.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.state, State::Empty)
    }

    /// Whether the next good frame of the nearest face is still needed; once decided, the age model may rest.
    #[must_use]
    pub fn wants_estimates(&self) -> bool {
        !matches!(self.state, State::Decided { .. })
    }

    /// Whether an `Allow` may rest on the next frame: then it must show everything there is to see.
    #[must_use]
    pub fn may_allow(&self) -> bool {
        match &self.state {
            State::Watching(watch) => watch.evidence.frames() + 1 >= self.settings.good_frames,
            State::Turning(..) => true,
            State::Empty | State::Decided { .. } => false,
        }
    }

    /// Good frames of the visit so far; 0 while nobody is looked at.
    #[must_use]
    pub fn good_frames(&self) -> usize {
        match &self.state {
            State::Watching(watch) => watch.evidence.frames(),
            State::Empty | State::Turning(..) | State::Decided { .. } => 0,
        }
    }

    /// Takes in one frame.
    pub fn observe(&mut self, sighting: Sighting) -> Step {
        let at = sighting.at;
        match self.last_frame.replace(at) {
            Some(last) if at == last => return Step { guidance: self.guidance(None), decision: None },
            Some(last) if at < last => {
                let decision = self.abort(Reason::ClockJump, at);
                return Step { guidance: Guidance::Idle, decision };
            }
            _ => {}
        }
        match std::mem::replace(&mut self.state, State::Empty) {
            State::Empty => self.begin(sighting),
            State::Watching(watch) => self.watch(watch, sighting),
            State::Turning(watch, turn) => self.turning(watch, turn, &sighting),
            State::Decided { told, last_seen, last_box } => self.after(told, last_seen, last_box, &sighting),
        }
    }

    /// Ends the visit because of something outside it: a lost camera, a failed model, a stop. Never an `Allow`.
    pub fn abort(&mut self, reason: Reason, at: Duration) -> Option<Decision> {
        match std::mem::replace(&mut self.state, State::Empty) {
            State::Watching(watch) | State::Turning(watch, _) => {
                Some(self.conclude(&watch, Outcome::NoDecision, reason, at))
            }
            State::Empty | State::Decided { .. } => None,
        }
    }

    fn begin(&mut self, sighting: Sighting) -> Step {
        let Some(face) = &sighting.nearest else {
            return Step { guidance: Guidance::Idle, decision: None };
        };
        if matches!(face.view, Err(Flaw::TooFar)) {
            return Step { guidance: Guidance::Improve(Flaw::TooFar), decision: None };
        }
        let attempt = self.tries.next(sighting.at, self.settings.cool_down);
        let watch = Watch {
            began: sighting.at,
            last_seen: sighting.at,
            last_box: face.bounds,
            evidence: Evidence::default(),
            attempt,
            since: sighting.at,
            front: Vec::new(),
            before: None,
        };
        if attempt > self.settings.max_tries {
            return self.refuse(&watch, Refused::Refer, Reason::TooManyTries, sighting.at);
        }
        self.watch(watch, sighting)
    }

    fn watch(&mut self, mut watch: Watch, sighting: Sighting) -> Step {
        let at = sighting.at;
        let Some(face) = sighting.nearest else {
            if at.saturating_sub(watch.last_seen) >= self.settings.lost_after {
                let decision = self.conclude(&watch, Outcome::NoDecision, Reason::LeftEarly, at);
                return Step { guidance: Guidance::Idle, decision: Some(decision) };
            }
            return self.look_on(watch, None, at);
        };
        if at.saturating_sub(watch.last_seen) >= self.settings.lost_after {
            let decision = self.conclude(&watch, Outcome::NoDecision, Reason::LeftEarly, at);
            return Step { guidance: Guidance::Idle, decision: Some(decision) };
        }
        if !same_person(&watch.last_box, &face.bounds, at.saturating_sub(watch.last_seen)) {
            let decision = self.conclude(&watch, Outcome::NoDecision, Reason::PersonChanged, at);
            return Step { guidance: Guidance::Idle, decision: Some(decision) };
        }
        watch.last_seen = at;
        watch.last_box = face.bounds;
        match face.view {
            Err(flaw) => self.look_on(watch, Some(flaw), at),
            Ok(view) => {
                watch.front.extend(face.points);
                watch.evidence.add(view, sighting.doubtful_companion);
                match watch.evidence.judge(&self.policy, self.settings.good_frames, self.settings.most_frames) {
                    Verdict::Allow(allowance) => self.ask_or_allow(watch, allowance, at),
                    Verdict::Refused(refused, reason) => self.refuse(&watch, refused, reason, at),
                    Verdict::Open => self.look_on(watch, None, at),
                }
            }
        }
    }

    /// Asks for the turn of the head where one is asked for and has not been made; or allows.
    fn ask_or_allow(&mut self, mut watch: Watch, allowance: Allowance, at: Duration) -> Step {
        let Some(question) = &mut self.question else { return self.allow(&watch, allowance, Answered::NotAsked, at) };
        if let Some((before, turned)) = watch.before.take() {
            let step = self.allow(&watch, allowance, Answered::By(turned), at);
            // The frames before the turn count in the record as well.
            let decision = step.decision.map(|d| Decision { frames: d.frames + before.frames(), ..d });
            return Step { decision, ..step };
        }
        let sides = (0..question.turns.max(1)).map(|_| (question.side)()).collect();
        match Turn::new(question.limits, sides, &watch.front, at) {
            Some(turn) => self.state = State::Turning(watch, Box::new(turn)),
            // Not seen from the front often enough to know a turn by.
            None if at.saturating_sub(watch.since) >= self.settings.decide_within => {
                return self.refuse(&watch, Refused::Refer, Reason::TurnFailed, at);
            }
            None => self.state = State::Watching(watch),
        }
        Step { guidance: self.guidance(None), decision: None }
    }

    /// Follows the turn. What is lost, changed or failed never comes back to an `Allow`.
    fn turning(&mut self, mut watch: Watch, mut turn: Box<Turn>, sighting: &Sighting) -> Step {
        let at = sighting.at;
        let gone = at.saturating_sub(watch.last_seen);
        // A head that is turned far is not found for a while: that fails a try before it ends the visit.
        let turned_far = self.question.as_ref().map_or(Duration::ZERO, |question| 3 * question.limits.gap);
        let lost_after = self.settings.lost_after.max(turned_far);
        if gone >= lost_after {
            let decision = self.conclude(&watch, Outcome::NoDecision, Reason::LeftEarly, at);
            return Step { guidance: Guidance::Idle, decision: Some(decision) };
        }
        let sight = match &sighting.nearest {
            None => Sight::Nothing,
            Some(face) if !same_person(&watch.last_box, &face.bounds, gone) => {
                let decision = self.conclude(&watch, Outcome::NoDecision, Reason::PersonChanged, at);
                return Step { guidance: Guidance::Idle, decision: Some(decision) };
            }
            Some(face) => {
                (watch.last_seen, watch.last_box) = (at, face.bounds);
                match face.points {
                    _ if sighting.several => Sight::Several,
                    Some(points) => Sight::Face(points),
                    None => Sight::Nothing,
                }
            }
        };
        if let Progress::Failed(why) = turn.observe(Glimpse { at, sight }) {
            self.last_failure = Some(why);
            return self.refuse(&watch, Refused::Refer, Reason::TurnFailed, at);
        }
        match turn.turned() {
            None => self.state = State::Turning(watch, turn),
            Some(turned) => {
                watch.before = Some((std::mem::take(&mut watch.evidence), turned));
                watch.since = at;
                self.state = State::Watching(watch);
            }
        }
        Step { guidance: self.guidance(None), decision: None }
    }

    /// Goes on watching, unless the time is up.
    fn look_on(&mut self, watch: Watch, flaw: Option<Flaw>, at: Duration) -> Step {
        if at.saturating_sub(watch.since) >= self.settings.decide_within {
            let reason = watch.evidence.reason_in_the_end(&self.policy, self.settings.good_frames);
            return self.refuse(&watch, Refused::Refer, reason, at);
        }
        self.state = State::Watching(watch);
        Step { guidance: self.guidance(flaw), decision: None }
    }

    fn after(&mut self, told: Guidance, last_seen: Duration, last_box: BoundingBox, sighting: &Sighting) -> Step {
        let gone = sighting.at.saturating_sub(last_seen);
        let same = sighting.nearest.as_ref().filter(|face| same_person(&last_box, &face.bounds, gone));
        let changed = sighting.nearest.is_some() && same.is_none();
        if changed || gone >= self.settings.lost_after {
            // The next person begins with the next frame.
            return Step { guidance: Guidance::Idle, decision: None };
        }
        let (last_seen, last_box) = same.map_or((last_seen, last_box), |face| (sighting.at, face.bounds));
        self.state = State::Decided { told, last_seen, last_box };
        Step { guidance: told, decision: None }
    }

    /// The only way to `Allow`: with the evidence's own word for it, and the turn's where one is asked for.
    fn allow(&mut self, watch: &Watch, allowance: Allowance, answered: Answered, at: Duration) -> Step {
        let (outcome, reason) = answered.and(allowance);
        self.decide(watch, outcome, reason, at)
    }

    fn refuse(&mut self, watch: &Watch, refused: Refused, reason: Reason, at: Duration) -> Step {
        self.decide(watch, refused.into(), reason, at)
    }

    fn decide(&mut self, watch: &Watch, outcome: Outcome, reason: Reason, at: Duration) -> Step {
        let decision = self.conclude(watch, outcome, reason, at);
        let told = Guidance::after(outcome, reason);
        self.state = State::Decided { told, last_seen: watch.last_seen, last_box: watch.last_box };
        Step { guidance: told, decision: Some(decision) }
    }

    /// Makes the decision of a visit and keeps the budget of tries.
    fn conclude(&mut self, watch: &Watch, outcome: Outcome, reason: Reason, at: Duration) -> Decision {
        match (outcome, reason) {
            (Outcome::Allow, _) => self.tries = Tries::default(),
            (_, Reason::TooManyTries | Reason::CameraLost | Reason::ModelFailed | Reason::Stopped) => {}
            // Whoever was not looked at at all has not tried.
            (Outcome::NoDecision, _) if watch.frames() == 0 => {}
            _ => self.tries.refused(at),
        }
        let last = watch
            .before
            .as_ref()
            .filter(|_| watch.evidence.frames() == 0)
            .map_or(&watch.evidence, |(before, _)| before);
        let pooled = last.pooled();
        Decision {
            outcome,
            reason,
            band: pooled.as_ref().map(AgeEstimate::group),
            confidence: pooled.as_ref().map(|p| self.policy.sureness(p)),
            liveness: last.living(&self.policy),
            frames: watch.frames(),
            attempt: watch.attempt,
            began: watch.began,
            decided: at,
        }
    }

    fn guidance(&self, flaw: Option<Flaw>) -> Guidance {
        match (&self.state, flaw) {
            (_, Some(flaw)) => Guidance::Improve(flaw),
            (State::Empty, None) => Guidance::Idle,
            (State::Turning(_, turn), None) => match turn.progress() {
                Progress::Asking(ask) => Guidance::Turn(ask),
                Progress::Passed | Progress::Failed(_) => Guidance::Checking(0.0),
            },
            (State::Watching(watch), None) => {
                Guidance::Checking((watch.evidence.frames() as f32 / self.settings.most_frames.max(1) as f32).min(1.0))
            }
            (State::Decided { told, .. }, None) => *told,
        }
    }
}

/// Whether a box can be the same face some time later: it moved by less than its size allows and kept its size.
///
/// A person a metre away crosses about three face widths a second at a brisk step; what jumps further is another face.
fn same_person(before: &BoundingBox, now: &BoundingBox, passed: Duration) -> bool {
    let size = before.height().max(1.0);
    let reach = size * (0.6 + 3.0 * passed.as_secs_f32().min(0.4));
    let ratio = now.height() / size;
    let growth = 1.5 + passed.as_secs_f32().min(0.5);
    before.centre().distance(now.centre()) <= reach && ratio <= growth && ratio >= 1.0 / growth
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        liveness::drawn::{seen, way},
        living::LivenessPolicy,
        vision::LivenessScore,
    };
    use proptest::prelude::*;

    fn settings() -> VisitSettings {
        VisitSettings {
            good_frames: 5,
            most_frames: 10,
            decide_within: Duration::from_secs(6),
            lost_after: Duration::from_millis(800),
            max_tries: 3,
            cool_down: Duration::from_secs(30),
        }
    }

    fn tracker() -> VisitTracker {
        let policy = Policy {
            threshold_age: 18,
            challenge_age: 25,
            sure_age: None,
            confidence: 0.95,
            deny_confidence: None,
            temperature: 1.0,
            model: None,
            liveness: None,
            evidence: None,
        };
        VisitTracker::new(settings(), policy)
    }

    /// One that asks for a living face.
    fn asking() -> VisitTracker {
        let asked = LivenessPolicy { confidence: 0.8, temperature: 1.0, offset: 0.0, model: None, evidence: None };
        let policy = Policy { liveness: Some(asked), ..tracker().policy };
        VisitTracker::new(settings(), policy)
    }

    fn view(age: f32, weight: f32, liveness: Option<f32>) -> Result<GoodView, Flaw> {
        let liveness = liveness.and_then(LivenessScore::new);
        Ok(GoodView { estimate: AgeEstimate::normal(age, 3.0), weight, liveness })
    }

    fn ms(at: u64) -> Duration {
        Duration::from_millis(at)
    }

    fn at_place(x: f32) -> BoundingBox {
        BoundingBox { x0: x, y0: 100.0, x1: x + 150.0, y1: 300.0 }
    }

    fn face(at: u64, age: f32) -> Sighting {
        let nearest = Some(SeenFace { bounds: at_place(200.0), view: view(age, 1.0, None), points: None });
        Sighting { at: ms(at), nearest, doubtful_companion: Some(false), several: false }
    }

    /// An adult who looks so living.
    fn looking(at: u64, logit: Option<f32>) -> Sighting {
        let nearest = Some(SeenFace { bounds: at_place(200.0), view: view(60.0, 1.0, logit), points: None });
        Sighting { at: ms(at), nearest, doubtful_companion: Some(false), several: false }
    }

    fn nobody(at: u64) -> Sighting {
        Sighting { at: ms(at), nearest: None, doubtful_companion: Some(false), several: false }
    }

    fn flawed(at: u64, flaw: Flaw) -> Sighting {
        Sighting {
            at: ms(at),
            nearest: Some(SeenFace { bounds: at_place(200.0), view: Err(flaw), points: None }),
            doubtful_companion: Some(false),
            several: false,
        }
    }

    fn run(tracker: &mut VisitTracker, sightings: impl IntoIterator<Item = Sighting>) -> Vec<Decision> {
        sightings.into_iter().filter_map(|s| tracker.observe(s).decision).collect()
    }

    #[test]
    fn an_adult_is_allowed_once_with_the_fifth_good_frame() {
        let decisions = run(&mut tracker(), (1..40).map(|k| face(k * 100, 45.0)));
        assert_eq!(decisions.len(), 1);
        assert_eq!((decisions[0].outcome, decisions[0].frames, decisions[0].decided), (Outcome::Allow, 5, ms(500)));
    }

    #[test]
    fn a_teenager_is_referred_when_the_frames_are_used_up() {
        let decisions = run(&mut tracker(), (1..40).map(|k| face(k * 100, 16.0)));
        assert_eq!(decisions.len(), 1);
        assert_eq!(
            (decisions[0].outcome, decisions[0].reason, decisions[0].frames),
            (Outcome::Refer, Reason::NotSure, 10)
        );
    }

    #[test]
    fn poor_frames_do_not_count_and_end_in_refer() {
        let decisions = run(&mut tracker(), (1..90).map(|k| flawed(k * 100, Flaw::Blurred)));
        assert_eq!(decisions.len(), 1);
        assert_eq!(
            (decisions[0].outcome, decisions[0].reason, decisions[0].frames),
            (Outcome::Refer, Reason::PoorView, 0)
        );
    }

    #[test]
    fn whoever_leaves_early_gets_no_decision() {
        let mut sightings: Vec<_> = (1..4).map(|k| face(k * 100, 45.0)).collect();
        sightings.extend((4..30).map(|k| nobody(k * 100)));
        let decisions = run(&mut tracker(), sightings);
        assert_eq!(decisions.len(), 1);
        assert_eq!((decisions[0].outcome, decisions[0].reason), (Outcome::NoDecision, Reason::LeftEarly));
    }

    #[test]
    fn a_swap_of_the_person_ends_the_visit() {
        let mut t = tracker();
        run(&mut t, (1..4).map(|k| face(k * 100, 45.0)));
        let mut other = face(400, 45.0);
        other.nearest.as_mut().unwrap().bounds = BoundingBox { x0: 500.0, y0: 100.0, x1: 620.0, y1: 260.0 };
        let decision = t.observe(other).decision.unwrap();
        assert_eq!((decision.outcome, decision.reason), (Outcome::NoDecision, Reason::PersonChanged));
    }

    #[test]
    fn a_younger_face_close_by_turns_allow_into_refer() {
        let decisions =
            run(&mut tracker(), (1..10).map(|k| Sighting { doubtful_companion: Some(true), ..face(k * 100, 45.0) }));
        assert_eq!((decisions[0].outcome, decisions[0].reason), (Outcome::Refer, Reason::YoungerFaceNear));
    }

    #[test]
    fn time_that_stands_still_gathers_no_evidence() {
        assert!(run(&mut tracker(), (0..50).map(|_| face(1000, 60.0))).is_empty());
    }

    #[test]
    fn time_going_back_ends_the_visit_without_a_decision() {
        let mut t = tracker();
        run(&mut t, (1..4).map(|k| face(k * 1000, 60.0)));
        let decision = t.observe(face(500, 60.0)).decision.unwrap();
        assert_eq!((decision.outcome, decision.reason), (Outcome::NoDecision, Reason::ClockJump));
    }

    #[test]
    fn the_fourth_try_in_a_row_is_referred_unseen_until_the_cool_down_is_over() {
        let mut t = tracker();
        let mut now = 0;
        let mut visit = |t: &mut VisitTracker, age: f32| {
            let mut decisions = Vec::new();
            for _ in 0..15 {
                now += 100;
                decisions.extend(t.observe(face(now, age)).decision);
            }
            for _ in 0..10 {
                now += 100;
                decisions.extend(t.observe(nobody(now)).decision);
            }
            assert_eq!(decisions.len(), 1);
            decisions.remove(0)
        };
        for attempt in 1..=3 {
            let decision = visit(&mut t, 16.0);
            assert_eq!((decision.attempt, decision.reason), (attempt, Reason::NotSure));
        }
        // Even a lucky row of frames does not open now.
        let fourth = visit(&mut t, 60.0);
        assert_eq!((fourth.outcome, fourth.reason, fourth.frames), (Outcome::Refer, Reason::TooManyTries, 0));
        for _ in 0..12 {
            visit(&mut t, 60.0);
        }
        assert_eq!(visit(&mut t, 60.0).outcome, Outcome::Allow);
    }

    #[test]
    fn an_adult_who_does_not_look_living_is_referred_and_told_so() {
        let mut t = asking();
        let steps: Vec<Step> = (1..40).map(|k| t.observe(looking(k * 100, Some(-2.0)))).collect();
        let decisions: Vec<&Decision> = steps.iter().filter_map(|s| s.decision.as_ref()).collect();
        assert_eq!(decisions.len(), 1);
        let d = decisions[0];
        assert_eq!((d.outcome, d.reason, d.frames), (Outcome::Refer, Reason::NotLive, 10));
        assert!(d.liveness.unwrap() < 0.2);
        assert_eq!(steps[steps.len() - 1].guidance, Guidance::NotLive);
        assert_eq!(run(&mut asking(), (1..40).map(|k| looking(k * 100, Some(3.0))))[0].outcome, Outcome::Allow);
    }

    #[test]
    fn frames_without_a_score_are_referred_for_the_want_of_a_living_face() {
        let decisions = run(&mut asking(), (1..40).map(|k| looking(k * 100, None)));
        assert_eq!((decisions[0].reason, decisions[0].liveness), (Reason::NotLive, None));
    }

    #[test]
    fn a_visit_whose_time_is_up_is_referred_for_what_it_lacks() {
        let mut slow = asking();
        slow.settings.most_frames = 200;
        let decisions = run(&mut slow, (1..90).map(|k| looking(k * 100, Some(-2.0))));
        assert_eq!((decisions[0].outcome, decisions[0].reason), (Outcome::Refer, Reason::NotLive));
    }

    /// One that asks for a turn of the head to this side.
    fn turning(side: Side) -> VisitTracker {
        tracker().asking(Question { limits: TurnLimits::default(), turns: 1, side: Box::new(move || side) })
    }

    fn with_points(mut sighting: Sighting, depth: f32, degrees: f32) -> Sighting {
        sighting.nearest.as_mut().unwrap().points = Some(seen(depth, degrees));
        sighting
    }

    /// Somebody of this age who looks ahead, is asked, turns by so much, and looks ahead again as somebody of that age.
    fn turned(before: f32, depth: f32, degrees: f32, after: f32) -> Vec<Sighting> {
        let ahead = |age: f32| std::iter::repeat_n((age, 0.0), 12);
        let seen = ahead(before).take(5).chain(way(degrees).into_iter().map(|d| (before, d))).chain(ahead(after));
        let sightings = seen.enumerate().map(|(k, (age, d))| with_points(face(100 + 100 * k as u64, age), depth, d));
        sightings.collect()
    }

    #[test]
    fn where_a_turn_is_asked_for_an_adult_is_allowed_after_it_and_judged_anew() {
        let mut t = turning(Side::Left);
        let asked: Vec<Step> = turned(45.0, 1.0, 28.0, 45.0).into_iter().map(|s| t.observe(s)).collect();
        assert_eq!(asked[4].guidance, Guidance::Turn(Ask::Turn(Side::Left)));
        assert!(asked.iter().any(|step| step.guidance == Guidance::Turn(Ask::Ahead)));
        let decisions: Vec<&Decision> = asked.iter().filter_map(|step| step.decision.as_ref()).collect();
        assert_eq!(decisions.len(), 1);
        let d = decisions[0];
        assert_eq!((d.outcome, d.reason, d.frames, d.began), (Outcome::Allow, Reason::OldEnough, 10, ms(100)));
        assert!(d.decided >= ms(2400), "after the turn, not before it: {:?}", d.decided);
    }

    #[test]
    fn a_flat_picture_of_an_adult_is_referred_however_it_is_turned() {
        for degrees in [0.0, 28.0, 60.0] {
            let mut sightings = turned(60.0, 0.0, degrees, 60.0);
            let last = sightings.last().unwrap().at.as_millis() as u64;
            sightings.extend(
                (1..150).map(|k| with_points(face(last + 100 * k, 60.0), 0.0, degrees * (k as f32 * 0.3).sin())),
            );
            let mut t = turning(Side::Left);
            let decisions = run(&mut t, sightings);
            assert_eq!((decisions[0].outcome, decisions[0].reason), (Outcome::Refer, Reason::TurnFailed), "{degrees}");
            assert!(decisions.iter().all(|d| d.outcome != Outcome::Allow));
            assert_eq!(t.take_failure(), Some(Failure::TimeUp));
        }
    }

    #[test]
    fn whoever_turns_their_own_head_for_an_adults_picture_is_judged_by_their_own_face() {
        let decisions = run(&mut turning(Side::Left), turned(60.0, 1.0, 28.0, 16.0));
        assert_eq!((decisions[0].outcome, decisions[0].reason), (Outcome::Refer, Reason::NotSure));
    }

    #[test]
    fn the_wrong_side_is_no_answer() {
        let mut sightings = turned(60.0, 1.0, 28.0, 60.0);
        let last = sightings.last().unwrap().at;
        sightings.extend(turned(60.0, 1.0, 28.0, 60.0).into_iter().map(|s| Sighting { at: last + s.at, ..s }));
        let decisions = run(&mut turning(Side::Right), sightings);
        assert_eq!((decisions[0].outcome, decisions[0].reason), (Outcome::Refer, Reason::TurnFailed));
    }

    #[test]
    fn another_face_in_mid_turn_ends_the_visit_and_so_does_a_second_one() {
        let mut sightings = turned(60.0, 1.0, 28.0, 60.0);
        sightings[9].nearest.as_mut().unwrap().bounds = BoundingBox { x0: 500.0, y0: 100.0, x1: 620.0, y1: 260.0 };
        assert_eq!(run(&mut turning(Side::Left), sightings)[0].reason, Reason::PersonChanged);
        let mut sightings = turned(60.0, 1.0, 28.0, 60.0);
        (sightings[9].several, sightings[10].several) = (true, true);
        assert_eq!(run(&mut turning(Side::Left), sightings)[0].reason, Reason::TurnFailed);
    }

    #[test]
    fn whoever_is_gone_in_mid_turn_gets_no_decision() {
        let mut sightings = turned(60.0, 1.0, 28.0, 60.0);
        sightings.truncate(10);
        sightings.extend((0..40).map(|k| nobody(1200 + 100 * k)));
        let decisions = run(&mut turning(Side::Left), sightings);
        assert_eq!((decisions[0].outcome, decisions[0].reason), (Outcome::NoDecision, Reason::LeftEarly));
    }

    fn sightings() -> impl Strategy<Value = Vec<Sighting>> {
        let one = (0u8..10, 0.0f32..90.0, 0u64..900, 0.0f32..500.0, any::<bool>());
        prop::collection::vec(one, 1..120).prop_map(|steps| {
            let mut now = 5_000u64;
            steps
                .into_iter()
                .map(|(kind, age, step, x, companion)| {
                    now = if kind == 9 { now.saturating_sub(step * 3) } else { now + step };
                    let view = match kind {
                        // Younger ages look living here, and some faces were not looked at.
                        0..=6 => view(age, 0.7, (kind != 5).then_some(30.0 - age)),
                        _ => Err(Flaw::Blurred),
                    };
                    let bounds = at_place(if kind == 6 { x } else { 200.0 });
                    let nearest = (kind != 8).then_some(SeenFace { bounds, view, points: None });
                    Sighting { at: ms(now), nearest, doubtful_companion: Some(companion && kind == 5), several: false }
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn whatever_happens_an_allow_has_its_good_frames_and_their_confidence(sightings in sightings()) {
            for decision in run(&mut tracker(), sightings) {
                if decision.outcome == Outcome::Allow {
                    prop_assert!(decision.frames >= 5);
                    prop_assert!(decision.confidence.unwrap() >= 0.95);
                    prop_assert_eq!(decision.reason, Reason::OldEnough);
                    prop_assert!(decision.attempt <= 3);
                }
            }
        }

        #[test]
        fn where_a_living_face_is_asked_for_an_allow_has_one(sightings in sightings()) {
            for decision in run(&mut asking(), sightings) {
                if decision.outcome == Outcome::Allow {
                    prop_assert!(decision.liveness.unwrap() >= 0.8);
                    prop_assert!(decision.frames >= 5);
                }
            }
        }

        #[test]
        fn a_lost_face_an_error_or_a_clock_that_goes_back_never_allows(sightings in sightings()) {
            let mut t = tracker();
            for sighting in sightings {
                let (lost, back) = (sighting.nearest.is_none(), t.last_frame.is_some_and(|last| sighting.at <= last));
                let decision = t.observe(sighting).decision;
                if lost || back {
                    prop_assert!(decision.is_none_or(|d| d.outcome != Outcome::Allow));
                }
            }
            prop_assert!(t.abort(Reason::CameraLost, ms(1 << 30)).is_none_or(|d| d.outcome == Outcome::NoDecision));
        }

        #[test]
        fn where_a_turn_is_asked_for_no_allow_without_one(
            sightings in sightings(), degrees in prop::collection::vec(-70.0f32..70.0, 120),
        ) {
            // A flat picture, turned anyhow.
            let points = |(mut s, d): (Sighting, &f32)| {
                if let Some(face) = &mut s.nearest {
                    face.points = Some(seen(0.0, *d));
                }
                s
            };
            for decision in run(&mut turning(Side::Left), sightings.into_iter().zip(&degrees).map(points)) {
                prop_assert_ne!(decision.outcome, Outcome::Allow);
            }
        }

        #[test]
        fn a_visit_has_at_most_one_decision(ages in prop::collection::vec(0.0f32..90.0, 1..80)) {
            let decisions = run(&mut tracker(), ages.iter().enumerate().map(|(k, age)| face(100 + k as u64 * 100, *age)));
            prop_assert!(decisions.len() <= 1);
        }
    }
}
