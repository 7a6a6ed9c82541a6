//! A frame is kept as the camera sends it, and only what is looked at becomes RGB. The decisions are those of RGB.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use agegate::{
    camera::pixel::{Colour, PixelFormat, to_rgb},
    config::{Config, LivenessMode, RelayDriver},
    frame::{Frame, Pixels},
    judge::Judge,
    policy::{Outcome, Reason},
};
use common::visitor;
use image::RgbImage;

/// A picture as a camera sends it: BT.601, limited range.
fn sent(format: PixelFormat, picture: &RgbImage) -> Vec<u8> {
    let (width, height) = picture.dimensions();
    let values = |x: u32, y: u32| {
        let [r, g, b] = picture.get_pixel(x, y).0.map(f32::from);
        let luma = 0.299 * r + 0.587 * g + 0.114 * b;
        [
            16.0 + luma * 219.0 / 255.0,
            128.0 + (b - luma) * 0.564 * 224.0 / 255.0,
            128.0 + (r - luma) * 0.713 * 224.0 / 255.0,
        ]
    };
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    let chroma = |x: u32, y: u32, down: u32, which: usize| {
        let places = (0..down).flat_map(|dy| (0..2).map(move |dx| (x + dx, y + dy)));
        byte(places.map(|(x, y)| values(x, y)[which]).sum::<f32>() / (2 * down) as f32)
    };
    let mut bytes = Vec::new();
    if format == PixelFormat::Yuyv {
        for y in 0..height {
            for x in (0..width).step_by(2) {
                let (u, v) = (chroma(x, y, 1, 1), chroma(x, y, 1, 2));
                bytes.extend([byte(values(x, y)[0]), u, byte(values(x + 1, y)[0]), v]);
            }
        }
        return bytes;
    }
    for y in 0..height {
        bytes.extend((0..width).map(|x| byte(values(x, y)[0])));
    }
    let quarter = || (0..height).step_by(2).flat_map(|y| (0..width).step_by(2).map(move |x| (x, y)));
    match format {
        PixelFormat::Nv12 => quarter().for_each(|(x, y)| bytes.extend([chroma(x, y, 2, 1), chroma(x, y, 2, 2)])),
        _ => [1, 2].iter().for_each(|which| bytes.extend(quarter().map(|(x, y)| chroma(x, y, 2, *which)))),
    }
    bytes
}

fn decisions(frames: &[Pixels]) -> (Vec<(Outcome, Reason)>, Vec<usize>) {
    let mut config = Config::default();
    config.relay.driver = RelayDriver::Simulated;
    // Conversions differ by a rounding, and a drawn face looks barely living: what is compared here is the eyes for age.
    config.liveness.mode = LivenessMode::Off;
    let mut judge = Judge::new(&config).unwrap();
    let (mut decisions, mut faces) = (Vec::new(), Vec::new());
    for (pixels, sequence) in frames.iter().zip(1..) {
        let frame = Frame { pixels: pixels.clone(), captured: Duration::from_millis(100 * sequence), sequence };
        let judged = judge.frame(&frame).unwrap();
        faces.push(judged.faces);
        decisions.extend(judged.step.decision.map(|d| (d.outcome, d.reason)));
    }
    (decisions, faces)
}

#[test]
fn the_decisions_of_a_frame_kept_as_it_came_are_those_of_its_rgb() {
    for format in [PixelFormat::Yuyv, PixelFormat::Nv12, PixelFormat::Yu12] {
        for (name, wanted) in [("adult", Outcome::Allow), ("teenager", Outcome::Refer), ("nobody", Outcome::NoDecision)]
        {
            let frames: Vec<Vec<u8>> = visitor(name).iter().map(|picture| sent(format, picture)).collect();
            let colour = Colour::default();
            let kept: Vec<Pixels> =
                frames.iter().map(|bytes| Pixels::of(format, colour, bytes, (640, 480), 0).unwrap()).collect();
            let rgb: Vec<Pixels> =
                frames.iter().map(|bytes| to_rgb(format, colour, bytes, (640, 480), 0).unwrap().into()).collect();
            let (found, expected) = (decisions(&kept), decisions(&rgb));
            assert_eq!(found, expected, "{name} in {format:?}");
            let outcome = found.0.first().map_or(Outcome::NoDecision, |(outcome, _)| *outcome);
            assert_eq!(outcome, wanted, "{name} in {format:?}");
        }
    }
}
