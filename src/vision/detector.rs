//! The face detector: picture to faces with five landmarks.
//!
//! An anchor-free net with three levels (FCOS, Tian et al. 2019): each cell of a level says how sure it is to lie in the
//! middle of a face and where the sides of the box and the landmarks are. `models/train/detector_net.py` makes it.

use std::path::Path;

use image::{
    RgbImage,
    imageops::{self, FilterType},
};

use super::{
    Point,
    model_file::{Metadata, ModelError, ModelFile, ModelIdentity, Runtime},
};
use crate::view::{Area, View};

static EMBEDDED: &[u8] = include_bytes!("../../models/face-detector.onnx");

/// Values of one cell: logit, left, top, right, bottom, five landmarks.
const CHANNELS: usize = 1 + 4 + 10;
const LEVELS: usize = 3;
/// Boxes that overlap more than this share one face.
const SAME_FACE_OVERLAP: f32 = 0.4;
/// More candidates than this are no picture of people: bounds the time of the suppression.
const MAX_CANDIDATES: usize = 512;

/// An upright box in pixels: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundingBox {
    /// Left side.
    pub x0: f32,
    /// Upper side.
    pub y0: f32,
    /// Right side.
    pub x1: f32,
    /// Lower side.
    pub y1: f32,
}

impl BoundingBox {
    /// Width in pixels, never negative.
    #[must_use]
    pub fn width(&self) -> f32 {
        (self.x1 - self.x0).max(0.0)
    }

    /// Height in pixels, never negative.
    #[must_use]
    pub fn height(&self) -> f32 {
        (self.y1 - self.y0).max(0.0)
    }

    /// The middle.
    #[must_use]
    pub fn centre(&self) -> Point {
        Point::new((self.x0 + self.x1) / 2.0, (self.y0 + self.y1) / 2.0)
    }

    /// Intersection over union with another box, 0 to 1.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let width = self.x1.min(other.x1) - self.x0.max(other.x0);
        let height = self.y1.min(other.y1) - self.y0.max(other.y0);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let inner = width * height;
        inner / (self.width() * self.height() + other.width() * other.height() - inner)
    }
}

/// A detected face, in pixels of the picture that was searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// The box, forehead to chin; may reach beyond the picture.
    pub bounds: BoundingBox,
    /// Eyes, nose tip, mouth corners; left before right as the viewer sees them.
    pub landmarks: [Point; 5],
}

/// The face with the largest box: the person nearest to the camera.
#[must_use]
pub fn nearest(faces: &[Face]) -> Option<&Face> {
    faces.iter().max_by(|a, b| a.bounds.height().total_cmp(&b.bounds.height()))
}

/// By what, and above which score, faces are found, where that is not the detector inside the binary at its own score: what figures
/// rest on that do not say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundBy {
    other: Option<String>,
    fewer: bool,
}

impl FoundBy {
    /// What finds other faces than that: another detector, or a score that is not its own.
    #[must_use]
    pub fn other(&self) -> Option<String> {
        self.other.clone()
    }

    /// What may find fewer faces than that: another detector, or a higher score.
    #[must_use]
    pub fn fewer(&self) -> Option<String> {
        self.other.clone().filter(|_| self.fewer)
    }
}

/// The face detector, shared between threads.
pub struct Detector {
    file: ModelFile,
    embedded: bool,
    strides: Vec<f32>,
    units: Vec<f32>,
    score: f32,
    small: Option<SmallFaces>,
}

/// A net is less sure of a face that it sees few pixels of, and no more often wrong about what it is less sure of: its logits are lifted
/// there, so that one score means the same for faces of every size.
#[derive(Clone, Copy, Debug, PartialEq)]
struct SmallFaces {
    /// Height in pixels of the input up to which the whole lift counts.
    whole: f32,
    /// Height from which on there is none.
    none: f32,
    /// Added to the logit.
    lift: f32,
}

impl SmallFaces {
    /// What is added to the logit of a face that is `height` pixels of the input high.
    fn lift(&self, height: f32) -> f32 {
        self.lift * ((self.none - height) / (self.none - self.whole)).clamp(0.0, 1.0)
    }
}

