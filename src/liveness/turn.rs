//! The question and its answer: "turn your head to the left", and back to the front. Pure: time comes in with the frame.
//!
//! ```text
//!       far enough, twice, or out of sight  in front again, twice
//!   Out(side) ------------------> Back(side) ------------------> next side ... Passed
//!       |  time up, out of sight, wrong side, |  not a head's way
//!       +-----------------> Settle <----------+         (once; then Failed)
//!                             | in front again: the same question once more
//!                             +------------> Out(side)
//!   anywhere: a second face, another face, time going back ---> Failed
//! ```
//!
//! A second try asks for the same side: were it drawn anew, whoever has a film of one side only could wait for it, and would
//! pass three times in four instead of once in two. So nothing is won by being slow or by being wrong.

use std::time::Duration;

use super::relief::{Relief, typical};
use crate::vision::Point;

/// A side as the visitor has it: their own left and right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The visitor's left: the right of the picture, which shows them as another person sees them.
    Left,
    /// The visitor's right.
    Right,
}

impl Side {
    /// The side for one bit of chance.
    #[must_use]
    pub fn of(bit: bool) -> Self {
        if bit { Self::Left } else { Self::Right }
    }

    /// How far a nose went to this side, of its way to the right of the picture.
    fn toward(self, along: f32) -> f32 {
        match self {
            Self::Left => along,
            Self::Right => -along,
        }
    }
}

/// What counts as a turn. Lengths in eye distances; chosen by `examples/turn_errors.rs` on one half of its seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TurnLimits {
    /// Parallax of the nose from which on a head has turned far enough.
    pub reach: f32,
    /// Parallax to the other side that is a wrong answer.
    pub wrong: f32,
    /// Parallax up to which a head looks ahead again.
    pub ahead: f32,
    /// Largest step between two views, as a share of the whole way, and how much more of it a head may go for each second between
    /// them: a picture that is swapped goes all of it at once.
    pub step: [f32; 2],
    /// Largest step whatever the time between.
    pub leap: f32,
    /// Least and largest height of the nose over the plane of eyes and mouth, from parallax and foreshortening.
    pub height: [f32; 2],
    /// Largest parallax across the line of the eyes.
    pub across: f32,
    /// Time without a view after which a try has failed; twice that on the way back: a head that is turned far is not found.
    pub gap: Duration,
    /// Time for one side, there and back.
    pub within: Duration,
}

impl Default for TurnLimits {
    fn default() -> Self {
        Self {
            reach: 0.13,
            wrong: 0.12,
            ahead: 0.08,
            step: [0.5, 1.3],
            leap: 0.8,
            height: [0.24, 1.2],
            across: 0.2,
            gap: Duration::from_millis(1200),
            within: Duration::from_secs(5),
        }
    }
}

/// What a frame showed of the visitor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sight {
    /// The five points of their face.
    Face([Point; 5]),
    /// Nobody, or a face whose points cannot be told.
    Nothing,
    /// More than one face that could be the visitor's or come in with them.
    Several,
    /// A face that is not where the visitor's can be.
    Another,
}

/// A frame, as far as the turn is concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glimpse {
    /// Monotonic capture time.
    pub at: Duration,
    /// What it showed.
    pub sight: Sight,
}

/// What the visitor is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Turn the head to a side.
    Turn(Side),
    /// Look ahead.
    Ahead,
}

/// How a turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not yet.
    Asking(Ask),
    /// Turned, as asked, with a face that is not flat.
    Passed,
    /// Not turned as asked.
    Failed(Failure),
}

/// The proof that a head turned as it was asked to: only a [`Turn`] that has passed gives it.
///
/// ```compile_fail
/// let forged = agegate::liveness::Turned(());
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Turned(());

/// Why a turn failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No turn in time.
    TimeUp,
    /// To the other side.
    WrongSide,
    /// The face was out of sight for too long.
    OutOfSight,
    /// There, but not on a way that a head takes: in one leap, or flat, or in depth that no face has.
    NoHead,
    /// A second face was there.
    SeveralFaces,
    /// Another face took the place.
    AnotherFace,
    /// The time of the frames went back.
    ClockBack,
}

