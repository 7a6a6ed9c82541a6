//! Telling the service manager (systemd, or `agegate supervise`) that the gate is ready and makes progress.
//!
//! Never waits: a manager that was stopped does not read, and must not hang the gate once its socket is full.

use std::{
    ffi::OsStr,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

use crate::clock::monotonic_now;

/// What can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// Started, or the configuration was read anew.
    Ready,
    /// The configuration is being read anew.
    Reloading,
    /// On the way to the end.
    Stopping,
    /// There was progress.
    Progress,
}

impl Tell {
    fn text(self) -> String {
        match self {
            Self::Ready => "READY=1".into(),
            // systemd goes by the time, so that an answer to an older reload is not taken for this one's.
            Self::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_now().as_micros()),
            Self::Stopping => "STOPPING=1".into(),
            Self::Progress => "WATCHDOG=1".into(),
        }
    }
}

/// Tells the service manager, where there is one.
pub(super) fn notify(what: Tell) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|p| !p.is_empty()) else { return };
    if let Err(error) = send(&path, what.text().as_bytes()) {
        log::debug!("the service manager cannot be told: {error}");
    }
}

fn send(path: &OsStr, text: &[u8]) -> std::io::Result<()> {
    // `@` stands for the zero byte of a name that is in no file system.
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(text, &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_that_does_not_read_hangs_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let sent = (0..10_000).filter(|_| send(path.as_os_str(), b"WATCHDOG=1").is_ok()).count();
        assert!(sent > 0 && sent < 10_000, "{sent} were taken before the socket was full");
        let mut message = [0; 64];
        let length = manager.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"WATCHDOG=1");
    }
}
