//! Pictures of attacks and of living people, and how living each looks: the sub-folders of a folder name what was held up before
//! the camera (the attack instrument, in the words of ISO/IEC 30107-3), and `live` is nobody's attack.
//!
//! Nothing is skipped silently: a file that cannot be used is a [`Rejected`] with the reason; a picture in which no face is
//! found is counted, and nobody is let in by it.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{
    Eyes,
    dataset::{Gender, Rejected},
    progress_bar,
};
use crate::{
    picture,
    vision::{FoundBy, LivenessScore, ModelError, nearest},
};

/// The sub-folder of living people.
pub const LIVE: &str = "live";
/// Name of a CSV that labels the pictures of its folder and of those inside it.
const LABELS: &str = "labels.csv";

/// A picture of an attack, or of somebody living.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The picture.
    pub path: PathBuf,
    /// What was held up: the sub-folder's name, or [`LIVE`].
    pub instrument: String,
    /// Gender, where labelled.
    pub gender: Option<Gender>,
    /// Ethnicity or any other group, where labelled.
    pub group: Option<String>,
}

/// Such pictures, as found on disk.
#[derive(Clone, Debug, Default)]
pub struct AttackSet {
    /// By instrument, then by folder, then by name.
    pub pictures: Vec<Held>,
    /// Files that cannot be used.
    pub rejected: Vec<Rejected>,
}

/// Why they could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AttackSetError {
    /// A folder or file cannot be read.
    #[error("attacks {}: cannot read it: {source}", path.display())]
    Read {
        /// Folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing usable.
    #[error("attacks {}: no picture in a sub-folder of it; expected folders of pictures that are named after what is held up, such as screen and print, and {LIVE} for living people", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Nobody living.
    #[error("living people {}: no picture in it; expected pictures of living people, as they come or in sub-folders", path.display())]
    NobodyLiving {
        /// The folder.
        path: PathBuf,
    },
    /// A folder of attacks among the living, who would be refused as often as these are.
    #[error("living people {}: by its name it holds attacks, which would be counted as living people; expected them in a folder of their own with `--attacks`", path.display())]
    Attacks {
        /// The folder.
        path: PathBuf,
    },
    /// A folder whose name says that living people are in it, in other words than the one that is known.
    #[error("attacks {}: by its name it holds living people, who would be counted as attacks; expected them in the sub-folder {LIVE} beside those of attacks, or in a folder of their own with `--live`", path.display())]
    Living {
        /// The folder.
        path: PathBuf,
    },
    /// Of one kind of attack, or of the living, no picture can be read: its row would be missing, as if nobody had tried.
    #[error("attacks: none of the {pictures} pictures of {instrument:?} can be read, such as {first}")]
    Unreadable {
        /// What was held up.
        instrument: String,
        /// How many pictures there are of it.
        pictures: usize,
        /// The first, and why.
        first: String,
    },
    /// A model fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A list of labels that names no pictures.
    #[error("labels {}, line 1: no column \"path\"; the columns are {found:?}, expected path, and as far as they are known gender and group", path.display())]
    Labels {
        /// The CSV.
        path: PathBuf,
        /// Its first line.
        found: String,
    },
}

/// A picture and how living the face in it looks.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The picture.
    pub held: Held,
    /// The score; `None` where no face was found.
    pub score: Option<LivenessScore>,
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub struct AllSeen {
    /// Pictures that could be opened.
    pub seen: Vec<Seen>,
    /// Files that could not be used.
    pub rejected: Vec<Rejected>,
    /// By what the faces were found.
    pub found_by: FoundBy,
}

/// What a folder's name says of whoever is in its pictures.
#[derive(PartialEq)]
enum Named {
    /// That they live.
    Living,
    /// That they are people, which those are, too, of whom a picture is held up.
    People,
    /// That it is held up.
    Attacks,
    /// Something else.
    Other,
}

