//! A convolution with everything that follows it, up to the next map.

use crate::{
    Map, Path,
    pack::{STEP, Window, pack, sums},
};

mod tiles;

/// Shape of a convolution: weights `[outputs, inputs, window, window]`; a window of 3 looks over the border by one pixel,
/// others not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Output channels.
    pub outputs: usize,
    /// Input channels.
    pub inputs: usize,
    /// Width and height of the window.
    pub window: usize,
    /// Pixels from one place to the next.
    pub stride: usize,
}

impl Shape {
    /// Size of the result for an input of this size.
    #[must_use]
    pub fn output(&self, (width, height): (usize, usize)) -> (usize, usize) {
        let border = if self.window == 3 { 2 } else { 0 };
        let along = |length: usize| (length + border).saturating_sub(self.window) / self.stride + 1;
        (along(width), along(height))
    }
}

/// What the bytes and the weights of a convolution mean.
#[derive(Clone, Copy, Debug)]
pub struct Meaning<'a> {
    /// A step of each output's weights.
    pub weight_scale: &'a [f32],
    /// Added to each output's value.
    pub bias: &'a [f32],
    /// A step of the input.
    pub input_scale: f32,
    /// The byte that stands for the input value 0: 0 after a rectifier, the mean for a picture.
    pub input_zero: f32,
    /// A step of the result: 1 where it is taken as numbers.
    pub output_scale: f32,
}

/// An earlier map that is added before the rectifier.
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a> {
    /// The map; as large as the result.
    pub map: &'a Map,
    /// A step of its values, in steps of the result.
    pub step: f32,
}

/// A convolution with its bias.
#[derive(Clone, Debug)]
pub struct Convolution {
    shape: Shape,
    path: Path,
    packed: Vec<i8>,
    /// Where each sum starts: takes back the flip.
    start: Vec<i32>,
    /// From the sum to the value: a factor and an offset for each output.
    factor: Vec<f32>,
    offset: Vec<f32>,
}

