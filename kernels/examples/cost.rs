//! Runs one convolution some times, for counting its instructions: `cost WIDTH HEIGHT INPUTS OUTPUTS STRIDE TIMES PATH`.

use agegate_kernels::{Convolution, Map, Meaning, Path, Shape};

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().expect("a number")).collect();
    let [width, height, inputs, outputs, stride, times, index] = numbers[..] else {
        panic!("cost WIDTH HEIGHT INPUTS OUTPUTS STRIDE TIMES PATH");
    };
    let path = Path::available()[index];
    let shape = Shape { outputs, inputs, window: 3, stride };
    let weights: Vec<i8> = (0..outputs * inputs * 9).map(|k| (k % 255) as i8).map(|w| w.max(-127)).collect();
    let (scale, bias) = (vec![1e-3; outputs], vec![0.1; outputs]);
    let meaning = Meaning { weight_scale: &scale, bias: &bias, input_scale: 0.1, input_zero: 0.0, output_scale: 0.1 };
    let convolution = Convolution::new(path, shape, &weights, meaning);
    let mut from = Map::new(path, width, height, inputs, 0);
    for y in 0..height {
        let row: Vec<u8> = (0..width * inputs).map(|k| (k * 31 + y) as u8).collect();
        from.set_row(y, &row);
    }
    let (out_width, out_height) = shape.output((width, height));
    let mut to = Map::new(path, out_width, out_height, outputs, 0);
    for _ in 0..times {
        convolution.run(&from, None, &mut to);
    }
    let products = out_width * out_height * outputs * inputs * 9;
    println!("{path}: {products} products; the first bytes are {:?}", to.pixel(0, 0).take(4).collect::<Vec<_>>());
}