/// One view on the way.
#[derive(Clone, Copy, Debug)]
struct View {
    at: Duration,
    relief: Relief,
    toward: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Out,
    Back,
    Settle,
}

/// A question that is being answered.
#[derive(Clone, Debug)]
pub struct Turn {
    limits: TurnLimits,
    sides: Vec<Side>,
    asked: usize,
    reference: [Point; 5],
    phase: Phase,
    second: bool,
    since: Duration,
    last: Duration,
    last_view: Duration,
    several: u32,
    path: Vec<View>,
    ended: Option<Progress>,
}

/// A head that was on its way and is out of sight for so long has turned too far.
const TOO_FAR_AFTER: Duration = Duration::from_millis(250);

/// Views of the front that a turn needs before it begins.
pub const FRONT_VIEWS: usize = 3;

impl Turn {
    /// Asks for these sides, one after the other, from somebody who was seen from the front in `front`.
    ///
    /// `None` without a side, or if there are too few views to know the front by.
    #[must_use]
    pub fn new(limits: TurnLimits, sides: Vec<Side>, front: &[[Point; 5]], now: Duration) -> Option<Self> {
        let reference = typical(front).filter(|_| front.len() >= FRONT_VIEWS && !sides.is_empty())?;
        Some(Self {
            limits,
            sides,
            asked: 0,
            reference,
            phase: Phase::Out,
            second: false,
            since: now,
            last: now,
            last_view: now,
            several: 0,
            path: Vec::new(),
            ended: None,
        })
    }

    /// How it stands.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.ended.unwrap_or(match (self.phase, self.sides.get(self.asked)) {
            (Phase::Out, Some(side)) => Progress::Asking(Ask::Turn(*side)),
            _ => Progress::Asking(Ask::Ahead),
        })
    }

    /// The proof, once it has passed.
    pub fn turned(&self) -> Option<Turned> {
        (self.progress() == Progress::Passed).then_some(Turned(()))
    }

    /// Takes in a frame. What has passed or failed stays so.
    pub fn observe(&mut self, glimpse: Glimpse) -> Progress {
        if self.ended.is_none() {
            self.look(glimpse);
        }
        self.progress()
    }

    fn look(&mut self, Glimpse { at, sight }: Glimpse) {
        if at < self.last {
            return self.fail(Failure::ClockBack);
        }
        if std::mem::replace(&mut self.last, at) == at {
            return;
        }
        self.several = if sight == Sight::Several { self.several + 1 } else { 0 };
        let view = match sight {
            Sight::Another => return self.fail(Failure::AnotherFace),
            // One such frame may be the detector's mistake; it shows nothing all the same.
            Sight::Several if self.several >= 2 => return self.fail(Failure::SeveralFaces),
            Sight::Face(points) => Relief::of(&self.reference, &points),
            Sight::Nothing | Sight::Several => None,
        };
        // Whoever was called back needs a while for it.
        let gap = if self.phase == Phase::Back { 2 * self.limits.gap } else { self.limits.gap };
        if at.saturating_sub(self.last_view) > gap {
            self.last_view = at;
            return self.try_again(Failure::OutOfSight, at);
        }
        if at.saturating_sub(self.since) > self.limits.within {
            return self.try_again(Failure::TimeUp, at);
        }
        let Some(side) = self.sides.get(self.asked).copied() else { return };
        let Some(relief) = view else {
            // Turned so far that it is not found: call it back. The way is judged in the end, by what was seen of it.
            let on_its_way = self.path.last().is_some_and(|v| v.toward >= self.limits.reach / 2.0);
            if self.phase == Phase::Out && on_its_way && at.saturating_sub(self.last_view) >= TOO_FAR_AFTER {
                self.phase = Phase::Back;
            }
            return;
        };
        self.last_view = at;
        self.path.push(View { at, relief, toward: side.toward(relief.along) });
        let twice = |holds: &dyn Fn(&View) -> bool| self.path.len() >= 2 && self.path.iter().rev().take(2).all(holds);
        let ahead = twice(&|v| v.relief.along.abs() <= self.limits.ahead);
        match self.phase {
            Phase::Out if twice(&|v| v.toward <= -self.limits.wrong) => self.try_again(Failure::WrongSide, at),
            Phase::Out if twice(&|v| v.toward >= self.limits.reach) => self.phase = Phase::Back,
            Phase::Back if ahead && !self.is_a_heads() => self.try_again(Failure::NoHead, at),
            Phase::Back if ahead => self.next(at),
            Phase::Settle if ahead => {
                // In the time of the second try, which looking ahead belongs to.
                self.phase = Phase::Out;
                self.path.clear();
            }
            Phase::Out | Phase::Back | Phase::Settle => {}
        }
    }

    fn enter(&mut self, phase: Phase, at: Duration) {
        self.phase = phase;
        self.since = at;
        self.path.clear();
    }

    fn next(&mut self, at: Duration) {
        self.asked += 1;
        if self.asked == self.sides.len() {
            self.ended = Some(Progress::Passed);
        } else {
            self.enter(Phase::Out, at);
        }
    }

    fn fail(&mut self, why: Failure) {
        self.ended = Some(Progress::Failed(why));
    }

    fn try_again(&mut self, why: Failure, at: Duration) {
        if std::mem::replace(&mut self.second, true) {
            return self.fail(why);
        }
        self.enter(Phase::Settle, at);
    }

    /// Whether the way there and back is one that a head with a nose takes.
    fn is_a_heads(&self) -> bool {
        let mut far: Vec<&View> = self.path.iter().collect();
        far.sort_by(|a, b| b.toward.total_cmp(&a.toward));
        // The second farthest: one wrong point must not make the way longer than it was.
        let Some(peak) = far.get(1).map(|v| v.toward).filter(|peak| *peak >= self.limits.reach) else { return false };
        let far: Vec<&View> = far.into_iter().filter(|v| v.toward >= 0.6 * peak).collect();
        let [step, each_second] = self.limits.step;
        let leaps = self.path.windows(2).any(|w| {
            let most = (step + each_second * (w[1].at - w[0].at).as_secs_f32()).min(self.limits.leap);
            (w[1].toward - w[0].toward).abs() > most * peak
        });
        let height = median(far.iter().map(|v| v.toward / v.relief.slant().max(0.1)));
        let across = median(far.iter().map(|v| v.relief.across.abs()));
        let [least, most] = self.limits.height;
        !leaps && (least..=most).contains(&height) && across <= self.limits.across
    }
}

fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f32::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::drawn::{ms, seen, way};
    use proptest::prelude::*;

    fn asked(sides: &[Side]) -> Turn {
        Turn::new(TurnLimits::default(), sides.to_vec(), &[seen(1.0, 0.0); 3], ms(1000)).unwrap()
    }

    fn play(turn: &mut Turn, from: u64, views: impl IntoIterator<Item = Sight>) -> Progress {
        for (k, sight) in views.into_iter().enumerate() {
            turn.observe(Glimpse { at: ms(from + 100 * k as u64), sight });
        }
        turn.progress()
    }

    fn head(depth: f32, to: f32) -> Vec<Sight> {
        way(to).into_iter().map(|d| Sight::Face(seen(depth, d))).collect()
    }

    #[test]
    fn a_head_that_turns_to_the_side_asked_for_passes() {
        assert_eq!(play(&mut asked(&[Side::Left]), 1100, head(1.0, 28.0)), Progress::Passed);
        assert_eq!(play(&mut asked(&[Side::Right]), 1100, head(1.0, -28.0)), Progress::Passed);
    }

    #[test]
    fn two_sides_need_two_turns() {
        let mut turn = asked(&[Side::Left, Side::Right]);
        assert_eq!(play(&mut turn, 1100, head(1.0, 28.0)), Progress::Asking(Ask::Turn(Side::Right)));
        assert_eq!(play(&mut turn, 3000, head(1.0, -28.0)), Progress::Passed);
    }

    #[test]
    fn the_other_side_is_wrong_and_asked_for_again_it_is_still_wrong() {
        let mut turn = asked(&[Side::Right]);
        assert_eq!(play(&mut turn, 1100, head(1.0, 28.0)), Progress::Asking(Ask::Turn(Side::Right)));
        assert_eq!(play(&mut turn, 3000, head(1.0, 28.0)), Progress::Failed(Failure::WrongSide));
    }

    #[test]
    fn a_flat_picture_does_not_pass_by_being_turned() {
        for to in [20.0, 40.0, 60.0] {
            let mut turn = asked(&[Side::Left]);
            let views: Vec<_> = (0..8).flat_map(|_| head(0.0, to)).collect();
            assert_eq!(play(&mut turn, 1100, views), Progress::Failed(Failure::TimeUp), "{to}");
        }
    }

    #[test]
    fn a_picture_of_somebody_turned_that_is_put_in_its_place_does_not_pass() {
        let mut turn = asked(&[Side::Left]);
        let leap: Vec<_> =
            [[0.0; 6], [28.0; 6], [0.0; 6]].concat().into_iter().map(|d| Sight::Face(seen(1.0, d))).collect();
        assert_eq!(play(&mut turn, 1100, leap.clone()), Progress::Asking(Ask::Turn(Side::Left)));
        assert!(turn.second);
        assert_eq!(play(&mut turn, 3000, leap), Progress::Failed(Failure::NoHead));
    }

    #[test]
    fn whoever_missed_it_is_asked_once_more_and_for_the_same_side() {
        let mut turn = asked(&[Side::Left]);
        let still = vec![Sight::Face(seen(1.0, 0.0)); 52];
        assert_eq!(play(&mut turn, 1100, still), Progress::Asking(Ask::Ahead));
        assert_eq!(
            play(&mut turn, 6400, vec![Sight::Face(seen(1.0, 0.0)); 3]),
            Progress::Asking(Ask::Turn(Side::Left))
        );
        assert_eq!(play(&mut turn, 6800, head(1.0, 28.0)), Progress::Passed);
    }

    #[test]
    fn too_few_views_of_the_front_begin_nothing() {
        assert!(Turn::new(TurnLimits::default(), vec![Side::Left], &[seen(1.0, 0.0); 2], ms(0)).is_none());
        assert!(Turn::new(TurnLimits::default(), Vec::new(), &[seen(1.0, 0.0); 4], ms(0)).is_none());
    }

    fn sights() -> impl Strategy<Value = Vec<(u64, bool, Sight)>> {
        let sight = prop_oneof![
            6 => (0.0f32..1.3, -60.0f32..60.0).prop_map(|(depth, to)| Sight::Face(seen(depth, to))),
            1 => Just(Sight::Nothing),
            1 => Just(Sight::Several),
            1 => Just(Sight::Another),
            1 => Just(Sight::Face([Point::new(f32::NAN, 1.0); 5])),
        ];
        prop::collection::vec((0u64..900, prop::bool::weighted(0.02), sight), 1..80)
    }

    proptest! {
        #[test]
        fn what_spoils_a_turn_is_never_the_frame_that_passes_it_nor_undone_after_it(sights in sights(), left in any::<bool>()) {
            let mut turn = asked(&[Side::of(left)]);
            let (mut now, mut spoiled) = (1000u64, false);
            for (step, back, sight) in sights {
                now = if back { now.saturating_sub(step) } else { now + step };
                let before = turn.progress();
                let progress = turn.observe(Glimpse { at: ms(now), sight });
                if !matches!(before, Progress::Asking(_)) {
                    prop_assert_eq!(progress, before);
                    continue;
                }
                spoiled |= matches!(sight, Sight::Another);
                prop_assert!(!(spoiled && progress == Progress::Passed));
                if progress == Progress::Passed {
                    prop_assert!(matches!(sight, Sight::Face(_)));
                }
            }
        }

        #[test]
        fn a_flat_picture_never_passes_whatever_is_done_with_it(moves in prop::collection::vec((-75.0f32..75.0, 30u64..250), 1..120), left in any::<bool>()) {
            let mut turn = asked(&[Side::of(left)]);
            let mut now = 1000;
            for (to, step) in moves {
                now += step;
                prop_assert_ne!(turn.observe(Glimpse { at: ms(now), sight: Sight::Face(seen(0.0, to)) }), Progress::Passed);
            }
        }

        #[test]
        fn nobody_passes_by_waiting(frames in 1usize..300, step in 20u64..500) {
            let mut turn = asked(&[Side::Left]);
            for k in 1..=frames as u64 {
                let progress = turn.observe(Glimpse { at: ms(1000 + k * step), sight: Sight::Face(seen(1.0, 0.0)) });
                prop_assert_ne!(progress, Progress::Passed);
            }
        }
    }
}
