//! The table of keys: what each value may be, and what is to be said about it. It checks, words the errors and writes
//! `config/agegate.toml` ([`super::example`]); no range stands anywhere else.
//!
//! A new key takes a field and its default in `tree.rs`, a row here, and `make config`.

use std::fmt;

use super::error::Fault;
use crate::out::turns_letters;

/// One table of the file.
pub struct Section {
    /// Its name; empty for the keys above the first table.
    pub name: &'static str,
    /// Lines before it in the example.
    pub intro: &'static str,
    /// Its keys, in the order of the example.
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name within the table.
    pub name: &'static str,
    /// What it may be.
    pub range: Range,
    /// How the example shows it.
    pub shown: Shown,
    /// What it is.
    pub note: &'static str,
}

/// What a value may be. Bounds belong to the range unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub enum Range {
    /// A path.
    Path,
    /// A name, such as the label of a GPIO chip.
    Name,
    /// True or false.
    Flag,
    /// A number between two bounds, in this unit.
    Within(Digits, Low, High, &'static str),
    /// One of these whole numbers, in this unit.
    Number(&'static [i64], &'static str),
    /// So many numbers in a list; `rules.rs` says of what size.
    Numbers(usize),
    /// One of these words; what else there is.
    Word(&'static [&'static str], &'static str),
    /// One of these words, which the note tells.
    OneOf(&'static [&'static str]),
    /// A list of some of these words; what else there is to know.
    SomeOf(&'static [&'static str], &'static str),
    /// A program and its arguments.
    Command,
    /// Names and values of a camera's own controls.
    Controls,
    /// A table of these keys within the table.
    Keys(&'static [Key]),
    /// What a program wrote; its type checks it.
    Written,
}

/// Which numbers there are between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// Whole ones.
    Whole,
    /// All.
    Any,
}

