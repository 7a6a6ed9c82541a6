//! Deflates the demonstration's recordings for the binary, where they would be a fifteenth of it: their frames repeat each other.

#![allow(clippy::unwrap_used, reason = "a build may fail by a panic")]

use std::{env, fs, io::Write as _, path::Path};

use flate2::{Compression, write::ZlibEncoder};

fn main() {
    let out = env::var_os("OUT_DIR").unwrap();
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["visitors.mjpeg", "phone.mjpeg"] {
        let recording = Path::new("demo").join(name);
        println!("cargo::rerun-if-changed={}", recording.display());
        let packed = fs::File::create(Path::new(&out).join(name).with_extension("mjpeg.zz")).unwrap();
        let mut encoder = ZlibEncoder::new(packed, Compression::best());
        encoder.write_all(&fs::read(recording).unwrap()).unwrap();
        encoder.finish().unwrap();
    }
}
