//! The commands: run, check, fleet, example.

use std::{
    error::Error,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use rumqttc::{Event, Incoming};
use tokio::sync::watch;

use crate::{
    broker,
    config::{self, Config, table},
    counts,
    files::{self, Durable},
    fleet,
    gate_status::Seen,
    http,
    link::{Link, Shared},
    metrics::{self, For},
    queue, say,
    state::State,
};

/// How often the textfile is written.
const TEXTFILE_EVERY: Duration = Duration::from_secs(15);

/// Longest wait for an answer of this computer's own.
const ASKING: Duration = Duration::from_secs(2);
/// Longest wait for the broker's answer in `check`.
const CHECK_PATIENCE: Duration = Duration::from_secs(30);

/// Speaks to the network for an age gate: MQTT, Prometheus, Home Assistant, fleet. Takes no command
#[derive(Debug, Parser)]
#[command(name = "agegate-link", version, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish the gate's log and status until stopped
    Run(ConfigArg),
    /// Try configuration, log, status file and broker, and say what is wrong
    Check(ConfigArg),
    /// Show all gates of a broker: a table, and a page of HTML
    Fleet(FleetArgs),
    /// Print the example configuration
    Example,
}

#[derive(Debug, Args)]
struct ConfigArg {
    /// Configuration file
    #[arg(long, default_value = config::DEFAULT_PATH)]
    config: PathBuf,
}

/// Arguments of `fleet`.
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// Configuration file: its [broker] and [topics]; the prefix may have `+` for a level, such as "agegate/+"
    #[arg(long, default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    /// Write the page to this file
    #[arg(long)]
    html: Option<PathBuf>,
    /// Add each gate's new anchor to FOLDER/GATE.anchors, for `agegate log verify --anchors`
    #[arg(long)]
    anchors: Option<PathBuf>,
    /// Go on, and renew table, page and anchors every so many seconds
    #[arg(long, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    watch: Option<u64>,
    /// Days that referral rate and decisions a day are about, today not among them
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u16).range(1..=34))]
    days: u16,
    /// Seconds without a message after which what the broker keeps counts as read
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    settle: u64,
}

impl Cli {
    /// Does what was asked; whether all is well.
    ///
    /// # Errors
    /// What keeps it from being done.
    pub fn run(self) -> Result<bool, Box<dyn Error>> {
        if matches!(self.command, Command::Example) {
            say!("{}", table::example().trim_end());
            return Ok(true);
        }
        // One thread: what waits for a network needs no more.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match &self.command {
                Command::Run(args) => run(&load(&args.config)?).await.map(|()| true),
                Command::Check(args) => check(&args.config).await,
                Command::Fleet(args) => show_fleet(args).await,
                Command::Example => Ok(true),
            }
        })
    }
}

fn load(path: &Path) -> Result<Config, config::ConfigError> {
    Config::load(path)?.for_publishing(path)
}

async fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    let listener = match config.metrics.listen.parse() {
        Ok(address) => {
            let listener = http::listen(address).await;
            Some(listener.map_err(|e| format!("`metrics.listen`: {address}: {e}"))?)
        }
        Err(_) => None,
    };
    let link = Link::new(config.clone())?;
    let shared = link.shared();
    if let Some(listener) = listener {
        log::info!("metrics on http://{}/metrics", config.metrics.listen);
        tokio::spawn(http::serve(listener, config.gate.clone(), shared.clone()));
    }
    if let Some(path) = config.metrics.textfile.clone() {
        tokio::spawn(textfile(path, config.gate.clone(), shared.clone()));
    }
    let (stop, stopped) = watch::channel(false);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        let _ = stop.send(true);
    });
    log::info!("agegate-link {} runs for the gate {}", env!("CARGO_PKG_VERSION"), config.gate);
    link.run(stopped).await?;
    log::info!("agegate-link stops");
    Ok(())
}

async fn textfile(path: PathBuf, gate: String, shared: Shared) {
    let mut failed = false;
    loop {
        // Not before the first look at the gate.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let text = metrics::text(&gate, &shared.get(), For::Textfile);
        match files::write_whole(&path, text.as_bytes(), 0o644, Durable::No) {
            Ok(()) => failed = false,
            Err(error) if !std::mem::replace(&mut failed, true) => {
                log::warn!("`metrics.textfile` {}: {error}", path.display());
            }
            Err(_) => {}
        }
        tokio::time::sleep(TEXTFILE_EVERY).await;
    }
}

async fn check(path: &Path) -> Result<bool, Box<dyn Error>> {
    let config = load(path)?;
    let mut good = true;
    let mut tell = |what: &str, found: Result<String, String>| {
        match found {
            Ok(found) => say!("{what:<10} ok      {found}"),
            Err(trouble) => {
                good = false;
                say!("{what:<10} WRONG   {trouble}");
            }
        };
    };
    tell("config", Ok(format!("{}, gate {}", path.display(), config.gate)));
    tell("log", check_log(&config));
    let seen = Seen::look(&config.status);
    tell(
        "gate",
        match &seen {
            Seen::Unreadable(what) => Err(what.clone()),
            seen if seen.in_use() => Ok("in use".into()),
            seen => Err(format!(
                "{}; its status is looked for in {}, for the configuration {}",
                seen.state(),
                config.status.folder.display(),
                config.status.gate_config.display()
            )),
        },
    );
    let folder = config.state.folder.display();
    tell(
        "state",
        match State::peek(&config.state.folder, &config.gate) {
            Ok(Some(cursor)) => Ok(format!("{folder}, sent up to record {}", cursor.seq)),
            Ok(None) => Ok(format!("{folder}, nothing sent yet")),
            Err(error) => Err(error.to_string()),
        },
    );
    tell("metrics", check_metrics(&config));
    tell("broker", check_broker(&config).await);
    Ok(good)
}

