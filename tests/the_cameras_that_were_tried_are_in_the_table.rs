//! The table of cameras, formats and faults in `docs/cameras.md` names tests that there are, and every pixel format.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use std::path::Path;

use agegate::camera::pixel::PixelFormat;

fn repository(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn every_row_names_a_test_that_there_is() {
    let page = repository("docs/cameras.md");
    let rows: Vec<&str> = page.lines().filter(|l| l.starts_with("| ") && l.contains(" | `")).collect();
    assert!(rows.len() > 20, "{} rows", rows.len());
    for row in rows {
        let place = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let (file, test) = place.trim_start_matches('`').split_once("` ").unwrap_or_else(|| panic!("{row}"));
        let source = repository(file);
        let there = [format!("fn {test}()"), format!("def {test}(")].iter().any(|head| source.contains(head));
        assert!(there, "{file} has no test {test}");
    }
}

#[test]
fn every_format_that_is_read_is_on_the_page() {
    let page = repository("docs/cameras.md");
    for format in PixelFormat::all() {
        let code = String::from_utf8_lossy(&format.fourcc()).trim_end().to_owned();
        // The orders of a fourth byte are told together, Motion-JPEG by its name.
        let told = match format {
            PixelFormat::Rgbx | PixelFormat::Bgrx | PixelFormat::Xrgb | PixelFormat::Xbgr => "fourth byte",
            PixelFormat::Mjpeg => "Motion-JPEG",
            _ => code.as_str(),
        };
        assert!(page.contains(told), "{format:?}: {told}");
    }
}
