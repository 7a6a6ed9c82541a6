//! What no single value shows: settings that contradict each other, and settings with which nobody could ever get in.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use super::{
    error::{Fault, cut},
    tree::{CameraSource, Config, DisplayDriver, ExposureBy, LivenessMode, StartMode},
};
use crate::{camera::metering, door_unit::tamper};

/// What is wrong between the values of a configuration whose values are each in their range.
pub(super) fn faults(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    recording(config, &mut faults);
    liveness(config, &mut faults);
    camera(config, &mut faults);
    never_allows(config, &mut faults);
    panel(config, &mut faults);
    faults
}

fn recording(config: &Config, faults: &mut Vec<Fault>) {
    if config.camera.source == CameraSource::Replay && config.camera.path.is_none() {
        let expected = "a folder of pictures, a Motion-JPEG or a Y4M file for source = \"replay\"";
        faults.push(Fault::new("camera.path", "missing", expected));
    }
}

/// The key of a log may not lie among its records: who copies or clears them would take it along. Paths are those that hold.
pub(super) fn key_among_records(config: &Config) -> Option<Fault> {
    let key = config.log.key_file.as_deref()?;
    let (file, folder) = (real(key), real(&config.log.folder));
    let names_a_file = key.file_name().is_some() && !key.as_os_str().as_bytes().ends_with(b"/");
    let expected = if !names_a_file {
        "a path that ends with the name of a file, or no `key_file`: then it lies beside the log's folder"
    } else if file.starts_with(&folder) {
        "a file outside of the log's folder, or no `key_file`: then it lies beside the folder"
    } else if file == real(&tamper::marker(&config.log.folder)) {
        "another name, or no `key_file`: a file of this name says that the cover was opened"
    } else {
        return None;
    };
    Some(Fault::new("log.key_file", format!("{key:?}"), expected))
}

/// A path without links and detours, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::CurDir => {}
            other => whole.push(other),
        }
        if let Ok(found) = std::fs::canonicalize(&whole) {
            whole = found;
        }
    }
    whole
}

/// Seconds that a turn of the head may take: two tries.
const TURN_SECONDS: f32 = 10.0;

/// Whoever is asked to turn their head must have the time for it.
fn liveness(config: &Config, faults: &mut Vec<Fault>) {
    // The age is judged before it and after it.
    let least = 2.0 * config.visit.decide_seconds + TURN_SECONDS * config.liveness.turns as f32;
    if config.liveness.mode == LivenessMode::Turn
        && config.start.mode != StartMode::Always
        && config.start.seconds < least
    {
        let expected = format!("at least the {least} seconds that a visit with `liveness.mode` \"turn\" may take");
        faults.push(Fault::new("start.seconds", config.start.seconds, &expected));
    }
}

/// Frames a second at which a turn of the head is told from a swap, whoever turns quickly (`docs/turn.md`).
const TURN_RATE: f32 = 10.0;

/// What works, and is likely not what is wanted.
pub(super) fn notes(config: &Config) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    if config.liveness.mode == LivenessMode::Turn && config.camera.rate < TURN_RATE {
        let rate = config.camera.rate;
        let what = format!(
            "with `liveness.mode` \"turn\" more people fail the turn of the head at `camera.rate` {rate} than at {TURN_RATE} frames a \
             second or more (docs/turn.md says how many)"
        );
        notes.push(("camera.rate", what));
    }
    if let Some(other) = config.other_policy().filter(|_| config.written.place("shipped_policy").line.is_some()) {
        let shipped = config.shipped_policy;
        let what = format!("\"{shipped}\" is not in force: {other} says who is let in; take this line out");
        notes.push(("shipped_policy", what));
    }
    notes
}

