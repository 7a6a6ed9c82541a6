//! `/metrics` and `/healthz`: as much of HTTP as a scraper speaks. Whatever is asked, nothing changes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

use crate::{
    link::{Shared, View},
    metrics::{self, For},
};

/// Longest request that is read, bytes.
const MOST_REQUEST: usize = 8 * 1024;
/// Longest time for a request and its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at a time.
const MOST_CONNECTIONS: usize = 16;

/// Listens; taken before anything else starts, so that an address in use is told at once.
///
/// # Errors
/// What the system said.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers until the program ends.
pub async fn serve(listener: TcpListener, gate: String, shared: Shared) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (gate, shared) = (gate.clone(), shared.clone());
                tokio::spawn(async move {
                    let _ = timeout(PATIENCE, answer(stream, &gate, &shared)).await;
                    drop(place);
                });
            }
            // Out of file descriptors, for one: the next try may have some.
            Err(error) => {
                log::warn!("metrics: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, gate: &str, shared: &Shared) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        let read = stream.read(&mut part).await?;
        if read == 0 || request.len() + read > MOST_REQUEST {
            return Ok(());
        }
        request.extend_from_slice(&part[..read]);
    }
    let head = String::from_utf8_lossy(&request);
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let (status, kind, body) = match (method, path) {
        ("GET" | "HEAD", "/metrics") => {
            ("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics::text(gate, &shared.get(), For::Scrape))
        }
        ("GET" | "HEAD", "/healthz") => health(&shared.get()),
        ("GET" | "HEAD", _) => ("404 Not Found", "text/plain; charset=utf-8", "/metrics or /healthz\n".into()),
        _ => ("405 Method Not Allowed", "text/plain; charset=utf-8", "only GET: nothing can be changed here\n".into()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if method != "HEAD" {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}

/// 200 when gate, log and broker are as they should be; else 503 and what is not, a line each.
fn health(view: &View) -> (&'static str, &'static str, String) {
    let kind = "text/plain; charset=utf-8";
    let troubles = troubles(view);
    match troubles.is_empty() {
        true => ("200 OK", kind, "ok\n".into()),
        false => ("503 Service Unavailable", kind, troubles.join("\n") + "\n"),
    }
}

/// What is not as it should be.
#[must_use]
pub fn troubles(view: &View) -> Vec<String> {
    let mut troubles = Vec::new();
    if !view.seen.in_use() {
        troubles.push(format!("gate: {}", view.seen.state()));
    }
    troubles.extend(view.trouble_with_the_log().iter().map(|what| format!("log: {what}")));
    if !view.connected {
        troubles.push(format!("broker: {}", view.broker_trouble.as_deref().unwrap_or("not connected yet")));
    }
    troubles
}
