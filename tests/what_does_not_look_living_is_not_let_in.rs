//! Where a living face is asked for, a face that does not look living is asked for ID, with a reason, a record and a screen of its
//! own; where none is asked for, everything is as it was. The net is the tests' own, so that its answers are known.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

use agegate::{
    audit::Event,
    config::Config,
    display::Screen,
    policy::{Outcome, Reason},
};
use common::{
    Act, Story, WatchedLog, agegate, asks_for_a_living_face, bluish, play, repository, text, visitor, write_config,
};
use image::RgbImage;

fn adult() -> Vec<RgbImage> {
    visitor("adult")
}

fn on_a_screen() -> Vec<RgbImage> {
    adult().iter().map(bluish).collect()
}

fn told(frames: Vec<RgbImage>, mode: &str) -> Story {
    let asked = Config::parse(&asks_for_a_living_face(mode), Path::new("a.toml")).unwrap();
    play(frames.into_iter().map(|frame| Act::Show(frame, 1)).collect(), &WatchedLog::default(), |config| {
        (config.policy, config.models, config.liveness) = (asked.policy, asked.models, asked.liveness);
    })
}

fn reasons(story: &Story) -> Vec<(Outcome, Reason)> {
    story.decisions.iter().map(|(d, _)| (d.outcome, d.reason)).collect()
}

#[test]
fn a_living_adult_is_let_in() {
    let story = told(adult(), "passive");
    assert_eq!(reasons(&story), [(Outcome::Allow, Reason::OldEnough)]);
    assert!(story.decisions[0].0.liveness.unwrap() > 0.9 && story.ever_opened());
}

#[test]
fn a_recorded_attack_is_referred_as_not_live_and_the_screen_says_so() {
    let story = told(on_a_screen(), "passive");
    assert_eq!(reasons(&story), [(Outcome::Refer, Reason::NotLive)]);
    assert!(!story.ever_opened());
    assert!(story.screens.contains(&Screen::NotLive) && !story.screens.contains(&Screen::Welcome));
}

#[test]
fn where_none_is_asked_for_the_same_attack_opens_as_before() {
    let story = told(on_a_screen(), "off");
    assert_eq!(reasons(&story), [(Outcome::Allow, Reason::OldEnough)]);
    assert_eq!(story.decisions[0].0.liveness, None);
    let line = serde_json::to_string(&story.logged.iter().map(|(_, e)| e).collect::<Vec<_>>()).unwrap();
    assert!(!line.contains("liveness"), "{line}");
}

#[test]
fn the_log_has_one_line_of_it_with_the_probability_and_the_model() {
    let story = told(on_a_screen(), "passive");
    let decisions: Vec<&Event> =
        story.logged.iter().map(|(_, e)| e).filter(|e| matches!(e, Event::Decision { .. })).collect();
    let [Event::Decision { reason, liveness, liveness_model, .. }] = decisions.as_slice() else {
        panic!("{decisions:?}")
    };
    assert_eq!(*reason, Reason::NotLive);
    assert!(liveness.unwrap() < 0.1);
    let net = blake3::hash(&std::fs::read(common::bluish_net()).unwrap()).to_hex();
    assert_eq!(liveness_model.as_deref(), Some(&net[..8]));
    let started = story.logged.iter().find_map(|(_, e)| match e {
        Event::Start { liveness, .. } => liveness.clone(),
        _ => None,
    });
    assert_eq!(started, Some(format!("passive agegate-liveness/test/{}", &net[..16])));
}

#[test]
fn replay_shows_how_living_each_frame_looks() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), &asks_for_a_living_face("passive"));
    let frames = folder.path().join("frames");
    std::fs::create_dir(&frames).unwrap();
    for (k, frame) in on_a_screen().iter().enumerate() {
        frame.save(frames.join(format!("{k:03}.png"))).unwrap();
    }
    let output = agegate(folder.path(), &["replay", "--frames", "--config", config.to_str().unwrap(), "frames"]);
    let printed = text(&output.stdout);
    assert!(printed.contains("Refer (not-live)") && printed.contains("P(living) 0.0"), "{printed}");
    assert!(!printed.contains("Allow"), "{printed}");
}

#[test]
fn check_says_how_a_living_face_is_asked_for_and_by_which_model() {
    let folder = tempfile::tempdir().unwrap();
    let line = |more: &str| {
        let config = write_config(folder.path(), more);
        let output = agegate(folder.path(), &["check", "--config", config.to_str().unwrap()]);
        let printed = text(&output.stdout);
        printed.lines().find(|l| l.contains("liveness:")).unwrap_or_else(|| panic!("{printed}")).to_owned()
    };
    let on = line(&asks_for_a_living_face("passive"));
    assert!(on.starts_with("ok") && on.contains("passive, agegate-liveness/test/") && on.contains("P >= 0.9"), "{on}");
    assert!(on.contains("no figures with it"), "{on}");
    let off = line(&asks_for_a_living_face("off"));
    assert!(off.starts_with("note") && off.contains("off: a photo"), "{off}");
}

fn refused(more: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), more);
    let output = agegate(folder.path(), &["run", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{more}");
    text(&output.stderr)
}

#[test]
fn a_policy_that_does_not_say_how_sure_one_must_be_is_refused_where_a_living_face_is_asked_for() {
    let whole = asks_for_a_living_face("passive");
    let without = whole.replace("[policy.liveness]\nconfidence = 0.9\n", "");
    let message = refused(&without);
    assert!(message.contains("`liveness.mode` is \"passive\"") && message.contains("[liveness] table"), "{message}");
    assert!(message.contains("line "), "{message}");
}

#[test]
fn a_policy_made_for_another_liveness_model_is_refused() {
    let foreign = "[policy.liveness]\nmodel = \"agegate-liveness/9/0000000000000000\"\n";
    let message = refused(&asks_for_a_living_face("passive").replace("[policy.liveness]\n", foreign));
    assert!(message.contains("was made for the liveness model agegate-liveness/9/0000000000000000"), "{message}");
}

#[test]
fn another_kind_of_model_is_no_liveness_model() {
    let age = repository().join("models/age-estimator.onnx");
    let message = refused(
        &asks_for_a_living_face("passive").replace(common::bluish_net().to_str().unwrap(), age.to_str().unwrap()),
    );
    assert!(message.contains("agegate-liveness") && message.contains("agegate-age-estimator"), "{message}");
}

#[test]
fn an_unknown_mode_is_named_with_its_line_and_what_there_is() {
    let message = refused(&asks_for_a_living_face("on"));
    assert!(
        message.contains("line 17: `liveness.mode` is \"on\", expected \"off\", \"passive\" or \"turn\""),
        "{message}"
    );
}