impl Detector {
    /// The model that ships inside the binary.
    ///
    /// # Errors
    /// Only if the build embedded a broken file.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::load(None)
    }

    /// Loads the model at `path`, or the embedded one.
    ///
    /// # Errors
    /// See [`ModelError`]: the file is unreadable, no model, or another kind of model.
    pub fn load(path: Option<&Path>) -> Result<Self, ModelError> {
        Self::load_for(path, Runtime::Auto)
    }

    /// As [`Self::load`], to be run in this way.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn load_for(path: Option<&Path>, runtime: Runtime) -> Result<Self, ModelError> {
        match path {
            None => {
                let embedded = Self::from_bytes("embedded face-detector.onnx", EMBEDDED, runtime)?;
                Ok(Self { embedded: true, ..embedded })
            }
            Some(path) => Self::from_bytes(&path.display().to_string(), &ModelFile::read(path)?, runtime),
        }
    }

    /// How the model is run, for people: in integers and by which instructions, or in float and why.
    #[must_use]
    pub fn runs(&self) -> String {
        self.file.runs()
    }

    /// Loads a model from the bytes of its file; `label` names it in messages.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn from_bytes(label: &str, bytes: &[u8], runtime: Runtime) -> Result<Self, ModelError> {
        let file = ModelFile::load(label, bytes, "agegate-face-detector", runtime, |width, height| {
            [8, 16, 32]
                .map(|stride| vec![1, CHANNELS, height.div_ceil(stride) as usize, width.div_ceil(stride) as usize])
                .to_vec()
        })?;
        let strides = file.metadata().numbers("strides", LEVELS)?;
        if strides != [8.0, 16.0, 32.0] {
            return Err(file.metadata().wrong("strides", "8,16,32"));
        }
        let units = file.metadata().numbers("units", LEVELS)?;
        let score: f32 = file.metadata().number("score")?;
        if !(0.01..=0.99).contains(&score) {
            return Err(file.metadata().wrong("score", "0.01 to 0.99"));
        }
        let small = small_faces(&file.metadata())?;
        Ok(Self { file, embedded: false, strides, units, score, small })
    }

    /// Which model this is.
    #[must_use]
    pub fn identity(&self) -> &ModelIdentity {
        &self.file.identity
    }

    /// The score from which on the model's makers call it a face.
    #[must_use]
    pub fn shipped_score(&self) -> f32 {
        self.score
    }

    /// By what faces are found that reach `score`.
    ///
    /// # Errors
    /// Only if the build embedded a broken file.
    pub fn found_by(&self, score: f32) -> Result<FoundBy, ModelError> {
        let embedded = if self.embedded { None } else { Some(Self::embedded()?) };
        let embedded = embedded.as_ref().unwrap_or(self);
        let same = self.identity() == embedded.identity();
        let at_its_own = same && score.to_bits() == embedded.score.to_bits();
        let other = (!at_its_own).then(|| format!("{} at {score}", self.identity()));
        Ok(FoundBy { other, fewer: !(same && score <= embedded.score) })
    }

    /// Finds the faces of a picture at the shipped score, surest first.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the model fails.
    pub fn detect(&self, picture: &impl View) -> Result<Vec<Face>, ModelError> {
        self.detect_above(picture, self.score)
    }

    /// Finds the faces that reach `score`, surest first. A picture without pixels has none.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the model fails.
    pub fn detect_above(&self, picture: &impl View, score: f32) -> Result<Vec<Face>, ModelError> {
        if picture.size().0 == 0 || picture.size().1 == 0 {
            return Ok(Vec::new());
        }
        let (input, scale) = letterbox(picture, self.file.input.width, self.file.input.height);
        self.search(&input, Place { scale, left: 0.0, top: 0.0 }, score)
    }

    /// Finds the faces in the surroundings of one that was found before, as large as [`Detector::detect_above`] would see them and
    /// with a fraction of its work; and tells what part of the picture was seen. `None` where there is no such part that is much
    /// smaller than the picture, or the model runs in float.
    ///
    /// # Errors
    /// [`ModelError::Run`] if the model fails.
    pub fn detect_around<V: View>(
        &self,
        picture: &V,
        face: &BoundingBox,
        score: f32,
    ) -> Result<Option<(BoundingBox, Vec<Face>)>, ModelError> {
        let Some(window) = self.window(picture.size(), face) else { return Ok(None) };
        let input = window.cut(picture);
        let Area { left, top, .. } = window.area;
        let found = self.search(&input, Place { scale: window.scale, left: left as f32, top: top as f32 }, score)?;
        Ok(Some((window.bounds(), found)))
    }

    /// What [`Detector::detect_around`] would see of a picture of this size.
    #[must_use]
    pub fn surroundings(&self, picture: (u32, u32), face: &BoundingBox) -> Option<BoundingBox> {
        self.window(picture, face).map(|window| window.bounds())
    }

    fn window(&self, picture: (u32, u32), face: &BoundingBox) -> Option<Window> {
        let whole = (self.file.input.width, self.file.input.height);
        Window::around(face, picture, whole).filter(|_| self.file.takes_other_sizes())
    }

    /// The faces of an input of any size, surest first.
    fn search(&self, input: &RgbImage, place: Place, score: f32) -> Result<Vec<Face>, ModelError> {
        let maps = self.file.run(input)?;
        let mut found = Vec::new();
        for (level, map) in maps.iter().enumerate() {
            self.decode((level, input.width()), map, score, place, &mut found);
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(MAX_CANDIDATES);
        let mut kept: Vec<Face> = Vec::new();
        for face in found {
            if kept.iter().all(|other| other.bounds.iou(&face.bounds) < SAME_FACE_OVERLAP) {
                kept.push(face);
            }
        }
        Ok(kept)
    }

    fn decode(&self, (level, width): (usize, u32), map: &[f32], score: f32, place: Place, found: &mut Vec<Face>) {
        let Place { scale, left, top } = place;
        let (stride, unit) = (self.strides[level], self.units[level]);
        let columns = (width as f32 / stride).ceil() as usize;
        let cells = map.len() / CHANNELS;
        let logit_limit = (score / (1.0 - score)).ln();
        let most = self.small.map_or(0.0, |small| small.lift);
        for (cell, &logit) in map[..cells].iter().enumerate().filter(|(_, logit)| **logit + most >= logit_limit) {
            let value = |channel: usize| map[channel * cells + cell] * unit;
            let logit = logit + self.small.map_or(0.0, |small| small.lift(value(2) + value(4)));
            if logit < logit_limit {
                continue;
            }
            let centre_x = ((cell % columns) as f32 + 0.5) * stride;
            let centre_y = ((cell / columns) as f32 + 0.5) * stride;
            let face = Face {
                score: 1.0 / (1.0 + (-logit).exp()),
                bounds: BoundingBox {
                    x0: (centre_x - value(1)) / scale + left,
                    y0: (centre_y - value(2)) / scale + top,
                    x1: (centre_x + value(3)) / scale + left,
                    y1: (centre_y + value(4)) / scale + top,
                },
                landmarks: std::array::from_fn(|k| {
                    Point::new(
                        (centre_x + value(5 + 2 * k)) / scale + left,
                        (centre_y + value(6 + 2 * k)) / scale + top,
                    )
                }),
            };
            if face.bounds.width() > 0.0 && face.bounds.height() > 0.0 {
                found.push(face);
            }
        }
    }
}

