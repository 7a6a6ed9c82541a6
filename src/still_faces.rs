//! Faces that are none: a poster, a picture on a box, a mannequin. A face that keeps its place and size as no living one can
//! never starts a visit. It still counts as a companion: a sleeping child is no poster.
//!
//! Pure: time and faces are handed in. The detector's answers about an unchanged picture tremble from frame to frame; people
//! sway slowly. So places are smoothed over a second, and it is their drift that counts.

use std::time::Duration;

use crate::vision::{Face, Point};

/// Time for which a face must keep still to be none.
const STILL_FOR: Duration = Duration::from_secs(60);
/// Largest drift of a still face's smoothed centre and height in that time, in shares of its height: some millimetres.
/// People who stand as still as they can sway by a centimetre and more.
const DRIFT: f32 = 0.025;
/// How far from its place a face may be found to be the same one, in shares of its height.
const SAME: f32 = 0.25;
/// Share of a new finding in the smoothed place.
const SMOOTHING: f32 = 0.1;
/// A still face is forgotten when nothing was seen in its place for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(1);
/// Faces that are followed at once.
const MOST: usize = 16;

/// A place in which a face was seen: centre and height in pixels.
#[derive(Clone, Copy, Debug)]
struct Spot {
    centre: Point,
    height: f32,
}

impl Spot {
    fn of(face: &Face) -> Self {
        Self { centre: face.bounds.centre(), height: face.bounds.height() }
    }

    /// How far apart two spots are, in shares of the height.
    fn distance(&self, other: &Self) -> f32 {
        self.centre.distance(other.centre).max((self.height - other.height).abs()) / self.height.max(1.0)
    }

    fn towards(&self, other: &Self, share: f32) -> Self {
        let mix = |a: f32, b: f32| a + (b - a) * share;
        Self {
            centre: Point { x: mix(self.centre.x, other.centre.x), y: mix(self.centre.y, other.centre.y) },
            height: mix(self.height, other.height),
        }
    }
}

/// A face that is followed.
#[derive(Debug)]
struct Place {
    anchor: Spot,
    smooth: Spot,
    since: Duration,
    seen: Duration,
    told: bool,
}

impl Place {
    fn follow(&mut self, spot: &Spot, now: Duration) {
        self.seen = now;
        self.smooth = self.smooth.towards(spot, SMOOTHING);
        if self.anchor.distance(&self.smooth) > DRIFT {
            (self.anchor, self.since, self.told) = (self.smooth, now, false);
        }
    }

    fn is_still(&self) -> bool {
        self.seen.saturating_sub(self.since) >= STILL_FOR
    }
}

/// The faces that keep still.
#[derive(Debug, Default)]
pub struct StillFaces {
    places: Vec<Place>,
}

/// What to do with the faces of a frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// For each face whether it may be a living one.
    pub living: Vec<bool>,
    /// A face was found to be none just now.
    pub found: bool,
}

impl StillFaces {
    /// Sorts the faces of a frame.
    pub fn sort(&mut self, faces: &[Face], now: Duration) -> Sorted {
        // A place where nobody is any more, and a clock that went back.
        self.places.retain(|p| now >= p.seen && now - p.seen < FORGOTTEN_AFTER);
        let mut sorted = Sorted::default();
        for spot in faces.iter().map(Spot::of) {
            let near = |place: &&mut Place| place.smooth.distance(&spot) <= SAME;
            let Some(place) = self.places.iter_mut().find(near) else {
                if self.places.len() < MOST {
                    self.places.push(Place { anchor: spot, smooth: spot, since: now, seen: now, told: false });
                }
                sorted.living.push(true);
                continue;
            };
            place.follow(&spot, now);
            sorted.found |= place.is_still() && !place.told;
            place.told |= place.is_still();
            sorted.living.push(!place.is_still());
        }
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::BoundingBox;

    /// A face of 200 pixels whose centre is moved.
    fn face(dx: f32, dy: f32) -> Face {
        let bounds = BoundingBox { x0: 220.0 + dx, y0: 140.0 + dy, x1: 400.0 + dx, y1: 340.0 + dy };
        Face { score: 0.9, bounds, landmarks: [bounds.centre(); 5] }
    }

    /// Ten frames a second for `seconds`; the seconds in which the face counts as living, and how often it was found to be none.
    fn watch(seconds: u32, place: impl Fn(f32) -> (f32, f32)) -> (f32, usize) {
        let mut still = StillFaces::default();
        let (mut living, mut found) = (0, 0);
        for tenth in 0..seconds * 10 {
            let (dx, dy) = place(tenth as f32 / 10.0);
            let sorted = still.sort(&[face(dx, dy)], Duration::from_millis(u64::from(tenth) * 100));
            living += u32::from(sorted.living[0]);
            found += usize::from(sorted.found);
        }
        (living as f32 / 10.0, found)
    }

    #[test]
    fn a_poster_is_none_after_a_minute_and_that_is_told_once() {
        let trembling = |t: f32| ((t * 71.0).sin() * 3.0, (t * 53.0).cos() * 3.0);
        let (living, found) = watch(300, trembling);
        assert!((59.0..63.0).contains(&living), "living for {living} s");
        assert_eq!(found, 1);
    }

    #[test]
    fn somebody_who_stands_as_still_as_people_can_is_always_living() {
        // A centimetre to each side on a face of 23 cm, once in seven seconds.
        let (living, found) = watch(300, |t| ((t * 0.9).sin() * 9.0, (t * 0.6).cos() * 5.0));
        assert!(living > 299.0, "living for {living} s");
        assert_eq!(found, 0);
    }

    #[test]
    fn somebody_who_comes_before_the_poster_is_living() {
        let mut still = StillFaces::default();
        for tenth in 0..800 {
            still.sort(&[face(0.0, 0.0)], Duration::from_millis(tenth * 100));
        }
        let sorted = still.sort(&[face(0.0, 0.0), face(150.0, 20.0)], Duration::from_secs(80));
        assert_eq!(sorted.living, [false, true]);
    }

    #[test]
    fn a_poster_that_is_taken_away_is_forgotten() {
        let mut still = StillFaces::default();
        for tenth in 0..700 {
            still.sort(&[face(0.0, 0.0)], Duration::from_millis(tenth * 100));
        }
        assert_eq!(still.sort(&[face(0.0, 0.0)], Duration::from_secs(70)).living, [false]);
        still.sort(&[], Duration::from_secs(81));
        assert_eq!(still.sort(&[face(0.0, 0.0)], Duration::from_secs(82)).living, [true]);
    }
}
