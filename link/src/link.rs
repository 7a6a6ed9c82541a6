//! The link of one gate: reads the log, publishes, and moves its cursor when the broker has acknowledged. It subscribes to
//! nothing, so nobody can tell it anything.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, LastWill, MqttOptions, PublishNotice, PublishOptions, QoS,
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    broker::{self, BrokerError, WINDOW},
    config::Config,
    counts::Counts,
    discovery,
    gate_status::Seen,
    queue::{self, Item, QueueError, Tail},
    state::{State, StateError},
    topics::{self, Topics},
};

/// How long a connection may take to be made, and a message to be acknowledged.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long what is no record may stand at the log's end before it is told: a record is whole in milliseconds, and a gate that
/// starts after a power cut notes at once what was torn.
const TAIL_PATIENCE: Duration = Duration::from_secs(5);
/// How often the gate's status file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Why a link cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The broker's part of the configuration.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The link's own state.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("{0}")]
    Connection(Box<ConnectionError>),
    #[error("the broker did not answer for {} s", PATIENCE.as_secs())]
    Silence,
    #[error("the broker took a message and gave no acknowledgement")]
    NotTaken,
    #[error(transparent)]
    State(#[from] StateError),
}

/// What a link shows to others: metrics, health, the textfile.
#[derive(Clone, Debug)]
pub struct View {
    /// How the gate is.
    pub seen: Seen,
    /// What was sent.
    pub counts: Counts,
    /// Number of the last record that the broker has taken.
    pub sent: u64,
    /// Number of the last record of the log, where `head` tells it.
    pub head: Option<u64>,
    /// Why the log cannot be read, if it cannot.
    pub log_trouble: Option<String>,
    /// What stands at the log's end that is no record, and does not go away.
    pub tail_trouble: Option<String>,
    /// Whether the broker is connected.
    pub connected: bool,
    /// Why not.
    pub broker_trouble: Option<String>,
    /// Connections that were made.
    pub connections: u64,
    /// Messages that the broker has acknowledged since the start of the link.
    pub published: u64,
    /// When it acknowledged the last.
    pub last_published: Option<Timestamp>,
    /// When the link started.
    pub started: Timestamp,
}

impl View {
    /// What is wrong with the log, as far as no record of it says so.
    #[must_use]
    pub fn trouble_with_the_log(&self) -> Option<&String> {
        self.log_trouble.as_ref().or(self.tail_trouble.as_ref())
    }
}

/// A view that others can look at while the link runs.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<View>>);

impl Shared {
    fn new(counts: Counts) -> Self {
        Self(Arc::new(Mutex::new(View {
            seen: Seen::None,
            counts,
            sent: 0,
            head: None,
            log_trouble: None,
            tail_trouble: None,
            connected: false,
            broker_trouble: None,
            connections: 0,
            published: 0,
            last_published: None,
            started: Timestamp::now(),
        })))
    }

    /// What is there now.
    #[must_use]
    pub fn get(&self) -> View {
        self.with(|view| view.clone())
    }

