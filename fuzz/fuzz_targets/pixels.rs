//! Frames of any length, size and stride become a picture of exactly the stated size, or an error.
#![no_main]

use agegate::camera::pixel::{PixelFormat, to_rgb};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u32, u32, usize, &[u8])| {
    let (format, width, height, stride, bytes) = input;
    let format = PixelFormat::ALL[usize::from(format) % PixelFormat::ALL.len()];
    // Both the absurd sizes and the ones that fit the bytes at hand.
    for (width, height, stride) in [(width, height, stride), (width % 65, height % 65, stride % 260), (width % 65, height % 65, 0)] {
        if let Ok(picture) = to_rgb(format, bytes, width, height, stride)
            && format != PixelFormat::Mjpeg
        {
            assert_eq!((picture.width(), picture.height()), (width, height));
        }
    }
});
