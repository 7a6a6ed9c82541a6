//! Any bytes are a picture of a size that memory can hold, or an error.
#![no_main]

use agegate::picture;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(picture) = picture::decode(bytes) {
        assert!(picture.width() > 0 && picture.height() > 0);
    }
});
