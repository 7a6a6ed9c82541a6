//! Any bytes are a model of the right kind or an error; what loads also runs, or fails with an error.
#![no_main]

use agegate::vision::{AgeModel, Detector, LivenessModel, Runtime};
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The loader catches what the parser throws; the fuzzer's own hook would end the run at the throw.
        std::panic::set_hook(Box::new(|_| {}));
    },
    |bytes: &[u8]| {
        match bytes.len() % 3 {
            0 => drop(AgeModel::from_bytes("fuzzed", bytes, Runtime::Auto)),
            1 => drop(Detector::from_bytes("fuzzed", bytes, Runtime::Auto)),
            _ => drop(LivenessModel::from_bytes("fuzzed", bytes, Runtime::Auto)),
        }
    }
);
