//! Labelled pictures: a folder in the UTKFace naming scheme, or a CSV of `path,age[,gender[,group]]`.
//!
//! Nothing is skipped silently: a file that cannot be used is a [`Rejected`] with the reason, and is counted.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// Oldest age that a label may have, in years.
pub const OLDEST: u32 = 120;

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

/// A picture and what is known of the person in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The picture.
    pub path: PathBuf,
    /// True age in whole years.
    pub age: u32,
    /// Gender, where labelled.
    pub gender: Option<Gender>,
    /// Ethnicity or any other group, where labelled.
    pub group: Option<String>,
}

/// A file or line that cannot be evaluated, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rejected {
    /// File, or file and line.
    pub place: String,
    /// What is wrong with it and what was expected.
    pub reason: String,
}

/// A data set as found on disk.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Usable entries, sorted by path.
    pub samples: Vec<Sample>,
    /// Unusable ones.
    pub rejected: Vec<Rejected>,
}

/// Why a data set could not be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// Folder or file unreadable.
    #[error("data set {}: cannot read it", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A CSV whose first line is not the expected one.
    #[error("data set {}, line 1: the columns are {found:?}, expected path,age[,gender[,group]]", path.display())]
    Header {
        /// The CSV.
        path: PathBuf,
        /// Its first line.
        found: String,
    },
    /// Nothing usable.
    #[error("data set {}: no labelled picture in it ({rejected} unusable); expected files named [age]_[gender]_[ethnicity]_[date].jpg or a CSV of path,age[,gender[,group]]", path.display())]
    Empty {
        /// Folder or file.
        path: PathBuf,
        /// How many entries could not be used.
        rejected: usize,
    },
}

impl Dataset {
    /// Opens a folder (UTKFace names) or a CSV file.
    ///
    /// # Errors
    /// [`DatasetError`] if it cannot be read or holds no usable entry.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let mut set = if path.is_dir() { Self::folder(path)? } else { Self::csv(path)? };
        set.samples.sort_by(|a, b| a.path.cmp(&b.path));
        set.rejected.sort_by(|a, b| a.place.cmp(&b.place));
        if set.samples.is_empty() {
            return Err(DatasetError::Empty { path: path.into(), rejected: set.rejected.len() });
        }
        Ok(set)
    }

    fn folder(path: &Path) -> Result<Self, DatasetError> {
        let read = |source| DatasetError::Read { path: path.into(), source };
        let mut set = Self::default();
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(read)? {
                let entry = entry.map_err(read)?.path();
                if entry.is_dir() {
                    folders.push(entry);
                    continue;
                }
                let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
                match utkface_label(&name) {
                    Ok((age, gender, group)) => {
                        set.samples.push(Sample { path: entry, age, gender: Some(gender), group: Some(group) });
                    }
                    Err(reason) => set.rejected.push(Rejected { place: entry.display().to_string(), reason }),
                }
            }
        }
        Ok(set)
    }

    fn csv(path: &Path) -> Result<Self, DatasetError> {
        let text = std::fs::read_to_string(path).map_err(|source| DatasetError::Read { path: path.into(), source })?;
        let base = path.parent().unwrap_or_else(|| Path::new("."));
        let mut lines = text.lines().enumerate();
        let header = lines.next().map_or("", |(_, line)| line).trim_start_matches('\u{feff}').trim();
        let columns: Vec<String> = header.split(',').map(|c| c.trim().to_ascii_lowercase()).collect();
        if !["path,age", "path,age,gender", "path,age,gender,group"].contains(&columns.join(",").as_str()) {
            return Err(DatasetError::Header { path: path.into(), found: header.into() });
        }
        let mut set = Self::default();
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            match csv_sample(line, columns.len(), base) {
                Ok(sample) => set.samples.push(sample),
                Err(reason) => {
                    set.rejected.push(Rejected { place: format!("{}:{}", path.display(), index + 1), reason });
                }
            }
        }
        Ok(set)
    }
}

fn csv_sample(line: &str, columns: usize, base: &Path) -> Result<Sample, String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    if fields.len() != columns {
        return Err(format!("{} fields, expected {columns}", fields.len()));
    }
    let age = age_of(fields[1])?;
    let gender = match fields.get(2).map(|g| g.to_ascii_lowercase()).as_deref() {
        None | Some("") => None,
        Some("0" | "m" | "male") => Some(Gender::Male),
        Some("1" | "f" | "female") => Some(Gender::Female),
        Some(other) => return Err(format!("gender {other:?}, expected male, female or nothing")),
    };
    let picture = base.join(fields[0]);
    if !picture.is_file() {
        return Err(format!("the picture {} does not exist", picture.display()));
    }
    let group = fields.get(3).filter(|g| !g.is_empty()).map(|g| (*g).to_owned());
    Ok(Sample { path: picture, age, gender, group })
}

fn age_of(text: &str) -> Result<u32, String> {
    let age: u32 = text.parse().map_err(|_| format!("age {text:?}, expected whole years, 0 to {OLDEST}"))?;
    if age > OLDEST {
        return Err(format!("age {age}, expected 0 to {OLDEST} years"));
    }
    Ok(age)
}

/// Age, gender and ethnicity of a file named `[age]_[gender]_[ethnicity]_[date].jpg`.
fn utkface_label(name: &str) -> Result<(u32, Gender, String), String> {
    let scheme = "expected [age]_[gender]_[ethnicity]_[date].jpg";
    let lower = name.to_ascii_lowercase();
    if ![".jpg", ".jpeg", ".png"].iter().any(|end| lower.ends_with(end)) {
        return Err(format!("not a JPEG or PNG name; {scheme}"));
    }
    let parts: Vec<&str> = name.split('_').collect();
    if parts.len() < 4 {
        return Err(format!("{} parts between underscores; {scheme}", parts.len()));
    }
    let age = age_of(parts[0])?;
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
        assert_eq!(utkface_label("26_1_2_2017.jpg.chip.jpg").unwrap(), (26, Gender::Female, "Asian".into()));
    }

    #[test]
    fn a_name_that_breaks_the_scheme_says_how() {
        assert!(utkface_label("39_1_20170112.jpg").unwrap_err().contains("3 parts"));
        assert!(utkface_label("x_1_2_3.jpg").unwrap_err().contains("age \"x\""));
        assert!(utkface_label("150_1_2_3.jpg").unwrap_err().contains("0 to 120"));
        assert!(utkface_label("20_7_2_3.jpg").unwrap_err().contains("gender \"7\""));
        assert!(utkface_label("notes.txt").unwrap_err().contains("not a JPEG"));
    }
}
