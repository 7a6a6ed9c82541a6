//! Label files: CSV as spreadsheets and scripts write it. Commas, semicolons or tabs, quotes, a byte order mark, columns in any
//! order; decimals and ranges of ages.

use super::{dataset::Gender, true_age::TrueAge};

/// Columns that a CSV may have, in any order; `set` is the data set's own division and not used.
const COLUMNS: [&str; 6] = ["path", "age", "gender", "group", "person", "set"];
/// What they are, for messages.
pub const EXPECTED: &str = "path and age, and where known gender, group and person";
/// What may stand between two fields.
const SEPARATORS: [(u8, &str); 3] = [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs")];

/// One line: a picture and what is known of the person in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The picture, from the CSV's folder.
    pub path: String,
    /// True age.
    pub age: TrueAge,
    /// Gender, where labelled.
    pub gender: Option<Gender>,
    /// Any group, where labelled.
    pub group: Option<String>,
    /// Who it is, where labelled.
    pub person: Option<String>,
}

/// Why a whole file cannot be read: what is wrong with its header, and the header.
#[derive(Debug, PartialEq, Eq)]
pub struct HeaderError {
    /// What is wrong.
    pub what: String,
    /// What was found.
    pub found: String,
    /// Line of the header, from 1.
    pub line: u64,
}

/// A line of a label file: its number, from 1, and its label or what is wrong with it.
pub type Line = (u64, Result<Label, String>);

/// Reads a label file: for each line its number, from 1, and the label or what is wrong with it.
///
/// # Errors
/// A header in which a column is missing, unknown or there twice.
pub fn read(text: &str) -> Result<Vec<Line>, HeaderError> {
    let text = text.trim_start_matches('\u{feff}');
    // A spreadsheet may say its separator in a line of its own.
    let said = text.lines().next().and_then(|l| l.trim().strip_prefix("sep=")).and_then(|s| s.bytes().next());
    let body = if said.is_some() { text.split_once('\n').map_or("", |(_, rest)| rest) } else { text };
    let before = text.len() - body.len();
    let line_at = |byte: usize| {
        // Empty lines are part of what comes before a record.
        let skipped = text[before + byte..].bytes().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        1 + text.as_bytes()[..before + byte + skipped].iter().filter(|b| **b == b'\n').count() as u64
    };
    let separator = said.unwrap_or_else(|| separator_of(body));
    let mut reader =
        csv::ReaderBuilder::new().delimiter(separator).flexible(true).trim(csv::Trim::All).from_reader(body.as_bytes());
    let start = body.bytes().take_while(|b| matches!(b, b'\n' | b'\r')).count();
    let found = body[start..].lines().next().unwrap_or_default().trim().to_owned();
    let line = line_at(start);
    let names: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(|name| usual(&name.to_ascii_lowercase())).collect(),
        Err(error) => return Err(HeaderError { what: error.to_string(), found, line }),
    };
    check(&names).map_err(|what| HeaderError { what, found, line })?;
    let mut labels = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let at = line_at(usize::try_from(reader.position().byte()).unwrap_or(body.len()));
        match reader.read_record(&mut record) {
            Ok(true) => labels.push((at, label(&record, &names))),
            Ok(false) => return Ok(labels),
            Err(error) => labels.push((at, Err(error.to_string()))),
        }
    }
}

/// The separator with which the first line has a column `path`; of several, the one that makes the most columns.
fn separator_of(text: &str) -> u8 {
    let fields = |separator: u8| {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(separator).trim(csv::Trim::All).from_reader(text.as_bytes());
        let header = reader.headers().cloned().unwrap_or_default();
        (header.iter().any(|name| usual(&name.to_ascii_lowercase()) == "path"), header.len())
    };
    // The first of equals, as `max_by_key` takes the last.
    SEPARATORS.iter().rev().map(|(separator, _)| *separator).max_by_key(|s| fields(*s)).unwrap_or(b',')
}

