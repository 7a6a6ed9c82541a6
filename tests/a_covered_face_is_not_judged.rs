//! Whoever hides mouth or eyes is asked to show the face, and is not let in for an age read from half of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use agegate::{
    config::{Config, RelayDriver},
    display::Screen,
    frame::Frame,
    judge::Judge,
    policy::Outcome,
    quality::Flaw,
    vision::{Detector, Face},
};
use image::{Rgb, RgbImage};

/// The shipped adult, near, and where the face is.
fn adult() -> (RgbImage, Face) {
    let picture = common::close_view("adult");
    let faces = Detector::embedded().unwrap().detect(&picture).unwrap();
    (picture, faces[0])
}

/// A light blue mask from below the eyes to the chin.
fn with_a_mask((mut picture, face): (RgbImage, Face)) -> RgbImage {
    let [left, right, nose, ..] = face.landmarks;
    let eyes = right.x - left.x;
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (x, y) = (x as f32, y as f32);
        let wide = (x - (left.x + right.x) / 2.0).abs() < eyes * 0.95;
        if wide && y > nose.y - 0.1 * eyes && y < face.bounds.y1 + 0.15 * eyes {
            let fold = 12.0 * (y * 0.3).sin();
            *pixel = Rgb([(150.0 + fold) as u8, (190.0 + fold) as u8, (215.0 + fold) as u8]);
        }
    }
    picture
}

/// Dark lenses before both eyes.
fn with_sunglasses((mut picture, face): (RgbImage, Face)) -> RgbImage {
    let [left, right, ..] = face.landmarks;
    let eyes = right.x - left.x;
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let inside = |eye: agegate::vision::Point| {
            let (dx, dy) = ((x as f32 - eye.x) / (0.36 * eyes), (y as f32 - eye.y - 0.02 * eyes) / (0.24 * eyes));
            dx.powi(2) + dy.powi(2) < 1.0
        };
        if inside(left) || inside(right) {
            *pixel = Rgb(pixel.0.map(|value| value / 8 + 12));
        }
    }
    picture
}

/// What is wrong with each of twenty views of a picture, the decisions, and the last screen.
fn judged(picture: &RgbImage) -> (Vec<Option<Flaw>>, Vec<Outcome>, Screen) {
    let mut config = Config::default();
    config.relay.driver = RelayDriver::Simulated;
    let mut judge = Judge::new(&config).unwrap();
    let (mut flaws, mut decisions, mut screen) = (Vec::new(), Vec::new(), Screen::Idle);
    for sequence in 1..=20 {
        let frame = Frame { pixels: picture.clone().into(), captured: Duration::from_millis(100 * sequence), sequence };
        let judged = judge.frame(&frame).unwrap();
        flaws.push(judged.view.and_then(Result::err));
        decisions.extend(judged.step.decision.map(|d| d.outcome));
        screen = Screen::of(judged.step.guidance);
    }
    (flaws, decisions, screen)
}

#[test]
fn the_face_as_it_is_is_judged() {
    let (flaws, decisions, _) = judged(&adult().0);
    assert!(flaws.iter().all(|flaw| *flaw != Some(Flaw::Covered)), "{flaws:?}");
    assert_eq!(decisions, [Outcome::Allow]);
}

#[test]
fn a_mask_or_sunglasses_are_asked_to_be_taken_off_and_nobody_is_let_in() {
    for (what, picture) in [("mask", with_a_mask(adult())), ("sunglasses", with_sunglasses(adult()))] {
        let (flaws, decisions, screen) = judged(&picture);
        assert!(flaws.iter().all(Option::is_some), "{what}: a view counted, {flaws:?}");
        assert!(flaws.contains(&Some(Flaw::Covered)), "{what}: {flaws:?}");
        assert!(!decisions.contains(&Outcome::Allow), "{what}");
        assert_eq!(screen, Screen::ShowFace, "{what}");
    }
}