    fn with<T>(&self, look: impl FnOnce(&mut View) -> T) -> T {
        // A view is plain values: whoever panicked while holding it cannot have left it half changed.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The link of one gate.
pub struct Link {
    config: Config,
    topics: Topics,
    options: MqttOptions,
    client_id: String,
    state: State,
    shared: Shared,
    looked: Option<Instant>,
    /// What stands at the log's end, and since when.
    tail: Option<(Tail, Instant)>,
}

impl Link {
    /// A link that does not run yet.
    ///
    /// # Errors
    /// [`LinkError`] if files of the configuration or the state cannot be used.
    pub fn new(config: Config) -> Result<Self, LinkError> {
        let client_id = config.broker.client_id.clone().unwrap_or_else(|| format!("agegate-{}", config.gate));
        let topics = Topics::of(&config);
        let mut options = broker::options(&config.broker, &client_id)?;
        let will = topics::link(&config.gate, false);
        options.set_last_will(LastWill::new(topics.named("link"), will, QoS::AtLeastOnce, true));
        let state = State::open(&config.state.folder, &config.gate, Duration::from_secs(config.broker.resend_seconds))?;
        let shared = Shared::new(state.counts().clone());
        Ok(Self { config, topics, options, client_id, state, shared, looked: None, tail: None })
    }

    /// What others may look at.
    #[must_use]
    pub fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// Runs until `stop` says so; then it tells the broker that it goes.
    ///
    /// # Errors
    /// [`StateError`] if the cursor cannot be kept: then nothing more is sent, for it would be sent again and again.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), StateError> {
        let mut tries = 0;
        while !*stop.borrow() {
            let began = Instant::now();
            match self.connection(&mut stop).await {
                Ok(()) => break,
                Err(Ended::State(error)) => return Err(error),
                Err(ended) => {
                    if self.shared.with(|view| std::mem::take(&mut view.connected)) && began.elapsed() > PATIENCE {
                        tries = 0;
                    }
                    let text = ended.to_string();
                    let known =
                        self.shared.with(|view| view.broker_trouble.replace(text.clone())) == Some(text.clone());
                    if !known {
                        log::warn!("broker {}:{}: {text}", self.config.broker.host, self.config.broker.port);
                    }
                }
            }
            let until = Instant::now() + broker::pause(tries, &self.client_id);
            tries += 1;
            while Instant::now() < until && !*stop.borrow() {
                self.look();
                self.peek();
                let _ = timeout(until.saturating_duration_since(Instant::now()).min(LOOK), stop.changed()).await;
            }
        }
        self.state.save(true)
    }

    /// One connection, from its beginning to its end.
    async fn connection(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Ended> {
        let (client, events) = broker::client(self.options.clone(), usize::from(WINDOW));
        let (connected, is_connected) = oneshot::channel();
        let mut driver = Driver(tokio::spawn(drive(events, connected)));
        tokio::select! {
            ended = &mut driver.0 => return Err(ended.map_or(Ended::Silence, |e| Ended::Connection(Box::new(e)))),
            made = timeout(PATIENCE, is_connected) => match made {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(ended(&mut driver).await),
                Err(_) => return Err(Ended::Silence),
            },
            _ = stop.changed() => return Ok(()),
        }
        log::info!("connected to the broker {}:{}", self.config.broker.host, self.config.broker.port);
        self.shared.with(|view| {
            view.connected = true;
            view.connections += 1;
            view.broker_trouble = None;
        });
        let result = self.publish_all(&client, stop, &mut driver).await;
        if result.is_ok() {
            let goodbye = topics::link(&self.config.gate, false);
            if let Ok(notice) = self.put(&client, "link", goodbye, true).await {
                let _ = timeout(Duration::from_secs(5), notice.wait_completion_async()).await;
            }
            let _ = client.disconnect().await;
            let _ = timeout(Duration::from_secs(2), &mut driver.0).await;
        }
        result
    }

    /// Publishes until asked to stop, or until the connection is lost.
    async fn publish_all(
        &mut self,
        client: &AsyncClient,
        stop: &mut watch::Receiver<bool>,
        driver: &mut Driver,
    ) -> Result<(), Ended> {
        self.look();
        let mut told = Told::default();
        if !self.config.topics.home_assistant.is_empty() {
            let version = self.shared.with(|view| view.seen.file().map(|f| f.version.clone()));
            let message = discovery::message(&self.config, version.as_deref()).to_string().into_bytes();
            let options = PublishOptions::new(QoS::AtLeastOnce).retain(true);
            let sent = client.publish_tracked(discovery::topic(&self.config), message, options).await;
            self.wait(vec![sent.map_err(|_| Ended::NotTaken)?], driver).await?;
        }
        let online = self.put(client, "link", topics::link(&self.config.gate, true), true).await?;
        self.wait(vec![online], driver).await?;

        // A broker that was killed may have lost what it took last. Where the log itself was changed, the cursor finds that.
        let folder = self.config.log.folder.clone();
        let mut reading = match queue::stands(&folder, self.state.cursor()) {
            Ok(true) => self.state.safe().clone(),
            _ => self.state.cursor().clone(),
        };
        loop {
            let items = match queue::look(&folder, &reading, self.state.landmarks()) {
                Ok(found) => {
                    self.follow_tail(found.tail);
                    self.readable(found.items)
                }
                Err(error) => self.unreadable(&error),
            };
            for part in items.chunks(usize::from(WINDOW)) {
                let mut notices = Vec::with_capacity(part.len());
                for item in part {
                    notices.push(self.put(client, "record", topics::item(&self.config.gate, item), false).await?);
                }
                self.wait(notices, driver).await?;
                self.state.taken(part);
                self.state.save(false)?;
                reading = part.last().map_or(reading, |item| item.after.clone());
            }
            self.look();
            self.state.settle();
            let more = !items.is_empty();
            self.tell(client, driver, &mut told, more).await?;
            if *stop.borrow() {
                return Ok(());
            }
            if !more {
                let pause = Duration::from_millis(self.config.log.poll_ms);
                tokio::select! {
                    () = sleep(pause) => {}
                    ended = &mut driver.0 => return Err(ended.map_or(Ended::Silence, |e| Ended::Connection(Box::new(e)))),
                    _ = stop.changed() => return Ok(()),
                }
            }
        }
    }

    /// The retained topics, as far as they have something new.
    async fn tell(
        &mut self,
        client: &AsyncClient,
        driver: &mut Driver,
        told: &mut Told,
        more: bool,
    ) -> Result<(), Ended> {
        let mut notices = Vec::new();
        let sent = (self.state.cursor().seq, self.state.counts().faults);
        // Where much waits, the last number and hash go out with every batch all the same.
        if told.chain != Some(sent) {
            let payload = topics::chain(&self.config.gate, self.state.cursor(), self.state.counts());
            notices.push(self.put(client, "anchor", payload, true).await?);
            told.chain = Some(sent);
        }
        if !more {
            let (seen, trouble) = self.shared.with(|view| (view.seen.clone(), view.trouble_with_the_log().cloned()));
            let mark = mark(&seen, self.state.counts(), trouble.as_deref());
            let due = told.at.is_none_or(|at| at.elapsed() >= Duration::from_secs(self.config.status.every_seconds));
            if due || told.mark.as_ref() != Some(&mark) {
                let payload =
                    topics::status(&self.config, &seen, self.state.counts(), self.state.cursor(), trouble.as_deref());
                notices.push(self.put(client, "status", payload, true).await?);
                (told.mark, told.at) = (Some(mark), Some(Instant::now()));
            }
            let decisions = self.state.counts().decisions.values().sum();
            if told.decisions != Some(decisions) {
                notices
                    .push(self.put(client, "days", topics::days(&self.config.gate, self.state.counts()), true).await?);
                told.decisions = Some(decisions);
            }
        }
        self.wait(notices, driver).await
    }

    async fn put(
        &self,
        client: &AsyncClient,
        leaf: &str,
        payload: Vec<u8>,
        keep: bool,
    ) -> Result<PublishNotice, Ended> {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(keep);
        client.publish_tracked(self.topics.named(leaf), payload, options).await.map_err(|_| Ended::NotTaken)
    }

    /// Waits for the acknowledgements, in the order of the messages.
    async fn wait(&self, notices: Vec<PublishNotice>, driver: &mut Driver) -> Result<(), Ended> {
        let count = notices.len() as u64;
        for notice in notices {
            match timeout(PATIENCE, notice.wait_completion_async()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(ended(driver).await),
                Err(_) => return Err(Ended::Silence),
            }
        }
        if count > 0 {
            self.shared.with(|view| {
                view.published += count;
                view.last_published = Some(Timestamp::now());
                view.counts.clone_from(self.state.counts());
                view.sent = self.state.cursor().seq;
            });
        }
        Ok(())
    }

    /// Looks at the gate's status file and at `head`, now and then.
    fn look(&mut self) {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let (seen, head) = (Seen::look(&self.config.status), queue::head(&self.config.log.folder));
        self.shared.with(|view| {
            (view.seen, view.head) = (seen, head);
            view.sent = self.state.cursor().seq;
        });
    }

    /// Looks whether the log can be read, while nothing is sent.
    fn peek(&self) {
        let trouble = queue::names::list(&self.config.log.folder)
            .err()
            .map(|error| format!("decision log {}: {error}", self.config.log.folder.display()));
        self.shared.with(|view| view.log_trouble = trouble);
    }

    /// Remembers what stands at the log's end, and tells of it once it has stood there for too long to be a record that is written.
    fn follow_tail(&mut self, tail: Option<Tail>) {
        let since = self.tail.take().filter(|(before, _)| Some(before) == tail.as_ref()).map(|(_, since)| since);
        self.tail = tail.map(|tail| (tail, since.unwrap_or_else(Instant::now)));
        let trouble = self
            .tail
            .as_ref()
            .filter(|(_, since)| since.elapsed() >= TAIL_PATIENCE)
            .map(|(tail, _)| format!("decision log {}: {tail}", self.config.log.folder.display()));
        match (self.shared.with(|view| std::mem::replace(&mut view.tail_trouble, trouble.clone())), trouble) {
            (None, Some(now)) => {
                log::warn!("{now}; a gate that starts notes what a power cut tore, else somebody put it there");
            }
            (Some(_), None) => log::info!("the log ends in a record again"),
            _ => {}
        }
    }

    fn readable(&self, items: Vec<Item>) -> Vec<Item> {
        if self.shared.with(|view| view.log_trouble.take()).is_some() {
            log::info!("the log can be read again");
        }
        items
    }

    fn unreadable(&self, error: &QueueError) -> Vec<Item> {
        let text = error.to_string();
        if self.shared.with(|view| view.log_trouble.replace(text.clone())) != Some(text) {
            log::error!("{error}; nothing can be sent until it can be read");
        }
        Vec::new()
    }
}

/// What was told on a connection.
#[derive(Default)]
struct Told {
    chain: Option<(u64, u64)>,
    mark: Option<Mark>,
    at: Option<Instant>,
    decisions: Option<u64>,
}

/// By what a status is another one; times and counters of frames alone are not.
type Mark = (String, Option<String>, Option<String>, Vec<String>, Option<u64>, u64, Option<String>);

fn mark(seen: &Seen, counts: &Counts, log_trouble: Option<&str>) -> Mark {
    let file = seen.file();
    (
        seen.state().to_owned(),
        file.map(|f| f.camera.clone()),
        file.map(|f| f.door.clone()),
        file.map(|f| f.alarms.clone()).unwrap_or_default(),
        counts.last.as_ref().map(|last| last.seq),
        counts.faults,
        log_trouble.map(str::to_owned),
    )
}

/// The task that drives a connection; it ends with its owner.
struct Driver(JoinHandle<ConnectionError>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn drive(mut events: EventLoop, connected: oneshot::Sender<()>) -> ConnectionError {
    let mut connected = Some(connected);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                if let Some(connected) = connected.take() {
                    let _ = connected.send(());
                }
            }
            Ok(_) => {}
            // The next connection begins with the log, not with what this one had not sent.
            Err(error) => return error,
        }
    }
}

/// Why the connection ended.
async fn ended(driver: &mut Driver) -> Ended {
    match timeout(Duration::from_secs(5), &mut driver.0).await {
        Ok(Ok(error)) => Ended::Connection(Box::new(error)),
        _ => Ended::NotTaken,
    }
}
