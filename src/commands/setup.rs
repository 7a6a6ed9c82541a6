//! `agegate setup`: asks a few questions, tries the devices, writes a configuration that `agegate check` passes, and shows the
//! wiring for exactly these pins. A file that is there already is never touched.

use std::{
    fs::OpenOptions,
    io::{BufRead, ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::{Exit, Outcome, check};
use crate::{
    camera::v4l2::V4l2Camera,
    cli::{CheckArgs, ConfigArgs, SetupArgs},
    config::{CameraConfig, Config, example},
    gpio, say, wiring,
};

/// Runs the command; its exit code is that of `agegate check` with the new configuration.
///
/// # Errors
/// If the file is there already or cannot be written, an answer is none, or the answers end too early.
pub fn run(args: &SetupArgs) -> Outcome {
    if args.out.symlink_metadata().is_ok() {
        return Err(format!(
            "{} is there already and is not touched; name another file with --out",
            args.out.display()
        )
        .into());
    }
    let own = answers(args)?;
    let text = example::with(&own);
    // What was asked one by one may not go together: the same errors as for a file that somebody wrote.
    let config = Config::parse(&text, &args.out)?;
    write(&args.out, &text)?;
    say!("\nwritten: {}", args.out.display());
    let wires = wiring::table(&config);
    if !wires.is_empty() {
        say!("\nthe wiring, with the power off:\n{wires}");
    }
    say!("agegate check --config {}", args.out.display());
    let checked = check::run(&CheckArgs { config: ConfigArgs { config: args.out.clone() }, in_place_of: None })?;
    if checked == Exit::Success {
        say!("\nnext: `agegate aim --config {}` while the camera is mounted", args.out.display());
    }
    Ok(checked)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| {
        let hint = match error.kind() {
            ErrorKind::PermissionDenied => " (as root, or name another file with --out)",
            ErrorKind::NotFound => " (its folder must be there)",
            _ => "",
        };
        format!("{}: cannot write it: {error}{hint}", path.display())
    };
    // Only a new one: what somebody wrote since the beginning stays.
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a configuration is one too. The file was made here, and a moment ago.
        let _ = std::fs::remove_file(path);
        failed(error)
    })
}

type Own = Vec<(&'static str, &'static str, Option<String>)>;

/// The values of the new configuration.
fn answers(args: &SetupArgs) -> Result<Own, String> {
    let mut ask = Asker { yes: args.yes };
    let mut own: Own = Vec::new();
    camera(args, &mut ask, &mut own)?;
    let rotations = ["0", "90", "180", "270"];
    let rotation = ask.word(args.rotation.as_deref(), "turn of the picture, clockwise degrees", &rotations, "0")?;
    own.push(("camera", "rotation", Some(rotation)));
    relay(args, &mut ask, &mut own)?;
    let drivers = ["none", "st7789", "ili9341", "ssd1306"];
    let display = ask.word(args.display.as_deref(), "display", &drivers, "none")?;
    if display == "none" {
        own.push(("display", "reset_line", None));
    }
    if display == "ili9341" {
        own.push(("display", "invert", Some("false".into())));
    }
    own.push(("display", "driver", Some(quoted(&display))));
    let start = ask.word(args.start.as_deref(), "what starts a visit", &["always", "button", "sensor"], "always")?;
    own.push(("start", "mode", Some(quoted(&start))));
    let language = ask.word(args.language.as_deref(), "language of the screens", &["en", "de"], "en")?;
    own.push(("display", "language", Some(quoted(&language))));
    if let Some(folder) = &args.log {
        let folder = std::path::absolute(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        own.push(("log", "folder", Some(quoted(&folder.to_string_lossy()))));
    }
    Ok(own)
}

fn camera(args: &SetupArgs, ask: &mut Asker, own: &mut Own) -> Result<(), String> {
    let answer = match &args.camera {
        Some(camera) => camera.clone(),
        None => {
            let mut usable = None;
            for device in cameras() {
                let config = CameraConfig { device: device.clone(), ..CameraConfig::default() };
                match V4l2Camera::open(&config) {
                    Ok(opened) => {
                        say!("ok    {}", crate::camera::Camera::describe(&opened));
                        usable = usable.or(Some(device));
                    }
                    Err(error) => say!("      {error}"),
                }
            }
            let proposed = usable.map_or_else(|| "pipe".to_owned(), |device| device.display().to_string());
            ask.text("camera: a device, `pipe` for a CSI camera, or recorded pictures", &proposed)?
        }
    };
    match answer.as_str() {
        "pipe" => own.push(("camera", "source", Some(quoted("pipe")))),
        path if path.starts_with("/dev/") => own.push(("camera", "device", Some(quoted(path)))),
        path if Path::new(path).exists() => {
            let path = std::path::absolute(path).map_err(|e| format!("{path}: {e}"))?;
            own.push(("camera", "source", Some(quoted("replay"))));
            own.push(("camera", "path", Some(quoted(&path.to_string_lossy()))));
        }
        other => {
            return Err(format!(
                "camera {other:?}, expected a device under /dev, pipe, or recorded pictures that are there"
            ));
        }
    }
    Ok(())
}

/// Cameras by names that survive replugging, else by their numbers.
fn cameras() -> Vec<PathBuf> {
    let listed = |folder: &str, wanted: &dyn Fn(&str) -> bool| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> =
            entries.filter(|e| wanted(&e.file_name().to_string_lossy())).map(|e| e.path()).collect();
        found.sort();
        found
    };
    // Of a camera's nodes the first has the pictures.
    let named = listed("/dev/v4l/by-id", &|name| name.ends_with("video-index0"));
    if named.is_empty() { listed("/dev", &|name| name.starts_with("video")) } else { named }
}

