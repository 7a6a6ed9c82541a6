//! What a gate is made of, and what it asks of its surroundings.

use crate::{
    audit::{Act, ActReason, AuditError, AuditLog, DecidedBy, Event, Logged},
    camera::capture::Capture,
    config::{InputsConfig, LogConfig, OutputsConfig, RelayConfig, StartConfig},
    display::{Screen, worker::DisplayWorker},
    door_unit::{DoorUnit, Request},
    frame::Frame,
    judge::Judge,
    relay::door::Door,
    status::Condition,
    trigger::Trigger,
    visit::Decision,
};

/// Where a decision can be written before it is acted on.
///
/// Only [`AuditLog`] can make a [`Logged`], so every other log (those of the tests) has one inside.
pub trait DecisionLog: Send {
    /// Writes an event durably.
    ///
    /// # Errors
    /// [`AuditError`].
    fn append(&mut self, event: Event) -> Result<u64, AuditError>;

    /// Writes a decision durably.
    ///
    /// # Errors
    /// [`AuditError`]; the decision then must not be acted on.
    fn append_decision(&mut self, decision: &Decision, by: DecidedBy) -> Result<Logged, AuditError>;

    /// Writes durably that somebody is let through who asked by an input.
    ///
    /// # Errors
    /// [`AuditError`]; the request then must not be acted on.
    fn append_request(&mut self, request: Request, by: DecidedBy) -> Result<Logged, AuditError>;

    /// Changes size and retention.
    fn set_limits(&mut self, _config: &LogConfig) {}
}

impl DecisionLog for AuditLog {
    fn append(&mut self, event: Event) -> Result<u64, AuditError> {
        Self::append(self, event)
    }

    fn append_decision(&mut self, decision: &Decision, by: DecidedBy) -> Result<Logged, AuditError> {
        Self::append_decision(self, decision, by)
    }

    fn append_request(&mut self, request: Request, by: DecidedBy) -> Result<Logged, AuditError> {
        Self::append_request(self, request, by)
    }

    fn set_limits(&mut self, config: &LogConfig) {
        Self::set_limits(self, config);
    }
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Asked to stop.
    Stopped,
    /// Asked to put another configuration into force; the gate is as it was, and can go on.
    Reload,
    /// The recording is over.
    Recording,
}

/// What the loop asks its surroundings each time around.
pub trait Surroundings {
    /// Whether to stop or reload.
    fn asked(&mut self) -> Option<Ended>;
    /// The pipeline made progress: feeds the watchdog.
    fn progress(&mut self);
    /// A decision was made and logged (or not).
    fn decided(&mut self, _decision: &Decision, _logged: bool) {}
    /// What the door did about the decision of a number.
    fn acted(&mut self, _decision: u64, _act: Act, _reason: Option<ActReason>) {}
    /// A frame was judged; the screen that follows from it.
    fn judged(&mut self, _frame: &Frame, _screen: Screen) {}
    /// How the gate is, each time around.
    fn condition(&mut self, _condition: &Condition) {}
}

/// The parts that a gate is put together from.
pub struct GateParts {
    /// Eyes and visit.
    pub judge: Judge,
    /// The camera's thread.
    pub capture: Capture,
    /// The decision log.
    pub log: Box<dyn DecisionLog>,
    /// The door.
    pub door: Box<dyn Door>,
    /// The display's thread.
    pub display: DisplayWorker,
    /// Button or sensor, where configured.
    pub trigger: Option<Box<dyn Trigger>>,
    /// What starts a visit.
    pub start: StartConfig,
    /// What else the door has.
    pub unit: DoorUnit,
}

/// The parts of a running gate that another configuration changes, made before any of the old ones is given up.
pub struct Changes {
    /// Other models, policy or limits of the view.
    pub judge: Option<Judge>,
    /// Another camera; it must not want frames yet.
    pub capture: Option<Capture>,
    /// Another log.
    pub log: Option<Box<dyn DecisionLog>>,
    /// Other limits of the same log.
    pub log_limits: Option<LogConfig>,
    /// Other settings of the relay.
    pub relay: Option<RelayConfig>,
    /// Another display.
    pub display: Option<DisplayWorker>,
    /// Another start line, or none any more.
    pub trigger: Option<Option<Box<dyn Trigger>>>,
    /// What starts a visit from now on.
    pub start: StartConfig,
    /// Other times and rules of the door unit, whose lines stay.
    pub unit: Option<(InputsConfig, OutputsConfig)>,
}
