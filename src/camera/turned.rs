//! A camera that is mounted on its side, upside down or behind a mirror: its frames are put upright before anything looks
//! at them.

use image::{RgbImage, imageops};

use super::{Camera, CameraError, exposure::Light};
use crate::{frame::Frame, view::Area};

/// How frames are put upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Clockwise turn that makes the picture upright.
    pub rotation: Rotation,
    /// Whether left and right are exchanged, after the turn.
    pub mirror: bool,
}

/// A clockwise turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// None.
    #[default]
    None,
    /// A quarter.
    Right,
    /// A half.
    Half,
    /// Three quarters.
    Left,
}

impl Rotation {
    /// All turns.
    pub const ALL: [Self; 4] = [Self::None, Self::Right, Self::Half, Self::Left];

    /// The turn by 0, 90, 180 or 270 degrees.
    #[must_use]
    pub fn of_degrees(degrees: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|turn| turn.degrees() == degrees)
    }

    /// 0, 90, 180 or 270.
    #[must_use]
    pub fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Right => 90,
            Self::Half => 180,
            Self::Left => 270,
        }
    }

    /// The picture turned.
    #[must_use]
    pub fn apply(self, picture: &RgbImage) -> RgbImage {
        match self {
            Self::None => picture.clone(),
            Self::Right => imageops::rotate90(picture),
            Self::Half => imageops::rotate180(picture),
            Self::Left => imageops::rotate270(picture),
        }
    }

    /// This turn and another one after it.
    #[must_use]
    pub fn then(self, other: Self) -> Self {
        Self::of_degrees((self.degrees() + other.degrees()) % 360).unwrap_or_default()
    }
}

impl Turn {
    /// The picture put upright.
    #[must_use]
    pub fn apply(self, picture: RgbImage) -> RgbImage {
        let mut upright = if self.rotation == Rotation::None { picture } else { self.rotation.apply(&picture) };
        if self.mirror {
            imageops::flip_horizontal_in_place(&mut upright);
        }
        upright
    }

    /// Size of the upright picture of one of this size.
    #[must_use]
    pub fn size(self, (width, height): (u32, u32)) -> (u32, u32) {
        match self.rotation {
            Rotation::None | Rotation::Half => (width, height),
            Rotation::Right | Rotation::Left => (height, width),
        }
    }

    /// Where an area of the upright picture lies in the picture before, which has this size.
    #[must_use]
    pub fn beneath(self, area: Area, (width, height): (u32, u32)) -> Area {
        let Area { left, top, width: across, height: down } = area;
        let upright = self.size((width, height)).0;
        let left = if self.mirror { upright - left - across } else { left };
        match self.rotation {
            Rotation::None => Area { left, ..area },
            Rotation::Right => Area { left: top, top: height - left - across, width: down, height: across },
            Rotation::Half => Area { left: width - left - across, top: height - top - down, ..area },
            Rotation::Left => Area { left: width - top - down, top: left, width: down, height: across },
        }
    }

    /// The same for a pixel; it may lie outside by one.
    #[must_use]
    pub fn beneath_pixel(self, (x, y): (u32, u32), (width, height): (u32, u32)) -> (isize, isize) {
        let (upright, width, height) = (self.size((width, height)).0 as isize, width as isize, height as isize);
        let (x, y) = (if self.mirror { upright - 1 - x as isize } else { x as isize }, y as isize);
        match self.rotation {
            Rotation::None => (x, y),
            Rotation::Right => (y, height - 1 - x),
            Rotation::Half => (width - 1 - x, height - 1 - y),
            Rotation::Left => (width - 1 - y, x),
        }
    }
}

/// A camera whose frames are put upright.
pub struct Turned {
    camera: Box<dyn Camera>,
    turn: Turn,
}

impl Turned {
    /// Puts the frames of a camera upright; a camera that needs no turn is given back as it is.
    #[must_use]
    pub fn over(camera: Box<dyn Camera>, turn: Turn) -> Box<dyn Camera> {
        if turn == Turn::default() { camera } else { Box::new(Self { camera, turn }) }
    }
}

impl Camera for Turned {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let frame = self.camera.next_frame()?;
        Ok(Frame { pixels: frame.pixels.turned(self.turn), ..frame })
    }

    fn meter(&mut self, light: Light) {
        self.camera.meter(light);
    }

    fn describe(&self) -> String {
        let mirrored = if self.turn.mirror { ", mirrored" } else { "" };
        format!("{}, turned by {} degrees{mirrored}", self.camera.describe(), self.turn.rotation.degrees())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of 3x2 whose corner at the top left is white.
    fn corner() -> RgbImage {
        RgbImage::from_fn(3, 2, |x, y| image::Rgb([if (x, y) == (0, 0) { 255 } else { 0 }; 3]))
    }

    fn white(picture: &RgbImage) -> (u32, u32) {
        let found = picture.enumerate_pixels().find(|(_, _, p)| p[0] == 255).unwrap();
        (found.0, found.1)
    }

    #[test]
    fn a_turn_is_clockwise_and_the_mirror_comes_after_it() {
        let at = |rotation, mirror| white(&Turn { rotation, mirror }.apply(corner()));
        assert_eq!(at(Rotation::None, false), (0, 0));
        assert_eq!(at(Rotation::Right, false), (1, 0));
        assert_eq!(at(Rotation::Half, false), (2, 1));
        assert_eq!(at(Rotation::Left, false), (0, 2));
        assert_eq!(at(Rotation::None, true), (2, 0));
        assert_eq!(at(Rotation::Right, true), (0, 0));
    }

    #[test]
    fn degrees_name_turns() {
        assert_eq!(Rotation::of_degrees(270), Some(Rotation::Left));
        assert_eq!(Rotation::of_degrees(45), None);
    }
}
