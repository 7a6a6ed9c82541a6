//! Maps and weights in fours of floats.

use std::arch::aarch64::{float32x4_t, vfmaq_laneq_f32, vld1q_f32, vst1q_f32};

use super::layer::{INPUT_STEP, Layer};

/// Four channels of a pixel.
pub type Four = [f32; 4];
/// Weights of four inputs for as many outputs as are done at once, `K` fours.
pub type Weights<const K: usize> = [[Four; K]; 4];

/// A map `[channels / 4, rows, columns, 4]`, with a border of zeros that fills whole tiles of 2x2 up.
pub struct Fours {
    rows: usize,
    pub columns: usize,
    pub values: Vec<Four>,
}

impl Fours {
    pub fn new(layer: &Layer) -> Self {
        let (rows, columns) = (layer.height.next_multiple_of(2) + 2, layer.width.next_multiple_of(2) + 2);
        Self { rows, columns, values: vec![[0.0; 4]; layer.channels / 4 * rows * columns] }
    }

    pub fn of(layer: &Layer) -> Self {
        let mut map = Self::new(layer);
        for ((channel, y, x), value) in layer.places().zip(&layer.input) {
            let at = map.at(channel / 4, y + 1, x + 1);
            map.values[at][channel % 4] = f32::from(*value) * INPUT_STEP;
        }
        map
    }

    pub fn at(&self, four: usize, row: usize, column: usize) -> usize {
        (four * self.rows + row) * self.columns + column
    }

    /// How far it is from the values wanted, in parts of the largest of them.
    pub fn difference(&self, layer: &Layer, wanted: &[f32]) -> f32 {
        let off = layer.places().zip(wanted).map(|((channel, y, x), wanted)| {
            (self.values[self.at(channel / 4, y + 1, x + 1)][channel % 4] - wanted).abs()
        });
        off.fold(0.0, f32::max) / wanted.iter().copied().fold(0.0, f32::max)
    }
}

pub fn biases(layer: &Layer) -> Vec<Four> {
    layer.bias.as_chunks::<4>().0.to_vec()
}

/// Weights of the outputs from `first` on for the inputs from `input` on, by `weight` of output and input.
pub fn packed<const K: usize>(first: usize, input: usize, weight: impl Fn(usize, usize) -> f32) -> Weights<K> {
    std::array::from_fn(|i| {
        std::array::from_fn(|k| std::array::from_fn(|lane| weight(first + 4 * k + lane, input + i)))
    })
}

#[inline]
#[target_feature(enable = "neon")]
pub fn load(from: &Four) -> float32x4_t {
    // SAFETY: an array of four floats has the 16 bytes that are read.
    unsafe { vld1q_f32(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub fn store(to: &mut Four, value: float32x4_t) {
    // SAFETY: an array of four floats has the 16 bytes that are written.
    unsafe { vst1q_f32(to.as_mut_ptr(), value) }
}

/// Adds the products of four inputs of `P` places with their weights.
#[inline]
#[target_feature(enable = "neon")]
pub fn multiply<const P: usize, const K: usize>(
    sums: &mut [[float32x4_t; K]; P],
    inputs: &[float32x4_t],
    weights: &Weights<K>,
) {
    macro_rules! lane {
        ($($lane:literal)*) => {$(
            for k in 0..K {
                let weight = load(&weights[$lane][k]);
                for p in 0..P {
                    sums[p][k] = vfmaq_laneq_f32::<$lane>(sums[p][k], weight, inputs[p]);
                }
            }
        )*};
    }
    lane!(0 1 2 3);
}
