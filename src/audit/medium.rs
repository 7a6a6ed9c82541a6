//! Whether what is written in a folder outlasts a power cut. In a file system that lives in memory every write and every sync succeeds,
//! and the records are gone at the next start: nothing but the system's list of mounts tells. A board whose root is made read-only with an
//! overlay (`raspi-config` offers it) keeps what is written in memory, too.

use std::{
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

use super::{files, key};
use crate::{config::LogConfig, door_unit::tamper};

const RECORDS: &str = "the records";
const KEY: &str = "the log's key";
const COVER: &str = "that the cover was opened";

/// File systems that live in memory.
const IN_MEMORY: [&str; 4] = ["tmpfs", "ramfs", "devtmpfs", "rootfs"];

/// A line of `/proc/self/mountinfo`, as far as it matters here.
struct Mount {
    id: u64,
    point: PathBuf,
    kind: String,
    /// What is mounted, such as a block device.
    source: String,
    /// Of the file system, as they stand there.
    options: String,
}

impl Mount {
    /// Fields as in proc_pid_mountinfo(5): the mount's number is the first, its point the fifth; the kind follows a single hyphen.
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let (mut before, mut after) = (before.split(' '), after.split(' '));
        Some(Self {
            id: before.next()?.parse().ok()?,
            point: unescaped(before.nth(3)?).into(),
            kind: after.next()?.into(),
            source: after.next().map(unescaped).unwrap_or_default(),
            options: after.next().unwrap_or_default().into(),
        })
    }

    /// The name of the block device that is mounted.
    fn device(&self) -> Option<&str> {
        self.source.strip_prefix("/dev/")
    }

    fn is_in_memory(&self) -> bool {
        let is_memory = |device: &str| {
            let number = ["zram", "ram"].iter().find_map(|kind| device.strip_prefix(kind));
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        };
        IN_MEMORY.contains(&self.kind.as_str()) || self.device().is_some_and(is_memory)
    }

    /// The file that a loop device shows as a disk.
    fn file(&self) -> Option<PathBuf> {
        let device = self.device().filter(|device| device.starts_with("loop"))?;
        let file = std::fs::read_to_string(format!("/sys/class/block/{device}/loop/backing_file")).ok()?;
        Some(file.trim_end().into())
    }

    /// Where an overlay keeps what is written.
    fn upper(&self) -> Option<PathBuf> {
        self.option("upperdir=")
    }

    fn option(&self, name: &str) -> Option<PathBuf> {
        self.options.split(',').find_map(|option| Some(unescaped(option.strip_prefix(name)?).into()))
    }

    /// Whether both folders that an overlay writes to are to be seen at their paths.
    fn is_seen(&self, upper: &Path) -> bool {
        upper.is_absolute() && upper.is_dir() && self.option("workdir=").is_some_and(|work| work.is_dir())
    }
}

/// Blanks and the like are written as three octal digits.
fn unescaped(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                text.push(char::from(code));
                text.push_str(&part[3..]);
            }
            None => text = text + "\\" + part,
        }
    }
    text
}

/// What a power cut will take from a log, or may.
#[derive(Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// What, and where it is, in a line.
    pub text: String,
    /// The key of the configuration that says where it is.
    pub key: &'static str,
    /// Whether that the cover was opened is among it, for want of which the door would open again.
    pub unlocks: bool,
}

/// What of a log is forgotten with the power: the records, the key, and, where the cover has a `contact`, that it was opened. The last
/// two lie beside the folder, which may be on another medium than the folder itself.
#[must_use]
pub fn forgotten(config: &LogConfig, contact: bool) -> Vec<Forgotten> {
    let mounts = Mounts::of_this_process();
    let beside = |file: PathBuf| file.parent().map(Path::to_owned);
    let places = [
        (RECORDS, Some(config.folder.clone())),
        (KEY, key::path(config).ok().and_then(beside)),
        (COVER, contact.then(|| tamper::marker(&config.folder)).and_then(beside)),
    ];
    let mut lost: Vec<(Memory, PathBuf, Vec<&str>)> = Vec::new();
    for (what, place) in places {
        let Some(place) = place else { continue };
        let there = files::nearest(&place).ok().and_then(|there| there.canonicalize().ok());
        let Some(memory) = there.and_then(|there| mounts.forget(&there)) else { continue };
        match lost.iter_mut().find(|(known, ..)| *known == memory) {
            Some((.., all)) => all.push(what),
            None => lost.push((memory, place, vec![what])),
        }
    }
    lost.into_iter()
        .map(|(memory, place, all)| Forgotten {
            text: memory.tell(&place, &all, medium_for(config, &place, &all)),
            key: if all == [KEY] && config.key_file.is_some() { "log.key_file" } else { "log.folder" },
            unlocks: all.contains(&COVER),
        })
        .collect()
}

