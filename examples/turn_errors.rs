//! How often a flat picture passes the turn of the head, and how often a living person fails it: a simulation with the noise of
//! the shipped detector and points net (`examples/turn-noise.json`, made by `models/train/turn_noise.py`).
//!
//! `make turn-figures` writes `docs/turn.md` with it. Odd seeds and odd faces of the noise chose the limits (`-- --choose`); the
//! figures are those of even ones.

#![allow(clippy::print_stdout, reason = "an example prints")]
#![allow(clippy::unwrap_used, reason = "an example that fails may end by a panic")]

use std::{f32::consts::PI, fmt::Write as _, time::Duration};

use agegate::{
    evaluate::statistics,
    liveness::{
        Glimpse, Progress, Side, Turn,
        turn::{Ask, Sight, TurnLimits},
    },
    vision::Point,
};
use serde::Deserialize;

/// What `turn_noise.py` writes.
#[derive(Deserialize)]
struct Noise {
    head_degrees: Vec<f32>,
    flat_degrees: Vec<f32>,
    jitter: [[f32; 2]; 5],
    faces: Vec<NoisyFace>,
}

/// Mean errors of the points of one face in each pose, eye distances; `None` where it was not found.
#[derive(Deserialize)]
struct NoisyFace {
    head: Vec<Option<[f32; 10]>>,
    flat: Vec<Option<[f32; 10]>>,
}

/// SplitMix64: a simulation must give the same figures everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }
    fn within(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }
    fn normal(&mut self, mean: f32, deviation: f32) -> f32 {
        let radius = (-2.0 * self.unit().max(1e-9).ln()).sqrt();
        mean + deviation * radius * (2.0 * PI * self.unit()).cos()
    }
}

/// Five points in millimetres: x to the right of the picture, y down, z away from the camera.
type Solid = [[f32; 3]; 5];

/// A face by anthropometric means and deviations; `height` is what the nose is made to stand out, 1 for as it is.
fn face(chance: &mut Chance, height: f32) -> Solid {
    let eyes = chance.normal(63.0, 3.6);
    let mouth = chance.normal(49.5, 4.2);
    let down = chance.normal(70.0, 4.5);
    let tip = chance.normal(43.0, 4.0);
    let out = chance.normal(29.0, 4.0).max(15.0) * height;
    let skew = chance.normal(0.0, 1.0);
    let m = down / 2.0;
    [
        [-eyes / 2.0, -m, 0.0],
        [eyes / 2.0, -m, 0.0],
        [skew, tip - m, -out],
        [-mouth / 2.0, m, 0.0],
        [mouth / 2.0, m, 0.0],
    ]
}

/// How it is held.
#[derive(Clone, Copy, Default)]
struct Pose {
    /// Degrees, to the right of the picture.
    yaw: f32,
    pitch: f32,
    roll: f32,
    /// Millimetres.
    place: [f32; 2],
    distance: f32,
    /// Bending of a picture about its upright axis, 1 / mm.
    bend: f32,
}

/// What stands before the camera.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thing {
    Head,
    Flat,
}

/// Focal length of a camera of 640x480 that sees 60 degrees.
const FOCAL: f32 = 554.0;
/// A head turns about the spine, so far behind its face.
const NECK: f32 = 90.0;

fn project(solid: &Solid, pose: &Pose, thing: Thing) -> [Point; 5] {
    let pivot = if thing == Thing::Head { NECK } else { 0.0 };
    solid.map(|[x, y, z]| {
        // A bent picture: a cylinder about its upright axis.
        let (x, z) = if pose.bend.abs() > 1e-6 {
            ((x * pose.bend).sin() / pose.bend, z + (1.0 - (x * pose.bend).cos()) / pose.bend)
        } else {
            (x, z)
        };
        let z = z - pivot;
        let (sin, cos) = pose.yaw.to_radians().sin_cos();
        let (x, z) = (x * cos - z * sin, x * sin + z * cos);
        let (sin, cos) = pose.pitch.to_radians().sin_cos();
        let (y, z) = (y * cos - z * sin, y * sin + z * cos);
        let (sin, cos) = pose.roll.to_radians().sin_cos();
        let (x, y) = (x * cos - y * sin, x * sin + y * cos);
        let scale = FOCAL / (pose.distance + pivot + z).max(40.0);
        Point::new(320.0 + (x + pose.place[0]) * scale, 240.0 + (y + pose.place[1]) * scale)
    })
}

