//! `agegate log`: show, verify, anchor, count and export the decision log.

use std::{
    collections::BTreeMap,
    error::Error,
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use super::{Exit, Outcome, of_log};
use crate::{
    audit::{
        AuditError, Event, Record,
        anchor::Anchor,
        files::{self, For},
        key::Key,
        reader::{self, Unreadable},
        verify::{Against, Report, verify},
    },
    cli::{LogArgs, LogCommand, LogSource, VerifyArgs},
    complain,
    config::Config,
    out, say,
};

/// Bytes that a file of anchors has less than.
const MOST_ANCHORS: u64 = 16 << 20;

/// Runs the command.
///
/// # Errors
/// If the configuration or the log cannot be read. A broken chain makes the exit code 1.
pub fn run(args: &LogArgs) -> Outcome {
    match &args.command {
        LogCommand::Show(source) => show(source),
        LogCommand::Verify(args) => check(args),
        LogCommand::Anchor(source) => anchor(source),
        LogCommand::Stats(source) => stats(source),
        LogCommand::Export(source) => export(source),
    }
}

/// Where the log is, and its key if the configuration says so.
struct Place {
    folder: PathBuf,
    key_file: Option<PathBuf>,
    /// What names them, if it does.
    config: Option<Config>,
}

impl Place {
    /// An error of the log, with the key of the configuration that names the log.
    fn told(&self, error: AuditError) -> Box<dyn Error> {
        match &self.config {
            Some(config) => of_log(config, error).into(),
            None => error.into(),
        }
    }
}

fn place(source: &LogSource) -> Result<Place, Box<dyn Error>> {
    Ok(match &source.folder {
        Some(folder) => Place { folder: folder.clone(), key_file: None, config: None },
        None => {
            let config = Config::load(&source.config)?;
            Place { folder: config.log.folder.clone(), key_file: config.log.key_file.clone(), config: Some(config) }
        }
    })
}

/// What a log is checked against where nothing else is said.
fn against(source: &LogSource, place: &Place) -> Result<Against, AuditError> {
    if source.without_key {
        return Ok(Against::default());
    }
    Against::key_of(&place.folder, place.key_file.as_deref())
}

/// Tells what could not be read and whether the log is whole, and makes the exit code from it.
fn exit_after(source: &LogSource, place: &Place, unreadable: &Unreadable) -> Outcome {
    tell(unreadable);
    let against = match against(source, place) {
        // Who may read the log need not be allowed to read the key.
        Err(AuditError::Io { source, path, .. }) if source.kind() == ErrorKind::PermissionDenied => {
            complain!(
                "agegate: the key {} may not be read here: only the chain is checked, not whether the records are the gate's own",
                path.display()
            );
            Against::default()
        }
        other => other.map_err(|error| place.told(error))?,
    };
    let report = verify(&place.folder, &against).map_err(|error| place.told(error))?;
    Ok(if report.intact() && unreadable.count == 0 {
        Exit::Success
    } else {
        complain_of(&report, &place.folder);
        Exit::Found
    })
}

/// Says in one line that a log is not whole, if so.
fn complain_of(report: &Report, folder: &Path) {
    let (verdict, folder) = (report.verdict(), folder.display());
    match (report.records, report.faults.len()) {
        (0, 0) => complain!("agegate: {verdict} in {folder}"),
        (0, _) => complain!("agegate: {verdict} ({folder}); `agegate log verify` says more"),
        (_, 0) => {}
        (_, 1) => complain!("agegate: {verdict}: 1 fault in {folder}; `agegate log verify` names it"),
        (_, faults) => complain!("agegate: {verdict}: {faults} faults in {folder}; `agegate log verify` names them"),
    }
}

fn tell(unreadable: &Unreadable) {
    if unreadable.count == 0 {
        return;
    }
    for place in &unreadable.first {
        complain!("agegate: not read: {place}");
    }
    complain!(
        "agegate: {} of the log could not be read{}; `agegate log verify` says what this means",
        if unreadable.count == 1 { "one line or file".into() } else { format!("{} lines or files", unreadable.count) },
        if unreadable.count > unreadable.first.len() as u64 { ", the first of them above" } else { "" }
    );
}

fn each(
    source: &LogSource,
    title: Option<&str>,
    work: impl Fn(&mut dyn Write, Record) -> std::io::Result<()>,
) -> Outcome {
    let place = place(source)?;
    let mut result = Ok(Unreadable::default());
    out::bulk(|writer| {
        let mut failed = title.and_then(|title| writeln!(writer, "{title}").err());
        result = reader::records(&place.folder, |record| {
            // Whoever reads through `head` has seen enough.
            if failed.is_none() && out::is_open() {
                failed = work(writer, record).err();
            }
        });
        if let Some(error) = failed {
            log::error!("standard output: {error}");
        }
    });
    exit_after(source, &place, &result.map_err(|error| place.told(error))?)
}

fn show(source: &LogSource) -> Outcome {
    each(source, None, |writer, r| {
        if source.json {
            return writeln!(writer, "{}", out::printable(format_args!("{}", serde_json::to_string(&r)?)));
        }
        let what = match &r.event {
            Event::Start { version, policy, model, liveness, figures, .. } => {
                let liveness = liveness.as_deref().unwrap_or("off");
                let doubt = figures.as_ref().map_or_else(String::new, |doubt| format!("; {doubt}"));
                format!("start      agegate {version}, policy {policy}, {model}, liveness {liveness}{doubt}")
            }
            Event::Stop => "stop".into(),
            Event::Alarm { alarm, change } => format!("alarm      {alarm} {change}"),
            Event::Torn { bytes, .. } => format!("torn       a line of {bytes} bytes was torn by a power cut"),
            Event::Gap { what, .. } => format!("gap        {what}"),
            Event::Unlogged { count, first, last, what } => {
                format!("unlogged   {count} events from {first} to {last} could not be written: {what}")
            }
            Event::Keyed { key, .. } => format!("keyed      from here on the records bear the code of key {key}"),
            Event::Retention { removed_through, .. } => {
                format!("retention  records up to {removed_through} were deleted by age or size")
            }
            Event::Act { decision, act, reason, detail, latency_ms } => [
                Some(format!("door       {act} for decision {decision}")),
                reason.map(|reason| format!("({reason})")),
                latency_ms.map(|ms| format!("after {ms} ms")),
                detail.clone(),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
            Event::Decision { decision, reason, band, confidence, liveness, frames, attempt, latency_ms, .. } => {
                format!(
                    "{decision:<10} {reason:<18} band {:<5} confidence {:<4} living {:<4} frames {frames:<3} try {attempt} latency {latency_ms} ms",
                    band.map_or("-", |b| b.label()),
                    confidence.map_or_else(|| "-".into(), |c| format!("{c:.2}")),
                    liveness.map_or_else(|| "-".into(), |p| format!("{p:.2}")),
                )
            }
        };
        // Whoever edited the log may have written anything there.
        writeln!(writer, "{:>8}  {}  {}", r.seq, out::one_line(&r.time), out::one_line(&what))
    })
}

/// The anchors that were given, one by one or in files.
fn anchors(args: &VerifyArgs) -> Result<Vec<Anchor>, Box<dyn Error>> {
    let mut found = Vec::new();
    for text in &args.anchor {
        found.push(text.parse()?);
    }
    for path in &args.anchors {
        let text = anchor_file(path)?;
        let before = found.len();
        for (line, number) in text.lines().zip(1..) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                found.push(line.parse().map_err(|e| format!("{}, line {number}: {e}", path.display()))?);
            }
        }
        if found.len() == before {
            return Err(format!(
                "no anchor in {}; expected one a line, as `agegate log anchor` prints it",
                path.display()
            )
            .into());
        }
    }
    Ok(found)
}

