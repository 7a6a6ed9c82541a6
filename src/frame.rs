//! A frame: one camera picture with the monotonic time of its capture.

use std::{borrow::Cow, time::Duration};

use image::RgbImage;

use crate::{
    camera::{
        pixel::{self, Colour, PixelError, PixelFormat},
        raw::RawPicture,
        turned::Turn,
    },
    view::{Area, Luma, Part, View},
};

/// One camera picture.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The pixels.
    pub pixels: Pixels,
    /// Monotonic time of the capture since an arbitrary start that is the same for all frames of a camera.
    pub captured: Duration,
    /// Number of the frame; grows with every frame, and faster than by one where frames were dropped.
    pub sequence: u64,
}

/// The pixels of a frame: RGB, or as the camera gave them until somebody looks.
#[derive(Clone, Debug)]
pub struct Pixels(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Rgb(RgbImage),
    Raw(RawPicture),
}

impl Pixels {
    /// The pixels of a camera's frame. `bytes` gives them to whoever must have them for itself.
    ///
    /// # Errors
    /// As [`pixel::to_rgb`].
    pub fn of<'a>(
        format: PixelFormat,
        colour: Colour,
        bytes: impl Into<Cow<'a, [u8]>>,
        size: (u32, u32),
        stride: usize,
    ) -> Result<Self, PixelError> {
        let bytes = bytes.into();
        Ok(Self(if RawPicture::keeps(format) {
            Kept::Raw(RawPicture::new(format, colour, bytes.into_owned(), size, stride)?)
        } else {
            Kept::Rgb(pixel::to_rgb(format, colour, &bytes, size, stride)?)
        }))
    }

    /// Width and height.
    #[must_use]
    pub fn dimensions(&self) -> (u32, u32) {
        self.size()
    }

    /// Put upright.
    #[must_use]
    pub fn turned(self, turn: Turn) -> Self {
        Self(match self.0 {
            Kept::Rgb(picture) => Kept::Rgb(turn.apply(picture)),
            Kept::Raw(mut raw) => match raw.turn(turn) {
                true => Kept::Raw(raw),
                false => Kept::Rgb(turn.apply(raw.whole().into_owned())),
            },
        })
    }

    /// All of them in RGB.
    #[must_use]
    pub fn into_rgb(self) -> RgbImage {
        match self.0 {
            Kept::Rgb(picture) => picture,
            Kept::Raw(raw) => raw.whole().into_owned(),
        }
    }

    fn view(&self) -> &dyn View {
        match &self.0 {
            Kept::Rgb(picture) => picture,
            Kept::Raw(raw) => raw,
        }
    }
}

impl From<RgbImage> for Pixels {
    fn from(picture: RgbImage) -> Self {
        Self(Kept::Rgb(picture))
    }
}

impl View for Pixels {
    fn size(&self) -> (u32, u32) {
        self.view().size()
    }

    fn part(&self, area: Area) -> Part<'_> {
        self.view().part(area)
    }

    fn halved(&self, area: Area) -> RgbImage {
        self.view().halved(area)
    }

    fn luma(&self) -> Luma<'_> {
        self.view().luma()
    }
}
