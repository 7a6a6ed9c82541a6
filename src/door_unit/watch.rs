//! The thread that reads the inputs: a pulse of a turnstile is shorter than a frame is judged in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    debounce::{Debounce, Reading, Turn},
    line::{self, InputLine, LineError},
    request::{Press, Who},
};
use crate::{clock::monotonic_now, config::InputsConfig};

/// How often the lines are read: the shortest debounce time.
const EVERY: Duration = Duration::from_millis(5);

/// Which input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Button or key switch of the staff.
    Staff,
    /// Button on the inside.
    Exit,
    /// Contact of the leaf, active while it is shut.
    Contact,
    /// Sensor of a turnstile.
    Rotation,
    /// Contact of the cover, active while it is on.
    Tamper,
}

/// An input turned.
#[derive(Debug)]
pub struct Turned {
    /// Which.
    pub input: Input,
    /// How.
    pub turn: Turn,
    /// The right to ask, where this is a press of an input that opens.
    pub press: Option<Press>,
}

/// The running thread.
pub struct Watch {
    turned: Receiver<Turned>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    told_dead: bool,
}

struct Watched {
    input: Input,
    line: Box<dyn InputLine>,
    debounce: Debounce,
    failed: bool,
}

impl Watch {
    /// Takes every configured line and starts to read them; `None` where there is none.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn start(config: &InputsConfig) -> Result<Option<Self>, LineError> {
        let mut lines = Vec::new();
        for (key, input) in config.lines() {
            let which = match key {
                "inputs.staff" => Input::Staff,
                "inputs.exit" => Input::Exit,
                "inputs.contact" => Input::Contact,
                "inputs.rotation" => Input::Rotation,
                _ => Input::Tamper,
            };
            lines.push(Watched {
                input: which,
                line: line::input(key, input)?,
                debounce: Debounce::new(Duration::from_millis(input.debounce_ms.into())),
                failed: false,
            });
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let (sender, turned) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("inputs".into())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) && lines.iter_mut().all(|line| line.read(&sender)) {
                    std::thread::sleep(EVERY);
                }
            })
            .map_err(LineError::Thread)?;
        Ok(Some(Self { turned, stop, thread: Some(thread), told_dead: false }))
    }

    /// What turned since the last look, oldest first.
    pub fn turned(&mut self) -> Vec<Turned> {
        let mut all = Vec::new();
        loop {
            match self.turned.try_recv() {
                Ok(turned) => all.push(turned),
                Err(TryRecvError::Empty) => return all,
                Err(TryRecvError::Disconnected) => {
                    if !std::mem::replace(&mut self.told_dead, true) {
                        log::error!("the thread that reads the inputs ended: each counts as a broken wire");
                        let broken = |input| Turned { input, turn: Turn::Inactive, press: None };
                        all.extend([Input::Contact, Input::Tamper].map(broken));
                    }
                    return all;
                }
            }
        }
    }
}

impl Watched {
    /// Reads the line once; whether anybody listens.
    fn read(&mut self, sender: &Sender<Turned>) -> bool {
        let reading = match self.line.active() {
            Ok(active) => {
                if std::mem::take(&mut self.failed) {
                    log::info!("input {:?} can be read again", self.input);
                }
                if active { Reading::Active } else { Reading::Inactive }
            }
            Err(error) => {
                // Two hundred times a second is too often to say it.
                if !std::mem::replace(&mut self.failed, true) {
                    log::error!("{error}; it counts as a broken wire");
                }
                Reading::Unreadable
            }
        };
        let now = monotonic_now();
        let Some(turn) = self.debounce.look(reading, now) else { return true };
        if turn == Turn::Active && matches!(self.input, Input::Staff | Input::Exit) {
            log::warn!("input {:?} is active and was not seen released: it opens nothing until it is", self.input);
        }
        let who = match self.input {
            Input::Staff => Some(Who::Staff),
            Input::Exit => Some(Who::Exit),
            Input::Rotation | Input::Contact | Input::Tamper => None,
        };
        let press = who.filter(|_| turn == Turn::Pressed).map(|who| Press::new(who, now));
        sender.send(Turned { input: self.input, turn, press }).is_ok()
    }
}

impl Drop for Watch {
    /// The lines are given back before this returns.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