/// What the file says of small faces; `None` for one that says nothing.
fn small_faces(metadata: &Metadata<'_>) -> Result<Option<SmallFaces>, ModelError> {
    const KEY: &str = "small_faces";
    if !metadata.has(KEY) {
        return Ok(None);
    }
    let [whole, none, lift] = metadata.numbers(KEY, 3)?[..] else { unreachable!("three numbers") };
    if whole < none && lift <= 5.0 {
        return Ok(Some(SmallFaces { whole, none, lift }));
    }
    Err(metadata.wrong(KEY, "two heights in pixels, the smaller one first, and what is added to the logit, at most 5"))
}

/// Fits a picture into the upper left of `width` x `height`, the rest mid-grey, and tells the factor from its pixels to
/// those of the result.
#[must_use]
pub fn letterbox(picture: &impl View, width: u32, height: u32) -> (RgbImage, f32) {
    let size = picture.size();
    if size == (width, height) {
        return (picture.whole().into_owned(), 1.0);
    }
    if size == (2 * width, 2 * height) {
        // The common case of a 640x480 camera, and ten times faster than a filter.
        return (picture.halved(Area::whole(size)), 0.5);
    }
    let (scale, (inner_width, inner_height)) = inner(size, (width, height));
    let mut canvas = RgbImage::from_pixel(width, height, image::Rgb([127; 3]));
    let whole = picture.whole();
    let scaled = imageops::resize(whole.as_ref(), inner_width, inner_height, FilterType::Triangle);
    imageops::replace(&mut canvas, &scaled, 0, 0);
    (canvas, scale)
}

