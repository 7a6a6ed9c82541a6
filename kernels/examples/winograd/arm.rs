//! The variants, chosen by argument.

use crate::arm::{direct::Direct, exact::Exact, floats::Winograd, fours::Fours, layer::Layer};

mod direct;
mod exact;
mod floats;
mod fours;
mod layer;

const USAGE: &str = "winograd direct|winograd|exact|integer CHANNELSxWIDTHxHEIGHT REPEATS WEIGHTS";

pub fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [variant, shape, repeats, file] = &arguments[..] else { panic!("{USAGE}") };
    let sizes: Vec<usize> = shape.split('x').map(|n| n.parse().expect(USAGE)).collect();
    let [channels, width, height] = sizes[..] else { panic!("{USAGE}") };
    let repeats: usize = repeats.parse().expect(USAGE);
    assert!(repeats > 0, "at least once");
    let bytes = std::fs::read(file).expect("a file of weights").into_iter().map(|b| b as i8).collect();
    let layer = Layer::new(channels, width, height, bytes);
    // A map of 5x5 pixels has nine tiles, all of which are done at once, with as many outputs as there are registers left for.
    let nine = width.div_ceil(2) * height.div_ceil(2) == 9;
    match variant.as_str() {
        "direct" => {
            let direct = Direct::new(&layer);
            floats(&layer, repeats, |from, to| direct.run(&layer, from, to));
        }
        "winograd" if nine => {
            let mut winograd = Winograd::<9, 2>::new(&layer);
            floats(&layer, repeats, |from, to| winograd.run(&layer, from, to));
        }
        "winograd" => {
            let mut winograd = Winograd::<5, 4>::new(&layer);
            floats(&layer, repeats, |from, to| winograd.run(&layer, from, to));
        }
        "exact" if nine => exact::check(&layer, Exact::<9, 1>::new(&layer), repeats),
        "exact" => exact::check(&layer, Exact::<5, 2>::new(&layer), repeats),
        "integer" => drop(exact::shipped(&layer, repeats)),
        _ => panic!("{USAGE}"),
    }
}

/// Runs a convolution in floats and holds it against the plain one.
fn floats(layer: &Layer, repeats: usize, mut run: impl FnMut(&Fours, &mut Fours)) {
    let (from, mut to) = (Fours::of(layer), Fours::new(layer));
    (0..repeats).for_each(|_| run(&from, &mut to));
    let difference = to.difference(layer, &layer.plain());
    println!("difference {difference:e}");
    if difference.is_nan() || difference >= 1e-3 {
        std::process::exit(1);
    }
}
