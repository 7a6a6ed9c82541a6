//! The configuration: one struct tree, one TOML file.
//!
//! Wrong configuration is refused at start: every error names the file, the line, the key, what was found and what was
//! expected. Unknown keys are errors. Every key has a default, so an empty file is a valid configuration; it describes a
//! Raspberry Pi with a USB camera, a relay on GPIO 17 and no display.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{policy::Policy, quality::QualityLimits, visit::VisitSettings};

/// Where `agegate run` looks without `--config`.
pub const DEFAULT_PATH: &str = "/etc/agegate/agegate.toml";

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where frames come from.
    pub camera: CameraConfig,
    /// Which models judge them.
    pub models: ModelsConfig,
    /// When people are let in; absent: `policy_file`, or the policy shipped with the embedded model.
    pub policy: Option<Policy>,
    /// A policy block written by `agegate calibrate`.
    pub policy_file: Option<PathBuf>,
    /// How visits are run.
    pub visit: VisitConfig,
    /// Which views count.
    pub quality: QualityLimits,
    /// What starts a visit.
    pub start: StartConfig,
    /// The lock.
    pub relay: RelayConfig,
    /// The screen.
    pub display: DisplayConfig,
    /// The decision log.
    pub log: LogConfig,
}

/// `[camera]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraConfig {
    /// The kind of source.
    pub source: CameraSource,
    /// V4L2 device; a name under /dev/v4l/by-id survives replugging.
    pub device: PathBuf,
    /// Folder of pictures, Motion-JPEG or Y4M file, for `source = "replay"`.
    pub path: Option<PathBuf>,
    /// Wanted width in pixels, 160 to 1920.
    pub width: u32,
    /// Wanted height in pixels, 120 to 1440.
    pub height: u32,
    /// Frames a second that are judged, 1 to 30.
    pub rate: f32,
    /// Seconds without a frame after which the camera counts as lost, 0.5 to 30.
    pub stall_seconds: f32,
    /// Frames after opening that are thrown away while the camera adjusts, 0 to 100.
    pub warmup_frames: u32,
}

/// Kinds of frame source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraSource {
    /// A Video4Linux2 device.
    V4l2,
    /// Recorded pictures, for tests and demonstrations.
    Replay,
}

impl Default for CameraConfig {
    fn default() -> Self {
        Self {
            source: CameraSource::V4l2,
            device: "/dev/video0".into(),
            path: None,
            width: 640,
            height: 480,
            rate: 10.0,
            stall_seconds: 2.0,
            warmup_frames: 5,
        }
    }
}

/// `[models]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelsConfig {
    /// Another face detector than the embedded one.
    pub detector: Option<PathBuf>,
    /// Another age estimator than the embedded one.
    pub age: Option<PathBuf>,
    /// Score from which on something is a face, 0.05 to 0.99; absent: the score the model was shipped with.
    pub detector_score: Option<f32>,
}

/// `[visit]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VisitConfig {
    /// Good frames that `Allow` needs, 1 to 50.
    pub good_frames: usize,
    /// Good frames after which a visit that is not sure ends in `Refer`, `good_frames` to 200.
    pub most_frames: usize,
    /// Seconds after which a visit ends in `Refer` whatever was seen, 1 to 120.
    pub decide_seconds: f32,
    /// Seconds without the face after which a visit is over, 0.2 to 10.
    pub lost_seconds: f32,
    /// Refused tries in a row before everyone is referred until the cool-down is over, 1 to 100.
    pub max_tries: u32,
    /// Seconds after a refused try in which the next visit counts as another try, 0 to 3600.
    pub cool_down_seconds: f32,
}

impl Default for VisitConfig {
    fn default() -> Self {
        Self {
            good_frames: 5,
            most_frames: 10,
            decide_seconds: 6.0,
            lost_seconds: 0.8,
            max_tries: 3,
            cool_down_seconds: 30.0,
        }
    }
}

