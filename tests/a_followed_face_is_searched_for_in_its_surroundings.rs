//! While one face is followed and nobody else is there, most pictures are searched around it alone. No decision differs for that,
//! and whoever comes along is seen in the same picture.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{path::Path, time::Duration};

use agegate::{
    config::{Config, LivenessMode, RelayDriver},
    frame::Frame,
    judge::{Judge, Searched},
    policy::{Outcome, Reason},
    vision::{Detector, nearest},
};
use common::{agegate, clip, close_view, repository, text, visitor};
use image::{RgbImage, imageops};

/// Frames and decisions of a recording: the lines of `replay --frames` without what only tells how much was looked at, and without
/// the places behind the point of what a net estimates.
fn replayed(less: bool, mode: &str, rate: &str, recording: &Path) -> (Vec<String>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let config =
        format!("[camera]\nskip_unchanged = {less}\n[relay]\ndriver = \"simulated\"\n[liveness]\nmode = \"{mode}\"\n");
    std::fs::write(folder.path().join("gate.toml"), config).unwrap();
    let recording = recording.to_str().unwrap();
    let output = agegate(folder.path(), &["replay", "--config", "gate.toml", "--frames", "--rate", rate, recording]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let around = printed.lines().filter(|line| line.contains("followed, ")).count();
    let estimates = ["mean", "years", "P(>=21)", "P(living)", "confidence", "living"];
    let lines = printed.lines().filter(|line| !line.contains("no faces") && !line.contains(": 0 faces"));
    let told = lines.map(|line| {
        let mut words: Vec<&str> = line.split(' ').filter(|word| *word != "followed,").collect();
        for k in 1..words.len() {
            if estimates.contains(&words[k - 1]) {
                words[k] = "...";
            }
        }
        words.join(" ")
    });
    (told.collect(), around)
}

#[test]
fn every_face_and_every_decision_of_the_recordings_is_the_same() {
    let recordings = [clip(), repository().join("demo/phone.mjpeg")];
    for rate in ["5", "10", "30"] {
        let mut saved = 0;
        for recording in &recordings {
            let ((less, around), (all, none)) =
                (replayed(true, "off", rate, recording), replayed(false, "off", rate, recording));
            assert_eq!(less, all, "{} at {rate} frames a second", recording.display());
            assert!(all.iter().any(|line| line.contains("good frames, try")), "no decision: {all:?}");
            assert_eq!(none, 0);
            saved += around;
        }
        // Whoever moves about with a phone is searched for in most pictures as a whole; the others make up for it.
        if runs_in_integers() {
            assert!(saved > 2 * 3, "{saved} frames searched around a face at {rate} frames a second");
        }
    }
}

/// The drawn visitors look barely living, and a pixel decides in which frame they look it: what must be the same is what came of it.
#[test]
fn every_decision_of_the_recordings_is_the_same_where_a_living_face_is_asked_for() {
    let outcomes = |lines: Vec<String>| -> Vec<String> {
        let decided = lines.iter().filter(|line| line.contains("good frames, try"));
        decided.map(|line| line.split([':', ',']).nth(1).unwrap_or_default().trim().to_owned()).collect()
    };
    for (recording, some) in [(clip(), "Allow"), (repository().join("demo/phone.mjpeg"), "Refer (not-live)")] {
        let ((less, _), (all, _)) =
            (replayed(true, "passive", "10", &recording), replayed(false, "passive", "10", &recording));
        let (less, all) = (outcomes(less), outcomes(all));
        assert_eq!(less, all, "{}", recording.display());
        assert!(all.iter().any(|outcome| outcome.starts_with(some)), "{all:?}");
    }
}

fn runs_in_integers() -> bool {
    Detector::embedded().unwrap().runs().starts_with("integers")
}

fn judge(less: bool) -> Judge {
    let mut config = Config::default();
    config.camera.skip_unchanged = less;
    config.relay.driver = RelayDriver::Simulated;
    config.liveness.mode = LivenessMode::Off;
    Judge::new(&config).unwrap()
}

/// How much of a picture was searched, and how many faces were found.
type Seen = (Searched, usize);

/// What was seen in each picture, and the decisions.
fn judged(pictures: &[RgbImage]) -> (Vec<Seen>, Vec<(Outcome, Reason)>) {
    judged_by(judge(true), pictures)
}

fn judged_by(mut judge: Judge, pictures: &[RgbImage]) -> (Vec<Seen>, Vec<(Outcome, Reason)>) {
    let (mut seen, mut decisions) = (Vec::new(), Vec::new());
    for (picture, sequence) in pictures.iter().zip(1..) {
        let frame = Frame { pixels: picture.clone().into(), captured: Duration::from_millis(100 * sequence), sequence };
        let judged = judge.frame(&frame).unwrap();
        seen.push((judged.searched, judged.faces));
        decisions.extend(judged.step.decision.map(|d| (d.outcome, d.reason)));
    }
    (seen, decisions)
}

/// The picture with the face of another visitor in its lower left corner.
fn with_another(picture: &RgbImage, name: &str) -> RgbImage {
    with_another_at(picture, name, (4, 200))
}

fn with_another_at(picture: &RgbImage, name: &str, (left, top): (i64, i64)) -> RgbImage {
    let other = close_view(name);
    let detector = Detector::embedded().unwrap();
    let face = nearest(&detector.detect(&other).unwrap()).unwrap().bounds;
    let side = (face.height() * 1.5) as u32;
    let (x, y) =
        ((face.centre().x - side as f32 / 2.0).max(0.0) as u32, (face.centre().y - side as f32 / 2.0).max(0.0) as u32);
    let cut = imageops::crop_imm(&other, x, y, side, side).to_image();
    let small = imageops::resize(&cut, 120, 120, imageops::FilterType::Triangle);
    let mut both = picture.clone();
    imageops::replace(&mut both, &small, left, top);
    both
}

#[test]
fn whoever_stays_alone_is_searched_for_around_their_face_in_most_pictures() {
    let (seen, _) = judged(&vec![visitor("adult")[3].clone(); 60]);
    let around = seen.iter().filter(|(searched, _)| *searched == Searched::Around).count();
    assert!(seen[5..].iter().all(|(_, faces)| *faces == 1), "{seen:?}");
    if runs_in_integers() {
        assert!(around >= 30, "{around} of 60: {seen:?}");
        // Never more than two in a row at ten pictures a second.
        assert!(seen.windows(3).all(|three| three.iter().any(|(s, _)| *s == Searched::Everything)), "{seen:?}");
    }
}

/// From the decision on, while it is told, the face is still followed; who joins then is seen at once, too.
#[test]
fn whoever_comes_along_is_seen_in_the_first_picture() {
    let alone = visitor("adult")[3].clone();
    let joined = with_another(&alone, "child");
    for first in 20..26 {
        let mut pictures = vec![alone.clone(); first];
        pictures.extend(vec![joined.clone(); 3]);
        let (seen, _) = judged(&pictures);
        assert_eq!(seen[first], (Searched::Everything, 2), "joined in picture {first}: {seen:?}");
        assert!(seen[first + 1..].iter().all(|s| *s == (Searched::Everything, 2)), "{seen:?}");
    }
}

#[test]
fn a_child_who_joins_before_the_decision_turns_it() {
    let alone = visitor("adult")[3].clone();
    let joined = with_another(&alone, "child");
    for first in 0..4 {
        let mut pictures = vec![alone.clone(); first];
        pictures.extend(vec![joined.clone(); 30]);
        let (_, decisions) = judged(&pictures);
        assert_eq!(decisions, [(Outcome::Refer, Reason::YoungerFaceNear)], "joined in picture {first}");
    }
}

/// Beside the shoulder, where the visitor's own body might have been what changed.
#[test]
fn a_child_who_is_beside_the_visitor_for_a_moment_counts_as_if_every_picture_were_searched() {
    let alone = visitor("adult")[3].clone();
    let child = with_another_at(&alone, "child", (390, 200));
    let mut referred = 0;
    for first in 0..6 {
        for moment in 1..3 {
            let mut pictures = vec![alone.clone(); 30];
            pictures[first..first + moment].fill(child.clone());
            let ((_, less), (_, all)) = (judged_by(judge(true), &pictures), judged_by(judge(false), &pictures));
            assert_eq!(less, all, "{moment} pictures from picture {first} on");
            referred += usize::from(all == [(Outcome::Refer, Reason::YoungerFaceNear)]);
        }
    }
    assert!(referred > 3, "the child was seen in {referred} of 12");
}

/// The net sees a face in a part of the picture as it sees it in the whole.
#[test]
fn a_face_in_its_surroundings_is_the_face_in_the_whole_picture() {
    let detector = Detector::embedded().unwrap();
    let (mut compared, mut worst, mut landmarks) = (0, [0.0f32; 3], 0.0);
    for name in ["child", "teenager", "adult", "adult-2", "pensioner"] {
        for picture in visitor(name) {
            let faces = detector.detect(&picture).unwrap();
            let [face] = &faces[..] else { continue };
            let Some((seen, around)) =
                detector.detect_around(&picture, &face.bounds, detector.shipped_score()).unwrap()
            else {
                continue;
            };
            assert!(seen.width() * seen.height() < 0.75 * 640.0 * 480.0);
            let [found] = &around[..] else { panic!("{name}: {around:?} instead of {face:?}") };
            let height = face.bounds.height();
            let points = face.landmarks.iter().zip(&found.landmarks);
            let errors = [
                1.0 - face.bounds.iou(&found.bounds),
                points.map(|(a, b)| a.distance(*b) / height).fold(0.0, f32::max),
                (face.score - found.score).abs(),
            ];
            worst = std::array::from_fn(|k| worst[k].max(errors[k]));
            landmarks += errors[1];
            compared += 1;
        }
    }
    if runs_in_integers() {
        let mean = landmarks / compared as f32;
        assert!(compared > 20, "{compared} faces compared");
        // In shares of the face's height, the worst of five landmarks.
        assert!(worst[0] < 0.03 && worst[1] < 0.01 && worst[2] < 0.01, "box, landmark, score differ by {worst:?}");
        assert!(mean < 0.002, "landmarks differ by {mean} on average");
    }
}
