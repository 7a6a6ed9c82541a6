//! A face before a bright window is exposed for the face: what the judge measures goes back to the camera, and the visitor who
//! could not be judged can be. The camera is simulated; its brightness follows its exposure, as a sensor's does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use agegate::{
    camera::{
        Camera, CameraError,
        exposure::{Dial, FaceExposure, Light},
    },
    config::{Config, ExposureBy},
    frame::Frame,
    judge::Judge,
    quality::Flaw,
    visit::Guidance,
};
use common::close_view;
use image::RgbImage;

struct Webcam {
    scene: RgbImage,
    control: FaceExposure,
    sequence: u64,
}

/// The exposure with which the scene is seen as it was taken.
const RIGHT: i64 = 200;

impl Webcam {
    fn at(exposure: i64) -> Self {
        let dial = Dial { value: exposure, least: 3, most: 330, step: 1 };
        Self { scene: close_view("adult"), control: FaceExposure::new(dial, None), sequence: 0 }
    }
}

impl Camera for Webcam {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let factor = self.control.settings().exposure as f32 / RIGHT as f32;
        let mut pixels = self.scene.clone();
        pixels.iter_mut().for_each(|v| *v = (f32::from(*v) * factor).min(255.0) as u8);
        self.sequence += 1;
        Ok(Frame {
            pixels: pixels.into(),
            captured: Duration::from_millis(self.sequence * 100),
            sequence: self.sequence,
        })
    }
    fn meter(&mut self, light: Light) {
        self.control.look(light);
    }
    fn describe(&self) -> String {
        "simulated webcam".into()
    }
}

fn judge() -> Judge {
    let mut config = Config::default();
    config.camera.exposure = ExposureBy::Face;
    Judge::new(&config).unwrap()
}

#[test]
fn a_face_too_dark_to_be_judged_becomes_bright_enough_for_it() {
    let mut camera = Webcam::at(30);
    let mut judge = judge();
    let first = judge.frame(&camera.next_frame().unwrap()).unwrap();
    assert!(
        matches!(first.step.guidance, Guidance::Improve(Flaw::TooDark) | Guidance::Idle),
        "at first nobody could be judged: {:?}",
        first.step.guidance
    );
    let mut decided = None;
    for _ in 0..80 {
        let judged = judge.frame(&camera.next_frame().unwrap()).unwrap();
        camera.meter(judged.light.unwrap());
        decided = decided.or(judged.step.decision);
    }
    let light = judge.frame(&camera.next_frame().unwrap()).unwrap().light.unwrap();
    assert!((85.0..=155.0).contains(&light.0), "{light:?} at {:?}", camera.control.settings());
    assert!(decided.is_some_and(|d| d.frames > 0), "the visitor was judged");
}

#[test]
fn without_metering_nothing_changes() {
    let mut camera = Webcam::at(30);
    let mut judge = judge();
    for _ in 0..20 {
        judge.frame(&camera.next_frame().unwrap()).unwrap();
    }
    assert_eq!(camera.control.settings().exposure, 30);
}
