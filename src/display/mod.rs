//! The display: one trait, real panels and recorded ones behind it, and the screens that they show.
//!
//! A screen is drawn once per change: a full redraw over SPI takes tens of milliseconds.

pub mod canvas;
pub mod panel;
pub mod recorded;
pub mod screens;
pub mod texts;
pub mod worker;

use crate::{
    liveness::{Ask, Side},
    policy::Outcome,
    quality::Flaw,
    visit::Guidance,
};

/// What the display shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Nobody is there. With the notice that a check takes place and that showing an ID is the other way.
    Idle,
    /// Waiting for the button or the sensor, with the same notice.
    Waiting,
    /// Come closer.
    ComeCloser,
    /// Step into the middle.
    StepInside,
    /// Look at the camera.
    LookHere,
    /// More light.
    MoreLight,
    /// Hold still.
    HoldStill,
    /// Take off mask or sunglasses.
    ShowFace,
    /// Being looked at; done in tenths, 0 to 10.
    Checking(u8),
    /// Turn the head to the visitor's left; with the notice that showing an ID is the other way.
    TurnLeft,
    /// The same to the right.
    TurnRight,
    /// Look ahead again.
    LookAhead,
    /// Come in.
    Welcome,
    /// Please show ID.
    ShowId,
    /// Please show ID: no living face was seen.
    NotLive,
    /// Not for minors.
    Denied,
    /// Out of order.
    NotAvailable,
}

impl Screen {
    /// Every screen, for tests and contact sheets.
    pub const ALL: [Self; 17] = [
        Self::Idle,
        Self::Waiting,
        Self::ComeCloser,
        Self::StepInside,
        Self::LookHere,
        Self::MoreLight,
        Self::HoldStill,
        Self::ShowFace,
        Self::Checking(4),
        Self::TurnLeft,
        Self::TurnRight,
        Self::LookAhead,
        Self::Welcome,
        Self::ShowId,
        Self::NotLive,
        Self::Denied,
        Self::NotAvailable,
    ];

    /// The screen for what the visit has to say.
    #[must_use]
    pub fn of(guidance: Guidance) -> Self {
        match guidance {
            Guidance::Idle => Self::Idle,
            Guidance::Improve(Flaw::TooFar) => Self::ComeCloser,
            Guidance::Improve(Flaw::OutsideFrame) => Self::StepInside,
            Guidance::Improve(Flaw::LookingAway) => Self::LookHere,
            Guidance::Improve(Flaw::TooDark | Flaw::TooBright) => Self::MoreLight,
            Guidance::Improve(Flaw::Blurred) => Self::HoldStill,
            Guidance::Improve(Flaw::Covered) => Self::ShowFace,
            Guidance::Checking(share) => Self::Checking((share * 10.0).round().clamp(0.0, 10.0) as u8),
            Guidance::Turn(Ask::Turn(Side::Left)) => Self::TurnLeft,
            Guidance::Turn(Ask::Turn(Side::Right)) => Self::TurnRight,
            Guidance::Turn(Ask::Ahead) => Self::LookAhead,
            Guidance::Decided(Outcome::Allow) => Self::Welcome,
            Guidance::Decided(Outcome::Refer) => Self::ShowId,
            Guidance::NotLive => Self::NotLive,
            Guidance::Decided(Outcome::Deny) => Self::Denied,
            Guidance::Decided(Outcome::NoDecision) => Self::Idle,
        }
    }
}

impl Screen {
    /// Whether it asks for a turn of the head.
    #[must_use]
    pub fn asks_for_a_turn(self) -> bool {
        matches!(self, Self::TurnLeft | Self::TurnRight | Self::LookAhead)
    }
}

/// A panel that shows screens.
pub trait Display: Send {
    /// Shows a screen.
    ///
    /// # Errors
    /// [`DisplayError`] if the panel cannot be reached.
    fn show(&mut self, screen: Screen) -> Result<(), DisplayError>;

    /// Shows a picture that is no screen of the gate; it is drawn for the width, the height and the two colours or more that
    /// the panel has. A display that keeps screens only shows nothing.
    ///
    /// # Errors
    /// [`DisplayError`] if the panel cannot be reached.
    fn paint(&mut self, _paint: &dyn Fn(u32, u32, bool) -> canvas::Canvas) -> Result<(), DisplayError> {
        Ok(())
    }

    /// What it is, for messages.
    fn describe(&self) -> String;
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    /// The SPI device or a pin cannot be had.
    #[error("display: {what} cannot be opened: {detail}")]
    Open {
        /// Which device or pin.
        what: String,
        /// What the system said, and what to do.
        detail: String,
    },
    /// The configured size does not fit the controller.
    #[error("display: {0}")]
    Size(String),
    /// The panel does not take data.
    #[error("display: drawing failed: {0}")]
    Draw(String),
    /// The texts cannot be read.
    #[error("display: {0}")]
    Texts(String),
    /// What a key of the configuration names cannot be used.
    #[error("{source} ({place})")]
    Configured {
        /// Why.
        source: Box<DisplayError>,
        /// The key, and where it stands.
        place: crate::config::Place,
    },
}
