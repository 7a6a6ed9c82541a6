//! Verifying the chain: which record was changed, removed, reordered or forged, and what was lost.
//!
//! What is found depends on what is at hand: the folder alone, its key, anchors that were kept elsewhere. The report says
//! which of them were used; the module [`super`] says what each can show.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    AuditError, Event, GENESIS, HEAD,
    anchor::Anchor,
    files,
    head::{self, Head},
    jumps::Watched,
    key::{self, Key},
    reader::{self, Line},
    tail::{could_be_torn, torn_hash},
};

/// Faults of one kind that are listed one by one.
const LISTED: usize = 20;
/// A log that is written meanwhile may lose its oldest file or change its head while it is read; it is read again then.
const TRIES: usize = 5;

/// What a log is checked against.
#[derive(Clone, Debug, Default)]
pub struct Against {
    /// The key, if it is at hand.
    pub key: Option<Key>,
    /// What was kept elsewhere.
    pub anchors: Vec<Anchor>,
    /// Where the key should be, if it was looked for and is not there: records that bear a code then are a fault.
    pub missing_key: Option<PathBuf>,
}

impl Against {
    /// The key that lies beside a folder, or at `path`, if one does; no anchors.
    ///
    /// # Errors
    /// [`AuditError`] if there is something that is no key or cannot be read.
    pub fn key_of(folder: &Path, path: Option<&Path>) -> Result<Self, AuditError> {
        let path = path.map_or_else(|| key::beside(folder), |path| Ok(path.to_owned()))?;
        let key = match key::find(&path)? {
            key::Found::InUse(key) => Some(key),
            // In use if the very first start was cut short after its first record.
            key::Found::New(key) => {
                let sealed = files::list(folder)
                    .and_then(|files| super::tail::Tail::find_own(&files, None, &key))
                    .is_ok_and(|tail| tail.last.is_some_and(|last| last.sealed == Some(true)));
                sealed.then_some(key)
            }
            key::Found::Nothing => None,
        };
        let missing_key = key.is_none().then_some(path);
        Ok(Self { key, anchors: Vec::new(), missing_key })
    }
}

/// What `agegate log verify` found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Files read.
    pub files: usize,
    /// Good records.
    pub records: u64,
    /// First number.
    pub first: u64,
    /// Last number.
    pub last: u64,
    /// Number and hash of the last record; with the key, of the last one that bears its code.
    #[serde(skip)]
    pub end: Option<Head>,
    /// Records whose code was checked with the key.
    pub authentic: u64,
    /// Whether the key was at hand.
    pub key: bool,
    /// Anchors that the log agrees with.
    pub anchors: u64,
    /// Torn lines that the log itself tells of: power cuts.
    pub torn: Vec<String>,
    /// What is wrong.
    pub faults: Vec<String>,
    /// Things to know that are no fault.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong. A log without any record is not intact.
    #[must_use]
    pub fn intact(&self) -> bool {
        self.faults.is_empty() && self.records > 0
    }

    /// The result in a few words.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match (self.records, self.faults.is_empty()) {
            (0, true) => "there is no log",
            (0, false) => "the log is LOST",
            (_, true) => "the chain is whole",
            (_, false) => "the chain is BROKEN",
        }
    }
}

/// A line that is no record and not yet explained.
struct Odd {
    place: String,
    hash: String,
    /// Whether it can be what a power cut leaves.
    torn: bool,
    /// Whether it is in the newest file.
    newest: bool,
    /// Whether a record follows it: then no power cut left it so, or it would be noted.
    followed: bool,
}

/// Records in a row with the same fault.
struct Run {
    first: u64,
    last: u64,
    place: String,
}

/// The chain so far.
struct Chain<'a> {
    against: &'a Against,
    head: Option<Head>,
    head_matches: bool,
    /// Number and hash of the record before.
    before: Option<Head>,
    /// The same of the last one that bears the code of the key.
    own: Option<Head>,
    odd: Vec<Odd>,
    odd_count: usize,
    removed_through: u64,
    removed_faults: u64,
    keyed: bool,
    /// The key of the records that follow is another one.
    foreign: bool,
    unchecked: u64,
    /// Records without a code before the first that bears one.
    older_than_key: u64,
    /// Records that bear no code, or a wrong one.
    unsealed: Vec<Run>,
    forged: Vec<Run>,
    /// Whether each anchor was met, and agreed with.
    anchored: Vec<Option<bool>>,
    gap_numbers: Vec<(u64, u64)>,
    clock: Watched,
}

