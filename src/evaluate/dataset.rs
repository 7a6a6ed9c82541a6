//! Labelled pictures from one or several sources: folders in the UTKFace naming scheme, folders with a `labels.csv`, or such
//! a CSV itself ([`super::labels`]).
//!
//! Nothing is skipped silently: a file that cannot be used is a [`Rejected`] with the reason, and is counted.

use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    Input,
    labels::{self, EXPECTED},
    true_age::TrueAge,
};
use crate::out;

/// Gender as a data set labels it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// 0 in UTKFace.
    Male,
    /// 1 in UTKFace.
    Female,
}

impl fmt::Display for Gender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Male => "male",
            Self::Female => "female",
        })
    }
}

/// Name of the CSV that labels the pictures of its folder.
const LABELS: &str = "labels.csv";

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Folder or CSV.
    pub path: PathBuf,
    /// What its pictures are.
    pub input: Input,
}

/// A picture and what is known of the person in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The picture.
    pub path: PathBuf,
    /// True age.
    pub age: TrueAge,
    /// Gender, where labelled.
    pub gender: Option<Gender>,
    /// Ethnicity or any other group, where labelled.
    pub group: Option<String>,
    /// Who it is, where labelled: pictures of one person count once.
    pub person: Option<String>,
    /// Number of the source, from 0.
    pub source: usize,
    /// Whether it is a chip already.
    pub input: Input,
    /// File and line of the list that names it, where one does.
    pub listed: Option<String>,
}

impl Sample {
    /// Where to look when the picture cannot be used: the line that names it, or the picture itself.
    #[must_use]
    pub fn place(&self) -> String {
        self.listed.clone().unwrap_or_else(|| self.path.display().to_string())
    }
}

/// A file or line that cannot be evaluated, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rejected {
    /// File, or file and line.
    pub place: String,
    /// What is wrong with it and what was expected.
    pub reason: String,
}

impl fmt::Display for Rejected {
    /// In one line, whatever the name of the file holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&out::one_line(&format!("{}: {}", self.place, self.reason)))
    }
}

impl Rejected {
    /// A picture that cannot be opened, and why; the path is not told twice.
    pub(super) fn picture(place: String, error: &crate::picture::PictureError) -> Self {
        let told = error.to_string();
        let reason = told.strip_prefix(&format!("{place}: ")).unwrap_or(&told).to_owned();
        Self { place, reason }
    }
}

/// A data set as found on disk.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// The sources.
    pub sources: Vec<Source>,
    /// Usable entries, sorted by path within each source.
    pub samples: Vec<Sample>,
    /// Unusable ones.
    pub rejected: Vec<Rejected>,
}

/// Why a data set could not be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// Folder or file unreadable.
    #[error("data set {}: cannot read it: {source}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A CSV whose header is not the expected one.
    #[error("data set {}, line {line}: {what}; the columns are {found:?}, expected {EXPECTED}", path.display())]
    Header {
        /// The CSV.
        path: PathBuf,
        /// Line of its header.
        line: u64,
        /// What is wrong.
        what: String,
        /// The header.
        found: String,
    },
    /// Nothing usable.
    #[error("data set {}: no labelled picture in it ({rejected} unusable{first}); expected files named [age]_[gender]_[ethnicity]_[date].jpg, or a CSV with the columns {EXPECTED}", path.display())]
    Empty {
        /// Folder or file.
        path: PathBuf,
        /// How many entries could not be used.
        rejected: usize,
        /// The first of them, after a comma and a space.
        first: String,
    },
}

impl Dataset {
    /// Opens the sources, each a folder or a CSV file.
    ///
    /// # Errors
    /// [`DatasetError`] if one cannot be read or holds no usable entry.
    pub fn open(sources: &[Source]) -> Result<Self, DatasetError> {
        let mut whole = Self { sources: sources.to_vec(), ..Self::default() };
        for (number, source) in sources.iter().enumerate() {
            let mut set = Reader { source, number, samples: Vec::new(), rejected: Vec::new(), been: HashSet::new() };
            if source.path.is_dir() {
                set.folder(&source.path)?;
            } else {
                set.csv(&source.path)?;
            }
            let Reader { mut samples, mut rejected, .. } = set;
            samples.sort_by(|a, b| a.path.cmp(&b.path));
            rejected.sort_by(|a, b| a.0.cmp(&b.0));
            let mut found = Self { samples, rejected: rejected.into_iter().map(|r| r.1).collect(), ..Self::default() };
            if found.samples.is_empty() {
                let first = found.rejected.first().map(|r| format!(", such as {r}"));
                let (path, rejected) = (source.path.clone(), found.rejected.len());
                return Err(DatasetError::Empty { path, rejected, first: first.unwrap_or_default() });
            }
            whole.samples.append(&mut found.samples);
            whole.rejected.append(&mut found.rejected);
        }
        Ok(whole)
    }

