//! What the `v4l` crate needs of the kernel's `linux/videodev2.h`: structures and numbers, no code.
//!
//! It stands in for the crate of the same name (`[patch.crates-io]` in the workspace's `Cargo.toml`), which runs bindgen at
//! every build and so needs libclang on every machine. The kernel's interface does not change, and for 32 and 64 bits the
//! generated text is the same. `scripts/v4l2_bindings.sh` made it, and CI checks that it still makes the same.

#![no_std]
#![forbid(unsafe_code)]
#![allow(non_camel_case_types, non_upper_case_globals, non_snake_case, missing_docs, clippy::all)]

include!("bindings.rs");
