//! Sets a camera's exposure and gain for the face ([`super::exposure`]), by the names of its controls.

use std::time::{Duration, Instant};

use v4l::Device;

use super::{
    controls::{self, ControlError, Known},
    exposure::{Dial, FaceExposure, Light, Settings},
};

/// Names of the control that says whether the camera adjusts by itself.
const BY_ITSELF: [&str; 2] = ["auto_exposure", "exposure_auto"];
/// Names of the exposure; those in tenths of a millisecond first.
const EXPOSURE: [&str; 3] = ["exposure_time_absolute", "exposure_absolute", "exposure"];
/// Names of the gain, and of the switch that locks it.
const GAIN: [&str; 2] = ["gain", "analogue_gain"];
const GAIN_BY_ITSELF: [&str; 2] = ["autogain", "gain_automatic"];
/// Longer than this a face that moves is blurred.
const LONGEST: Duration = Duration::from_millis(33);
/// Changes are told no more often than this.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// All names that are set here and cannot be in `[camera.controls]` too.
pub fn names() -> impl Iterator<Item = &'static str> {
    BY_ITSELF.into_iter().chain(EXPOSURE).chain(GAIN).chain(GAIN_BY_ITSELF)
}

/// A camera whose exposure is set for the face. Dropping it lets the camera adjust by itself again.
pub struct Metering {
    device: Device,
    by_itself: Vec<(Known, i64)>,
    exposure: Known,
    gain: Option<Known>,
    control: FaceExposure,
    told: Option<Instant>,
}

impl Metering {
    /// Takes the camera's exposure over.
    ///
    /// # Errors
    /// In words: what the camera lacks, or what its driver refused.
    pub fn start(device: Device, rate: f32) -> Result<Self, String> {
        let said = |error: ControlError| error.to_string();
        let known = controls::list(&device).map_err(said)?;
        let find = |names: &[&str]| names.iter().find_map(|name| known.iter().find(|k| k.name == *name).cloned());
        let exposure =
            find(&EXPOSURE).filter(|k| k.numbers().is_some()).ok_or("the camera has no exposure that can be set")?;
        let gain = find(&GAIN).filter(|k| k.numbers().is_some());
        let mut by_itself = Vec::new();
        for (control, manual) in [
            find(&BY_ITSELF).and_then(|k| Some((k.manual()?, k))).map(|(manual, k)| (k, manual)),
            find(&GAIN_BY_ITSELF).filter(|_| gain.is_some()).map(|k| (k, 0)),
        ]
        .into_iter()
        .flatten()
        {
            let before = control.get(&device).map_err(said)?;
            control.put(&device, manual).map_err(said)?;
            by_itself.push((control, before));
        }
        let most = if exposure.name.ends_with("absolute") { tenths(rate) } else { i64::MAX };
        let dial = |known: &Known, most: i64| -> Result<Dial, String> {
            let (least, highest, step) = known.numbers().unwrap_or((0, 0, 1));
            let (least, most) = (least, highest.min(most).max(least));
            let value = known.get(&device).map_err(said)?.clamp(least, most);
            Ok(Dial { value: least + (value - least) / step.max(1) * step.max(1), least, most, step })
        };
        let control =
            FaceExposure::new(dial(&exposure, most)?, gain.as_ref().map(|gain| dial(gain, i64::MAX)).transpose()?);
        Ok(Self { device, by_itself, exposure, gain, control, told: None })
    }

    /// Takes in how bright the face is, and sets what follows from it.
    pub fn look(&mut self, light: Light) {
        let before = self.control.settings();
        let Some(after) = self.control.look(light) else { return };
        let set = |known: &Known, from: i64, to: i64| if from == to { Ok(()) } else { known.put(&self.device, to) };
        let mut result = set(&self.exposure, before.exposure, after.exposure);
        if let (Some(gain), Some(from), Some(to)) = (&self.gain, before.gain, after.gain) {
            result = result.and_then(|()| set(gain, from, to));
        }
        let level = match self.told {
            Some(told) if told.elapsed() < TOLD_EVERY && result.is_ok() => log::Level::Debug,
            _ => {
                self.told = Some(Instant::now());
                if result.is_ok() { log::Level::Info } else { log::Level::Warn }
            }
        };
        match result {
            Ok(()) => log::log!(
                level,
                "exposure for the face, which is at {:.0} of 255: {} instead of {}",
                light.0,
                self.words(after),
                self.words(before)
            ),
            Err(error) => log::log!(level, "exposure for the face: {error}"),
        }
    }

    fn words(&self, settings: Settings) -> String {
        let gain = self.gain.as_ref().zip(settings.gain).map(|(gain, value)| format!(", {} {value}", gain.name));
        format!("{} {}{}", self.exposure.name, settings.exposure, gain.unwrap_or_default())
    }

    /// What is set now, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("exposure for the face ({})", self.words(self.control.settings()))
    }
}

impl Drop for Metering {
    fn drop(&mut self) {
        for (control, before) in &self.by_itself {
            if let Err(error) = control.put(&self.device, *before) {
                log::debug!("the camera does not adjust by itself again: {error}");
            }
        }
    }
}

/// The longest exposure in tenths of a millisecond: no longer than a frame, and none that blurs.
fn tenths(rate: f32) -> i64 {
    (LONGEST.as_secs_f32().min(1.0 / rate) * 10_000.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_exposure_is_longer_than_a_frame_or_than_a_face_stands_still() {
        assert_eq!((tenths(10.0), tenths(30.0), tenths(60.0)), (330, 330, 166));
    }
}