fn camera(config: &Config, faults: &mut Vec<Fault>) {
    let camera = &config.camera;
    if camera.command.first().is_none_or(|program| program.trim().is_empty()) {
        let expected = "a program and its arguments, such as [\"rpicam-vid\", \"--output\", \"-\"]";
        faults.push(Fault::new("camera.command", format!("{:?}", camera.command), expected));
    }
    if let [whole] = camera.command.as_slice()
        && whole.contains(' ')
        && !Path::new(whole).exists()
    {
        let apart: Vec<&str> = whole.split_whitespace().collect();
        let simple = whole.len() <= 80 && !whole.contains(['\'', '"', '\\']);
        let shown =
            if simple { format!(": {apart:?}") } else { ", such as [\"rpicam-vid\", \"--output\", \"-\"]".into() };
        let expected = format!("a program and each of its arguments for itself{shown}");
        faults.push(Fault::new("camera.command", cut(&format!("{:?}", camera.command)), &expected));
    }
    if camera.exposure == ExposureBy::Face {
        if camera.source != CameraSource::V4l2 {
            let expected = "\"camera\": only with `source = \"v4l2\"` can it be set";
            faults.push(Fault::new("camera.exposure", "\"face\"", expected));
        }
        for name in metering::names().filter(|name| camera.controls.contains_key(*name)) {
            let expected = format!("without {name}, which `exposure = \"face\"` sets by itself");
            faults.push(Fault::new("camera.controls", "set", &expected));
        }
    }
    let [left, top, right, bottom] = camera.region;
    let inside = camera.region.iter().all(|side| (0.0..=1.0).contains(side));
    // Written so that NaN is refused.
    if !(inside && right - left >= 0.1 && bottom - top >= 0.1) {
        let expected = "left, top, right, bottom, each 0 to 1, opposite sides at least 0.1 apart";
        faults.push(Fault::new("camera.region", format!("{:?}", camera.region), expected));
    }
}

/// Frames come `1 / rate` seconds apart: what is shorter than that, or than the frames that an Allow needs, never allows.
fn never_allows(config: &Config, faults: &mut Vec<Fault>) {
    let (camera, visit, start) = (&config.camera, &config.visit, &config.start);
    let apart = 1.0 / camera.rate;
    let frames = (visit.good_frames.saturating_sub(1)) as f32 * apart;
    if visit.lost_seconds <= apart {
        let expected = format!(
            "more than the {apart} seconds between two frames at `camera.rate` {}: no visit lasts",
            camera.rate
        );
        faults.push(Fault::new("visit.lost_seconds", visit.lost_seconds, &expected));
    }
    if camera.source != CameraSource::Replay && camera.stall_seconds <= apart {
        let expected = format!("more than the {apart} seconds between two frames at `camera.rate` {}", camera.rate);
        faults.push(Fault::new("camera.stall_seconds", camera.stall_seconds, &expected));
    }
    let takes = format!(
        "at least the {frames} seconds that `visit.good_frames` {} take at `camera.rate` {}: nobody gets in otherwise",
        visit.good_frames, camera.rate
    );
    if visit.decide_seconds < frames {
        faults.push(Fault::new("visit.decide_seconds", visit.decide_seconds, &takes));
    }
    if start.mode != StartMode::Always && start.seconds < frames {
        faults.push(Fault::new("start.seconds", start.seconds, &takes));
    }
    let (least, height) = (config.quality.min_face_pixels, camera.height);
    if camera.source == CameraSource::V4l2 && least > height as f32 {
        let expected = format!("at most `camera.height` {height}: no face is larger than the picture");
        faults.push(Fault::new("quality.min_face_pixels", least, &expected));
    }
}

