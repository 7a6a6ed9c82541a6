//! The gate: wires camera, judge, log, door and display, and keeps the order that makes it safe.
//!
//! 1. A decision is logged first; only then anything moves. What cannot be logged is not acted on.
//! 2. Only `act` asks the door to open, and only for a logged `Allow`.
//! 3. A lost camera, a failed model or a failed log shut the door at once.

use std::time::{Duration, Instant};

use crate::{
    audit::{AuditError, AuditLog, Event},
    camera::capture::{Capture, Captured, monotonic_now},
    config::{StartConfig, StartMode},
    display::{Screen, worker::DisplayWorker},
    frame::Frame,
    judge::Judge,
    policy::{Outcome, Reason},
    relay::keeper::Door,
    trigger::Trigger,
    visit::{Decision, Guidance},
};

/// Longest wait for a frame before signals and the door are looked after.
const PATIENCE: Duration = Duration::from_millis(100);
/// A picture that is dark for longer is not the camera's warm-up any more.
const DARK_FOR: Duration = Duration::from_secs(3);
/// How often the door hears that the gate lives.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Where a decision can be written before it is acted on.
pub trait DecisionLog: Send {
    /// Writes an event durably.
    ///
    /// # Errors
    /// [`AuditError`]; the event then must not be acted on.
    fn append(&mut self, event: Event) -> Result<u64, AuditError>;
}

impl DecisionLog for AuditLog {
    fn append(&mut self, event: Event) -> Result<u64, AuditError> {
        Self::append(self, event)
    }
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Asked to stop.
    Stopped,
    /// Asked to read the configuration anew.
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
    /// A decision was made and logged (or not); the frame that decided, for demonstrations.
    fn decided(&mut self, _decision: &Decision, _logged: bool) {}
    /// A frame was judged; the screen that follows from it.
    fn judged(&mut self, _frame: &Frame, _screen: Screen) {}
}

/// All parts of a running gate.
pub struct Gate {
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
}

/// What the loop remembers.
struct Watch {
    camera_lost: bool,
    /// The last decision could not be logged or acted on.
    out_of_order: bool,
    watching_until: Option<Instant>,
    heartbeat: Instant,
    /// Since when the picture is dark.
    dark_since: Option<Instant>,
}

impl Gate {
    /// Runs until asked to stop, with the door shut at the end.
    pub fn run(&mut self, around: &mut dyn Surroundings) -> Ended {
        let mut watch = Watch {
            camera_lost: false,
            out_of_order: false,
            watching_until: None,
            heartbeat: Instant::now(),
            dark_since: None,
        };
        let always = self.start.mode == StartMode::Always;
        self.display.show(if always { Screen::Idle } else { Screen::Waiting });
        self.log_start();
        let ended = loop {
            if let Some(ended) = around.asked() {
                break ended;
            }
            self.look_after_door(&mut watch);
            if !always && !self.watching(&mut watch) {
                around.progress();
                std::thread::sleep(Duration::from_millis(30));
                continue;
            }
            match self.capture.take(PATIENCE) {
                Captured::Frame(frame) => {
                    self.frame(&frame, &mut watch, around);
                    around.progress();
                }
                Captured::Nothing => {}
                Captured::Lost(reason) => {
                    self.camera_lost(&reason, &mut watch, around);
                    // The capture thread lives and tries again; a restart would not bring the camera back.
                    around.progress();
                    std::thread::sleep(Duration::from_millis(50));
                }
                Captured::Ended => break Ended::Recording,
            }
        };
        self.finish(ended, around);
        ended
    }

    fn frame(&mut self, frame: &Frame, watch: &mut Watch, around: &mut dyn Surroundings) {
        if watch.camera_lost {
            log::info!("the camera is back");
            watch.camera_lost = false;
        }
        let judged = match self.judge.frame(frame) {
            Ok(judged) => judged,
            Err(error) => {
                log::error!("{error}; the door stays shut");
                let decision = self.judge.abort(Reason::ModelFailed, frame.captured);
                self.shut("a model failed");
                if let Some(decision) = decision {
                    self.act(&decision, watch, around);
                }
                self.display.show(Screen::NotAvailable);
                return;
            }
        };
        log::trace!("frame {}: {} faces, {:?}", frame.sequence, judged.faces, judged.times);
        if let Some(decision) = &judged.step.decision {
            self.act(decision, watch, around);
        }
        if judged.step.guidance == Guidance::Idle {
            watch.out_of_order = false;
        }
        let dark = judged.dark && judged.faces == 0;
        let since = *watch.dark_since.get_or_insert_with(Instant::now);
        if !dark {
            watch.dark_since = None;
        }
        let dark = dark && since.elapsed() >= DARK_FOR;
        if dark && since.elapsed() < DARK_FOR + Duration::from_millis(500) {
            log::warn!("the camera's picture stays dark: is the lens covered, or is there no light?");
        }
        let screen = if dark {
            Screen::MoreLight
        } else if watch.out_of_order {
            Screen::NotAvailable
        } else {
            Screen::of(judged.step.guidance)
        };
        let idle = screen == Screen::Idle && self.start.mode != StartMode::Always;
        self.display.show(if idle { Screen::LookHere } else { screen });
        around.judged(frame, screen);
        if self.start.mode != StartMode::Always && judged.step.decision.is_some() {
            // One start, one visit: let the visitor read the answer, then stop looking.
            watch.watching_until = Some(Instant::now() + Duration::from_secs(3));
        }
    }

