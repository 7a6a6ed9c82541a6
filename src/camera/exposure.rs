//! Exposure for the face, not for the window behind it: which exposure and gain a camera should have, from how bright the face
//! is. Pure; the camera's own controls are set by [`super::v4l2`].
//!
//! Slow on purpose: nothing changes while the face is bright enough, nor for a single odd frame; after a change the next frames
//! are not judged, because they were taken before it; and what would swing to and fro stays.

/// How bright the face is, or the part of the picture that counts while nobody is there: mean, 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Light(pub f32);

/// Brightness that is aimed at, and what is left alone.
const WANTED: f32 = 115.0;
const WELL: std::ops::RangeInclusive<f32> = 85.0..=155.0;
/// Frames in a row that must be too dark or too bright.
const SURE: u32 = 3;
/// Frames after a change that still show what was before it.
const SETTLE: u32 = 4;
/// Largest change at once.
const STEP: f32 = 1.6;
/// A change of light that ends a standstill.
const OTHER_LIGHT: f32 = 1.5;

/// A control of the camera and the values it may have here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Value now.
    pub value: i64,
    /// Least.
    pub least: i64,
    /// Most.
    pub most: i64,
    /// Values are `least`, `least + step` and so on.
    pub step: i64,
}

impl Dial {
    /// The value on the dial that is nearest to a wanted one.
    fn nearest(&self, wanted: f32) -> i64 {
        let step = self.step.max(1);
        let steps = ((wanted - self.least as f32) / step as f32).round().max(0.0) as i64;
        self.least + steps.min((self.most - self.least) / step) * step
    }

    /// Turns it by a factor, as far as it goes, and at least by one step.
    fn turn(&mut self, factor: f32) {
        let before = self.value.max(1) as f32;
        let mut after = self.nearest(before * factor);
        if after == self.value {
            after = self.nearest(self.value as f32 + self.step.max(1) as f32 * if factor > 1.0 { 1.0 } else { -1.0 });
        }
        self.value = after;
    }

    fn may_turn(&self, brighter: bool) -> bool {
        if brighter { self.value + self.step.max(1) <= self.most } else { self.value - self.step.max(1) >= self.least }
    }
}

/// What is to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Exposure.
    pub exposure: i64,
    /// Gain, where the camera has one.
    pub gain: Option<i64>,
}

/// Follows the brightness of the face.
#[derive(Clone, Copy, Debug)]
pub struct FaceExposure {
    exposure: Dial,
    gain: Option<Dial>,
    /// Frames in a row that were too dark (negative) or too bright.
    off: i32,
    settle: u32,
    /// Direction of the last change: whether brighter.
    last: Option<bool>,
    /// The brightness at which it was given up.
    stands: Option<f32>,
}

impl FaceExposure {
    /// From what the camera has now.
    #[must_use]
    pub fn new(exposure: Dial, gain: Option<Dial>) -> Self {
        Self { exposure, gain, off: 0, settle: 0, last: None, stands: None }
    }

