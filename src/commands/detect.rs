//! `agegate detect`: faces, scores and landmarks of pictures.

use std::{
    collections::{BTreeMap, HashSet},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use image::{
    Rgb, RgbImage,
    imageops::{self, FilterType},
};
use rayon::prelude::*;
use serde::Serialize;

use super::{Exit, Outcome};
use crate::{
    cli::DetectArgs,
    complain,
    display::canvas::Canvas,
    evaluate::progress_bar,
    made::{self, MadeFolder},
    out, picture,
    policy::{LivenessPolicy, Policy},
    quality::{self, Flaw, QualityLimits},
    say,
    vision::{Detector, Face, LivenessModel, ModelError},
};

/// A face as the JSON has it, in pixels of its picture.
#[derive(Serialize)]
struct FaceJson {
    score: f32,
    #[serde(rename = "box")]
    bounds: [f32; 4],
    landmarks: [[f32; 2]; 5],
    liveness: f32,
    /// Why a gate with the limits as shipped would not judge it as its visitor, by size, place and pose; as a companion it counts all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    flaw: Option<Flaw>,
}

impl From<&Found> for FaceJson {
    fn from(Found { face, living, flaw }: &Found) -> Self {
        let b = face.bounds;
        let (bounds, landmarks) = ([b.x0, b.y0, b.x1, b.y1], face.landmarks.map(|p| [p.x, p.y]));
        Self { score: face.score, bounds, landmarks, liveness: *living, flaw: *flaw }
    }
}

/// A face, P(living) of it, and what is wrong with its size, place or pose.
struct Found {
    face: Face,
    living: f32,
    flaw: Option<Flaw>,
}

/// What looks for faces, and at them.
struct Eyes {
    detector: Detector,
    score: f32,
    liveness: LivenessModel,
    /// What makes a probability of the model's score: the shipped policy's, or the model's own opinion of another model.
    asked: LivenessPolicy,
}

impl Eyes {
    fn load(args: &DetectArgs) -> Result<Self, Box<dyn std::error::Error>> {
        let detector = Detector::load(args.detector.as_deref())?;
        let score = args.score.unwrap_or_else(|| detector.shipped_score());
        if !(0.01..1.0).contains(&score) {
            return Err(format!("--score {score}: expected 0.01 or more, below 1").into());
        }
        let liveness = LivenessModel::load(args.liveness_model.as_deref())?;
        let found = liveness.identity().to_string();
        let shipped = Policy::shipped().liveness.filter(|l| l.foreign_to(&found).is_none());
        let own = LivenessPolicy { confidence: 0.5, temperature: 1.0, offset: 0.0, model: None, evidence: None };
        Ok(Self { detector, score, liveness, asked: shipped.unwrap_or(own) })
    }

    fn look(&self, picture: &RgbImage) -> Result<Vec<Found>, ModelError> {
        let faces = self.detector.detect_above(picture, self.score)?;
        let look = |face: Face| {
            let score = self.liveness.read(picture, &face.bounds)?;
            // Of one score there always is a probability.
            let living = self.asked.probability(&[score]).unwrap_or(0.0);
            let flaw = quality::geometry(&face, picture.dimensions(), &QualityLimits::default()).err();
            Ok(Found { face, living, flaw })
        };
        faces.into_iter().map(look).collect()
    }
}

/// Runs the command.
///
/// # Errors
/// If no picture is found, the model fails or a result cannot be written. Unreadable pictures are listed and make the exit
/// code 1.
pub fn run(args: &DetectArgs) -> Outcome {
    let eyes = Eyes::load(args)?;
    let files = pictures_in(&args.paths)?;
    let annotated = args.annotate.as_deref().map(MadeFolder::open).transpose()?;
    let bar = progress_bar(files.len() as u64, "pictures");
    let names = names_of_their_own(&files);
    let results: Vec<(PathBuf, Result<Vec<Found>, String>)> = files
        .into_par_iter()
        .zip(names)
        .map(|(path, name)| {
            let found = search(&eyes, &path, annotated.as_ref().map(|folder| (folder, name.as_str())));
            bar.inc(1);
            (path, found)
        })
        .collect();
    bar.finish_and_clear();

    let mut json: BTreeMap<String, Vec<FaceJson>> = BTreeMap::new();
    let (mut faces, mut failures) = (0, 0);
    for (path, result) in &results {
        match result {
            Err(reason) => {
                failures += 1;
                complain!("{}", out::one_line(reason));
            }
            Ok(found) => {
                faces += found.len();
                json.insert(name_of(path), found.iter().map(FaceJson::from).collect());
                if args.json.is_none() || results.len() <= 20 {
                    print_faces(path, found);
                }
            }
        }
    }
    say!("{} pictures, {faces} faces, {failures} unreadable", results.len());
    if let Some(path) = &args.json {
        made::write_file(path, &serde_json::to_vec_pretty(&json)?, is_faces)?;
    }
    Ok(if failures == 0 { Exit::Success } else { Exit::Found })
}

/// A path as text, in which two paths never are one: what is no UTF-8 stands in it byte by byte.
fn name_of(path: &Path) -> String {
    let mut name = String::new();
    for part in path.as_os_str().as_bytes().utf8_chunks() {
        name.push_str(part.valid());
        for byte in part.invalid() {
            name += &format!("\\x{byte:02x}");
        }
    }
    name
}

/// Whether a file is an earlier result: pictures, each with a list of faces.
fn is_faces(before: &[u8]) -> bool {
    let faces: Result<BTreeMap<String, Vec<BTreeMap<String, serde_json::Value>>>, _> = serde_json::from_slice(before);
    let always = |key: &&String| !["liveness", "flaw"].contains(&key.as_str());
    let keys = ["box", "landmarks", "score"];
    faces.is_ok_and(|faces| faces.values().flatten().all(|face| face.keys().filter(always).eq(keys)))
}

fn search(eyes: &Eyes, path: &Path, annotated: Option<(&MadeFolder, &str)>) -> Result<Vec<Found>, String> {
    let mut picture = picture::open(path).map_err(|e| e.to_string())?;
    let found = eyes.look(&picture).map_err(|e| format!("{}: {e}", path.display()))?;
    if let Some((folder, name)) = annotated {
        for found in &found {
            draw(&mut picture, &found.face);
            write(&mut picture, &found.face, &format!("living {:.2}", found.living));
        }
        let png = picture::png(&picture).map_err(|e| format!("{}: {e}", path.display()))?;
        folder.write(&format!("{name}.faces.png"), &png).map_err(|e| e.to_string())?;
    }
    Ok(found)
}

/// A name for the result of each picture: its own without the ending, with a number where another picture has it already.
fn names_of_their_own(files: &[PathBuf]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut names = Vec::with_capacity(files.len());
    for path in files {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut name = stem.clone();
        for number in 2.. {
            if taken.insert(name.clone()) {
                break;
            }
            name = format!("{stem}-{number}");
        }
        names.push(name);
    }
    names
}

/// The pictures named by files and folders; folders are searched one level deep, in the order of names.
///
/// # Errors
/// If a path does not exist or nothing is found.
pub fn pictures_in(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            if !path.exists() {
                return Err(format!("{}: no such file or folder", path.display()));
            }
            files.push(path.clone());
            continue;
        }
        let inside = picture::in_folder(path);
        files.append(&mut inside.map_err(|e| format!("{}: cannot read the folder: {e}", path.display()))?);
    }
    if files.is_empty() {
        return Err(format!("no picture found ({})", picture::KINDS));
    }
    Ok(files)
}

