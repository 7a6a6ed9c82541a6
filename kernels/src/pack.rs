//! Weights in the order in which a kernel reads them.
//!
//! A kernel takes, for a tile of output channels, one row of the window after the other, and each row as a segment of bytes that
//! lie side by side in the map: window width times stored channels, filled up with zeros to a multiple of 16. What it reads
//! beyond a segment is multiplied by those zeros.

use crate::{Path, map::stored};

/// Bytes that a kernel reads at once.
pub(crate) const STEP: usize = 16;

/// Shape of weights: `[outputs, inputs, window, window]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    pub(crate) side: usize,
}

impl Window {
    /// Length of one row of the window in steps.
    pub(crate) fn steps(self) -> usize {
        (self.side * stored(self.inputs)).div_ceil(STEP)
    }
}

/// Packs weights for the kernel of `path`.
pub(crate) fn pack(path: Path, window: Window, weights: &[i8]) -> Vec<i8> {
    let tile = path.packed();
    let block = STEP * tile;
    let mut packed = vec![0; window.outputs.next_multiple_of(path.tile().1) * window.side * window.steps() * STEP];
    let mut weights = weights.iter();
    for output in 0..window.outputs {
        let (group, channel) = (output / tile, output % tile);
        for input in 0..window.inputs {
            for row in 0..window.side {
                let first = (group * window.side + row) * window.steps() * block;
                for (column, weight) in weights.by_ref().take(window.side).enumerate() {
                    let byte = column * stored(window.inputs) + input;
                    let (step, byte) = (byte / STEP, byte % STEP);
                    let within = match path {
                        // Channel by channel, 16 bytes of each.
                        Path::Neon | Path::Portable => channel * STEP + byte,
                        // Four bytes of each channel, then the next four.
                        Path::NeonDot | Path::Avx512Vnni | Path::Avx2 => (byte / 4 * tile + channel) * 4 + byte % 4,
                    };
                    packed[first + step * block + within] = *weight;
                }
            }
        }
    }
    packed
}

/// Largest sum of absolute weights whose products with signed bytes have room in 16 bits: 128 * 255 < 32768.
const ROOM: u32 = 255;

/// For each row of each group of channels that lie together, which pairs of steps have room in 16 bits: bit 0 for the first two
/// steps, and so on. A pair is 32 bytes, of which those eight apart are added up together: four products in each of eight sums.
pub(crate) fn room(path: Path, window: Window, packed: &[i8]) -> Vec<u64> {
    let tile = path.packed();
    if path != Path::Neon {
        return vec![0; packed.len() / (tile * window.steps() * STEP)];
    }
    let has_room = |pair: &[i8]| {
        let of = |channel: usize, lane: usize| {
            let within = |step: usize, byte: usize| pair[(step * tile + channel) * STEP + byte].unsigned_abs();
            [within(0, lane), within(0, lane + 8), within(1, lane), within(1, lane + 8)]
        };
        (0..tile).all(|channel| (0..8).all(|lane| of(channel, lane).map(u32::from).iter().sum::<u32>() <= ROOM))
    };
    let rows = packed.chunks_exact(tile * window.steps() * STEP);
    rows.map(|row| {
        let pairs = row.chunks_exact(2 * tile * STEP).take(64).enumerate();
        pairs.fold(0, |found, (pair, weights)| found | u64::from(has_room(weights)) << pair)
    })
    .collect()
}

/// Sum of the weights of each output: what an offset of 1 in every activation adds.
pub(crate) fn sums(window: Window, weights: &[i8]) -> Vec<i32> {
    weights
        .chunks_exact(window.inputs * window.side * window.side)
        .map(|channel| channel.iter().map(|w| i32::from(*w)).sum())
        .collect()
}