impl Named {
    fn by(name: &str) -> Self {
        const HOW: [&str; 10] =
            ["live", "living", "lives", "alive", "bonafide", "genuine", "real", "authentic", "normal", "noattack"];
        const WHO: [&str; 9] =
            ["people", "persons", "person", "subjects", "humans", "human", "faces", "face", "clients"];
        // Those that the shipped policies know, and what else they are called; a photo and a video may as well be ways to look at the living.
        const HELD: [&str; 24] = [
            "attack",
            "spoof",
            "fake",
            "replay",
            "screen",
            "display",
            "print",
            "printed",
            "mask",
            "phone",
            "tablet",
            "monitor",
            "paper",
            "card",
            "cartoon",
            "glossy",
            "halftone",
            "posterised",
            "posterized",
            "sketch",
            "statue",
            "poster",
            "cutout",
            "printout",
        ];
        let letters: String = name.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
        let who = WHO.iter().find_map(|who| letters.strip_suffix(who));
        match who.unwrap_or(&letters) {
            how if HOW.contains(&how) => Self::Living,
            _ if HELD.contains(&letters.strip_suffix("es").unwrap_or(&letters)) => Self::Attacks,
            _ if HELD.contains(&letters.strip_suffix('s').unwrap_or(&letters)) => Self::Attacks,
            "" if who.is_some() => Self::People,
            _ => Self::Other,
        }
    }
}

impl AttackSet {
    /// Opens folders of attacks, whose sub-folders name them, and folders of living people.
    ///
    /// # Errors
    /// [`AttackSetError`] if one cannot be read, or has no picture in it.
    pub fn open(attacks: &[PathBuf], live: &[PathBuf]) -> Result<Self, AttackSetError> {
        let mut set = Self::default();
        for folder in attacks {
            let before = set.pictures.len();
            set.labelled(folder, |set| {
                for path in sorted(folder)? {
                    match path.file_name().unwrap_or_default().to_string_lossy() {
                        hidden if hidden.starts_with('.') => {}
                        name if path.is_dir() => {
                            let instrument = instrument(&name);
                            if instrument != LIVE && matches!(Named::by(&name), Named::Living | Named::People) {
                                return Err(AttackSetError::Living { path });
                            }
                            let before = (set.pictures.len(), set.rejected.len());
                            set.walk(&path, &instrument)?;
                            if (set.pictures.len(), set.rejected.len()) == before {
                                set.reject(&path, "no picture in it: nothing is said of such attacks");
                            }
                        }
                        _ if picture::is_picture(&path) => {
                            let reason = format!("it lies in no sub-folder that says what it shows, such as {LIVE}");
                            set.reject(&path, &reason);
                        }
                        _ => {}
                    }
                }
                Ok(())
            })?;
            if set.pictures.len() == before {
                return Err(AttackSetError::Empty { path: folder.clone() });
            }
        }
        for folder in live {
            let name = folder.canonicalize().unwrap_or_else(|_| folder.clone());
            if Named::by(&name.file_name().unwrap_or_default().to_string_lossy()) == Named::Attacks {
                return Err(AttackSetError::Attacks { path: folder.clone() });
            }
            let before = set.pictures.len();
            set.walk(folder, LIVE)?;
            if set.pictures.len() == before {
                return Err(AttackSetError::NobodyLiving { path: folder.clone() });
            }
        }
        // Folder by folder: frames that follow each other in one are those of a visit.
        set.pictures
            .sort_by_cached_key(|h| (h.instrument.clone(), h.path.parent().map(Path::to_owned), h.path.clone()));
        Ok(set)
    }