/// The points that detector and net would give, or nothing.
fn detected(
    noise: &Noise,
    which: &NoisyFace,
    points: [Point; 5],
    unit: f32,
    pose: &Pose,
    thing: Thing,
    chance: &mut Chance,
) -> Sight {
    let (at, errors) = match thing {
        Thing::Head => (&noise.head_degrees, &which.head),
        Thing::Flat => (&noise.flat_degrees, &which.flat),
    };
    let front = which.head[noise.head_degrees.len() / 2];
    let known = |k: usize| errors[k].or(if thing == Thing::Flat && at[k].abs() < 20.0 { front } else { None });
    let degrees = pose.yaw.clamp(at[0] - 8.0, at[at.len() - 1] + 8.0);
    let upper = at.iter().position(|a| *a >= degrees).unwrap_or(at.len() - 1).max(1);
    let share = ((degrees - at[upper - 1]) / (at[upper] - at[upper - 1])).clamp(0.0, 1.0);
    let (Some(a), Some(b)) = (known(upper - 1), known(upper)) else {
        // Between a pose in which the face was found and one in which it was not: found by the share of the way.
        let found = match (known(upper - 1), known(upper)) {
            (Some(a), None) if chance.unit() > share => a,
            (None, Some(b)) if chance.unit() < share => b,
            _ => return Sight::Nothing,
        };
        return Sight::Face(moved(points, &found, noise, (unit, pose.roll), chance));
    };
    let error: [f32; 10] = std::array::from_fn(|k| a[k] + (b[k] - a[k]) * share);
    Sight::Face(moved(points, &error, noise, (unit, pose.roll), chance))
}

fn moved(
    points: [Point; 5],
    error: &[f32; 10],
    noise: &Noise,
    (unit, roll): (f32, f32),
    chance: &mut Chance,
) -> [Point; 5] {
    // The net sees an upright chip: its errors roll with the face.
    let (sin, cos) = roll.to_radians().sin_cos();
    std::array::from_fn(|k| {
        let jitter = [0, 1].map(|axis| error[2 * k + axis] + chance.normal(0.0, noise.jitter[k][axis]));
        let [x, y] = [jitter[0] * cos - jitter[1] * sin, jitter[0] * sin + jitter[1] * cos];
        Point::new(points[k].x + unit * x, points[k].y + unit * y)
    })
}

/// Who answers, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Living,
    Still,
    TurnedSideways,
    TiltedBack,
    RolledInThePlane,
    PushedAndPulled,
    SlidSideways,
    Trembling,
    NearTheLens,
    BentMildly,
    BentAndUnbent,
    Everything,
    SwappedForAProfile,
    SwappedInAFlash,
    // What it does not stop.
    BentRoundABottle,
    FoldedAtTheNose,
    FlipBook,
    FilmOfOneSide,
    FilmsOfBoth,
}

const FLAT: [(Kind, &str); 13] = [
    (Kind::Still, "held still"),
    (Kind::TurnedSideways, "turned about its upright axis, 20 to 70 degrees, to the side asked for"),
    (Kind::TiltedBack, "tilted forwards and back"),
    (Kind::RolledInThePlane, "turned in its plane"),
    (Kind::PushedAndPulled, "pushed to the camera and pulled back"),
    (Kind::SlidSideways, "slid sideways and turned"),
    (Kind::Trembling, "shaken"),
    (Kind::NearTheLens, "small, a hand's breadth before the lens, turned"),
    (Kind::BentMildly, "bent (radius 150 to 400 mm at life size) and turned"),
    (Kind::BentAndUnbent, "bent and unbent while it is turned"),
    (Kind::Everything, "everything at once, at random"),
    (Kind::SwappedForAProfile, "swapped by hand for a picture of the same face turned 20 to 45 degrees, and back"),
    (Kind::SwappedInAFlash, "the same on a screen, from one frame to the next"),
];
const NOT_STOPPED: [(Kind, &str); 5] = [
    (Kind::BentRoundABottle, "a picture bent round a bottle (radius 35 to 50 mm at life size) and turned"),
    (Kind::FoldedAtTheNose, "a picture folded along the nose (30 to 50 degrees) and turned: a mask"),
    (Kind::FlipBook, "five pictures of the same face from front to turned, one after the other"),
    (Kind::FilmOfOneSide, "a film of a person who turns to one side, whatever is asked"),
    (Kind::FilmsOfBoth, "two films, and a hand that chooses"),
];

/// From 0 to 1 as limbs move (minimum jerk: Flash and Hogan 1985).
fn smooth(share: f32) -> f32 {
    let t = share.clamp(0.0, 1.0);
    t * t * t * (10.0 - 15.0 * t + 6.0 * t * t)
}

