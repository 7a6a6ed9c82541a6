//! The struct tree that a configuration file fills: one struct a table, and the defaults. What values may be is said in
//! [`super::table`], and nowhere else.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    door_unit::{InputsConfig, OutputsConfig},
    error::Written,
};
use crate::{
    camera::{controls::WantedControls, pixel::PixelFormat},
    display::texts::Texts,
    policy::{Policy, ShippedPolicy},
    quality::QualityLimits,
    vision::Runtime,
    visit::VisitSettings,
};

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
    /// Which of the policies shipped with the embedded model, where none is configured.
    pub shipped_policy: ShippedPolicy,
    /// A policy block written by `agegate calibrate`; beside the configuration.
    pub policy_file: Option<PathBuf>,
    /// How visits are run.
    pub visit: VisitConfig,
    /// Which views count.
    pub quality: QualityLimits,
    /// Whether a living face is asked for.
    pub liveness: LivenessConfig,
    /// What starts a visit.
    pub start: StartConfig,
    /// The lock.
    pub relay: RelayConfig,
    /// What a door unit reads.
    pub inputs: InputsConfig,
    /// What a door unit drives besides the relay.
    pub outputs: OutputsConfig,
    /// The screen.
    pub display: DisplayConfig,
    /// The decision log.
    pub log: LogConfig,
    /// Where all this is written.
    #[serde(skip)]
    pub written: Written,
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
    /// Program and arguments for `source = "pipe"`, run without a shell; `{width}`, `{height}` and `{rate}` are put in.
    pub command: Vec<String>,
    /// What the command writes.
    pub format: PipeFormat,
    /// Clockwise turn in degrees that puts the picture upright.
    pub rotation: u16,
    /// Whether left and right are exchanged.
    pub mirror: bool,
    /// Part of the upright picture whose faces count: left, top, right, bottom, in shares of its sides.
    #[serde(deserialize_with = "four")]
    pub region: [f32; 4],
    /// What exposure is set by.
    pub exposure: ExposureBy,
    /// The camera's own controls, set at every opening.
    pub controls: WantedControls,
    /// Wanted width in pixels.
    pub width: u32,
    /// Wanted height in pixels.
    pub height: u32,
    /// Frames a second that are judged.
    pub rate: f32,
    /// Seconds without a frame after which the camera counts as lost.
    pub stall_seconds: f32,
    /// Frames after opening that are thrown away while the camera adjusts.
    pub warmup_frames: u32,
    /// Whether less is searched for faces where nothing changes: one picture a second while nobody is there, and of most pictures
    /// of a face that is alone only its surroundings.
    pub skip_unchanged: bool,
}

/// Four numbers, and no fifth: a tuple would take the first four of more.
fn four<'de, D: serde::Deserializer<'de>>(file: D) -> Result<[f32; 4], D::Error> {
    let values = Vec::<f32>::deserialize(file)?;
    let count = values.len();
    values.try_into().map_err(|_| serde::de::Error::custom(format!("{count} numbers, expected 4")))
}

/// Kinds of frame source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraSource {
    /// A Video4Linux2 device.
    V4l2,
    /// A command that writes frames to its standard output.
    Pipe,
    /// Recorded pictures, for tests and demonstrations.
    Replay,
}

/// What exposure is set by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExposureBy {
    /// The camera, as it does by itself.
    Camera,
    /// The brightness of the face, or of the region while nobody is there.
    Face,
}

/// What the command of `source = "pipe"` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PipeFormat {
    /// Motion-JPEG or Y4M, told by the first bytes.
    #[serde(rename = "auto")]
    Auto,
    /// Raw frames, planes Y, U, V.
    #[serde(rename = "YU12")]
    Yu12,
    /// Raw frames, plane Y, then U and V by turns.
    #[serde(rename = "NV12")]
    Nv12,
    /// Raw frames, packed Y U Y V.
    #[serde(rename = "YUYV")]
    Yuyv,
    /// Raw frames, packed R G B.
    #[serde(rename = "RGB3")]
    Rgb3,
    /// Raw frames, packed B G R.
    #[serde(rename = "BGR3")]
    Bgr3,
    /// Raw frames, grey.
    #[serde(rename = "GREY")]
    Grey,
}

