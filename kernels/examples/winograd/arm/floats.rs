//! Winograd in floats.

use std::arch::aarch64::{float32x4_t, vaddq_f32, vdupq_n_f32, vmaxq_f32, vsubq_f32};

use super::{
    fours::{Four, Fours, Weights, biases, load, multiply, packed, store},
    layer::Layer,
};

/// Winograd with `T` tiles of 2x2 pixels and `K` fours of outputs at once.
pub struct Winograd<const T: usize, const K: usize> {
    bias: Vec<Four>,
    /// By `K` fours of outputs, the 16 places of a transformed tile, and fours of inputs.
    weights: Vec<Weights<K>>,
    /// The transformed input, by `T` tiles and fours of inputs.
    tiles: Vec<[[Four; T]; 16]>,
}

/// `B' d` of one row or column.
#[inline]
#[target_feature(enable = "neon")]
fn spread([a, b, c, d]: [float32x4_t; 4]) -> [float32x4_t; 4] {
    [vsubq_f32(a, c), vaddq_f32(b, c), vsubq_f32(c, b), vsubq_f32(b, d)]
}

/// `A' m` of one row or column.
#[inline]
#[target_feature(enable = "neon")]
fn gather([a, b, c, d]: [float32x4_t; 4]) -> [float32x4_t; 2] {
    [vaddq_f32(vaddq_f32(a, b), c), vsubq_f32(vsubq_f32(b, c), d)]
}

impl<const T: usize, const K: usize> Winograd<T, K> {
    pub fn new(layer: &Layer) -> Self {
        let fours = layer.channels / 4;
        let count = layer.width.div_ceil(2) * layer.height.div_ceil(2);
        assert!(count.is_multiple_of(T) && fours.is_multiple_of(K), "whole blocks");
        let blocks = (0..layer.channels)
            .step_by(4 * K)
            .flat_map(|first| (0..16).flat_map(move |place| (0..fours).map(move |four| (first, place, 4 * four))));
        let quarter = layer.step / 4.0;
        let weights = blocks.map(|(first, place, input)| {
            packed(first, input, |o, i| f32::from(layer.transformed(o, i, place)) * quarter)
        });
        let tiles = vec![[[[0.0; 4]; T]; 16]; count / T * fours];
        Self { bias: biases(layer), weights: weights.collect(), tiles }
    }

    pub fn run(&mut self, layer: &Layer, from: &Fours, to: &mut Fours) {
        // SAFETY: NEON is there on every processor of this architecture.
        unsafe {
            self.transform(layer, from);
            self.multiply(layer, to);
        }
    }

    #[target_feature(enable = "neon")]
    fn transform(&mut self, layer: &Layer, from: &Fours) {
        let across = layer.width.div_ceil(2);
        for (group, block) in self.tiles.chunks_exact_mut(layer.channels / 4).enumerate() {
            for t in 0..T {
                let (y, x) = ((group * T + t) / across, (group * T + t) % across);
                for (four, block) in block.iter_mut().enumerate() {
                    let row = |k: usize| {
                        let values = &from.values[from.at(four, 2 * y + k, 2 * x)..];
                        let values: &[Four; 4] = values.first_chunk().expect("a border that fills tiles up");
                        values.each_ref().map(|v| load(v))
                    };
                    let rows = [row(0), row(1), row(2), row(3)];
                    let column = |k: usize| spread([rows[0][k], rows[1][k], rows[2][k], rows[3][k]]);
                    let columns = [column(0), column(1), column(2), column(3)];
                    for r in 0..4 {
                        let row = spread([columns[0][r], columns[1][r], columns[2][r], columns[3][r]]);
                        for (c, value) in row.into_iter().enumerate() {
                            store(&mut block[4 * r + c][t], value);
                        }
                    }
                }
            }
        }
    }

    #[target_feature(enable = "neon")]
    fn multiply(&self, layer: &Layer, to: &mut Fours) {
        let (fours, across) = (layer.channels / 4, layer.width.div_ceil(2));
        let mut products = [[[[0.0; 4]; K]; T]; 16];
        for (block, weights) in self.weights.chunks_exact(16 * fours).enumerate() {
            for (group, tiles) in self.tiles.chunks_exact(fours).enumerate() {
                for (place, weights) in weights.chunks_exact(fours).enumerate() {
                    // The second of the second row goes into all four pixels: the bias begins there.
                    let mut sums = [[vdupq_n_f32(0.0); K]; T];
                    if place == 5 {
                        for k in 0..K {
                            let bias = load(&self.bias[block * K + k]);
                            sums.iter_mut().for_each(|sums| sums[k] = bias);
                        }
                    }
                    for (tiles, weights) in tiles.iter().zip(weights) {
                        let values = tiles[place].each_ref().map(|v| load(v));
                        multiply(&mut sums, &values, weights);
                    }
                    for (to, sums) in products[place].as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                        store(to, *sums);
                    }
                }
                let product = |place: usize, t: usize, k: usize| load(&products[place][t][k]);
                for t in 0..T {
                    let (y, x) = ((group * T + t) / across, (group * T + t) % across);
                    let (right, below) = (2 * x + 1 < layer.width, 2 * y + 1 < layer.height);
                    for k in 0..K {
                        let column = |c: usize| {
                            let at = |r: usize| product(4 * r + c, t, k);
                            gather([at(0), at(1), at(2), at(3)])
                        };
                        let columns = [column(0), column(1), column(2), column(3)];
                        let (at, stride) = (to.at(block * K + k, 2 * y + 1, 2 * x + 1), to.columns);
                        for (r, at) in [at, at + stride].into_iter().enumerate().take(1 + usize::from(below)) {
                            let [left, other] = gather([columns[0][r], columns[1][r], columns[2][r], columns[3][r]]);
                            let places: &mut [Four; 2] = to.values[at..].first_chunk_mut().expect("a border");
                            store(&mut places[0], vmaxq_f32(left, vdupq_n_f32(0.0)));
                            if right {
                                store(&mut places[1], vmaxq_f32(other, vdupq_n_f32(0.0)));
                            }
                        }
                    }
                }
            }
        }
    }
}
