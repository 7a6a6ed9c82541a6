//! The command line's definition; manual page and shell completions are made from it.

#![allow(rustdoc::broken_intra_doc_links, reason = "the comments are the help texts, and brackets there are no links")]

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand};

use crate::{
    config::table::{self, Range},
    vision::Runtime,
};

/// Reads a whole number between two bounds. Whatever else is given is told in words, numbers below zero too.
fn whole<T: TryFrom<u64>>(low: u64, high: u64) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| (low..=high).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("expected a whole number, {low} to {high}"))
    }
}

/// Reads a whole number that a key of the configuration could have, too.
fn of_key<T: TryFrom<i64>>(key: &'static str) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let range = table::range(key).unwrap_or(Range::Written);
        let fits = |number: &i64| range.holds(&toml::Value::Integer(*number), &toml::Table::new());
        let number = text.parse().ok().filter(fits).and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("expected a whole number, {range}"))
    }
}

/// Reads an age; its bounds are for the command to tell.
fn years(text: &str) -> Result<u8, &'static str> {
    text.parse().map_err(|_| "expected whole years, such as 21")
}

/// Reads a number; its bounds are for the command to tell.
fn number<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "expected a number, such as 0.01")
}

/// An age gate that decides on the device and keeps no picture.
///
/// Looks at a visitor for a second, opens a relay for whoever is surely old enough, asks everybody else for ID, and logs
/// the decision. When anything goes wrong, the door stays shut.
#[derive(Debug, Parser)]
#[command(name = "agegate", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gate: camera, relay, display and log as configured.
    Run(RunArgs),
    /// Run the gate and restart it when it dies or hangs, on boards where no systemd does that.
    Supervise(SuperviseArgs),
    /// Show the whole gate at work with nothing attached; the relay is simulated.
    Demo(DemoArgs),
    /// Ask a few questions, try the devices, write a configuration and show its wiring.
    Setup(SetupArgs),
    /// Help whoever mounts the camera: where the face is, its size, light, sharpness and turn, as words and as a box.
    Aim(AimArgs),
    /// Check configuration, models, camera, pins, display and log; one line each. Exit code 1: something is to be done first, for `run` would not start, let nobody in, or forget with the power that the cover was opened.
    Check(CheckArgs),
    /// Read the decision log.
    Log(LogArgs),
    /// Drive the lock to its safe state.
    Relay(RelayArgs),
    /// Put a gate whose cover was opened in order again: it opens once the cover is on.
    ResetTamper(ConfigArgs),
    /// Run recorded pictures through detection, visit and policy, and print the decisions.
    Replay(ReplayArgs),
    /// Find faces in pictures.
    Detect(DetectArgs),
    /// Measure the embedded models on labelled pictures, and on pictures of attacks.
    Evaluate(EvaluateArgs),
    /// Choose the policy that keeps a bound on the minors let in, and how sure of a living face it is.
    Calibrate(CalibrateArgs),
    /// Print shell completions or the manual page.
    #[command(hide = true)]
    Generate(GenerateArgs),
    /// Hold the relay for the daemon, and let go when it dies or hangs. Takes its settings from its standard input.
    #[command(hide = true)]
    RelayKeeper,
    /// Run the camera's command, and end it when the gate ends.
    #[command(hide = true)]
    CameraCommand(CameraCommandArgs),
}

/// `agegate camera-command`
#[derive(Debug, Args)]
pub struct CameraCommandArgs {
    /// Program and arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// Which configuration is checked.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Check it as if it stood at this place: a copy of the configuration of the gate that runs from there.
    #[arg(long, value_name = "FILE")]
    pub in_place_of: Option<PathBuf>,
}

/// Which configuration.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub config: PathBuf,
}

/// `agegate setup`
///
/// Each answer may be given here; what is not is asked.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Where to write the configuration; a file that is there already is not touched.
    #[arg(long, value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub out: PathBuf,
    /// Ask nothing: whatever is not said here is as it is proposed.
    #[arg(long)]
    pub yes: bool,
    /// A V4L2 device, `pipe` for a CSI camera through rpicam-vid, or recorded pictures.
    #[arg(long, value_name = "CAMERA")]
    pub camera: Option<String>,
    /// Clockwise turn in degrees that puts the picture upright.
    #[arg(long, value_name = "DEGREES", allow_negative_numbers = true)]
    pub rotation: Option<String>,
    /// `rppal:BCM`, `cdev:CHIP:LINE`, or `simulated`.
    #[arg(long, value_name = "RELAY")]
    pub relay: Option<String>,
    /// Level that energises the relay: high or low.
    #[arg(long, value_name = "LEVEL")]
    pub active: Option<String>,
    /// What the lock does without power: fail-secure or fail-safe.
    #[arg(long, value_name = "LOCK")]
    pub lock: Option<String>,
    /// The panel's controller: none, st7789, ili9341 or ssd1306.
    #[arg(long, value_name = "DRIVER")]
    pub display: Option<String>,
    /// What starts a visit: always, button or sensor.
    #[arg(long, value_name = "START")]
    pub start: Option<String>,
    /// Language of the screens: en or de.
    #[arg(long, value_name = "LANGUAGE")]
    pub language: Option<String>,
    /// Folder of the decision log.
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
}