    /// Logs a decision, then acts on it; in this order, and on nothing else.
    fn act(&mut self, decision: &Decision, watch: &mut Watch, around: &mut dyn Surroundings) {
        let latency = monotonic_now().saturating_sub(decision.decided);
        let policy = self.judge.policy().identity();
        let event = decision_event(decision, latency, self.judge.age_model().hash.as_str(), policy);
        let logged = self.log.append(event);
        around.decided(decision, logged.is_ok());
        match logged {
            Ok(seq) => log::info!(
                "decision {seq}: {} ({}), try {}, {} good frames, {} ms",
                decision.outcome,
                decision.reason,
                decision.attempt,
                decision.frames,
                latency.as_millis()
            ),
            Err(error) => {
                log::error!("{error}; the decision {} is not acted on, the door stays shut", decision.outcome);
                watch.out_of_order = true;
                self.shut("a decision could not be logged");
                return;
            }
        }
        if decision.outcome == Outcome::Allow
            && let Err(error) = self.door.open()
        {
            log::error!("{error}; the door stays shut");
            watch.out_of_order = true;
            self.shut("the door could not be opened in good order");
        }
    }

    fn camera_lost(&mut self, reason: &str, watch: &mut Watch, around: &mut dyn Surroundings) {
        if !watch.camera_lost {
            log::warn!("camera lost: {reason}");
            watch.camera_lost = true;
            self.shut("the camera is lost");
            if let Some(decision) = self.judge.abort(Reason::CameraLost, monotonic_now()) {
                self.act(&decision, watch, around);
            }
        }
        self.display.show(Screen::NotAvailable);
    }

    fn look_after_door(&mut self, watch: &mut Watch) {
        if watch.heartbeat.elapsed() < HEARTBEAT {
            return;
        }
        watch.heartbeat = Instant::now();
        if let Err(error) = self.door.alive() {
            log::error!("{error}");
            self.display.show(Screen::NotAvailable);
        }
    }

    /// Whether a button or sensor has started a visit that still lasts.
    fn watching(&mut self, watch: &mut Watch) -> bool {
        let started = match self.trigger.as_mut().map(|t| t.active()) {
            Some(Ok(started)) => started,
            Some(Err(error)) => {
                log::error!("{error}");
                false
            }
            None => false,
        };
        let time = Duration::from_secs_f32(self.start.seconds);
        if started && (watch.watching_until.is_none() || self.start.mode == StartMode::Sensor) {
            if watch.watching_until.is_none() {
                log::info!("a visit was started by the {:?}", self.start.mode);
                self.capture.want(true);
            }
            watch.watching_until = Some(Instant::now() + time);
        }
        if watch.watching_until.is_some_and(|until| Instant::now() >= until) {
            watch.watching_until = None;
            self.capture.want(false);
            let decision = self.judge.abort(Reason::LeftEarly, monotonic_now());
            if let Some(decision) = decision {
                self.log_only(&decision);
            }
            self.display.show(Screen::Waiting);
        }
        watch.watching_until.is_some()
    }

    fn shut(&mut self, why: &str) {
        if let Err(error) = self.door.shut() {
            log::error!("{error} ({why})");
        }
    }

    fn log_start(&mut self) {
        let event = Event::Start {
            version: env!("CARGO_PKG_VERSION").into(),
            detector: self.judge.detector_model().to_string(),
            model: self.judge.age_model().to_string(),
            policy: self.judge.policy().identity(),
        };
        if let Err(error) = self.log.append(event) {
            log::error!("{error}; no decision will open the door until the log can be written");
        }
    }

    /// For decisions that move nothing.
    fn log_only(&mut self, decision: &Decision) {
        let latency = monotonic_now().saturating_sub(decision.decided);
        let event =
            decision_event(decision, latency, self.judge.age_model().hash.as_str(), self.judge.policy().identity());
        if let Err(error) = self.log.append(event) {
            log::error!("{error}");
        }
    }

    fn finish(&mut self, ended: Ended, around: &mut dyn Surroundings) {
        if ended != Ended::Recording {
            self.shut("the gate stops");
        }
        if let Some(decision) = self.judge.abort(Reason::Stopped, monotonic_now()) {
            around.decided(&decision, true);
            self.log_only(&decision);
        }
        if let Err(error) = self.log.append(Event::Stop) {
            log::error!("{error}");
        }
        if ended == Ended::Stopped {
            self.display.show(Screen::NotAvailable);
        }
    }
}

/// The log's record of a decision: rule 4 of the design says what may be in it.
#[must_use]
pub fn decision_event(decision: &Decision, latency: Duration, model_hash: &str, policy: String) -> Event {
    Event::Decision {
        decision: decision.outcome,
        reason: decision.reason,
        band: decision.band,
        confidence: decision.confidence.map(|c| (c * 100.0).round() / 100.0),
        frames: decision.frames,
        attempt: decision.attempt,
        latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        model: model_hash.chars().take(8).collect(),
        policy,
    }
}
