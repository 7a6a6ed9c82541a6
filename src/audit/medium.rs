//! Whether what is written in a folder outlasts a power cut. In a file system that lives in memory every write and every sync succeeds,
//! and the records are gone at the next start: nothing but the system's list of mounts tells. A board whose root is made read-only with an
//! overlay (`raspi-config` offers it) keeps what is written in memory, too.

use std::path::{Path, PathBuf};

use super::{files, key};
use crate::{config::LogConfig, door_unit::tamper};

const COVER: &str = "that the cover was opened";

/// File systems that live in memory.
const IN_MEMORY: [&str; 4] = ["tmpfs", "ramfs", "devtmpfs", "rootfs"];

/// A line of `/proc/self/mountinfo`, as far as it matters here.
struct Mount {
    point: PathBuf,
    kind: String,
    options: String,
}

impl Mount {
    /// Fields as in proc_pid_mountinfo(5): the mount point is the fifth; the kind follows a single hyphen.
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        Some(Self {
            point: unescaped(before.split(' ').nth(4)?).into(),
            kind: after.next()?.into(),
            options: after.nth(1).map_or_else(String::new, unescaped),
        })
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

/// What a power cut will take from a log.
#[derive(Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// What, and where it is, in a line.
    pub text: String,
    /// Whether that the cover was opened is among it, for want of which the door would open again.
    pub unlocks: bool,
}

/// What of a log is forgotten with the power: the records, the key, and, where the cover has a `contact`, that it was opened. The last
/// two lie beside the folder, which may be on another medium than the folder itself.
#[must_use]
pub fn forgotten(config: &LogConfig, contact: bool) -> Vec<Forgotten> {
    let mounts = mounts(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
    let beside = |file: PathBuf| file.parent().map(Path::to_owned);
    let places = [
        ("the records", Some(config.folder.clone())),
        ("the log's key", key::path(config).ok().and_then(beside)),
        (COVER, contact.then(|| tamper::marker(&config.folder)).and_then(beside)),
    ];
    let mut lost: Vec<(String, PathBuf, Vec<&str>)> = Vec::new();
    for (what, place) in places {
        let Some(place) = place else { continue };
        let there = files::nearest(&place).ok().and_then(|there| there.canonicalize().ok());
        let Some(memory) = there.and_then(|there| forgets_by(&there, &mounts)) else { continue };
        match lost.iter_mut().find(|(known, ..)| *known == memory) {
            Some((.., all)) => all.push(what),
            None => lost.push((memory, place, vec![what])),
        }
    }
    lost.into_iter()
        .map(|(memory, place, all)| Forgotten {
            text: format!(
                "{} is in memory ({memory}): {} are forgotten with the power; mount a partition of the card there",
                place.display(),
                all.join(", ")
            ),
            unlocks: all.contains(&COVER),
        })
        .collect()
}

fn mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(Mount::parse).collect()
}

/// In which memory a folder's files are; `None` where they last, or where nobody can tell.
fn forgets_by(folder: &Path, mounts: &[Mount]) -> Option<String> {
    // Of several at one place the last hides the others.
    let of =
        |path: &Path| mounts.iter().filter(|m| path.starts_with(&m.point)).max_by_key(|m| m.point.components().count());
    let mount = of(folder)?;
    if IN_MEMORY.contains(&mount.kind.as_str()) {
        return Some(format!("{} at {}", mount.kind, mount.point.display()));
    }
    let upper = mount.options.split(',').find_map(|option| option.strip_prefix("upperdir="))?;
    let kept = of(Path::new(upper)).filter(|kept| IN_MEMORY.contains(&kept.kind.as_str()))?;
    Some(format!(
        "an overlay over {}, whose files are in {} at {}",
        mount.point.display(),
        kept.kind,
        kept.point.display()
    ))
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

    #[test]
    fn a_folder_in_memory_is_told_apart_from_one_on_a_card() {
        let forgets = |folder: &str| forgets_by(Path::new(folder), &mounts(CARD));
        for lasting in ["/var/log/agegate", "/srv/the log/agegate", "/var/tmp/log", "/runner"] {
            assert_eq!(forgets(lasting), None, "{lasting}");
        }
        assert_eq!(forgets("/run/agegate").as_deref(), Some("tmpfs at /run"));
    }

    #[test]
    fn what_an_overlay_keeps_in_memory_is_told() {
        let forgets = |folder: &str, info: &str| forgets_by(Path::new(folder), &mounts(info));
        let told = "an overlay over /, whose files are in tmpfs at /media/root-rw";
        assert_eq!(forgets("/var/log/agegate", OVERLAY).as_deref(), Some(told));
        assert_eq!(forgets("/data/agegate", OVERLAY), None);
        // A container's overlay lies on a disk, which is not to be seen from within.
        let container = "30 1 0:26 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/docker/u,workdir=/w\n";
        assert_eq!(forgets("/var/log/agegate", container), None);
    }

    #[test]
    fn lines_that_are_none_say_nothing() {
        assert_eq!(forgets_by(Path::new("/a"), &mounts("\n30\n30 1 0:26 / - \n\u{fffd} - tmpfs\n")), None);
    }
}