/// A lower bound.
#[derive(Clone, Copy, Debug)]
pub enum Low {
    /// This number.
    At(f64),
    /// The value of this key of the same table.
    Key(&'static str),
    /// More than the value of this key of the same table.
    Above(&'static str),
}

/// An upper bound.
#[derive(Clone, Copy, Debug)]
pub enum High {
    /// This number.
    At(f64),
    /// Less than this number.
    Below(f64),
}

/// How the example shows a key.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// With its default.
    Default,
    /// With this value, which is not the default.
    Set(&'static str),
    /// Commented out, with this value.
    Commented(&'static str),
    /// Not at all: a program writes it.
    Never,
}

const fn key(name: &'static str, range: Range, note: &'static str) -> Key {
    Key { name, range, shown: Shown::Default, note }
}

const fn shown(name: &'static str, range: Range, shown: Shown, note: &'static str) -> Key {
    Key { name, range, shown, note }
}

const fn within(low: f64, high: f64, unit: &'static str) -> Range {
    Range::Within(Digits::Any, Low::At(low), High::At(high), unit)
}

const fn whole(low: f64, high: f64, unit: &'static str) -> Range {
    Range::Within(Digits::Whole, Low::At(low), High::At(high), unit)
}

const LINE: Range = whole(0.0, 511.0, "");
const LEVEL: Range = Range::OneOf(&["high", "low"]);

/// What an input's table has.
const INPUT: Range = Range::Keys(&[
    key("line", LINE, ""),
    key("chip", Range::Name, ""),
    key("active", LEVEL, ""),
    key("bias", Range::OneOf(&["pull-up", "pull-down", "external"]), ""),
    key("debounce_ms", whole(5.0, 1000.0, "milliseconds"), ""),
]);

/// What an output's table has.
const OUTPUT: Range = Range::Keys(&[key("line", LINE, ""), key("chip", Range::Name, ""), key("active", LEVEL, "")]);

/// What the table of Wiegand has.
const WIEGAND: Range = Range::Keys(&[
    key("d0_line", LINE, ""),
    key("d1_line", LINE, ""),
    key("chip", Range::Name, ""),
    key("active", LEVEL, ""),
    key("bits", Range::Number(&[26, 34], ""), ""),
    key("facility", whole(0.0, 65_535.0, ""), ""),
    key("card", whole(0.0, 65_535.0, ""), ""),
]);

/// All keys.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "",
        intro: "\
# agegate: the configuration. Every key is here, most with their default; unknown keys are errors.
# After a change: `agegate check`, then `systemctl reload agegate`.
#
# Who is let in: a policy shipped with the embedded model, unless another one is named here. A policy for your own bound on the
# share of minors let in comes from `agegate calibrate --out /etc/agegate/policy.toml`.",
        keys: &[
            shown(
                "shipped_policy",
                Range::OneOf(&["strict", "balanced", "fast"]),
                Shown::Set("\"balanced\""),
                "or \"strict\" or \"fast\"; the README has the figures of each",
            ),
            shown(
                "policy_file",
                Range::Path,
                Shown::Commented("\"policy.toml\""),
                "beside this file; must stand above the first table",
            ),
        ],
    },
    Section {
        name: "camera",
        intro: "",
        keys: &[
            key(
                "source",
                Range::OneOf(&["v4l2", "pipe", "replay"]),
                "\"v4l2\"; \"pipe\": a command; \"replay\": recorded pictures (tests and demonstrations only)",
            ),
            key("device", Range::Path, "a name under /dev/v4l/by-id survives replugging"),
            shown(
                "path",
                Range::Path,
                Shown::Commented("\"frames\""),
                "for \"replay\": folder of pictures, Motion-JPEG or Y4M file",
            ),
            shown(
                "command",
                Range::Command,
                Shown::Commented("[\"ffmpeg\", \"-i\", \"rtsp://10.0.0.5/stream\", \"-f\", \"mjpeg\", \"-\"]"),
                "for \"pipe\"; absent: rpicam-vid, for the CSI cameras of a Raspberry Pi",
            ),
            key(
                "format",
                Range::OneOf(&["auto", "YU12", "NV12", "YUYV", "RGB3", "BGR3", "GREY"]),
                "what the command writes: Motion-JPEG or Y4M (\"auto\"), or raw \"YU12\", \"NV12\", \"YUYV\", \"RGB3\", \"BGR3\", \"GREY\"",
            ),
            key("rotation", Range::Number(&[0, 90, 180, 270], "degrees"), "clockwise turn that puts the picture upright"),
            key("mirror", Range::Flag, "exchanges left and right"),
            key("region", Range::Numbers(4), "left, top, right, bottom, in shares of the picture: faces outside do not count"),
            key(
                "exposure",
                Range::OneOf(&["camera", "face"]),
                "\"face\": set for the face and not for the window behind it, where the camera lets it be set",
            ),
            shown(
                "controls",
                Range::Controls,
                Shown::Commented("{ power_line_frequency = \"50 Hz\" }"),
                "the camera's own, set at every opening; `agegate check` lists them",
            ),
            key("width", whole(160.0, 1920.0, "pixels"), "wanted size; the camera's nearest mode is taken"),
            key("height", whole(120.0, 1440.0, "pixels"), ""),
            key("rate", within(1.0, 30.0, "frames a second"), "how many are judged"),
            key("stall_seconds", within(0.5, 30.0, "seconds"), "without a frame for so long the camera counts as lost"),
            key("warmup_frames", whole(0.0, 100.0, ""), "thrown away after opening, while the camera adjusts"),
            key(
                "skip_unchanged",
                Range::Flag,
                "where nothing changes, search less: one picture a second while nobody is there, else around the one face",
            ),
        ],
    },
    Section {
        name: "models",
        intro: "",
        keys: &[
            shown(
                "detector",
                Range::Path,
                Shown::Commented("\"/etc/agegate/face-detector.onnx\""),
                "another model than the embedded one",
            ),
            shown("age", Range::Path, Shown::Commented("\"/etc/agegate/age-estimator.onnx\""), ""),
            shown("liveness", Range::Path, Shown::Commented("\"/etc/agegate/liveness.onnx\""), ""),
            shown(
                "detector_score",
                within(0.05, 0.99, ""),
                Shown::Commented("0.6"),
                "absent: the score that the model was shipped with",
            ),
            key("runtime", Range::OneOf(&["auto", "float"]), "\"auto\": in integers where the processor can; \"float\": to compare"),
        ],
    },
    Section {
        name: "policy",
        intro: "# A policy by hand, instead of `policy_file`. No measured figures hold for it:",
        keys: &[
            shown("threshold_age", whole(10.0, 30.0, "years"), Shown::Commented("18"), "the legal limit"),
            shown(
                "challenge_age",
                Range::Within(Digits::Whole, Low::Key("threshold_age"), High::At(60.0), "years"),
                Shown::Commented("25"),
                "who looks younger than this is asked for ID",
            ),
            shown(
                "sure_age",
                Range::Within(Digits::Whole, Low::Key("threshold_age"), High::At(60.0), "years"),
                Shown::Commented("21"),
                "what whoever is let in must surely have reached; absent: `threshold_age`",
            ),
            shown(
                "confidence",
                Range::Within(Digits::Any, Low::At(0.5), High::Below(1.0), ""),
                Shown::Commented("0.95"),
                "P(age >= sure_age) that opens",
            ),
            shown(
                "deny_confidence",
                Range::Within(Digits::Any, Low::At(0.5), High::Below(1.0), ""),
                Shown::Commented("0.99"),
                "P(age < threshold) that ends in Deny; absent: never, Refer instead",
            ),
            shown(
                "temperature",
                within(0.2, 5.0, ""),
                Shown::Commented("1.0"),
                "of the estimates: above 1, small doubts count more; 1 changes nothing",
            ),
            shown("model", Range::Name, Shown::Never, ""),
            shown("evidence", Range::Written, Shown::Never, ""),
        ],
    },
    Section {
        name: "policy.liveness",
        intro: "# With it, where a living face is asked for:",
        keys: &[
            shown(
                "confidence",
                Range::Within(Digits::Any, Low::At(0.001), High::Below(1.0), ""),
                Shown::Commented("0.9"),
                "P(living) that opens",
            ),
            shown("temperature", within(0.01, 100.0, ""), Shown::Commented("1.0"), "of the calibration"),
            shown("offset", within(-100.0, 100.0, ""), Shown::Commented("0.0"), ""),
            shown("model", Range::Name, Shown::Never, ""),
            shown("evidence", Range::Written, Shown::Never, ""),
        ],
    },
    Section {
        name: "visit",
        intro: "",
        keys: &[
            key("good_frames", whole(1.0, 50.0, ""), "that an Allow needs"),
            key(
                "most_frames",
                Range::Within(Digits::Whole, Low::Key("good_frames"), High::At(200.0), ""),
                "after so many a visit that is not sure is referred",
            ),
            key("decide_seconds", within(1.0, 120.0, "seconds"), "after so long it is referred whatever was seen"),
            key("lost_seconds", within(0.2, 10.0, "seconds"), "without the face for so long the visit is over"),
            key(
                "max_tries",
                whole(1.0, 100.0, ""),
                "tries in a row that did not end in Allow, left early or refused; then everyone is referred until the cool-down is over",
            ),
            key("cool_down_seconds", within(0.0, 3600.0, "seconds"), ""),
        ],
    },
    Section {
        name: "quality",
        intro: "",
        keys: &[
            key(
                "min_face_share",
                within(0.05, 0.9, ""),
                "height of the face over that of the frame; smaller: \"come closer\"",
            ),
            key("min_face_pixels", within(24.0, 1000.0, "pixels"), ""),
            key("min_brightness", within(0.0, 200.0, ""), "of the face, 255 is white; below: \"more light\""),
            key("max_brightness", Range::Within(Digits::Any, Low::Above("min_brightness"), High::At(255.0), ""), ""),
            key("min_contrast", within(0.0, 127.0, ""), "deviation of the brightness"),
            key("min_sharpness", within(0.0, 4.0, ""), "below: \"hold still\""),
            key("max_turn", within(0.05, 1.0, ""), "of the head; 0.32 is about 30 degrees"),
            key("max_roll_degrees", within(5.0, 45.0, "degrees"), ""),
            key("min_inside", within(0.5, 1.0, ""), "share of the face inside the frame"),
        ],
    },
    Section {
        name: "liveness",
        intro: "",
        keys: &[
            key(
                "mode",
                Range::OneOf(&["off", "passive", "turn"]),
                "\"off\"; \"passive\": no Allow for what does not look living; \"turn\": nor without a turn of the head",
            ),
            key("turns", whole(1.0, 2.0, ""), "for \"turn\": how many, one after the other, each to a side by chance"),
        ],
    },
    Section {
        name: "start",
        intro: "",
        keys: &[
            key("mode", Range::OneOf(&["always", "button", "sensor"]), "or \"button\" or \"sensor\": until then no frame is read"),
            key("line", LINE, "GPIO line of the button or sensor"),
            key("chip", Range::Name, "\"auto\": a Raspberry Pi's header; else the chip's label, `agegate check` lists them"),
            key("active", LEVEL, "level that starts a visit"),
            key("seconds", within(1.0, 120.0, "seconds"), "for which frames are read after a start"),
        ],
    },
    Section {
        name: "relay",
        intro: "",
        keys: &[
            key(
                "driver",
                Range::OneOf(&["rppal", "cdev", "simulated"]),
                "\"rppal\" on a Raspberry Pi, \"cdev\" on other boards, \"simulated\" for none",
            ),
            key("pin", LINE, "BCM number (rppal, 0 to 27) or line of the chip (cdev)"),
            key("chip", Range::Name, "as above (cdev only)"),
            key("active", LEVEL, "level that energises the relay"),
            key("lock", Range::OneOf(&["fail-secure", "fail-safe"]), "or \"fail-safe\": open without power, for doors that must free people"),
            key("open_seconds", within(0.2, 30.0, "seconds"), ""),
            key(
                "max_open_seconds",
                Range::Within(Digits::Any, Low::Key("open_seconds"), High::At(120.0), "seconds"),
                "when visits follow each other",
            ),
        ],
    },
    Section {
        name: "inputs",
        intro: "\
# A door unit: what it reads. Each is off until it stands here; docs/door-unit.md has the wiring. Besides `line` a table may
# have `chip` (label), `active` (\"low\", or \"high\"), `bias` (\"pull-up\"; \"pull-down\" for \"high\"; \"external\") and
# `debounce_ms` (50; 5 to 1000). A broken wire reads inactive, and opens nothing.",
        keys: &[
            shown("staff", INPUT, Shown::Commented("{ line = 5 }"), "button or key switch: opens after an ID check"),
            key("staff_when", Range::OneOf(&["referred", "always"]), "only after a Refer or Deny, once for each; or \"always\""),
            key("staff_seconds", within(1.0, 3600.0, "seconds"), "after the Refer or Deny"),
            shown("exit", INPUT, Shown::Commented("{ line = 6 }"), "button on the inside: opens at any time"),
            shown(
                "contact",
                INPUT,
                Shown::Commented("{ line = 13 }"),
                "active while the leaf is shut: shuts the door behind each person; alarms",
            ),
            key("held_open_seconds", within(1.0, 3600.0, "seconds"), "after which an open leaf raises an alarm"),
            shown(
                "rotation",
                INPUT,
                Shown::Commented("{ line = 19, debounce_ms = 5 }"),
                "of a turnstile, active for a moment with each person: shuts the door behind them",
            ),
            shown(
                "tamper",
                INPUT,
                Shown::Commented("{ line = 26 }"),
                "active while the cover is on; after that nothing opens until `agegate reset-tamper`",
            ),
        ],
    },
    Section {
        name: "outputs",
        intro: "\
# A door unit: what it drives besides the relay. Each is off until it stands here; besides `line` a table may have `chip`
# (label) and `active` (\"high\", or \"low\").",
        keys: &[
            shown("lamp", OUTPUT, Shown::Commented("{ line = 12 }"), "light for the face, while somebody is looked at"),
            shown("buzzer", OUTPUT, Shown::Commented("{ line = 16 }"), "one with a tone of its own; a pattern each outcome"),
            shown("alarm", OUTPUT, Shown::Commented("{ line = 20 }"), ""),
            key("alarm_on", Range::SomeOf(&["forced", "held-open", "tamper", "out-of-order"], "a camera that is lost is \"out-of-order\""), "and \"out-of-order\""),
            shown(
                "wiegand",
                WIEGAND,
                Shown::Commented("{ d0_line = 22, d1_line = 23, bits = 26, facility = 1, card = 1000 }"),
                "to a controller: every opening sends this number; bits 26 or 34",
            ),
        ],
    },
    Section {
        name: "display",
        intro: "",
        keys: &[
            key("driver", Range::OneOf(&["none", "st7789", "ili9341", "ssd1306"]), "\"st7789\", \"ili9341\", \"ssd1306\""),
            key("spi", Range::Path, ""),
            key("clock_hz", whole(100_000.0, 80_000_000.0, "hertz"), ""),
            key("spi_mode", Range::Number(&[0, 3], ""), "3 for panels without CS"),
            key("chip", Range::Name, "as above, for the next three lines"),
            key("dc_line", LINE, "data/command"),
            shown("reset_line", LINE, Shown::Set("24"), "take this line out if the panel's reset is not wired"),
            shown("backlight_line", LINE, Shown::Commented("23"), "high lights the panel; absent: it is lit by its wiring"),
            shown(
                "width",
                whole(64.0, 240.0, "pixels"),
                Shown::Commented("240"),
                "of the panel in its native orientation; absent: all that its controller has",
            ),
            shown("height", whole(32.0, 320.0, "pixels"), Shown::Commented("320"), ""),
            key("rotation", Range::Number(&[0, 90, 180, 270], "degrees"), ""),
            key("offset_x", whole(0.0, 239.0, "pixels"), "of a panel that is smaller than its controller's memory"),
            key("offset_y", whole(0.0, 319.0, "pixels"), ""),
            key("invert", Range::Flag, "most ST7789 panels need it, most ILI9341 do not"),
            shown(
                "colour_order",
                Range::OneOf(&["rgb", "bgr"]),
                Shown::Commented("\"bgr\""),
                "or \"rgb\"; for a panel that shows red as blue",
            ),
            key("language", Range::Word(&["en", "de"], "other languages through `texts_file`"), ""),
            shown("texts_file", Range::Path, Shown::Commented("\"texts.toml\""), "own texts, beside this file"),
        ],
    },
    Section {
        name: "log",
        intro: "",
        keys: &[
            key("folder", Range::Path, ""),
            key("max_file_bytes", whole(4096.0, 1_000_000_000.0, "bytes"), "then a new file begins"),
            key("keep_days", whole(1.0, 3650.0, "days"), "by the log's own time, not by the clock alone"),
            key("max_total_bytes", whole(16_384.0, 1_000_000_000_000.0, "bytes"), "of all files; the oldest go first"),
            shown(
                "key_file",
                Range::Path,
                Shown::Commented("\"/var/lib/agegate/log.key\""),
                "absent: the folder's name with .key, beside the folder; whoever has it can forge the log",
            ),
        ],
    },
];

/// What is wrong in a whole configuration, by the table alone.
pub(super) fn faults(config: &toml::Table) -> Vec<Fault> {
    let empty = toml::Table::new();
    SECTIONS
        .iter()
        .flat_map(|section| section_faults(section, inner(config, section.name).unwrap_or(&empty), section.name))
        .collect()
}

/// What is wrong in the table of this name and in those inside it, where it stands alone in a file.
pub(super) fn faults_alone(name: &str, values: &toml::Table) -> Vec<Fault> {
    SECTIONS
        .iter()
        .filter_map(|section| Some((section, section.name.strip_prefix(name)?.trim_start_matches('.'))))
        .filter_map(|(section, rest)| Some(section_faults(section, inner(values, rest)?, rest)))
        .flatten()
        .collect()
}

/// The table of a dotted name; the table itself for none.
fn inner<'a>(table: &'a toml::Table, dotted: &str) -> Option<&'a toml::Table> {
    dotted.split('.').filter(|part| !part.is_empty()).try_fold(table, |table, part| table.get(part)?.as_table())
}