/// One way to answer, drawn once for a visit.
struct Actor {
    kind: Kind,
    solid: Solid,
    base: Pose,
    unit: [f32; 8],
    wave: [f32; 6],
    side: f32,
    /// When the question that stands was seen, and by which angle the head is turned at that time.
    asked: (Option<Ask>, f32),
    from: f32,
}

impl Actor {
    fn new(kind: Kind, chance: &mut Chance) -> Self {
        let flat = !matches!(
            kind,
            Kind::Living
                | Kind::FlipBook
                | Kind::FilmOfOneSide
                | Kind::FilmsOfBoth
                | Kind::SwappedForAProfile
                | Kind::SwappedInAFlash
        );
        let mut solid = face(chance, if flat { 0.0 } else { 1.0 });
        let size = if flat { chance.within(0.4, 1.3) } else { 1.0 };
        let near = if kind == Kind::NearTheLens { 0.35 } else { 1.0 };
        solid = solid.map(|p| p.map(|v| v * size * near));
        let distance =
            if kind == Kind::NearTheLens { chance.within(90.0, 160.0) } else { chance.within(350.0, 800.0) * size };
        let place = [chance.normal(0.0, 40.0) * near, chance.normal(0.0, 25.0) * near];
        let base = Pose {
            yaw: chance.normal(0.0, 4.0),
            pitch: chance.normal(0.0, 5.0),
            roll: chance.normal(0.0, 4.0),
            place,
            distance,
            bend: 0.0,
        };
        let side = if chance.unit() < 0.5 { 1.0 } else { -1.0 };
        Self {
            kind,
            solid,
            base,
            unit: std::array::from_fn(|_| chance.unit()),
            wave: std::array::from_fn(|_| chance.within(0.2, 1.0)),
            side,
            asked: (None, 0.0),
            from: 0.0,
        }
    }

    /// Where the head of a living person is: it answers what it reads, after a while, as fast as it likes.
    fn head_yaw(&mut self, ask: Ask, now: f32, again: bool) -> f32 {
        let [slow, speed, far, ..] = self.unit;
        // "Slowly", says the screen; the second time it is believed.
        let duration = 0.5 + 0.9 * speed + if again { 0.4 } else { 0.0 };
        let reaction = 0.25 + 0.75 * slow;
        let current = self.answer(now, duration, reaction, far, again);
        if self.asked.0 != Some(ask) {
            self.from = current;
            self.asked = (Some(ask), now);
        }
        self.answer(now, duration, reaction, far, again)
    }

    fn answer(&self, now: f32, duration: f32, reaction: f32, far: f32, again: bool) -> f32 {
        let since = now - self.asked.1 - reaction;
        let to = match self.asked.0 {
            None | Some(Ask::Ahead) => 0.0,
            // One in fifty mistakes the side, one in thirty has not understood yet.
            Some(Ask::Turn(_)) if self.unit[4] < 0.033 && !again => 0.0,
            Some(Ask::Turn(side)) => {
                let sign = if side == Side::Left { 1.0 } else { -1.0 }
                    * if self.unit[3] < 0.02 && !(again && self.unit[7] < 0.5) { -1.0 } else { 1.0 };
                sign * (22.0 + 26.0 * far)
            }
        };
        // Most wait for the screen; some look back by themselves after a second.
        if self.unit[5] < 0.3 && since > duration + 0.5 + self.unit[6] {
            return to * (1.0 - smooth((since - duration - 0.5 - self.unit[6]) / duration));
        }
        self.from + (to - self.from) * smooth(since / duration)
    }

