//! The door unit: what a whole door has besides camera, lock and screen. It reads a staff key, an exit button, the contact of
//! the leaf, the sensor of a turnstile and the contact of its own cover; it drives a lamp, a buzzer, an alarm and a Wiegand
//! pair. Each is off until it is configured.
//!
//! ```text
//! lines -> watch.rs (thread, debounce.rs) -> request.rs ─┐
//!                                            leaf.rs    ─┼> gate/ -> log -> permit -> door
//!                                            tamper.rs  ─┘    └> outputs.rs (thread, buzzer.rs, wiegand.rs)
//! ```
//!
//! What is absent: nothing here can open the door. A press becomes a [`Request`], which the log has to take before there is a
//! permit; and no request comes from a line that was never seen released, cannot be read, or whose wire is broken.

pub mod buzzer;
pub mod debounce;
pub mod leaf;
pub mod line;
pub mod outputs;
pub mod request;
pub mod tamper;
pub mod watch;
pub mod wiegand;

use std::time::Duration;

pub use line::LineError;
pub use request::Request;

use crate::{
    audit::{Alarm, AlarmChange},
    config::{AlarmCause, Config, InputsConfig, OutputsConfig},
    policy::Outcome,
};
use buzzer::Pattern;
use debounce::Turn;
use leaf::{Leaf, LeafEvent};
use outputs::Outputs;
use request::{NotNow, StaffRule};
use tamper::Tamper;
use watch::{Input, Watch};

/// The lamp stays on for so long after the last sign of somebody, so that it does not flicker.
const LAMP_STAYS: Duration = Duration::from_secs(3);

/// What the door unit has to say to the gate.
#[derive(Debug)]
pub enum Happening {
    /// Somebody asks to be let through, and may.
    Asked(Request),
    /// Staff asked at a time at which they may not.
    NotNow(NotNow),
    /// Somebody went through.
    WentThrough,
    /// An alarm began or ended.
    Alarm(Alarm, AlarmChange),
}

/// The door unit of a gate; [`DoorUnit::default`] is none.
#[derive(Default)]
pub struct DoorUnit {
    watch: Option<Watch>,
    outputs: Option<Outputs>,
    staff: StaffRule,
    leaf: Option<Leaf>,
    tamper: Option<Tamper>,
    alarm_on: Vec<AlarmCause>,
    raised: Vec<Alarm>,
    somebody_until: Option<Duration>,
}

impl DoorUnit {
    /// Takes every configured line: the inputs with their bias, the outputs switched off.
    ///
    /// # Errors
    /// [`LineError`] if a line cannot be had.
    pub fn open(config: &Config) -> Result<Self, LineError> {
        let (inputs, outputs) = (&config.inputs, &config.outputs);
        let (marker, contact) = (tamper::marker(&config.log.folder), inputs.tamper.is_some());
        // Taking the contact out of the configuration is no reset.
        let stands = tamper::what_stands(&marker);
        let tamper = (contact || stands.is_some()).then(|| Tamper::new(marker, contact));
        let leaf = inputs.contact.is_some().then(|| Leaf::new(inputs.held_open_seconds));
        let mut unit = Self {
            watch: Watch::start(inputs)?,
            outputs: Outputs::start(outputs)?,
            staff: StaffRule::new(inputs),
            leaf,
            tamper,
            alarm_on: outputs.alarm_on.clone(),
            raised: Vec::new(),
            somebody_until: None,
        };
        if unit.tampered() {
            unit.raised.push(Alarm::Tamper);
            log::error!("the cover was opened before this start: {}", stands.unwrap_or_default());
        }
        Ok(unit)
    }

    /// Puts other times and rules into force; the lines stay.
    pub fn change(&mut self, inputs: &InputsConfig, outputs: &OutputsConfig) {
        self.staff.change(inputs);
        if let Some(leaf) = &mut self.leaf {
            leaf.change(inputs.held_open_seconds);
        }
        self.alarm_on.clone_from(&outputs.alarm_on);
    }

