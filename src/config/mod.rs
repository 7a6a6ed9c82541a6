//! The configuration: one struct tree, one TOML file.
//!
//! Wrong configuration is refused at start: every error names the file, the line, the key, what was found and what was
//! expected. Unknown keys are errors. Every key has a default, so an empty file is a valid configuration; it describes a
//! Raspberry Pi with a USB camera, a relay on GPIO 17 and no display.

mod door_unit;
pub(crate) mod error;
pub mod example;
mod pins;
mod rules;
mod shape;
pub mod table;
mod tree;

use std::{error::Error, path::Path};

use crate::{
    display::texts::Texts,
    policy::{Policy, ShippedPolicy},
    regular,
    vision::{ModelError, Runtime},
};
pub use door_unit::*;
pub use error::{ConfigError, Place, SettingsFile, Written};
use error::{Fault, parse_toml};
pub use pins::{Held, held};
pub use tree::*;

/// Where `agegate run` looks without `--config`.
pub const DEFAULT_PATH: &str = "/etc/agegate/agegate.toml";

impl Config {
    /// Reads and checks a file, and the files that it names: a policy, texts.
    ///
    /// # Errors
    /// [`ConfigError`]: unreadable, no TOML, an unknown key, a value out of range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_in_place_of(path, path)
    }

    /// Loads and checks a file as if it stood at another place: what it names relative to itself is looked for there.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_in_place_of(path: &Path, place: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read(&SettingsFile::configuration(path))?, place)
    }

    /// Loads the model that a key of `[models]` names, or the embedded one.
    ///
    /// # Errors
    /// [`ConfigError::Unusable`]; of an embedded model too.
    pub fn model<M>(
        &self,
        key: &'static str,
        load: impl FnOnce(Option<&Path>, Runtime) -> Result<M, ModelError>,
    ) -> Result<M, ConfigError> {
        let path = match key {
            "models.detector" => &self.models.detector,
            "models.age" => &self.models.age,
            _ => &self.models.liveness,
        };
        load(path.as_deref(), self.models.runtime).map_err(|error| self.unusable(key, error))
    }

    /// An error of what a key names, with the key and its place.
    #[must_use]
    pub fn unusable(&self, key: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> ConfigError {
        ConfigError::Unusable { source: error.into(), place: self.written.place(key) }
    }

    /// Relative paths are relative to the folder of the configuration file, whoever starts the program wherever.
    fn place(&mut self, file: &Path) {
        let Some(folder) = std::path::absolute(file).ok().and_then(|file| Some(file.parent()?.to_owned())) else {
            return;
        };
        let named = [
            self.camera.path.as_mut(),
            self.models.detector.as_mut(),
            self.models.age.as_mut(),
            self.models.liveness.as_mut(),
            Some(&mut self.log.folder),
            self.log.key_file.as_mut(),
        ];
        for path in named.into_iter().flatten().filter(|path| path.is_relative()) {
            *path = folder.join(&*path);
        }
    }

    /// Checks the text of a file; `path` names it in messages, and files that it names lie beside it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file = &SettingsFile::configuration(path);
        shaped(text, file, shape::File::Configuration)?;
        // What no table of values can hold, such as a number beyond 64 bits, is refused with its line.
        parse_toml::<toml::Table>(text, file)?;
        let mut config: Self = parse_toml(text, file)?;
        config.written = Written::new(path, text);
        if let Some(fault) = config.faults().into_iter().next() {
            return Err(fault.at(text, file));
        }
        config.place(path);
        if let Some(fault) = rules::key_among_records(&config) {
            return Err(fault.at(text, file));
        }
        if let Some(fault) = config.two_policies() {
            return Err(fault.at(text, file));
        }
        let beside = |named: &Path| path.parent().map_or_else(|| named.to_owned(), |folder| folder.join(named));
        if let Some(named) = &config.policy_file {
            if config.policy.is_some() {
                let expected = "either `policy_file` or a [policy] table, not both";
                return Err(Fault::new("policy_file", format!("{named:?}"), expected).at(text, file));
            }
            config.policy = Some(load_policy(&beside(named)).map_err(|error| config.unusable("policy_file", error))?);
        }
        if config.policy().in_force(config.liveness.mode).is_none() {
            return Err(config.lacks_liveness().at(text, file));
        }
        if let Some(named) = &config.display.texts_file {
            let named = beside(named);
            let texts = Texts::load(&config.display.language, &named).map_err(|error| {
                let error = error.to_string();
                let why = error.strip_prefix("display: ").unwrap_or(&error);
                let expected = format!("a file of texts that can be used: {why}");
                Fault::new("display.texts_file", format!("{named:?}"), &expected).at(text, file)
            })?;
            config.display.own_texts = Some(texts);
        }
        Ok(config)
    }

    /// A living face is asked for, in so many words or as shipped, and the policy does not say how sure of one it must be.
    fn lacks_liveness(&self) -> Fault {
        if self.written.place("liveness.mode").line.is_some() {
            let expected = "a policy with a [liveness] table, which says how sure of a living face an Allow must be (`agegate calibrate --live DIR --attacks DIR` makes one), or \"off\"";
            return Fault::new("liveness.mode", format!("\"{}\"", self.liveness.mode), expected);
        }
        let key = if self.policy_file.is_some() { "policy_file" } else { "policy" };
        let table = if key == "policy" { "a [policy.liveness] table" } else { "one with it" };
        let rest = "which says how sure of a living face an Allow must be (`agegate calibrate --live DIR --attacks DIR` makes one), or `mode = \"off\"` in [liveness]: it is \"passive\" where nothing else is written";
        Fault::new(key, "a policy without a [liveness] table", &format!("{table}, {rest}"))
    }

    /// A shipped policy was chosen, and another policy beside it: nobody can know which of them was meant.
    fn two_policies(&self) -> Option<Fault> {
        let other = self.other_policy()?;
        if self.shipped_policy == ShippedPolicy::default() {
            return None;
        }
        let expected = format!("no `shipped_policy` beside {other}: take out the one that is not to say who is let in");
        Some(Fault::new("shipped_policy", format!("\"{}\"", self.shipped_policy), &expected))
    }

    /// What says who is let in instead of a shipped policy.
    fn other_policy(&self) -> Option<&'static str> {
        match (&self.policy_file, &self.policy) {
            (Some(_), _) => Some("`policy_file`"),
            (None, Some(_)) => Some("the [policy] table"),
            (None, None) => None,
        }
    }

    /// The policy in force: the configured one, or the one shipped with the embedded model.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy.clone().unwrap_or_else(|| Policy::of(self.shipped_policy))
    }

    /// What works, and is likely not what is wanted: key, and what to do.
    #[must_use]
    pub fn notes(&self) -> Vec<(&'static str, String)> {
        rules::notes(self)
    }

    /// What is wrong: by the table, and where that finds nothing, between the values.
    fn faults(&self) -> Vec<Fault> {
        let values = match toml::Table::try_from(self) {
            Ok(values) => values,
            // A path that is no text; TOML has none such.
            Err(error) => return vec![Fault::new("configuration", error, "values that TOML can hold")],
        };
        let faults = table::faults(&values);
        if !faults.is_empty() {
            return faults;
        }
        rules::faults(self).into_iter().chain(door_unit::faults(self)).chain(pins::faults(self)).collect()
    }
}