    /// Name of a source in figures and reports: that of its folder or file, or the whole path where two have the same.
    #[must_use]
    pub fn source_name(&self, number: usize) -> String {
        let Some(source) = self.sources.get(number) else { return String::new() };
        let alike = self.sources.iter().filter(|s| s.path.file_name() == source.path.file_name()).count();
        match source.path.file_name() {
            Some(name) if alike == 1 => name.to_string_lossy().into_owned(),
            _ => source.path.display().to_string(),
        }
    }
}

/// Reads one source.
struct Reader<'a> {
    source: &'a Source,
    number: usize,
    samples: Vec<Sample>,
    /// By file and line.
    rejected: Vec<((PathBuf, u64), Rejected)>,
    /// Folders and files read already: links may lead back to them.
    been: HashSet<PathBuf>,
}

impl Reader<'_> {
    /// Walks through a folder; links are followed last, so that a file that several lead to is counted where it lies.
    fn folder(&mut self, path: &Path) -> Result<(), DatasetError> {
        let mut folders = vec![path.to_owned()];
        let mut links = Vec::new();
        while let Some(next) = folders.pop().or_else(|| links.pop()) {
            if !next.is_dir() {
                self.named(next);
                continue;
            }
            let read = |source| DatasetError::Read { path: next.clone(), source };
            if !self.been.insert(next.canonicalize().map_err(read)?) {
                continue;
            }
            let labels = next.join(LABELS);
            if labels.is_file() {
                self.labelled_folder(&next, &labels)?;
                continue;
            }
            for entry in std::fs::read_dir(&next).map_err(read)? {
                let entry = entry.map_err(read)?.path();
                match entry.symlink_metadata().map(|m| m.file_type()) {
                    Ok(kind) if kind.is_symlink() => links.push(entry),
                    Ok(kind) if kind.is_dir() => folders.push(entry),
                    _ => self.named(entry),
                }
            }
            links.sort_by(|a, b| b.cmp(a));
        }
        Ok(())
    }

    /// A picture that is labelled by its name.
    fn named(&mut self, path: PathBuf) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let label = utkface_label(&name).and_then(|label| {
            usable(&path)?;
            match path.canonicalize() {
                Ok(real) if !self.been.insert(real.clone()) => {
                    Err(format!("leads to {}, which is counted already", real.display()))
                }
                _ => Ok(label),
            }
        });
        match label {
            Ok((age, gender, group)) => self.samples.push(Sample {
                path,
                age,
                gender: Some(gender),
                group: Some(group),
                person: None,
                source: self.number,
                input: self.source.input,
                listed: None,
            }),
            Err(reason) => {
                self.rejected.push(((path.clone(), 0), Rejected { place: path.display().to_string(), reason }));
            }
        }
    }

    /// A folder whose pictures are labelled by a CSV in it; pictures that it does not name are counted, not judged.
    fn labelled_folder(&mut self, folder: &Path, labels: &Path) -> Result<(), DatasetError> {
        self.csv(labels)?;
        let read = |source| DatasetError::Read { path: folder.into(), source };
        let named: HashSet<&Path> = self.samples.iter().map(|s| s.path.as_path()).collect();
        let mut others = 0usize;
        for entry in std::fs::read_dir(folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            others += usize::from(is_picture_name(&path.to_string_lossy()) && !named.contains(path.as_path()));
        }
        if others > 0 {
            let reason = format!("{others} pictures in the folder have no usable line in it");
            // After all of its lines, whose reasons say more.
            self.rejected.push(((labels.into(), u64::MAX), Rejected { place: labels.display().to_string(), reason }));
        }
        Ok(())
    }

    fn csv(&mut self, path: &Path) -> Result<(), DatasetError> {
        let text = crate::regular::read_text(path, 1 << 30)
            .map_err(|source| DatasetError::Read { path: path.into(), source })?;
        let labels = labels::read(&text).map_err(|e| DatasetError::Header {
            path: path.into(),
            line: e.line,
            what: e.what,
            found: e.found,
        })?;
        let base = path.parent().unwrap_or_else(|| Path::new("."));
        for (line, label) in labels {
            let place = format!("{}:{line}", path.display());
            let sample = label.and_then(|label| {
                let path = base.join(label.path);
                usable(&path)?;
                let (source, input) = (self.number, self.source.input);
                let labels::Label { age, gender, group, person, .. } = label;
                Ok(Sample { path, age, gender, group, person, source, input, listed: Some(place.clone()) })
            });
            match sample {
                Ok(sample) => self.samples.push(sample),
                Err(reason) => self.rejected.push(((path.into(), line), Rejected { place, reason })),
            }
        }
        Ok(())
    }
}

/// Whether a path leads to a file: a pipe of that name would hold the program for ever.
fn usable(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(()),
        Ok(_) => Err(format!("{} is no file", path.display())),
        Err(_) => Err(format!("the picture {} does not exist", path.display())),
    }
}

