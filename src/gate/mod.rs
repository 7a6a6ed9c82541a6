//! The gate: wires camera, judge, log, door and display, and keeps the order that makes it safe.
//!
//! 1. A decision is logged first; only then anything moves. What cannot be logged is not acted on.
//! 2. Only `act` asks the door to open, and it can do so only with a permit: the log's proof of a fresh `Allow`.
//! 3. What the door did is a record too, written after it was done.
//! 4. A lost camera, a failed model or a failed log shut the door at once.

mod answer;
mod parts;
mod unit;

use std::time::Duration;

pub use parts::{Changes, DecisionLog, Ended, GateParts, Surroundings};

use answer::{Answer, DoorIs};

use crate::{
    audit::{Act, ActReason, Alarm, AlarmChange, AuditError, DecidedBy, Event, Logged, logged::act_event},
    camera::capture::{Captured, Loss},
    clock::monotonic_now,
    config::StartMode,
    display::Screen,
    frame::Frame,
    policy::{Outcome, Reason},
    relay::{
        door::{Opening, Readiness},
        permit::Permit,
    },
    start::{Change, Dark, Darkness, Phase, Start},
    status::{self, Condition},
    visit::{Decision, Guidance},
};

/// Longest wait for a frame before signals and the door are looked after.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often the start line is looked at while nobody is watched.
const LOOK: Duration = Duration::from_millis(30);

/// A running gate. Its parts are its own: whoever handed them over cannot reach the door past the log any more.
pub struct Gate {
    parts: GateParts,
    start: Start,
    darkness: Darkness,
    answer: Answer,
    /// What the visit said last.
    guidance: Guidance,
    began: bool,
    camera_lost: bool,
    /// It could not be got back, which is an alarm.
    camera_given_up: bool,
    door_ready: bool,
    model_failed: bool,
    /// The last record could not be written.
    log_failed: bool,
    dark: bool,
    /// Decisions for which the door is open.
    open_for: Vec<u64>,
    /// Frames from before this are nobody's who asked to be looked at.
    watching_since: Duration,
    trigger_failed: bool,
    /// The opening that staff made, while it lasts.
    staff_opened: Option<u64>,
}

impl Gate {
    /// A gate that does not run yet.
    #[must_use]
    pub fn new(parts: GateParts) -> Self {
        let start = Start::new(&parts.start);
        Self {
            parts,
            start,
            darkness: Darkness::default(),
            answer: Answer::default(),
            guidance: Guidance::Idle,
            began: false,
            camera_lost: false,
            camera_given_up: false,
            door_ready: true,
            model_failed: false,
            log_failed: false,
            dark: false,
            open_for: Vec::new(),
            watching_since: Duration::ZERO,
            trigger_failed: false,
            staff_opened: None,
        }
    }

    /// Identity of the policy in force.
    #[must_use]
    pub fn policy(&self) -> String {
        self.parts.judge.policy().identity()
    }

    /// What the policy in force was measured to do, or why that does not hold.
    #[must_use]
    pub fn policy_statement(&self) -> String {
        self.parts.judge.policy_statement()
    }

    /// Whether another judge would judge otherwise than the one in force.
    #[must_use]
    pub fn judges_otherwise(&self, other: &crate::judge::Judge) -> bool {
        !self.parts.judge.same_as(other)
    }

    /// The counters of the capture thread.
    #[must_use]
    pub fn counts(&self) -> crate::camera::capture::CaptureCounts {
        self.parts.capture.counts()
    }

    /// Runs until asked to stop, with the door shut at the end; or until asked to reload, with everything as it was: the
    /// next call goes on where this one ended.
    pub fn run(&mut self, around: &mut dyn Surroundings) -> Ended {
        if !std::mem::replace(&mut self.began, true) {
            self.parts.display.show(self.neutral());
            self.log_start();
        }
        loop {
            around.condition(&self.condition());
            let ended = around.asked().or_else(|| self.turn(around));
            match ended {
                None => {}
                Some(Ended::Reload) => return Ended::Reload,
                Some(ended) => {
                    self.finish(ended, around);
                    return ended;
                }
            }
        }
    }

