//! A camera of one's own: here one that shows the same picture again and again, ten times a second, through the thread that
//! the gate uses. `cargo run --release --example own_camera -- PICTURE`

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use agegate::{
    camera::{
        Camera, CameraError,
        capture::{Capture, Captured},
    },
    clock::monotonic_now,
    frame::Frame,
    picture,
    vision::Detector,
};

struct StillCamera {
    pixels: image::RgbImage,
    sequence: u64,
}

impl Camera for StillCamera {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        std::thread::sleep(Duration::from_millis(100));
        self.sequence += 1;
        // The time of the capture, by the monotonic clock: latency and the age of a decision count from it.
        Ok(Frame { pixels: self.pixels.clone().into(), captured: monotonic_now(), sequence: self.sequence })
    }

    fn describe(&self) -> String {
        "the same picture again and again".into()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: own_camera PICTURE")?;
    let pixels = picture::open(path.as_ref())?;
    let open = move || Ok(Box::new(StillCamera { pixels: pixels.clone(), sequence: 0 }) as Box<dyn Camera>);
    let capture = Capture::start(Box::new(open), false, true)?;
    let detector = Detector::embedded()?;
    for _ in 0..3 {
        let Captured::Frame(frame) = capture.take(Duration::from_secs(2)) else { return Err("no frame came".into()) };
        println!("frame {}: {} faces", frame.sequence, detector.detect(&frame.pixels)?.len());
    }
    Ok(())
}