/// What a value of this key may be; `table.key`.
#[must_use]
pub fn range(dotted: &str) -> Option<Range> {
    let (section, name) = dotted.rsplit_once('.').unwrap_or(("", dotted));
    SECTIONS.iter().find(|s| s.name == section)?.keys.iter().find(|k| k.name == name).map(|k| k.range)
}

fn section_faults(section: &Section, values: &toml::Table, prefix: &str) -> Vec<Fault> {
    let dotted = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
    keys_faults(section.keys, values, &dotted)
}

fn keys_faults(keys: &[Key], values: &toml::Table, dotted: &dyn Fn(&str) -> String) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, value) in keys.iter().filter_map(|key| Some((key, values.get(key.name)?))) {
        match (key.range, value) {
            (Range::Keys(inner), toml::Value::Table(values)) => {
                let within = |name: &str| format!("{}.{name}", dotted(key.name));
                faults.extend(keys_faults(inner, values, &within));
            }
            _ if key.range.holds(value, values) => {}
            _ => {
                let expected = key.range.misses(value).unwrap_or_else(|| key.range.to_string());
                let fault = Fault::new(&dotted(key.name), show(value), &expected);
                faults.push(fault.bounded_by(key.range.bound().map(dotted)));
            }
        }
    }
    faults
}

