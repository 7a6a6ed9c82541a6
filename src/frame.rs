//! A frame: one camera picture with the monotonic time of its capture.

use std::time::Duration;

use image::RgbImage;

/// One camera picture.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The pixels, RGB.
    pub pixels: RgbImage,
    /// Monotonic time of the capture since an arbitrary start that is the same for all frames of a camera.
    pub captured: Duration,
    /// Number of the frame; grows with every frame, and faster than by one where frames were dropped.
    pub sequence: u64,
}
