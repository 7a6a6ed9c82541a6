//! Label files come from spreadsheets: any order of the columns, quotes, semicolons, tabs, a byte order mark, decimals and ranges of
//! ages. What a range leaves open counts against the gate, what cannot be used is told with its reason, and a file counts once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use std::path::Path;

use common::{agegate, text};
use image::{Rgb, RgbImage};

/// A chip of its own for each number, far from every other.
fn chip(folder: &Path, name: &str, number: u32) {
    let seed = u64::from(number);
    RgbImage::from_fn(80, 80, |x, y| {
        let cell = u64::from(x / 20 + y / 20 * 4);
        let noise = (cell + 1).wrapping_mul(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1) >> 40;
        Rgb([40 + (noise % 170) as u8; 3])
    })
    .save(folder.join(name))
    .unwrap();
}

/// A folder of six chips and this label file.
fn set(labels: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let chips = folder.path().join("set");
    std::fs::create_dir(&chips).unwrap();
    for (k, name) in ["a.png", "b, c.png", "d.png", "e.png", "f.png", "g.png"].into_iter().enumerate() {
        chip(&chips, name, k as u32);
    }
    std::fs::write(chips.join("labels.csv"), labels).unwrap();
    folder
}

fn evaluate(folder: &Path) -> (serde_json::Value, String) {
    let arguments = ["evaluate", "--aligned-dataset", "set", "--json", "f.json", "--predictions", "p.csv"];
    let output = agegate(folder, &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json = serde_json::from_slice(&std::fs::read(folder.join("f.json")).unwrap()).unwrap();
    (json, text(&output.stdout))
}

/// Name and true age of each picture that was judged.
fn ages(folder: &Path) -> Vec<(String, String)> {
    evaluate(folder);
    let mut reader = csv::Reader::from_path(folder.join("p.csv")).unwrap();
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            let name = Path::new(&record[0]).file_name().unwrap().to_string_lossy().into_owned();
            (name, record[1].to_owned())
        })
        .collect()
}

fn own(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, age)| ((*name).to_owned(), (*age).to_owned())).collect()
}

#[test]
fn separators_quotes_marks_and_orders_of_columns_are_all_read() {
    let expected = own(&[("a.png", "17"), ("b, c.png", "30")]);
    for labels in [
        "path,age,person\na.png,17,p\n\"b, c.png\",30,q\n",
        "\u{feff}age;person;path\r\n17;p;a.png\r\n30;\"q; r\";b, c.png\r\n",
        "person\tpath\tage\np\ta.png\t17\n\tb, c.png\t30\n",
        "sep=;\nPath;Age\na.png;17,8\nb, c.png;30.2\n",
        "\"path\",\"age\",\"group\"\n\"a.png\",\"17,8\",\"of \"\"here\"\"\"\n\"b, c.png\",\"30\",\"\"\n",
    ] {
        assert_eq!(ages(set(labels).path()), expected, "{labels:?}");
    }
}

#[test]
fn pictures_of_one_named_person_count_once() {
    let folder = set("person;path;age\nx;a.png;17\nx;d.png;17\ny;e.png;30\n");
    let (figures, _) = evaluate(folder.path());
    assert_eq!((figures["images"].as_u64(), figures["people"].as_u64()), (Some(3), Some(2)));
}

#[test]
fn a_range_counts_as_the_age_in_it_that_is_worst_for_the_figure() {
    let exact = set("path,age\na.png,40\nd.png,40\n");
    let (one, said) = evaluate(exact.path());
    assert!(!said.contains("ranges of ages"), "{said}");
    // Whoever these chips are taken for is within 0 to 120: the same judgement, with ages left open.
    let folder = set("path,age\na.png,0-120\nd.png,40\n");
    let (range, said) = evaluate(folder.path());
    assert!(said.contains("ranges of ages        1"), "{said}");
    assert!(range["mae_years"].as_f64() > one["mae_years"].as_f64());
    let groups: u64 = range["by_group"].as_array().unwrap().iter().map(|g| g["images"].as_u64().unwrap()).sum();
    assert_eq!(groups, 1, "a table by age has no row for it");
    // Taken for an adult it is a minor let in, taken for a minor an adult turned away; never the other way round.
    let estimate = |name: &str| {
        let mut reader = csv::Reader::from_path(folder.path().join("p.csv")).unwrap();
        let row = reader.records().map(Result::unwrap).find(|r| r[0].ends_with(name)).unwrap();
        row[2].parse::<f64>().unwrap()
    };
    let (accepted, rejected) =
        (&range["threshold_18"]["false_accept_13_17"], &range["threshold_18"]["false_reject_adults"]["value"]);
    if estimate("a.png") >= 18.0 {
        assert_eq!(accepted["value"].as_f64(), Some(1.0));
        assert_eq!(rejected.as_f64(), Some(if estimate("d.png") >= 18.0 { 0.0 } else { 1.0 }));
    } else {
        assert!(accepted.is_null());
        assert!(rejected.as_f64() >= Some(0.5));
    }
}

#[test]
fn people_whose_range_reaches_over_the_threshold_are_no_minors_that_a_bound_may_rest_on() {
    let folder = set("path,age\na.png,10-19\nd.png,10-19\ne.png,13-17\nf.png,40\n");
    let arguments = ["calibrate", "--aligned-dataset", "set", "--max-false-accept", "0.3"];
    let output = agegate(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("1 people of 13-17 years cannot support"), "{}", text(&output.stderr));
}

