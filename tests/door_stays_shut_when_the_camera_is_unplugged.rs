//! A camera that is unplugged or falls silent in mid-visit: the door stays shut, the display says so, and the gate goes on
//! by itself when the camera is back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::time::Duration;

use agegate::{
    display::Screen,
    policy::{Outcome, Reason},
};
use common::{Act, WatchedLog, close_view, play};

fn interrupted(by: Act) -> common::Story {
    let adult = close_view("adult");
    let room = common::visitor("nobody").swap_remove(0);
    play(
        vec![
            // Three frames are fewer than an `Allow` needs.
            Act::Show(adult.clone(), 3),
            by,
            Act::Show(room.clone(), 20),
            Act::Show(adult, 12),
            Act::Show(room, 20),
        ],
        &WatchedLog::default(),
        |_| {},
    )
}

fn assert_recovers(story: &common::Story) {
    let outcomes: Vec<_> = story.decisions.iter().map(|(d, _)| (d.outcome, d.reason)).collect();
    assert_eq!(outcomes, [(Outcome::NoDecision, Reason::CameraLost), (Outcome::Allow, Reason::OldEnough)]);
    let lost =
        story.screens.iter().position(|s| *s == Screen::NotAvailable).expect("the display tells of the lost camera");
    let welcome = story.screens.iter().position(|s| *s == Screen::Welcome).expect("the gate goes on");
    assert!(lost < welcome, "{:?}", story.screens);
    assert_eq!(story.relay.iter().filter(|(_, on)| *on).count(), 1);
}

#[test]
fn unplugged() {
    assert_recovers(&interrupted(Act::Unplugged(Duration::from_millis(700))));
}

#[test]
fn silent() {
    assert_recovers(&interrupted(Act::Stall(Duration::from_millis(500))));
}

#[test]
fn an_open_door_is_shut_when_the_camera_goes() {
    let adult = close_view("adult");
    let story = play(
        vec![Act::Show(adult, 8), Act::Unplugged(Duration::from_millis(1500))],
        &WatchedLog::default(),
        |config| {
            (config.relay.open_seconds, config.relay.max_open_seconds) = (30.0, 30.0);
        },
    );
    let [(opened, true), (shut, false)] = story.relay.as_slice() else { panic!("{:?}", story.relay) };
    assert!(shut.duration_since(*opened) < Duration::from_secs(2), "the lease of 30 s was not waited for");
}