/// Where a partition would keep all that is forgotten: what lies beside the log's folder lies outside of one that is mounted at it.
fn medium_for<'a>(config: &'a LogConfig, place: &'a Path, all: &[&str]) -> &'a Path {
    let above = config.folder.parent().filter(|above| !above.as_os_str().is_empty());
    if all.contains(&RECORDS) { above.unwrap_or(place) } else { place }
}

/// Why the files of a folder do not last.
#[derive(Debug, PartialEq, Eq)]
enum Memory {
    /// They are in this file system, which is in memory.
    Surely(String),
    /// They are in an overlay whose own files are where nobody can look: so a board is left whose root is made read-only.
    Perhaps(String),
}

impl Memory {
    fn tell(&self, place: &Path, all: &[&str], at: &Path) -> String {
        let (place, what) = (place.display(), all.join(", "));
        let are = if matches!(all, [KEY | COVER]) { "is" } else { "are" };
        let remedy = format!("mount a partition of the card at {}", at.display());
        match self {
            Self::Surely(memory) => {
                format!("{place} is in memory ({memory}): {what} {are} forgotten with the power; {remedy}")
            }
            Self::Perhaps(overlay) => format!(
                "{place} is in {overlay}, which cannot be seen from here: where that is memory, as with a read-only root, {what} will be forgotten with the power; {remedy}"
            ),
        }
    }
}

/// What is mounted, and how it is found out which of it a folder is in.
struct Mounts {
    all: Vec<Mount>,
    /// The number of the mount that a folder is in, as the kernel says: by its path alone one that lies hidden below another could be
    /// taken for it.
    id: fn(&Path) -> Option<u64>,
}

impl Mounts {
    fn of_this_process() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(), mount_id)
    }

    fn parse(mountinfo: &str, id: fn(&Path) -> Option<u64>) -> Self {
        Self { all: mountinfo.lines().filter_map(Mount::parse).collect(), id }
    }

    /// The mount that a folder is in.
    fn of(&self, folder: &Path) -> Option<&Mount> {
        let by_kernel = (self.id)(folder).and_then(|id| self.all.iter().find(|mount| mount.id == id));
        // Of several at one place the last hides the others.
        let above = self.all.iter().filter(|mount| folder.starts_with(&mount.point));
        by_kernel.or_else(|| above.max_by_key(|mount| mount.point.components().count()))
    }

    /// In which memory a folder's files are, or may be; `None` where they last.
    fn forget(&self, folder: &Path) -> Option<Memory> {
        let (mut mount, mut way) = (self.of(folder)?, String::new());
        // An overlay may lie on another one, and a disk be a file of another.
        for _ in 0..=self.all.len() {
            if mount.is_in_memory() {
                let what = mount.device().unwrap_or(&mount.kind);
                return Some(Memory::Surely(format!("{way}{what} at {}", mount.point.display())));
            }
            let below = if let Some(upper) = mount.upper() {
                way += &format!("an overlay over {}, whose files are in ", mount.point.display());
                let kept = self.of(&upper).filter(|kept| kept.is_in_memory() || mount.is_seen(&upper));
                kept.ok_or_else(|| Memory::Perhaps(format!("{way}{}", upper.display())))
            } else {
                let file = mount.file()?;
                way += &format!("a file {}, which is in ", file.display());
                self.of(file.parent()?).ok_or_else(|| Memory::Perhaps(way.trim_end_matches(", which is in ").into()))
            };
            mount = match below {
                Ok(below) => below,
                Err(perhaps) => return Some(perhaps),
            };
        }
        None
    }
}

