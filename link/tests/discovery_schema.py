"""The discovery message against Home Assistant's own source: which keys its schemas know, and which device classes there are.

`python3 link/tests/discovery_schema.py MESSAGE.json WHEEL`. The source is read, not run: it needs a newer Python than Debian's.
"""

import ast
import json
import pathlib
import sys
import zipfile

BASE = "homeassistant/components"


class Source:
    """The modules of a wheel, by what can be read off them without running them."""

    def __init__(self, wheel: str) -> None:
        self.wheel = zipfile.ZipFile(wheel)
        self.names: dict[str, object] = {}
        for path in ("homeassistant/const.py", f"{BASE}/mqtt/const.py", f"{BASE}/sensor/const.py"):
            for node in ast.walk(self.tree(path)):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
                if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant):
                    self.names[target.id] = node.value.value
                elif isinstance(target, ast.Name) and isinstance(node.value, ast.Name) and node.value.id in self.names:
                    self.names[target.id] = self.names[node.value.id]

    def tree(self, path: str) -> ast.Module:
        return ast.parse(self.wheel.read(path))

    def keys(self, path: str, schema: str) -> set[str]:
        """The keys within the assignment of a schema: Optional(CONF_X), Required(CONF_X), Exclusive(CONF_X, ...)."""
        found = set()
        for node in ast.walk(self.tree(path)):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
            if not (isinstance(target, ast.Name) and target.id == schema):
                continue
            for call in ast.walk(node.value):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("Optional", "Required", "Exclusive"):
                    name = call.args[0]
                    found.add(self.names.get(name.id, name.id) if isinstance(name, ast.Name) else name.value)
        if not found:
            sys.exit(f"{path} has no schema {schema}: Home Assistant's source has changed, look there")
        return found

    def members(self, enumeration: str) -> set[str]:
        """The values of an enumeration, wherever under its component it stands."""
        for path in self.wheel.namelist():
            if path.startswith((f"{BASE}/sensor/", f"{BASE}/binary_sensor/")) and path.endswith(".py"):
                for node in ast.walk(self.tree(path)):
                    if isinstance(node, ast.ClassDef) and node.name == enumeration:
                        return {n.value.value for n in node.body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant)}
        sys.exit(f"no enumeration {enumeration} in Home Assistant's source: it has changed, look there")


def main() -> None:
    message = json.loads(pathlib.Path(sys.argv[1]).read_text())
    source = Source(sys.argv[2])
    schemas = f"{BASE}/mqtt/schemas.py"
    faults: list[str] = []

    def only(value: dict, allowed: set[str], where: str) -> None:
        faults.extend(f"{where}: {key!r} is not known to Home Assistant" for key in value if key not in allowed)

    common = source.keys(schemas, "MQTT_ENTITY_COMMON_SCHEMA")
    availability = source.keys(schemas, "_MQTT_AVAILABILITY_LIST_SCHEMA")
    only(message, source.keys(schemas, "DEVICE_DISCOVERY_SCHEMA") | availability, "message")
    device = source.keys(schemas, "_MQTT_DEVICE_INFO_SCHEMA_BASE") | source.keys(schemas, "MQTT_ENTITY_CHILD_DEVICE_INFO_SCHEMA")
    only(message["device"], device, "device")
    only(message["origin"], source.keys(schemas, "MQTT_ORIGIN_INFO_SCHEMA"), "origin")
    only(message["availability"][0], availability | {"topic"}, "availability")
    classes = {"sensor": source.members("SensorDeviceClass"), "binary_sensor": source.members("BinarySensorDeviceClass")}
    states = source.members("SensorStateClass")
    allowed = {
        "sensor": source.keys(f"{BASE}/mqtt/sensor.py", "_PLATFORM_SCHEMA_BASE"),
        "binary_sensor": source.keys(f"{BASE}/mqtt/binary_sensor.py", "PLATFORM_SCHEMA_MODERN"),
    }
    for name, entity in message["components"].items():
        platform = entity.get("platform")
        if platform not in allowed:
            faults.append(f"{name}: platform {platform!r}")
            continue
        only(entity, allowed[platform] | common | {"platform", "value_template"}, name)
        if (found := entity.get("device_class")) and found not in classes[platform]:
            faults.append(f"{name}: no device class {found!r} of a {platform}")
        if (found := entity.get("state_class")) and found not in states:
            faults.append(f"{name}: no state class {found!r}")
    print("\n".join(faults) or f"discovery: {len(message['components'])} entities, every key and class known to {pathlib.Path(sys.argv[2]).name}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
