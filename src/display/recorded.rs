//! A display that is none: it keeps its pictures, for tests and the demonstration.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Display, DisplayError, Screen, canvas::Canvas, screens, texts::Texts};

/// A panel in memory.
#[derive(Clone)]
pub struct RecordedDisplay {
    texts: Texts,
    width: u32,
    height: u32,
    shown: Arc<Mutex<Vec<Screen>>>,
}

impl RecordedDisplay {
    /// A panel of this size, in pixels.
    #[must_use]
    pub fn new(texts: Texts, width: u32, height: u32) -> Self {
        Self { texts, width, height, shown: Arc::default() }
    }

    /// Every screen shown so far, oldest first.
    #[must_use]
    pub fn shown(&self) -> Vec<Screen> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a screen looks like on it.
    #[must_use]
    pub fn picture(&self, screen: Screen) -> Canvas {
        screens::draw(screen, &self.texts, self.width, self.height, false)
    }
}

impl Display for RecordedDisplay {
    fn show(&mut self, screen: Screen) -> Result<(), DisplayError> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.push(screen);
        if shown.len() > 10_000 {
            shown.drain(..5_000);
        }
        Ok(())
    }

    fn describe(&self) -> String {
        format!("recorded display of {}x{} (no panel is attached)", self.width, self.height)
    }
}

/// No display at all.
pub struct NoDisplay;

impl Display for NoDisplay {
    fn show(&mut self, _screen: Screen) -> Result<(), DisplayError> {
        Ok(())
    }

    fn describe(&self) -> String {
        "no display".into()
    }
}
