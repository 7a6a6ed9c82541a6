//! The turn of the head: a question that a flat picture cannot answer. Pure: no clock, no thread, no device, no chance; time comes in with
//! the frame, and which side is asked for with the question.
//!
//! ```text
//! five points of each frame -> relief.rs (how far the nose leaves the plane of eyes and mouth) -> turn.rs (did they turn?)
//! ```
//!
//! What is absent: no path from a time-out, a lost face, a wrong side, a second face or a swap of persons to
//! [`turn::Progress::Passed`]; and nobody is recognised: continuity is one of place, size and shape.

#[cfg(test)]
pub(crate) mod drawn;
pub mod relief;
pub mod turn;

pub use turn::{Ask, Glimpse, Progress, Side, Turn, Turned};
