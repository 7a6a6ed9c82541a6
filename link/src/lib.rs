//! agegate-link: what speaks to the network for an age gate. The gate itself has no network code; this program stands beside
//! it, reads its log and its status file, and takes no command.
//!
//! ```text
//! gate: decision log ──> queue (cursor) ──> topics ──> broker (QoS 1, in order, cursor after the acknowledgement)
//!       status file  ──> gate_status   ──┘        └──> metrics, health, textfile
//! head office:           fleet <── broker's retained topics (read only)
//! ```
//!
//! - `queue/`: nothing is skipped silently; no file of the gate is written to, no key is read.
//! - `link.rs`: no subscription. The cursor moves only after an acknowledgement.
//! - `fleet/`: no publication. What comes from a broker is not believed to be well-formed, small or harmless in HTML.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod broker;
pub mod cli;
pub mod config;
pub mod counts;
pub mod discovery;
pub mod files;
pub mod fleet;
pub mod gate_status;
pub mod http;
pub mod link;
pub mod metrics;
#[path = "../../src/out.rs"]
pub mod out;
pub mod queue;
pub mod state;
pub mod topics;
