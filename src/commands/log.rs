//! `agegate log`: show, verify, count and export the decision log.

use std::{
    collections::BTreeMap,
    io::{Write, stdout},
    path::PathBuf,
};

use super::{Exit, Outcome};
use crate::{
    audit::{Event, Record, reader, verify::verify},
    cli::{LogArgs, LogCommand, LogSource},
    config::Config,
};

/// Runs the command.
///
/// # Errors
/// If the configuration or the log cannot be read. A broken chain makes the exit code 1.
pub fn run(args: &LogArgs) -> Outcome {
    match &args.command {
        LogCommand::Show(source) => show(source),
        LogCommand::Verify(source) => check(source),
        LogCommand::Stats(source) => stats(source),
        LogCommand::Export(source) => export(source),
    }
}

fn folder(source: &LogSource) -> Result<PathBuf, Box<dyn std::error::Error>> {
    match &source.folder {
        Some(folder) => Ok(folder.clone()),
        None => Ok(Config::load(&source.config)?.log.folder),
    }
}

fn each(source: &LogSource, mut work: impl FnMut(&mut dyn Write, Record) -> std::io::Result<()>) -> Outcome {
    let mut out = std::io::BufWriter::new(stdout().lock());
    let mut failed = None;
    reader::records(&folder(source)?, |record| {
        if failed.is_none() {
            failed = work(&mut out, record).err();
        }
    })?;
    match failed.map_or_else(|| out.flush(), Err) {
        // Whoever reads through `head` has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Success),
    }
}

fn show(source: &LogSource) -> Outcome {
    each(source, |out, r| {
        if source.json {
            return writeln!(out, "{}", serde_json::to_string(&r)?);
        }
        let what = match &r.event {
            Event::Start { version, policy, model, .. } => {
                format!("start      agegate {version}, policy {policy}, {model}")
            }
            Event::Stop => "stop".into(),
            Event::Torn { bytes, .. } => format!("torn       a line of {bytes} bytes was torn by a power cut"),
            Event::Retention { removed_through } => {
                format!("retention  records up to {removed_through} were deleted by age")
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
            Event::Decision { decision, reason, band, confidence, frames, attempt, latency_ms, .. } => format!(
                "{decision:<10} {reason:<18} band {:<5} confidence {:<4} frames {frames:<3} try {attempt} latency {latency_ms} ms",
                band.map_or("-", |b| b.label()),
                confidence.map_or_else(|| "-".into(), |c| format!("{c:.2}")),
            ),
        };
        writeln!(out, "{:>8}  {}  {what}", r.seq, r.time)
    })
}

fn check(source: &LogSource) -> Outcome {
    let report = verify(&folder(source)?)?;
    if source.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        for torn in &report.torn {
            println!("note: {torn}");
        }
        for note in &report.notes {
            println!("note: {note}");
        }
        for fault in &report.faults {
            println!("FAULT: {fault}");
        }
        let verdict = if report.intact() { "the chain is whole" } else { "the chain is BROKEN" };
        println!(
            "{} records ({} to {}) in {} files: {verdict}",
            report.records, report.first, report.last, report.files
        );
    }
    Ok(if report.intact() { Exit::Success } else { Exit::Found })
}

fn stats(source: &LogSource) -> Outcome {
    let mut days: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    reader::records(&folder(source)?, |record| {
        if let Event::Decision { decision, reason, .. } = record.event {
            let day = record.time.get(..10).unwrap_or("?").to_owned();
            *days.entry(day).or_default().entry(format!("{decision} ({reason})")).or_default() += 1;
        }
    })?;
    if source.json {
        println!("{}", serde_json::to_string_pretty(&days)?);
        return Ok(Exit::Success);
    }
    for (day, counts) in &days {
        println!("{day}: {} decisions", counts.values().sum::<u64>());
        for (what, count) in counts {
            println!("  {count:>7}  {what}");
        }
    }
    if days.is_empty() {
        println!("no decisions yet");
    }
    Ok(Exit::Success)
}

fn export(source: &LogSource) -> Outcome {
    println!("seq,time,clock_synced,decision,reason,band,confidence,frames,attempt,latency_ms,model,policy");
    each(source, |out, r| {
        let Event::Decision { decision, reason, band, confidence, frames, attempt, latency_ms, model, policy } =
            r.event
        else {
            return Ok(());
        };
        writeln!(
            out,
            "{},{},{},{decision},{reason},{},{},{frames},{attempt},{latency_ms},{model},{policy}",
            r.seq,
            r.time,
            r.clock_synced.map_or("", |s| if s { "true" } else { "false" }),
            band.map_or("", |b| b.label()),
            confidence.map_or_else(String::new, |c| format!("{c:.2}")),
        )
    })
}
