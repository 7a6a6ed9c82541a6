//! Opening picture files: bounded in size, with an error that names the file and what was expected.

use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use crate::{camera::jpeg, regular};

/// Largest side of a picture that is opened, in pixels.
pub const MAX_SIDE: u32 = 8192;
/// Largest memory that decoding one picture may take, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Why a picture could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file could not be read.
    #[error("{}: cannot read the picture: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A part of the file is missing.
    #[error("{}: the picture is cut short", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
    },
    /// The file is no picture that can be decoded.
    #[error("{}: not a picture that can be read ({KINDS}): {source}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: image::ImageError,
    },
}

/// The kinds of pictures that are read, as messages name them.
pub const KINDS: &str = "JPEG, PNG, WebP, BMP, TIFF or GIF";

/// Opens a picture file, of a kind told by its content, not by its name, as RGB. A turn that its EXIF data states is applied.
///
/// # Errors
/// [`PictureError`] if the file is unreadable, no picture, or larger than [`MAX_SIDE`] and [`MAX_BYTES`] allow.
pub fn open(path: &Path) -> Result<RgbImage, PictureError> {
    let read = |source| PictureError::Read { path: path.into(), source };
    let decode = |source| PictureError::Decode { path: path.into(), source };
    let bytes = regular::read(path, MAX_BYTES).map_err(read)?;
    let cursor = std::io::Cursor::new(bytes.as_slice());
    let reader = ImageReader::new(cursor).with_guessed_format().map_err(read)?;
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg::is_whole(&bytes) {
        // The decoder would fill in what is missing.
        return Err(PictureError::CutShort { path: path.into() });
    }
    upright(reader).map_err(decode)
}

/// Decodes a picture from memory within the same limits.
///
/// # Errors
/// What the decoder said.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, image::ImageError> {
    upright(ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format()?)
}

/// Decodes and turns as the EXIF data says: a phone writes its pictures as the sensor lies.
fn upright<R: std::io::BufRead + std::io::Seek>(mut reader: ImageReader<R>) -> image::ImageResult<RgbImage> {
    reader.limits(limits());
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// A picture as PNG.
///
/// # Errors
/// What the encoder said.
pub fn png(picture: &RgbImage) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// The pictures of a folder (by their names, one level deep), in the order of their names.
///
/// # Errors
/// What the system said of the folder.
pub fn in_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let mut inside: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| is_picture(p)).collect();
    inside.sort();
    Ok(inside)
}

/// Whether a file's name says that it is a picture.
#[must_use]
pub fn is_picture(path: &Path) -> bool {
    let end = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif"].iter().any(|known| end == *known)
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    limits
}