    /// The pose at `now` seconds after the question.
    fn pose(&mut self, ask: Ask, now: f32, again: bool, chance: &mut Chance) -> (Thing, Pose) {
        let mut pose = self.base;
        let swing = |rate: f32, phase: f32| (2.0 * PI * (rate * now + phase)).sin();
        let toward = match ask {
            Ask::Turn(Side::Right) => -1.0,
            _ => 1.0,
        };
        // A picture is turned there and back, again and again.
        let [a, b, c, d, e, f, ..] = self.unit;
        let there = 0.5 - 0.5 * (2.0 * PI * now / (1.4 + 2.0 * a)).cos();
        let far = 20.0 + 50.0 * b;
        match self.kind {
            Kind::Living => {
                pose.yaw += self.head_yaw(ask, now, again) + 0.8 * swing(0.7, a);
                pose.pitch += 1.5 * swing(0.5, b);
                pose.place[0] += 6.0 * swing(0.3, c);
                return (Thing::Head, pose);
            }
            Kind::FilmsOfBoth => {
                pose.yaw += self.head_yaw(ask, now, again);
                return (Thing::Head, pose);
            }
            Kind::FilmOfOneSide => {
                let side = if self.side > 0.0 { Side::Left } else { Side::Right };
                let ask = if ask == Ask::Ahead { ask } else { Ask::Turn(side) };
                pose.yaw += self.head_yaw(ask, now, again);
                return (Thing::Head, pose);
            }
            Kind::FlipBook => {
                pose.yaw += toward * (25.0 + 15.0 * b) * (there * 4.0).round() / 4.0;
                return (Thing::Head, pose);
            }
            Kind::SwappedForAProfile | Kind::SwappedInAFlash => {
                let turned = now % (2.0 + 2.0 * a) > 1.0 + a;
                pose.yaw += if turned { toward * (20.0 + 25.0 * b) } else { 0.0 };
                pose.place[0] += if turned { 15.0 * (c - 0.5) } else { 0.0 } + 4.0 * swing(0.8, d);
                pose.distance *= 1.0 + if turned { 0.1 * (e - 0.5) } else { 0.0 };
                return (Thing::Head, pose);
            }
            Kind::Still => {}
            Kind::TurnedSideways | Kind::NearTheLens | Kind::BentRoundABottle | Kind::FoldedAtTheNose => {
                pose.yaw += toward * far * there;
            }
            Kind::TiltedBack => pose.pitch += far * swing(0.3 + 0.4 * a, c),
            Kind::RolledInThePlane => pose.roll += 35.0 * swing(0.3 + 0.5 * a, c),
            Kind::PushedAndPulled => pose.distance *= 1.0 + 0.5 * swing(0.3 + 0.5 * a, c),
            Kind::SlidSideways => {
                pose.place[0] += 0.25 * pose.distance * swing(0.3 + 0.4 * a, c);
                pose.yaw += toward * far * there;
            }
            Kind::Trembling => {
                pose.place[0] += chance.normal(0.0, 12.0);
                pose.place[1] += chance.normal(0.0, 12.0);
                pose.yaw += chance.normal(toward * 15.0, 15.0);
                pose.pitch += chance.normal(0.0, 10.0);
                pose.roll += chance.normal(0.0, 6.0);
            }
            Kind::BentMildly => {
                pose.yaw += toward * far * there;
                pose.bend = 1.0 / (150.0 + 250.0 * c);
            }
            Kind::BentAndUnbent => {
                pose.yaw += toward * far * there;
                pose.bend = there / (150.0 + 250.0 * c);
            }
            Kind::Everything => {
                pose.yaw += 45.0 * swing(self.wave[0], a);
                pose.pitch += 25.0 * swing(self.wave[1], b);
                pose.roll += 15.0 * swing(self.wave[2], c);
                pose.place[0] += 50.0 * swing(self.wave[3], d);
                pose.distance *= 1.0 + 0.25 * swing(self.wave[4], e);
                pose.bend = swing(self.wave[5], f) / 220.0;
            }
        }
        let size = self.solid[1][0] / 31.5;
        match self.kind {
            Kind::BentRoundABottle => pose.bend = 1.0 / ((35.0 + 15.0 * c) * size),
            _ => pose.bend /= size,
        }
        (Thing::Flat, pose)
    }
}

/// One visit: whether it passes.
fn passes(noise: &Noise, limits: TurnLimits, kind: Kind, rate: f32, seed: u64) -> bool {
    let mut chance = Chance(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ (kind as u64) << 32);
    let mut actor = Actor::new(kind, &mut chance);
    let half: Vec<&NoisyFace> =
        noise.faces.iter().enumerate().filter(|(k, _)| *k as u64 % 2 == seed % 2).map(|(_, f)| f).collect();
    let which = half[(chance.next() % half.len() as u64) as usize];
    if kind == Kind::FoldedAtTheNose {
        // A roof with its ridge along the nose: eyes and mouth fall back alike, nearly.
        let slope = (30.0 + 20.0 * actor.unit[3]).to_radians();
        actor.solid = actor.solid.map(|[x, y, z]| [x * slope.cos(), y, z + x.abs() * slope.sin()]);
    }
    let look = |actor: &mut Actor, ask: Ask, now: f32, again: bool, chance: &mut Chance| {
        let (thing, pose) = actor.pose(ask, now, again, chance);
        let points = project(&actor.solid, &pose, thing);
        let unit = 2.0 * actor.solid[1][0] * FOCAL / pose.distance.max(60.0);
        // A picture that hides part of the time behind another is not seen.
        let hidden = kind == Kind::SwappedForAProfile && (now % (1.0 + actor.unit[0])) < 0.12;
        if hidden { Sight::Nothing } else { detected(noise, which, points, unit, &pose, thing, chance) }
    };
    let mut front = Vec::new();
    for k in 0..5 {
        if let Sight::Face(points) = look(&mut actor, Ask::Ahead, -1.0 + 0.1 * k as f32, false, &mut chance) {
            front.push(points);
        }
    }
    let side = Side::of(chance.next() & 1 == 1);
    let at = |seconds: f32| Duration::from_secs_f32(10.0 + seconds);
    let Some(mut turn) = Turn::new(limits, vec![side], &front, at(0.0)) else { return false };
    actor.asked = (None, 0.0);
    let (mut now, mut ask, mut again) = (0.0f32, Ask::Turn(side), false);
    loop {
        now += (1.0 + 0.1 * (chance.unit() - 0.5)) / rate;
        let sight = look(&mut actor, ask, now, again, &mut chance);
        match turn.observe(Glimpse { at: at(now), sight }) {
            Progress::Passed => return true,
            Progress::Failed(_) => return false,
            Progress::Asking(next) => {
                again |= ask == Ask::Ahead && matches!(next, Ask::Turn(_));
                ask = next;
            }
        }
    }
}