/// The panel must lie within its controller's memory.
fn panel(config: &Config, faults: &mut Vec<Fault>) {
    let display = &config.display;
    let name = match display.driver {
        DisplayDriver::None => return,
        DisplayDriver::St7789 => "ST7789",
        DisplayDriver::Ili9341 => "ILI9341",
        DisplayDriver::Ssd1306 => "SSD1306",
    };
    let ((columns, rows), (width, height)) = (display.driver.memory(), display.size());
    for (side, offset, size, shift, most, what) in [
        ("display.width", "display.offset_x", width, display.offset_x, columns, "columns"),
        ("display.height", "display.offset_y", height, display.offset_y, rows, "rows"),
    ] {
        // Its driver knows the whole panel only.
        if display.driver == DisplayDriver::Ssd1306 && size != most {
            faults.push(Fault::new(side, size, &format!("{most}: an {name} here has {columns}x{rows} pixels")));
        } else if size > most {
            let expected = format!("at most {most}: the {name}'s memory has {most} {what}");
            faults.push(Fault::new(side, size, &expected));
        } else if shift > most - size {
            let expected =
                format!("at most {}: the {name}'s memory has {most} {what}, and the panel {size}", most - size);
            faults.push(Fault::new(offset, shift, &expected));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parsed::{accepted, error};

    #[test]
    fn a_visit_that_ends_before_the_next_frame_is_refused() {
        let message = error("[camera]\nrate = 2.0\n[visit]\nlost_seconds = 0.5\n");
        assert!(
            message.contains("line 4: `visit.lost_seconds` is 0.5, expected more than the 0.5 seconds"),
            "{message}"
        );
        assert!(accepted("[camera]\nrate = 2.0\n[visit]\nlost_seconds = 0.6\n"));
    }

    #[test]
    fn a_time_too_short_for_the_frames_that_an_allow_needs_is_refused() {
        let message = error("[visit]\ngood_frames = 50\nmost_frames = 60\ndecide_seconds = 4.0\n");
        assert!(message.contains("line 4: `visit.decide_seconds` is 4, expected at least the 4.9"), "{message}");
        assert!(accepted("[visit]\ngood_frames = 50\nmost_frames = 60\ndecide_seconds = 5.0\n"));
        let button = "[camera]\nrate = 1.0\n[visit]\nlost_seconds = 2.0\n[start]\nmode = \"button\"\n";
        assert!(error(&format!("{button}seconds = 3.0\n")).contains("`start.seconds` is 3, expected at least the 4"));
        assert!(accepted(&format!("{button}seconds = 4.0\n")));
    }

    #[test]
    fn a_camera_that_counts_as_lost_between_two_frames_is_refused() {
        let slow = "[visit]\nlost_seconds = 2.0\n[camera]\nrate = 1.0\n";
        assert!(error(&format!("{slow}stall_seconds = 0.9\n")).contains("`camera.stall_seconds` is 0.9"));
        assert!(accepted(&format!("{slow}stall_seconds = 1.5\n")));
    }

    #[test]
    fn a_region_without_room_and_a_command_without_a_program_are_refused() {
        let message = error("[camera]\nregion = [0.5, 0.0, 0.4, 1.0]\n");
        assert!(message.contains("line 2: `camera.region` is [0.5, 0.0, 0.4, 1.0], expected left, top"), "{message}");
        assert!(error("[camera]\nregion = [0.0, 0.0, nan, 1.0]\n").contains("camera.region"));
        assert!(error("[camera]\ncommand = []\n").contains("`camera.command` is []"));
        let whole = error("[camera]\ncommand = [\"ffmpeg -i x\"]\n");
        assert!(whole.contains("each of its arguments for itself: [\"ffmpeg\", \"-i\", \"x\"]"), "{whole}");
        assert!(accepted("[camera]\nsource = \"pipe\"\nregion = [0.2, 0.1, 0.9, 1.0]\n"));
    }

    #[test]
    fn an_exposure_that_two_set_is_refused() {
        let face = "[camera]\nexposure = \"face\"\n";
        assert!(accepted(face));
        let message = error(&format!("{face}[camera.controls]\ngain = 3\n"));
        assert!(message.contains("camera.controls") && message.contains("without gain"), "{message}");
        assert!(error(&format!("{face}source = \"pipe\"\n")).contains("line 2: `camera.exposure` is \"face\""));
    }

    #[test]
    fn a_face_larger_than_the_picture_cannot_be_asked_for() {
        assert!(error("[quality]\nmin_face_pixels = 600.0\n").contains("at most `camera.height` 480"));
    }

    #[test]
    fn a_panel_that_its_controller_does_not_have_is_refused() {
        let panel = |text: &str| format!("[display]\ndriver = \"st7789\"\n{text}");
        assert!(error(&panel("width = 480\nheight = 320\n")).contains("line 3: `display.width` is 480"));
        let message = error(&panel("width = 240\nheight = 240\noffset_y = 81\n"));
        assert!(message.contains("line 5: `display.offset_y` is 81, expected at most 80"), "{message}");
        assert!(accepted(&panel("width = 240\nheight = 240\noffset_y = 80\n")));
        assert!(accepted(&panel("width = 135\nheight = 240\noffset_x = 52\noffset_y = 40\n")));
        assert!(error(&panel("offset_x = 1\n")).contains("expected at most 0"));
    }

    #[test]
    fn an_oled_has_its_own_size_whether_it_is_told_or_not() {
        assert!(accepted("[display]\ndriver = \"ssd1306\"\n"));
        assert!(accepted("[display]\ndriver = \"ssd1306\"\nwidth = 128\nheight = 64\n"));
        assert!(
            error("[display]\ndriver = \"ssd1306\"\nwidth = 128\nheight = 32\n")
                .contains("`display.height` is 32, expected 64")
        );
        assert!(
            error("[display]\ndriver = \"ssd1306\"\noffset_x = 4\n")
                .contains("`display.offset_x` is 4, expected at most 0")
        );
    }
}
