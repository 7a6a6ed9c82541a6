//! Wiegand: the number that tells a controller to open, 26 or 34 bits, a pulse on D0 for a zero and on D1 for a one.
//!
//! ```text
//! 26: even parity of the next 12 | facility 8  | card 16 | odd parity of the 12 before
//! 34: even parity of the next 16 | facility 16 | card 16 | odd parity of the 16 before
//! ```
//!
//! A pulse lasts 50 us and begins 2 ms after the one before. The program is no real-time program, and the kernel may let it
//! wait: what came out is measured for every frame and told in the log. Controllers count falling edges, so a long pulse is
//! still one bit; a long pause is what would cut a frame in two. A frame with a pulse or pause beyond the limits below is
//! given up at once, and so nothing follows a pause that a controller may take for the end. What was sent of it is too short to
//! be a number: no beginning of a frame that the configuration accepts has the length and the parity of a shorter one. The next
//! frame comes after a silence that ends any frame.

use std::time::Duration;

use super::line::{LineError, OutputLine};
use crate::clock::monotonic_now;

/// Length of a pulse.
pub const PULSE: Duration = Duration::from_micros(50);
/// From the beginning of a pulse to that of the next.
pub const PERIOD: Duration = Duration::from_millis(2);
/// A longer pulse spoils a frame: most controllers take 20 us to 200 us, all of them count a longer one once.
pub const LONGEST_PULSE: Duration = Duration::from_millis(2);
/// A longer pause between two pulses spoils a frame: controllers end one after 20 ms or more.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// Silence before a frame: it ends whatever a gate that died had begun.
pub const SILENCE: Duration = Duration::from_millis(250);
/// So shortly before a moment the processor is kept busy rather than given away.
const SPIN: Duration = Duration::from_micros(300);

/// A frame: its bits, the first one the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    bits: u64,
    length: u32,
}

impl Frame {
    /// The frame of a number; `None` where 26 or 34 bits have no room for it, or another length is asked for.
    #[must_use]
    pub fn new(length: u32, facility: u32, card: u32) -> Option<Self> {
        let facility_bits = match length {
            26 => 8,
            34 => 16,
            _ => return None,
        };
        if facility >> facility_bits != 0 || card >> 16 != 0 {
            return None;
        }
        let data = u64::from(facility) << 16 | u64::from(card);
        let half = (length - 2) / 2;
        let even = u64::from((data >> half).count_ones() % 2);
        let odd = u64::from((data & ((1 << half) - 1)).count_ones().is_multiple_of(2));
        Some(Self { bits: even << (length - 1) | data << 1 | odd, length })
    }

    /// The bits in the order in which they are sent.
    pub fn sent(self) -> impl Iterator<Item = bool> {
        (0..self.length).rev().map(move |k| self.bits >> k & 1 == 1)
    }

    /// Whether the first 26 bits of a longer frame are a whole frame themselves: where it was cut short there, a controller
    /// that takes both lengths would read another number.
    #[must_use]
    pub fn beginning_counts_as_26(self) -> bool {
        self.length > 26 && read(26, self.bits >> (self.length - 26)).is_some()
    }
}

/// Facility and card of so many bits, if the parity is right: what a controller does.
#[must_use]
pub fn read(length: u32, bits: u64) -> Option<(u32, u32)> {
    let data = bits >> 1 & ((1 << (length - 2)) - 1);
    let (card, facility) = (u32::try_from(data & 0xffff).ok()?, u32::try_from(data >> 16).ok()?);
    (Frame::new(length, facility, card)?.bits == bits).then_some((facility, card))
}

/// How a frame came out.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Shortest and longest pulse.
    pub pulses: (Duration, Duration),
    /// Shortest and longest time from pulse to pulse.
    pub periods: (Duration, Duration),
}

/// Why a frame was given up.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A line cannot be driven.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The machine was too busy.
    #[error("the machine was too busy: {what} of {:.1} ms after {bits} bits", time.as_secs_f32() * 1e3)]
    Late {
        /// What lasted too long.
        what: &'static str,
        /// How long.
        time: Duration,
        /// How much of the frame had been sent.
        bits: u32,
    },
}

/// What time it is, and waiting: as a trait, so that a busy machine can be played.
pub trait Clock {
    /// Monotonic time.
    fn now(&mut self) -> Duration;

    /// Waits until then, at least.
    fn wait_until(&mut self, moment: Duration);
}

/// The real one.
#[derive(Clone, Copy, Debug)]
pub struct Monotonic;

impl Clock for Monotonic {
    fn now(&mut self) -> Duration {
        monotonic_now()
    }

    /// The scheduler wakes too late by some ten microseconds and more; the last of the time is spent looking at the clock.
    fn wait_until(&mut self, moment: Duration) {
        let left = moment.saturating_sub(self.now());
        if left > SPIN {
            std::thread::sleep(left - SPIN);
        }
        while self.now() < moment {
            std::hint::spin_loop();
        }
    }
}