const RATES: [f32; 3] = [5.0, 10.0, 15.0];

/// Whose seeds and faces.
#[derive(Clone, Copy)]
enum Half {
    /// Odd ones, for the limits.
    Chooses,
    /// Even ones, beyond those that were looked at while this was written.
    Reports,
}

fn share(noise: &Noise, limits: TurnLimits, kind: Kind, rate: f32, half: Half, count: u64) -> (u64, u64) {
    let first = match half {
        Half::Chooses => 1,
        Half::Reports => 1_000_000,
    };
    let passed = (0..count).filter(|k| passes(noise, limits, kind, rate, 2 * k + first)).count() as u64;
    (passed, count)
}

/// Tries limits on the odd half.
fn choose(noise: &Noise) {
    for reach in [0.11, 0.13] {
        for step in [0.5, 0.6] {
            for least in [0.18, 0.21, 0.24] {
                let limits = TurnLimits { reach, step: [step, 1.3], height: [least, 1.2], ..TurnLimits::default() };
                let percent = |(count, of): (u64, u64)| 100.0 * count as f64 / of as f64;
                let failed =
                    RATES.map(|rate| 100.0 - percent(share(noise, limits, Kind::Living, rate, Half::Chooses, 800)));
                let worst = FLAT
                    .iter()
                    .flat_map(|(kind, _)| RATES.map(|rate| share(noise, limits, *kind, rate, Half::Chooses, 500)));
                let worst = worst.map(percent).fold(0.0, f64::max);
                println!(
                    "reach {reach} step {step} height {least}: living failed {failed:.1?} %, worst picture {worst:.1} %"
                );
            }
        }
    }
}

fn cell((count, of): (u64, u64)) -> String {
    let interval = statistics::share(count as usize, of as usize).unwrap();
    let percent = |v: f64| format!("{:.1}", 100.0 * v);
    format!("{} ({} to {})", percent(interval.value), percent(interval.low), percent(interval.high))
}

fn main() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/turn-noise.json")).unwrap();
    let noise: Noise = serde_json::from_str(&text).unwrap();
    let limits = TurnLimits::default();
    if std::env::args().any(|a| a == "--choose") {
        return choose(&noise);
    }
    let (mut out, count) = (String::new(), 4000);
    let mut table = |title: &str, rows: &[(Kind, &str)], half: Half, passing: bool| {
        writeln!(out, "| {title} | 5 a second | 10 a second | 15 a second |\n|---|---|---|---|").unwrap();
        for (kind, words) in rows {
            let cells = RATES.map(|rate| {
                let (passed, of) = share(&noise, limits, *kind, rate, half, count);
                cell((if passing { passed } else { of - passed }, of))
            });
            writeln!(out, "| {words} | {} | {} | {} |", cells[0], cells[1], cells[2]).unwrap();
        }
        writeln!(out).unwrap();
    };
    let people =
        "22 to 48 degrees in 0.5 to 1.4 s, the second time 0.4 s slower; 2 % mistake the side, half of them twice";
    table("living person failing both tries, %", &[(Kind::Living, people)], Half::Reports, false);
    let again = "the same, by the faces and seeds that chose the limits";
    table("for comparison, %", &[(Kind::Living, again)], Half::Chooses, false);
    table("flat picture passing, %", &FLAT, Half::Reports, true);
    table("not stopped: passing, %", &NOT_STOPPED, Half::Reports, true);
    print!("{out}");
}