/// Largest configuration or policy, in bytes.
const MOST_BYTES: u64 = 1_000_000;

fn read(file: &SettingsFile) -> Result<String, ConfigError> {
    let text = regular::read_text(&file.path, MOST_BYTES)
        .map_err(|source| ConfigError::Read { file: file.clone(), source })?;
    // What some editors put before a text.
    match text.strip_prefix('\u{feff}') {
        Some(rest) => Ok(rest.to_owned()),
        None => Ok(text),
    }
}

/// Reads a policy block as `agegate calibrate` writes it.
///
/// # Errors
/// As [`Config::load`].
pub fn load_policy(path: &Path) -> Result<Policy, ConfigError> {
    let file = &SettingsFile::policy(path);
    let text = read(file)?;
    shaped(&text, file, shape::File::Policy)?;
    let policy: Policy = parse_toml(&text, file)?;
    match policy_faults(&policy).into_iter().next() {
        None => Ok(policy),
        Some(fault) => Err(fault.at(&text, file)),
    }
}

/// Refuses a text whose keys or values are not those of such a file.
fn shaped(text: &str, file: &SettingsFile, kind: shape::File) -> Result<(), ConfigError> {
    match shape::misfit(text, kind) {
        None => Ok(()),
        Some((line, message)) => Err(ConfigError::Parse { file: file.clone(), line, message }),
    }
}

