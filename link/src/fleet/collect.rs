//! Reads the retained topics of all gates. What comes in is bounded and checked: anybody who may publish on the broker may
//! have written it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, QoS};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use crate::{
    broker::{self, BrokerError},
    config::{Config, is_name},
    counts::{Day, Fault, Last},
};

/// Most gates that are kept.
const MOST_GATES: usize = 200_000;
/// The topics that are read of each gate.
const LEAVES: [&str; 4] = ["status", "days", "anchor", "link"];

/// `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    /// When it was sent.
    pub time: String,
    /// How often it comes.
    pub every_seconds: u64,
    /// The gate's state.
    pub state: String,
    /// Since when.
    pub since: Option<String>,
    /// The camera.
    pub camera: Option<String>,
    /// The door.
    pub door: Option<String>,
    /// What to look after.
    pub alarms: Vec<String>,
    /// Version.
    pub version: Option<String>,
    /// Policy.
    pub policy: Option<String>,
    /// The last decision.
    pub last_decision: Option<Last>,
    /// Records that the broker has not taken.
    pub waiting: Option<u64>,
    /// What is wrong with the log, as far as no record says so.
    pub log_trouble: Option<String>,
}

/// `anchor`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Chain {
    /// When it was sent.
    pub time: String,
    /// Last number.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    /// The anchor of both.
    pub anchor: String,
    /// Faults so far.
    pub faults: u64,
    /// The last of them.
    pub last_fault: Option<Fault>,
    /// Records that came too late to be sent.
    pub missed: u64,
}

/// `days`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Days {
    days: BTreeMap<String, Day>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct LinkState {
    state: String,
}

/// What is known of a gate.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// How it is.
    pub status: Option<Status>,
    /// Its chain.
    pub chain: Option<Chain>,
    /// Decisions by day.
    pub days: BTreeMap<String, Day>,
    /// Whether its link is connected; `None` if nothing says so.
    pub online: Option<bool>,
    /// The topics whose last message could not be read.
    pub garbled: BTreeSet<&'static str>,
}

/// All gates by the topic above theirs (`PREFIX/GATE`).
#[derive(Clone, Debug, Default)]
pub struct Gates(pub BTreeMap<String, Gate>);

impl Gates {
    /// Takes a message in; whether it was one that says something.
    pub fn take(&mut self, topic: &str, payload: &[u8]) -> bool {
        let Some((base, leaf)) = topic.rsplit_once('/') else { return false };
        let name = base.rsplit('/').next().unwrap_or_default();
        let Some(leaf) = LEAVES.into_iter().find(|known| *known == leaf) else { return false };
        if !is_name(name) || (self.0.len() >= MOST_GATES && !self.0.contains_key(base)) {
            return false;
        }
        // An empty retained message is how a topic is taken away.
        if payload.is_empty() {
            if let Some(gate) = self.0.get_mut(base) {
                gate.garbled.remove(leaf);
                match leaf {
                    "status" => gate.status = None,
                    "anchor" => gate.chain = None,
                    "days" => gate.days.clear(),
                    _ => gate.online = None,
                }
            }
            return true;
        }
        let mut gate = self.0.get(base).cloned().unwrap_or_default();
        let read = match leaf {
            "status" => serde_json::from_slice(payload).map(|status| gate.status = Some(status)).is_ok(),
            "anchor" => serde_json::from_slice(payload).map(|chain| gate.chain = Some(chain)).is_ok(),
            "days" => serde_json::from_slice::<Days>(payload).map(|days| gate.days = days.days).is_ok(),
            _ => serde_json::from_slice::<LinkState>(payload).map(|l| gate.online = Some(l.state == "online")).is_ok(),
        };
        // What cannot be read is not the same as nothing: somebody should look who sent it.
        let changed = if read { gate.garbled.remove(leaf) } else { gate.garbled.insert(leaf) };
        if read || changed {
            self.0.insert(base.into(), gate);
        }
        read
    }
}