    /// What is set now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings { exposure: self.exposure.value, gain: self.gain.map(|gain| gain.value) }
    }

    /// Takes in the brightness of one frame; what is to be set, where something is.
    pub fn look(&mut self, Light(light): Light) -> Option<Settings> {
        // Written so that NaN changes nothing.
        if !(0.0..=255.0).contains(&light) {
            return None;
        }
        if self.settle > 0 {
            self.settle -= 1;
            return None;
        }
        if WELL.contains(&light) {
            (self.off, self.last, self.stands) = (0, None, None);
            return None;
        }
        if let Some(stood) = self.stands {
            let ratio = light.max(1.0) / stood.max(1.0);
            if (1.0 / OTHER_LIGHT..=OTHER_LIGHT).contains(&ratio) {
                return None;
            }
            (self.stands, self.last) = (None, None);
        }
        let brighter = light < WANTED;
        let side = if brighter { -1 } else { 1 };
        self.off = if self.off.signum() == side { self.off + side } else { side };
        if self.off.unsigned_abs() < SURE {
            return None;
        }
        self.off = 0;
        if self.last.is_some_and(|last| last != brighter) {
            // The steps are too coarse for what is wanted: no swinging to and fro.
            self.stands = Some(light);
            return None;
        }
        let before = self.settings();
        self.turn((WANTED / light.max(1.0)).clamp(1.0 / STEP, STEP), brighter);
        if self.settings() == before {
            self.stands = Some(light);
            return None;
        }
        (self.last, self.settle) = (Some(brighter), SETTLE);
        Some(self.settings())
    }

    /// Light costs nothing, gain costs noise: brighter by exposure first, darker by gain first.
    fn turn(&mut self, factor: f32, brighter: bool) {
        let gain_first = !brighter;
        for gain in [gain_first, !gain_first] {
            let dial = if gain { self.gain.as_mut() } else { Some(&mut self.exposure) };
            if let Some(dial) = dial.filter(|dial| dial.may_turn(brighter)) {
                dial.turn(factor);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A camera before a face: brightness is proportional to exposure and gain, and ends at 255.
    fn seen(settings: Settings, bright: f32) -> Light {
        let gain = settings.gain.map_or(1.0, |gain| 1.0 + gain as f32 / 16.0);
        Light((settings.exposure as f32 * gain * bright).min(255.0))
    }

    fn webcam(exposure: i64, gain: i64) -> FaceExposure {
        FaceExposure::new(
            Dial { value: exposure, least: 3, most: 330, step: 1 },
            Some(Dial { value: gain, least: 0, most: 64, step: 1 }),
        )
    }

    fn settle(control: &mut FaceExposure, bright: f32) -> usize {
        let mut changes = 0;
        for _ in 0..400 {
            changes += usize::from(control.look(seen(control.settings(), bright)).is_some());
        }
        changes
    }

    #[test]
    fn a_face_before_a_window_becomes_bright_enough() {
        let mut control = webcam(40, 0);
        settle(&mut control, 0.5);
        let Light(light) = seen(control.settings(), 0.5);
        assert!(WELL.contains(&light), "{light} {control:?}");
        assert_eq!(control.settings().gain, Some(0), "light before noise");
    }

    #[test]
    fn where_light_does_not_do_gain_does_and_goes_first_when_it_is_bright_again() {
        let mut control = webcam(40, 0);
        settle(&mut control, 0.15);
        assert!(control.settings().gain > Some(0) && WELL.contains(&seen(control.settings(), 0.15).0), "{control:?}");
        let exposure = control.settings().exposure;
        settle(&mut control, 0.22);
        assert_eq!(control.settings().exposure, exposure);
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_dial_whatever_is_seen(lights in prop::collection::vec(-10.0f32..400.0, 1..300),
            least in 0i64..50, width in 0i64..500, step in 1i64..60, at in 0.0f64..1.0) {
            let value = least + ((width as f64 * at) as i64 / step) * step;
            let dial = Dial { value, least, most: least + width, step };
            let mut control = FaceExposure::new(dial, Some(dial));
            for light in lights {
                control.look(Light(light));
                for value in [Some(control.settings().exposure), control.settings().gain].into_iter().flatten() {
                    prop_assert!((least..=least + width).contains(&value) && (value - least) % step == 0);
                }
            }
        }

        #[test]
        fn it_comes_to_rest_and_where_it_can_in_the_light_that_is_wanted(
            exposure in 3i64..330, gain in 0i64..64, bright in 0.05f32..20.0) {
            let mut control = webcam(exposure, gain);
            settle(&mut control, bright);
            let rest = control.settings();
            prop_assert_eq!(settle(&mut control, bright), 0, "no swinging");
            prop_assert_eq!(control.settings(), rest);
            let Light(light) = seen(rest, bright);
            let end = (rest.exposure == 330 && rest.gain == Some(64)) || (rest.exposure == 3 && rest.gain == Some(0));
            // With so few steps at the short end two neighbours may lie on both sides.
            prop_assert!(WELL.contains(&light) || end || rest.exposure < 12, "{light} {rest:?}");
        }

        #[test]
        fn one_odd_frame_and_a_face_that_is_bright_enough_change_nothing(
            lights in prop::collection::vec((85.0f32..155.0, 0.0f32..255.0), 1..60)) {
            let mut control = webcam(100, 10);
            for (well, odd) in lights {
                prop_assert_eq!(control.look(Light(well)), None);
                prop_assert_eq!(control.look(Light(odd)), None);
                prop_assert_eq!(control.look(Light(well)), None);
            }
        }
    }
}
