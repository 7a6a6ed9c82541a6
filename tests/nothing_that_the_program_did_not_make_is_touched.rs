//! Commands that write results neither remove nor overwrite what somebody else has put there. Rule 8 of the design.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
};

use common::{agegate, close_view, text};

/// All files below a folder and what they hold.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.append(&mut contents(&path));
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    all
}

/// A demonstration of one picture, which is quick.
fn demo(folder: &Path, out: &str) -> std::process::Output {
    agegate(folder, &["demo", "--frames", "adult.png", "--out", out, "--quiet"])
}

#[test]
fn a_demonstration_leaves_alone_what_it_finds_and_runs_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    close_view("adult").save(folder.path().join("adult.png")).unwrap();
    let out = folder.path().join("var");
    std::fs::create_dir_all(out.join("log/journal")).unwrap();
    std::fs::write(out.join("log/syslog"), "the system's log").unwrap();
    std::fs::write(out.join("log/journal/system"), "and its journal").unwrap();
    std::fs::write(out.join("notes.txt"), "notes").unwrap();
    let before = contents(&out);
    for round in 0..3 {
        let output = demo(folder.path(), "var");
        assert_eq!(output.status.code(), Some(0), "round {round}: {}", text(&output.stderr));
        let printed = text(&output.stdout);
        assert!(printed.contains("the chain is whole"), "round {round}: {printed}");
        let after = contents(&out);
        for (path, content) in &before {
            assert_eq!(after.get(path), Some(content), "round {round}: {}", path.display());
        }
    }
}

#[test]
fn a_demonstration_refuses_to_replace_a_picture_that_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    close_view("adult").save(folder.path().join("adult.png")).unwrap();
    std::fs::create_dir(folder.path().join("mine")).unwrap();
    let picture = folder.path().join("mine/display.gif");
    std::fs::write(&picture, "a picture of mine").unwrap();
    let output = demo(folder.path(), "mine");
    let errors = text(&output.stderr);
    assert!(
        output.status.code() == Some(2) && errors.contains("display.gif") && errors.contains("not made by agegate"),
        "{errors}"
    );
    assert_eq!(std::fs::read(&picture).unwrap(), b"a picture of mine");
    assert_eq!(contents(&folder.path().join("mine")).len(), 1, "nothing else was begun");
}

#[test]
fn results_replace_earlier_results_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    close_view("adult").save(folder.path().join("adult.png")).unwrap();
    let detect = ["detect", "adult.png", "--json", "f.json", "--annotate", "out"];
    for _ in 0..2 {
        assert_eq!(agegate(folder.path(), &detect).status.code(), Some(0));
    }
    std::fs::write(folder.path().join("f.json"), "{\"name\": \"mine\"}").unwrap();
    let output = agegate(folder.path(), &detect);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("f.json"), "{output:?}");
    assert_eq!(std::fs::read(folder.path().join("f.json")).unwrap(), b"{\"name\": \"mine\"}");
    std::fs::remove_file(folder.path().join("f.json")).unwrap();
    std::fs::write(folder.path().join("out/adult.faces.png"), "mine").unwrap();
    let output = agegate(folder.path(), &detect);
    assert!(output.status.code() != Some(0) && text(&output.stderr).contains("adult.faces.png"), "{output:?}");
    assert_eq!(std::fs::read(folder.path().join("out/adult.faces.png")).unwrap(), b"mine");
}

#[test]
fn generated_pages_are_made_again_but_replace_no_others() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        assert_eq!(agegate(folder.path(), &["generate", "pages"]).status.code(), Some(0));
    }
    let page = folder.path().join("pages/agegate.1");
    std::fs::write(&page, "another program's page").unwrap();
    let output = agegate(folder.path(), &["generate", "pages"]);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("agegate.1"), "{output:?}");
    assert_eq!(std::fs::read(&page).unwrap(), b"another program's page");
    assert!(output.status.signal().is_none());
}