impl VisitConfig {
    /// The same as the tracker wants it.
    #[must_use]
    pub fn settings(&self) -> VisitSettings {
        VisitSettings {
            good_frames: self.good_frames,
            most_frames: self.most_frames,
            decide_within: Duration::from_secs_f32(self.decide_seconds),
            lost_after: Duration::from_secs_f32(self.lost_seconds),
            max_tries: self.max_tries,
            cool_down: Duration::from_secs_f32(self.cool_down_seconds),
        }
    }
}

/// `[start]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StartConfig {
    /// What starts a visit.
    pub mode: StartMode,
    /// GPIO line of the button or sensor, 0 to 511.
    pub line: u32,
    /// Label of the GPIO chip that has the line; see `agegate check`.
    pub chip: String,
    /// Level of the line that starts a visit.
    pub active: Level,
    /// Seconds for which frames are read after a start, 1 to 120.
    pub seconds: f32,
}

impl Default for StartConfig {
    fn default() -> Self {
        Self { mode: StartMode::Always, line: 27, chip: DEFAULT_CHIP.into(), active: Level::Low, seconds: 15.0 }
    }
}

/// What starts a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartMode {
    /// The camera always watches.
    Always,
    /// A button that the visitor presses; until then no frame is read.
    Button,
    /// A presence sensor; until it reports somebody no frame is read.
    Sensor,
}

/// Label of the GPIO chip of a Raspberry Pi 4. Labels stay; the numbers of /dev/gpiochipN moved between kernels.
pub const DEFAULT_CHIP: &str = "pinctrl-bcm2711";

/// `[relay]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelayConfig {
    /// What drives the pin.
    pub driver: RelayDriver,
    /// BCM number of the pin (rppal), or line of the chip (cdev), 0 to 511.
    pub pin: u32,
    /// Label of the GPIO chip (cdev only).
    pub chip: String,
    /// Level of the pin that energises the relay.
    pub active: Level,
    /// What the lock does without power.
    pub lock: Lock,
    /// Seconds for which an `Allow` opens the door, 0.2 to 30.
    pub open_seconds: f32,
    /// Longest time for which the door stays open when visits follow each other, `open_seconds` to 120.
    pub max_open_seconds: f32,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            driver: RelayDriver::Rppal,
            pin: 17,
            chip: DEFAULT_CHIP.into(),
            active: Level::High,
            lock: Lock::FailSecure,
            open_seconds: 3.0,
            max_open_seconds: 10.0,
        }
    }
}

/// What drives the relay's pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayDriver {
    /// A Raspberry Pi's GPIO through `rppal`.
    Rppal,
    /// A line of a Linux GPIO character device.
    Cdev,
    /// No pin at all: what would happen is written to the log. For tests and demonstrations.
    Simulated,
}

/// A level of a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// 3.3 V.
    High,
    /// 0 V.
    Low,
}

/// What a lock does without power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lock {
    /// Locked without power: the relay is energised to open.
    FailSecure,
    /// Open without power: the relay is energised to lock. For doors that must free people.
    FailSafe,
}

/// `[display]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DisplayConfig {
    /// The panel's controller.
    pub driver: DisplayDriver,
    /// SPI device.
    pub spi: PathBuf,
    /// SPI clock in hertz, 100,000 to 80,000,000.
    pub clock_hz: u32,
    /// Label of the GPIO chip of the two lines below.
    pub chip: String,
    /// Line of data/command, 0 to 511.
    pub dc_line: u32,
    /// Line of the reset, 0 to 511; absent: the panel's reset is not wired.
    pub reset_line: Option<u32>,
    /// Width of the panel in its native orientation, pixels.
    pub width: u16,
    /// Height of the panel in its native orientation, pixels.
    pub height: u16,
    /// Clockwise turn in degrees: 0, 90, 180 or 270.
    pub rotation: u16,
    /// First visible column of the controller's memory.
    pub offset_x: u16,
    /// First visible row of the controller's memory.
    pub offset_y: u16,
    /// Whether the panel shows colours inverted without a command (most ST7789 panels do).
    pub invert: bool,
    /// Language of the screens: `en`, `de`, or that of `texts_file`.
    pub language: String,
    /// Own texts, TOML; missing ones fall back to `language`.
    pub texts_file: Option<PathBuf>,
}