/// The text of a file of anchors; a mark of its encoding at the beginning, as some editors write it, is left out.
fn anchor_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let file = files::open(path, For::Reading).map_err(|error| match error {
        AuditError::NotAFile { found, .. } => format!("{shown}: this is {found}, expected a regular file of anchors"),
        AuditError::Io { source, .. } => format!("{shown}: cannot read it: {source}"),
        other => other.to_string(),
    })?;
    let mut text = String::new();
    file.take(MOST_ANCHORS).read_to_string(&mut text).map_err(|e| format!("{shown}: cannot read it: {e}"))?;
    if text.len() as u64 == MOST_ANCHORS {
        return Err(format!("{shown}: too large for a file of anchors: {MOST_ANCHORS} bytes or more"));
    }
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn check(args: &VerifyArgs) -> Outcome {
    let place = place(&args.source)?;
    let against = Against {
        anchors: anchors(args)?,
        ..match &args.key {
            Some(path) => Against { key: Some(Key::read(path)?), ..Against::default() },
            None => against(&args.source, &place).map_err(|error| place.told(error))?,
        }
    };
    let report = verify(&place.folder, &against).map_err(|error| place.told(error))?;
    if args.source.json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report, &place.folder);
    }
    Ok(if report.intact() { Exit::Success } else { Exit::Found })
}