/// Why the broker cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The broker's part of the configuration.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The connection.
    #[error("broker {place}: {error}")]
    Connection {
        /// Name and port.
        place: String,
        /// What happened.
        error: Box<ConnectionError>,
    },
    /// It does not answer.
    #[error("broker {place}: no answer within 30 s")]
    Silence {
        /// Name and port.
        place: String,
    },
    /// It does not let this user read.
    #[error("broker {place}: it refuses the subscription to {topic}: may this user read it?")]
    Refused {
        /// Name and port.
        place: String,
        /// Which.
        topic: String,
    },
}

/// A connection that reads.
pub struct Reader {
    _client: AsyncClient,
    events: EventLoop,
    place: String,
}

impl Reader {
    /// Connects and subscribes; what the broker sends before it has answered is taken in too.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn connect(config: &Config, gates: &mut Gates) -> Result<Self, ReadError> {
        let place = format!("{}:{}", config.broker.host, config.broker.port);
        let id = config.broker.client_id.clone().unwrap_or_else(|| format!("agegate-fleet-{}", std::process::id()));
        let options = broker::options(&config.broker, &id)?;
        let (client, events) = broker::client(options, LEAVES.len() + 1);
        for leaf in LEAVES {
            // The channel has room for all of them.
            let _ = client.try_subscribe(format!("{}/+/{leaf}", config.topics.prefix), QoS::AtLeastOnce);
        }
        let mut reader = Self { _client: client, events, place };
        let mut answers = 0;
        let until = Instant::now() + Duration::from_secs(30);
        while answers == 0 {
            let event = timeout(until.saturating_duration_since(Instant::now()), reader.events.poll()).await;
            match event.map_err(|_| ReadError::Silence { place: reader.place.clone() })? {
                Ok(Event::Incoming(Incoming::SubAck(ack))) => {
                    let good = ack.return_codes.iter().all(|code| *code != rumqttc::SubscribeReasonCode::Failure);
                    if !good {
                        return Err(ReadError::Refused { place: reader.place, topic: config.topics.prefix.clone() });
                    }
                    answers += 1;
                }
                Ok(Event::Incoming(Incoming::Publish(publish))) => {
                    gates.take(&String::from_utf8_lossy(&publish.topic), &publish.payload);
                }
                Ok(_) => {}
                Err(error) => return Err(reader.failed(error)),
            }
        }
        Ok(reader)
    }

    fn failed(&self, error: ConnectionError) -> ReadError {
        ReadError::Connection { place: self.place.clone(), error: Box::new(error) }
    }

    /// Reads until nothing that the broker had kept has come for so long. What gates send meanwhile is taken in, and does not
    /// count: of many gates there is always one that does.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn settle(&mut self, gates: &mut Gates, quiet: Duration) -> Result<(), ReadError> {
        let mut last = Instant::now();
        while last.elapsed() < quiet {
            match timeout(quiet.saturating_sub(last.elapsed()), self.events.poll()).await {
                Err(_) => return Ok(()),
                Ok(Ok(Event::Incoming(Incoming::Publish(publish)))) => {
                    gates.take(&String::from_utf8_lossy(&publish.topic), &publish.payload);
                    if publish.retain {
                        last = Instant::now();
                    }
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(self.failed(error)),
            }
        }
        Ok(())
    }

    /// Reads for so long.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn follow(&mut self, gates: &mut Gates, time: Duration) -> Result<(), ReadError> {
        let until = Instant::now() + time;
        loop {
            match timeout(until.saturating_duration_since(Instant::now()), self.events.poll()).await {
                Err(_) => return Ok(()),
                Ok(Ok(Event::Incoming(Incoming::Publish(publish)))) => {
                    gates.take(&String::from_utf8_lossy(&publish.topic), &publish.payload);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(self.failed(error)),
            }
        }
    }
}