/// The number of the mount that a folder is in, from what the kernel says about it once it is open (proc_pid_fdinfo(5)).
fn mount_id(folder: &Path) -> Option<u64> {
    let open = rustix::fs::open(folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", open.as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "\
25 30 0:22 / /sys rw,nosuid - sysfs sysfs rw
30 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw
31 30 0:25 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,size=20%
32 30 179:3 / /srv/the\\040log rw shared:9 - ext4 /dev/mmcblk0p3 rw
33 30 0:40 / /var/tmp rw - tmpfs tmpfs rw
34 33 179:4 / /var/tmp rw - ext4 /dev/mmcblk0p4 rw
";
    /// As `raspi-config` leaves a board.
    const OVERLAY: &str = "\
30 1 0:26 / / rw,relatime shared:1 - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/media/root-rw/overlay-workdir/_
31 30 0:27 / /media/root-rw rw - tmpfs tmpfs-root rw
32 30 179:2 / /media/root-ro ro - ext4 /dev/mmcblk0p2 ro
33 30 179:3 / /data rw - ext4 /dev/mmcblk0p3 rw
";

    /// As a table of mounts says it, without a kernel that could be asked.
    fn forget(folder: &str, mountinfo: &str) -> Option<Memory> {
        Mounts::parse(mountinfo, |_| None).forget(Path::new(folder))
    }

    fn surely(memory: &str) -> Option<Memory> {
        Some(Memory::Surely(memory.into()))
    }

    #[test]
    fn a_folder_in_memory_is_told_apart_from_one_on_a_card() {
        for lasting in ["/var/log/agegate", "/srv/the log/agegate", "/var/tmp/log", "/runner"] {
            assert_eq!(forget(lasting, CARD), None, "{lasting}");
        }
        assert_eq!(forget("/run/agegate", CARD), surely("tmpfs at /run"));
    }

    #[test]
    fn what_an_overlay_keeps_in_memory_is_told() {
        let told = "an overlay over /, whose files are in tmpfs at /media/root-rw";
        assert_eq!(forget("/var/log/agegate", OVERLAY), surely(told));
        assert_eq!(forget("/data/agegate", OVERLAY), None);
    }

    #[test]
    fn a_disk_in_memory_is_none() {
        for (device, lasts) in
            [("zram1", false), ("ram0", false), ("mmcblk0p3", true), ("zram", true), ("ramdisk", true), ("sda1", true)]
        {
            let mounts =
                format!("30 1 179:2 / / rw - ext4 /dev/root rw\n31 30 252:1 / /var/log rw - ext4 /dev/{device} rw\n");
            let expected = if lasts { None } else { surely(&format!("{device} at /var/log")) };
            assert_eq!(forget("/var/log/agegate", &mounts), expected, "{device}");
        }
    }

    #[test]
    fn an_overlay_whose_files_cannot_be_seen_may_keep_them_in_memory() {
        // What the first program of a board mounts is out of sight once the root is changed; so is a container's disk, a folder whose
        // name is relative to nobody knows what, and one that was unmounted while in use.
        for upper in ["/upper/data", "/var/lib/docker/u", "upper", "/rw/a\\054b"] {
            let line =
                format!("30 1 0:26 / / rw - overlay overlay rw,lowerdir=/lower,upperdir={upper},workdir=/upper/work\n");
            let Some(Memory::Perhaps(overlay)) = forget("/var/log/agegate", &line) else { panic!("{upper}") };
            assert!(overlay.starts_with("an overlay over /, whose files are in "), "{overlay}");
        }
    }

    #[test]
    fn an_overlay_on_a_card_lasts_and_one_on_another_in_memory_does_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["upper", "work"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let at = folder.path().display();
        let overlay =
            format!("31 30 0:27 / /data rw - overlay overlay rw,lowerdir=/l,upperdir={at}/upper,workdir={at}/work\n");
        let card = format!("30 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n{overlay}");
        assert_eq!(forget("/data/log", &card), None);
        // A folder of the same name is not the one that is written to.
        std::fs::remove_dir(folder.path().join("work")).unwrap();
        assert!(matches!(forget("/data/log", &card), Some(Memory::Perhaps(_))));
        std::fs::create_dir(folder.path().join("work")).unwrap();
        let below = "30 1 0:26 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/media/rw/u,workdir=/w\n32 30 0:28 / /media/rw rw - tmpfs tmpfs rw\n";
        assert_eq!(
            forget("/data/log", &format!("{below}{overlay}")),
            surely(
                "an overlay over /data, whose files are in an overlay over /, whose files are in tmpfs at /media/rw"
            )
        );
    }

    #[test]
    fn the_kernel_says_which_of_two_mounts_at_a_path_a_folder_is_in() {
        // A card at /mnt/sub/log was there before a file system in memory was mounted over /mnt/sub.
        let hidden = "30 1 179:2 / / rw - ext4 a rw\n31 30 179:3 / /mnt/sub/log rw - ext4 b rw\n32 30 0:27 / /mnt/sub rw - tmpfs c rw\n";
        assert_eq!(Mounts::parse(hidden, |_| Some(32)).forget(Path::new("/mnt/sub/log")), surely("tmpfs at /mnt/sub"));
        assert_eq!(Mounts::parse(hidden, |_| Some(31)).forget(Path::new("/mnt/sub/log")), None);
        let folder = tempfile::tempdir().unwrap();
        let here = Mounts::of_this_process();
        let id = mount_id(folder.path()).unwrap();
        assert!(here.all.iter().any(|mount| mount.id == id), "the kernel's number is in its own table");
    }

    #[test]
    fn what_is_lost_is_told_in_a_sentence() {
        let memory = Memory::Surely("tmpfs at /run".into());
        for (all, expected) in [
            (&[KEY][..], "the log's key is forgotten"),
            (&[RECORDS], "the records are forgotten"),
            (&[COVER], "that the cover was opened is forgotten"),
            (&[RECORDS, KEY], "the records, the log's key are forgotten"),
        ] {
            let told = memory.tell(Path::new("/run/agegate/log"), all, Path::new("/run/agegate"));
            assert!(told.contains(expected) && told.ends_with("a partition of the card at /run/agegate"), "{told}");
        }
    }

    #[test]
    fn lines_that_are_none_say_nothing() {
        assert_eq!(forget("/a", "\n30\n30 1 0:26 / - \n\u{fffd} - tmpfs\n"), None);
    }
}
