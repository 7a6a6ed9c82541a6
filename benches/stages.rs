//! Time of each stage of a frame, one thread: `cargo bench --bench stages`.

use std::hint::black_box;

use agegate::{
    camera::pixel::{PixelFormat, to_rgb},
    vision::{AgeModel, Chip, Detector, Point, align::TEMPLATE},
};
use criterion::{Criterion, criterion_group, criterion_main};
use image::RgbImage;

fn stages(c: &mut Criterion) {
    let yuyv: Vec<u8> = (0..640 * 480 * 2).map(|i: usize| (i * 7 + i / 640 * 13) as u8).collect();
    let picture = RgbImage::from_fn(640, 480, |x, y| image::Rgb([(x * 3 + y) as u8, (y * 2) as u8, (x ^ y) as u8]));
    let detector = Detector::embedded().expect("the embedded detector loads");
    let age = AgeModel::embedded().expect("the embedded age model loads");
    let landmarks = TEMPLATE.map(|p| Point::new(220.0 + 200.0 * p.x, 120.0 + 200.0 * p.y));
    let chip = Chip::align(&picture, &landmarks, age.chip_side()).expect("five points make a chip");

    c.bench_function("colour 640x480 YUYV to RGB", |b| {
        b.iter(|| to_rgb(PixelFormat::Yuyv, black_box(&yuyv), 640, 480, 0));
    });
    c.bench_function("detect 640x480", |b| b.iter(|| detector.detect(black_box(&picture))));
    c.bench_function("align", |b| b.iter(|| Chip::align(black_box(&picture), &landmarks, age.chip_side())));
    c.bench_function("age", |b| b.iter(|| age.read(black_box(&chip))));
}

criterion_group!(benches, stages);
criterion_main!(benches);
