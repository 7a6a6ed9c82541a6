//! The texts of the screens: English and German inside, others from a file.

use std::path::Path;

use serde::Deserialize;
use toml::de::DeTable;

use crate::config::error::{cut, line_of, shown};

use super::{DisplayError, Screen};

/// Texts of all screens: a headline of one or two short words, and a line below.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    idle: [String; 2],
    waiting: [String; 2],
    come_closer: [String; 2],
    step_inside: [String; 2],
    look_here: [String; 2],
    more_light: [String; 2],
    hold_still: [String; 2],
    show_face: [String; 2],
    checking: [String; 2],
    turn_left: [String; 2],
    turn_right: [String; 2],
    look_ahead: [String; 2],
    welcome: [String; 2],
    show_id: [String; 2],
    not_live: [String; 2],
    denied: [String; 2],
    not_available: [String; 2],
}

static ENGLISH: &str = include_str!("texts-en.toml");
static GERMAN: &str = include_str!("texts-de.toml");

impl Texts {
    /// The texts of a language that ships with the program, `en` or `de`.
    ///
    /// # Panics
    /// Never in a build that passes its tests: the embedded files are checked by one.
    #[must_use]
    pub fn shipped(language: &str) -> Self {
        let text = if language == "de" { GERMAN } else { ENGLISH };
        toml::from_str(text).expect("the embedded texts are valid")
    }

    /// Texts from a file over those of a shipped language: the file may have some of the keys only.
    ///
    /// # Errors
    /// [`DisplayError::Texts`] if it cannot be read, or has an unknown key or a character that the font lacks.
    pub fn load(language: &str, path: &Path) -> Result<Self, DisplayError> {
        let wrong = |what: String| DisplayError::Texts(format!("texts {}: {what}", path.display()));
        let text =
            crate::regular::read_text(path, 1_000_000).map_err(|e| wrong(format!("cannot read the file: {e}")))?;
        let own: toml::Table = toml::from_str(&text).map_err(|e| wrong(place(&text, &e)))?;
        let base = if language == "de" { GERMAN } else { ENGLISH };
        let mut merged: toml::Table = toml::from_str(base).map_err(|e| wrong(e.to_string()))?;
        if let Some((line, what)) = misfit(&text, &merged) {
            return Err(wrong(format!("line {line}: {what}")));
        }
        merged.extend(own);
        merged.try_into().map_err(|e: toml::de::Error| wrong(e.message().to_owned()))
    }

    /// Headline and line of a screen.
    #[must_use]
    pub fn of(&self, screen: Screen) -> &[String; 2] {
        match screen {
            Screen::Idle => &self.idle,
            Screen::Waiting => &self.waiting,
            Screen::ComeCloser => &self.come_closer,
            Screen::StepInside => &self.step_inside,
            Screen::LookHere => &self.look_here,
            Screen::MoreLight => &self.more_light,
            Screen::HoldStill => &self.hold_still,
            Screen::ShowFace => &self.show_face,
            Screen::Checking(_) => &self.checking,
            Screen::TurnLeft => &self.turn_left,
            Screen::TurnRight => &self.turn_right,
            Screen::LookAhead => &self.look_ahead,
            Screen::Welcome => &self.welcome,
            Screen::ShowId => &self.show_id,
            Screen::NotLive => &self.not_live,
            Screen::Denied => &self.denied,
            Screen::NotAvailable => &self.not_available,
        }
    }

    #[cfg(test)]
    fn all(&self) -> impl Iterator<Item = &[String; 2]> {
        Screen::ALL.into_iter().map(|screen| self.of(screen))
    }
}

/// The first thing in a file of texts that cannot be shown: its line, and what is to be said.
fn misfit(text: &str, known: &toml::Table) -> Option<(usize, String)> {
    let root = DeTable::parse(text).ok()?;
    let faults = root.get_ref().iter().filter_map(|(name, value)| {
        let (at, name) = (name.span().start, &**name.get_ref());
        if !known.contains_key(name) {
            let names: Vec<String> = known.keys().map(|name| format!("`{name}`")).collect();
            return Some((at, format!("there is no text `{}`; there are {}", cut(name), names.join(", "))));
        }
        let texts: Option<Vec<_>> =
            value.get_ref().as_array().and_then(|a| a.iter().map(|v| v.get_ref().as_str()).collect());
        let Some(texts) = texts.filter(|texts| texts.len() == 2) else {
            let expected = "two texts in square brackets, such as [\"Welcome\", \"come in\"]";
            return Some((at, format!("`{name}` is {}, expected {expected}", shown(text, value))));
        };
        let c = texts.iter().flat_map(|text| text.chars()).find(|c| u32::from(*c) > 0xff)?;
        Some((at, format!("`{name}`: the character {c:?} is not in the font, which has those of ISO 8859-1")))
    });
    let (at, what) = faults.min_by_key(|(at, _)| *at)?;
    Some((line_of(text, at), what))
}

/// What TOML says, with its line, on one line.
fn place(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
    format!("line {line}: {}", error.message().split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_languages_have_every_text() {
        for language in ["en", "de"] {
            assert!(Texts::shipped(language).all().all(|[head, _]| !head.is_empty()));
        }
    }

    #[test]
    fn a_file_may_replace_some_of_the_texts() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "welcome = [\"Bienvenue\", \"Entrez\"]\n").unwrap();
        let texts = Texts::load("en", file.path()).unwrap();
        assert_eq!(texts.of(Screen::Welcome)[0], "Bienvenue");
        assert_eq!(texts.of(Screen::Idle), Texts::shipped("en").of(Screen::Idle));
    }

    #[test]
    fn an_unknown_text_and_an_unknown_character_are_errors() {
        for (text, expected) in [
            ("idle = [\"a\", \"b\"]\nwelcom = [\"a\", \"b\"]", "line 2: there is no text `welcom`; there are "),
            (
                "welcome = [\"\u{4f60}\u{597d}\", \"\"]",
                "line 1: `welcome`: the character '\u{4f60}' is not in the font",
            ),
            ("\nwelcome = \"Welcome\"", "line 2: `welcome` is \"Welcome\", expected two texts in square brackets"),
            ("\n\nwelcome = [\"Welcome\"]", "line 3: `welcome` is [\"Welcome\"], expected two texts"),
            ("[welcome]\na = 1", "line 1: `welcome` is a table, expected two texts"),
            ("welcome = [\"Welcome\", ", "line 1: "),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let message = Texts::load("en", file.path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
