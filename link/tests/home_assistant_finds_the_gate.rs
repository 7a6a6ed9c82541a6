//! The discovery message against Home Assistant's documented schema: the keys that a device message and its entities may have,
//! and the device classes there are. `make link-test` checks it against Home Assistant's own source too
//! (`link/tests/discovery_schema.py`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use std::{collections::HashSet, path::Path};

use agegate_link::{config::Config, discovery, topics};
use serde_json::{Map, Value};

/// <https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>
const DEVICE_MESSAGE: [&str; 6] = ["device", "origin", "components", "state_topic", "qos", "availability"];
const DEVICE: [&str; 11] = [
    "identifiers",
    "connections",
    "manufacturer",
    "model",
    "model_id",
    "name",
    "hw_version",
    "serial_number",
    "sw_version",
    "suggested_area",
    "configuration_url",
];
const ORIGIN: [&str; 3] = ["name", "sw_version", "support_url"];
const AVAILABILITY: [&str; 4] = ["topic", "payload_available", "payload_not_available", "value_template"];
const ENTITY: [&str; 8] = [
    "platform",
    "name",
    "unique_id",
    "value_template",
    "device_class",
    "entity_category",
    "enabled_by_default",
    "icon",
];
/// <https://www.home-assistant.io/integrations/sensor.mqtt/>
const SENSOR: [&str; 3] = ["state_class", "unit_of_measurement", "options"];
/// <https://www.home-assistant.io/integrations/binary_sensor/#device-class>
const BINARY_CLASSES: [&str; 28] = [
    "battery",
    "battery_charging",
    "carbon_monoxide",
    "cold",
    "connectivity",
    "door",
    "garage_door",
    "gas",
    "heat",
    "light",
    "lock",
    "moisture",
    "motion",
    "moving",
    "occupancy",
    "opening",
    "plug",
    "power",
    "presence",
    "problem",
    "running",
    "safety",
    "smoke",
    "sound",
    "tamper",
    "update",
    "vibration",
    "window",
];

fn message() -> Value {
    let config =
        Config::parse("gate = \"front-door\"\n[topics]\nprefix = \"agegate/berlin-1\"\n", Path::new("l.toml")).unwrap();
    assert_eq!(discovery::topic(&config), "homeassistant/device/agegate_berlin-1_front-door/config");
    discovery::message(&config, Some("0.1.0"))
}

fn only(object: &Map<String, Value>, allowed: &[&str], where_: &str) {
    for key in object.keys() {
        assert!(allowed.contains(&key.as_str()), "{where_} has {key:?}");
    }
}

#[test]
fn every_key_and_class_is_one_of_the_documented() {
    let message = message();
    only(message.as_object().unwrap(), &DEVICE_MESSAGE, "the message");
    for key in ["device", "origin", "components"] {
        assert!(message[key].is_object(), "{key} is required");
    }
    only(message["device"].as_object().unwrap(), &DEVICE, "device");
    only(message["origin"].as_object().unwrap(), &ORIGIN, "origin");
    assert!(message["origin"]["name"].is_string() && !message["device"]["identifiers"].as_array().unwrap().is_empty());
    only(message["availability"][0].as_object().unwrap(), &AVAILABILITY, "availability");
    let mut ids = HashSet::new();
    for (id, entity) in message["components"].as_object().unwrap() {
        let class = entity["device_class"].as_str();
        match entity["platform"].as_str().unwrap() {
            "sensor" => {
                only(entity.as_object().unwrap(), &[&ENTITY[..], &SENSOR[..]].concat(), id);
                assert!(class.is_none_or(|c| ["enum", "timestamp"].contains(&c)), "{id}: {class:?}");
                // Options are for enumerations, which have no unit and no class of state.
                assert_eq!(entity.get("options").is_some(), class == Some("enum"), "{id}");
                assert!(class.is_none() || entity.get("state_class").is_none(), "{id}");
                let state = entity["state_class"].as_str();
                assert!(state.is_none_or(|s| ["measurement", "total_increasing"].contains(&s)), "{id}");
            }
            "binary_sensor" => {
                only(entity.as_object().unwrap(), &ENTITY, id);
                assert!(BINARY_CLASSES.contains(&class.unwrap()), "{id}: {class:?}");
            }
            other => panic!("{id}: {other} is something to command, or unknown"),
        }
        assert!(ids.insert(entity["unique_id"].as_str().unwrap()), "{id}: its unique id is another one's");
        assert!(entity["entity_category"].as_str().is_none_or(|c| c == "diagnostic"), "{id}");
    }
    for id in ["outcome", "door", "camera", "tamper", "forced", "held_open", "allowed", "referred"] {
        assert!(message["components"].get(id).is_some(), "{id}");
    }
}

#[test]
fn every_template_reads_what_the_status_has() {
    let config = Config::parse("gate = \"a\"\n", Path::new("l.toml")).unwrap();
    let seen = agegate_link::gate_status::Seen::None;
    let counts = agegate_link::counts::Counts::default();
    let payload = topics::status(&config, &seen, &counts, &agegate_link::queue::Cursor::default(), None);
    let status: Value = serde_json::from_slice(&payload).unwrap();
    let message = message();
    let mut read = 0;
    for (id, entity) in message["components"].as_object().unwrap() {
        for part in entity["value_template"].as_str().unwrap().split("value_json.").skip(1) {
            let path: Vec<&str> = part
                .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
                .next()
                .unwrap()
                .split('.')
                .collect();
            let mut value = &status;
            for name in path {
                // The last decision is none before the first.
                if value.is_null() {
                    break;
                }
                value = value.get(name).unwrap_or_else(|| panic!("{id}: the status has no {name:?}: {status}"));
            }
            read += 1;
        }
    }
    assert!(read > 15, "{read}");
    assert_eq!(message["state_topic"], "agegate/berlin-1/front-door/status");
    assert_eq!(message["availability"][0]["topic"], "agegate/berlin-1/front-door/link");
}

/// For the check against Home Assistant's own source.
#[test]
fn it_can_be_printed() {
    if let Some(path) = std::env::var_os("AGEGATE_DISCOVERY_OUT") {
        std::fs::write(path, message().to_string()).unwrap();
    }
    assert!(message().to_string().len() < 32 * 1024, "a broker may refuse what is larger");
}
