//! A thousand gates on one broker: the real link's code, a recorded log, the real mosquitto with TLS and passwords, killed for
//! a simulated day. `make thousand` runs this and writes the figures into docs/fleet.md.
//!
//! All gates' logs are hard links to one recorded log, so what is appended to it is what every gate writes. The links run in
//! a process of their own (this program again), so that its memory is theirs alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]
#![allow(clippy::print_stdout, reason = "figures, for whoever runs it")]

mod common;

use std::{
    collections::HashMap,
    fmt::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use agegate_link::{config::Config, link::Link, metrics::resident_bytes};
use common::{Log, Mosquitto, Running, configure, decision};
use rumqttc::{Client, Event, Incoming, QoS};
use serde_json::json;

/// Most memory that a link may take, bytes.
const MOST_MEMORY: u64 = 15_000_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What came of each gate.
#[derive(Default)]
struct Tally {
    /// The last number in order.
    last: HashMap<String, u64>,
    messages: u64,
    again: u64,
    lost: u64,
    out_of_order: u64,
}

impl Tally {
    fn take(&mut self, topic: &str, payload: &[u8]) {
        let gate = topic.rsplit('/').nth(1).unwrap();
        let text = std::str::from_utf8(payload).unwrap();
        assert!(!text.contains("\"notice\""), "{gate}: {text}");
        let seq: u64 = text.split("\"seq\":").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
        self.messages += 1;
        let last = self.last.entry(gate.into()).or_default();
        match seq {
            _ if seq == *last + 1 => *last = seq,
            // By number and hash it is known: sent again after the connection was lost.
            _ if seq <= *last => self.again += 1,
            _ => {
                self.lost += seq - *last - 1;
                self.out_of_order += 1;
                *last = seq;
            }
        }
    }

    fn complete(&self, gates: u64, seq: u64) -> bool {
        self.last.len() as u64 == gates && self.last.values().all(|last| *last == seq)
    }
}

/// The head office: keeps count and nothing else.
fn receive(broker: &Mosquitto) -> Arc<Mutex<Tally>> {
    let mut options = broker.options("office");
    options.set_clean_session(false);
    let (client, mut connection) = Client::builder(options).capacity(10).build();
    let tally = Arc::new(Mutex::new(Tally::default()));
    let kept = Arc::clone(&tally);
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Incoming::ConnAck(ack))) if !ack.session_present => {
                    let _ = client.try_subscribe("agegate/+/record", QoS::AtLeastOnce);
                }
                Ok(Event::Incoming(Incoming::SubAck(_))) => drop(ready.send(())),
                Ok(Event::Incoming(Incoming::Publish(publish))) => {
                    kept.lock().unwrap().take(&String::from_utf8_lossy(&publish.topic), &publish.payload);
                }
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    });
    is_ready.recv_timeout(Duration::from_secs(60)).unwrap();
    tally
}

