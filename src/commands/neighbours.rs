//! For `agegate check`: who among the gates that run has what a configuration asks for.
//!
//! What the gate of this very configuration has is no hindrance: it gives it to itself when it is reloaded or restarted. What
//! any other gate has keeps `run` from starting.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    config::{CameraSource, Config, Held, RelayConfig, RelayDriver},
    relay,
    runtime::{self, Condition, Running, same_node},
};

/// The gates that run.
pub(super) struct Neighbours {
    gates: Vec<Running>,
    /// The configuration that is checked.
    config: PathBuf,
}

/// Who has something.
#[derive(Clone, Copy)]
pub(super) enum Holder<'a> {
    /// The gate of this configuration.
    Own(&'a Running),
    /// Another one.
    Other(&'a Running),
}

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(gate) => write!(f, "in use by the gate that runs (process {}); left alone", gate.gate.pid),
            Self::Other(gate) => write!(
                f,
                "held by the gate that runs with {} (process {}): `run` would not get it; stop that gate first",
                gate.config.display(),
                gate.gate.pid
            ),
        }
    }
}

impl Neighbours {
    pub(super) fn of(config: &Path) -> Self {
        let gates = runtime::every().into_iter().filter(|gate| gate.gate_condition() != Condition::Gone).collect();
        Self { gates, config: config.into() }
    }

    /// Who uses something; of several the gate of this configuration.
    fn holder(&self, uses: impl Fn(&Running, bool) -> bool) -> Option<Holder<'_>> {
        let own = |gate: &&Running| gate.is_of(&self.config);
        let mine = self.gates.iter().find(|gate| own(gate) && uses(gate, true)).map(Holder::Own);
        mine.or_else(|| self.gates.iter().find(|gate| !own(gate) && uses(gate, false)).map(Holder::Other))
    }

    /// Who has the relay's pin. Simulated relays are no lines: two gates may have the same.
    pub(super) fn relay(&self, config: &RelayConfig) -> Option<Holder<'_>> {
        self.holder(|gate, own| {
            let same = gate.relays.iter().any(|line| relay::maybe_same_line(&RelayConfig::from(line), config));
            same && (own || config.driver != RelayDriver::Simulated)
        })
    }

    /// Who has a line.
    pub(super) fn line(&self, line: &Held) -> Option<Holder<'_>> {
        self.holder(|gate, _| gate.devices.lines.iter().any(|theirs| theirs.may_be(line)))
    }

    /// Who has the camera. Of a command nobody knows: two may well run.
    pub(super) fn camera(&self, config: &Config) -> Option<Holder<'_>> {
        match config.camera.source {
            CameraSource::Replay => None,
            CameraSource::V4l2 => self.holder(|gate, _| {
                gate.devices.camera.as_ref().is_some_and(|theirs| same_node(theirs, &config.camera.device))
            }),
            CameraSource::Pipe => {
                self.holder(|gate, own| own && gate.devices.command.as_ref() == Some(&config.camera.command))
            }
        }
    }

    /// The gate with another configuration that runs the same camera command.
    pub(super) fn same_command(&self, config: &Config) -> Option<&Running> {
        let same = |gate: &&Running| gate.devices.command.as_ref() == Some(&config.camera.command);
        self.gates.iter().find(same).filter(|_| config.camera.source == CameraSource::Pipe)
    }

    /// Who has the display's SPI device.
    pub(super) fn spi(&self, spi: &Path) -> Option<Holder<'_>> {
        self.holder(|gate, _| gate.devices.spi.as_ref().is_some_and(|theirs| same_node(theirs, spi)))
    }

    /// The gate of a process.
    pub(super) fn process(&self, pid: Option<i32>) -> Option<Holder<'_>> {
        // Where the kernel does not tell, it is the gate of this configuration, if there is one.
        self.holder(|gate, own| pid.map_or(own, |pid| pid == gate.gate.pid))
    }
}