    /// Puts the parts of another configuration in place of the old ones; all of them, or none.
    ///
    /// # Errors
    /// [`crate::relay::RelayError`] if the relay's new settings cannot be put into force; then nothing has changed.
    pub fn change(&mut self, changes: Changes, around: &mut dyn Surroundings) -> Result<(), crate::relay::RelayError> {
        if let Some(relay) = &changes.relay {
            self.parts.door.change(relay)?;
            self.note_ended(around);
        }
        if let Some(judge) = changes.judge {
            // A visit under the old policy is not decided under the new one.
            self.abort(Reason::Stopped, around);
            self.parts.judge = judge;
            self.guidance = Guidance::Idle;
        }
        if let Some(mut log) = changes.log {
            std::mem::swap(&mut self.parts.log, &mut log);
            self.write_quietly(log.as_mut(), Event::Stop);
        }
        if let Some(limits) = &changes.log_limits {
            self.parts.log.set_limits(limits);
        }
        if let Some(trigger) = changes.trigger {
            self.parts.trigger = trigger;
        }
        if let Some(trigger) = &mut self.parts.trigger {
            trigger.set_active_level(changes.start.active);
        }
        self.start.change(&changes.start);
        self.parts.start = changes.start;
        if let Some((inputs, outputs)) = &changes.unit {
            self.parts.unit.change(inputs, outputs);
        }
        if let Some(capture) = changes.capture {
            // The old thread gives the device back before the new one asks for it.
            self.parts.capture = capture;
            self.camera_lost = false;
        }
        self.parts.capture.want(self.start.phase() == Phase::Watching);
        if let Some(display) = changes.display {
            self.parts.display = display;
        }
        self.show();
        self.log_start();
        Ok(())
    }

    /// Once around.
    fn turn(&mut self, around: &mut dyn Surroundings) -> Option<Ended> {
        self.tend_door(around);
        self.tend_unit(around);
        let active = self.start_line();
        let change = self.start.look(active, monotonic_now());
        self.follow_start(change, around);
        if self.start.phase() != Phase::Watching {
            self.answer.follow(Guidance::Idle, monotonic_now());
            self.show();
            around.progress();
            std::thread::sleep(LOOK);
            return None;
        }
        match self.parts.capture.take(PATIENCE) {
            Captured::Frame(frame) if frame.captured < self.watching_since => {}
            Captured::Frame(frame) => {
                self.frame(&frame, around);
                around.progress();
            }
            Captured::Nothing => {}
            Captured::Lost(loss) => {
                self.lose_camera(&loss, around);
                // The capture thread lives and tries again; a restart would not bring the camera back.
                around.progress();
                std::thread::sleep(Duration::from_millis(50));
            }
            Captured::Ended => return Some(Ended::Recording),
        }
        None
    }

    fn frame(&mut self, frame: &Frame, around: &mut dyn Surroundings) {
        if std::mem::take(&mut self.camera_lost) {
            log::info!("the camera is back");
        }
        if std::mem::take(&mut self.camera_given_up) {
            self.alarm(Alarm::CameraLost, AlarmChange::Ended, around);
        }
        let judged = match self.parts.judge.frame(frame) {
            Ok(judged) => judged,
            Err(error) => {
                log::error!("{error}; the door stays shut");
                self.model_failed = true;
                self.guidance = Guidance::Idle;
                self.shut(ActReason::ModelFailed, around);
                self.answer.failed(monotonic_now());
                self.abort(Reason::ModelFailed, around);
                self.show();
                return;
            }
        };
        self.model_failed = false;
        log::trace!("frame {}: {} faces, {:?}", frame.sequence, judged.faces, judged.times);
        if let Some(light) = judged.light {
            self.parts.capture.meter(light);
        }
        self.guidance = judged.step.guidance;
        if let Some(decision) = &judged.step.decision {
            self.act(decision, around);
        }
        let now = monotonic_now();
        self.answer.follow(self.guidance, now);
        let dark = self.darkness.look(judged.dark && judged.faces == 0, now);
        if dark == Dark::Begins {
            log::warn!("the camera's picture stays dark: is the lens covered, or is there no light?");
        }
        self.dark = dark != Dark::No;
        let screen = if dark == Dark::No { self.screen() } else { Screen::MoreLight };
        self.parts.display.show(screen);
        around.judged(frame, screen);
    }

