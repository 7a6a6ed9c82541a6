//! Converts one frame some times: `agegate-yuv-cost ours|crate|halved yuyv|nv12 TIMES`; `halved` makes the detector's input of it. A crate of its own, so that the gate's tests need
//! not build what the gate does not use.

use agegate::{
    camera::pixel::{Colour, PixelFormat, to_rgb},
    frame::Pixels,
    view::{Area, View},
};
use yuv::{YuvBiPlanarImage, YuvConversionMode, YuvPackedImage, YuvRange, YuvStandardMatrix};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

fn by_the_crate(format: &str, bytes: &[u8], rgb: &mut [u8]) {
    let (range, matrix) = (YuvRange::Limited, YuvStandardMatrix::Bt601);
    let done = match format {
        "yuyv" => {
            let image = YuvPackedImage { yuy: bytes, yuy_stride: WIDTH * 2, width: WIDTH, height: HEIGHT };
            yuv::yuyv422_to_rgb(&image, rgb, WIDTH * 3, range, matrix)
        }
        _ => {
            let (luma, chroma) = bytes.split_at((WIDTH * HEIGHT) as usize);
            let image = YuvBiPlanarImage {
                y_plane: luma,
                y_stride: WIDTH,
                uv_plane: chroma,
                uv_stride: WIDTH,
                width: WIDTH,
                height: HEIGHT,
            };
            yuv::yuv_nv12_to_rgb(&image, rgb, WIDTH * 3, range, matrix, YuvConversionMode::Balanced)
        }
    };
    done.expect("a frame of the right size");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [whose, format, times] = &arguments[..] else { panic!("agegate-yuv-cost ours|crate|halved yuyv|nv12 TIMES") };
    let bytes: Vec<u8> = (0..WIDTH * HEIGHT * 2).map(|k| (k * 7 + k / 640 * 13) as u8).collect();
    let bytes = if format == "nv12" { &bytes[..(WIDTH * HEIGHT * 3 / 2) as usize] } else { &bytes };
    let mut rgb = vec![0u8; (WIDTH * HEIGHT * 3) as usize];
    for _ in 0..times.parse::<usize>().expect("a number") {
        let kind = if format == "nv12" { PixelFormat::Nv12 } else { PixelFormat::Yuyv };
        if whose == "halved" {
            let kept =
                Pixels::of(kind, Colour::default(), bytes, (WIDTH, HEIGHT), 0).expect("a frame of the right size");
            rgb = kept.halved(Area::whole((WIDTH, HEIGHT))).into_raw();
        } else if whose == "ours" {
            rgb = to_rgb(kind, Colour::default(), bytes, (WIDTH, HEIGHT), 0)
                .expect("a frame of the right size")
                .into_raw();
        } else {
            by_the_crate(format, bytes, &mut rgb);
        }
    }
    println!("{whose}, {format}: the first pixels are {:?}", &rgb[..6]);
}