/// `agegate aim`
#[derive(Debug, Args)]
pub struct AimArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// End after so many seconds; otherwise with Ctrl-C.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = whole::<u64>(1, 86_400))]
    pub seconds: Option<u64>,
}

/// `agegate run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// End in good order when the program that started this one dies.
    #[arg(long, hide = true)]
    pub supervised: bool,
}

/// `agegate supervise`
#[derive(Debug, Args)]
pub struct SuperviseArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Time without a judged frame, in seconds, after which the gate is killed and started again.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, allow_negative_numbers = true, value_parser = whole::<u64>(1, 600))]
    pub watchdog_seconds: u64,
}

/// `agegate demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder of pictures, Motion-JPEG or Y4M file, or V4L2 device. Default: visitors who do not exist, made by the program.
    #[arg(long, value_name = "PATH")]
    pub frames: Option<PathBuf>,
    /// Folder for the pictures of the display, the contact sheet and the log.
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    pub out: PathBuf,
    /// Language of the screens: en or de.
    #[arg(long, default_value = "en", value_parser = ["en", "de"])]
    pub language: String,
    /// Do not draw the display to the terminal.
    #[arg(long)]
    pub quiet: bool,
}

/// `agegate log`
#[derive(Debug, Args)]
pub struct LogArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: LogCommand,
}

/// Ways to read the log.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Print the records, oldest first.
    Show(LogSource),
    /// Check the chain: says which record was changed, removed, reordered or forged, and what was lost. Exit code 1 if any.
    ///
    /// Without the key, records that somebody rewrote together with all that follow them do not show. With the key, which
    /// the gate's user and root can read, they do, unless whoever did it had the key. That the whole folder was put back to an
    /// older copy shows only against an anchor that was kept elsewhere (`agegate log anchor`).
    Verify(VerifyArgs),
    /// Print the last number and hash on one line, to be kept elsewhere: `verify --anchor` then shows any cut or rewriting.
    Anchor(LogSource),
    /// Count decisions and reasons by day.
    Stats(LogSource),
    /// Write the decisions as CSV to standard output.
    Export(LogSource),
}

/// `agegate log verify`
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Which log.
    #[command(flatten)]
    pub source: LogSource,
    /// The log's key; default: the one beside the folder, which must be there unless `--without-key` is said.
    #[arg(long, value_name = "FILE", conflicts_with = "without_key")]
    pub key: Option<PathBuf>,
    /// An anchor that was kept elsewhere; may be given again and again.
    #[arg(long, value_name = "ANCHOR")]
    pub anchor: Vec<String>,
    /// A file of anchors, one a line; what follows a # is not read.
    #[arg(long, value_name = "FILE")]
    pub anchors: Vec<PathBuf>,
}

/// Which log.
#[derive(Clone, Debug, Args)]
pub struct LogSource {
    /// Folder of the log; default: the one of the configuration.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Configuration file that names the folder.
    #[arg(long, value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// Do without the key, as on another machine or for a copy: what only the key shows is then not checked.
    #[arg(long)]
    pub without_key: bool,
    /// Print JSON instead of text (show, stats, anchor and verify).
    #[arg(long)]
    pub json: bool,
}

/// `agegate relay`
#[derive(Debug, Args)]
pub struct RelayArgs {
    /// De-energise the relay that the last gate drove, whatever the configuration says now. Where no gate has run since
    /// the boot, the relay of the configuration, of which only the [relay] table has to be readable.
    #[arg(long, required = true)]
    pub off: bool,
    /// Configuration file that the gate runs with; it may be broken or missing.
    #[arg(long, value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub config: PathBuf,
}

/// `agegate replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Pictures, folders of pictures, Motion-JPEG or Y4M files, in the order of time.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Configuration file; default: the built-in configuration.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Pictures a second.
    #[arg(long, default_value_t = 10.0, allow_negative_numbers = true, value_parser = number::<f32>)]
    pub rate: f32,
    /// Print a line for every picture, not only for decisions.
    #[arg(long)]
    pub frames: bool,
    /// Read a single picture this many times, as a visitor who stands still.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = whole::<u32>(1, 1000))]
    pub repeat: u32,
}

/// `agegate detect`
#[derive(Debug, Args)]
pub struct DetectArgs {
    /// Pictures, or folders of pictures.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write the faces as JSON: path to a list of {score, box, landmarks, liveness}, and `flaw` where a gate as shipped would not judge that
    /// face as its visitor: TooFar, OutsideFrame, or LookingAway (turned, or tilted). Light, focus and covers are not looked at.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the pictures with boxes and landmarks drawn in.
    #[arg(long, value_name = "DIR")]
    pub annotate: Option<PathBuf>,
    /// Score from which on something is a face; default: the model's own.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = number::<f32>)]
    pub score: Option<f32>,
    /// Another detector than the embedded one.
    #[arg(long, value_name = "FILE")]
    pub detector: Option<PathBuf>,
    /// Another liveness model than the embedded one.
    #[arg(long, value_name = "FILE")]
    pub liveness_model: Option<PathBuf>,
}