    /// Logs a decision, then acts on it, then logs the act; in this order, and on nothing else.
    fn act(&mut self, decision: &Decision, around: &mut dyn Surroundings) {
        let told = match self.log_decision(decision) {
            Some(logged) => {
                around.decided(decision, true);
                self.parts.unit.decided(decision.outcome, monotonic_now());
                if decision.outcome == Outcome::Allow {
                    self.act_on(logged, around);
                }
                decision.outcome != Outcome::NoDecision && !self.answer.waits()
            }
            None => {
                around.decided(decision, false);
                self.answer.failed(monotonic_now());
                self.parts.unit.failed();
                self.shut(ActReason::LogFailed, around);
                true
            }
        };
        let change = self.start.decided(told, monotonic_now());
        self.follow_start(change, around);
    }

    /// Opens the door for a logged `Allow` that is fresh, and for nothing else.
    fn act_on(&mut self, logged: Logged, around: &mut dyn Surroundings) {
        let (seq, captured) = (logged.seq(), logged.captured());
        let mut before = captured;
        let outcome = match Permit::from_logged(logged, monotonic_now()) {
            Ok(_) if self.parts.unit.tampered() => Ok(Opening::Refused(ActReason::Tampered)),
            Ok(permit) => {
                before = permit.expires();
                self.parts.door.open(permit).map_err(|e| e.to_string())
            }
            Err(refusal) => {
                log::warn!("decision {seq} is not acted on: {refusal}");
                Ok(Opening::Refused(ActReason::TooOld))
            }
        };
        let now = monotonic_now();
        // What ended before this opening stands before it in the log.
        self.note_ended(around);
        let latency = Some(now.saturating_sub(captured));
        let (act, reason, detail) = match outcome {
            Ok(Opening::Opened) => {
                self.open_for.push(seq);
                self.answer.opened();
                (Act::Opened, None, None)
            }
            Ok(Opening::Refused(ActReason::DoorLimit)) => {
                self.answer.must_wait();
                (Act::Refused, Some(ActReason::DoorLimit), None)
            }
            Ok(Opening::Refused(why)) => {
                self.answer.failed(now);
                (Act::Refused, Some(why), None)
            }
            Err(error) => {
                log::error!("{error}; the door stays shut");
                self.answer.failed(now);
                (Act::Failed, Some(ActReason::DoorFailed), Some(error))
            }
        };
        if act == Act::Failed {
            self.shut(ActReason::DoorFailed, around);
        }
        let written = self.log_act(act_event(seq, act, reason, detail, latency), around);
        match (act, written) {
            (Act::Opened, true) => self.parts.unit.opened(before),
            (Act::Opened, false) => {
                self.answer.failed(now);
                self.shut(ActReason::LogFailed, around);
                self.parts.unit.failed();
            }
            _ => self.parts.unit.failed(),
        }
    }

    /// What decides here, for the log.
    fn decided_by(&self) -> DecidedBy {
        let judge = &self.parts.judge;
        DecidedBy {
            age_model: judge.age_model().hash.clone(),
            liveness_model: judge.liveness_model().map(|model| model.hash.clone()),
            policy: self.policy(),
        }
    }

    /// Remembers whether a record could be written, for the status file.
    fn noted<T>(&mut self, written: Result<T, AuditError>) -> Result<T, AuditError> {
        self.log_failed = written.is_err();
        written
    }

    /// Writes a decision; the proof, if it could be written.
    fn log_decision(&mut self, decision: &Decision) -> Option<Logged> {
        let by = self.decided_by();
        let written = self.parts.log.append_decision(decision, by);
        match self.noted(written) {
            Ok(logged) => {
                log::info!(
                    "decision {}: {} ({}), try {}, {} good frames, {} ms until it was logged",
                    logged.seq(),
                    decision.outcome,
                    decision.reason,
                    decision.attempt,
                    decision.frames,
                    logged.latency().as_millis()
                );
                Some(logged)
            }
            Err(error) => {
                log::error!("{error}; the decision {} is not acted on, the door stays shut", decision.outcome);
                None
            }
        }
    }

