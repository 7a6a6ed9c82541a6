//! A measurement, not a way of execution: what a 3x3 convolution would cost a core without dot product if it were done in floats,
//! directly and after Winograd, or in integers after Winograd, beside the integers that are shipped. Winograd is F(2x2, 3x3) of Lavin
//! and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016. `scripts/winograd_cost.py` counts the instructions.
//!
//! `winograd direct|winograd|exact|integer CHANNELSxWIDTHxHEIGHT REPEATS WEIGHTS`: as many outputs as inputs, one pixel from place to
//! place, a border of zeros, bias and rectifier included. WEIGHTS is a file of signed bytes, `[outputs, inputs, 3, 3]`. Weights are
//! brought into their order, or transformed, before the repeats; maps are transformed in each of them. Floats are held against a plain
//! convolution, `exact` against the bytes of `integer`: what is off by a thousandth of the largest value, or by a byte, ends the
//! program with 1.

#[cfg(target_arch = "aarch64")]
mod arm;

#[cfg(not(target_arch = "aarch64"))]
fn main() {
    eprintln!("winograd measures on aarch64 only: see scripts/winograd_cost.py");
    std::process::exit(2);
}

#[cfg(target_arch = "aarch64")]
fn main() {
    arm::main();
}