fn print_faces(path: &Path, faces: &[Found]) {
    say!(
        "{}: {} {}",
        out::one_line(&path.display().to_string()),
        faces.len(),
        if faces.len() == 1 { "face" } else { "faces" }
    );
    for Found { face, living, flaw } in faces {
        let b = face.bounds;
        let points: Vec<String> = face.landmarks.iter().map(|p| format!("{:.0},{:.0}", p.x, p.y)).collect();
        say!(
            "  score {:.2}  living {living:.2}  box {:.0},{:.0} to {:.0},{:.0}  landmarks {}{}",
            face.score,
            b.x0,
            b.y0,
            b.x1,
            b.y1,
            points.join(" "),
            flaw.map_or_else(String::new, |flaw| format!("  no visitor: {}", flaw.label()))
        );
    }
}

/// Draws box and landmarks, with lines of 1/250 of the picture.
fn draw(picture: &mut RgbImage, face: &Face) {
    let wide = (picture.width().max(picture.height()) / 250).max(1) as i32;
    let b = face.bounds;
    let (x0, y0, x1, y1) = (b.x0 as i32, b.y0 as i32, b.x1 as i32, b.y1 as i32);
    let mut fill = |left: i32, top: i32, right: i32, bottom: i32, colour: Rgb<u8>| {
        for y in top.max(0)..bottom.min(picture.height() as i32) {
            for x in left.max(0)..right.min(picture.width() as i32) {
                picture.put_pixel(x as u32, y as u32, colour);
            }
        }
    };
    let green = Rgb([0, 220, 90]);
    fill(x0, y0, x1, y0 + wide, green);
    fill(x0, y1 - wide, x1, y1, green);
    fill(x0, y0, x0 + wide, y1, green);
    fill(x1 - wide, y0, x1, y1, green);
    for p in face.landmarks {
        let (x, y) = (p.x as i32, p.y as i32);
        fill(x - wide, y - wide, x + wide + 1, y + wide + 1, Rgb([255, 70, 40]));
    }
}

/// Writes a line above a face, or below its upper side where there is no room above.
fn write(picture: &mut RgbImage, face: &Face, text: &str) {
    let factor = (picture.width().max(picture.height()) / 640).max(1);
    let label = Canvas::of_text(text).to_rgb();
    let (width, height) = (label.width() * factor, label.height() * factor);
    let label = imageops::resize(&label, width, height, FilterType::Nearest);
    let (x, y) = (face.bounds.x0.max(0.0), (face.bounds.y0 - height as f32).max(0.0));
    imageops::replace(picture, &label, x as i64, y as i64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namesakes_get_results_of_their_own() {
        let files = ["a/x.jpg", "b/x.jpg", "a/x-2.jpg", "a/x.png", "a/y.jpg"].map(PathBuf::from);
        assert_eq!(names_of_their_own(&files), ["x", "x-2", "x-2-2", "x-3", "y"]);
    }
}