fn policy_faults(policy: &Policy) -> Vec<Fault> {
    match toml::Table::try_from(policy) {
        Ok(values) => table::faults_alone("policy", &values),
        Err(error) => vec![Fault::new("policy", error, "values that TOML can hold")],
    }
}

/// What the tests of several files here ask of a text.
#[cfg(test)]
mod parsed {
    use super::{Config, Path};

    pub(super) fn error(text: &str) -> String {
        Config::parse(text, Path::new("gate.toml")).unwrap_err().to_string()
    }

    pub(super) fn accepted(text: &str) -> bool {
        Config::parse(text, Path::new("gate.toml")).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{parsed::error, *};
    use crate::policy::ShippedPolicy;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("", Path::new("gate.toml")).unwrap(), Config::default());
    }

    #[test]
    fn a_default_that_misses_a_bound_of_the_file_is_told_where_the_bound_stands() {
        for (text, expected) in [
            (
                "[visit]\n\ngood_frames = 40\n",
                "line 3: `visit.most_frames` is 10 where the file has no line for it, expected `good_frames` to 200",
            ),
            (
                "[visit]\nmost_frames = 20\ngood_frames = 40\n",
                "line 2: `visit.most_frames` is 20, expected `good_frames` to 200",
            ),
            ("[visit]\nmost_frames = 4\n", "line 2: `visit.most_frames` is 4, expected `good_frames` to 200"),
        ] {
            let message = error(text);
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }

    #[test]
    fn a_usual_slip_of_the_pen_is_told_in_words_of_the_file() {
        for (text, expected) in [
            (
                "[camera]\nrate = 5,0",
                "line 2: `rate` is 5,0, expected a number without a comma; a fraction is written with a point",
            ),
            ("[camera]\nrate: 5", "line 2: expected rate = 5, with `=` between a key and its value"),
            ("camera:\n  rate = 5", "line 1: expected a line [camera] for a table, or camera = and a value"),
            (
                "[camera]\nskip_unchanged = yes # saves work",
                "line 2: `skip_unchanged` is yes, expected true, false, a number without a unit, or text in quotes",
            ),
            ("[camera]\nrate = 5 fps", "line 2: `rate` is 5 fps, expected "),
            (
                "[camera]\nskip_unchanged = False",
                "line 2: `skip_unchanged` is False, expected it in small letters: false",
            ),
            ("[camera]\nrate = 5\nrate = 6", "line 3: `rate` stands here for the second time, expected it once"),
            (
                "[inputs]\nstaff = { line = 5, line = 6 }",
                "line 2: `line` stands here for the second time, expected it once",
            ),
            (
                "[camera]\n[camera]",
                "line 2: [camera] stands here for the second time, expected all its keys below the first",
            ),
            ("[camera\nrate = 5", "line 1: [camera has no end, expected [camera]"),
            ("[camera]\nrate =", "line 2: `rate` has no value"),
            ("[log]\nfolder = /var/log", "line 2: `folder` is /var/log, expected text in quotes: \"/var/log\""),
            ("[camera]\nrate = 05", "line 2: `rate` is 05, expected a number that does not begin with a zero"),
            (
                "[camera]\ncommand = [\"a\", \"b\"\nrate = 5\n",
                "line 2: what begins with command = [\"a\", \"b\" does not end as it should: line 3: ",
            ),
            ("[camera]\n# a\u{1b}[2J comment\n", "line 2: invalid comment character"),
            ("[camera]\npath: \"frames\"  # c = d", "line 2: expected path = \"frames\"  # c = d, with `=`"),
        ] {
            let message = error(text);
            assert!(message.contains(expected), "{text:?}: {message}");
        }
        let long = error(&format!("[camera]\n{}: 5", "x".repeat(100_000)));
        assert!(long.len() < 300, "{}", long.len());
    }

    #[test]
    fn the_key_of_a_log_never_lies_among_its_records() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
        let refused = |log: &str, key: &str| {
            let text = format!("[log]\nfolder = \"{log}\"\nkey_file = \"{key}\"\n");
            Config::parse(&text, &folder.path().join("gate.toml")).is_err_and(|error| {
                let message = error.to_string();
                assert!(
                    message.contains("line 3: `log.key_file` is") && message.contains("outside of the log's folder"),
                    "{message}"
                );
                true
            })
        };
        for key in ["log/head", "log/deeper/key", "log", "./log/../log/key", "link/log/key"] {
            assert!(refused("log", key), "{key}");
        }
        for key in ["log.key", "key", "logs/key", "log/../key"] {
            assert!(!refused("log", key), "{key}");
        }
        // The mark has the name by which the folder is called, and lies where that leads.
        std::fs::create_dir(folder.path().join("there")).unwrap();
        std::os::unix::fs::symlink("there", folder.path().join("called")).unwrap();
        for (log, key) in [("log", "./log.tampered"), ("called", "called.tampered"), ("link/log", "log.tampered")] {
            let text = format!("[log]\nfolder = \"{log}\"\nkey_file = \"{key}\"\n");
            let message = Config::parse(&text, &folder.path().join("gate.toml")).unwrap_err().to_string();
            assert!(message.contains("line 3") && message.contains("says that the cover was opened"), "{message}");
        }
        for key in ["keys/", "keys/..", "/"] {
            let text = format!("[log]\nfolder = \"log\"\nkey_file = \"{key}\"\n");
            let message = Config::parse(&text, &folder.path().join("gate.toml")).unwrap_err().to_string();
            assert!(message.contains("line 3") && message.contains("ends with the name of a file"), "{message}");
        }
    }

    #[test]
    fn a_line_without_what_it_needs_is_told_with_its_table() {
        let message = error("\n[inputs.staff]\nactive = \"low\"\n");
        assert!(message.contains("line 2: `inputs.staff` lacks `line`"), "{message}");
    }

    #[test]
    fn a_policy_file_that_cannot_be_used_is_told_with_the_key_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.toml");
        std::fs::write(&path, "\npolicy_file = \"none.toml\"\n").unwrap();
        let refused = || Config::load(&path).unwrap_err().to_string();
        let place = format!("(`policy_file`, line 2 of {})", path.display());
        assert!(
            refused().contains("none.toml: cannot read it: No such file") && refused().contains(&place),
            "{}",
            refused()
        );
        std::fs::write(folder.path().join("none.toml"), "threshold_age = 9\nchallenge_age = 25\nconfidence = 0.9\n")
            .unwrap();
        assert!(
            refused().contains("none.toml, line 1: `threshold_age` is 9") && refused().contains(&place),
            "{}",
            refused()
        );
        assert!(refused().starts_with("policy /"), "{}", refused());
    }

    #[test]
    fn a_key_is_told_with_its_line_or_as_left_at_its_default() {
        let config = Config::parse("[camera]\n\nrate = 5.0\n", Path::new("gate.toml")).unwrap();
        assert_eq!(config.unusable("camera.rate", "slow").to_string(), "slow (`camera.rate`, line 3 of gate.toml)");
        let default = config.unusable("log.folder", "full").to_string();
        assert_eq!(default, "full (`log.folder`, which gate.toml leaves at its default)");
        assert_eq!(Config::default().unusable("log.folder", "full").to_string(), "full (`log.folder`)");
    }

    #[test]
    fn a_shipped_policy_beside_another_one_is_refused_and_the_one_that_the_example_names_is_noted() {
        let by_hand =
            "[policy]\nthreshold_age = 18\nchallenge_age = 25\nconfidence = 0.9\n[policy.liveness]\nconfidence = 0.9\n";
        let message = error(&format!("\nshipped_policy = \"strict\"\n{by_hand}"));
        assert!(
            message.contains(
                "line 2: `shipped_policy` is \"strict\", expected no `shipped_policy` beside the [policy] table"
            ),
            "{message}"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.toml");
        std::fs::write(folder.path().join("p.toml"), include_str!("../../models/policy.toml")).unwrap();
        // The other one need not be there for that.
        for named in ["p.toml", "none.toml"] {
            std::fs::write(&path, format!("policy_file = \"{named}\"\nshipped_policy = \"fast\"\n")).unwrap();
            let message = Config::load(&path).unwrap_err().to_string();
            assert!(
                message.contains("line 2: `shipped_policy` is \"fast\"") && message.contains("beside `policy_file`"),
                "{message}"
            );
        }
        let notes = |text: &str| Config::parse(text, Path::new("gate.toml")).unwrap().notes();
        let noted = notes(&format!("shipped_policy = \"balanced\"\n{by_hand}"));
        assert!(noted.iter().any(|(key, what)| *key == "shipped_policy" && what.contains("[policy]")), "{noted:?}");
        assert!(notes(by_hand).is_empty() && notes("shipped_policy = \"strict\"\n").is_empty());
    }

    #[test]
    fn a_policy_whose_figures_are_no_shares_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        let shipped = include_str!("../../models/policy.toml");
        for figure in ["bpcer = ", "apcer_high = ", "false_accept_high = ", "share = "] {
            let at = shipped.find(&format!("\n{figure}")).unwrap_or_else(|| panic!("no {figure}")) + 1 + figure.len();
            let end = at + shipped[at..].find('\n').unwrap();
            for value in ["nan", "2.0", "-0.1", "inf"] {
                std::fs::write(&path, format!("{}{value}{}", &shipped[..at], &shipped[end..])).unwrap();
                let message = load_policy(&path).unwrap_err().to_string();
                assert!(
                    message.contains("expected 0 to 1") && message.contains(figure.trim_end_matches(" = ")),
                    "{message}"
                );
            }
        }
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
        assert!(message.contains("line 2: `visit.good_frames` is \"many\", expected a whole number"), "{message}");
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        assert!(error("[camera]\nrate = nan\n").contains("`camera.rate` is NaN"));
        assert!(error("[visit]\ndecide_seconds = inf\n").contains("`visit.decide_seconds` is inf"));
    }

    #[test]
    fn the_shipped_policy_is_valid() {
        for which in ShippedPolicy::ALL {
            assert!(policy_faults(&Policy::of(which)).is_empty(), "{which:?}");
        }
    }

    #[test]
    fn a_shipped_policy_is_named_in_one_word() {
        let strict = Config::parse("shipped_policy = \"strict\"\n", Path::new("a.toml")).unwrap();
        assert_eq!(strict.policy(), Policy::of(ShippedPolicy::Strict));
        assert_eq!(Config::default().policy(), Policy::shipped());
        assert!(error("shipped_policy = \"lax\"\n").contains("line 1"));
    }

    #[test]
    fn values_of_a_policy_out_of_range_are_named_in_a_file_and_in_the_configuration() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let whole = "threshold_age = 18\nchallenge_age = 25\nconfidence = 0.9\n";
        for (right, wrong, expected) in [
            ("confidence = 0.9", "confidence = 1.0", "`confidence` is 1, expected 0.5 or more, below 1"),
            ("challenge_age = 25", "challenge_age = 17", "`challenge_age` is 17, expected `threshold_age` to 60 years"),
            ("threshold_age = 18", "threshold_age = 9", "`threshold_age` is 9, expected 10 to 30 years"),
            ("confidence = 0.9", "confidence = 0.9\ntemperature = nan", "`temperature` is NaN, expected 0.2 to 5"),
            ("confidence = 0.9", "confidence = 0.9\ndeny_confidence = 0.1", "`deny_confidence` is 0.1, expected 0.5"),
        ] {
            let text = whole.replace(right, wrong);
            std::fs::write(file.path(), &text).unwrap();
            let message = load_policy(file.path()).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains("line "), "{message}");
            let message = error(&format!("[policy]\n{text}"));
            assert!(message.contains(&expected.replacen('`', "`policy.", 1)), "{message}");
        }
    }

    #[test]
    fn values_of_the_liveness_table_of_a_policy_are_named_in_a_file_and_in_the_configuration() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let whole = "threshold_age = 18\nchallenge_age = 25\nconfidence = 0.9\n";
        for (wrong, expected) in [
            ("confidence = 1.0", "`liveness.confidence` is 1, expected 0.001 or more, below 1"),
            ("confidence = 0.9\ntemperature = 0.0", "`liveness.temperature` is 0, expected 0.01 to 100"),
            ("confidence = 0.9\noffset = nan", "`liveness.offset` is NaN, expected -100 to 100"),
        ] {
            std::fs::write(file.path(), format!("{whole}[liveness]\n{wrong}\n")).unwrap();
            let message = load_policy(file.path()).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains("line "), "{message}");
            let message = error(&format!("[policy]\n{whole}[policy.liveness]\n{wrong}\n"));
            assert!(message.contains(&expected.replacen('`', "`policy.", 1)), "{message}");
        }
    }

    #[test]
    fn a_living_face_is_not_asked_for_with_a_policy_that_does_not_say_how_sure_of_it_one_must_be() {
        let by_hand = "[policy]\nthreshold_age = 18\nchallenge_age = 25\nconfidence = 0.9\n";
        let message = error(&format!("{by_hand}[liveness]\nmode = \"passive\"\n"));
        assert!(
            message.contains("line 6: `liveness.mode` is \"passive\", expected a policy with a [liveness] table"),
            "{message}"
        );
        // What is not written is not blamed.
        let message = error(&format!("[log]\nfolder = \"log\"\n{by_hand}"));
        assert!(
            message.contains("line 3: `policy` is a policy without a [liveness] table") && message.contains("\"off\""),
            "{message}"
        );
        let whole = format!("{by_hand}[policy.liveness]\nconfidence = 0.9\n[liveness]\nmode = \"passive\"\n");
        let config = Config::parse(&whole, Path::new("a.toml")).unwrap();
        assert_eq!(config.policy().in_force(config.liveness.mode).unwrap().liveness.unwrap().confidence, 0.9);
        let off = Config::parse(&whole.replace("passive", "off"), Path::new("a.toml")).unwrap();
        assert_eq!(off.policy().in_force(off.liveness.mode).unwrap().liveness, None, "not asked for, not in force");
    }

    #[test]
    fn whoever_is_asked_to_turn_their_head_has_the_time_for_it() {
        let message = error(
            "[start]\nmode = \"button\"\nseconds = 9.0\n[liveness]\nmode = \"turn\"\n[policy]\nthreshold_age = 18\nchallenge_age = 25\nconfidence = 0.9\n[policy.liveness]\nconfidence = 0.9\n",
        );
        assert!(message.contains("line 3: `start.seconds` is 9, expected at least the 22 seconds"), "{message}");
    }

    #[test]
    fn a_number_beyond_all_bounds_is_told_with_its_line() {
        let message = error("[visit]\n\ngood_frames = 18446744073709551615\n");
        assert!(message.contains("line 3"), "{message}");
    }

    #[test]
    fn a_reset_that_is_left_out_is_not_wired() {
        assert_eq!(
            Config::parse("[display]\ndriver = \"st7789\"\n", Path::new("a.toml")).unwrap().display.reset_line,
            None
        );
    }

    #[test]
    fn texts_are_read_and_checked_when_the_configuration_is() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("gate.toml");
        std::fs::write(&config, "[display]\ntexts_file = \"texts.toml\"\n").unwrap();
        let refused = || Config::load(&config).unwrap_err().to_string();
        assert!(
            refused().contains("line 2: `display.texts_file`") && refused().contains("texts.toml"),
            "{}",
            refused()
        );
        std::fs::write(folder.path().join("texts.toml"), "welcom = [\"a\", \"b\"]\n").unwrap();
        assert!(refused().contains("welcom"), "{}", refused());
        std::fs::write(folder.path().join("texts.toml"), "welcome = [\"Bienvenue\", \"Entrez\"]\n").unwrap();
        let loaded = Config::load(&config).unwrap();
        std::fs::remove_file(folder.path().join("texts.toml")).unwrap();
        assert_eq!(loaded.display.texts().of(crate::display::Screen::Welcome)[0], "Bienvenue", "not looked at again");
    }
}
