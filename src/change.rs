//! Nobody there, nothing done: whether anything changed in the picture since the detector last looked and found nobody.
//!
//! The detector costs tens of millions of instructions, an empty room shows the same picture all day. So the luma of the picture is
//! averaged over a coarse grid and compared with the grid of the last look. What all cells do alike (a cloud, the camera's
//! exposure) is taken out; what is left must exceed what each cell does by itself (noise, a flickering lamp). The bounds are
//! drawn so that doubt costs work, not a visitor's time: at least once a second the detector looks anyway, and while it
//! sees anybody, or almost, it looks at every picture. A change seen for nothing costs one look.
//!
//! Pure: time and pictures are handed in. It can only save a look, never add a face, so no error here opens a door.

use std::time::Duration;

use crate::{
    clock::has_passed,
    view::{Luma, View},
    vision::BoundingBox,
};

/// The grid. At 640x480 a cell has 16 x 16 pixels: a face of 48 pixels covers nine.
const COLUMNS: usize = 40;
const ROWS: usize = 30;
/// Samples of a cell in each direction.
const SAMPLES: usize = 4;
/// The longest time without a look.
const LONGEST: Duration = Duration::from_secs(1);
/// So many cells must have changed: a single one is a fly, or noise.
const LEAST_CELLS: usize = 2;
/// A cell has changed when it differs by so many times its own mean deviation,
const NOISES: f32 = 5.0;
/// but not by less than this, which rounding does to a still picture,
const LEAST_CHANGE: f32 = 2.5;
/// and in any case by this, however much it flickers by itself: of 255, less than a face differs from most walls.
const SURE_CHANGE: f32 = 8.0;
/// Cells darker than this say nothing about the light.
const DARK: f32 = 8.0;
/// Share of a new picture in a cell's mean deviation, once some were seen.
const LEARNING: f32 = 0.05;

/// Decides which pictures the detector may leave out.
#[derive(Debug, Default)]
pub struct ChangeWatch {
    /// Cells of the picture that the detector saw last, and its size.
    reference: Vec<f32>,
    size: (u32, u32),
    /// Cells of the newest picture.
    cells: Vec<f32>,
    /// Differences of the newest picture from the reference, without what all cells have in common.
    differences: Vec<f32>,
    /// Mean deviation of each cell in pictures without anybody.
    noise: Vec<f32>,
    /// Pictures that the mean deviation rests on.
    learned: u16,
    sorted: Vec<f32>,
    last_look: Option<Duration>,
    nobody: bool,
}

impl ChangeWatch {
    /// Whether the detector must look at this picture; [`ChangeWatch::looked`] must be told what it saw.
    pub fn must_look(&mut self, picture: &impl View, at: Duration) -> bool {
        let known = self.size == picture.size() && !self.reference.is_empty();
        self.size = picture.size();
        luma_cells(picture, &mut self.cells);
        if !known {
            self.differences.clear();
            return true;
        }
        self.compare();
        let due = self.last_look.is_none_or(|last| has_passed(LONGEST, last, at));
        let changed = self.changed_cells() >= LEAST_CELLS;
        if self.nobody && !changed {
            self.learn();
        }
        due || changed || !self.nobody
    }

    /// The detector has looked at the picture that was handed in last, and saw nobody, not even almost.
    pub fn looked(&mut self, at: Duration, nobody: bool) {
        if self.noise.len() != self.cells.len() {
            self.noise = vec![LEAST_CHANGE / NOISES; self.cells.len()];
            self.learned = 0;
        } else if nobody && self.differences.len() == self.cells.len() {
            // A change that was nobody: a lamp that flickers, a screen. Such a cell has more to say from now on.
            self.learn();
        }
        std::mem::swap(&mut self.reference, &mut self.cells);
        self.last_look = Some(at);
        self.nobody = nobody;
    }

    /// Whether the newest picture differs from the one that was looked at last anywhere outside of `within`, which is in pixels.
    #[must_use]
    pub fn changed_outside(&self, within: &BoundingBox) -> bool {
        if self.differences.len() != self.noise.len() || self.differences.is_empty() {
            return true;
        }
        let (across, down) = (self.size.0 as f32 / COLUMNS as f32, self.size.1 as f32 / ROWS as f32);
        let outside = |cell: usize| {
            let (x, y) = ((cell % COLUMNS) as f32 * across, (cell / COLUMNS) as f32 * down);
            x < within.x0 || x + across > within.x1 || y < within.y0 || y + down > within.y1
        };
        let pairs = self.differences.iter().zip(&self.noise).enumerate();
        pairs.filter(|(cell, pair)| outside(*cell) && exceeds(*pair)).count() >= LEAST_CELLS
    }

    fn compare(&mut self) {
        // Light and exposure multiply: the median of the ratios is what happened to the whole picture.
        self.sorted.clear();
        let bright = self.cells.iter().zip(&self.reference).filter(|(_, then)| **then >= DARK);
        self.sorted.extend(bright.map(|(now, then)| now / then));
        let middle = self.sorted.len() / 2;
        let common = match self.sorted.len() {
            0 => 1.0,
            _ => *self.sorted.select_nth_unstable_by(middle, f32::total_cmp).1,
        };
        self.differences.clear();
        self.differences.extend(self.cells.iter().zip(&self.reference).map(|(now, then)| now - then * common));
    }

    fn changed_cells(&self) -> usize {
        self.differences.iter().zip(&self.noise).filter(|pair| exceeds(*pair)).count()
    }