impl PipeFormat {
    /// The format of the pixels of raw frames; `None` for a stream that tells itself what it is.
    #[must_use]
    pub fn pixels(self) -> Option<PixelFormat> {
        match self {
            Self::Auto => None,
            Self::Yu12 => Some(PixelFormat::Yu12),
            Self::Nv12 => Some(PixelFormat::Nv12),
            Self::Yuyv => Some(PixelFormat::Yuyv),
            Self::Rgb3 => Some(PixelFormat::Rgb24),
            Self::Bgr3 => Some(PixelFormat::Bgr24),
            Self::Grey => Some(PixelFormat::Grey),
        }
    }
}

/// The default command: a Raspberry Pi's CSI camera through libcamera.
fn rpicam_vid() -> Vec<String> {
    "rpicam-vid --nopreview --timeout 0 --codec mjpeg --width {width} --height {height} --framerate {rate} --output -"
        .split(' ')
        .map(str::to_owned)
        .collect()
}

impl Default for CameraConfig {
    fn default() -> Self {
        Self {
            source: CameraSource::V4l2,
            device: "/dev/video0".into(),
            path: None,
            command: rpicam_vid(),
            format: PipeFormat::Auto,
            rotation: 0,
            mirror: false,
            region: [0.0, 0.0, 1.0, 1.0],
            exposure: ExposureBy::Camera,
            controls: WantedControls::new(),
            width: 640,
            height: 480,
            rate: 10.0,
            stall_seconds: 2.0,
            warmup_frames: 5,
            skip_unchanged: true,
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
    /// Another liveness model than the embedded one.
    pub liveness: Option<PathBuf>,
    /// Score from which on something is a face; absent: the score the model was shipped with.
    pub detector_score: Option<f32>,
    /// How the models are run.
    pub runtime: Runtime,
}

/// `[visit]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VisitConfig {
    /// Good frames that `Allow` needs.
    pub good_frames: usize,
    /// Good frames after which a visit that is not sure ends in `Refer`.
    pub most_frames: usize,
    /// Seconds after which a visit ends in `Refer` whatever was seen.
    pub decide_seconds: f32,
    /// Seconds without the face after which a visit is over.
    pub lost_seconds: f32,
    /// Refused tries in a row before everyone is referred until the cool-down is over.
    pub max_tries: u32,
    /// Seconds after a refused try in which the next visit counts as another try.
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

/// `[liveness]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LivenessConfig {
    /// How a living face is asked for.
    pub mode: LivenessMode,
    /// Turns of the head that `mode = "turn"` asks for, one after the other.
    pub turns: usize,
}

impl Default for LivenessConfig {
    fn default() -> Self {
        Self { mode: LivenessMode::SHIPPED, turns: 1 }
    }
}

/// How a living face is asked for. How sure of it one must be is for the policy to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LivenessMode {
    /// Not at all: a photo of an adult may open the door.
    Off,
    /// By how it looks.
    Passive,
    /// By how it looks, and by a turn of the head.
    Turn,
}

impl LivenessMode {
    /// The default, and what the example configuration shows.
    pub const SHIPPED: Self = Self::Passive;
}

impl std::fmt::Display for LivenessMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Off => "off",
            Self::Passive => "passive",
            Self::Turn => "turn",
        })
    }
}

/// `[start]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StartConfig {
    /// What starts a visit.
    pub mode: StartMode,
    /// GPIO line of the button or sensor.
    pub line: u32,
    /// Label of the GPIO chip that has the line; see `agegate check`.
    pub chip: String,
    /// Level of the line that starts a visit.
    pub active: Level,
    /// Seconds for which frames are read after a start.
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

/// The GPIO chip of the header of whatever Raspberry Pi this is.
pub const DEFAULT_CHIP: &str = crate::gpio::AUTO;

