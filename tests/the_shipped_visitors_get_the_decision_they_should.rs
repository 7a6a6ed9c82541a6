//! The demonstration's visitors, who do not exist: who is let in, and who is not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use agegate::{
    config::LivenessMode,
    policy::{Outcome, Reason},
};
use common::{Act, WatchedLog, agegate, close_view, phone, play, text, visitor};

fn decisions(name: &str) -> Vec<(Outcome, Reason)> {
    let script = visitor(name).into_iter().map(|frame| Act::Show(frame, 1)).collect();
    play(script, &WatchedLog::default(), |_| {}).decisions.iter().map(|(d, _)| (d.outcome, d.reason)).collect()
}

#[test]
fn adults_and_pensioners_are_let_in() {
    for name in ["adult", "pensioner"] {
        assert_eq!(decisions(name), [(Outcome::Allow, Reason::OldEnough)], "{name}");
    }
}

#[test]
fn a_child_and_a_teenager_are_asked_for_id() {
    for name in ["child", "teenager"] {
        assert_eq!(decisions(name), [(Outcome::Refer, Reason::NotSure)], "{name}");
    }
}

#[test]
fn an_adult_with_a_child_close_behind_is_asked_for_id() {
    assert_eq!(decisions("adult with a child behind"), [(Outcome::Refer, Reason::YoungerFaceNear)]);
}

/// By the shipped policy, asking for a living face.
fn asking(frames: Vec<image::RgbImage>) -> Vec<(Outcome, Reason)> {
    let script = frames.into_iter().map(|frame| Act::Show(frame, 1)).collect();
    let story = play(script, &WatchedLog::default(), |config| config.liveness.mode = LivenessMode::Passive);
    story.decisions.iter().map(|(d, _)| (d.outcome, d.reason)).collect()
}

#[test]
fn an_adults_picture_on_a_phone_is_not_let_in_where_a_living_face_is_asked_for() {
    assert_eq!(asking(phone()), [(Outcome::Refer, Reason::NotLive)]);
}

#[test]
fn adults_are_let_in_where_a_living_face_is_asked_for() {
    for name in ["adult", "pensioner"] {
        assert_eq!(asking(visitor(name)), [(Outcome::Allow, Reason::OldEnough)], "{name}");
    }
}

#[test]
fn the_demonstration_ends_with_a_phone_that_is_not_let_in_and_says_that_it_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let output = agegate(folder.path(), &["demo", "--quiet", "--out", "out"]);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(printed.contains("holds up a phone") && printed.contains("drawn"), "{printed}");
    let table: Vec<&str> = printed.lines().skip_while(|l| !l.contains("decision   reason")).skip(1).collect();
    let last = table.iter().take_while(|l| l.contains(" s  ")).last().unwrap_or_else(|| panic!("{printed}"));
    assert!(last.contains("Refer") && last.contains("not-live") && last.ends_with("shut"), "{printed}");
    assert!(table.iter().any(|l| l.contains("Allow") && l.ends_with("opened (simulated)")), "{printed}");
}

#[test]
fn nobody_gets_no_decision() {
    assert!(decisions("nobody").is_empty());
}

/// They stay for as long as a decision may take: it is a decision that must not be `Allow`, not the want of one.
#[test]
fn a_blurred_adult_is_never_let_in() {
    let stays = vec![Act::Show(close_view("adult, out of focus"), 60)];
    let story = play(stays, &WatchedLog::default(), |config| config.visit.decide_seconds = 2.0);
    let decisions: Vec<_> = story.decisions.iter().map(|(d, _)| (d.outcome, d.reason, d.frames)).collect();
    assert_eq!(decisions, [(Outcome::Refer, Reason::PoorView, 0)]);
    assert!(!story.ever_opened());
}