fn wait(tally: &Mutex<Tally>, gates: u64, seq: u64, what: &str) -> Duration {
    let began = Instant::now();
    let mut said = Instant::now();
    loop {
        let tally = tally.lock().unwrap();
        if tally.complete(gates, seq) {
            return began.elapsed();
        }
        let behind = tally.last.values().filter(|last| **last < seq).count() + (gates as usize - tally.last.len());
        assert!(
            began.elapsed() < Duration::from_secs(setting("AGEGATE_THOUSAND_PATIENCE", 3600)),
            "{what}: {behind} gates are behind"
        );
        if said.elapsed() > Duration::from_secs(10) {
            said = Instant::now();
            println!("{what}: {} messages, {behind} gates are behind", tally.messages);
        }
        drop(tally);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Records of a day: each visit a decision, and for those let in what the door did.
fn day(log: &mut Log, records: u64) {
    let until = log.seq + records;
    while log.seq < until {
        let number = log.seq + 1;
        match number % 4 {
            0 => log.append(&decision("Refer", "not-sure")),
            1 => log.append(&decision("Allow", "old-enough")),
            2 => log.append(&json!({"event": "act", "decision": number - 1, "act": "opened", "latency_ms": 700, "mac": "0".repeat(32)})),
            _ => log.append(&json!({"event": "act", "decision": number - 2, "act": "shut", "reason": "time-up", "mac": "0".repeat(32)})),
        };
    }
}

struct Links(Child);

impl Drop for Links {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap().to_owned();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
#[ignore = "minutes: `make thousand`"]
fn lose_nothing_and_catch_up_after_a_day_without_broker() {
    let (gates, records) = (setting("AGEGATE_THOUSAND_GATES", 1000), setting("AGEGATE_THOUSAND_RECORDS", 400));
    let mut broker = Mosquitto::start_quiet();
    let tally = receive(&broker);
    broker.save();
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(&folder.path().join("recorded"));
    day(&mut log, 20);
    for k in 0..gates {
        let gate = folder.path().join(format!("gate-{k}"));
        std::fs::create_dir_all(gate.join("log")).unwrap();
        let name = log.path();
        std::fs::hard_link(&name, gate.join("log").join(name.file_name().unwrap())).unwrap();
        // As the defaults have it, not as quick as other tests want it.
        let config = configure(&gate, &broker, &format!("gate-{k}"), "");
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text
            .replace("poll_ms = 50\n", "")
            .replace("every_seconds = 1\n", "")
            .replace("keep_alive_seconds = 5\n", "");
        std::fs::write(config, text).unwrap();
    }

    let began = Instant::now();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_links_themselves", "--ignored", "--nocapture"])
        .env("AGEGATE_THOUSAND_FOLDER", folder.path())
        .env("AGEGATE_THOUSAND_GATES", gates.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let links = Links(child);
    wait(&tally, gates, log.seq, "first records");
    let first = began.elapsed();

    // One record at every gate, at the same moment.
    let mut live = Vec::new();
    for _ in 0..5 {
        day(&mut log, 1);
        live.push(wait(&tally, gates, log.seq, "one record each").as_secs_f64());
    }
    live.sort_by(f64::total_cmp);
    let memory = resident(links.0.id()) / gates;

    broker.kill();
    day(&mut log, records);
    let before = tally.lock().unwrap().messages;
    std::thread::sleep(Duration::from_secs(3));
    broker.up();
    let catch_up = wait(&tally, gates, log.seq, "catching up");
    let messages = tally.lock().unwrap().messages - before;
    let peak = resident(links.0.id()) / gates;
    drop(links);

    // One real process, with the same log.
    let alone = folder.path().join("gate-alone");
    std::fs::create_dir_all(alone.join("log")).unwrap();
    std::fs::copy(log.path(), alone.join("log").join(log.path().file_name().unwrap())).unwrap();
    let process = Running::start(&["run"], &configure(&alone, &broker, "gate-alone", ""));
    let until = Instant::now() + Duration::from_secs(300);
    while tally.lock().unwrap().last.get("gate-alone") != Some(&log.seq) {
        assert!(Instant::now() < until, "{}", process.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    let real = process.resident_bytes();

    let tally = tally.lock().unwrap();
    let new = gates * records;
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    row("gates on one mosquitto, TLS and passwords", gates.to_string());
    row("all connected, and the first 20 records of each taken", format!("{:.0} s", first.as_secs_f64()));
    row("one record at every gate at once, until the last has arrived (median of 5)", format!("{:.1} s", live[2]));
    row("records that waited after the simulated day", format!("{new} ({records} a gate)"));
    row("caught up after the broker was back", format!("{:.0} s", catch_up.as_secs_f64()));
    row("messages a second meanwhile, duplicates counted", format!("{:.0}", messages as f64 / catch_up.as_secs_f64()));
    row("lost", tally.lost.to_string());
    row("out of order", tally.out_of_order.to_string());
    row("sent twice after the broker was killed, known by number and hash", tally.again.to_string());
    row(
        "memory a link, all in one process",
        format!("{:.2} MB; {:.2} MB while catching up", memory as f64 / 1e6, peak as f64 / 1e6),
    );
    row("memory of one real process, its peak", format!("{:.1} MB", real as f64 / 1e6));
    println!("{text}");
    assert_eq!((tally.lost, tally.out_of_order), (0, 0));
    assert!(real < MOST_MEMORY && peak < MOST_MEMORY, "{real} {peak}");
    if std::env::var_os("AGEGATE_THOUSAND_WRITE").is_some() {
        write(&text);
    }
}

/// Puts the figures between the markers of the pages.
fn write(rows: &str) {
    let (begin, end) =
        ("<!-- thousand: begin, written by link/tests/a_thousand_gates.rs -->", "<!-- thousand: end -->");
    let cores = std::thread::available_parallelism().unwrap().get();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let note = format!(
        "`make thousand`, broker, links and receiver together on {cores} core{}, with a load average of {} at the end:",
        if cores == 1 { "" } else { "s" },
        load.split(' ').next().unwrap()
    );
    for page in ["docs/fleet.md", "README.md"].map(|page| common::repository().join(page)) {
        let text = std::fs::read_to_string(&page).unwrap();
        let (head, rest) = text.split_once(begin).expect("the page has the block");
        let (_, tail) = rest.split_once(end).expect("the page has the block's end");
        std::fs::write(page, format!("{head}{begin}\n{note}\n\n| | |\n|---|---|\n{rows}{end}{tail}")).unwrap();
    }
}

/// The other process: a thousand links on one thread.
#[test]
#[ignore = "is started by the other one"]
fn the_links_themselves() {
    let Some(folder) = std::env::var_os("AGEGATE_THOUSAND_FOLDER") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for k in 0..setting("AGEGATE_THOUSAND_GATES", 1000) {
            let path = Path::new(&folder).join(format!("gate-{k}/gate-{k}.toml"));
            let link = Link::new(Config::load(&path).unwrap()).unwrap();
            tasks.push(tokio::spawn(link.run(stopped.clone())));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
    println!("{}", resident_bytes());
}
