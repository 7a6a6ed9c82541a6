//! The connection to the broker: options from the configuration, TLS from files.
//!
//! The session is always a clean one, and nothing of the client's own queue outlives a connection: what was not acknowledged
//! is read again from the log, which is the queue. So what goes over one connection is in order, and what the client library
//! would have kept cannot be sent out of it.

use std::{path::Path, sync::Arc, time::Duration};

use rumqttc::{
    AsyncClient, Broker, EventLoop, MqttOptions, NetworkOptions, Transport,
    tokio_rustls::rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::{config::BrokerConfig, files};

/// Largest packet, bytes: a record is at most 16 KiB, the status and the discovery are smaller.
const MOST_PACKET: usize = 64 * 1024;
/// Most messages that wait for their acknowledgement.
pub const WINDOW: u16 = 200;

/// How long making a connection may take, TLS included, seconds: a small board on a bad line.
const CONNECT_SECONDS: u64 = 30;

/// What of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A file that the configuration names.
    #[error("`broker.{key}` {}: {what}", path.display())]
    File {
        /// The key.
        key: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        what: String,
    },
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(String),
}

/// What a connection is made with; made once, for the files are read only then.
///
/// # Errors
/// [`BrokerError`] if a file cannot be used.
pub fn options(config: &BrokerConfig, client_id: &str) -> Result<MqttOptions, BrokerError> {
    let mut options = MqttOptions::new(client_id, Broker::tcp(config.host.clone(), config.port));
    options.set_keep_alive(config.keep_alive_seconds);
    options.set_clean_session(true);
    options.set_max_packet_size(MOST_PACKET, MOST_PACKET);
    options.set_inflight(WINDOW);
    if let (Some(user), Some(path)) = (&config.user, &config.password_file) {
        let text = files::read_text(path, 4096).map_err(|e| wrong("password_file", path, e))?;
        let password = text.strip_suffix('\n').unwrap_or(&text).trim_end_matches('\r').to_owned();
        options.set_credentials(user.clone(), password.into_bytes());
    }
    if config.tls {
        options.set_transport(Transport::tls_with_config(tls(config)?.into()));
    }
    Ok(options)
}

/// A client that connects when its event loop is driven.
#[must_use]
pub fn client(options: MqttOptions, capacity: usize) -> (AsyncClient, EventLoop) {
    let (client, mut events) = AsyncClient::builder(options).capacity(capacity).build();
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_SECONDS);
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    (client, events)
}

fn tls(config: &BrokerConfig) -> Result<ClientConfig, BrokerError> {
    let said = |e: &dyn std::fmt::Display| BrokerError::Tls(e.to_string());
    let mut roots = RootCertStore::empty();
    if let Some(path) = &config.ca_file {
        for certificate in certificates("ca_file", path)? {
            roots.add(certificate).map_err(|e| wrong("ca_file", path, e))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(said(&"this system has no certificates; install ca-certificates, or set `broker.ca_file`"));
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| said(&e))?
        .with_root_certificates(roots);
    match (&config.certificate_file, &config.key_file) {
        (Some(certificate), Some(key)) => {
            let chain = certificates("certificate_file", certificate)?;
            let secret =
                PrivateKeyDer::from_pem_slice(&read("key_file", key)?).map_err(|e| wrong("key_file", key, e))?;
            builder.with_client_auth_cert(chain, secret).map_err(|e| wrong("certificate_file", certificate, e))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BrokerError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(key, path)?).collect();
    let found = read.map_err(|e| wrong(key, path, e))?;
    if found.is_empty() {
        return Err(wrong(key, path, "no certificate in it, expected PEM"));
    }
    Ok(found)
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, BrokerError> {
    files::read(path, crate::config::MOST_BYTES).map_err(|e| wrong(key, path, e))
}

fn wrong(key: &'static str, path: &Path, what: impl std::fmt::Display) -> BrokerError {
    BrokerError::File { key, path: path.into(), what: what.to_string() }
}

/// The pause before the next try: longer each time, and another one for each gate, so that a broker that comes back is not
/// run over by all of them at once.
#[must_use]
pub fn pause(tries: u32, client_id: &str) -> Duration {
    let most = 1000u64 << tries.min(6);
    let hash = blake3::hash(format!("{client_id} {tries}").as_bytes());
    let share = u64::from(hash.as_bytes()[0]);
    Duration::from_millis(most / 2 + most / 2 * share / 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_are_not_the_same_for_all() {
        for tries in 0..20 {
            let pauses: Vec<Duration> = (0..50).map(|k| pause(tries, &format!("agegate-{k}"))).collect();
            let most = Duration::from_millis(1000 << tries.min(6));
            assert!(pauses.iter().all(|p| *p >= most / 2 && *p <= most), "{tries}: {pauses:?}");
            assert!(pauses.iter().collect::<std::collections::HashSet<_>>().len() > 10);
        }
        assert!(pause(100, "a") <= Duration::from_secs(64));
    }
}
