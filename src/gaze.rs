//! How much of a picture is searched while somebody is followed: the surroundings of the face alone, or all of it.
//!
//! The surroundings are a fraction of the work, but whoever comes along is outside them, and a companion must be seen. So they
//! suffice only where the last look at the whole picture saw one face and nothing else, not even almost; for a quarter of a
//! second and three pictures at most; while nothing changes outside of them, be it the person's own arm: a companion who is there
//! for a moment stands where that might be; and never in a picture that may decide. Whatever is found
//! in them but the one face in its place is a reason to look at the whole of the same picture.
//!
//! Pure: time and faces are handed in. It can only leave out looks that [`crate::visit`] does not decide by.

use std::time::Duration;

use crate::{
    clock::has_passed,
    vision::{BoundingBox, Face},
};

/// The longest time between looks at the whole picture while a face is followed.
const LONGEST: Duration = Duration::from_millis(250);
/// The most pictures of which only the surroundings are looked at, one after the other.
const MOST: u32 = 3;
/// A face that overlaps less with where it was is another one, or moves too fast for its surroundings.
const SAME_PLACE: f32 = 0.3;
/// The surroundings must reach so far beyond a face, in shares of its height: what is cut through is not judged.
const BEYOND: f32 = 0.1;
/// What was seen of whoever is followed.
#[derive(Debug, Default)]
pub struct Gaze {
    /// The one face of the last look, if it was the only one.
    only: Option<BoundingBox>,
    /// When the whole picture was looked at.
    whole: Option<Duration>,
    /// Pictures since of which only the surroundings were looked at.
    parts: u32,
}

impl Gaze {
    /// The face whose surroundings suffice in a picture of this time. `None`: look at all of it.
    #[must_use]
    pub fn around(&self, at: Duration) -> Option<BoundingBox> {
        let recent = self.whole.is_some_and(|last| !has_passed(LONGEST, last, at));
        self.only.filter(|_| recent && self.parts < MOST)
    }

    /// The whole picture was looked at; `faces` are all that may be some, almost ones too. From `score` on it is one.
    pub fn saw_all(&mut self, at: Duration, faces: &[Face], score: f32) {
        self.only = match faces {
            [one] if one.score >= score => Some(one.bounds),
            _ => None,
        };
        (self.whole, self.parts) = (Some(at), 0);
    }

    /// Only the surroundings were looked at, `seen` of the picture. Whether that suffices: the one face is in its place.
    pub fn saw(&mut self, seen: &BoundingBox, picture: (u32, u32), faces: &[Face], score: f32) -> bool {
        let (Some(before), [face]) = (self.only, faces) else { return false };
        let b = face.bounds;
        let beyond = BEYOND * b.height();
        let within = (b.x0 - beyond >= seen.x0 || seen.x0 <= 0.0)
            && (b.y0 - beyond >= seen.y0 || seen.y0 <= 0.0)
            && (b.x1 + beyond <= seen.x1 || seen.x1 >= picture.0 as f32)
            && (b.y1 + beyond <= seen.y1 || seen.y1 >= picture.1 as f32);
        if face.score < score || !within || before.iou(&b) < SAME_PLACE {
            return false;
        }
        self.only = Some(b);
        self.parts += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: (u32, u32) = (640, 480);

    fn face(x: f32, score: f32) -> Face {
        let bounds = BoundingBox { x0: x, y0: 150.0, x1: x + 100.0, y1: 275.0 };
        Face { score, bounds, landmarks: [bounds.centre(); 5] }
    }

    fn ms(at: u64) -> Duration {
        Duration::from_millis(at)
    }

    fn seen() -> BoundingBox {
        BoundingBox { x0: 150.0, y0: 80.0, x1: 450.0, y1: 350.0 }
    }

    #[test]
    fn the_surroundings_suffice_for_one_face_and_a_quarter_of_a_second() {
        let mut gaze = Gaze::default();
        assert_eq!(gaze.around(ms(0)), None, "before anything was seen");
        gaze.saw_all(ms(1000), &[face(250.0, 0.9)], 0.6);
        assert_eq!(gaze.around(ms(1100)), Some(face(250.0, 0.9).bounds));
        assert!(gaze.saw(&seen(), SIZE, &[face(260.0, 0.9)], 0.6));
        assert_eq!(gaze.around(ms(1200)), Some(face(260.0, 0.9).bounds), "the face is followed");
        assert_eq!(gaze.around(ms(1250)), None);
        assert_eq!(gaze.around(ms(900)), None, "a clock that went back");
    }

    #[test]
    fn with_a_second_face_or_almost_one_everything_is_looked_at() {
        let mut gaze = Gaze::default();
        for others in
            [&[face(250.0, 0.9), face(20.0, 0.9)][..], &[face(250.0, 0.9), face(20.0, 0.35)], &[face(250.0, 0.5)], &[]]
        {
            gaze.saw_all(ms(1000), others, 0.6);
            assert_eq!(gaze.around(ms(1100)), None, "{} faces", others.len());
        }
    }

    #[test]
    fn a_face_that_is_lost_cut_through_doubtful_or_another_one_needs_the_whole_picture() {
        for found in [
            &[][..],
            &[face(250.0, 0.5)],
            &[face(345.0, 0.9)],
            &[face(160.0, 0.9)],
            &[face(250.0, 0.9), face(180.0, 0.35)],
        ] {
            let mut gaze = Gaze::default();
            gaze.saw_all(ms(1000), &[face(250.0, 0.9)], 0.6);
            assert!(!gaze.saw(&seen(), SIZE, found, 0.6), "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn no_quarter_of_a_second_and_no_four_pictures_pass_without_a_look_at_everything(
            steps in proptest::collection::vec(1u64..300, 1..80),
        ) {
            let (mut gaze, mut at, mut last, mut parts) = (Gaze::default(), 0, 0, 0);
            gaze.saw_all(ms(0), &[face(250.0, 0.9)], 0.6);
            for step in steps {
                at += step;
                if gaze.around(ms(at)).is_some() {
                    prop_assert!(gaze.saw(&seen(), SIZE, &[face(250.0, 0.9)], 0.6));
                    parts += 1;
                    prop_assert!(at - last < 250 && parts <= 3);
                } else {
                    gaze.saw_all(ms(at), &[face(250.0, 0.9)], 0.6);
                    (last, parts) = (at, 0);
                }
            }
        }
    }
}
