"""How a kiosk is introduced to Home Assistant: one message that describes the device.

The format is Home Assistant's "device discovery payload" (2024.12 and later).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detector.emotion.prevalence import GROUPS

if TYPE_CHECKING:
    from monitor.health import KioskHealth

ONLINE, OFFLINE = "online", "offline"

MAX_STATE = 255
"""Home Assistant refuses a longer state."""


@dataclass(frozen=True, slots=True)
class Device:
    """The kiosk as one device of the broker.

    Attributes:
        device_id: Letters, digits, `_` and `-`; stays the same over restarts.
        name: For people.
        prefix: How its topics begin.
    """

    device_id: str
    name: str
    prefix: str

    @property
    def state_topic(self) -> str:
        """Where its state is kept, as JSON."""
        return f"{self.prefix}/{self.device_id}/state"

    @property
    def availability_topic(self) -> str:
        """Where `online` or `offline` is kept."""
        return f"{self.prefix}/{self.device_id}/availability"

    def discovery_topic(self, discovery_prefix: str) -> str:
        """Where Home Assistant looks for the description of the device."""
        return f"{discovery_prefix}/device/{self.device_id}/config"


def discovery_payload(
    device: Device, health: KioskHealth, publisher_topic: str | None = None
) -> dict[str, Any]:
    """Return the description of the device.

    Args:
        device: What to describe.
        health: Says what the machine can tell.
        publisher_topic: Where the availability of the publisher is kept; by default it is the
            device itself.
    """
    components = {
        key: {"unique_id": f"{device.device_id}_{key}"} | component
        for key, component in _components(device, health).items()
    }
    return {
        "device": {
            "identifiers": [device.device_id],
            "name": device.name,
            "manufacturer": "ad-reaction monitor",
            "model": "Ad screen",
            "sw_version": health.program_version,
            "hw_version": health.os,
        },
        "origin": {"name": "ad-reaction monitor", "sw_version": health.program_version},
        **_availability(device, publisher_topic),
        "state_topic": device.state_topic,
        "components": components,
    }


def _availability(device: Device, publisher_topic: str | None) -> dict[str, Any]:
    words = {"payload_available": ONLINE, "payload_not_available": OFFLINE}
    own = device.availability_topic
    if publisher_topic in {None, own}:
        return {"availability_topic": own} | words
    topics = [{"topic": topic} | words for topic in (publisher_topic, own)]
    return {"availability": topics, "availability_mode": "all"}


def _components(device: Device, health: KioskHealth) -> dict[str, dict[str, Any]]:
    attributes = {"json_attributes_topic": device.state_topic}
    name = f"{{{{ value_json.ad.name[:{MAX_STATE}] if value_json.ad else None }}}}"
    found = {
        "ad": _sensor("Ad on air", "mdi:television-play")
        | {"value_template": name}
        | attributes
        | {"json_attributes_template": "{{ (value_json.ad or {}) | tojson }}"},
        "state": _choice("State", "state", ["running", "paused", "outside_hours", "ads_only"]),
        "measuring": _binary("Measuring", "measuring", device_class="running"),
        "viewers": _number("Viewers", "viewers", "mdi:account-group"),
        "attentive": _number("Attentive viewers", "attentive", "mdi:eye"),
        "valence": _number("Valence", "valence", "mdi:emoticon"),
        **{group: _share(group) for group in GROUPS},
        "plays_today": _number("Plays today", "plays_today", "mdi:counter")
        | {"state_class": "total_increasing"},
        "camera": _choice("Camera", "camera.state", ["ok", "lost", "off"])
        | attributes
        | {"json_attributes_template": "{{ value_json.camera | tojson }}"},
    }
    diagnostic = {
        "session": _plain("Session", "session"),
        "program_version": _plain("Program version", "program_version"),
        "lost_records": _number("Records lost", "lost_records", "mdi:database-alert")
        | {"state_class": "total_increasing"},
        "waiting_records": _number("Records waiting", "waiting_records", "mdi:database-clock"),
        "fps": _number("Frame rate", "fps", "mdi:speedometer")
        | {"unit_of_measurement": "fps", "enabled_by_default": False},
    }
    if health.notice_shown is not None:
        diagnostic["notice_shown"] = _binary("Notice shown", "notice_shown")
    if health.disk_free_bytes is not None:
        diagnostic["disk_free"] = _bytes("Disk free", "disk_free_bytes", 1_000_000_000, "GB")
    if health.memory_rss_bytes is not None:
        memory = _bytes("Memory", "memory_rss_bytes", 1_000_000, "MB")
        diagnostic["memory"] = memory | {"enabled_by_default": False}
    if health.temperature_c is not None:
        diagnostic["temperature"] = _number("Temperature", "temperature_c") | {
            "device_class": "temperature",
            "unit_of_measurement": "°C",
        }
    return found | {
        key: component | {"entity_category": "diagnostic"} for key, component in diagnostic.items()
    }


def _value(path: str) -> str:
    return f"{{{{ value_json.{path} }}}}"


def _sensor(name: str, icon: str | None = None) -> dict[str, Any]:
    return {"platform": "sensor", "name": name} | ({} if icon is None else {"icon": icon})


def _plain(name: str, path: str) -> dict[str, Any]:
    return _sensor(name) | {"value_template": _value(path)}


def _number(name: str, path: str, icon: str | None = None) -> dict[str, Any]:
    return _sensor(name, icon) | {"value_template": _value(path), "state_class": "measurement"}


def _share(group: str) -> dict[str, Any]:
    value = f"(100 * value_json.shares.{group}) | round(1) if value_json.shares else None"
    return _number(f"Share {group}", group, "mdi:chart-pie") | {
        "value_template": f"{{{{ {value} }}}}",
        "unit_of_measurement": "%",
    }


def _bytes(name: str, path: str, unit_bytes: int, unit: str) -> dict[str, Any]:
    given = f"value_json.{path}"
    value = f"({given} / {unit_bytes}) | round(1) if {given} is not none else None"
    return _number(name, path) | {
        "value_template": f"{{{{ {value} }}}}",
        "device_class": "data_size",
        "unit_of_measurement": unit,
    }


def _choice(name: str, path: str, options: list[str]) -> dict[str, Any]:
    return _plain(name, path) | {"device_class": "enum", "options": options}


def _binary(name: str, path: str, device_class: str | None = None) -> dict[str, Any]:
    return {
        "platform": "binary_sensor",
        "name": name,
        "value_template": _value(path),
        "payload_on": "True",
        "payload_off": "False",
    } | ({} if device_class is None else {"device_class": device_class})
