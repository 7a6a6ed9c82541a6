//! The door unit at the gate: whoever asks by an input goes the way of every decision, log first; whoever went through ends
//! the lease; alarms become records.

use super::{Gate, Surroundings};
use crate::{
    audit::{ActReason, Alarm, AlarmChange, Event},
    clock::monotonic_now,
    display::Screen,
    door_unit::{Happening, Request, request::Who},
    start::Phase,
    visit::Guidance,
};

impl Gate {
    /// Looks after the inputs, and drives lamp and alarm.
    pub(super) fn tend_unit(&mut self, around: &mut dyn Surroundings) {
        for happening in self.parts.unit.look(!self.open_for.is_empty(), monotonic_now()) {
            match happening {
                Happening::Asked(request) => self.let_through(request, around),
                Happening::NotNow(why) => log::warn!("{why}: the door stays as it is"),
                Happening::WentThrough => {
                    if !self.open_for.is_empty() {
                        self.shut(ActReason::WentThrough, around);
                        self.show();
                    }
                }
                Happening::Alarm(alarm, change) => self.alarm(alarm, change, around),
            }
        }
        let out_of_order = self.camera_lost || self.screen() == Screen::NotAvailable;
        self.parts.unit.show(self.somebody(), out_of_order, monotonic_now());
    }

    /// Whether the door is open because staff opened it.
    pub(super) fn staff_let_in(&self) -> bool {
        self.staff_opened.is_some_and(|seq| self.open_for.contains(&seq))
    }

    /// Logs a request, then acts on it as on every other decision.
    fn let_through(&mut self, request: Request, around: &mut dyn Surroundings) {
        let who = request.who();
        let by = self.decided_by();
        let written = self.parts.log.append_request(request, by);
        match self.noted(written) {
            Ok(logged) => {
                log::info!("decision {}: Allow ({}), by its input", logged.seq(), who.reason());
                if who == Who::Staff {
                    self.staff_opened = Some(logged.seq());
                }
                self.act_on(logged, around);
            }
            Err(error) => {
                log::error!("{error}; the request ({}) is not acted on, the door stays shut", who.reason());
                self.answer.failed(monotonic_now());
                self.parts.unit.failed();
                self.shut(ActReason::LogFailed, around);
            }
        }
        self.show();
    }

    /// Notes an alarm: in the journal, in the log, and by the door.
    pub(super) fn alarm(&mut self, alarm: Alarm, change: AlarmChange, around: &mut dyn Surroundings) {
        match change {
            AlarmChange::Raised => log::error!("alarm: {}", told(alarm)),
            AlarmChange::Ended => log::warn!("the alarm ({alarm}) is over"),
        }
        if (alarm, change) == (Alarm::Tamper, AlarmChange::Raised) {
            self.shut(ActReason::Tampered, around);
        }
        let written = self.parts.log.append(Event::Alarm { alarm, change });
        if let Err(error) = self.noted(written) {
            log::error!("{error}; the alarm ({alarm}, {change}) is not in the log");
        }
        self.show();
    }

    /// Whether somebody is looked at, or is about to be.
    fn somebody(&self) -> bool {
        let asked = self.trigger_watches() && self.start.phase() == Phase::Watching;
        asked || self.guidance != Guidance::Idle
    }

    fn trigger_watches(&self) -> bool {
        self.parts.start.mode != crate::config::StartMode::Always
    }
}

fn told(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::Forced => "the leaf opened, and nobody was let through (forced)",
        Alarm::HeldOpen => "the leaf stays open (held-open)",
        Alarm::Tamper => "the cover was opened (tamper): nothing opens until `agegate reset-tamper`",
        Alarm::CameraLost => {
            "the camera does not come back however often it is tried (camera-lost): look after its plug, its power or its command; the door stays shut until then"
        }
    }
}