    /// Takes in the pictures of a folder and of those inside it.
    fn walk(&mut self, folder: &Path, instrument: &str) -> Result<(), AttackSetError> {
        self.labelled(folder, |set| {
            for path in sorted(folder)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if name.starts_with('.') || name == LABELS {
                    continue;
                }
                // A link may lead back: folders are followed only where they are none.
                if path.is_dir() {
                    // Among prints of people a folder may be named after the people, and after no living ones.
                    match Named::by(&name) {
                        Named::Living if instrument != LIVE => return Err(AttackSetError::Living { path }),
                        Named::Attacks if instrument == LIVE => return Err(AttackSetError::Attacks { path }),
                        _ => {}
                    }
                    if !path.is_symlink() {
                        set.walk(&path, instrument)?;
                    }
                } else if picture::is_picture(&path) {
                    let instrument = instrument.to_owned();
                    set.pictures.push(Held { path: path.clone(), instrument, gender: None, group: None });
                } else {
                    set.reject(&path, &format!("not the name of a picture ({})", picture::KINDS));
                }
            }
            Ok(())
        })
    }

    /// Takes in pictures, and then the labels of their folder, if it has any.
    fn labelled(
        &mut self,
        folder: &Path,
        pictures: impl FnOnce(&mut Self) -> Result<(), AttackSetError>,
    ) -> Result<(), AttackSetError> {
        let before = self.pictures.len();
        pictures(self)?;
        let csv = folder.join(LABELS);
        if !csv.is_file() {
            return Ok(());
        }
        let mut labels = self.labels(&csv, folder)?;
        for held in &mut self.pictures[before..] {
            if let Some((gender, group)) = labels.remove(&held.path) {
                (held.gender, held.group) = (gender, group);
            }
        }
        for path in labels.into_keys() {
            self.reject(&csv, &format!("it names {}, which is no picture of its folder", path.display()));
        }
        Ok(())
    }

    /// Gender and group by picture. What else a list says of people is not used here.
    fn labels(&mut self, csv: &Path, folder: &Path) -> Result<Labels, AttackSetError> {
        let read = |source| AttackSetError::Read { path: csv.into(), source };
        let text = crate::regular::read_text(csv, 1 << 30).map_err(read)?;
        let mut lines = text.lines().enumerate();
        let header = lines.next().map_or("", |(_, line)| line).trim_start_matches('\u{feff}').trim();
        let names: Vec<String> = header.split(',').map(|c| c.trim().to_ascii_lowercase()).collect();
        let column = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let Some(path) = column(&["path"]) else {
            return Err(AttackSetError::Labels { path: csv.into(), found: header.into() });
        };
        let (gender, group) = (column(&["gender"]), column(&["group", "ethnicity"]));
        let mut labels = Labels::new();
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let field = |k: Option<usize>| k.and_then(|k| fields.get(k)).copied().filter(|f| !f.is_empty());
            match (fields.len() == names.len(), field(Some(path)), gender_of(field(gender))) {
                (true, Some(path), Ok(gender)) => {
                    labels.insert(folder.join(path), (gender, field(group).map(str::to_owned)));
                }
                (true, Some(_), Err(reason)) => self.reject_line(csv, number, reason),
                (false, ..) => {
                    self.reject_line(csv, number, format!("{} fields, expected {}", fields.len(), names.len()));
                }
                (true, None, _) => self.reject_line(csv, number, "no path, expected that of a picture".into()),
            }
        }
        Ok(labels)
    }

    fn reject(&mut self, path: &Path, reason: &str) {
        self.rejected.push(Rejected { place: path.display().to_string(), reason: reason.into() });
    }

    fn reject_line(&mut self, csv: &Path, index: usize, reason: String) {
        self.rejected.push(Rejected { place: format!("{}:{}", csv.display(), index + 1), reason });
    }

    /// Looks at every picture on all cores. Of several faces the nearest counts, as at the gate. A picture that is there twice counts
    /// once: copies would make few frames pass for many.
    ///
    /// # Errors
    /// The first model failure, and an instrument of which no picture can be read; other unreadable pictures are counted in
    /// [`AllSeen::rejected`].
    pub fn look(self, eyes: &Eyes) -> Result<AllSeen, AttackSetError> {
        let bar = progress_bar(self.pictures.len() as u64, "pictures");
        let look = |held: Held| {
            bar.inc(1);
            let picture = match picture::open(&held.path) {
                Ok(picture) => picture,
                Err(error) => {
                    let rejected = Rejected::picture(held.path.display().to_string(), &error);
                    return Ok(Err((held.instrument, rejected)));
                }
            };
            let faces = eyes.detect(&picture)?;
            let score = nearest(&faces).map(|face| eyes.liveness.read(&picture, &face.bounds)).transpose()?;
            Ok(Ok((blake3::hash(picture.as_raw()), Seen { held, score })))
        };
        let looked: Vec<Result<(blake3::Hash, Seen), (String, Rejected)>> =
            self.pictures.into_par_iter().map(look).collect::<Result<_, ModelError>>()?;
        bar.finish_and_clear();
        let mut all = AllSeen { rejected: self.rejected, found_by: eyes.found_by()?, ..AllSeen::default() };
        let mut unreadable: BTreeMap<String, Vec<Rejected>> = BTreeMap::new();
        let mut known: HashMap<blake3::Hash, PathBuf> = HashMap::new();
        for looked in looked {
            match looked {
                Ok((pixels, seen)) => match known.get(&pixels) {
                    None => {
                        known.insert(pixels, seen.held.path.clone());
                        all.seen.push(seen);
                    }
                    Some(first) => {
                        let reason = format!("the same picture as {}, which counts once", first.display());
                        all.rejected.push(Rejected { place: seen.held.path.display().to_string(), reason });
                    }
                },
                Err((instrument, rejected)) => unreadable.entry(instrument).or_default().push(rejected),
            }
        }
        let was_seen = |instrument: &str| all.seen.iter().any(|seen| seen.held.instrument == instrument);
        if let Some((instrument, pictures)) = unreadable.iter().find(|(instrument, _)| !was_seen(instrument)) {
            let first = pictures.first().map(Rejected::to_string).unwrap_or_default();
            return Err(AttackSetError::Unreadable { instrument: instrument.clone(), pictures: pictures.len(), first });
        }
        all.rejected.extend(unreadable.into_values().flatten());
        Ok(all)
    }
}

