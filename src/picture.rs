//! Opening picture files: bounded in size, with an error that names the file and what was expected.

use std::path::{Path, PathBuf};

use image::{ImageReader, Limits, RgbImage};

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
    /// The file is no picture that can be decoded.
    #[error("{}: not a readable JPEG or PNG picture: {source}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: image::ImageError,
    },
}

/// Opens a JPEG or PNG file (by content, not by name) as RGB.
///
/// # Errors
/// [`PictureError`] if the file is unreadable, no picture, or larger than [`MAX_SIDE`] and [`MAX_BYTES`] allow.
pub fn open(path: &Path) -> Result<RgbImage, PictureError> {
    let read = |source| PictureError::Read { path: path.into(), source };
    let decode = |source| PictureError::Decode { path: path.into(), source };
    let mut reader = ImageReader::open(path).map_err(read)?.with_guessed_format().map_err(read)?;
    reader.limits(limits());
    Ok(reader.decode().map_err(decode)?.into_rgb8())
}

/// Decodes a picture from memory within the same limits.
///
/// # Errors
/// What the decoder said.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, image::ImageError> {
    let mut reader = ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format()?;
    reader.limits(limits());
    Ok(reader.decode()?.into_rgb8())
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

/// Whether a file's name says JPEG or PNG.
#[must_use]
pub fn is_picture(path: &Path) -> bool {
    let end = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["jpg", "jpeg", "png"].iter().any(|known| end == *known)
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    limits
}
