//! Winograd in integers, from bytes to the bytes that the shipped convolution gives: transformed bytes and weights have room in 16
//! bits, and a sum four times as large in 32.

use std::arch::aarch64::{
    float32x4_t, int16x8_t, int32x4_t, vaddq_f32, vaddq_s16, vaddq_s32, vcombine_u16, vcvtnq_u32_f32, vcvtq_f32_s32,
    vdupq_n_s32, vget_low_s16, vld1_u8, vld1q_f32, vld1q_s16, vld1q_s32, vmlal_high_laneq_s16, vmlal_laneq_s16,
    vmovl_u8, vmulq_f32, vqmovn_u16, vqmovn_u32, vreinterpretq_s16_u16, vst1_u8, vst1q_s16, vst1q_s32, vsubq_s16,
    vsubq_s32,
};

use agegate_kernels::{Convolution, Map, Meaning, Path, Shape};

use super::layer::{INPUT_STEP, Layer};

/// Eight channels of a pixel, transformed.
type Eight = [i16; 8];
/// Weights of eight inputs for as many outputs as are done at once, `E` eights.
type Weights<const E: usize> = [[Eight; E]; 8];
/// Four sums, and the two fours of eight channels.
type Sums = [[i32; 4]; 2];

/// What a step of the result counts.
const OUTPUT_STEP: f32 = 4.0 / 255.0;

/// The layer as the gate runs it.
pub fn shipped(layer: &Layer, repeats: usize) -> Map {
    let path = Path::best().expect("aarch64 has one");
    let Layer { channels, width, height, .. } = *layer;
    let shape = Shape { outputs: channels, inputs: channels, window: 3, stride: 1 };
    let meaning = Meaning {
        weight_scale: &vec![layer.step; channels],
        bias: &layer.bias,
        input_scale: INPUT_STEP,
        input_zero: 0.0,
        output_scale: OUTPUT_STEP,
    };
    let convolution = Convolution::new(path, shape, &layer.weights, meaning);
    let mut from = Map::new(path, width, height, channels, 0);
    for y in 0..height {
        let pixels = (0..width * channels).map(|k| (k % channels * height + y) * width + k / channels);
        from.set_row(y, &pixels.map(|k| layer.input[k]).collect::<Vec<_>>());
    }
    let mut to = Map::new(path, width, height, channels, 0);
    (0..repeats).for_each(|_| convolution.run(&from, None, &mut to));
    println!("{path}");
    to
}

/// Runs Winograd and holds it against the bytes of the shipped convolution.
pub fn check<const T: usize, const E: usize>(layer: &Layer, mut exact: Exact<T, E>, repeats: usize) {
    let (mut from, mut to) = (Eights::new(layer), Eights::new(layer));
    for ((channel, y, x), value) in layer.places().zip(&layer.input) {
        let at = from.at(channel / 8, y + 1, x + 1);
        from.values[at][channel % 8] = *value;
    }
    // SAFETY: NEON is there on every processor of this architecture.
    (0..repeats).for_each(|_| unsafe {
        exact.transform(layer, &from);
        exact.multiply(layer, &mut to);
    });
    let wanted = shipped(layer, 1);
    let off = layer.places().filter(|(channel, y, x)| {
        Some(to.values[to.at(channel / 8, y + 1, x + 1)][channel % 8]) != wanted.pixel(*x, *y).nth(*channel)
    });
    let off = off.count();
    println!("bytes off {off}");
    if off > 0 {
        std::process::exit(1);
    }
}

/// A map `[channels / 8, rows, columns, 8]`, with a border of zeros that fills whole tiles of 2x2 up.
struct Eights {
    rows: usize,
    columns: usize,
    values: Vec<[u8; 8]>,
}

impl Eights {
    fn new(layer: &Layer) -> Self {
        let (rows, columns) = (layer.height.next_multiple_of(2) + 2, layer.width.next_multiple_of(2) + 2);
        Self { rows, columns, values: vec![[0; 8]; layer.channels / 8 * rows * columns] }
    }

    fn at(&self, eight: usize, row: usize, column: usize) -> usize {
        (eight * self.rows + row) * self.columns + column
    }
}