    /// What happened since the last look; `door_open` is whether the lease runs.
    pub fn look(&mut self, door_open: bool, now: Duration) -> Vec<Happening> {
        let mut happened = Vec::new();
        for turned in self.watch.as_mut().map(Watch::turned).unwrap_or_default() {
            if let Some(press) = turned.press {
                happened.push(match self.staff.ask(press, now) {
                    Ok(request) => Happening::Asked(request),
                    Err(why) => Happening::NotNow(why),
                });
            }
            let active = turned.turn != Turn::Inactive;
            match (turned.input, &mut self.leaf, &mut self.tamper) {
                (Input::Contact, Some(leaf), _) => {
                    happened.extend(leaf.turned(active, door_open, now).map(Happening::from));
                }
                (Input::Tamper, _, Some(tamper)) => tamper.turned(active),
                (Input::Rotation, ..) if turned.turn == Turn::Pressed && door_open => {
                    happened.push(Happening::WentThrough);
                }
                _ => {}
            }
        }
        if let Some(leaf) = &mut self.leaf {
            happened.extend(leaf.look(door_open, now).into_iter().map(Happening::from));
        }
        if let Some(change) = self.tamper.as_mut().and_then(|tamper| tamper.look(now)) {
            happened.push(Happening::Alarm(Alarm::Tamper, change));
        }
        for happening in &happened {
            match happening {
                Happening::Alarm(alarm, AlarmChange::Raised) => self.raised.push(*alarm),
                Happening::Alarm(alarm, AlarmChange::Ended) => self.raised.retain(|raised| raised != alarm),
                Happening::NotNow(_) => self.sound(Pattern::NotNow),
                Happening::Asked(_) | Happening::WentThrough => {}
            }
        }
        happened
    }

    /// Whether the cover was opened, and nobody has reset that.
    #[must_use]
    pub fn tampered(&self) -> bool {
        self.tamper.as_ref().is_some_and(Tamper::tampered)
    }

    /// A visit was decided, and the log has it.
    pub fn decided(&mut self, outcome: Outcome, now: Duration) {
        match outcome {
            Outcome::Refer | Outcome::Deny => {
                self.staff.referred(now);
                self.sound(if outcome == Outcome::Refer { Pattern::Refer } else { Pattern::Deny });
            }
            Outcome::Allow | Outcome::NoDecision => {}
        }
    }

    /// The door opened for a logged decision: the buzzer says so, and a controller gets the number before this time.
    pub fn opened(&mut self, before: Duration) {
        // The controller first: a tone can wait for it.
        if let Some(outputs) = &self.outputs {
            outputs.send_number(before);
        }
        self.sound(Pattern::Opened);
    }

    /// Something failed that whoever stands there has to know.
    pub fn failed(&mut self) {
        self.sound(Pattern::Failed);
    }

    /// The alarms that were raised and are not over, for the status file.
    pub fn alarms(&self) -> impl Iterator<Item = crate::status::Alarm> {
        self.raised.iter().map(|alarm| match alarm {
            Alarm::Forced => crate::status::Alarm::Forced,
            Alarm::HeldOpen => crate::status::Alarm::HeldOpen,
            Alarm::Tamper => crate::status::Alarm::Tamper,
            Alarm::CameraLost => crate::status::Alarm::CameraLost,
        })
    }

    /// Drives lamp and alarm: whether somebody is looked at, and whether the gate is out of order.
    pub fn show(&mut self, somebody: bool, out_of_order: bool, now: Duration) {
        if somebody {
            self.somebody_until = Some(now + LAMP_STAYS);
        }
        let lamp = self.somebody_until.is_some_and(|until| now < until);
        let alarm = self.alarm_on.iter().any(|cause| match cause {
            AlarmCause::Forced => self.raised.contains(&Alarm::Forced),
            AlarmCause::HeldOpen => self.raised.contains(&Alarm::HeldOpen),
            AlarmCause::Tamper => self.raised.contains(&Alarm::Tamper),
            AlarmCause::OutOfOrder => out_of_order,
        });
        if let Some(outputs) = &mut self.outputs {
            outputs.show(lamp, alarm);
        }
    }

    /// Switches everything off; what comes after this does nothing.
    pub fn finish(&mut self) {
        self.outputs = None;
        self.watch = None;
    }

    fn sound(&self, pattern: Pattern) {
        if let Some(outputs) = &self.outputs {
            outputs.sound(pattern);
        }
    }
}

impl From<LeafEvent> for Happening {
    fn from(event: LeafEvent) -> Self {
        match event {
            LeafEvent::WentThrough => Self::WentThrough,
            LeafEvent::Alarm(alarm, change) => Self::Alarm(alarm, change),
        }
    }
}
