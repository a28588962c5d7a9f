"""The description of the device, against what Home Assistant documents."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment

from monitor.mqtt.discovery import Device, discovery_payload
from tests.helpers.kiosk_health import make_health

if TYPE_CHECKING:
    from monitor.health import KioskHealth

DEVICE = Device("0123456789abcdef", "Ad screen Shop 12", "building/ads")

AVAILABILITY = {
    *("availability", "availability_mode", "availability_template", "availability_topic"),
    *("payload_available", "payload_not_available"),
}
ROOT = AVAILABILITY | {
    *("device", "origin", "components", "state_topic", "command_topic", "qos", "encoding"),
}
"""Of the message; the first three are required."""

DEVICE_KEYS = {
    *("configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model"),
    *("model_id", "name", "serial_number", "suggested_area", "sw_version", "via_device"),
}
ORIGIN_KEYS = {"name", "sw_version", "support_url"}
ENTITY = AVAILABILITY | {
    *("platform", "device_class", "default_entity_id", "enabled_by_default", "encoding"),
    *("entity_category", "entity_picture", "expire_after", "force_update", "icon", "name", "qos"),
    *("json_attributes_template", "json_attributes_topic", "state_topic", "unique_id"),
    "value_template",
}
PLATFORMS = {
    "sensor": ENTITY
    | {
        *("last_reset_value_template", "options", "state_class", "suggested_display_precision"),
        "unit_of_measurement",
    },
    "binary_sensor": ENTITY | {"off_delay", "payload_off", "payload_on"},
}
DEVICE_CLASSES = {
    "sensor": {"data_size": {"B", "kB", "MB", "GB"}, "enum": {None}, "temperature": {"°C", "°F"}},
    "binary_sensor": {"running": {None}},
}
"""Those of Home Assistant that we use, with the units it takes."""


def payload(**more: object) -> dict[str, Any]:
    return json.loads(json.dumps(discovery_payload(DEVICE, make_health(**more))))


def test_only_documented_keys_are_used() -> None:
    described = payload()
    assert described.keys() <= ROOT
    assert {"device", "origin", "components"} <= described.keys()
    assert not {"availability", "availability_topic"} <= described.keys()
    assert described["device"].keys() <= DEVICE_KEYS
    assert described["device"]["identifiers"] == [DEVICE.device_id]
    assert described["origin"].keys() <= ORIGIN_KEYS
    assert described["origin"]["name"]
    for key, component in described["components"].items():
        assert re.fullmatch("[a-zA-Z0-9_-]+", key)
        assert component.keys() <= PLATFORMS[component["platform"]]
        assert component["unique_id"] == f"{DEVICE.device_id}_{key}"
        assert component.get("entity_category") in {None, "diagnostic"}
        assert component.get("state_class") in {None, "measurement", "total_increasing"}


def test_a_device_is_away_with_its_publisher() -> None:
    described = discovery_payload(DEVICE, make_health(), "building/hub/availability")
    assert described.keys() <= ROOT
    assert not {"availability_topic", "payload_available"} & described.keys()
    topics = {one["topic"] for one in described["availability"]}
    assert topics == {"building/hub/availability", DEVICE.availability_topic}
    assert described["availability_mode"] == "all"
    alone = discovery_payload(DEVICE, make_health(), DEVICE.availability_topic)
    assert alone == discovery_payload(DEVICE, make_health())


def test_classes_fit_their_units() -> None:
    for component in payload()["components"].values():
        kind = component.get("device_class")
        if kind is None:
            continue
        units = DEVICE_CLASSES[component["platform"]][kind]
        assert component.get("unit_of_measurement") in units
        if kind == "enum":
            # These exclude each other.
            assert component["options"]
            assert "state_class" not in component


def test_topics_and_names_are_the_devices() -> None:
    described = payload()
    assert DEVICE.discovery_topic("homeassistant") == (
        "homeassistant/device/0123456789abcdef/config"
    )
    assert described["state_topic"] == "building/ads/0123456789abcdef/state"
    assert described["availability_topic"] == "building/ads/0123456789abcdef/availability"
    names = [component["name"] for component in described["components"].values()]
    assert len(set(names)) == len(names)


def test_what_the_machine_cannot_tell_is_no_entity() -> None:
    bare = payload(
        temperature_c=None, notice_shown=None, disk_free_bytes=None, memory_rss_bytes=None
    )
    assert payload()["components"].keys() - bare["components"].keys() == {
        "temperature",
        "notice_shown",
        "disk_free",
        "memory",
    }


def states(health: KioskHealth) -> dict[str, Any]:
    """What Home Assistant shows: each template rendered, as it renders them, to text."""
    environment = SandboxedEnvironment()
    state = json.loads(health.model_dump_json())
    components = discovery_payload(DEVICE, make_health())["components"]
    return {
        key: environment.from_string(component["value_template"]).render(value_json=state)
        for key, component in components.items()
    }


def test_the_state_of_each_entity() -> None:
    shown = states(make_health())
    assert shown == {
        "ad": "Cola",
        "state": "running",
        "measuring": "True",
        "viewers": "6",
        "attentive": "5",
        "valence": "0.2",
        "happy": "30.0",
        "surprise": "0.0",
        "negative": "10.0",
        "neutral": "60.0",
        "plays_today": "41",
        "camera": "ok",
        "session": "7",
        "program_version": "0.1.0",
        "lost_records": "0",
        "waiting_records": "0",
        "fps": "12.0",
        "notice_shown": "True",
        "disk_free": "40.0",
        "memory": "400.0",
        "temperature": "51.5",
    }


def test_what_is_unknown_is_unknown_there_too() -> None:
    # Home Assistant takes "None" for an unknown state.
    unknown = (
        *("ad", "viewers", "attentive", "shares", "valence", "fps", "notice_shown"),
        *("temperature_c", "disk_free_bytes", "memory_rss_bytes", "session"),
    )
    shown = states(make_health(**dict.fromkeys(unknown)))
    known = {key for key, text in shown.items() if text != "None"}
    assert known == {
        *("state", "measuring", "plays_today", "camera", "program_version"),
        *("lost_records", "waiting_records"),
    }


def test_an_endless_name_is_cut_to_what_a_state_can_hold() -> None:
    assert len(states(make_health(ad={"id": "x", "name": "x" * 400}))["ad"]) == 255


@pytest.mark.parametrize("ad", [{"id": "cola", "name": "Cola"}, None])
def test_attributes_are_json(ad: dict[str, str] | None) -> None:
    environment = NativeEnvironment()
    state = json.loads(make_health(ad=ad).model_dump_json())
    components = payload()["components"]
    for key, expected in (("ad", ad or {}), ("camera", state["camera"])):
        template = components[key]["json_attributes_template"]
        assert components[key]["json_attributes_topic"] == DEVICE.state_topic
        assert environment.from_string(template).render(value_json=state) == expected