/// The factor by which a picture fits into the input, and how large it is in it.
fn inner(picture: (u32, u32), input: (u32, u32)) -> (f32, (u32, u32)) {
    let scale = (input.0 as f32 / picture.0 as f32).min(input.1 as f32 / picture.1 as f32);
    let along = |length: u32, most: u32| ((length as f32 * scale).round() as u32).clamp(1, most);
    (scale, (along(picture.0, input.0), along(picture.1, input.1)))
}

/// Where an input lies in the picture: pixels of the input in one of the picture, and its corner.
#[derive(Clone, Copy, Debug)]
struct Place {
    scale: f32,
    left: f32,
    top: f32,
}

/// A part of the picture that is searched alone, at the scale at which the whole picture is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    /// In pixels of the picture.
    area: Area,
    /// In pixels of the input.
    size: (u32, u32),
    scale: f32,
}

impl Window {
    /// What is seen on each side of a face, in shares of its height: as far as somebody may move from picture to picture, and
    /// what the net wants to see around a face.
    const MARGIN: f32 = 0.375;
    /// Sides are multiples of the coarsest level's cells.
    const STEP: u32 = 32;
    /// Corners lie on the cells of the two finer levels, in pixels of the input: so a face is seen by the cells that see it in the
    /// whole picture.
    const GRID: f32 = 16.0;
    /// The largest window worth the trouble, in shares of the input.
    const LARGEST: f32 = 0.7;

    /// The window around a face of a picture. `None` where it would be hardly smaller than the input.
    fn around(face: &BoundingBox, picture: (u32, u32), input: (u32, u32)) -> Option<Self> {
        let (scale, within) = inner(picture, input);
        let margin = Self::MARGIN * face.height() * scale;
        let side = |length: f32| ((length * scale + 2.0 * margin).ceil() as u32).next_multiple_of(Self::STEP);
        // A float becomes the nearest number that the type has; a face larger than the input has no window.
        let long = |length: f32| (length * scale <= input.0.max(input.1) as f32).then(|| side(length));
        let size = (long(face.width())?, long(face.height())?);
        let share = (size.0 * size.1) as f32 / (input.0 * input.1) as f32;
        if size.0 == 0 || size.1 == 0 || size.0 > within.0 || size.1 > within.1 || share > Self::LARGEST {
            return None;
        }
        let of = |length: u32, most: u32| ((length as f32 / scale).round() as u32).min(most);
        let (width, height) = (of(size.0, picture.0), of(size.1, picture.1));
        let centre = face.centre();
        let grid = Self::GRID / scale;
        let from = |middle: f32, length: u32, most: u32| {
            let cells = ((middle - length as f32 / 2.0) / grid).round().max(0.0);
            ((cells * grid).round() as u32).min(most - length) / 2 * 2
        };
        let (left, top) = (from(centre.x, width, picture.0), from(centre.y, height, picture.1));
        Some(Self { area: Area { left, top, width, height }, size, scale })
    }

    /// Its pixels at the size in which they are searched.
    fn cut(&self, picture: &impl View) -> RgbImage {
        if self.scale == 0.5 {
            return picture.halved(self.area);
        }
        let part = picture.part(self.area);
        let Area { left, top, width, height } = self.area;
        let cut = imageops::crop_imm(part.pixels.as_ref(), left - part.left, top - part.top, width, height);
        if (width, height) == self.size {
            return cut.to_image();
        }
        imageops::resize(&*cut, self.size.0, self.size.1, FilterType::Triangle)
    }

