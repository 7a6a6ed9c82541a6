//! Convolutions of 8-bit numbers: what the gate's models spend their time on, done in integers.
//!
//! A net here is a list of convolutions over unsigned 8-bit maps ([`Map`]), each with a rectifier and, for a residual
//! block, the sum with an earlier map folded in ([`Convolution`]). Weights are signed 8-bit with a scale per output channel,
//! activations unsigned 8-bit with a scale per map and a zero point of 0, as in Jacob et al., "Quantization and Training of
//! Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018.
//!
//! [`Path`] names the ways in which a processor can do it. All of them give the same bytes: the sums are exact, and the few
//! float operations after them are the same in the same order. So what was measured on one machine holds on another.
//!
//! The crate exists because the gate itself forbids `unsafe`, and vector instructions need it. It knows nothing of models,
//! files or pictures.

mod convolution;
mod map;
mod pack;
mod path;

#[cfg(test)]
mod tests;

pub use convolution::{Convolution, Meaning, Residual, Shape};
pub use map::Map;
pub use path::Path;