/// A value as somebody wrote it: a single-precision number without the digits of its double.
fn show(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(v) => (*v as f32).to_string(),
        toml::Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// A number of the file: whole ones as they are, others as the single-precision ones that the program has.
fn number(value: &toml::Value) -> Option<f64> {
    match value {
        toml::Value::Integer(v) => Some(*v as f64),
        toml::Value::Float(v) => Some(*v),
        _ => None,
    }
}

/// What a text must be that names something, and is not, if so.
fn nameless(text: &str, what: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some(format!("{what}, or the line left out"));
    }
    // A line's end in it would make a line of its own in every message.
    let plain = text.chars().all(|c| !c.is_control() && !turns_letters(c));
    (!plain).then(|| format!("{what} without control characters, such as ends of lines"))
}

impl Range {
    /// What is wrong with a value, whatever else is in its table: what was expected instead. Of numbers only what no type of the
    /// program could hold is told here; [`Range::holds`] knows their bounds.
    #[must_use]
    pub fn misses(&self, value: &toml::Value) -> Option<String> {
        use toml::Value as V;
        let quoted = |words: &[&str]| either(&words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>());
        let strings = |values: &[V]| values.iter().all(V::is_str);
        match (self, value) {
            (Self::Path, V::String(text)) => nameless(text, "a path"),
            (Self::Path, _) => Some("a path, in quotes".into()),
            (Self::Name, V::String(text)) => nameless(text, "a name"),
            (Self::Name, _) => Some("a name, in quotes".into()),
            (Self::Flag, V::Boolean(_)) => None,
            (Self::Flag, _) => Some("true or false".into()),
            (Self::Within(Digits::Any, ..), V::Integer(_) | V::Float(_)) => None,
            (Self::Within(Digits::Any, ..), _) => Some(format!("a number, {self}")),
            (Self::Within(Digits::Whole, ..), V::Integer(_)) if self.could_hold(value) => None,
            (Self::Within(Digits::Whole, ..), V::Integer(_)) => Some(self.to_string()),
            (Self::Within(Digits::Whole, ..), _) => Some(format!("a whole number, {self}")),
            (Self::Number(all, _), V::Integer(v)) => (!all.contains(v)).then(|| self.to_string()),
            (Self::Number(..), _) => Some(format!("a whole number, {self}")),
            (Self::Numbers(count), V::Array(values)) => {
                let all = values.len() == *count && values.iter().all(|v| v.is_integer() || v.is_float());
                (!all).then(|| format!("{count} numbers"))
            }
            (Self::Numbers(count), _) => Some(format!("{count} numbers in square brackets")),
            (Self::Word(words, _), V::String(word)) => (!words.contains(&word.as_str())).then(|| self.to_string()),
            (Self::Word(..), _) => Some(format!("a word in quotes: {self}")),
            (Self::OneOf(words), V::String(word)) => (!words.contains(&word.as_str())).then(|| quoted(words)),
            (Self::OneOf(words), _) => Some(format!("a word in quotes: {}", quoted(words))),
            (Self::SomeOf(words, more), V::Array(values)) => {
                let known = |v: &V| v.as_str().is_some_and(|word| words.contains(&word));
                (!values.iter().all(known)).then(|| format!("a list of {} ({more})", quoted(words)))
            }
            (Self::SomeOf(words, more), _) => Some(format!("a list in square brackets of {} ({more})", quoted(words))),
            (Self::Command, V::Array(parts)) if strings(parts) => {
                let zero = parts.iter().filter_map(V::as_str).any(|part| part.contains('\0'));
                zero.then(|| "words without a zero character".into())
            }
            (Self::Command, _) => Some(
                "a program and its arguments, each in quotes, such as [\"rpicam-vid\", \"--output\", \"-\"]".into(),
            ),
            (Self::Controls, V::Table(_)) => None,
            (Self::Controls, _) => Some("a table of names and values, such as { gain = 3 }".into()),
            (Self::Keys(_), V::Table(_)) => None,
            (Self::Keys(keys), _) => {
                let first = keys.first().map_or("key", |key| key.name);
                Some(format!("a table of keys in braces, such as {{ {first} = 5 }}"))
            }
            (Self::Written, _) => None,
        }
    }