#[test]
fn where_no_line_can_be_used_the_first_reason_is_shown() {
    let lines: String = (0..12).map(|k| format!("a.png,{}\n", if k == 0 { "seventeen" } else { "old" })).collect();
    let folder = set(&format!("path,age\n{lines}"));
    let output = agegate(folder.path(), &["evaluate", "--aligned-dataset", "set"]);
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(message.contains("labels.csv:2: age \"seventeen\", expected years such as 17"), "{message}");
}

#[test]
fn a_line_that_cannot_be_used_is_told_with_its_number_and_reason() {
    let folder = set("path,age\n\na.png,17\nd.png,19-10\n\"e.png,17\nf.png,18\n");
    let (_, said) = evaluate(folder.path());
    for told in ["labels.csv:4: age \"19-10\"", "labels.csv:5: a quote that is opened in this line"] {
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn a_file_that_links_lead_back_to_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let (chips, inner) = (folder.path().join("set"), folder.path().join("set/inner"));
    std::fs::create_dir_all(&inner).unwrap();
    chip(&inner, "20_0_0_1.png", 1);
    std::os::unix::fs::symlink(&chips, inner.join("back")).unwrap();
    std::os::unix::fs::symlink(&inner, chips.join("again")).unwrap();
    std::os::unix::fs::symlink(inner.join("20_0_0_1.png"), chips.join("30_0_0_1.png")).unwrap();
    std::os::unix::fs::symlink("self", chips.join("self")).unwrap();
    let (figures, said) = evaluate(folder.path());
    assert_eq!(figures["images"].as_u64(), Some(1), "{said}");
    assert!(said.contains("30_0_0_1.png: leads to") && said.contains("counted already"), "{said}");
    assert_eq!(ages(folder.path()), own(&[("20_0_0_1.png", "20")]), "where it lies, not where a link is");
}

#[test]
fn a_line_that_names_no_picture_is_told_with_the_line_and_the_path() {
    let folder = set("path,age\nnotes.png,17\n");
    std::fs::write(folder.path().join("set/notes.png"), "no picture at all").unwrap();
    let output = agegate(folder.path(), &["evaluate", "--dataset", "set"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    let expected = ["labels.csv:2: ", "set/notes.png: not a picture that can be read"];
    assert!(expected.iter().all(|part| said.contains(part)) && !said.contains("no face"), "{said}");
    // Beside one that can be read.
    std::fs::write(folder.path().join("set/labels.csv"), "path,age\nnotes.png,17\na.png,30\n").unwrap();
    let (_, printed) = evaluate(folder.path());
    assert!(expected.iter().all(|part| printed.contains(part)), "{printed}");
}

#[test]
fn predictions_say_what_the_policy_makes_of_each_picture_where_it_was_made_for_the_model() {
    let folder = set("path,age\na.png,17\nd.png,30\n");
    let rows = |more: &[&str]| {
        let arguments = ["evaluate", "--aligned-dataset", "set", "--predictions", "p.csv"];
        let output = agegate(folder.path(), &[&arguments[..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let mut reader = csv::Reader::from_path(folder.path().join("p.csv")).unwrap();
        let head: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
        assert_eq!(
            head.join(","),
            "path,age,estimate,p18,p25,female,mouth_covered,eyes_covered,weight,sure,old_enough"
        );
        reader.records().map(Result::unwrap).collect::<Vec<_>>()
    };
    let policy = |confidence: &str| {
        let policy = format!("threshold_age = 18\nchallenge_age = 18\nconfidence = {confidence}\n");
        std::fs::write(folder.path().join("policy.toml"), policy).unwrap();
        ["--policy", "policy.toml"]
    };
    for confidence in ["0.5", "0.999"] {
        for row in rows(&policy(confidence)) {
            let number = |k: usize| row[k].parse::<f64>().unwrap();
            let enough = number(9) >= confidence.parse().unwrap() && number(2) >= 18.0;
            assert_eq!(row[10].parse::<bool>().unwrap(), enough, "{row:?}");
            assert!((number(9) - number(3)).abs() < 1e-4, "asks for 18 at temperature 1: {row:?}");
            assert!((6..9).all(|k| (0.0..=1.0).contains(&number(k))), "{row:?}");
        }
    }
    // What is judged goes by the configuration that is given.
    let weights = |limit: &str| {
        std::fs::write(
            folder.path().join("gate.toml"),
            format!("[quality]\nmin_sharpness = 0.0\nmin_contrast = {limit}\n"),
        )
        .unwrap();
        let rows = rows(&["--config", "gate.toml"]);
        rows.iter().map(|row| row[8].parse::<f64>().unwrap()).collect::<Vec<_>>()
    };
    assert!(weights("1.0").iter().any(|weight| *weight > 0.0));
    assert!(weights("100.0").iter().all(|weight| *weight == 0.0));
    let foreign = "threshold_age = 18\nchallenge_age = 18\nconfidence = 0.5\nmodel = \"agegate-age-estimator/1/0123456789abcdef\"\n";
    std::fs::write(folder.path().join("policy.toml"), foreign).unwrap();
    let said = rows(&["--policy", "policy.toml"]);
    assert!(said.iter().all(|row| row[9].is_empty() && row[10].is_empty()), "{said:?}");
    let output = agegate(
        folder.path(),
        &["evaluate", "--aligned-dataset", "set", "--predictions", "p.csv", "--policy", "policy.toml"],
    );
    assert!(text(&output.stderr).contains("`sure` and `old_enough` stay empty"), "{}", text(&output.stderr));
}
