//! Any file is a clip whose pictures come in order and end, or an error.
#![no_main]

use std::path::PathBuf;

use agegate::camera::{
    Camera, Retry,
    replay::{Pace, ReplayCamera},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let y4m = bytes.starts_with(b"YUV4MPEG2");
    let path = PathBuf::from(format!("/dev/shm/agegate-fuzz-{}.{}", std::process::id(), if y4m { "y4m" } else { "mjpeg" }));
    std::fs::write(&path, bytes).expect("written");
    let Ok(mut camera) = ReplayCamera::open(&[path], 10.0, Pace::AtOnce) else { return };
    // More pictures than bytes there cannot be.
    for _ in 0..=bytes.len() {
        match camera.next_frame() {
            Ok(_) => {}
            Err(error) if error.retry() == Retry::NextFrame => {}
            Err(_) => return,
        }
    }
    panic!("a clip without an end");
});
