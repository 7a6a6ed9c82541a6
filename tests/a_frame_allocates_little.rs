//! After the first frames, judging one allocates a bounded handful of times: a gate that runs for months must not fragment its memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]
#![allow(clippy::print_stdout, reason = "a script reads the figures")]

mod common;

use std::time::Duration;

use agegate::{config::Config, frame::Frame, judge::Judge, vision::Runtime};
use allocation_counter::measure;
use image::RgbImage;

/// The most allocations of a frame among the later half of `frames` frames of one picture.
fn most(config: &Config, picture: &RgbImage, frames: u64) -> u64 {
    let mut judge = Judge::new(config).unwrap();
    let mut most = 0;
    for sequence in 1..=frames {
        let frame = Frame { pixels: picture.clone().into(), captured: Duration::from_millis(100 * sequence), sequence };
        let counted = measure(|| {
            judge.frame(&frame).unwrap();
        });
        if sequence > frames / 2 {
            most = most.max(counted.count_total);
        }
    }
    most
}

#[test]
fn an_empty_room_and_a_face_take_at_most_fifty_allocations() {
    let mut config = Config::default();
    config.relay.driver = agegate::config::RelayDriver::Simulated;
    // The visit goes on: every frame with the face is read.
    config.visit.good_frames = 40;
    config.visit.most_frames = 50;
    config.visit.decide_seconds = 100.0;
    config.models.runtime = Runtime::Auto;
    config.camera.skip_unchanged = false;
    let (room, face) = (&common::visitor("nobody")[0], &common::close_view("adult"));
    let (empty, seen) = (most(&config, room, 20), most(&config, face, 20));
    // `scripts/measure_gate.py` reads this.
    println!("allocations: empty {empty}, face {seen}");
    // tract's float plan allocates for itself; where the processor runs in integers, the promise holds.
    if agegate::vision::Detector::embedded().unwrap().runs().starts_with("integers") {
        assert!(empty <= 50, "{empty} allocations for an empty room");
        assert!(seen <= 50, "{seen} allocations for a face");
    }
    config.camera.skip_unchanged = true;
    assert!(most(&config, room, 8) <= 3, "a picture that is not searched");
}