impl Convolution {
    /// Packs a convolution for the kernel of `path`.
    ///
    /// # Panics
    /// If the lengths do not fit the shape.
    #[must_use]
    pub fn new(path: Path, shape: Shape, weights: &[i8], meaning: Meaning<'_>) -> Self {
        let Meaning { weight_scale, bias, input_scale, input_zero, output_scale } = meaning;
        assert_eq!(weights.len(), shape.outputs * shape.inputs * shape.window * shape.window, "weights of the shape");
        assert!(
            weight_scale.len() == shape.outputs && bias.len() == shape.outputs,
            "a scale and a bias for each output"
        );
        let window = Window { outputs: shape.outputs, inputs: shape.inputs, side: shape.window };
        let filled = shape.outputs.next_multiple_of(path.tile().1);
        let sums = sums(window, weights);
        let mut start: Vec<i32> = sums.iter().map(|sum| i32::from(path.flip()) * sum).collect();
        let mut factor: Vec<f32> = weight_scale.iter().map(|s| s * input_scale / output_scale).collect();
        let zero =
            |((bias, factor), sum): ((&f32, &f32), &i32)| bias / output_scale - factor * input_zero * *sum as f32;
        let mut offset: Vec<f32> = bias.iter().zip(&factor).zip(&sums).map(zero).collect();
        start.resize(filled, 0);
        factor.resize(filled, 0.0);
        offset.resize(filled, 0.0);
        Self { shape, path, packed: pack(path, window, weights), start, factor, offset }
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The rectified result as bytes, in `to`.
    ///
    /// # Panics
    /// If a map has another size or was made for another path.
    pub fn run(&self, from: &Map, residual: Option<Residual<'_>>, to: &mut Map) {
        self.check(from);
        let fits =
            |map: &Map, size| map.path == self.path && map.size() == size && map.channels() == self.shape.outputs;
        assert!(fits(to, self.shape.output(from.size())), "the map of the result");
        assert!(residual.is_none_or(|r| fits(r.map, to.size())), "the map to add");
        match self.path.tile().1 {
            4 => self.run_in::<4>(from, residual, to),
            8 => self.run_in::<8>(from, residual, to),
            _ => self.run_in::<16>(from, residual, to),
        }
    }

    fn run_in<const C: usize>(&self, from: &Map, residual: Option<Residual<'_>>, to: &mut Map) {
        let flip = self.path.flip();
        let width = to.size().0;
        self.tiles::<C>(from, |first, pixel, sums| {
            let place = to.offset(pixel % width, pixel / width) + first;
            let factor: &[f32; C] = self.factor[first..first + C].try_into().expect("filled up to whole tiles");
            let offset: &[f32; C] = self.offset[first..first + C].try_into().expect("filled up to whole tiles");
            // Channels beyond the last one are the next pixel's: what the tile has for them is not written.
            let count = C.min(self.shape.outputs - first);
            let mut added = [0.0; C];
            if let Some(Residual { map, step }) = residual {
                let more = &map.bytes[place..place + count];
                match <&[u8; C]>::try_from(more) {
                    Ok(more) => added = std::array::from_fn(|k| f32::from(more[k] ^ flip) * step),
                    Err(_) => added.iter_mut().zip(more).for_each(|(to, byte)| *to = f32::from(byte ^ flip) * step),
                }
            }
            let bytes: [u8; C] =
                std::array::from_fn(|k| byte(sums[k] as f32 * factor[k] + offset[k] + added[k]) ^ flip);
            to.bytes[place..place + count].copy_from_slice(&bytes[..count]);
        });
    }

    /// The result as numbers, channel by channel: `[outputs, height, width]`, without a rectifier.
    ///
    /// # Panics
    /// If the map has other channels or was made for another path, or `to` another length.
    pub fn run_to_numbers(&self, from: &Map, to: &mut [f32]) {
        self.check(from);
        match self.path.tile().1 {
            4 => self.numbers_in::<4>(from, to),
            8 => self.numbers_in::<8>(from, to),
            _ => self.numbers_in::<16>(from, to),
        }
    }

    fn numbers_in<const C: usize>(&self, from: &Map, to: &mut [f32]) {
        let (width, height) = self.shape.output(from.size());
        let plane = width * height;
        assert_eq!(to.len(), plane * self.shape.outputs, "room for the result");
        self.tiles::<C>(from, |first, pixel, sums| {
            for (k, sum) in sums.iter().enumerate().take(self.shape.outputs - first) {
                let channel = first + k;
                to[channel * plane + pixel] = *sum as f32 * self.factor[channel] + self.offset[channel];
            }
        });
    }

    fn check(&self, from: &Map) {
        assert!(from.path == self.path && from.channels() == self.shape.inputs, "a map of the convolution");
    }

    /// Hands each tile's sums to `finish`: first output channel, pixel, sums of the tile's channels.
    fn tiles<const C: usize>(&self, from: &Map, mut finish: impl FnMut(usize, usize, &[i32; C])) {
        let (pixels_of_tile, channels_of_tile) = self.path.tile();
        debug_assert_eq!(channels_of_tile, C);
        let (width, height) = self.shape.output(from.size());
        let count = width * height;
        // A window of 3 begins in the border.
        let border = if self.shape.window == 3 { from.row_stride() + from.pixel_stride() } else { 0 };
        let place =
            |pixel: usize| from.offset(pixel % width * self.shape.stride, pixel / width * self.shape.stride) - border;
        let window = Window { outputs: self.shape.outputs, inputs: self.shape.inputs, side: self.shape.window };
        let tile = tiles::Tile { steps: window.steps(), rows: self.shape.window, row_stride: from.row_stride() };
        let block = tile.rows * tile.steps * STEP * channels_of_tile;
        let mut sums = [0i32; tiles::LARGEST];
        let mut places = [0usize; tiles::MOST_PIXELS];
        for (index, first) in (0..self.shape.outputs).step_by(channels_of_tile).enumerate() {
            let weights = &self.packed[index * block..][..block];
            let start = &self.start[first..first + channels_of_tile];
            for pixel in (0..count).step_by(pixels_of_tile) {
                for (k, at) in places.iter_mut().enumerate().take(pixels_of_tile) {
                    // The last tile is filled up with its last pixel.
                    *at = place((pixel + k).min(count - 1));
                }
                tiles::run(self.path, tile, &from.bytes, &places, weights, start, &mut sums);
                for (k, sums) in sums.as_chunks::<C>().0.iter().enumerate().take(pixels_of_tile.min(count - pixel)) {
                    finish(first, pixel + k, sums);
                }
            }
        }
    }
}

/// Rounded to the nearest, halves to the even, and cut to a byte.
fn byte(value: f32) -> u8 {
    // The cast cuts at 0 and 255, and makes 0 of what is no number.
    value.round_ties_even() as u8
}