    /// The same in pixels of the picture.
    fn bounds(&self) -> BoundingBox {
        let Area { left, top, width, height } = self.area;
        BoundingBox { x0: left as f32, y0: top as f32, x1: (left + width) as f32, y1: (top + height) as f32 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn overlap_of_a_box_with_itself_is_one_and_with_a_distant_one_zero() {
        let a = BoundingBox { x0: 1.0, y0: 2.0, x1: 5.0, y1: 9.0 };
        let b = BoundingBox { x0: 50.0, y0: 2.0, x1: 55.0, y1: 9.0 };
        assert!((a.iou(&a) - 1.0).abs() < 1e-6);
        assert!(a.iou(&b).abs() < 1e-6);
    }

    #[test]
    fn a_face_forty_pixels_high_is_found_where_a_camera_sends_vga() {
        let near = crate::picture::open(std::path::Path::new("tests/golden/frame.png")).unwrap();
        let detector = Detector::embedded().unwrap();
        let face = detector.detect(&near).unwrap()[0].bounds;
        let scale = 40.0 / face.height();
        let size = [near.width(), near.height()].map(|length| (length as f32 * scale).round() as u32);
        let small = imageops::resize(&near, size[0], size[1], FilterType::Triangle);
        let mut frame = RgbImage::from_pixel(640, 480, image::Rgb([150, 145, 140]));
        imageops::replace(&mut frame, &small, 200, 150);
        let found = detector.detect(&frame).unwrap();
        assert!(found.len() == 1 && (32.0..48.0).contains(&found[0].bounds.height()), "{found:?}");
        // The same net without what its file says of small faces.
        let unsure = Detector { small: None, ..Detector::embedded().unwrap() };
        assert!(unsure.detect(&frame).unwrap().first().is_none_or(|face| face.score < found[0].score));
    }

    #[test]
    fn what_a_file_says_of_small_faces_is_checked() {
        let metadata = |text: &str| std::collections::BTreeMap::from([("small_faces".to_owned(), text.to_owned())]);
        let read =
            |text: &str| small_faces(&Metadata { label: "a file", values: &metadata(text) }).map_err(|e| e.to_string());
        assert_eq!(read("22, 32, 0.8").unwrap(), Some(SmallFaces { whole: 22.0, none: 32.0, lift: 0.8 }));
        for wrong in ["", "22,32", "32,22,0.8", "22,32,9", "22,32,-1", "a,b,c"] {
            assert!(read(wrong).unwrap_err().contains("`small_faces`"), "{wrong}");
        }
    }

    #[test]
    fn a_wide_picture_keeps_its_shape() {
        let (boxed, scale) = letterbox(&RgbImage::from_pixel(1280, 720, image::Rgb([9; 3])), 320, 240);
        assert!((scale - 0.25).abs() < 1e-6);
        assert_eq!(boxed.get_pixel(319, 179)[0], 9);
        assert_eq!(boxed.get_pixel(10, 181)[0], 127);
    }

    proptest! {
        #[test]
        fn the_larger_a_face_the_less_it_is_lifted(a in 0.0f32..100.0, b in 0.0f32..100.0) {
            let small = SmallFaces { whole: 22.0, none: 32.0, lift: 0.8 };
            prop_assert!(small.lift(a.min(b)) >= small.lift(a.max(b)));
            prop_assert!((0.0..=0.8).contains(&small.lift(a)));
        }

        #[test]
        fn a_window_lies_inside_the_picture_and_holds_the_face_with_its_surroundings(
            (x, y) in (-50.0f32..700.0, -50.0f32..500.0), height in 10.0f32..400.0, size in 0usize..4,
        ) {
            let picture = [(640, 480), (1280, 720), (480, 640), (320, 240)][size];
            let face = BoundingBox { x0: x, y0: y, x1: x + 0.8 * height, y1: y + height };
            if let Some(window) = Window::around(&face, picture, (320, 240)) {
                let Area { left, top, width, height: down } = window.area;
                prop_assert!(left + width <= picture.0 && top + down <= picture.1);
                prop_assert!(window.size.0 * window.size.1 <= 320 * 240 * 7 / 10);
                prop_assert!(window.size.0.is_multiple_of(32) && window.size.1.is_multiple_of(32));
                let bounds = window.bounds();
                // As much on each side as the picture has, but for what the corner is rounded by.
                let margin = 0.375 * height - 3.0 - 8.0 / window.scale;
                prop_assert!(bounds.x0 <= (face.x0 - margin).max(0.0) || bounds.x1 >= picture.0 as f32 - 1.0);
                prop_assert!(bounds.x1 >= (face.x1 + margin).min(picture.0 as f32) - 2.0 || bounds.x0 <= 0.0);
                prop_assert!(bounds.y0 <= (face.y0 - margin).max(0.0) || bounds.y1 >= picture.1 as f32 - 1.0);
            }
        }
    }
}