    /// Whether a whole number lies between the bounds that are fixed, so that the type of its key can hold it.
    fn could_hold(&self, value: &toml::Value) -> bool {
        let Self::Within(_, low, high, _) = self else { return true };
        let Some(found) = number(value) else { return false };
        let low = if let Low::At(low) = low { *low } else { 0.0 };
        let (High::At(high) | High::Below(high)) = high;
        (low..=*high).contains(&found)
    }

    /// The key of the same table whose value is the lower bound.
    fn bound(&self) -> Option<&'static str> {
        match self {
            Self::Within(_, Low::Key(name) | Low::Above(name), ..) => Some(name),
            _ => None,
        }
    }

    /// Whether a value is in the range; `others` are the values of its table.
    #[must_use]
    pub fn holds(&self, value: &toml::Value, others: &toml::Table) -> bool {
        if self.misses(value).is_some() {
            return false;
        }
        let Self::Within(_, low, high, _) = self else { return true };
        let Some(found) = number(value) else { return false };
        // A bound such as 0.05 is to be the same number as a 0.05 in the file.
        let bound = |v: f64| if matches!(value, toml::Value::Float(_)) { f64::from(v as f32) } else { v };
        let other = |name: &str| others.get(name).and_then(number).unwrap_or(f64::NAN);
        let above = match low {
            Low::At(v) => found >= bound(*v),
            Low::Key(name) => found >= other(name),
            Low::Above(name) => found > other(name),
        };
        above
            && match high {
                High::At(v) => found <= bound(*v),
                High::Below(v) => found < bound(*v),
            }
    }
}

