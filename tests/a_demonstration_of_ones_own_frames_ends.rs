//! `agegate demo --frames`: what is no recording ends with an error that names it; what is one ends with its pictures.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod common;

use std::{path::Path, process::Output, time::Duration};

use common::agegate_within;

/// Runs the demonstration, which must end.
fn demo(frames: &Path, out: &Path) -> Output {
    let [folder, frames, out] = [out.parent().unwrap(), frames, out].map(|path| path.to_str().unwrap());
    agegate_within(Duration::from_secs(30), Path::new(folder), &["demo", "--quiet", "--frames", frames, "--out", out])
}

#[test]
fn nonsense_ends_with_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.txt");
    std::fs::write(&notes, "no pictures here\n".repeat(1000)).unwrap();
    let cut = folder.path().join("cut.mjpeg");
    std::fs::write(&cut, [0xff, 0xd8, 0xff, 0xe0, 0, 16, 1, 2]).unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (frames, words) in [
        (notes.as_path(), "neither Motion-JPEG nor Y4M"),
        (cut.as_path(), "cut"),
        (empty.as_path(), "no picture"),
        (Path::new("/no/such/file"), "no such file"),
    ] {
        let out = folder.path().join("out");
        let run = demo(frames, &out);
        let text = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(2), "{}: {text}", frames.display());
        assert!(text.contains(words) && text.contains(frames.to_str().unwrap()), "{text}");
        assert!(!out.exists(), "{}: something was written", frames.display());
    }
}

#[test]
fn a_clip_with_a_broken_frame_is_played_to_its_end() {
    let clip = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/visitors.mjpeg")).unwrap();
    let starts: Vec<_> =
        clip.windows(4).enumerate().filter(|(_, w)| *w == [0xff, 0xd8, 0xff, 0xe0]).map(|(at, _)| at).collect();
    // Three frames, the second of them cut short.
    let broken = [&clip[..starts[1]], &clip[starts[1]..starts[1] + 2000], &clip[starts[2]..starts[3]]].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mjpeg");
    std::fs::write(&path, broken).unwrap();
    let run = demo(&path, &folder.path().join("out"));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(folder.path().join("out/display.gif").is_file());
}
