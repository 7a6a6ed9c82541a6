//! Frames of any length, size and stride become a picture of exactly the stated size, or an error.
#![no_main]

use agegate::camera::pixel::{Colour, PixelFormat, to_rgb};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // Format, width, height and stride, little-endian, then the frame's bytes.
    let Some((header, bytes)) = input.split_at_checked(17) else { return };
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let formats: Vec<_> = PixelFormat::all().collect();
    let format = formats[usize::from(header[0]) % formats.len()];
    let (width, height) = (number(1), number(5));
    let stride = ((u64::from(number(9)) << 32) | u64::from(number(13))) as usize;
    // Both the absurd sizes and the ones that fit the bytes at hand.
    for (width, height, stride) in [(width, height, stride), (width % 65, height % 65, stride % 260), (width % 65, height % 65, 0)] {
        if let Ok(picture) = to_rgb(format, Colour::default(), bytes, (width, height), stride)
            && format != PixelFormat::Mjpeg
        {
            assert_eq!((picture.width(), picture.height()), (width, height));
        }
    }
});