fn print(report: &Report, folder: &Path) {
    for note in report.torn.iter().chain(&report.notes) {
        say!("note: {note}");
    }
    for fault in &report.faults {
        say!("FAULT: {fault}");
    }
    if report.records == 0 {
        say!("{}: {}", folder.display(), report.verdict());
        return;
    }
    let mut checked = Vec::new();
    if report.key {
        checked.push(format!("{} bear the code of the key", report.authentic));
    }
    if report.anchors > 0 {
        let agree = if report.anchors == 1 { "anchor agrees" } else { "anchors agree" };
        checked.push(format!("{} {agree}", report.anchors));
    }
    let checked = if checked.is_empty() { String::new() } else { format!(" ({})", checked.join(", ")) };
    say!(
        "{} records ({} to {}) in {} files: {}{checked}",
        report.records,
        report.first,
        report.last,
        report.files,
        report.verdict()
    );
}

/// Prints the anchor of the last record; of a broken log too, but with exit code 1.
fn anchor(source: &LogSource) -> Outcome {
    let place = place(source)?;
    let report = verify(&place.folder, &against(source, &place)?)?;
    let Some(last) = &report.end else {
        return Err(format!("{}: there is no record, so there is no anchor", place.folder.display()).into());
    };
    let anchor = Anchor::of(last);
    if source.json {
        say!(
            "{}",
            serde_json::json!({ "anchor": anchor.to_string(), "seq": last.seq, "hash": last.hash, "intact": report.intact() })
        );
    } else {
        say!("{anchor}");
    }
    if report.intact() {
        return Ok(Exit::Success);
    }
    complain_of(&report, &place.folder);
    Ok(Exit::Found)
}

fn stats(source: &LogSource) -> Outcome {
    let mut days: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let place = place(source)?;
    let unreadable = reader::records(&place.folder, |record| {
        if let Event::Decision { decision, reason, .. } = record.event {
            let day = record.time.get(..10).unwrap_or("?").to_owned();
            *days.entry(day).or_default().entry(format!("{decision} ({reason})")).or_default() += 1;
        }
    })?;
    if source.json {
        say!("{}", serde_json::to_string_pretty(&days)?);
        return exit_after(source, &place, &unreadable);
    }
    for (day, counts) in &days {
        say!("{day}: {} decisions", counts.values().sum::<u64>());
        for (what, count) in counts {
            say!("  {count:>7}  {what}");
        }
    }
    if days.is_empty() {
        say!("no decisions yet");
    }
    exit_after(source, &place, &unreadable)
}

fn export(source: &LogSource) -> Outcome {
    let title = "seq,time,clock_synced,decision,reason,band,confidence,frames,attempt,latency_ms,model,policy,liveness,liveness_model";
    each(source, Some(title), |writer, r| {
        let Event::Decision {
            decision,
            reason,
            band,
            confidence,
            liveness,
            frames,
            attempt,
            latency_ms,
            model,
            liveness_model,
            policy,
        } = r.event
        else {
            return Ok(());
        };
        let share = |p: Option<f32>| p.map_or_else(String::new, |p| format!("{p:.2}"));
        writeln!(
            writer,
            "{},{},{},{decision},{reason},{},{},{frames},{attempt},{latency_ms},{},{},{},{}",
            r.seq,
            out::field(&r.time),
            r.clock_synced.map_or("", |s| if s { "true" } else { "false" }),
            band.map_or("", |b| b.label()),
            share(confidence),
            out::field(&model),
            out::field(&policy),
            share(liveness),
            out::field(&liveness_model.unwrap_or_default()),
        )
    })
}