impl fmt::Display for Range {
    /// The bounds, as errors and the example say them; nothing for what has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = |unit: &str| if unit.is_empty() { String::new() } else { format!(" {unit}") };
        match self {
            Self::Within(_, low, high, u) => {
                match (low, high) {
                    (Low::At(low), High::At(high)) => write!(f, "{low} to {high}")?,
                    (Low::At(low), High::Below(high)) => write!(f, "{low} or more, below {high}")?,
                    (Low::Key(low), High::At(high)) => write!(f, "`{low}` to {high}")?,
                    (Low::Key(low), High::Below(high)) => write!(f, "`{low}` or more, below {high}")?,
                    (Low::Above(low), High::At(high)) => write!(f, "more than `{low}`, at most {high}")?,
                    (Low::Above(low), High::Below(high)) => write!(f, "more than `{low}`, below {high}")?,
                }
                f.write_str(&unit(u))
            }
            Self::Number(all, u) => {
                let words: Vec<String> = all.iter().map(ToString::to_string).collect();
                write!(f, "{}{}", either(&words), unit(u))
            }
            Self::Word(all, more) => {
                let words: Vec<String> = all.iter().map(|w| format!("{w:?}")).collect();
                write!(f, "{}; {more}", either(&words))
            }
            Self::Path
            | Self::Name
            | Self::Flag
            | Self::Numbers(_)
            | Self::OneOf(_)
            | Self::SomeOf(..)
            | Self::Command
            | Self::Controls
            | Self::Keys(_)
            | Self::Written => Ok(()),
        }
    }
}

