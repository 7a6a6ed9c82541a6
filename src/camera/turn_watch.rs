//! Notices a camera that is mounted on its side or upside down: faces are found only when the picture is turned.
//!
//! While no upright face is seen, now and then one frame is looked at in one of the other turns. Pure: time and findings
//! are handed in.

use std::time::Duration;

use super::turned::Rotation;

/// Between two looks at a turned frame: one detection more in this time.
const EVERY: Duration = Duration::from_secs(3);
/// Finds in the same turn, with no upright face between, that are no accident.
const FINDS: u32 = 3;
/// Between two hints.
const HINT_EVERY: Duration = Duration::from_secs(3600);

/// What was seen so far.
#[derive(Debug, Default)]
pub struct TurnWatch {
    looked: Option<Duration>,
    hinted: Option<Duration>,
    next: usize,
    /// A face was found at the last look: the same turn is looked at again.
    again: bool,
    finds: [u32; 4],
}

impl TurnWatch {
    /// Which turn a frame without an upright face is to be looked at in, if it is time to.
    pub fn due(&mut self, now: Duration) -> Option<Rotation> {
        if self.looked.is_some_and(|at| now.saturating_sub(at) < EVERY) {
            return None;
        }
        self.looked = Some(now);
        if !std::mem::take(&mut self.again) {
            self.next = self.next % 3 + 1;
        }
        Some(Rotation::ALL[self.next])
    }

    /// An upright face was seen: the camera stands right.
    pub fn upright(&mut self) {
        self.finds = [0; 4];
    }

    /// A frame was looked at in a turn. The turn that the camera seems to need, when it is time to say so.
    pub fn looked(&mut self, turn: Rotation, found: bool, now: Duration) -> Option<Rotation> {
        if !found {
            return None;
        }
        self.again = true;
        let finds = &mut self.finds[usize::from(turn.degrees() / 90)];
        *finds += 1;
        let silent = self.hinted.is_some_and(|at| now.saturating_sub(at) < HINT_EVERY);
        if *finds < FINDS || silent {
            return None;
        }
        self.hinted = Some(now);
        Some(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames ten times a second for `seconds`; `found` says which turn shows a face. How often a hint came, and which.
    fn watch(watch: &mut TurnWatch, from: u64, seconds: u64, found: Rotation) -> Vec<Rotation> {
        let mut hints = Vec::new();
        for tenth in from * 10..(from + seconds) * 10 {
            let now = Duration::from_millis(tenth * 100);
            if let Some(turn) = watch.due(now) {
                hints.extend(watch.looked(turn, turn == found, now));
            }
        }
        hints
    }

    #[test]
    fn a_camera_on_its_side_is_told_once_an_hour() {
        let mut w = TurnWatch::default();
        assert_eq!(watch(&mut w, 0, 60, Rotation::Left), [Rotation::Left]);
        assert_eq!(watch(&mut w, 60, 600, Rotation::Left), []);
        assert_eq!(watch(&mut w, 3700, 60, Rotation::Left), [Rotation::Left]);
    }

    #[test]
    fn a_face_that_was_found_in_a_turn_is_looked_for_there_again() {
        let mut w = TurnWatch::default();
        assert_eq!(watch(&mut w, 0, 16, Rotation::Left), [Rotation::Left], "three finds within 16 seconds");
    }

    #[test]
    fn an_upright_face_between_takes_the_finds_back() {
        let mut w = TurnWatch::default();
        for part in 0..20 {
            assert_eq!(watch(&mut w, part * 6, 6, Rotation::Half), []);
            w.upright();
        }
    }

    #[test]
    fn one_detection_more_in_three_seconds_is_all_it_costs() {
        let mut w = TurnWatch::default();
        let looks = (0..600).filter(|tenth| w.due(Duration::from_millis(tenth * 100)).is_some()).count();
        assert_eq!(looks, 20);
    }
}