/// Winograd with `T` tiles of 2x2 pixels and `E` eights of outputs at once.
pub struct Exact<const T: usize, const E: usize> {
    /// From four times a sum to the value, in steps of the result: a factor and, by output, an offset.
    factor: f32,
    offset: Vec<[f32; 4]>,
    /// By `E` eights of outputs, the 16 places of a transformed tile, and eights of inputs.
    weights: Vec<Weights<E>>,
    /// The transformed input, by `T` tiles and eights of inputs.
    tiles: Vec<[[Eight; T]; 16]>,
}

#[inline]
#[target_feature(enable = "neon")]
fn load(from: &Eight) -> int16x8_t {
    // SAFETY: an array of eight numbers has the 16 bytes that are read.
    unsafe { vld1q_s16(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn load_bytes(from: &[u8; 8]) -> int16x8_t {
    // SAFETY: an array of eight bytes has those that are read.
    vreinterpretq_s16_u16(vmovl_u8(unsafe { vld1_u8(from.as_ptr()) }))
}

/// `B' d` of one row or column.
#[inline]
#[target_feature(enable = "neon")]
fn spread([a, b, c, d]: [int16x8_t; 4]) -> [int16x8_t; 4] {
    [vsubq_s16(a, c), vaddq_s16(b, c), vsubq_s16(c, b), vsubq_s16(b, d)]
}

/// `A' m` of one row or column.
#[inline]
#[target_feature(enable = "neon")]
fn gather([a, b, c, d]: [int32x4_t; 4]) -> [int32x4_t; 2] {
    [vaddq_s32(vaddq_s32(a, b), c), vsubq_s32(vsubq_s32(b, c), d)]
}

/// Adds the products of eight inputs of `T` places with their weights.
#[inline]
#[target_feature(enable = "neon")]
fn multiply<const T: usize, const E: usize>(
    sums: &mut [[[int32x4_t; 2]; E]; T],
    inputs: [int16x8_t; T],
    weights: &Weights<E>,
) {
    macro_rules! lane {
        ($($lane:literal)*) => {$(
            for e in 0..E {
                let weight = load(&weights[$lane][e]);
                for t in 0..T {
                    let [low, high] = sums[t][e];
                    let low = vmlal_laneq_s16::<$lane>(low, vget_low_s16(weight), inputs[t]);
                    sums[t][e] = [low, vmlal_high_laneq_s16::<$lane>(high, weight, inputs[t])];
                }
            }
        )*};
    }
    lane!(0 1 2 3 4 5 6 7);
}

/// Eight values rounded and cut to bytes: halves go to the even.
#[inline]
#[target_feature(enable = "neon")]
fn store_bytes(to: &mut [u8; 8], [low, high]: [int32x4_t; 2], factor: f32, offset: [float32x4_t; 2]) {
    // SAFETY: the factor is read from an array of four.
    let factor = unsafe { vld1q_f32([factor; 4].as_ptr()) };
    let value = |sums, offset| vcvtnq_u32_f32(vaddq_f32(vmulq_f32(vcvtq_f32_s32(sums), factor), offset));
    let narrow = vcombine_u16(vqmovn_u32(value(low, offset[0])), vqmovn_u32(value(high, offset[1])));
    // SAFETY: an array of eight bytes has those that are written.
    unsafe { vst1_u8(to.as_mut_ptr(), vqmovn_u16(narrow)) }
}

impl<const T: usize, const E: usize> Exact<T, E> {
    pub fn new(layer: &Layer) -> Self {
        let eights = layer.channels / 8;
        let count = layer.width.div_ceil(2) * layer.height.div_ceil(2);
        assert!(count.is_multiple_of(T) && eights.is_multiple_of(E), "whole blocks");
        let blocks = (0..eights)
            .step_by(E)
            .flat_map(|first| (0..16).flat_map(move |place| (0..eights).map(move |eight| (first, place, eight))));
        let packed = |(first, place, eight): (usize, usize, usize)| {
            std::array::from_fn(|i| {
                std::array::from_fn(|e| {
                    std::array::from_fn(|lane| layer.transformed(8 * (first + e) + lane, 8 * eight + i, place))
                })
            })
        };
        Self {
            // A quarter more or less is exact: the bytes are those of the plain sum.
            factor: layer.step * INPUT_STEP / OUTPUT_STEP / 4.0,
            offset: layer.bias.as_chunks::<4>().0.iter().map(|four| four.map(|bias| bias / OUTPUT_STEP)).collect(),
            weights: blocks.map(packed).collect(),
            tiles: vec![[[[0; 8]; T]; 16]; count / T * eights],
        }
    }

    #[target_feature(enable = "neon")]
    fn transform(&mut self, layer: &Layer, from: &Eights) {
        let across = layer.width.div_ceil(2);
        for (group, block) in self.tiles.chunks_exact_mut(layer.channels / 8).enumerate() {
            for t in 0..T {
                let (y, x) = ((group * T + t) / across, (group * T + t) % across);
                for (eight, block) in block.iter_mut().enumerate() {
                    let row = |k: usize| {
                        let values = &from.values[from.at(eight, 2 * y + k, 2 * x)..];
                        let values: &[[u8; 8]; 4] = values.first_chunk().expect("a border that fills tiles up");
                        values.each_ref().map(|v| load_bytes(v))
                    };
                    let rows = [row(0), row(1), row(2), row(3)];
                    let column = |k: usize| spread([rows[0][k], rows[1][k], rows[2][k], rows[3][k]]);
                    let columns = [column(0), column(1), column(2), column(3)];
                    for r in 0..4 {
                        let row = spread([columns[0][r], columns[1][r], columns[2][r], columns[3][r]]);
                        for (c, value) in row.into_iter().enumerate() {
                            // SAFETY: an array of eight numbers has the 16 bytes that are written.
                            unsafe { vst1q_s16(block[4 * r + c][t].as_mut_ptr(), value) };
                        }
                    }
                }
            }
        }
    }

    #[target_feature(enable = "neon")]
    fn multiply(&self, layer: &Layer, to: &mut Eights) {
        let (eights, across) = (layer.channels / 8, layer.width.div_ceil(2));
        let mut products: [[[Sums; E]; T]; 16] = [[[[[0; 4]; 2]; E]; T]; 16];
        for (block, weights) in self.weights.chunks_exact(16 * eights).enumerate() {
            for (group, tiles) in self.tiles.chunks_exact(eights).enumerate() {
                for (place, weights) in weights.chunks_exact(eights).enumerate() {
                    let mut sums = [[[vdupq_n_s32(0); 2]; E]; T];
                    for (tiles, weights) in tiles.iter().zip(weights) {
                        multiply(&mut sums, tiles[place].each_ref().map(|v| load(v)), weights);
                    }
                    let to = products[place].as_flattened_mut().as_flattened_mut();
                    for (to, sums) in to.iter_mut().zip(sums.as_flattened().as_flattened()) {
                        // SAFETY: an array of four numbers has the 16 bytes that are written.
                        unsafe { vst1q_s32(to.as_mut_ptr(), *sums) };
                    }
                }
                let product = |place: usize, t: usize, e: usize, half: usize| {
                    // SAFETY: an array of four numbers has the 16 bytes that are read.
                    unsafe { vld1q_s32(products[place][t][e][half].as_ptr()) }
                };
                for t in 0..T {
                    let (y, x) = ((group * T + t) / across, (group * T + t) % across);
                    let (right, below) = (2 * x + 1 < layer.width, 2 * y + 1 < layer.height);
                    for e in 0..E {
                        let pixels = |half: usize| {
                            let column = |c: usize| {
                                let at = |r: usize| product(4 * r + c, t, e, half);
                                gather([at(0), at(1), at(2), at(3)])
                            };
                            let columns = [column(0), column(1), column(2), column(3)];
                            let row = |r: usize| gather([columns[0][r], columns[1][r], columns[2][r], columns[3][r]]);
                            [row(0), row(1)]
                        };
                        let (low, high) = (pixels(0), pixels(1));
                        let offset: &[[f32; 4]; 2] =
                            self.offset[2 * (block * E + e)..].first_chunk().expect("whole blocks");
                        // SAFETY: an array of four numbers has the 16 bytes that are read.
                        let offset = offset.each_ref().map(|four| unsafe { vld1q_f32(four.as_ptr()) });
                        let (at, columns) = (to.at(block * E + e, 2 * y + 1, 2 * x + 1), to.columns);
                        for (r, at) in [at, at + columns].into_iter().enumerate().take(1 + usize::from(below)) {
                            let places: &mut [[u8; 8]; 2] = to.values[at..].first_chunk_mut().expect("a border");
                            store_bytes(&mut places[0], [low[r][0], high[r][0]], self.factor, offset);
                            if right {
                                store_bytes(&mut places[1], [low[r][1], high[r][1]], self.factor, offset);
                            }
                        }
                    }
                }
            }
        }
    }
}
