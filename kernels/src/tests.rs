//! Every path against plain sums written out, on many shapes.

use crate::{Convolution, Map, Meaning, Path, Residual, Shape};

/// A fixed sequence of bytes.
struct Bytes(u32);

impl Bytes {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 11) as u8
    }
}

/// A case: its numbers, and what comes out of it written out in the plainest way.
struct Case {
    shape: Shape,
    size: (usize, usize),
    input: Vec<u8>,
    weights: Vec<i8>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    outside: u8,
}

impl Case {
    fn new(shape: Shape, size: (usize, usize), outside: u8, seed: u32) -> Self {
        let mut bytes = Bytes(seed);
        let input = (0..size.0 * size.1 * shape.inputs).map(|_| bytes.next()).collect();
        // All weights but -128: rounding to scale never gives it, and a pair of 16-bit products has no room for it. Some channels
        // have small ones only, as in a trained net, whose products have room by fours.
        let each = shape.inputs * shape.window * shape.window;
        let weights = (0..shape.outputs * each)
            .map(|k| (bytes.next() as i8).max(-127) / if k / each % 8 < 4 { 1 } else { 2 })
            .collect();
        let scale = (0..shape.outputs).map(|_| 1e-4 * f32::from(1 + bytes.next() % 40)).collect();
        let bias = (0..shape.outputs).map(|_| f32::from(bytes.next()) / 40.0 - 3.0).collect();
        Self { shape, size, input, weights, scale, bias, outside }
    }

    fn map(&self, path: Path) -> Map {
        let mut map = Map::new(path, self.size.0, self.size.1, self.shape.inputs, self.outside);
        for (y, row) in self.input.chunks_exact(self.size.0 * self.shape.inputs).enumerate() {
            map.set_row(y, row);
        }
        map
    }

    fn convolution(&self, path: Path, output_scale: f32) -> Convolution {
        let (weight_scale, bias) = (&self.scale[..], &self.bias[..]);
        let meaning =
            Meaning { weight_scale, bias, input_scale: 0.5, input_zero: f32::from(self.outside), output_scale };
        Convolution::new(path, self.shape, &self.weights, meaning)
    }

    /// The exact sum for an output at a place, less the zero point.
    fn value(&self, output: usize, x: usize, y: usize) -> f64 {
        let Shape { inputs, window, stride, .. } = self.shape;
        let border = usize::from(window == 3);
        let mut sum = 0i64;
        for input in 0..inputs {
            for ky in 0..window {
                for kx in 0..window {
                    let (px, py) = ((x * stride + kx).wrapping_sub(border), (y * stride + ky).wrapping_sub(border));
                    let inside = px < self.size.0 && py < self.size.1;
                    let value =
                        if inside { self.input[(py * self.size.0 + px) * inputs + input] } else { self.outside };
                    let weight = self.weights[((output * inputs + input) * window + ky) * window + kx];
                    sum += i64::from(weight) * (i64::from(value) - i64::from(self.outside));
                }
            }
        }
        sum as f64 * f64::from(self.scale[output]) * 0.5 + f64::from(self.bias[output])
    }
}

fn cases() -> Vec<Case> {
    let shape = |outputs, inputs, window, stride| Shape { outputs, inputs, window, stride };
    [
        (shape(16, 3, 3, 2), (17, 12), 128),
        (shape(24, 16, 3, 2), (16, 8), 0),
        (shape(24, 24, 3, 1), (9, 7), 0),
        (shape(48, 24, 3, 2), (10, 6), 0),
        (shape(15, 48, 3, 1), (5, 4), 0),
        (shape(64, 32, 1, 1), (5, 5), 0),
        (shape(2, 40, 5, 1), (5, 5), 0),
        (shape(5, 7, 3, 1), (3, 3), 0),
        (shape(1, 1, 1, 1), (1, 1), 0),
        (shape(8, 64, 3, 1), (4, 3), 0),
    ]
    .into_iter()
    .zip(1..)
    // An interpreter takes a minute for what a processor does in a millisecond: it is given the small ones.
    .filter(|((shape, ..), _)| !cfg!(miri) || shape.outputs * shape.inputs * shape.window < 150)
    .map(|((shape, size, outside), seed)| Case::new(shape, size, outside, seed * 7919))
    .collect()
}