impl Default for DisplayConfig {
    fn default() -> Self {
        Self {
            driver: DisplayDriver::None,
            spi: "/dev/spidev0.0".into(),
            clock_hz: 32_000_000,
            chip: DEFAULT_CHIP.into(),
            dc_line: 25,
            reset_line: Some(24),
            width: 240,
            height: 320,
            rotation: 0,
            offset_x: 0,
            offset_y: 0,
            invert: true,
            language: "en".into(),
            texts_file: None,
        }
    }
}

/// The panel's controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisplayDriver {
    /// No display.
    None,
    /// ST7789, colour.
    St7789,
    /// ILI9341, colour.
    Ili9341,
    /// SSD1306, monochrome, 128x64.
    Ssd1306,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Folder of the decision log.
    pub folder: PathBuf,
    /// Size at which a new file begins, bytes, 4,096 to 1,000,000,000.
    pub max_file_bytes: u64,
    /// Days for which files are kept, 1 to 3650; by the log's own time, see [`crate::audit::clock`].
    pub keep_days: u32,
    /// Size of all files together above which the oldest go, bytes, 16,384 to 1,000,000,000,000. No file gets larger than a
    /// quarter of it.
    pub max_total_bytes: u64,
    /// The key of the log, and of no other log; absent: `FOLDER.key`, beside the folder.
    pub key_file: Option<PathBuf>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            folder: "/var/lib/agegate/log".into(),
            max_file_bytes: 4_000_000,
            keep_days: 30,
            max_total_bytes: 200_000_000,
            key_file: None,
        }
    }
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("configuration {}: cannot read it: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or has an unknown key or a value of the wrong type.
    #[error("configuration {}, line {line}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A value out of range.
    #[error("configuration {}, line {line}: `{key}` is {found}, expected {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Line of the key, or of its table, or 1 where the value is a default.
        line: usize,
        /// Dotted key.
        key: String,
        /// What was found.
        found: String,
        /// What would do.
        expected: String,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`]: unreadable, no TOML, an unknown key, a value out of range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a file; `path` names it in messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = parse_toml(text, path)?;
        if let Some(fault) = config.faults().into_iter().next() {
            return Err(fault.at(text, path));
        }
        if let Some(file) = config.policy_file.clone() {
            if config.policy.is_some() {
                let fault =
                    Fault::new("policy_file", file.display(), "either `policy_file` or a [policy] table, not both");
                return Err(fault.at(text, path));
            }
            let file = path.parent().map_or_else(|| file.clone(), |folder| folder.join(&file));
            config.policy = Some(load_policy(&file)?);
        }
        Ok(config)
    }

    /// The policy in force: the configured one, or the one shipped with the embedded model.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy.clone().unwrap_or_else(Policy::shipped)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut check = |key: &str, found: &dyn fmt::Display, good: bool, expected: &str| {
            if !good {
                faults.push(Fault::new(key, found, expected));
            }
        };
        let c = &self.camera;
        check("camera.width", &c.width, (160..=1920).contains(&c.width), "160 to 1920 pixels");
        check("camera.height", &c.height, (120..=1440).contains(&c.height), "120 to 1440 pixels");
        check("camera.rate", &c.rate, (1.0..=30.0).contains(&c.rate), "1 to 30 frames a second");
        check("camera.stall_seconds", &c.stall_seconds, (0.5..=30.0).contains(&c.stall_seconds), "0.5 to 30 seconds");
        check("camera.warmup_frames", &c.warmup_frames, c.warmup_frames <= 100, "0 to 100");
        let replay_without_path = c.source == CameraSource::Replay && c.path.is_none();
        check(
            "camera.path",
            &"missing",
            !replay_without_path,
            "a folder of pictures, a Motion-JPEG or a Y4M file for source = \"replay\"",
        );
        if let Some(score) = self.models.detector_score {
            check("models.detector_score", &score, (0.05..=0.99).contains(&score), "0.05 to 0.99");
        }
        let v = &self.visit;
        check("visit.good_frames", &v.good_frames, (1..=50).contains(&v.good_frames), "1 to 50");
        check(
            "visit.most_frames",
            &v.most_frames,
            (v.good_frames..=200).contains(&v.most_frames),
            "`good_frames` to 200",
        );
        check("visit.decide_seconds", &v.decide_seconds, (1.0..=120.0).contains(&v.decide_seconds), "1 to 120 seconds");
        check("visit.lost_seconds", &v.lost_seconds, (0.2..=10.0).contains(&v.lost_seconds), "0.2 to 10 seconds");
        check("visit.max_tries", &v.max_tries, (1..=100).contains(&v.max_tries), "1 to 100");
        check(
            "visit.cool_down_seconds",
            &v.cool_down_seconds,
            (0.0..=3600.0).contains(&v.cool_down_seconds),
            "0 to 3600 seconds",
        );
        let q = &self.quality;
        check("quality.min_face_share", &q.min_face_share, (0.05..=0.9).contains(&q.min_face_share), "0.05 to 0.9");
        check(
            "quality.min_face_pixels",
            &q.min_face_pixels,
            (24.0..=1000.0).contains(&q.min_face_pixels),
            "24 to 1000 pixels",
        );
        check("quality.min_brightness", &q.min_brightness, (0.0..=200.0).contains(&q.min_brightness), "0 to 200");
        check(
            "quality.max_brightness",
            &q.max_brightness,
            q.max_brightness > q.min_brightness && q.max_brightness <= 255.0,
            "more than `min_brightness`, at most 255",
        );
        check("quality.min_contrast", &q.min_contrast, (0.0..=127.0).contains(&q.min_contrast), "0 to 127");
        check("quality.min_sharpness", &q.min_sharpness, (0.0..=4.0).contains(&q.min_sharpness), "0 to 4");
        check("quality.max_turn", &q.max_turn, (0.05..=1.0).contains(&q.max_turn), "0.05 to 1");
        check(
            "quality.max_roll_degrees",
            &q.max_roll_degrees,
            (5.0..=45.0).contains(&q.max_roll_degrees),
            "5 to 45 degrees",
        );
        check("quality.min_inside", &q.min_inside, (0.5..=1.0).contains(&q.min_inside), "0.5 to 1");
        let s = &self.start;
        check("start.line", &s.line, s.line <= 511, "0 to 511");
        check("start.seconds", &s.seconds, (1.0..=120.0).contains(&s.seconds), "1 to 120 seconds");
        let r = &self.relay;
        let last_pin = if r.driver == RelayDriver::Rppal { 27 } else { 511 };
        check(
            "relay.pin",
            &r.pin,
            r.pin <= last_pin,
            if last_pin == 27 { "a BCM number, 0 to 27" } else { "0 to 511" },
        );
        check("relay.open_seconds", &r.open_seconds, (0.2..=30.0).contains(&r.open_seconds), "0.2 to 30 seconds");
        check(
            "relay.max_open_seconds",
            &r.max_open_seconds,
            r.max_open_seconds >= r.open_seconds && r.max_open_seconds <= 120.0,
            "`open_seconds` to 120 seconds",
        );
        let d = &self.display;
        check(
            "display.clock_hz",
            &d.clock_hz,
            (100_000..=80_000_000).contains(&d.clock_hz),
            "100000 to 80000000 hertz",
        );
        check("display.rotation", &d.rotation, [0, 90, 180, 270].contains(&d.rotation), "0, 90, 180 or 270 degrees");
        check("display.dc_line", &d.dc_line, d.dc_line <= 511, "0 to 511");
        check("display.width", &d.width, (64..=480).contains(&d.width), "64 to 480 pixels");
        check("display.height", &d.height, (32..=480).contains(&d.height), "32 to 480 pixels");
        let known = ["en", "de"].contains(&d.language.as_str());
        check(
            "display.language",
            &format!("{:?}", d.language),
            known,
            "\"en\" or \"de\"; other languages through `texts_file`",
        );
        let same_pins = r.driver != RelayDriver::Simulated
            && d.driver != DisplayDriver::None
            && (r.pin == d.dc_line || Some(r.pin) == d.reset_line);
        check("relay.pin", &r.pin, !same_pins, "another pin than the display's `dc_line` and `reset_line`");
        let start_on_relay = s.mode != StartMode::Always && r.driver != RelayDriver::Simulated && s.line == r.pin;
        check("start.line", &s.line, !start_on_relay, "another line than `relay.pin`");
        let l = &self.log;
        check(
            "log.max_file_bytes",
            &l.max_file_bytes,
            (4096..=1_000_000_000).contains(&l.max_file_bytes),
            "4096 to 1000000000 bytes",
        );
        check("log.keep_days", &l.keep_days, (1..=3650).contains(&l.keep_days), "1 to 3650 days");
        check(
            "log.max_total_bytes",
            &l.max_total_bytes,
            (16_384..=1_000_000_000_000).contains(&l.max_total_bytes),
            "16384 to 1000000000000 bytes",
        );
        if let Some((key, found, expected)) = self.policy.as_ref().and_then(Policy::fault) {
            faults.push(Fault::new(&format!("policy.{key}"), found, &expected));
        }
        faults
    }
}

/// Reads a policy block as `agegate calibrate` writes it.
///
/// # Errors
/// As [`Config::load`].
pub fn load_policy(path: &Path) -> Result<Policy, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    let policy: Policy = parse_toml(&text, path)?;
    match policy.fault() {
        None => Ok(policy),
        Some((key, found, expected)) => Err(Fault::new(key, found, &expected).at(&text, path)),
    }
}

fn parse_toml<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Parse {
        path: path.into(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        message: error.message().split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

struct Fault {
    key: String,
    found: String,
    expected: String,
}

impl Fault {
    fn new(key: &str, found: impl fmt::Display, expected: &str) -> Self {
        Self { key: key.into(), found: found.to_string(), expected: expected.into() }
    }

    fn at(self, text: &str, path: &Path) -> ConfigError {
        ConfigError::Value {
            path: path.into(),
            line: line_of_key(text, &self.key),
            key: self.key,
            found: self.found,
            expected: self.expected,
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

/// The line on which a dotted key stands, or the one of its table, or 1.
fn line_of_key(text: &str, key: &str) -> usize {
    let Ok(root) = toml::de::DeTable::parse(text) else { return 1 };
    let (mut table, mut line) = (root.get_ref(), 1);
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else { break };
        line = line_of(text, name.span().start);
        match value.get_ref().as_table() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(text, Path::new("gate.toml")).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("", Path::new("gate.toml")).unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let message = error("[relay]\npin = 17\n\n[camera]\nfps = 10\n");
        assert!(message.contains("line 5") && message.contains("`fps`") && message.contains("`rate`"), "{message}");
    }

    #[test]
    fn a_value_out_of_range_is_named_with_line_key_found_and_expected() {
        let message = error("# the lock\n[relay]\npin = 17\nopen_seconds = 90\n");
        assert_eq!(message, "configuration gate.toml, line 4: `relay.open_seconds` is 90, expected 0.2 to 30 seconds");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_with_its_line() {
        let message = error("[visit]\ngood_frames = \"many\"\n");
        assert!(message.contains("line 2") && message.contains("string"), "{message}");
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        assert!(error("[camera]\nrate = nan\n").contains("`camera.rate` is NaN"));
        assert!(error("[visit]\ndecide_seconds = inf\n").contains("`visit.decide_seconds` is inf"));
    }

    #[test]
    fn the_relay_and_the_display_cannot_share_a_pin() {
        let message = error("[relay]\npin = 25\n[display]\ndriver = \"st7789\"\n");
        assert!(message.contains("relay.pin"), "{message}");
    }

    #[test]
    fn the_shipped_policy_is_valid() {
        assert_eq!(Policy::shipped().fault(), None);
    }
}
