//! What the tests share: a log as a gate writes it, the real mosquitto with TLS and passwords on loopback, the real link, and
//! a reader that keeps all it is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]
#![allow(clippy::needless_pass_by_value, reason = "`json!({...})` reads best as an argument")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use agegate_link::queue::record::{GENESIS, hash_line};
use rumqttc::{Broker, Client, Event, Incoming, MqttOptions, QoS, Transport};
use serde_json::{Value, json};

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

/// A log as a gate writes it, without the gate's key.
pub struct Log {
    pub folder: PathBuf,
    pub seq: u64,
    pub prev: String,
    file: String,
}

impl Log {
    pub fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self { folder: folder.into(), seq: 0, prev: GENESIS.into(), file: "decisions-2026-03-01-000.jsonl".into() }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.file)
    }

    /// Goes on in another file.
    pub fn begin(&mut self, file: &str) -> &mut Self {
        self.file = file.into();
        self
    }

    /// The next record as a line, not written.
    pub fn line(&self, event: &Value) -> String {
        let mut record = json!({
            "seq": self.seq + 1, "prev": self.prev, "time": "2026-03-01T10:00:00.000Z", "boot": "0123abcd", "mono_ms": self.seq * 1000,
            "clock_synced": true, "span_s": self.seq,
        });
        record.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        record.to_string()
    }

    pub fn append(&mut self, event: &Value) -> &mut Self {
        let line = self.line(event);
        self.raw(format!("{line}\n").as_bytes());
        let record: Value = serde_json::from_str(&line).unwrap();
        (self.seq, self.prev) = (record["seq"].as_u64().unwrap(), hash_line(line.as_bytes()));
        let head = format!("{:020} {} {}\n", self.seq, self.prev, "0".repeat(32));
        std::fs::write(self.folder.join("head"), head).unwrap();
        self
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        OpenOptions::new().create(true).append(true).open(self.path()).unwrap().write_all(bytes).unwrap();
    }

    /// Visits: each a decision, and every other one let in.
    pub fn visits(&mut self, count: u64) -> &mut Self {
        for k in 0..count {
            let (outcome, reason) = if k % 2 == 0 { ("Allow", "old-enough") } else { ("Refer", "not-sure") };
            self.append(&decision(outcome, reason));
        }
        self
    }
}