    fn learn(&mut self) {
        self.learned = self.learned.saturating_add(1);
        let share = LEARNING.max(1.0 / f32::from(self.learned));
        for (noise, difference) in self.noise.iter_mut().zip(&self.differences) {
            *noise += share * (difference.abs() - *noise);
        }
    }
}

/// Whether a cell differs by more than it does by itself.
fn exceeds((difference, noise): (&f32, &f32)) -> bool {
    difference.abs() > (NOISES * noise).clamp(LEAST_CHANGE, SURE_CHANGE)
}

/// Mean luma of each cell, 0 to 255, from a few of its pixels.
fn luma_cells(picture: &impl View, cells: &mut Vec<f32>) {
    cells.clear();
    let (width, height) = (picture.size().0 as usize, picture.size().1 as usize);
    if width == 0 || height == 0 {
        return;
    }
    let at = |k: usize, of: usize, length: usize| (k * length / of).min(length - 1);
    let luma = picture.luma();
    let columns: [usize; COLUMNS * SAMPLES] = std::array::from_fn(|k| at(k, COLUMNS * SAMPLES, width));
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let mut sum = 0u32;
            for y in 0..SAMPLES {
                let line = at(row * SAMPLES + y, ROWS * SAMPLES, height);
                sum += columns[column * SAMPLES..][..SAMPLES].iter().map(|x| luma.at(*x, line)).sum::<u32>();
            }
            cells.push(sum as f32 / (Luma::EIGHTHS as usize * SAMPLES * SAMPLES) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};
    use proptest::prelude::*;

    use super::*;

    const TENTH: Duration = Duration::from_millis(100);

    /// A room with furniture, its noise drawn from a fixed sequence, and somebody in it if asked for.
    fn room(frame: u32, noise: u32, light: f32, somebody: Option<(u32, u32, u32, i32)>) -> RgbImage {
        let mut state = frame.wrapping_mul(0x9e37_79b9).wrapping_add(1);
        RgbImage::from_fn(640, 480, |x, y| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let grain = (state % (2 * noise + 1)) as f32 - noise as f32;
            let wall = 60.0 + 40.0 * ((x / 97 + y / 71) % 3) as f32;
            let there = somebody
                .filter(|(left, top, side, _)| (*left..left + side).contains(&x) && (*top..top + side).contains(&y));
            let value = (wall + there.map_or(0.0, |s| s.3 as f32)) * light + grain;
            Rgb([value.clamp(0.0, 255.0) as u8; 3])
        })
    }

    /// A watch to which an empty room was shown for a second and a half, and the time after it.
    fn settled(noise: u32) -> (ChangeWatch, Duration) {
        let mut watch = ChangeWatch::default();
        let mut at = Duration::ZERO;
        for frame in 0..15 {
            if watch.must_look(&room(frame, noise, 1.0, None), at) {
                watch.looked(at, true);
            }
            at += TENTH;
        }
        (watch, at)
    }

    #[test]
    fn an_empty_room_is_looked_at_once_a_second() {
        let (mut watch, mut at) = settled(6);
        let mut looks = 0;
        for frame in 100..200 {
            if watch.must_look(&room(frame, 6, 1.0, None), at) {
                watch.looked(at, true);
                looks += 1;
            }
            at += TENTH;
        }
        assert!((9..=12).contains(&looks), "{looks} looks in ten seconds");
    }

    #[test]
    fn a_cloud_before_the_sun_is_nobody() {
        let (mut watch, at) = settled(4);
        // The whole picture gets darker by a tenth in steps, from look to look.
        assert!(!watch.must_look(&room(1, 4, 0.95, None), at));
    }

    #[test]
    fn whoever_is_seen_is_looked_at_in_every_picture() {
        let (mut watch, at) = settled(4);
        watch.must_look(&room(1, 4, 1.0, None), at);
        watch.looked(at, false);
        for k in 1..30 {
            let now = at + TENTH * k;
            assert!(watch.must_look(&room(1, 4, 1.0, None), now));
            watch.looked(now, false);
        }
    }

    #[test]
    fn another_size_and_a_clock_that_went_back_are_looked_at() {
        let (mut watch, at) = settled(4);
        assert!(!watch.must_look(&room(1, 4, 1.0, None), at));
        assert!(watch.must_look(&room(1, 4, 1.0, None), Duration::ZERO));
        assert!(watch.must_look(&RgbImage::new(320, 240), at));
        watch.looked(at, true);
        assert!(watch.must_look(&RgbImage::new(0, 0), at + TENTH));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// A face is at least 48 pixels wide and differs from the wall behind it in most places.
        #[test]
        fn whoever_comes_in_is_looked_at_in_the_first_picture(
            left in 0u32..592, top in 0u32..432, side in 48u32..300, contrast in 14i32..90, darker: bool, noise in 0u32..8, frame in 200u32..9999,
        ) {
            let (mut watch, at) = settled(noise);
            let contrast = if darker { -contrast } else { contrast };
            prop_assert!(watch.must_look(&room(frame, noise, 1.0, Some((left, top, side, contrast))), at));
        }

        #[test]
        fn no_second_passes_without_a_look(steps in proptest::collection::vec(1u64..400, 1..60)) {
            let (mut watch, mut at) = settled(3);
            let mut last = at;
            watch.must_look(&room(0, 3, 1.0, None), at);
            watch.looked(at, true);
            for (frame, step) in steps.into_iter().enumerate() {
                at += Duration::from_millis(step);
                let looks = watch.must_look(&room(frame as u32, 3, 1.0, None), at);
                prop_assert!(looks || at - last < LONGEST);
                if looks {
                    watch.looked(at, true);
                    last = at;
                }
            }
        }
    }
}
