//! What a door unit drives besides the relay, and that it is off when the gate has ended, whichever way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{path::Path, time::Duration};

use agegate::door_unit::wiegand::read;
use common::{
    Daemon, agegate,
    door_unit::{ALARM, BUZZER, D0, D1, LAMP, did, is_on, line, until, write_unit},
    text,
};

fn outputs() -> String {
    format!(
        "[outputs]\nlamp = {}\nbuzzer = {}\nalarm = {}\nalarm_on = [\"out-of-order\"]\n[outputs.wiegand]\nd0_line = {D0}\nd1_line = {D1}\nchip = \"simulated\"\nfacility = 17\ncard = 4711\n",
        line(LAMP),
        line(BUZZER),
        line(ALARM)
    )
}

/// The numbers of 26 bits that a controller saw, and the bits of what it threw away.
fn numbers(folder: &Path) -> (Vec<(u32, u32)>, Vec<usize>) {
    let pulses = |number: u32, bit: u64| did(folder, number).into_iter().filter(|p| p.1).map(move |p| (p.0, bit));
    let mut bits: Vec<(u64, u64)> = pulses(D0, 0).chain(pulses(D1, 1)).collect();
    bits.sort_unstable();
    let frames = bits.chunk_by(|a, b| b.0 - a.0 < 50_000);
    let (mut seen, mut thrown_away) = (Vec::new(), Vec::new());
    for frame in frames {
        let value = frame.iter().fold(0, |value, (_, bit)| value << 1 | bit);
        match read(26, value).filter(|_| frame.len() == 26) {
            Some(number) => seen.push(number),
            None => thrown_away.push(frame.len()),
        }
    }
    (seen, thrown_away)
}

/// Lengths of the tones in milliseconds.
fn tones(folder: &Path) -> Vec<u64> {
    did(folder, BUZZER).windows(2).filter(|pair| pair[0].1).map(|pair| (pair[1].0 - pair[0].0) / 1000).collect()
}

#[test]
fn an_adult_is_lit_hears_one_tone_and_is_told_to_the_controller() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let visits = [("nobody", 90), ("adult", 60)].repeat(4);
    let config = write_unit(folder, &[visits.as_slice(), &[("nobody", 300)]].concat(), "", &outputs());
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    std::thread::sleep(Duration::from_millis(500));
    assert!(!is_on(folder, LAMP), "nobody is there");
    until("the lamp is on", || is_on(folder, LAMP));
    // A machine that is too busy gives the number up, and says so.
    let told = daemon.wait_for(" sent").1;
    let sent = told.contains("Wiegand: 26 bits sent; pulses of ");
    assert!(sent || told.contains("Wiegand: the number was not sent"), "{told}");
    let (seen, thrown_away) = numbers(folder);
    assert_eq!(!seen.is_empty(), sent, "{told}");
    assert!(seen.iter().all(|number| *number == (17, 4711)), "{seen:?}");
    assert!(thrown_away.iter().all(|bits| *bits < 26), "{thrown_away:?}");
    until("there was a tone", || !tones(folder).is_empty());
    assert!(tones(folder)[0] >= 100, "{:?}", tones(folder));
    until("the lamp is off again", || !is_on(folder, LAMP) || did(folder, LAMP).len() > 3);
    daemon.signal("-TERM");
    let status = daemon.child.wait().unwrap();
    assert!(status.success());
    for output in [LAMP, BUZZER, ALARM, D0, D1] {
        assert!(!is_on(folder, output), "{output} is off after the gate");
    }
    assert!(did(folder, ALARM).iter().all(|(_, on)| !on), "nothing was out of order");
}

#[test]
fn a_child_hears_two_tones_and_the_controller_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = write_unit(folder, &[("child", 200), ("nobody", 300)], "", &outputs());
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("Refer");
    until("there were two tones", || tones(folder).len() == 2);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(tones(folder).len(), 2);
    assert_eq!(numbers(folder), (vec![], vec![]));
    daemon.kill();
}

#[test]
fn what_a_killed_gate_left_on_is_switched_off_by_whoever_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = write_unit(folder, &[("adult", 300)], "", &outputs());
    let mut daemon = Daemon::start(&["run"], &config);
    until("the lamp is on", || is_on(folder, LAMP));
    daemon.kill();
    assert!(is_on(folder, LAMP), "a file keeps its level, as some chips do");
    let off = agegate(folder, &["relay", "--off", "--config", "agegate.toml"]);
    assert!(off.status.success(), "{}", text(&off.stderr));
    assert!(text(&off.stdout).contains("released\noutput on line 12 of \"simulated\": off"), "{}", text(&off.stdout));
    assert!(!is_on(folder, LAMP));
}
