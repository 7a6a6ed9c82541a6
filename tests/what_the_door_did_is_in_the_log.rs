//! Rule 3 and the record of the act: `Allow` says what was decided, `opened`, `refused`, `failed` and `shut` what the door
//! did about it. An `Allow` that is older than two seconds when it has been logged opens nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use agegate::{
    audit::{Act as Did, ActReason, Event},
    display::Screen,
    policy::Outcome,
};
use common::{Act, Daemon, WatchedLog, agegate, close_view, play, signal, text, visitor, write_config_with_an_adult};

fn room(frames: usize) -> Act {
    Act::Show(visitor("nobody").swap_remove(0), frames)
}

#[test]
fn an_opening_and_its_end_are_records_of_their_own() {
    let story = play(vec![Act::Show(close_view("adult"), 12), room(25)], &WatchedLog::default(), |_| {});
    assert_eq!(story.acts(), [(Did::Opened, None), (Did::Shut, Some(ActReason::TimeUp))]);
    let decided = story.logged.iter().position(|(_, e)| matches!(e, Event::Decision { .. })).unwrap();
    let opened = story.logged.iter().position(|(_, e)| matches!(e, Event::Act { .. })).unwrap();
    assert!(decided < opened);
    let (written, Event::Act { decision, latency_ms: Some(latency), .. }) = &story.logged[opened] else { panic!() };
    // Records count from 1, and the first one of a log names its key.
    assert_eq!(*decision, decided as u64 + 2, "it names the decision's record");
    assert!(*latency < 2000);
    assert!(*written >= story.relay[0].0, "written after the door did it");
}

#[test]
fn an_allow_that_is_logged_too_late_opens_nothing_and_says_so() {
    let log = WatchedLog::default();
    *log.slow.lock().unwrap() = Duration::from_millis(2500);
    let story = play(vec![Act::Show(close_view("adult"), 6), room(25)], &log, |_| {});
    assert_eq!(story.outcomes(), [Outcome::Allow], "the decision itself was right");
    assert!(!story.ever_opened());
    assert_eq!(story.acts(), [(Did::Refused, Some(ActReason::TooOld))]);
    let latency = story.logged.iter().find_map(|(_, event)| match event {
        Event::Act { latency_ms, .. } => *latency_ms,
        _ => None,
    });
    assert!(latency.unwrap() >= 2500, "the latency has the write in it: {latency:?}");
    assert!(!story.screens.contains(&Screen::Welcome) && story.screens.contains(&Screen::NotAvailable));
}

#[test]
fn an_opening_whose_record_cannot_be_written_is_taken_back() {
    let log = WatchedLog::default();
    // Start and decision fit, the act does not.
    *log.room_for.lock().unwrap() = 2;
    let story = play(vec![Act::Show(close_view("adult"), 12), room(25)], &log, |config| {
        (config.relay.open_seconds, config.relay.max_open_seconds) = (20.0, 20.0);
    });
    assert!(story.openings().iter().all(|open| *open < Duration::from_secs(1)), "{:?}", story.openings());
    assert_eq!(story.relay.last().map(|(_, on)| *on), Some(false));
    assert!(story.screens.contains(&Screen::NotAvailable));
}

#[test]
fn a_lost_camera_is_the_reason_why_the_door_shut() {
    let script = vec![Act::Show(close_view("adult"), 8), Act::Unplugged(Duration::from_millis(1500))];
    let story = play(script, &WatchedLog::default(), |config| {
        (config.relay.open_seconds, config.relay.max_open_seconds) = (30.0, 30.0);
    });
    assert_eq!(story.acts(), [(Did::Opened, None), (Did::Shut, Some(ActReason::CameraLost))]);
}

/// Two adults, the second so soon that the door would open for a fraction of a second only.
#[test]
fn whoever_comes_when_the_door_has_been_open_for_long_waits_until_it_has_shut_and_then_has_the_whole_time() {
    let adult = close_view("adult");
    let script = vec![Act::Show(adult.clone(), 8), room(18), Act::Show(adult, 110), room(90)];
    let story = play(script, &WatchedLog::default(), |config| {
        (config.relay.open_seconds, config.relay.max_open_seconds) = (4.0, 4.2);
    });
    let acts: Vec<_> = story.acts();
    assert_eq!(
        acts[..4].iter().map(|a| a.0).collect::<Vec<_>>(),
        [Did::Opened, Did::Refused, Did::Shut, Did::Opened],
        "{acts:?}"
    );
    assert_eq!(acts[1].1, Some(ActReason::DoorLimit));
    let openings = story.openings();
    assert!(openings.len() >= 2 && openings.iter().all(|open| *open >= Duration::from_millis(3900)), "{openings:?}");
}

#[test]
fn welcome_is_shown_only_while_the_door_is_open() {
    // Stays for four seconds after the door has shut.
    let story = play(vec![Act::Show(close_view("adult"), 100), room(25)], &WatchedLog::default(), |_| {});
    let welcome = story.screens.iter().position(|s| *s == Screen::Welcome).expect("they are let in");
    assert_eq!(story.screens[welcome + 1], Screen::Idle, "{:?}", story.screens);
    assert_eq!(story.screens.iter().filter(|s| **s == Screen::Welcome).count(), 1);
}

#[test]
fn a_door_that_could_not_be_opened_is_in_the_log_as_failed() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "open_seconds = 0.5");
    let daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("agegate 0.1.0 runs");
    // Stopped within the heartbeat: the order to open is the first thing that it does not answer, or the heartbeat is;
    // either way the door that did not open is no `opened`.
    for _ in 0..20 {
        let Some(keeper) = daemon.started("relay-keeper").first().copied() else { continue };
        signal("-STOP", keeper);
        std::thread::sleep(Duration::from_millis(300));
    }
    daemon.wait_for("door failed for decision");
    daemon.signal("-TERM");
    daemon.wait_for("agegate stops");
    let shown = text(&agegate(folder.path(), &["log", "show", "--folder", "log"]).stdout);
    assert!(shown.contains("door       failed for decision") && shown.contains("(door-failed)"), "{shown}");
    assert!(agegate(folder.path(), &["log", "verify", "--folder", "log"]).status.success());
}

#[test]
fn what_the_keeper_ended_by_itself_is_in_the_log_when_the_gate_wakes_up() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config_with_an_adult(folder.path(), "open_seconds = 1.0");
    let mut daemon = Daemon::start(&["run"], &config);
    daemon.wait_for("door opened for decision");
    daemon.signal("-STOP");
    daemon.wait_for("simulated relay released");
    std::thread::sleep(Duration::from_secs(2));
    daemon.signal("-CONT");
    let lines = daemon.lines_until("door shut for decision");
    assert!(lines.last().unwrap().1.contains("(time-up)"), "{lines:?}");
    let more = daemon.lines_for(Duration::from_secs(1));
    assert!(
        !lines.iter().chain(&more).any(|(_, l)| l.contains("relay keeper:")),
        "the keeper was well all the time: {lines:?} {more:?}"
    );
    daemon.kill();
}
