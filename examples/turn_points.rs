//! The five points that the turn of the head goes by, for pictures: what `models/train/turn_noise.py` measures the noise of.
//!
//! ```text
//! cargo run --release --example turn_points -- FOLDER > points.json
//! ```
//!
//! Prints one JSON object: for each picture of the folder the points of its nearest face in pixels, or `null`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::{collections::BTreeMap, error::Error, path::Path};

use agegate::{
    picture,
    vision::{Detector, TurnPoints, nearest},
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder? cargo run --release --example turn_points -- FOLDER")?;
    let (detector, points) = (Detector::embedded()?, TurnPoints::embedded()?);
    let mut found = BTreeMap::new();
    for path in picture::in_folder(Path::new(&folder))? {
        let picture = picture::open(&path)?;
        let faces = detector.detect(&picture)?;
        let five = match nearest(&faces) {
            None => None,
            Some(face) => points.find(&picture, &face.landmarks)?,
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.insert(name, five.map(|five| five.map(|p| [p.x, p.y])));
    }
    println!("{}", serde_json::to_string(&found)?);
    Ok(())
}
