//! How old does the nearest face of a picture look? `cargo run --release --example estimate_age -- PICTURE`

#![allow(clippy::print_stdout, reason = "an example prints")]

use agegate::{
    picture,
    vision::{AgeModel, Chip, Detector, nearest},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: estimate_age PICTURE")?;
    let (detector, age_model) = (Detector::embedded()?, AgeModel::embedded()?);
    let picture = picture::open(path.as_ref())?;
    let faces = detector.detect(&picture)?;
    let face = nearest(&faces).ok_or("no face in the picture")?;
    let chip = Chip::align(&picture, &face.landmarks, age_model.chip_side()).ok_or("a face that cannot be aligned")?;
    let age = age_model.read(&chip)?.age;
    println!(
        "{} faces; the nearest looks {:.0} years old, P(age >= 18) is {:.2}",
        faces.len(),
        age.years(),
        age.at_least(18)
    );
    Ok(())
}
