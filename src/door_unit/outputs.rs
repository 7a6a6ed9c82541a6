//! The thread that drives the outputs: a tone or a pulse must not wait for a frame, nor a frame for it.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    buzzer::Pattern,
    line::{self, LineError, OutputLine},
    wiegand::{self, Frame, Monotonic, SILENCE},
};
use crate::{
    clock::monotonic_now,
    config::{OutputsConfig, WiegandConfig},
};

/// So often a number is tried where the machine was too busy.
const TRIES: u32 = 3;

enum Order {
    Lamp(bool),
    Alarm(bool),
    Sound(Pattern),
    /// Send the number before this monotonic time, or not at all.
    Number(Duration),
}

/// The running thread. Dropping it switches everything off.
pub struct Outputs {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    lamp: bool,
    alarm: bool,
}

impl Outputs {
    /// Takes every configured line; `None` where there is none.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn start(config: &OutputsConfig) -> Result<Option<Self>, LineError> {
        if config.lines().is_empty() {
            return Ok(None);
        }
        let single = |key, line: &Option<_>| line.as_ref().map(|line| Switch::new(key, line)).transpose();
        let mut worker = Worker {
            lamp: single("outputs.lamp", &config.lamp)?,
            buzzer: single("outputs.buzzer", &config.buzzer)?,
            alarm: single("outputs.alarm", &config.alarm)?,
            wiegand: config.wiegand.as_ref().map(Wiegand::new).transpose()?,
            tune: None,
        };
        let (sender, orders) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("outputs".into())
            .spawn(move || worker.run(&orders))
            .map_err(LineError::Thread)?;
        Ok(Some(Self { orders: Some(sender), thread: Some(thread), lamp: false, alarm: false }))
    }

    /// Switches lamp and alarm.
    pub fn show(&mut self, lamp: bool, alarm: bool) {
        if std::mem::replace(&mut self.lamp, lamp) != lamp {
            self.order(Order::Lamp(lamp));
        }
        if std::mem::replace(&mut self.alarm, alarm) != alarm {
            self.order(Order::Alarm(alarm));
        }
    }

    /// Plays a pattern; it takes the place of one that plays.
    pub fn sound(&self, pattern: Pattern) {
        self.order(Order::Sound(pattern));
    }

    /// Sends the number to the controller before a monotonic time, or not at all.
    pub fn send_number(&self, before: Duration) {
        self.order(Order::Number(before));
    }

    fn order(&self, order: Order) {
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok());
        if !sent {
            log::error!("the thread that drives the outputs ended: they stay off");
        }
    }
}

impl Drop for Outputs {
    /// Everything is off before this returns.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An output that is on or off; that it fails is told once.
struct Switch {
    line: Box<dyn OutputLine>,
    failed: bool,
}

impl Switch {
    fn new(key: &'static str, config: &crate::config::OutputConfig) -> Result<Self, LineError> {
        Ok(Self { line: line::output(key, config)?, failed: false })
    }

    fn set(&mut self, on: bool) {
        match self.line.set(on) {
            Ok(()) => self.failed = false,
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    log::error!("{error}; the gate goes on without it");
                }
            }
        }
    }
}

struct Wiegand {
    d0: Box<dyn OutputLine>,
    d1: Box<dyn OutputLine>,
    frame: Frame,
    quiet_since: Instant,
}

impl Wiegand {
    fn new(config: &WiegandConfig) -> Result<Self, LineError> {
        let [d0, d1] = config.lines();
        Ok(Self {
            d0: line::output("outputs.wiegand.d0_line", &d0)?,
            d1: line::output("outputs.wiegand.d1_line", &d1)?,
            // A configuration that was accepted has a frame; the number 0 opens nothing anywhere.
            frame: Frame::new(config.bits, config.facility, config.card)
                .or_else(|| Frame::new(26, 0, 0))
                .expect("26 bits have room for 0"),
            quiet_since: Instant::now(),
        })
    }

    /// Sends the number, each time after a silence that ends any frame, before a monotonic time.
    fn send(&mut self, before: Duration) {
        for _ in 0..TRIES {
            std::thread::sleep(SILENCE.saturating_sub(self.quiet_since.elapsed()));
            if monotonic_now() > before {
                log::error!("Wiegand: the number was not sent: it is too late for it");
                return;
            }
            let sent = wiegand::send(self.frame, self.d0.as_mut(), self.d1.as_mut(), &mut Monotonic);
            self.quiet_since = Instant::now();
            match sent {
                Ok(sent) => {
                    let (us, ms) = (|d: Duration| d.as_micros(), |d: Duration| d.as_secs_f32() * 1e3);
                    log::info!(
                        "Wiegand: {} bits sent; pulses of {} to {} us, {:.2} to {:.2} ms apart",
                        self.frame.sent().count(),
                        us(sent.pulses.0),
                        us(sent.pulses.1),
                        ms(sent.periods.0),
                        ms(sent.periods.1)
                    );
                    return;
                }
                Err(error) => log::warn!("Wiegand: the number was given up: {error}"),
            }
        }
        log::error!("Wiegand: the number was not sent");
    }
}

struct Worker {
    lamp: Option<Switch>,
    buzzer: Option<Switch>,
    alarm: Option<Switch>,
    wiegand: Option<Wiegand>,
    /// What is played, and since when.
    tune: Option<(Pattern, Instant)>,
}

impl Worker {
    /// Obeys until nobody orders any more; the lines are switched off by being dropped.
    fn run(&mut self, orders: &Receiver<Order>) {
        loop {
            let wait = self.play();
            let order = match wait {
                Some(wait) => orders.recv_timeout(wait),
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(Order::Lamp(on)) => switch(&mut self.lamp, on),
                Ok(Order::Alarm(on)) => switch(&mut self.alarm, on),
                Ok(Order::Sound(pattern)) => self.tune = Some((pattern, Instant::now())),
                Ok(Order::Number(before)) => {
                    if let Some(wiegand) = &mut self.wiegand {
                        // No tone is drawn out by it, nor cut short: it goes on after.
                        switch(&mut self.buzzer, false);
                        let began = Instant::now();
                        wiegand.send(before);
                        self.tune = self.tune.map(|(pattern, since)| (pattern, since + began.elapsed()));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Plays on; how long until there is something to do.
    fn play(&mut self) -> Option<Duration> {
        let (pattern, began) = self.tune?;
        let since = began.elapsed();
        let step = pattern.at(since);
        switch(&mut self.buzzer, step.is_some_and(|(on, _)| on));
        match step {
            Some((_, until)) => Some(until.saturating_sub(since)),
            None => {
                self.tune = None;
                None
            }
        }
    }
}

fn switch(output: &mut Option<Switch>, on: bool) {
    if let Some(output) = output {
        output.set(on);
    }
}
