//! Time of each stage of a frame, one thread: `cargo bench --bench stages`.

use std::hint::black_box;

use agegate::{
    camera::pixel::{Colour, PixelFormat, to_rgb},
    frame::Pixels,
    view::{Area, View},
    vision::{AgeModel, BoundingBox, Chip, Detector, LivenessModel, Point, Runtime, align::TEMPLATE},
};
use criterion::{Criterion, criterion_group, criterion_main};
use image::RgbImage;

fn stages(c: &mut Criterion) {
    let yuyv: Vec<u8> = (0..640 * 480 * 2).map(|i: usize| (i * 7 + i / 640 * 13) as u8).collect();
    let picture = RgbImage::from_fn(640, 480, |x, y| image::Rgb([(x * 3 + y) as u8, (y * 2) as u8, (x ^ y) as u8]));
    let detector = Detector::embedded().expect("the embedded detector loads");
    let age = AgeModel::embedded().expect("the embedded age model loads");
    let liveness = LivenessModel::embedded().expect("the embedded liveness model loads");
    let bounds = BoundingBox { x0: 220.0, y0: 120.0, x1: 380.0, y1: 320.0 };
    let landmarks = TEMPLATE.map(|p| Point::new(220.0 + 200.0 * p.x, 120.0 + 200.0 * p.y));
    let chip = Chip::align(&picture, &landmarks, age.chip_side()).expect("five points make a chip");

    c.bench_function("colour 640x480 YUYV to RGB", |b| {
        b.iter(|| to_rgb(PixelFormat::Yuyv, Colour::default(), black_box(&yuyv), (640, 480), 0));
    });
    let kept =
        Pixels::of(PixelFormat::Yuyv, Colour::default(), &yuyv, (640, 480), 0).expect("a frame of the right size");
    c.bench_function("half of 640x480 YUYV", |b| b.iter(|| black_box(&kept).halved(Area::whole((640, 480)))));
    c.bench_function("detect around a face", |b| b.iter(|| detector.detect_around(black_box(&kept), &bounds, 0.6)));
    c.bench_function("detect 640x480", |b| b.iter(|| detector.detect(black_box(&picture))));
    c.bench_function("align", |b| b.iter(|| Chip::align(black_box(&picture), &landmarks, age.chip_side())));
    // The models alone, at their input sizes: what `scripts/compare_runtimes.py` holds against ONNX Runtime, and against the same
    // files in float.
    let small = image::imageops::thumbnail(&picture, 320, 240);
    c.bench_function("model detector", |b| b.iter(|| detector.detect_above(black_box(&small), 0.99)));
    c.bench_function("model age", |b| b.iter(|| age.read(black_box(&chip))));
    // Of a picture no larger than what it sees, the cutting costs next to nothing.
    let (side, whole) = (96, BoundingBox { x0: 30.0, y0: 30.0, x1: 66.0, y1: 66.0 });
    let tiny = image::imageops::thumbnail(&picture, side, side);
    c.bench_function("model liveness", |b| b.iter(|| liveness.read(black_box(&tiny), &whole)));
    c.bench_function("liveness", |b| b.iter(|| liveness.read(black_box(&picture), &bounds)));
    let float = Detector::load_for(None, Runtime::Float).expect("the embedded detector loads");
    c.bench_function("model detector float", |b| b.iter(|| float.detect_above(black_box(&small), 0.99)));
    let float = AgeModel::load_for(None, Runtime::Float).expect("the embedded age model loads");
    c.bench_function("model age float", |b| b.iter(|| float.read(black_box(&chip))));
    let float = LivenessModel::load_for(None, Runtime::Float).expect("the embedded liveness model loads");
    c.bench_function("model liveness float", |b| b.iter(|| float.read(black_box(&tiny), &whole)));
    c.bench_function("age", |b| b.iter(|| age.read(black_box(&chip))));
}

criterion_group!(benches, stages);
criterion_main!(benches);
