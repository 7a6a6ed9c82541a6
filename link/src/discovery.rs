//! Home Assistant's MQTT discovery: one message tells it of a device with all its entities, with the device classes that make
//! it show and automate them properly. <https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery>
//!
//! Nothing here has a `command_topic`: Home Assistant sees the gate and cannot open it.

use serde_json::{Map, Value, json};

use crate::{config::Config, topics::Topics};

/// An entity.
struct Entity {
    id: &'static str,
    platform: &'static str,
    name: &'static str,
    template: &'static str,
    /// What else it has.
    more: fn() -> Value,
}

const ENTITIES: &[Entity] = &[
    Entity {
        id: "outcome",
        platform: "sensor",
        name: "Last outcome",
        template: "{{ value_json.last_decision.outcome if value_json.last_decision else None }}",
        more: || json!({"device_class": "enum", "options": ["Allow", "Refer", "Deny", "NoDecision"], "icon": "mdi:account-check"}),
    },
    Entity {
        id: "decided",
        platform: "sensor",
        name: "Last decision",
        template: "{{ value_json.last_decision.time if value_json.last_decision else None }}",
        more: || json!({"device_class": "timestamp"}),
    },
    // The relay: what is energised is unlocked. The leaf itself is not seen by it.
    Entity {
        id: "door",
        platform: "binary_sensor",
        name: "Door",
        template: "{{ 'ON' if value_json.door == 'open' else 'OFF' }}",
        more: || json!({"device_class": "lock"}),
    },
    Entity {
        id: "camera",
        platform: "binary_sensor",
        name: "Camera",
        template: "{{ 'ON' if value_json.camera in ['watching', 'idle'] else 'OFF' }}",
        more: || json!({"device_class": "connectivity", "entity_category": "diagnostic"}),
    },
    Entity {
        id: "out_of_order",
        platform: "binary_sensor",
        name: "Out of order",
        template: "{{ 'OFF' if value_json.state == 'in-use' else 'ON' }}",
        more: || json!({"device_class": "problem"}),
    },
    Entity {
        id: "state",
        platform: "sensor",
        name: "State",
        template: "{{ value_json.state }}",
        more: || {
            json!({"device_class": "enum", "entity_category": "diagnostic", "options": [
                "in-use", "camera-lost", "model-failed", "door-failed", "log-failed", "stopped", "not-responding", "not-running",
                "unreadable"]})
        },
    },
    Entity {
        id: "chain",
        platform: "binary_sensor",
        name: "Log not whole",
        template: "{{ 'ON' if value_json.chain_faults > 0 else 'OFF' }}",
        more: || json!({"device_class": "problem", "entity_category": "diagnostic"}),
    },
    Entity {
        id: "dark",
        platform: "binary_sensor",
        name: "Picture dark",
        template: "{{ 'ON' if 'dark' in value_json.alarms else 'OFF' }}",
        more: || json!({"device_class": "problem", "entity_category": "diagnostic"}),
    },
    Entity {
        id: "tamper",
        platform: "binary_sensor",
        name: "Cover",
        template: "{{ 'ON' if 'tamper' in value_json.alarms else 'OFF' }}",
        more: || json!({"device_class": "tamper"}),
    },
    Entity {
        id: "forced",
        platform: "binary_sensor",
        name: "Door forced",
        template: "{{ 'ON' if 'forced' in value_json.alarms else 'OFF' }}",
        more: || json!({"device_class": "safety"}),
    },
    Entity {
        id: "held_open",
        platform: "binary_sensor",
        name: "Door held open",
        template: "{{ 'ON' if 'held-open' in value_json.alarms else 'OFF' }}",
        more: || json!({"device_class": "problem"}),
    },
    counter("allowed", "Let in", "{{ value_json.decisions.allow }}"),
    counter("referred", "Asked for ID", "{{ value_json.decisions.refer }}"),
    counter("denied", "Denied", "{{ value_json.decisions.deny }}"),
    counter("undecided", "Without decision", "{{ value_json.decisions.none }}"),
    counter("openings", "Openings", "{{ value_json.openings }}"),
    Entity {
        id: "last_frame",
        platform: "sensor",
        name: "Last judged frame",
        template: "{{ value_json.last_frame }}",
        more: || json!({"device_class": "timestamp", "entity_category": "diagnostic", "enabled_by_default": false}),
    },
    Entity {
        id: "waiting",
        platform: "sensor",
        name: "Records waiting",
        template: "{{ value_json.waiting }}",
        more: || json!({"state_class": "measurement", "unit_of_measurement": "records", "entity_category": "diagnostic"}),
    },
];

const fn counter(id: &'static str, name: &'static str, template: &'static str) -> Entity {
    let more = || json!({"state_class": "total_increasing", "unit_of_measurement": "visits"});
    Entity { id, platform: "sensor", name, template, more }
}

/// The topic of the message.
#[must_use]
pub fn topic(config: &Config) -> String {
    format!("{}/device/{}/config", config.topics.home_assistant, node(config))
}

/// The message: retained, so that Home Assistant finds the gate whenever it starts.
#[must_use]
pub fn message(config: &Config, version: Option<&str>) -> Value {
    let topics = Topics::of(config);
    let mut components = Map::new();
    for entity in ENTITIES {
        let mut component = json!({
            "platform": entity.platform,
            "name": entity.name,
            "unique_id": format!("{}_{}", node(config), entity.id),
            "value_template": entity.template,
        });
        if let (Value::Object(component), Value::Object(more)) = (&mut component, (entity.more)()) {
            component.extend(more);
        }
        components.insert(entity.id.into(), component);
    }
    json!({
        "device": {
            "identifiers": [node(config)],
            "name": format!("Age gate {}", config.gate),
            "manufacturer": "agegate",
            "model": "agegate",
            "sw_version": version.unwrap_or("unknown"),
        },
        "origin": {
            "name": "agegate-link",
            "sw_version": env!("CARGO_PKG_VERSION"),
            "support_url": env!("CARGO_PKG_REPOSITORY"),
        },
        "components": components,
        "state_topic": topics.named("status"),
        "qos": 1,
        "availability": [{
            "topic": topics.named("link"),
            "value_template": "{{ value_json.state }}",
            "payload_available": "online",
            "payload_not_available": "offline",
        }],
    })
}

/// The device's name among all that Home Assistant knows: a gate of the same name at another site is another device.
fn node(config: &Config) -> String {
    let name = format!("{}_{}", config.topics.prefix, config.gate);
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