    /// Writes what the door did; whether that went well.
    fn log_act(&mut self, event: Event, around: &mut dyn Surroundings) -> bool {
        if let Event::Act { decision, act, reason, latency_ms, .. } = &event {
            let why = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
            let after = latency_ms.map_or_else(String::new, |ms| format!(", {ms} ms after its frame"));
            log::info!("door {act} for decision {decision}{why}{after}");
            around.acted(*decision, *act, *reason);
        }
        let written = self.parts.log.append(event);
        match self.noted(written) {
            Ok(_) => true,
            Err(error) => {
                log::error!("{error}; what the door did is not in the log");
                false
            }
        }
    }

    /// Writes the ends of openings.
    fn note_ended(&mut self, around: &mut dyn Surroundings) {
        for shut in self.parts.door.ended() {
            let ended: Vec<u64> = self.open_for.extract_if(.., |seq| *seq <= shut.decision).collect();
            for seq in ended {
                self.log_act(act_event(seq, Act::Shut, Some(shut.why), None, None), around);
            }
            if self.open_for.is_empty() && self.answer.shut() {
                // Whoever waited for this is looked at again.
                self.abort(Reason::Stopped, around);
                self.guidance = Guidance::Idle;
            }
        }
    }

    fn lose_camera(&mut self, loss: &Loss, around: &mut dyn Surroundings) {
        if !std::mem::replace(&mut self.camera_lost, true) {
            log::warn!("camera lost: {}", loss.reason);
            self.shut(ActReason::CameraLost, around);
            self.abort(Reason::CameraLost, around);
        }
        if loss.given_up && !std::mem::replace(&mut self.camera_given_up, true) {
            self.alarm(Alarm::CameraLost, AlarmChange::Raised, around);
        }
        self.parts.display.show(Screen::NotAvailable);
    }

    fn tend_door(&mut self, around: &mut dyn Surroundings) {
        let ready = match self.parts.door.tend() {
            Readiness::Ready => true,
            Readiness::Starting => false,
            Readiness::Failed(error) => {
                log::error!("{error}; the door cannot be opened until that is mended");
                false
            }
        };
        self.note_ended(around);
        if ready != self.door_ready {
            self.door_ready = ready;
            log::info!("the door {}", if ready { "can be opened again" } else { "cannot be opened now" });
            self.show();
        }
    }

    /// Whether button or sensor is active.
    fn start_line(&mut self) -> bool {
        let Some(trigger) = self.parts.trigger.as_mut() else { return false };
        match trigger.active() {
            Ok(active) => {
                self.trigger_failed = false;
                active
            }
            Err(error) => {
                // Thirty times a second is too often to say it.
                if !std::mem::replace(&mut self.trigger_failed, true) {
                    log::error!("{error}; nobody can start a visit");
                }
                false
            }
        }
    }

    fn follow_start(&mut self, change: Change, around: &mut dyn Surroundings) {
        match change {
            Change::None => return,
            Change::Began => {
                log::info!("a visit was started by the {:?}", self.parts.start.mode);
                self.watching_since = monotonic_now();
                self.parts.capture.want(true);
            }
            Change::Answered | Change::Ended => self.parts.capture.want(false),
        }
        // Nobody is judged by what was seen in another window.
        self.abort(Reason::LeftEarly, around);
        if change != Change::Answered {
            self.guidance = Guidance::Idle;
        }
        self.show();
    }

    /// Ends a visit that was not decided for a reason outside it. That moves nothing.
    fn abort(&mut self, reason: Reason, around: &mut dyn Surroundings) {
        let Some(decision) = self.parts.judge.abort(reason, monotonic_now()) else { return };
        let logged = self.log_decision(&decision).is_some();
        around.decided(&decision, logged);
        if !logged {
            self.answer.failed(monotonic_now());
        }
        // One start, one visit, however it ended.
        let change = self.start.decided(false, monotonic_now());
        self.follow_start(change, around);
    }