fn check_log(config: &Config) -> Result<String, String> {
    let folder = &config.log.folder;
    let hint = "; the link's user must be in the group that may read it (agegate)";
    let names = queue::names::list(folder).map_err(|e| format!("{}: {e}{hint}", folder.display()))?;
    for name in &names {
        let path = name.within(folder);
        queue::names::open(&path).map_err(|e| format!("{}: {e}{hint}", path.display()))?;
    }
    let (mut cursor, mut faults) = (queue::Cursor::default(), Vec::new());
    loop {
        let read = queue::look(folder, &cursor, &queue::Landmarks::default()).map_err(|e| e.to_string())?;
        let notices = read.items.iter().filter_map(|item| match &item.what {
            queue::What::Notice(notice) if notice.is_fault() => Some(counts::describe(notice)),
            _ => None,
        });
        faults.extend(notices);
        faults.extend(read.tail.map(|tail| tail.to_string()));
        match read.items.last() {
            Some(last) => cursor = last.after.clone(),
            None => break,
        }
    }
    let records = match (queue::head(folder), cursor.seq) {
        (Some(head), _) => format!("{head} records"),
        (None, 0) => "no record yet".into(),
        (None, last) => {
            let gone = "`head` is missing or damaged, though there is a record";
            faults.insert(0, format!("{gone} {last}: `agegate log verify` says what is lost"));
            format!("records up to {last}")
        }
    };
    let found = format!("{}, {} files, {records}", folder.display(), names.len());
    match faults.as_slice() {
        [] => Ok(found),
        [only] => Err(format!("{found}; it is not whole: {only}")),
        [first, ..] => Err(format!("{found}; it is not whole: {first}; and {} more", faults.len() - 1)),
    }
}

/// Whether metrics can be given where they are asked for. A link that runs has its port already.
fn check_metrics(config: &Config) -> Result<String, String> {
    let metrics = &config.metrics;
    let mut found = Vec::new();
    if let Ok(address) = metrics.listen.parse::<SocketAddr>() {
        found.push(match std::net::TcpListener::bind(address) {
            Ok(_) => format!("{address} is free"),
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_ours(address, &config.gate) => {
                format!("{address} is in use by the link that runs")
            }
            Err(error) => return Err(format!("`metrics.listen`: {address}: {error}")),
        });
    }
    if let Some(path) = &metrics.textfile {
        let wrong = |what: &dyn std::fmt::Display| format!("`metrics.textfile`: {}: {what}", path.display());
        let folder = path.parent().unwrap_or(Path::new("/"));
        if !folder.is_dir() {
            return Err(wrong(&format!("there is no folder {}", folder.display())));
        }
        if path.is_dir() {
            return Err(wrong(&"this is a folder, expected a file's name"));
        }
        files::writable(folder).map_err(|error| wrong(&error))?;
        found.push(format!("textfile {}", path.display()));
    }
    Ok(if found.is_empty() { "none".into() } else { found.join(", ") })
}

/// Whether the link of this gate answers at an address.
fn is_ours(address: SocketAddr, gate: &str) -> bool {
    let answer = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect_timeout(&address, ASKING)?;
        stream.set_read_timeout(Some(ASKING))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut text = String::new();
        stream.take(1 << 20).read_to_string(&mut text)?;
        Ok(text)
    };
    answer().is_ok_and(|text| text.contains(&format!("agegate_up{{gate=\"{gate}\"}}")))
}

async fn check_broker(config: &Config) -> Result<String, String> {
    let place = format!("{}:{}", config.broker.host, config.broker.port);
    // Another name than the running link's, which would be thrown out.
    let options =
        broker::options(&config.broker, &format!("agegate-check-{}", std::process::id())).map_err(|e| e.to_string())?;
    let (client, mut events) = broker::client(options, 1);
    let connected = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    let result = tokio::time::timeout(CHECK_PATIENCE, connected).await;
    let _ = client.try_disconnect();
    match result {
        Ok(Ok(())) => Ok(format!("{place}{}", if config.broker.tls { ", TLS" } else { "" })),
        Ok(Err(error)) => Err(format!("{place}: {error}")),
        Err(_) => Err(format!("{place}: no answer within {} s", CHECK_PATIENCE.as_secs())),
    }
}

async fn show_fleet(args: &FleetArgs) -> Result<bool, Box<dyn Error>> {
    let config = Config::load(&args.config)?;
    let mut gates = fleet::collect::Gates::default();
    let mut reader = fleet::collect::Reader::connect(&config, &mut gates).await?;
    reader.settle(&mut gates, Duration::from_secs(args.settle)).await?;
    loop {
        let rows = fleet::rows::of(&gates, jiff::Timestamp::now(), args.days);
        say!("{}", fleet::table::text(&rows, args.days).trim_end());
        if let Some(path) = &args.html {
            let page = fleet::page::html(&rows, args.days, args.watch);
            files::write_whole(path, page.as_bytes(), 0o644, Durable::No)
                .map_err(|e| format!("{}: {e}", path.display()))?;
        }
        if let Some(folder) = &args.anchors {
            fleet::anchors::keep(folder, &gates).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        let Some(seconds) = args.watch else { return Ok(rows.iter().all(|row| !row.needs_a_look())) };
        if reader.follow(&mut gates, Duration::from_secs(seconds)).await.is_err() {
            // What is known stays on the page, and grows old there.
            log::warn!("the broker is lost, trying again");
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            if let Ok(again) = fleet::collect::Reader::connect(&config, &mut gates).await {
                reader = again;
            }
        }
    }
}