/// What a sub-folder's name says was held up: that of the living is no attack, however it is written.
fn instrument(folder: &str) -> String {
    // A name may hold anything; in a table it is one line.
    if folder.trim().eq_ignore_ascii_case(LIVE) { LIVE.into() } else { folder.replace(char::is_control, " ") }
}

/// Gender and group of a picture.
type Labels = HashMap<PathBuf, (Option<Gender>, Option<String>)>;

fn gender_of(text: Option<&str>) -> Result<Option<Gender>, String> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("0" | "m" | "male") => Ok(Some(Gender::Male)),
        Some("1" | "f" | "female") => Ok(Some(Gender::Female)),
        Some(other) => Err(format!("gender {other:?}, expected male, female or nothing")),
    }
}

/// What is in a folder, by name.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, AttackSetError> {
    let read = |source| AttackSetError::Read { path: folder.into(), source };
    let entries = std::fs::read_dir(folder).map_err(read)?;
    let mut inside = entries.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>().map_err(read)?;
    inside.sort();
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn sub_folders_name_the_instrument_however_deep_the_pictures_lie() {
        let folder =
            folder(&["screen/b.jpg", "screen/a/1.png", "live/x.jpg", "loose.jpg", "live/notes.txt", ".git/x.jpg"]);
        let more = self::folder(&["p/y.jpg"]);
        let set = AttackSet::open(&[folder.path().into()], &[more.path().into()]).unwrap();
        let found: Vec<(&str, String)> = set
            .pictures
            .iter()
            .map(|h| (h.instrument.as_str(), h.path.file_name().unwrap().to_string_lossy().into_owned()))
            .collect();
        let live: Vec<_> = found.iter().filter(|(i, _)| *i == LIVE).collect();
        assert_eq!((live.len(), found.len()), (2, 4), "{found:?}");
        assert!(found.contains(&("screen", "1.png".into())) && found.contains(&("screen", "b.jpg".into())));
        let told: Vec<String> = set.rejected.iter().map(|r| format!("{} {}", r.place, r.reason)).collect();
        assert!(told.iter().any(|t| t.contains("loose.jpg") && t.contains("no sub-folder")), "{told:?}");
        assert!(told.iter().any(|t| t.contains("notes.txt")), "{told:?}");
    }

    #[test]
    fn an_empty_folder_is_told_as_what_it_was_given_for() {
        let (empty, full) = (folder(&["notes.txt"]), folder(&["screen/a.jpg", "p/y.jpg"]));
        let told = |attacks: &[PathBuf], live: &[PathBuf]| AttackSet::open(attacks, live).unwrap_err().to_string();
        let message = told(&[full.path().into()], &[empty.path().into()]);
        assert!(message.starts_with("living people ") && message.contains("no picture in it"), "{message}");
        let message = told(&[empty.path().into()], &[full.path().into()]);
        assert!(message.starts_with("attacks ") && message.contains("no picture in a sub-folder"), "{message}");
    }

    #[test]
    fn attacks_are_not_counted_as_living_people() {
        let folder = folder(&["maria/a.jpg", "Screens/b.jpg"]);
        let told = |attacks: &[PathBuf], live: &[PathBuf]| AttackSet::open(attacks, live).unwrap_err().to_string();
        let message = told(&[], &[folder.path().into()]);
        assert!(
            message.starts_with("living people ") && message.contains("Screens: by its name it holds attacks"),
            "{message}"
        );
        assert!(told(&[], &[folder.path().join("Screens")]).contains("Screens: by its name it holds attacks"));
        for shipped in crate::policy::ShippedPolicy::ALL {
            for kind in crate::policy::Policy::of(shipped).liveness.unwrap().evidence.unwrap().attacks {
                assert!(Named::by(&kind.instrument) == Named::Attacks, "{}", kind.instrument);
                assert!(Named::by(&format!("{}-2", kind.instrument)) == Named::Attacks, "{}", kind.instrument);
            }
        }
        let inside = self::folder(&["screen/a.jpg", "live/mask/b.jpg"]);
        assert!(told(&[inside.path().into()], &[]).contains("live/mask: by its name it holds attacks"));
    }

    #[test]
    fn a_kind_of_attack_without_a_picture_is_told() {
        let folder = folder(&["screen/a.jpg"]);
        std::fs::create_dir(folder.path().join("mask")).unwrap();
        let set = AttackSet::open(&[folder.path().into()], &[]).unwrap();
        let told: Vec<String> = set.rejected.iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains("mask") && told[0].contains("no picture in it"), "{told:?}");
    }

    #[test]
    fn the_living_are_no_attack_however_their_folder_is_written() {
        let folder = folder(&["LIVE/x.jpg", "Live/y.jpg", "Screen/a.jpg"]);
        let set = AttackSet::open(&[folder.path().into()], &[]).unwrap();
        let instruments: Vec<&str> = set.pictures.iter().map(|h| h.instrument.as_str()).collect();
        assert_eq!(instruments, ["Screen", LIVE, LIVE]);
    }

    #[test]
    fn the_living_in_other_words_are_not_counted_as_attacks() {
        for name in [
            "living",
            "Alive",
            "bona_fide",
            "bona fide",
            "real",
            "person",
            "living_people",
            "live2",
            "real faces",
            "humans",
        ] {
            let folder = folder(&[&format!("{name}/x.jpg"), "screen/a.jpg"]);
            let error = AttackSet::open(&[folder.path().into()], &[]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("expected them in the sub-folder live beside"), "{error}");
        }
        let folder = folder(&[
            "real-size print/x.jpg",
            "living-room-screen/x.jpg",
            "livestream/x.jpg",
            "human-mask/x.jpg",
            "7/x.jpg",
        ]);
        assert!(AttackSet::open(&[folder.path().into()], &[]).is_ok());
    }

    #[test]
    fn the_living_are_not_counted_as_attacks_where_they_lie_inside_a_folder_of_one() {
        for inside in ["print/live", "print/day 1/Bona Fide", "screen/real_faces"] {
            let folder = folder(&[&format!("{inside}/x.jpg"), "print/a.jpg"]);
            let error = AttackSet::open(&[folder.path().into()], &[]).unwrap_err().to_string();
            assert!(error.contains(inside) && error.contains("beside those of attacks"), "{error}");
        }
        let folder = folder(&["print/person1/x.jpg", "print/faces/x.jpg", "live/people/x.jpg", "live/real/x.jpg"]);
        assert!(AttackSet::open(&[folder.path().into()], &[]).is_ok());
    }

    #[test]
    fn labels_may_lie_above_or_beside_the_pictures() {
        let folder = folder(&["screen/a.jpg", "live/x.jpg", "live/y.jpg"]);
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("labels.csv", "path,gender,age\nlive/x.jpg,f,30\nlive/none.jpg,f,30\n");
        write("live/labels.csv", "ethnicity,path\nAsian,y.jpg\n");
        let set = AttackSet::open(&[folder.path().into()], &[]).unwrap();
        let of = |name: &str| set.pictures.iter().find(|h| h.path.ends_with(name)).unwrap();
        assert_eq!((of("x.jpg").gender, of("y.jpg").group.as_deref()), (Some(Gender::Female), Some("Asian")));
        assert_eq!((of("a.jpg").gender, of("a.jpg").group.clone()), (None, None));
        assert!(set.rejected.iter().any(|r| r.reason.contains("none.jpg")), "{:?}", set.rejected);
    }

    #[test]
    fn a_folder_without_pictures_in_sub_folders_says_what_is_expected() {
        let folder = folder(&["a.jpg"]);
        let error = AttackSet::open(&[folder.path().into()], &[]).unwrap_err().to_string();
        assert!(error.contains("named after what is held up") && error.contains("live"), "{error}");
        assert!(AttackSet::open(&[folder.path().join("none")], &[]).is_err());
    }
}
