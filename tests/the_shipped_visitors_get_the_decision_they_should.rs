//! The demonstration's visitors, who do not exist: who is let in, and who is not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use agegate::policy::{Outcome, Reason};
use common::{Act, MemoryLog, play, visitor};

fn decisions(name: &str) -> Vec<(Outcome, Reason)> {
    let script = visitor(name).into_iter().map(|frame| Act::Show(frame, 1)).collect();
    play(script, &MemoryLog::default(), |_| {}).decisions.iter().map(|(d, _)| (d.outcome, d.reason)).collect()
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

#[test]
fn nobody_gets_no_decision() {
    assert!(decisions("nobody").is_empty());
}

#[test]
fn a_blurred_adult_is_never_let_in() {
    assert!(decisions("adult, out of focus").iter().all(|(outcome, _)| *outcome != Outcome::Allow));
}
