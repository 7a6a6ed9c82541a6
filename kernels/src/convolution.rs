//! A convolution with everything that follows it, up to the next map.

use crate::{
    Map, Path,
    pack::{STEP, Window, pack, room, sums},
};

mod finish;
mod tiles;

use finish::Scaling;

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
    room: Vec<u64>,
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
        let packed = pack(path, window, weights);
        let room = room(path, window, &packed);
        Self { shape, path, packed, room, start, factor, offset }
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
            #[cfg(target_arch = "x86_64")]
            _ => self.run_in::<16>(from, residual, to),
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("tiles of 4 or 8 channels"),
        }
    }

    fn run_in<const C: usize>(&self, from: &Map, residual: Option<Residual<'_>>, to: &mut Map) {
        let (flip, steps) = (self.path.flip(), to.steps());
        self.tiles::<C>(from, steps, |first, _, places, sums| {
            let factor: &[f32; C] = self.factor[first..first + C].try_into().expect("filled up to whole tiles");
            let offset: &[f32; C] = self.offset[first..first + C].try_into().expect("filled up to whole tiles");
            let more = residual.map(|Residual { map, step }| (&map.bytes[..], step));
            let scaling = Scaling { factor, offset, more, flip };
            // Channels beyond the last one are the next pixel's: what the tile has for them is not written.
            let count = C.min(self.shape.outputs - first);
            finish::tile(sums, places, (first, count), &scaling, &mut to.bytes);
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
        let outside = Steps { start: 0, pixel: 0, row: 0 };
        self.tiles::<C>(from, outside, |first, pixel, places, sums| {
            for (sums, pixel) in sums.as_chunks::<C>().0.iter().zip(pixel..pixel + places.len()) {
                for (k, sum) in sums.iter().enumerate().take(self.shape.outputs - first) {
                    let channel = first + k;
                    to[channel * plane + pixel] = *sum as f32 * self.factor[channel] + self.offset[channel];
                }
            }
        });
    }

    fn check(&self, from: &Map) {
        assert!(from.path == self.path && from.channels() == self.shape.inputs, "a map of the convolution");
    }

    /// Hands each tile's sums to `finish`: first output channel, first pixel, places of its pixels by `steps`, and for each of
    /// them the sums of the tile's channels.
    fn tiles<const C: usize>(&self, from: &Map, steps: Steps, mut finish: impl FnMut(usize, usize, &[usize], &[i32])) {
        let (pixels_of_tile, channels_of_tile) = self.path.tile();
        debug_assert_eq!(channels_of_tile, C);
        let (width, height) = self.shape.output(from.size());
        let count = width * height;
        let inside = from.steps();
        // A window of 3 begins in the border.
        let border = if self.shape.window == 3 { from.row_stride() + from.pixel_stride() } else { 0 };
        let inside = Steps {
            start: inside.start - border,
            pixel: inside.pixel * self.shape.stride,
            row: inside.row * self.shape.stride,
        };
        let window = Window { outputs: self.shape.outputs, inputs: self.shape.inputs, side: self.shape.window };
        let tile = tiles::Tile { steps: window.steps(), rows: self.shape.window, row_stride: from.row_stride() };
        let block = tile.rows * tile.steps * STEP * channels_of_tile;
        let rooms = channels_of_tile / self.path.packed() * tile.rows;
        let mut sums = [0i32; tiles::LARGEST];
        let (mut places, mut results) = ([0usize; tiles::MOST_PIXELS], [0usize; tiles::MOST_PIXELS]);
        for (index, first) in (0..self.shape.outputs).step_by(channels_of_tile).enumerate() {
            let weights = tiles::Weights {
                packed: &self.packed[index * block..][..block],
                start: &self.start[first..first + channels_of_tile],
                room: &self.room[index * rooms..][..rooms],
            };
            let mut walk =
                Walk { x: 0, width, inside: inside.start, outside: steps.start, rows: [inside.start, steps.start] };
            for pixel in (0..count).step_by(pixels_of_tile) {
                let whole = pixels_of_tile.min(count - pixel);
                walk.on(inside, steps, &mut places[..whole], &mut results[..whole]);
                // The last tile is filled up with its last pixel.
                let last = places[whole - 1];
                places[whole..pixels_of_tile].fill(last);
                tiles::run(self.path, tile, &from.bytes, &places, weights, &mut sums);
                finish(first, pixel, &results[..whole], &sums[..whole * C]);
            }
        }
    }
}

/// Where pixels lie: the first one, and how far it is to the next and to the next row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) start: usize,
    pub(crate) pixel: usize,
    pub(crate) row: usize,
}

/// A walk over the pixels of input and result, row by row, without divisions.
struct Walk {
    x: usize,
    width: usize,
    inside: usize,
    outside: usize,
    rows: [usize; 2],
}

impl Walk {
    /// Goes on over the pixels of a tile and tells where each of them lies.
    fn on(&mut self, inside: Steps, outside: Steps, places: &mut [usize], results: &mut [usize]) {
        let (mut places, mut results) = (places, results);
        while !places.is_empty() {
            // As far as this row reaches: nearly always all of them.
            let count = places.len().min(self.width - self.x);
            let (here, more) = places.split_at_mut(count);
            let (there, rest) = results.split_at_mut(count);
            for (place, result) in here.iter_mut().zip(there) {
                (*place, *result) = (self.inside, self.outside);
                self.inside += inside.pixel;
                self.outside += outside.pixel;
            }
            self.x += count;
            if self.x == self.width {
                self.x = 0;
                self.rows = [self.rows[0] + inside.row, self.rows[1] + outside.row];
                [self.inside, self.outside] = self.rows;
            }
            (places, results) = (more, rest);
        }
    }
}
