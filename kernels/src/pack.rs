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

    fn weight(self, weights: &[i8], output: usize, row: usize, byte: usize) -> i8 {
        let (column, input) = (byte / stored(self.inputs), byte % stored(self.inputs));
        if output >= self.outputs || column >= self.side || input >= self.inputs {
            return 0;
        }
        weights[((output * self.inputs + input) * self.side + row) * self.side + column]
    }
}

/// Packs weights for the kernel of `path`.
pub(crate) fn pack(path: Path, window: Window, weights: &[i8]) -> Vec<i8> {
    let (_, tile) = path.tile();
    let length = window.steps() * STEP;
    let mut packed = Vec::with_capacity(window.outputs.next_multiple_of(tile) * window.side * length);
    for first in (0..window.outputs).step_by(tile) {
        for row in 0..window.side {
            for step in (0..length).step_by(STEP) {
                let at = |channel: usize, byte: usize| window.weight(weights, first + channel, row, step + byte);
                match path {
                    // Channel by channel, 16 bytes of each.
                    Path::Neon | Path::Portable => {
                        packed.extend((0..tile).flat_map(|c| (0..STEP).map(move |b| at(c, b))));
                    }
                    // Four bytes of each channel, then the next four.
                    Path::NeonDot | Path::Avx512Vnni => packed.extend(
                        (0..STEP)
                            .step_by(4)
                            .flat_map(|b| (0..tile).flat_map(move |c| (0..4).map(move |k| at(c, b + k)))),
                    ),
                }
            }
        }
    }
    packed
}

/// Sum of the weights of each output: what an offset of 1 in every activation adds.
pub(crate) fn sums(window: Window, weights: &[i8]) -> Vec<i32> {
    weights
        .chunks_exact(window.inputs * window.side * window.side)
        .map(|channel| channel.iter().map(|w| i32::from(*w)).sum())
        .collect()
}
