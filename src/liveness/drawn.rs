//! Faces for tests: five points in space, turned and seen by a camera.

use std::time::Duration;

use crate::vision::Point;

/// Eye distances: x to the right of the picture, y down, z away from the camera.
pub const FACE: [[f32; 3]; 5] =
    [[-0.5, -0.5, 0.0], [0.5, -0.5, 0.0], [0.0, 0.1, -0.5], [-0.38, 0.6, 0.0], [0.38, 0.6, 0.0]];

/// A face of this depth (1 a head, 0 a picture), turned by `degrees` to the visitor's left.
pub fn seen(depth: f32, degrees: f32) -> [Point; 5] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    FACE.map(|[x, y, z]| {
        let far = 8.0 + x * sin + z * depth * cos;
        Point::new(300.0 + 600.0 * (x * cos - z * depth * sin) / far, 200.0 + 600.0 * y / far)
    })
}

/// There and back in two seconds, ten frames a second.
pub fn way(to: f32) -> Vec<f32> {
    let part = |k: i32| to * (0.5 - 0.5 * (std::f32::consts::PI * k as f32 / 6.0).cos());
    (0..=6).map(part).chain([to, to]).chain((0..=6).rev().map(part)).chain([0.0, 0.0]).collect()
}

/// Milliseconds.
pub fn ms(at: u64) -> Duration {
    Duration::from_millis(at)
}