pub fn decision(outcome: &str, reason: &str) -> Value {
    json!({
        "event": "decision", "decision": outcome, "reason": reason, "band": "25-34", "confidence": 0.98, "frames": 5, "attempt": 1,
        "latency_ms": 640, "model": "01234567", "policy": "balanced", "mac": "0".repeat(32),
    })
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The real mosquitto, with TLS and passwords, on loopback.
pub struct Mosquitto {
    pub folder: tempfile::TempDir,
    pub port: u16,
    /// Of the listener that asks for a certificate and takes no password.
    pub certificate_port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    pub fn start() -> Self {
        Self::start_with("all")
    }

    /// The same, without a log: for very many messages.
    pub fn start_quiet() -> Self {
        Self::start_with("error")
    }

    fn start_with(log_type: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (user, word) in [("gate", "gate's secret"), ("office", "office's secret")] {
            let file = path("passwords");
            let made = std::fs::exists(&file).unwrap();
            let mut command = Command::new("mosquitto_passwd");
            command.args(if made { vec!["-b"] } else { vec!["-b", "-c"] }).args([file.as_str(), user, word]);
            assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect(HINT).success());
            std::fs::write(path(&format!("{user}.password")), format!("{word}\n")).unwrap();
        }
        // The gate may write below its own topic and read nothing; the office may read and write nothing.
        std::fs::write(
            path("acl"),
            "user gate\ntopic write agegate/#\ntopic write homeassistant/#\n\nuser office\ntopic read agegate/#\ntopic read homeassistant/#\n",
        )
        .unwrap();
        let (port, certificate_port) = (free_port(), free_port());
        let text = format!(
            "listener {certificate_port} 127.0.0.1\ncafile {ca}\ncertfile {cert}\nkeyfile {key}\nrequire_certificate true\n\
             use_identity_as_username true\nlistener {port} 127.0.0.1\ncafile {ca}\ncertfile {cert}\nkeyfile {key}\nallow_anonymous false\npassword_file {passwords}\n\
             acl_file {acl}\npersistence true\npersistence_location {folder}/\nautosave_interval 600\nmax_queued_messages 0\n\
             max_inflight_messages 1000\nlog_type {log_type}\nlog_dest file {log}\nuser root\n",
            ca = path("ca.pem"),
            cert = path("server.pem"),
            key = path("server.key"),
            passwords = path("passwords"),
            acl = path("acl"),
            folder = folder.path().display(),
            log = path("log"),
        );
        std::fs::write(path("mosquitto.conf"), text).unwrap();
        let mut broker = Self { folder, port, certificate_port, child: None };
        broker.up();
        broker
    }

    /// Starts it (again).
    pub fn up(&mut self) {
        let child = Command::new("mosquitto").arg("-c").arg(self.path("mosquitto.conf")).spawn().expect(HINT);
        self.child = Some(child);
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "mosquitto does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// As a power cut does it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Lets it write what it keeps to its file.
    pub fn save(&self) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("sh").args(["-c", &format!("kill -USR1 {id}")]).status().unwrap().success());
        let until = Instant::now() + Duration::from_secs(10);
        while !self.path("mosquitto.db").exists() {
            assert!(Instant::now() < until, "mosquitto does not save");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn options(&self, id: &str) -> MqttOptions {
        let mut options = MqttOptions::new(id, Broker::tcp("localhost", self.port));
        options.set_credentials("office", "office's secret");
        options.set_keep_alive(60);
        options.set_max_packet_size(1 << 20, 1 << 20);
        options.set_transport(Transport::tls(std::fs::read(self.path("ca.pem")).unwrap(), None, None));
        options
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

const HINT: &str = "mosquitto is installed: `make link-test` does it";

fn certificates(folder: &Path) {
    let run = |arguments: &str| {
        let output = Command::new("openssl")
            .current_dir(folder)
            .args(arguments.split(' '))
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
        .unwrap();
    run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    run("req -x509 -new -key ca.key -days 30 -subj /CN=ca -addext basicConstraints=critical,CA:TRUE -out ca.pem");
    run("ecparam -name prime256v1 -genkey -noout -out server.key");
    run("req -new -key server.key -subj /CN=localhost -out server.csr");
    run("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.pem");
    // Version 3, which only extensions make it: rustls takes no other.
    std::fs::write(folder.join("use"), "extendedKeyUsage=clientAuth\n").unwrap();
    run("ecparam -name prime256v1 -genkey -noout -out gate.key");
    run("req -new -key gate.key -subj /CN=gate -out gate.csr");
    run("x509 -req -in gate.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile use -out gate.pem");
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: String,
    pub payload: Value,
    pub retained: bool,
}

/// A receiver of the head office that stays for all time: the broker keeps for it what it misses.
pub struct Receiver {
    messages: Arc<Mutex<Vec<Message>>>,
    _client: Client,
}

impl Receiver {
    pub fn start(broker: &Mosquitto, id: &str) -> Self {
        let mut options = broker.options(id);
        options.set_clean_session(false);
        let (client, mut connection) = Client::builder(options).capacity(10).build();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let (kept, again) = (Arc::clone(&messages), client.clone());
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Incoming::ConnAck(ack))) if !ack.session_present => {
                        let _ = again.try_subscribe("#", QoS::AtLeastOnce);
                    }
                    Ok(Event::Incoming(Incoming::SubAck(_))) => drop(ready.send(())),
                    Ok(Event::Incoming(Incoming::Publish(publish))) => {
                        let payload = serde_json::from_slice(&publish.payload).unwrap_or(Value::Null);
                        let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                        kept.lock().unwrap().push(Message { topic, payload, retained: publish.retain });
                    }
                    Ok(_) => {}
                    Err(_) => std::thread::sleep(Duration::from_millis(100)),
                }
            }
        });
        is_ready.recv_timeout(Duration::from_secs(20)).unwrap();
        Self { messages, _client: client }
    }

    pub fn all(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    pub fn on(&self, topic: &str) -> Vec<Value> {
        self.all().into_iter().filter(|m| m.topic == topic).map(|m| m.payload).collect()
    }

    /// Waits until the messages of a topic are as they should be.
    pub fn wait(&self, topic: &str, seconds: u64, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let until = Instant::now() + Duration::from_secs(seconds);
        loop {
            let found = self.on(topic);
            if done(&found) {
                return found;
            }
            let said = LINKS.with_borrow(|links| {
                links.iter().map(|said| said.lock().unwrap().clone()).collect::<Vec<_>>().join("--\n")
            });
            assert!(
                Instant::now() < until,
                "{topic}: {} messages, the last {:?}; links said:\n{said}",
                found.len(),
                found.last()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Writes a link's configuration.
pub fn configure(folder: &Path, broker: &Mosquitto, gate: &str, more: &str) -> PathBuf {
    let path = folder.join(format!("{gate}.toml"));
    // Links beside each other cannot all have the port of the default.
    let quiet = if more.contains("[metrics]") { "" } else { "[metrics]\nlisten = \"\"\n" };
    let text = format!(
        "gate = \"{gate}\"\n[log]\nfolder = \"log\"\npoll_ms = 50\n[status]\nfolder = \"run\"\ngate_config = \"agegate.toml\"\nevery_seconds = 1\n\
         [broker]\nhost = \"localhost\"\nport = {port}\nca_file = {ca:?}\nuser = \"gate\"\npassword_file = {password:?}\nkeep_alive_seconds = 5\n\
         [state]\nfolder = \"state\"\n{quiet}{more}",
        port = broker.port,
        ca = broker.path("ca.pem"),
        password = broker.path("gate.password"),
    );
    std::fs::write(&path, text).unwrap();
    path
}

thread_local! {
    /// What the links of a test said, for whoever looks at its failure.
    static LINKS: std::cell::RefCell<Vec<Arc<Mutex<String>>>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The real link, running, and what it says.
pub struct Running {
    pub child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    pub fn start(arguments: &[&str], config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_agegate-link"))
            .args(arguments)
            .arg("--config")
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        LINKS.with_borrow_mut(|links| links.push(Arc::clone(&said)));
        let (errors, kept) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&said));
        std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).for_each(|line| *kept.lock().unwrap() += &(line + "\n"));
        });
        Self { child, said }
    }

    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub fn wait_for(&self, what: &str) {
        let until = Instant::now() + Duration::from_secs(30);
        while !self.said().contains(what) {
            assert!(Instant::now() < until, "{what:?} did not come: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().unwrap().success());
        self.child.wait().unwrap()
    }

    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs the link's program to its end.
pub fn link(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_agegate-link")).current_dir(folder).args(arguments).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asks an HTTP server; the whole answer.
pub fn http(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The status file that a gate would write.
pub fn write_status(folder: &Path, change: Value) {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let mut status = json!({
        "format": 1, "version": "0.1.0", "config": folder.canonicalize().unwrap().join("agegate.toml"), "policy": "balanced", "pid": 1,
        "started": "2026-03-01T09:00:00.000Z", "state": "in-use", "since": "2026-03-01T09:00:00.000Z", "camera": "watching",
        "last_frame": "2026-03-01T10:00:00.000Z", "door": "shut", "alarms": [],
        "counters": {"frames_judged": 100, "frames_dropped": 2, "frames_broken": 1, "decisions_unlogged": 0},
        "written": "2026-03-01T10:00:00.000Z", "boot": &boot[..8], "mono_ms": (seconds * 1000.0) as u64,
    });
    status.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    std::fs::create_dir_all(folder.join("run")).unwrap();
    let path = folder.join("run/status-01234567.json");
    std::fs::write(path.with_extension("new"), status.to_string()).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

/// Numbers of the records among the payloads, in the order in which they came.
pub fn numbers(payloads: &[Value]) -> Vec<u64> {
    payloads.iter().filter(|p| p.get("record").is_some()).map(|p| p["seq"].as_u64().unwrap()).collect()
}

/// The payloads without those that came before: a receiver tells them by number and hash.
pub fn without_duplicates(payloads: &[Value]) -> Vec<Value> {
    let mut known = std::collections::HashSet::new();
    payloads
        .iter()
        .filter(|p| known.insert((p["seq"].as_u64(), p["hash"].to_string(), p["notice"].to_string())))
        .cloned()
        .collect()
}
