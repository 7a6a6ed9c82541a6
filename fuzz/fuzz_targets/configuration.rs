//! Any text is a configuration or an error with its line; what is accepted is within the stated ranges.
#![no_main]

use std::path::Path;

use agegate::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // A policy file or own texts named in it would be read from the disk: not this target's business.
    if ["policy_file", "texts_file"].iter().any(|key| text.contains(key)) {
        return;
    }
    match Config::parse(text, Path::new("gate.toml")) {
        Ok(config) => {
            assert!((0.2..=30.0).contains(&config.relay.open_seconds));
            assert!(config.relay.max_open_seconds >= config.relay.open_seconds);
            let policy = config.policy();
            assert!((0.5..1.0).contains(&policy.confidence) && policy.challenge_age >= policy.threshold_age);
        }
        Err(error) => assert!(error.to_string().contains("gate.toml, line "), "{error}"),
    }
});
