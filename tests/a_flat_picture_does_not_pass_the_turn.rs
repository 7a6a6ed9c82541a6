//! Where a turn of the head is asked for, an adult who turns gets in, and an adult's picture does not, however it is turned.
//!
//! The visitor is the shipped one who depicts nobody; the turn of the head is drawn by moving every point of the frame by its
//! depth, that of a head with a nose, and the picture's by the projection of its plane. `agegate replay` always asks for the left.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

use agegate::vision::{Detector, Point, nearest};
use image::RgbImage;

/// A policy by hand that takes whatever face there is for living: the turn alone is to tell.
const POLICY: &str = "[liveness]\nmode = \"turn\"\n[policy]\nthreshold_age = 18\nchallenge_age = 25\nconfidence = 0.9\n\
    [policy.liveness]\nconfidence = 0.001\ntemperature = 100.0\n";

/// How far a point of the plane through the face goes when the thing turns to the right of the picture; lengths in eye distances.
type Moves = fn(f32, f32, f32) -> (f32, f32);

/// A head: an ellipsoid with a nose, that turns about its neck; far away from it nothing moves.
fn head(x: f32, y: f32, angle: f32) -> (f32, f32) {
    let round = (1.0 - (x / 1.35).powi(2) - ((y + 0.1) / 1.9).powi(2)).max(0.0).sqrt();
    let bridge = ((y + 0.6) / 1.0).clamp(0.0, 1.0) * (1.0 - ((y - 0.28) / 0.22).clamp(0.0, 1.0));
    let depth = 1.1 * (round - 0.87) + 0.5 * bridge * (-(x / 0.2).powi(2)).exp();
    let near = 1.0 - ((x.hypot(y / 1.3) - 1.3) / 1.2).clamp(0.0, 1.0);
    (near * (x * (angle.cos() - 1.0) + depth * angle.sin()), 0.0)
}

/// A flat picture, eight eye distances before the camera.
fn picture(x: f32, y: f32, angle: f32) -> (f32, f32) {
    let scale = 8.0 / (8.0 + x * angle.sin());
    (x * angle.cos() * scale - x, y * scale - y)
}

/// The frame with the thing turned: each pixel is fetched from where it came from, found by iteration.
fn turned(frame: &RgbImage, middle: Point, unit: f32, degrees: f32, moves: Moves) -> RgbImage {
    let angle = degrees.to_radians();
    RgbImage::from_fn(frame.width(), frame.height(), |column, row| {
        let to = ((column as f32 + 0.5 - middle.x) / unit, (row as f32 + 0.5 - middle.y) / unit);
        let mut from = to;
        for _ in 0..10 {
            let (dx, dy) = moves(from.0, from.1, angle);
            from = (0.4 * from.0 + 0.6 * (to.0 - dx), 0.4 * from.1 + 0.6 * (to.1 - dy));
        }
        bilinear(frame, from.0 * unit + middle.x - 0.5, from.1 * unit + middle.y - 0.5)
    })
}

fn bilinear(frame: &RgbImage, x: f32, y: f32) -> image::Rgb<u8> {
    let (x, y) = (x.clamp(0.0, frame.width() as f32 - 1.001), y.clamp(0.0, frame.height() as f32 - 1.001));
    let (left, top, fx, fy) = (x as u32, y as u32, x.fract(), y.fract());
    let at = |dx: u32, dy: u32, c: usize| {
        f32::from(frame.get_pixel((left + dx).min(frame.width() - 1), (top + dy).min(frame.height() - 1))[c])
    };
    image::Rgb(std::array::from_fn(|c| {
        let upper = at(0, 0, c) * (1.0 - fx) + at(1, 0, c) * fx;
        let lower = at(0, 1, c) * (1.0 - fx) + at(1, 1, c) * fx;
        (upper * (1.0 - fy) + lower * fy + 0.5) as u8
    }))
}

/// Looks ahead, goes to this angle and back within two seconds, looks ahead; ten frames a second.
fn recording(folder: &Path, to: f32, moves: Moves) {
    let frame = common::close_view("adult");
    let faces = Detector::embedded().unwrap().detect(&frame).unwrap();
    let [left, right, _, mouth, _] = nearest(&faces).unwrap().landmarks;
    let unit = left.distance(right);
    let middle = Point::new((left.x + right.x) / 2.0, left.y * 0.45 + mouth.y * 0.55);
    let part = |k: usize| to * (0.5 - 0.5 * (std::f32::consts::PI * k as f32 / 8.0).cos());
    let way: Vec<f32> = std::iter::repeat_n(0.0, 8)
        .chain((0..=8).map(part))
        .chain([to, to])
        .chain((0..=8).rev().map(part))
        .chain(std::iter::repeat_n(0.0, 12))
        .collect();
    for (k, degrees) in way.into_iter().enumerate() {
        turned(&frame, middle, unit, degrees, moves).save(folder.join(format!("{k:03}.png"))).unwrap();
    }
}

/// What `agegate replay` says of it, `times` in a row.
fn replayed(to: f32, moves: Moves, times: usize) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("frames")).unwrap();
    recording(&folder.path().join("frames"), to, moves);
    std::fs::write(folder.path().join("a.toml"), POLICY).unwrap();
    let mut arguments = vec!["replay", "--config", "a.toml", "--rate", "10", "--frames"];
    arguments.extend(std::iter::repeat_n("frames", times));
    let run = common::agegate(folder.path(), &arguments);
    let out = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{out}{}", String::from_utf8_lossy(&run.stderr));
    out
}

#[test]
fn an_adult_who_turns_the_head_as_asked_gets_in() {
    let out = replayed(32.0, head, 1);
    assert!(out.contains("Turn(Turn(Left))"), "was not asked: {out}");
    assert!(out.contains("Allow (old-enough)"), "{out}");
}

#[test]
fn an_adults_picture_that_is_turned_does_not_get_in() {
    for degrees in [25.0, 45.0] {
        let out = replayed(degrees, picture, 2);
        assert!(out.contains("Turn(Turn(Left))") && !out.contains("Allow"), "{degrees}: {out}");
    }
}

#[test]
fn an_adult_who_turns_to_the_other_side_does_not_get_in() {
    let out = replayed(-32.0, head, 2);
    assert!(out.contains("Refer (turn-failed)") && !out.contains("Allow"), "{out}");
}

#[test]
fn an_adults_picture_that_is_held_still_does_not_get_in() {
    let out = replayed(0.0, picture, 3);
    assert!(out.contains("Refer (turn-failed)") && !out.contains("Allow"), "{out}");
}