fn relay(args: &SetupArgs, ask: &mut Asker, own: &mut Own) -> Result<(), String> {
    let raspberry_pi = gpio::find(gpio::AUTO).is_ok();
    let proposed = if raspberry_pi { "rppal:17" } else { "simulated" };
    let answer = match &args.relay {
        Some(relay) => relay.clone(),
        None => {
            for (path, label, lines) in gpio::list() {
                say!("      GPIO chip {label:?} at {} with {lines} lines", path.display());
            }
            ask.text("relay: rppal:BCM, cdev:CHIP:LINE, or simulated", proposed)?
        }
    };
    let wrong = || format!("relay {answer:?}, expected rppal:17, cdev:LABEL:LINE, or simulated");
    let (driver, pin) = match answer.split_once(':') {
        None if answer == "simulated" => ("simulated", None),
        Some(("rppal", pin)) => ("rppal", Some(pin)),
        Some(("cdev", rest)) => {
            let (chip, line) = rest.rsplit_once(':').ok_or_else(wrong)?;
            own.push(("relay", "chip", Some(quoted(chip))));
            ("cdev", Some(line))
        }
        _ => return Err(wrong()),
    };
    own.push(("relay", "driver", Some(quoted(driver))));
    let Some(pin) = pin else { return Ok(()) };
    let pin: u32 = pin.parse().map_err(|_| wrong())?;
    own.push(("relay", "pin", Some(pin.to_string())));
    let active = ask.word(args.active.as_deref(), "level that energises the relay", &["high", "low"], "high")?;
    own.push(("relay", "active", Some(quoted(&active))));
    let locks = ["fail-secure", "fail-safe"];
    let lock = ask.word(args.lock.as_deref(), "lock without power: shut or open", &locks, "fail-secure")?;
    own.push(("relay", "lock", Some(quoted(&lock))));
    Ok(())
}

/// A string as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// Asks on the terminal; an empty answer takes what is proposed.
struct Asker {
    yes: bool,
}

impl Asker {
    fn text(&mut self, question: &str, proposed: &str) -> Result<String, String> {
        if self.yes {
            return Ok(proposed.into());
        }
        say!("{question} [{proposed}]:");
        let mut answer = String::new();
        match std::io::stdin().lock().read_line(&mut answer) {
            Ok(0) => Err(format!("no answer to {question:?}; --yes takes what is proposed, and nothing was written")),
            Ok(_) if answer.trim().is_empty() => Ok(proposed.into()),
            Ok(_) => Ok(answer.trim().into()),
            Err(error) => Err(format!("standard input: {error}")),
        }
    }

    /// One of these words; asked again for another one.
    fn word(&mut self, said: Option<&str>, question: &str, words: &[&str], proposed: &str) -> Result<String, String> {
        let known = |word: &str| words.contains(&word);
        if let Some(said) = said {
            return if known(said) {
                Ok(said.into())
            } else {
                Err(format!("{question} {said:?}, expected {}", words.join(", ")))
            };
        }
        loop {
            let answer = self.text(&format!("{question}: {}", words.join(", ")), proposed)?;
            if known(&answer) {
                return Ok(answer);
            }
            say!("{answer:?} is none of them");
        }
    }
}