#[test]
fn numbers_are_the_sums_written_out() {
    for path in Path::available() {
        for case in cases() {
            let convolution = case.convolution(path, 1.0);
            let (width, height) = case.shape.output(case.size);
            let mut found = vec![f32::NAN; case.shape.outputs * width * height];
            convolution.run_to_numbers(&case.map(path), &mut found);
            for (index, found) in found.iter().enumerate() {
                let (output, place) = (index / (width * height), index % (width * height));
                let wanted = case.value(output, place % width, place / width);
                let error = (f64::from(*found) - wanted).abs() / (1.0 + wanted.abs());
                assert!(
                    error < 1e-5,
                    "{path}, {:?}, output {output} at {place}: {found}, expected {wanted}",
                    case.shape
                );
            }
        }
    }
}

#[test]
fn every_path_gives_the_same_bytes_with_and_without_a_map_added() {
    for case in cases() {
        let (width, height) = case.shape.output(case.size);
        let result = |path: Path, with: bool| {
            let mut more = Map::new(path, width, height, case.shape.outputs, 0);
            let mut bytes = Bytes(99);
            for y in 0..height {
                let row: Vec<u8> = (0..width * case.shape.outputs).map(|_| bytes.next()).collect();
                more.set_row(y, &row);
            }
            let mut to = Map::new(path, width, height, case.shape.outputs, 0);
            let residual = with.then_some(Residual { map: &more, step: 0.6 });
            case.convolution(path, 0.11).run(&case.map(path), residual, &mut to);
            let pixels = (0..width * height).flat_map(|p| to.pixel(p % width, p / width).collect::<Vec<u8>>());
            pixels.collect::<Vec<u8>>()
        };
        for with in [false, true] {
            let reference = result(Path::Portable, with);
            assert!(reference.iter().any(|v| *v > 0));
            for path in Path::available() {
                assert_eq!(result(path, with), reference, "{path}, {:?}, added: {with}", case.shape);
            }
        }
    }
}

#[test]
fn a_result_leaves_the_border_as_it_was() {
    for path in Path::available() {
        let case = Case::new(Shape { outputs: 20, inputs: 6, window: 3, stride: 1 }, (9, 7), 0, 7919);
        let mut to = Map::new(path, 9, 7, 20, 0);
        let before = to.clone();
        case.convolution(path, 0.1).run(&case.map(path), None, &mut to);
        let inside = |map: &Map, k: usize| {
            let (row, column) = (k / map.row_stride(), k % map.row_stride() / map.pixel_stride());
            (1..=7).contains(&row) && (1..=9).contains(&column)
        };
        for (k, (now, then)) in to.bytes.iter().zip(&before.bytes).enumerate() {
            assert!(now == then || inside(&to, k), "{path}: byte {k} of the border was changed");
        }
    }
}

#[test]
fn products_that_fill_sixteen_bits_to_the_brim_are_added_up_right() {
    // Four weights whose absolute values sum to 255, against the bytes that make the most of them; and one more, which has no room.
    for weights in [[64i8, 64, 64, 63], [127, 127, 1, 0], [64, 64, 64, 64], [-64, -64, -64, -63], [127, 127, 127, 127]]
    {
        for input in [0u8, 255] {
            for path in Path::available() {
                let shape = Shape { outputs: 8, inputs: 32, window: 1, stride: 1 };
                let lane = |k: usize| weights[k / 8];
                let all: Vec<i8> = (0..8).flat_map(|_| (0..32).map(lane)).collect();
                let meaning = Meaning {
                    weight_scale: &[1.0; 8],
                    bias: &[0.0; 8],
                    input_scale: 1.0,
                    input_zero: 0.0,
                    output_scale: 1.0,
                };
                let mut map = Map::new(path, 3, 3, 32, 0);
                (0..3).for_each(|y| map.set_row(y, &[input; 3 * 32]));
                let mut found = vec![f32::NAN; 8 * 9];
                Convolution::new(path, shape, &all, meaning).run_to_numbers(&map, &mut found);
                let wanted = f32::from(input) * (0..32).map(|k| f32::from(lane(k))).sum::<f32>();
                assert!(
                    found.iter().all(|v| *v == wanted),
                    "{path}, weights {weights:?}, bytes {input}: {found:?}, expected {wanted}"
                );
            }
        }
    }
}
