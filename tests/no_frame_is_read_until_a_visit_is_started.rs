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
        gate::{Ended, Gate, GateParts, Surroundings},
        judge::Judge,
        policy::Outcome,
        relay::{door::LocalDoor, simulated::SimulatedRelay},
        trigger::{Trigger, TriggerError},
        visit::Decision,
    };

    use super::common::{Act, ScriptedCamera, WatchedLog, close_view, visitor};

    struct Button(Arc<AtomicBool>);

    impl Trigger for Button {
        fn active(&mut self) -> Result<bool, TriggerError> {
            Ok(self.0.swap(false, Ordering::Relaxed))
        }
    }

    struct Queue {
        began: Instant,
        /// Moments at which somebody presses.
        presses: Vec<Duration>,
        until: Duration,
        pressed: Arc<AtomicBool>,
        first_press: Option<Instant>,
        opened: Arc<AtomicUsize>,
        opened_before_press: usize,
        frames_before_press: usize,
        decisions: Vec<(Duration, Outcome)>,
    }

    impl Surroundings for Queue {
        fn asked(&mut self) -> Option<Ended> {
            if self.presses.first().is_some_and(|at| self.began.elapsed() > *at) {
                self.presses.remove(0);
                if self.first_press.is_none() {
                    self.first_press = Some(Instant::now());
                    self.opened_before_press = self.opened.load(Ordering::Relaxed);
                }
                self.pressed.store(true, Ordering::Relaxed);
            }
            (self.began.elapsed() > self.until).then_some(Ended::Stopped)
        }
        fn progress(&mut self) {}
        fn decided(&mut self, decision: &Decision, _: bool) {
            self.decisions.push((self.began.elapsed(), decision.outcome));
        }
        fn judged(&mut self, _: &Frame, _: Screen) {
            self.frames_before_press += usize::from(self.first_press.is_none());
        }
    }

    /// A queue before the door: one person after the other, with a moment of an empty room between, whoever presses.
    fn queue(presses: &[u64], until: u64, change: impl FnOnce(&mut Config)) -> (Queue, Vec<Screen>) {
        let mut config = Config {
            relay: RelayConfig { driver: RelayDriver::Simulated, open_seconds: 1.0, ..RelayConfig::default() },
            start: StartConfig { mode: StartMode::Button, seconds: 15.0, ..StartConfig::default() },
            ..Config::default()
        };
        change(&mut config);
        let room = visitor("nobody").swap_remove(0);
        let one = [Act::Show(close_view("adult"), 18), Act::Show(room, 20)];
        let camera = ScriptedCamera::new(one.into_iter().cycle().take(400));
        let opened = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&opened);
        let panel = RecordedDisplay::new(Texts::shipped("en"), 240, 320);
        let shown = panel.clone();
        let pressed = Arc::new(AtomicBool::new(false));
        let mut gate = Gate::new(GateParts {
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
            log: Box::new(WatchedLog::default()),
            door: Box::new(LocalDoor::new(&config.relay, Box::new(SimulatedRelay::new()))),
            display: DisplayWorker::start(Box::new(move || Ok(Box::new(shown.clone())))).unwrap(),
            trigger: Some(Box::new(Button(Arc::clone(&pressed)))),
            start: config.start.clone(),
            unit: agegate::door_unit::DoorUnit::default(),
        });
        let mut queue = Queue {
            began: Instant::now(),
            presses: presses.iter().map(|ms| Duration::from_millis(*ms)).collect(),
            until: Duration::from_millis(until),
            pressed,
            first_press: None,
            opened: Arc::clone(&opened),
            opened_before_press: 0,
            frames_before_press: 0,
            decisions: Vec::new(),
        };
        gate.run(&mut queue);
        drop(gate);
        (queue, panel.shown())
    }

    #[test]
    fn one_press_one_visit() {
        let (queue, screens) = queue(&[800], 7000, |_| {});
        assert_eq!((queue.opened_before_press, queue.frames_before_press), (0, 0), "nothing was read before the press");
        let outcomes: Vec<_> = queue.decisions.iter().map(|(_, outcome)| *outcome).collect();
        assert_eq!(outcomes, [Outcome::Allow]);
        assert_eq!(screens.first(), Some(&Screen::Waiting), "the notice comes first");
        assert_eq!(screens.last(), Some(&Screen::NotAvailable), "the gate stopped in the end");
        let welcome = screens.iter().position(|s| *s == Screen::Welcome).expect("the answer is shown");
        assert!(screens[welcome..].contains(&Screen::Waiting), "and the notice comes again: {screens:?}");
    }

    /// With a window of 15 s and an answer every 2 s, each answer used to make the window longer, and everyone in the
    /// queue was judged by one press.
    #[test]
    fn a_queue_is_not_judged_by_one_press() {
        let (queue, _) = queue(&[300], 9000, |_| {});
        assert_eq!(queue.decisions.len(), 1, "{:?}", queue.decisions);
    }

    #[test]
    fn whoever_presses_while_the_answer_stands_is_judged_next() {
        let (queue, _) = queue(&[300, 3500], 9000, |_| {});
        assert_eq!(queue.decisions.len(), 2, "{:?}", queue.decisions);
        assert!(queue.decisions[1].0 > Duration::from_millis(3500));
    }
}
