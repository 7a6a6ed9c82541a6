//! The direct convolution in floats, blocked for registers.

use std::arch::aarch64::{vdupq_n_f32, vmaxq_f32};

use super::{
    fours::{Four, Fours, Weights, biases, load, multiply, packed, store},
    layer::Layer,
};

/// Pixels of a row that are done at once: all rows of the nets are multiples of it.
const PIXELS: usize = 5;
/// Fours of outputs that are done at once: with the pixels 20 sums, and 7 inputs, of 32 registers.
const OUTPUTS: usize = 4;

pub struct Direct {
    bias: Vec<Four>,
    /// By fours of fours of outputs, fours of inputs and rows: the three columns.
    weights: Vec<[Weights<OUTPUTS>; 3]>,
}

impl Direct {
    pub fn new(layer: &Layer) -> Self {
        assert!(layer.channels.is_multiple_of(4 * OUTPUTS) && layer.width.is_multiple_of(PIXELS), "whole blocks");
        let blocks = (0..layer.channels).step_by(4 * OUTPUTS).flat_map(|first| {
            (0..layer.channels).step_by(4).flat_map(move |input| (0..3).map(move |row| (first, input, row)))
        });
        let columns = |(first, input, row)| {
            std::array::from_fn(|column| packed(first, input, |o, i| layer.weight(o, i, row, column)))
        };
        Self { bias: biases(layer), weights: blocks.map(columns).collect() }
    }

    pub fn run(&self, layer: &Layer, from: &Fours, to: &mut Fours) {
        // SAFETY: NEON is there on every processor of this architecture.
        unsafe { self.neon(layer, from, to) }
    }

    #[target_feature(enable = "neon")]
    fn neon(&self, layer: &Layer, from: &Fours, to: &mut Fours) {
        let fours = layer.channels / 4;
        for (block, weights) in self.weights.chunks_exact(3 * fours).enumerate() {
            let bias: &[Four; OUTPUTS] = self.bias[block * OUTPUTS..].first_chunk().expect("whole blocks");
            for y in 0..layer.height {
                for x in (0..layer.width).step_by(PIXELS) {
                    let mut sums = [bias.map(|b| load(&b)); PIXELS];
                    for (four, rows) in weights.as_chunks::<3>().0.iter().enumerate() {
                        for (row, columns) in rows.iter().enumerate() {
                            let values: &[Four; PIXELS + 2] =
                                from.values[from.at(four, y + row, x)..].first_chunk().expect("a border");
                            let values = values.each_ref().map(|v| load(v));
                            multiply(&mut sums, &values[0..], &columns[0]);
                            multiply(&mut sums, &values[1..], &columns[1]);
                            multiply(&mut sums, &values[2..], &columns[2]);
                        }
                    }
                    for k in 0..OUTPUTS {
                        let at = to.at(block * OUTPUTS + k, y + 1, x + 1);
                        let places: &mut [Four; PIXELS] = to.values[at..].first_chunk_mut().expect("whole blocks");
                        for (place, sums) in places.iter_mut().zip(&sums) {
                            store(place, vmaxq_f32(sums[k], vdupq_n_f32(0.0)));
                        }
                    }
                }
            }
        }
    }
}