pub(super) fn either(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn default() -> toml::Table {
        toml::Table::try_from(Config::default()).unwrap()
    }

    #[test]
    fn every_key_of_the_tree_has_a_row() {
        for (name, value) in default() {
            let Some(values) = value.as_table() else {
                assert!(range(&name).is_some(), "{name} has no row in the table");
                continue;
            };
            for key in values.keys() {
                assert!(range(&format!("{name}.{key}")).is_some(), "{name}.{key} has no row in the table");
            }
        }
    }

    #[test]
    fn every_row_is_a_key_of_the_tree() {
        for section in SECTIONS.iter().filter(|s| !s.name.starts_with("policy")) {
            for key in section.keys {
                let value = match key.shown {
                    Shown::Default | Shown::Never => continue,
                    Shown::Set(value) | Shown::Commented(value) => value,
                };
                let table = if section.name.is_empty() { String::new() } else { format!("[{}]\n", section.name) };
                let text = format!("{table}{} = {value}\n", key.name);
                let parsed: Result<Config, _> = toml::from_str(&text);
                assert!(parsed.is_ok(), "{text}: {parsed:?}");
            }
        }
    }

    #[test]
    fn the_ends_of_every_range_are_accepted_and_what_lies_beyond_is_refused_with_its_words() {
        for section in SECTIONS {
            for key in section.keys {
                let Range::Within(digits, Low::At(low), high, _) = key.range else { continue };
                let (High::At(top) | High::Below(top)) = high;
                let value = |v: f64| match digits {
                    Digits::Whole => toml::Value::Integer(v as i64),
                    Digits::Any => toml::Value::Float(f64::from(v as f32)),
                };
                assert!(key.range.holds(&value(low), &toml::Table::new()), "{}", key.name);
                assert_eq!(key.range.holds(&value(top), &toml::Table::new()), matches!(high, High::At(_)));
                for wrong in [low - 1.0, top + 1.0, f64::NAN, f64::INFINITY] {
                    assert!(!key.range.holds(&toml::Value::Float(wrong), &toml::Table::new()), "{} {wrong}", key.name);
                }
                assert!(key.range.to_string().contains(&low.to_string()), "{}", key.range);
            }
        }
    }

    /// What serde says of a value of a key, if it does not take it.
    fn refused(section: &Section, name: &str, value: &str) -> Option<String> {
        let table = if section.name.is_empty() { String::new() } else { format!("[{}]\n", section.name) };
        let text = format!("{table}{name} = {value}\n");
        toml::from_str::<Config>(&text).err().map(|error| error.message().to_owned())
    }

    #[test]
    fn the_words_of_a_key_are_those_that_its_type_reads() {
        // Inputs and outputs have their words one table further down.
        let of_lines = ["staff", "lamp"].map(|name| {
            let Some(Range::Keys(keys)) =
                range(&format!("{}.{name}", if name == "staff" { "inputs" } else { "outputs" }))
            else {
                panic!("{name} is no table")
            };
            (name, keys)
        });
        let mut counted = 0;
        let mut compare = |words: &[&str], refused: &dyn Fn(&str) -> Option<String>| {
            counted += 1;
            let unknown = refused("\"no-such-word\"").unwrap();
            let known: Vec<&str> = unknown.split('`').skip(3).step_by(2).collect();
            assert_eq!(known, words, "{unknown}");
        };
        for section in SECTIONS {
            for key in section.keys {
                if let Range::OneOf(words) = key.range {
                    compare(words, &|value| refused(section, key.name, value));
                } else if let Range::SomeOf(words, _) = key.range {
                    compare(words, &|value| refused(section, key.name, &format!("[{value}]")));
                }
            }
        }
        for (name, keys) in of_lines {
            let section = SECTIONS.iter().find(|s| s.keys.iter().any(|k| k.name == name)).unwrap();
            for key in keys {
                if let Range::OneOf(words) = key.range {
                    compare(words, &|value| refused(section, name, &format!("{{ line = 1, {} = {value} }}", key.name)));
                }
            }
        }
        assert!(counted > 12, "{counted}");
    }

    #[test]
    fn a_key_has_digits_after_the_point_where_its_type_does() {
        for section in SECTIONS.iter().filter(|s| !s.name.starts_with("policy")) {
            for key in section.keys {
                let Range::Within(digits, ..) = key.range else { continue };
                assert_eq!(refused(section, key.name, "70.5").is_none(), digits == Digits::Any, "{}", key.name);
            }
        }
    }

    #[test]
    fn a_bound_of_many_bytes_is_exact() {
        let range = range("log.max_file_bytes").unwrap();
        assert!(range.holds(&toml::Value::Integer(1_000_000_000), &toml::Table::new()));
        assert!(!range.holds(&toml::Value::Integer(1_000_000_001), &toml::Table::new()));
    }
}
