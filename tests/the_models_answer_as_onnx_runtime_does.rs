//! The shipped files against ONNX Runtime, of which `models/train/golden.py` wrote what it says: run in float by tract to the last
//! digits, and as they run here, in integers where the processor can, to what rounding every activation to a byte costs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use agegate::{
    picture,
    policy::Policy,
    vision::{AgeModel, Chip, Detector, LivenessModel, Runtime, nearest},
};
use serde_json::Value;

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn golden() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("golden.json")).unwrap()).unwrap()
}

/// How far an answer may be from ONNX Runtime's: a probability, years, and pixels of the frame.
struct Bounds {
    probability: f32,
    years: f32,
    pixels: f32,
}

const RUNTIMES: [(Runtime, Bounds); 2] = [
    (Runtime::Float, Bounds { probability: 1e-3, years: 0.05, pixels: 0.05 }),
    (Runtime::Auto, Bounds { probability: 0.02, years: 0.5, pixels: 2.0 }),
];

#[test]
fn the_age_distribution() {
    for (runtime, bounds) in RUNTIMES {
        let (golden, model) = (golden(), AgeModel::load_for(None, runtime).unwrap());
        let chip = Chip::from_aligned(&picture::open(&folder().join("chip.png")).unwrap(), model.chip_side());
        let reading = model.read(&chip).unwrap();
        let wanted: Vec<f32> =
            golden["age_distribution"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        let worst = reading.age.probabilities().iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < bounds.probability, "{worst}, {}", model.runs());
        let years = golden["age_years"].as_f64().unwrap() as f32;
        assert!(
            (reading.age.years() - years).abs() < bounds.years,
            "{} for {years}, {}",
            reading.age.years(),
            model.runs()
        );
        assert!((f64::from(reading.female) - golden["female"].as_f64().unwrap()).abs() < 0.02);
        for (found, wanted) in
            [reading.covered.mouth, reading.covered.eyes].iter().zip(golden["covered"].as_array().unwrap())
        {
            assert!((f64::from(*found) - wanted.as_f64().unwrap()).abs() < 0.02);
        }
        assert!(!reading.covered.is_covered());
    }
}

#[test]
fn the_faces() {
    for (runtime, bounds) in RUNTIMES {
        let (golden, detector) = (golden(), Detector::load_for(None, runtime).unwrap());
        let faces = detector.detect(&picture::open(&folder().join("frame.png")).unwrap()).unwrap();
        let wanted = golden["faces"].as_array().unwrap();
        assert_eq!(faces.len(), wanted.len());
        for (face, want) in faces.iter().zip(wanted) {
            let near = |found: f32, want: &Value| (found - want.as_f64().unwrap() as f32).abs() < bounds.pixels;
            assert!((face.score - want["score"].as_f64().unwrap() as f32).abs() < bounds.probability);
            let b = face.bounds;
            for (k, found) in [b.x0, b.y0, b.x1, b.y1].into_iter().enumerate() {
                assert!(near(found, &want["box"][k]), "{found}, expected {}, {}", want["box"][k], detector.runs());
            }
            for (k, p) in face.landmarks.iter().enumerate() {
                assert!(
                    near(p.x, &want["landmarks"][k][0]) && near(p.y, &want["landmarks"][k][1]),
                    "{p:?}, {}",
                    detector.runs()
                );
            }
        }
    }
}

#[test]
fn the_liveness_score_of_the_face_with_its_surroundings() {
    let (golden, model) = (golden(), LivenessModel::embedded().unwrap());
    let detector = Detector::load_for(None, Runtime::Float).unwrap();
    let frame = picture::open(&folder().join("frame.png")).unwrap();
    let faces = detector.detect(&frame).unwrap();
    let score = f64::from(model.read(&frame, &nearest(&faces).unwrap().bounds).unwrap().logit());
    let wanted = golden["liveness"].as_f64().unwrap();
    // The crops are rounded to whole values on both sides, by one step in some pixels.
    assert!((score - wanted).abs() < 0.1 + 0.02 * wanted.abs(), "{score}, expected {wanted}");
}

#[test]
fn the_shipped_policy_was_made_for_the_shipped_model() {
    let policy = Policy::shipped();
    assert_eq!(policy.model.as_deref(), Some(AgeModel::embedded().unwrap().identity().to_string().as_str()));
    assert!(policy.evidence.is_some(), "with its figures");
    if let Some(liveness) = policy.liveness {
        let model = LivenessModel::embedded().unwrap().identity().to_string();
        assert_eq!(liveness.model, Some(model));
        assert!(liveness.evidence.is_some(), "with its figures");
    }
}

#[test]
fn the_files_stay_small() {
    let size = |name: &str| std::fs::metadata(folder().join("../../models").join(name)).unwrap().len();
    let both = size("age-estimator.onnx") + size("face-detector.onnx");
    assert!(both < 4_000_000, "{both} bytes");
    assert!(size("liveness.onnx") < 700_000, "{} bytes", size("liveness.onnx"));
}