impl<'a> Chain<'a> {
    fn new(against: &'a Against) -> Self {
        Self {
            against,
            head: None,
            head_matches: false,
            before: None,
            own: None,
            odd: Vec::new(),
            odd_count: 0,
            removed_through: 0,
            removed_faults: 0,
            keyed: false,
            foreign: false,
            unchecked: 0,
            older_than_key: 0,
            unsealed: Vec::new(),
            forged: Vec::new(),
            anchored: vec![None; against.anchors.len()],
            gap_numbers: Vec::new(),
            clock: Watched::default(),
        }
    }
}

/// Checks every record of a log.
///
/// # Errors
/// [`AuditError::Io`] if the folder cannot be read. A folder that is missing is no error but a fault.
pub fn verify(folder: &Path, against: &Against) -> Result<Report, AuditError> {
    let mut last = try_verify(folder, against);
    for _ in 1..TRIES {
        let again = match &last {
            Err(AuditError::Io { source, .. }) => source.kind() == ErrorKind::NotFound,
            Err(_) => false,
            Ok(report) => report.faults.iter().any(|fault| fault.contains(HEAD_CODE)),
        };
        if !again {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        last = try_verify(folder, against);
    }
    last
}

const HEAD_CODE: &str = "`head` does not bear the code of this key";

fn try_verify(folder: &Path, against: &Against) -> Result<Report, AuditError> {
    let mut report = Report { key: against.key.is_some(), ..Report::default() };
    let mut chain = Chain::new(against);
    // The head first: a gate that writes meanwhile only adds to what it tells of.
    let head = match Head::read(&folder.join(HEAD)) {
        Ok(found) => found,
        Err(AuditError::NotAFile { found, .. }) => {
            report.faults.push(format!("`head` is {found}, expected a regular file"));
            head::Found::Damaged
        }
        Err(error) => return Err(error),
    };
    chain.head = match &head {
        head::Found::Plain(head) | head::Found::Keyed { head, .. } => Some(head.clone()),
        _ => None,
    };
    let files = match files::list(folder) {
        Ok(files) => files,
        Err(AuditError::Io { source, .. }) if source.kind() == ErrorKind::NotFound && !folder.exists() => Vec::new(),
        Err(error) => return Err(error),
    };
    report.files = files.len();
    for (k, path) in files.iter().enumerate() {
        let newest = k + 1 == files.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match reader::lines(path, |line| chain.check(&mut report, &name, newest, &line)) {
            Err(AuditError::NotAFile { found, .. }) => {
                report.faults.push(format!("{name}: this is {found}, expected a regular file"));
            }
            Err(error @ AuditError::TooLong { .. }) => report.faults.push(error.to_string()),
            other => other?,
        }
    }
    chain.finish(&mut report);
    check_head(&mut report, &chain, &head);
    check_anchors(&mut report, &chain);
    if report.records == 0 {
        no_records(&mut report, folder, &head);
    }
    let hidden = report.faults.len().saturating_sub(LISTED * 5);
    if hidden > 0 {
        report.faults.truncate(LISTED * 5);
        report.faults.push(format!("and {hidden} more faults"));
    }
    Ok(report)
}

fn no_records(report: &mut Report, folder: &Path, head: &head::Found) {
    if report.key {
        report.faults.push(format!(
            "there is no record in {}, but a key: there was a log, and all of it is lost",
            folder.display()
        ));
        return;
    }
    let what = if !folder.exists() {
        "the folder does not exist"
    } else if report.files > 0 || *head != head::Found::Missing {
        "the log is empty: no record was ever written, or all were taken away"
    } else {
        "the folder is empty: no gate has ever written here, or everything was taken away"
    };
    report.notes.push(format!("{}: {what}", folder.display()));
}

fn check_head(report: &mut Report, chain: &Chain, found: &head::Found) {
    if report.records == 0 && matches!(found, head::Found::Missing | head::Found::Empty) {
        return;
    }
    match found {
        head::Found::Missing => report.faults.push("the file `head` is missing: it was taken away".into()),
        head::Found::Empty if !chain.keyed => {
            report.notes.push("the file `head` is empty: a missing last record would not show".into());
        }
        head::Found::Empty | head::Found::Damaged => report.faults.push("the file `head` is damaged".into()),
        head::Found::Plain(_) if chain.keyed => {
            report.faults.push("`head` bears no code, but records do: it was replaced".into());
        }
        head::Found::Keyed { head, mac } if chain.against.key.as_ref().is_some_and(|key| !head.sealed(mac, key)) => {
            report.faults.push(format!("{HEAD_CODE}: it was changed or replaced"));
        }
        _ => {}
    }
    let Some(head) = &chain.head else { return };
    if head.seq > report.last {
        report.faults.push(format!("{} at the end", missing(report.last.saturating_add(1), head.seq)));
    } else if !chain.head_matches && head.seq >= report.first && report.records > 0 {
        report
            .faults
            .push(format!("record {}: it is not the one that the log's head tells of; it was changed", head.seq));
    }
}

fn check_anchors(report: &mut Report, chain: &Chain) {
    for (anchor, met) in chain.against.anchors.iter().zip(&chain.anchored) {
        let seq = anchor.seq;
        match met {
            Some(true) => report.anchors += 1,
            Some(false) => report.faults.push(format!(
                "anchor {anchor}: record {seq} is another one: the log was rewritten, or the anchor is of another log"
            )),
            None if seq > report.last => report.faults.push(format!(
                "anchor {anchor}: the log ends at record {}: it was cut, or put back to an older copy, or the anchor is of another log",
                report.last
            )),
            None if seq < report.first && seq <= chain.removed_through => report.notes.push(format!(
                "anchor {anchor}: record {seq} was deleted by retention, as record {} and later ones say; it cannot be compared",
                report.first
            )),
            None => report.faults.push(format!("anchor {anchor}: record {seq} is missing")),
        }
    }
}

impl Chain<'_> {
    fn check(&mut self, report: &mut Report, name: &str, newest: bool, line: &Line) {
        let place = format!("{name}:{}", line.number);
        let hash = line.hash();
        if !line.complete && !newest {
            report.faults.push(format!("{place}: the end of the line is missing: the file was cut"));
        }
        let Ok(record) = line.record() else {
            self.odd_count += 1;
            if self.odd.len() < 1000 {
                let end = self.before.clone().unwrap_or_default();
                self.odd.push(Odd { place, hash, torn: could_be_torn(line, &end), newest, followed: false });
            }
            return;
        };
        let sealed = self.sealed(report, &record, line, &place);
        let here = Head { seq: record.seq, hash: hash.clone() };
        for (anchor, met) in self.against.anchors.iter().zip(&mut self.anchored) {
            if anchor.seq == record.seq {
                let agrees = *anchor == Anchor::of(&here);
                *met = Some(match (sealed, *met) {
                    (Some(true), _) | (_, None) => agrees,
                    // Whoever has not the key can put another record with the number there.
                    (Some(false), Some(met)) => met,
                    (None, Some(met)) => met && agrees,
                });
            }
        }
        let follows = self.before.as_ref().map_or(record.seq == 1, |before| record.seq == before.seq.saturating_add(1));
        if sealed == Some(false) && !follows {
            // Somebody else's, which is told already; the gate goes on from its own. One in the place of a record stands for it.
            return;
        }
        let gap = self.gap(report, &record, &place);
        // What somebody else put between two records of the gate changes nothing of the chain.
        let chained = sealed == Some(true) && self.own.as_ref().is_some_and(|own| own.hash == record.prev);
        let before = if chained { &self.own } else { &self.before };
        match before {
            None => {
                report.first = record.seq;
                if record.seq == 1 && record.prev != GENESIS {
                    report.faults.push(format!("{place}: record 1 does not begin the chain"));
                }
            }
            Some(before) if record.seq <= before.seq => {
                let what =
                    format!("{place}: record {} stands after record {}: reordered or repeated", record.seq, before.seq);
                report.faults.push(what);
                return;
            }
            Some(before) if record.seq > before.seq.saturating_add(1) && !gap => {
                let missing = missing(before.seq + 1, record.seq - 1);
                report.faults.push(format!("{place}: {missing} before record {}", record.seq));
            }
            Some(before) if record.prev != before.hash && (record.seq - before.seq == 1 || gap) => {
                report.faults.push(format!(
                    "{place}: record {} does not follow from record {}: that one was changed",
                    record.seq, before.seq
                ));
            }
            Some(_) => {}
        }
        self.clock.see(&record);
        match &record.event {
            Event::Torn { hash, bytes, lines } => self.torn(report, record.seq, hash, *bytes, *lines),
            Event::Unlogged { count, first, last, what } => report.notes.push(format!(
                "record {}: before it, events could not be written: {count}, from {first} to {last} ({what})",
                record.seq
            )),
            Event::Retention { removed_through, faults } => {
                self.removed_through = self.removed_through.max(*removed_through);
                self.removed_faults = self.removed_faults.saturating_add(*faults);
            }
            _ => {}
        }
        self.odd.iter_mut().for_each(|odd| odd.followed = true);
        if let Some(head) = &self.head {
            self.head_matches |= head.seq == record.seq && head.hash == hash;
            if head.seq == record.seq && !line.complete {
                report.faults.push(format!("{place}: the end of record {} is missing: the file was cut", record.seq));
            }
        }
        if sealed != Some(false) {
            report.records += 1;
            report.last = record.seq;
        }
        if sealed == Some(true) {
            self.own = Some(here.clone());
        }
        report.end = Some(self.own.as_ref().unwrap_or(&here).clone());
        self.before = Some(here);
    }

    /// Whether the record bears the right code; `None` where that cannot be told.
    fn sealed(&mut self, report: &mut Report, record: &super::Record, line: &Line, place: &str) -> Option<bool> {
        if record.mac.is_none() {
            if self.keyed {
                note(&mut self.unsealed, record.seq, place);
            } else {
                self.older_than_key += 1;
            }
            return self.keyed.then_some(false);
        }
        self.keyed = true;
        let Some(key) = &self.against.key else {
            self.unchecked += 1;
            return None;
        };
        if let Event::Keyed { key: id, .. } = &record.event {
            self.foreign = *id != key.id();
            if self.foreign {
                // A gate takes another key only when its own is gone, and that is a loss.
                let what =
                    format!("{place}: from record {} on, the records bear the code of another key ({id})", record.seq);
                report.faults.push(what);
            }
        }
        if key.sealed(&line.bytes) {
            report.authentic += 1;
            return Some(true);
        }
        if self.foreign {
            self.unchecked += 1;
            return None;
        }
        note(&mut self.forged, record.seq, place);
        Some(false)
    }

    /// Whether the record tells of a loss; reports it.
    fn gap(&mut self, report: &mut Report, record: &super::Record, place: &str) -> bool {
        let Event::Gap { what, expected, found, .. } = &record.event else { return false };
        let expected = expected.map_or_else(|| "unknown".into(), |n| n.to_string());
        report.faults.push(format!(
            "{place}: record {} tells of a loss: {what} (last record written {expected}, last one found {found})",
            record.seq
        ));
        self.gap_numbers.push((*found, record.seq));
        true
    }

    /// Takes the lines that a `torn` record explains: the last ones before it.
    fn torn(&mut self, report: &mut Report, seq: u64, hash: &str, bytes: u64, lines: u64) {
        let Some(from) = usize::try_from(lines).ok().and_then(|lines| self.odd.len().checked_sub(lines)) else {
            return;
        };
        let hashes: Vec<String> = self.odd[from..].iter().map(|odd| odd.hash.clone()).collect();
        if hashes.is_empty() || torn_hash(&hashes) != hash {
            return;
        }
        for odd in self.odd.drain(from..) {
            self.odd_count -= 1;
            report.torn.push(format!("{}: torn line, {bytes} bytes noted by record {seq}", odd.place));
        }
    }

    fn finish(&mut self, report: &mut Report) {
        let end = self.before.clone().unwrap_or_default();
        let unclaimed = self.head.as_ref().is_none_or(|head| head.seq <= end.seq);
        let places: Vec<Odd> = std::mem::take(&mut self.odd);
        let all_torn = unclaimed && places.iter().filter(|odd| !odd.followed).all(|odd| odd.torn && odd.newest);
        for odd in places.iter().take(LISTED) {
            if all_torn && !odd.followed {
                report.notes.push(format!(
                    "{}: the last line is torn (power cut while writing?); the gate will note it at its next start",
                    odd.place
                ));
            } else {
                report.faults.push(format!("{}: the line is not a record; it was changed or damaged", odd.place));
            }
        }
        if self.odd_count > LISTED {
            report.faults.push(format!("and {} more lines that are no records", self.odd_count - LISTED));
        }
        for (runs, what) in [
            (&self.unsealed, "bears no code, though earlier ones do"),
            (&self.forged, "does not bear the code of this key: it was not written by this gate, or changed"),
        ] {
            for run in runs.iter().take(LISTED) {
                let which = if run.first == run.last {
                    format!("record {}", run.first)
                } else {
                    format!("each of records {} to {}", run.first, run.last)
                };
                report.faults.push(format!("{}: {which} {what}", run.place));
            }
            if runs.len() > LISTED {
                report.faults.push(format!("and {} more ranges whose records have a wrong code", runs.len() - LISTED));
            }
        }
        if report.first > 1
            && self.removed_through.saturating_add(1) < report.first
            && !self.begins_with_gap(report.first)
        {
            let missing = missing(self.removed_through + 1, report.first - 1);
            report.faults.push(format!("{missing} at the beginning"));
        }
        if report.records > 0 && report.first <= self.removed_through {
            report.notes.push(format!(
                "{} are there, though a record says that those up to {} were deleted: the power was cut meanwhile, or the system did not let a file go",
                range(report.first, report.last.min(self.removed_through)), self.removed_through
            ));
        }
        if self.removed_faults > 0 {
            report
                .faults
                .push(format!("faults in records that retention has deleted meanwhile: {}", self.removed_faults));
        }
        report.notes.extend(self.clock.notes());
        self.say_what_was_checked(report);
    }

    fn begins_with_gap(&self, first: u64) -> bool {
        self.gap_numbers.first().is_some_and(|(found, at)| *at == first && *found == 0)
    }

    fn say_what_was_checked(&self, report: &mut Report) {
        if report.records == 0 {
            return;
        }
        if self.older_than_key > 0 && report.authentic > 0 {
            report.notes.push(format!(
                "{} records bear no code: they are older than the key, and whether they are the gate's own cannot be told",
                self.older_than_key
            ));
        }
        if let Some(path) = self.against.missing_key.as_ref().filter(|path| self.keyed && !path.exists()) {
            report.faults.push(format!(
                "the key {} is gone: whether the records are the gate's own cannot be told; on another machine, or for a copy, say `--without-key`, or `--key FILE`",
                path.display()
            ));
        } else if self.against.key.is_none() {
            let what = if self.keyed {
                "the key is not at hand (--key FILE): only the chain was checked. Records that were rewritten together with all that follow them would not show"
            } else {
                "the records bear no code (written by version 0.1.0): records that were rewritten together with all that follow them would not show"
            };
            report.notes.push(what.into());
        } else if report.authentic == 0 {
            report.faults.push(
                "no record bears the code of this key: the log was replaced, or the key is of another log".into(),
            );
        } else if self.unchecked > 0 {
            report.notes.push(format!("{} records bear the code of another key: not checked", self.unchecked));
        }
    }
}

