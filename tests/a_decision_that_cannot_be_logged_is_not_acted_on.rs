//! Rule 3 of the design: a full or broken log keeps the door shut, whoever stands before it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use agegate::{audit::Event, display::Screen, policy::Outcome};
use common::{Act, WatchedLog, close_view, play, visitor};

#[test]
fn with_a_full_log_an_adult_stays_outside() {
    let log = WatchedLog::default();
    *log.full.lock().unwrap() = true;
    let story = play(vec![Act::Show(close_view("adult"), 15)], &log, |_| {});
    assert_eq!(story.outcomes(), [Outcome::Allow], "the decision itself was right");
    assert!(!story.decisions[0].1, "and was not logged");
    assert!(!story.ever_opened());
    assert!(
        story.screens.contains(&Screen::NotAvailable) && !story.screens.contains(&Screen::Welcome),
        "{:?}",
        story.screens
    );
}

#[test]
fn the_record_is_written_before_the_door_moves() {
    let room = visitor("nobody").swap_remove(0);
    let story = play(vec![Act::Show(close_view("adult"), 12), Act::Show(room, 20)], &WatchedLog::default(), |_| {});
    let logged = story
        .logged
        .iter()
        .find(|(_, e)| matches!(e, Event::Decision { decision: Outcome::Allow, .. }))
        .expect("an Allow is logged");
    let opened = story.relay.iter().find(|(_, on)| *on).expect("the door opens");
    assert!(logged.0 <= opened.0);
}
