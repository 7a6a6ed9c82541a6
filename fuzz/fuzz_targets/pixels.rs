//! Frames of any length, size and stride become a picture of exactly the stated size, or an error; and so does every part of one
//! that is kept as the camera gave it.
#![no_main]

use agegate::{
    camera::{
        pixel::{Colour, PixelFormat, to_rgb},
        turned::{Rotation, Turn},
    },
    frame::Pixels,
    view::{Area, View},
};
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
        if let Ok(kept) = Pixels::of(format, Colour::default(), bytes, (width, height), stride)
            && format != PixelFormat::Mjpeg
        {
            let kept = kept.turned(Turn { rotation: Rotation::ALL[usize::from(header[16]) % 4], mirror: header[15] % 2 == 1 });
            let size = kept.size();
            let bounds = [1, 5, 9, 13].map(|at| (number(at) % 9000) as f32 - 400.0);
            let area = Area::around(bounds, size);
            let part = kept.part(area);
            assert!(part.left <= area.left && part.left + part.pixels.width() >= area.left + area.width);
            assert!(part.top <= area.top && part.top + part.pixels.height() >= area.top + area.height);
            let even = Area { left: area.left / 4 * 4, top: area.top / 4 * 4, ..area };
            assert_eq!(kept.halved(even).dimensions(), (even.width / 2, even.height / 2));
            let _ = kept.luma().at(size.0 as usize - 1, size.1 as usize - 1);
        }
    }
});