/// `[relay]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelayConfig {
    /// What drives the pin.
    pub driver: RelayDriver,
    /// BCM number of the pin (rppal), or line of the chip (cdev).
    pub pin: u32,
    /// Label of the GPIO chip (cdev only).
    pub chip: String,
    /// Level of the pin that energises the relay.
    pub active: Level,
    /// What the lock does without power.
    pub lock: Lock,
    /// Seconds for which an `Allow` opens the door.
    pub open_seconds: f32,
    /// Longest time for which the door stays open when visits follow each other.
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
    /// SPI clock in hertz.
    pub clock_hz: u32,
    /// SPI mode: 0; 3 for panels without chip select.
    pub spi_mode: u8,
    /// Label of the GPIO chip of the three lines below.
    pub chip: String,
    /// Line of data/command.
    pub dc_line: u32,
    /// Line of the reset; absent: the panel's reset is not wired.
    pub reset_line: Option<u32>,
    /// Line that lights the panel when it is high; absent: it is lit by its wiring.
    pub backlight_line: Option<u32>,
    /// Width of the panel in its native orientation, pixels; absent: as many columns as its controller has.
    pub width: Option<u16>,
    /// Height of the panel in its native orientation, pixels; absent: as many rows as its controller has.
    pub height: Option<u16>,
    /// Clockwise turn in degrees.
    pub rotation: u16,
    /// First visible column of the controller's memory.
    pub offset_x: u16,
    /// First visible row of the controller's memory.
    pub offset_y: u16,
    /// Whether the panel shows colours inverted without a command (most ST7789 panels do).
    pub invert: bool,
    /// Order of the panel's colours; absent: that of most panels with this controller.
    pub colour_order: Option<ColourOrder>,
    /// Language of the screens: `en`, `de`, or that of `texts_file`.
    pub language: String,
    /// Own texts, TOML; missing ones fall back to `language`.
    pub texts_file: Option<PathBuf>,
    /// What `texts_file` held when the configuration was read; it is not looked at again.
    #[serde(skip)]
    pub own_texts: Option<Texts>,
}

impl Default for DisplayConfig {
    fn default() -> Self {
        Self {
            driver: DisplayDriver::None,
            spi: "/dev/spidev0.0".into(),
            clock_hz: 32_000_000,
            spi_mode: 0,
            chip: DEFAULT_CHIP.into(),
            dc_line: 25,
            reset_line: None,
            backlight_line: None,
            width: None,
            height: None,
            rotation: 0,
            offset_x: 0,
            offset_y: 0,
            invert: true,
            colour_order: None,
            language: "en".into(),
            texts_file: None,
            own_texts: None,
        }
    }
}

impl DisplayConfig {
    /// Columns and rows of the panel in its native orientation: as configured, or those of its controller.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let (width, height) = self.driver.memory();
        (self.width.unwrap_or(width), self.height.unwrap_or(height))
    }

    /// The order of the panel's colours: as configured, or that of most panels with its controller.
    #[must_use]
    pub fn colour_order(&self) -> ColourOrder {
        self.colour_order.unwrap_or(match self.driver {
            DisplayDriver::Ili9341 => ColourOrder::Bgr,
            DisplayDriver::None | DisplayDriver::St7789 | DisplayDriver::Ssd1306 => ColourOrder::Rgb,
        })
    }

    /// The texts of the screens.
    #[must_use]
    pub fn texts(&self) -> Texts {
        self.own_texts.clone().unwrap_or_else(|| Texts::shipped(&self.language))
    }
}

/// Order of a panel's colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
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

impl DisplayDriver {
    /// Columns and rows of the controller's memory.
    #[must_use]
    pub fn memory(self) -> (u16, u16) {
        match self {
            Self::None | Self::St7789 | Self::Ili9341 => (240, 320),
            Self::Ssd1306 => (128, 64),
        }
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Folder of the decision log.
    pub folder: PathBuf,
    /// Size at which a new file begins, bytes.
    pub max_file_bytes: u64,
    /// Days for which files are kept.
    pub keep_days: u32,
    /// Size of all files together above which the oldest go, bytes. No file gets larger than a quarter of it.
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