/// The name under which a column is read; other sets have other words for it.
fn usual(name: &str) -> String {
    match name {
        "file" | "filename" | "image" | "picture" => "path",
        "age_group" | "age group" => "age",
        "ethnicity" | "race" => "group",
        "sex" => "gender",
        other => other,
    }
    .to_owned()
}

fn check(names: &[String]) -> Result<(), String> {
    for needed in ["path", "age"] {
        if !names.iter().any(|n| n == needed) {
            let words = SEPARATORS.map(|(_, word)| word);
            return Err(format!("no column {needed:?} between {}, {} or {}", words[0], words[1], words[2]));
        }
    }
    for (k, name) in names.iter().enumerate() {
        if !COLUMNS.contains(&name.as_str()) {
            return Err(format!("a column {name:?} that nobody knows"));
        }
        if names[..k].contains(name) {
            return Err(format!("the column {name:?} twice"));
        }
    }
    Ok(())
}

fn label(record: &csv::StringRecord, names: &[String]) -> Result<Label, String> {
    if record.iter().any(|field| field.contains('\n')) {
        return Err("a quote that is opened in this line is not closed in it".into());
    }
    if record.len() != names.len() {
        return Err(format!("{} fields, expected {}", record.len(), names.len()));
    }
    let field = |name: &str| names.iter().position(|c| c == name).map(|k| &record[k]).filter(|f| !f.is_empty());
    let age = TrueAge::parse(field("age").unwrap_or_default())?;
    let gender = match field("gender").map(str::to_ascii_lowercase).as_deref() {
        None => None,
        Some("0" | "m" | "male") => Some(Gender::Male),
        Some("1" | "f" | "female") => Some(Gender::Female),
        Some(other) => return Err(format!("gender {other:?}, expected male, female or nothing")),
    };
    let path = field("path").ok_or("no path, expected that of a picture")?;
    let (group, person) = (field("group").map(str::to_owned), field("person").map(str::to_owned));
    Ok(Label { path: path.to_owned(), age, gender, group, person })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ages(text: &str) -> Vec<String> {
        read(text)
            .unwrap()
            .into_iter()
            .map(|(line, l)| format!("{line} {}", l.map_or_else(|e| e, |l| l.age.to_string())))
            .collect()
    }

    #[test]
    fn a_file_is_read_whatever_its_separator() {
        for text in [
            "path,age\na.jpg,17\nb.jpg,\"17,5\"\n",
            "\u{feff}path;age\r\na.jpg;17\r\nb.jpg;17,5\r\n",
            "age\tpath\n17\ta.jpg\n17.5\tb.jpg",
            "\"path\",\"age\"\n\"a.jpg\",\"17\"\n\"b.jpg\",\"17.2\"\n",
        ] {
            assert_eq!(ages(text), ["2 17", "3 17"], "{text:?}");
        }
        assert_eq!(ages("sep=;\npath;age\na.jpg;17\n"), ["3 17"]);
    }

    #[test]
    fn a_line_has_the_number_that_an_editor_shows() {
        assert_eq!(ages("\n\npath,age\n\na.jpg,17\n\r\n\nb.jpg,18\n"), ["5 17", "8 18"]);
        let told = ages("path,age\n\"a.jpg,17\nb.jpg,18\n");
        assert_eq!(told, ["2 a quote that is opened in this line is not closed in it"]);
    }

    #[test]
    fn a_header_that_cannot_be_read_is_told() {
        let error = read("path|age\na.jpg|17\n").unwrap_err();
        assert!(error.what.contains("commas, semicolons or tabs") && error.found == "path|age", "{error:?}");
        assert_eq!(read("").unwrap_err().found, "");
    }

    proptest! {
        #[test]
        fn no_text_ends_the_program(text in "(path,age\n)?[a,;\"\t\r\n\u{feff}0-9.+-]{0,60}") {
            if let Ok(labels) = read(&text) {
                let last = text.lines().count() as u64 + 1;
                prop_assert!(labels.iter().all(|(line, _)| *line <= last));
            }
        }
    }
}