    fn shut(&mut self, why: ActReason, around: &mut dyn Surroundings) {
        if let Err(error) = self.parts.door.shut(why) {
            log::error!("{error} ({why})");
        }
        self.note_ended(around);
    }

    /// The screen for what the visit says, the door does and the log took.
    fn screen(&self) -> Screen {
        let door = match (self.in_order(), self.open_for.is_empty()) {
            (false, _) => DoorIs::OutOfOrder,
            (true, false) => DoorIs::Open,
            (true, true) => DoorIs::Shut,
        };
        match self.answer.screen(self.guidance, door) {
            // Whoever was referred and is let in by staff.
            Screen::ShowId | Screen::Denied | Screen::Idle if door == DoorIs::Open && self.staff_let_in() => {
                Screen::Welcome
            }
            Screen::Idle => self.neutral(),
            screen => screen,
        }
    }

    /// Whether the door can be opened: its driver is ready, and nobody has had the cover off.
    fn in_order(&self) -> bool {
        self.door_ready && !self.parts.unit.tampered()
    }

    /// How it is, for whoever watches from outside.
    fn condition(&self) -> Condition {
        let watching = self.start.phase() == Phase::Watching;
        let counts = self.counts();
        Condition {
            state: match () {
                () if self.log_failed => status::State::LogFailed,
                () if !self.in_order() => status::State::DoorFailed,
                () if self.model_failed => status::State::ModelFailed,
                () if self.camera_lost => status::State::CameraLost,
                () => status::State::InUse,
            },
            camera: match (self.camera_lost, watching) {
                (true, _) => status::Camera::Lost,
                (false, true) => status::Camera::Watching,
                (false, false) => status::Camera::Idle,
            },
            door: match (self.in_order(), self.open_for.is_empty()) {
                (false, _) => status::Door::OutOfOrder,
                (true, false) => status::Door::Open,
                (true, true) => status::Door::Shut,
            },
            alarms: [(self.dark, status::Alarm::Dark), (self.camera_given_up, status::Alarm::CameraLost)]
                .into_iter()
                .filter_map(|(on, alarm)| on.then_some(alarm))
                .chain(self.parts.unit.alarms())
                .collect(),
            dropped: counts.dropped,
            broken: counts.broken,
        }
    }

    fn show(&self) {
        self.parts.display.show(self.screen());
    }

    /// The screen while nobody is told anything.
    fn neutral(&self) -> Screen {
        match (self.parts.start.mode, self.start.phase()) {
            (StartMode::Always, _) => Screen::Idle,
            (_, Phase::Watching) => Screen::LookHere,
            (_, Phase::Waiting | Phase::Tail) => Screen::Waiting,
        }
    }

    fn log_start(&mut self) {
        let (judge, mode) = (&self.parts.judge, self.parts.judge.liveness_mode());
        let event = Event::Start {
            version: env!("CARGO_PKG_VERSION").into(),
            detector: judge.detector_model().to_string(),
            model: judge.age_model().to_string(),
            liveness: judge.liveness_model().map(|model| {
                let points = judge.turn_model().map_or_else(String::new, |points| format!(" {points}"));
                format!("{mode} {model}{points}")
            }),
            policy: self.policy(),
            figures: judge.doubt_about_figures(),
        };
        let written = self.parts.log.append(event);
        if let Err(error) = self.noted(written) {
            log::error!("{error}; no decision will open the door until the log can be written");
        }
    }

    fn write_quietly(&self, log: &mut dyn DecisionLog, event: Event) {
        if let Err(error) = log.append(event) {
            log::error!("{error}");
        }
    }

    fn finish(&mut self, ended: Ended, around: &mut dyn Surroundings) {
        self.shut(ActReason::Stopped, around);
        self.abort(Reason::Stopped, around);
        if let Err(error) = self.parts.log.append(Event::Stop) {
            log::error!("{error}");
        }
        self.parts.unit.finish();
        if ended == Ended::Stopped {
            self.parts.display.show(Screen::NotAvailable);
        }
    }
}
