//! Start mode `button`: the camera is not even opened before somebody presses, and closed again after the visit.

mod common;

#[allow(clippy::unwrap_used, reason = "a test may fail by a panic")]
mod promise {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
        time::{Duration, Instant},
    };

    use agegate::{
        camera::capture::Capture,
        config::{Config, RelayConfig, RelayDriver, StartConfig, StartMode},
        display::{Screen, recorded::RecordedDisplay, texts::Texts, worker::DisplayWorker},
        frame::Frame,
        gate::{Ended, Gate, Surroundings},
        judge::Judge,
        policy::Outcome,
        relay::{RelayError, keeper::LocalDoor, simulated::SimulatedRelay},
        trigger::Trigger,
        visit::Decision,
    };

    use super::common::{Act, MemoryLog, ScriptedCamera, close_view};

    struct Button(Arc<AtomicBool>);

    impl Trigger for Button {
        fn active(&mut self) -> Result<bool, RelayError> {
            Ok(self.0.swap(false, Ordering::Relaxed))
        }
    }

    struct Visitor {
        began: Instant,
        pressed: Arc<AtomicBool>,
        done: bool,
        opened: Arc<AtomicUsize>,
        opened_before_press: usize,
        decisions: Vec<Outcome>,
        frames_before_press: usize,
    }

    impl Surroundings for Visitor {
        fn asked(&mut self) -> Option<Ended> {
            if !self.done && self.began.elapsed() > Duration::from_millis(800) {
                self.done = true;
                self.opened_before_press = self.opened.load(Ordering::Relaxed);
                self.pressed.store(true, Ordering::Relaxed);
            }
            (self.began.elapsed() > Duration::from_secs(7)).then_some(Ended::Stopped)
        }
        fn progress(&mut self) {}
        fn decided(&mut self, decision: &Decision, _: bool) {
            self.decisions.push(decision.outcome);
        }
        fn judged(&mut self, _: &Frame, _: Screen) {
            self.frames_before_press += usize::from(!self.done);
        }
    }

    #[test]
    fn one_press_one_visit() {
        let config = Config {
            relay: RelayConfig { driver: RelayDriver::Simulated, ..RelayConfig::default() },
            start: StartConfig { mode: StartMode::Button, seconds: 3.0, ..StartConfig::default() },
            ..Config::default()
        };
        let camera = ScriptedCamera::new([Act::Show(close_view("adult"), 10_000)]);
        let opened = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&opened);
        let panel = RecordedDisplay::new(Texts::shipped("en"), 240, 320);
        let shown = panel.clone();
        let pressed = Arc::new(AtomicBool::new(false));
        let mut gate = Gate {
            judge: Judge::new(&config).unwrap(),
            capture: Capture::start(
                Box::new(move || {
                    counter.fetch_add(1, Ordering::Relaxed);
                    camera.open()
                }),
                false,
                false,
            )
            .unwrap(),
            log: Box::new(MemoryLog::default()),
            door: Box::new(LocalDoor::new(&config.relay, Box::new(SimulatedRelay::new()))),
            display: DisplayWorker::start(Box::new(move || Ok(Box::new(shown.clone())))).unwrap(),
            trigger: Some(Box::new(Button(Arc::clone(&pressed)))),
            start: config.start.clone(),
        };
        let mut visitor = Visitor {
            began: Instant::now(),
            pressed,
            done: false,
            opened: Arc::clone(&opened),
            opened_before_press: 0,
            decisions: Vec::new(),
            frames_before_press: 0,
        };
        gate.run(&mut visitor);
        drop(gate);
        assert_eq!(
            (visitor.opened_before_press, visitor.frames_before_press),
            (0, 0),
            "nothing was read before the press"
        );
        assert_eq!(visitor.decisions, [Outcome::Allow]);
        let screens = panel.shown();
        assert_eq!(screens.first(), Some(&Screen::Waiting), "the notice comes first");
        assert!(
            screens.iter().filter(|s| **s == Screen::Waiting).count() >= 2,
            "and again after the visit: {screens:?}"
        );
    }
}