/// Sends a frame.
///
/// # Errors
/// [`SendError`]: the frame was given up, both lines are idle as far as they can be driven.
pub fn send(
    frame: Frame,
    d0: &mut dyn OutputLine,
    d1: &mut dyn OutputLine,
    clock: &mut dyn Clock,
) -> Result<Sent, SendError> {
    let mut sent = Sent { pulses: (Duration::MAX, Duration::ZERO), periods: (Duration::MAX, Duration::ZERO) };
    let mut began: Option<Duration> = None;
    let within = |(low, high): (Duration, Duration), time: Duration| (low.min(time), high.max(time));
    for (one, bits) in frame.sent().zip(0u32..) {
        if let Some(before) = began {
            clock.wait_until(before + PERIOD);
            let period = clock.now().saturating_sub(before);
            if period > LONGEST_PAUSE {
                return Err(SendError::Late { what: "a pause", time: period, bits });
            }
            sent.periods = within(sent.periods, period);
        }
        let line: &mut dyn OutputLine = if one { &mut *d1 } else { &mut *d0 };
        let at = clock.now();
        let pulsed = line.set(true).map(|()| clock.wait_until(at + PULSE));
        // Ended in any case.
        let ended = line.set(false);
        let pulse = clock.now().saturating_sub(at);
        pulsed.and(ended)?;
        // A controller has the number with the last pulse, however long: it must not get it twice.
        if pulse > LONGEST_PULSE && bits + 1 < frame.length {
            return Err(SendError::Late { what: "a pulse", time: pulse, bits: bits + 1 });
        }
        sent.pulses = within(sent.pulses, pulse);
        began = Some(at);
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use proptest::prelude::*;

    /// Bit, beginning and end of a pulse.
    type Pulse = (bool, Duration, Duration);

    /// A machine: its time, by how much it is late at each wait, and what the wires carried.
    #[derive(Default)]
    struct Machine {
        now: Duration,
        late: Vec<Duration>,
        waits: usize,
        pulses: Vec<Pulse>,
        on: Option<(bool, Duration)>,
        /// After so many pulses the lines cannot be driven.
        most: Option<usize>,
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Machine>>);

    impl Clock for Shared {
        fn now(&mut self) -> Duration {
            self.0.lock().unwrap().now
        }

        fn wait_until(&mut self, moment: Duration) {
            let mut m = self.0.lock().unwrap();
            let late = m.late.get(m.waits).copied().unwrap_or_default();
            m.waits += 1;
            m.now = m.now.max(moment) + late;
        }
    }

    struct Wire(Shared, bool);

    impl OutputLine for Wire {
        fn set(&mut self, on: bool) -> Result<(), LineError> {
            let mut m = self.0.0.lock().unwrap();
            match (on, m.on.take()) {
                (true, None) if m.most.is_some_and(|most| m.pulses.len() >= most) => {
                    return Err(LineError::Thread(std::io::Error::from_raw_os_error(5)));
                }
                (true, None) => m.on = Some((self.1, m.now)),
                (false, Some((one, began))) if one == self.1 => {
                    let ended = m.now;
                    m.pulses.push((one, began, ended));
                }
                (false, None) => {}
                (_, Some(_)) => panic!("two pulses at once"),
            }
            Ok(())
        }
    }

    /// Sends a frame on a machine that is so late; what came of it, and the pulses.
    fn sent_by(frame: Frame, machine: Machine) -> (Result<Sent, SendError>, Vec<Pulse>) {
        let shared = Shared(Arc::new(Mutex::new(machine)));
        let (mut d0, mut d1) = (Wire(shared.clone(), false), Wire(shared.clone(), true));
        let result = send(frame, &mut d0, &mut d1, &mut shared.clone());
        let machine = shared.0.lock().unwrap();
        assert!(machine.on.is_none(), "both wires are at rest");
        (result, machine.pulses.clone())
    }

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn known_numbers_have_their_known_frames() {
        let text = |length, facility, card| {
            Frame::new(length, facility, card).unwrap().sent().map(|b| if b { '1' } else { '0' }).collect::<String>()
        };
        // Facility 1 has one bit in the first half, so even parity adds one; card 1000 has six in the second.
        assert_eq!(text(26, 1, 1000), "10000000100000011111010001");
        assert_eq!(text(26, 0, 0), "00000000000000000000000001");
        assert_eq!(text(26, 255, 65_535), "01111111111111111111111111");
        assert_eq!(text(34, 0, 0), "0000000000000000000000000000000001");
        assert_eq!(Frame::new(26, 256, 0), None);
        assert_eq!(Frame::new(34, 0, 65_536), None);
        assert_eq!(Frame::new(37, 0, 0), None);
    }

    #[test]
    fn on_a_machine_that_is_in_time_pulses_are_50_us_wide_and_2_ms_apart() {
        let frame = Frame::new(26, 17, 4711).unwrap();
        let (result, pulses) = sent_by(frame, Machine::default());
        let sent = result.unwrap();
        assert_eq!((sent.pulses, sent.periods), ((PULSE, PULSE), (PERIOD, PERIOD)));
        assert_eq!(pulses.iter().map(|p| p.0).collect::<Vec<_>>(), frame.sent().collect::<Vec<_>>());
        assert!(
            pulses
                .iter()
                .zip(0u32..)
                .all(|((_, began, ended), k)| { *began == PERIOD * k && *ended == PERIOD * k + PULSE })
        );
    }

    #[test]
    fn a_line_that_fails_in_the_middle_of_a_frame_ends_it() {
        let (result, pulses) = sent_by(Frame::new(34, 1, 2).unwrap(), Machine { most: Some(10), ..Machine::default() });
        assert!(matches!(result, Err(SendError::Line(_))));
        assert_eq!(pulses.len(), 10);
    }

    #[test]
    fn this_machine_sends_in_time_or_says_what_was_late() {
        struct Real(Vec<bool>, bool);
        impl OutputLine for Real {
            fn set(&mut self, on: bool) -> Result<(), LineError> {
                self.0.extend(on.then_some(self.1));
                Ok(())
            }
        }
        let frame = Frame::new(26, 17, 4711).unwrap();
        let (mut d0, mut d1) = (Real(Vec::new(), false), Real(Vec::new(), true));
        match send(frame, &mut d0, &mut d1, &mut Monotonic) {
            Ok(sent) => {
                assert_eq!(d0.0.len() + d1.0.len(), 26);
                assert!(sent.pulses.0 >= PULSE && sent.pulses.1 <= LONGEST_PULSE, "{sent:?}");
                assert!(sent.periods.0 >= PERIOD && sent.periods.1 <= LONGEST_PAUSE, "{sent:?}");
            }
            Err(error) => assert!(error.to_string().starts_with("the machine was too busy: a p"), "{error}"),
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read_as_it_was_meant(long in any::<bool>(), facility in 0u32..65_536, card in 0u32..65_536) {
            let (length, facility) = if long { (34, facility) } else { (26, facility & 0xff) };
            let frame = Frame::new(length, facility, card).unwrap();
            prop_assert_eq!(frame.sent().count(), length as usize);
            prop_assert_eq!(read(length, frame.bits), Some((facility, card)));
            let bits: Vec<bool> = frame.sent().collect();
            let half = bits.len() / 2;
            prop_assert_eq!(bits[..half].iter().filter(|b| **b).count() % 2, 0, "even parity of the first half");
            prop_assert_eq!(bits[half..].iter().filter(|b| **b).count() % 2, 1, "odd parity of the second");
        }

        #[test]
        fn one_bit_that_is_turned_is_no_number(facility in 0u32..65_536, card in 0u32..65_536, k in 0u32..34) {
            let frame = Frame::new(34, facility, card).unwrap();
            prop_assert_eq!(read(34, frame.bits ^ 1 << k), None);
        }

        /// What a controller makes of a frame on a machine that is late now and then: the number, or nothing.
        #[test]
        fn a_frame_is_the_whole_number_in_time_or_cut_short_to_none(
            long in any::<bool>(), facility in 0u32..256, card in 0u32..65_536,
            late in prop::collection::vec(prop_oneof![30 => 0u64..400, 1 => 0u64..40_000], 68), most in prop::option::of(0usize..34)
        ) {
            let frame = Frame::new(if long { 34 } else { 26 }, facility, card).unwrap();
            prop_assume!(!frame.beginning_counts_as_26());
            let machine = Machine { late: late.into_iter().map(us).collect(), most, ..Machine::default() };
            let (result, pulses) = sent_by(frame, machine);
            prop_assert!(pulses.windows(2).all(|p| p[1].1 - p[0].1 >= PERIOD), "never faster than 2 ms");
            prop_assert!(pulses.windows(2).all(|p| p[1].1 - p[0].1 <= LONGEST_PAUSE), "nothing follows a long pause");
            prop_assert!(pulses.iter().all(|p| p.2 - p.1 >= PULSE));
            let value = pulses.iter().fold(0u64, |value, (one, ..)| value << 1 | u64::from(*one));
            let length = u32::try_from(pulses.len()).unwrap();
            let number = if [26, 34].contains(&length) { read(length, value) } else { None };
            let whole = length == frame.length;
            prop_assert_eq!(number, whole.then_some((facility, card)));
            prop_assert_eq!(whole, result.is_ok(), "what is given up and sent again was no number");
        }
    }
}