fn is_picture_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".jpg", ".jpeg", ".png"].iter().any(|end| lower.ends_with(end))
}

/// Age, gender and ethnicity of a file named `[age]_[gender]_[ethnicity]_[date].jpg`.
fn utkface_label(name: &str) -> Result<(TrueAge, Gender, String), String> {
    let scheme = "expected [age]_[gender]_[ethnicity]_[date].jpg";
    if !is_picture_name(name) {
        return Err(format!("not a JPEG or PNG name; {scheme}"));
    }
    let parts: Vec<&str> = name.split('_').collect();
    if parts.len() < 4 {
        return Err(format!("{} parts between underscores; {scheme}", parts.len()));
    }
    let age = TrueAge::parse(parts[0])?;
    let gender = match parts[1] {
        "0" => Gender::Male,
        "1" => Gender::Female,
        other => return Err(format!("gender {other:?}, expected 0 (male) or 1 (female)")),
    };
    let group = match parts[2] {
        "0" => "White",
        "1" => "Black",
        "2" => "Asian",
        "3" => "Indian",
        "4" => "other",
        found => return Err(format!("ethnicity {found:?}, expected 0 to 4")),
    };
    Ok((age, gender, group.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_utkface_name_is_read_whole() {
        assert_eq!(
            utkface_label("26_1_2_2017.jpg.chip.jpg").unwrap(),
            (TrueAge::exactly(26), Gender::Female, "Asian".into())
        );
    }

    #[test]
    fn a_name_that_breaks_the_scheme_says_how() {
        assert!(utkface_label("39_1_20170112.jpg").unwrap_err().contains("3 parts"));
        assert!(utkface_label("x_1_2_3.jpg").unwrap_err().contains("age \"x\""));
        assert!(utkface_label("150_1_2_3.jpg").unwrap_err().contains("0 to 120"));
        assert!(utkface_label("20_7_2_3.jpg").unwrap_err().contains("gender \"7\""));
        assert!(utkface_label("notes.txt").unwrap_err().contains("not a JPEG"));
    }

    fn labels(text: &str) -> (tempfile::TempDir, Result<Dataset, DatasetError>) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.jpg", "b.jpg", "c.jpg"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        std::fs::write(folder.path().join("labels.csv"), text).unwrap();
        let source = Source { path: folder.path().into(), input: Input::Pictures };
        let set = Dataset::open(&[source]);
        (folder, set)
    }

    #[test]
    fn a_folder_with_labels_is_read_by_them_in_any_order_of_the_columns() {
        let (_folder, set) = labels("person,age,path,set,gender,group\np1,17,a.jpg,s,f,Asian\np1,18,b.jpg,s,,\n");
        let set = set.unwrap();
        assert_eq!(set.samples.len(), 2);
        let first = &set.samples[0];
        assert_eq!(
            (first.age, first.gender, first.person.as_deref()),
            (TrueAge::exactly(17), Some(Gender::Female), Some("p1"))
        );
        assert_eq!((set.samples[1].gender, set.samples[1].group.clone()), (None, None));
        assert!(set.rejected[0].reason.contains("1 pictures in the folder"), "{:?}", set.rejected);
    }

    #[test]
    fn a_column_that_nobody_knows_is_no_column_that_is_left_out() {
        for (header, expected) in
            [("path,age,persn", "\"persn\""), ("path,gender", "\"age\""), ("path,age,age", "twice")]
        {
            let error = labels(&format!("{header}\na.jpg,20,x\n")).1.unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("line 1"), "{error}");
        }
    }

    #[test]
    fn an_unusable_line_is_told_with_its_number() {
        let (_folder, set) = labels("path,age,person\na.jpg,20,x\nb.jpg,twenty,x\nnone.jpg,20,x\nc.jpg,20\n");
        let set = set.unwrap();
        let told: Vec<String> = set.rejected.iter().map(|r| format!("{}: {}", r.place, r.reason)).collect();
        for (line, what) in [("csv:3", "twenty"), ("csv:4", "does not exist"), ("csv:5", "2 fields")] {
            assert!(told.iter().any(|t| t.contains(line) && t.contains(what)), "{told:?}");
        }
    }

    #[test]
    fn a_source_is_named_by_its_folder_unless_two_are_alike() {
        let names = |paths: &[&str]| {
            let sources = paths.iter().map(|p| Source { path: (*p).into(), input: Input::Chips }).collect();
            let set = Dataset { sources, ..Dataset::default() };
            (0..paths.len()).map(|k| set.source_name(k)).collect::<Vec<_>>()
        };
        assert_eq!(names(&["/x/chips", "portraits/"]), ["chips", "portraits"]);
        assert_eq!(names(&["a/set", "b/set"]), ["a/set", "b/set"]);
    }
}