/// Labelled pictures.
#[derive(Debug, Args)]
pub struct DatasetArgs {
    /// Labelled pictures; may be given several times. A folder of files named [age]_[gender]_[ethnicity]_[date].jpg, a
    /// folder with a labels.csv, or such a CSV, whose columns are path and age, and as far as they are known gender, group and
    /// person: pictures of one person, and pictures that are nearly the same, count once. An age may be a range, such as
    /// 10-19: it counts, in every figure, as the age in it that is worst for that figure.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["aligned_dataset", "attacks", "live"])]
    pub dataset: Vec<PathBuf>,
    /// The same for pictures that are aligned chips already, as in UTKFace: the detector is skipped. May be given several times.
    #[arg(long, value_name = "DIR")]
    pub aligned_dataset: Vec<PathBuf>,
    /// The pictures of every --dataset are aligned chips, too.
    #[arg(long)]
    pub aligned: bool,
    /// Pictures of attacks: the sub-folders name what is held up before the camera, such as screen or print, and `live` is of
    /// living people. A labels.csv (path, and as far as they are known gender and group) may lie in it or in them. May be given
    /// several times.
    #[arg(long, value_name = "DIR")]
    pub attacks: Vec<PathBuf>,
    /// More pictures of living people, beside the attacks. May be given several times.
    #[arg(long, value_name = "DIR")]
    pub live: Vec<PathBuf>,
    /// Take the settings of visits and of picture quality, and the score that a face must reach, from this configuration; default: the built-in ones.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `agegate evaluate`
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Labelled pictures.
    #[command(flatten)]
    pub data: DatasetArgs,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write one line for each picture in which a face was found, as CSV: path, true age, estimated age, P(age >= 18), P(age >= 25) and P(female) as the
    /// model says; how likely mouth and eyes are covered (above 0.5 the view is not judged); the weight of the view by light and focus (0: not
    /// judged). And, where the policy was made for this model, P(age >= the policy's `sure_age`) at its temperature, which `confidence` is
    /// compared with, and whether the age alone is old enough, whatever the view is like.
    #[arg(long, value_name = "FILE")]
    pub predictions: Option<PathBuf>,
    /// Write a report (HTML, JSON, CSV) to this folder.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Put the worst pictures themselves into the report, not only their names.
    #[arg(long, requires = "report")]
    pub with_pictures: bool,
    /// Another detector than the embedded one.
    #[arg(long, value_name = "FILE")]
    pub detector: Option<PathBuf>,
    /// Another age estimator than the embedded one.
    #[arg(long, value_name = "FILE")]
    pub age_model: Option<PathBuf>,
    /// Another liveness model than the embedded one.
    #[arg(long, value_name = "FILE")]
    pub liveness_model: Option<PathBuf>,
    /// How the models are run: `auto`, in integers where the processor can, or `float`.
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub runtime: Runtime,
    /// The policy by which visits, living faces and attacks are judged, as `calibrate` writes it. Default: the shipped one.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

/// `agegate calibrate`
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// Labelled pictures.
    #[command(flatten)]
    pub data: DatasetArgs,
    /// The legal limit in years: minors are all who are younger.
    /// Default: 18.
    #[arg(long, allow_negative_numbers = true, value_parser = of_key::<u8>("policy.threshold_age"))]
    pub threshold: Option<u8>,
    /// Largest share of the minors of 13 and over let in: the upper end of its 95 % interval stays under it, and that of
    /// younger children too, where any of them gets in. Several, with an `--out` for each, from one look at the pictures. Default: 0.01.
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = number::<f64>)]
    pub max_false_accept: Vec<f64>,
    /// Largest share of the frames of living people (--attacks, --live) that is taken for an attack: the liveness confidence is
    /// the highest that keeps it.
    #[arg(long, value_name = "SHARE", default_value_t = 0.03, allow_negative_numbers = true, value_parser = number::<f64>)]
    pub max_bpcer: f64,
    /// The policy of which the liveness part is taken without --attacks, and everything else without --dataset. Default: the
    /// shipped one.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Challenge age in years; `auto` chooses it together with the confidence. Default: 25.
    #[arg(long, allow_negative_numbers = true)]
    pub challenge: Option<String>,
    /// The age that whoever is let in must surely have reached, in years; the threshold or more. Default: three years over it.
    #[arg(long, value_name = "YEARS", allow_negative_numbers = true, value_parser = years)]
    pub sure_of: Option<u8>,
    /// Good frames that an Allow needs in a simulated visit; default: as configured.
    #[arg(long, allow_negative_numbers = true, value_parser = of_key::<u32>("visit.good_frames"))]
    pub frames: Option<u32>,
    /// Where to write the policy block, one for each bound; default: standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Vec<PathBuf>,
    /// Another age estimator than the embedded one.
    #[arg(long, value_name = "FILE")]
    pub age_model: Option<PathBuf>,
    /// Another liveness model than the embedded one.
    #[arg(long, value_name = "FILE")]
    pub liveness_model: Option<PathBuf>,
}

/// `agegate generate`
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Folder to write the manual pages, the completions and the example configuration to.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
