//! agegate: an age gate for kiosks, turnstiles and doors that decides on the device and keeps no picture.
//!
//! The stages, in the order of the data:
//!
//! ```text
//! camera -> Frame -> detector -> Face -> align -> Chip -> age model -> AgeEstimate
//!                                   Face -> crop -> liveness model -> LivenessScore
//!                      -> visit (track, quality, evidence) -> policy -> Decision
//!                                                      -> relay, display, audit log
//! ```
//!
//! `visit` and `policy` are pure: time comes in with the frame. See `ARCHITECTURE.md`.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod age;
pub mod aim;
pub mod audit;
pub mod camera;
pub mod change;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod contradiction;
pub mod decision;
pub mod display;
pub mod door_unit;
pub mod evaluate;
pub mod evidence;
pub mod frame;
pub mod gate;
pub mod gaze;
pub mod gpio;
pub mod judge;
pub mod liveness;
pub mod living;
pub mod made;
pub mod measured;
pub mod out;
pub mod picture;
pub mod policy;
pub mod quality;
pub mod regular;
pub mod relay;
pub mod runtime;
pub mod start;
pub mod status;
pub mod still_faces;
pub mod trigger;
pub mod view;
pub mod vision;
pub mod visit;
pub mod wiring;