/// Which records are missing, in words.
pub(super) fn missing(from: u64, through: u64) -> String {
    if from == through {
        return format!("record {from} is missing");
    }
    format!("records {from} to {through} are missing")
}

fn note(runs: &mut Vec<Run>, seq: u64, place: &str) {
    match runs.last_mut() {
        Some(run) if run.last.checked_add(1) == Some(seq) => run.last = seq,
        _ => runs.push(Run { first: seq, last: seq, place: place.into() }),
    }
}

/// How many faults files tell of that are about to be deleted: gaps, damage, wrong codes, files that are gone already, and
/// what `retention` records among them say of those before. `next` is the file that follows them: its first record must
/// follow theirs; what else is in it is looked at when it goes itself.
///
/// # Errors
/// [`AuditError`] if one cannot be read.
pub(super) fn faults_in<'a>(paths: impl Iterator<Item = &'a Path>, next: &Path, key: &Key) -> Result<u64, AuditError> {
    let against = Against { key: Some(key.clone()), ..Against::default() };
    let mut chain = Chain::new(&against);
    let mut report = Report { key: true, ..Report::default() };
    let (mut before_keyed, mut gone) = (0, 0u64);
    for path in paths {
        let read = reader::lines(path, |line| {
            chain.check(&mut report, "", false, &line);
            before_keyed += u64::from(!chain.keyed);
        });
        match read {
            Err(AuditError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => gone += 1,
            Err(AuditError::NotAFile { .. } | AuditError::TooLong { .. }) => gone += 1,
            other => other?,
        }
    }
    let mut first: Option<super::Record> = None;
    let read = reader::lines(next, |line| {
        if first.is_none() {
            first = line.record().ok();
        }
    });
    match read {
        Err(AuditError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => gone += 1,
        Err(AuditError::NotAFile { .. } | AuditError::TooLong { .. }) => gone += 1,
        other => other?,
    }
    let follows = |before: &Head| first.as_ref().is_none_or(|record| record.prev == before.hash);
    let broken = u64::from(chain.before.as_ref().is_some_and(|before| !follows(before)));
    // In the middle of a log neither a missing beginning nor the absence of codes in an old part is a fault.
    chain.removed_through = u64::MAX - 1;
    let carried = std::mem::take(&mut chain.removed_faults);
    let damaged = chain.odd_count as u64;
    chain.odd.clear();
    chain.odd_count = 0;
    chain.finish(&mut report);
    let old_part = report.authentic == 0 && before_keyed > 0;
    let found = (report.faults.len() as u64).saturating_sub(u64::from(old_part));
    Ok([carried, damaged, gone, broken, found].into_iter().fold(0, u64::saturating_add))
}

/// Records in words.
fn range(first: u64, last: u64) -> String {
    if first >= last { format!("record {first}") } else { format!("records {first} to {last}") }
}
