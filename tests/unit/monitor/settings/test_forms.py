"""A form for every setting."""

from __future__ import annotations

import pytest

from monitor.settings.forms import fields_of, problem_with, public, typed_value
from monitor.settings.models import SECTIONS
from monitor.settings.sources import SettingsFile, all_settings


def fields(text="", options=None, tmp_path=None, hub=None):
    file = None if tmp_path is None else SettingsFile(tmp_path / "kiosk.yaml", text)
    return {
        field.key: field
        for section in SECTIONS
        for field in fields_of(section, file, options or {}, hub)
    }


def test_every_setting_has_a_field_and_its_default_is_accepted():
    found = fields()
    assert list(found) == list(all_settings())
    for key, field in found.items():
        assert field.help
        assert field.expected
        assert not field.is_set
        assert typed_value(field, "") is None
        if field.input == "choice":
            assert all(problem_with(key, choice) is None for choice in field.choices)


def test_each_kind_has_its_input_bounds_and_choices():
    found = fields()
    inputs = {
        "camera.enabled": "switch",
        "ads.policy": "choice",
        "window.volume": "number",
        "data.measure_hours": "lines",
        "ads.playlist": "text",
        "web.token": "secret",
    }
    assert {key: found[key].input for key in inputs} == inputs
    assert dict(found["window.volume"].attributes) == {"step": "any", "min": "0", "max": "1"}
    assert dict(found["run.loops"].attributes) == {"step": "1", "min": "1"}
    assert "learn" in found["ads.policy"].choices
    assert {"de", "en"} <= set(found["window.language"].choices)


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        ("camera.enabled", "false", False),
        ("window.volume", "0,5", 0.5),
        ("run.loops", "3", 3),
        ("run.loops", "three", "three"),
        ("data.measure_hours", "08:00-12:00\n\n 13:00-18:00 \n", ["08:00-12:00", "13:00-18:00"]),
        ("data.measure_hours", " \n ", None),
        ("data.site", " Shop 12 ", "Shop 12"),
    ],
)
def test_what_is_typed_becomes_a_value(key, typed, value):
    assert typed_value(fields()[key], typed) == value


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("window.volume", 7, "Expected a number from 0 to 1, received 7"),
        ("run.loops", "three", "Expected a whole number of at least 1, received three"),
        ("data.measure_hours", ["25:00-26:00"], "received 25:00-26:00"),
        ("ads.policy", "wieghted", "did you mean weighted?"),
        ("hub.certificate", None, None),
        ("data.site", "Shop 12", None),
        ("web.networks", ["192.168.1.0/24"], None),
        ("training.balance", 2, "from 0 to 1"),
    ],
)
def test_what_is_wrong_is_a_sentence(key, value, why):
    found = problem_with(key, value)
    assert found is None if why is None else why in found


def test_where_a_value_comes_from(tmp_path, monkeypatch):
    monkeypatch.setenv("AD_MONITOR_LANGUAGE", "de")
    text = "window:\n  volume: 0.2\n  language: en\ndata:\n  site: Shop 12\n"
    hub = {"window.volume": 0.9, "data.campaign": "spring"}
    found = fields(text, {"volume": 0.4, "min_viewers": 3}, tmp_path, hub)
    assert (found["data.campaign"].origin, found["data.campaign"].in_force) == ("the hub", "spring")
    assert found["window.volume"].origin == "option --volume"
    assert (found["window.volume"].value, found["window.volume"].in_force) == ("0.2", "0.4")
    assert found["window.volume"].is_overridden
    assert found["window.language"].origin == "environment variable AD_MONITOR_LANGUAGE"
    assert found["data.site"].origin == f"{tmp_path / 'kiosk.yaml'}:5"
    assert not found["data.site"].is_overridden
    assert found["window.screen"].origin == "default"
    # The option of the kiosk is none of the page of `serve`, which has a setting of that name.
    assert found["report.min_viewers"].origin == "option --min-viewers"
    assert found["web.min_viewers"].origin == "default"


def test_passwords_are_never_shown(tmp_path):
    text = (
        "mqtt:\n  broker: mqtt://me:secret-one@host\n"
        "web:\n  token: secret-two-secret-two\n"
        "camera:\n  source: rtsp://me:secret-three@camera/1\n"
    )
    found = fields(text, {}, tmp_path)
    for key in ("mqtt.broker", "web.token", "camera.source"):
        assert (found[key].input, found[key].value, found[key].is_set) == ("secret", "", True)
    assert "secret-" not in repr(found)
    assert public("mqtt.broker", "mqtt://me:secret@host") == "***"
    assert "secret" not in public("camera.source", "rtsp://me:secret@camera/1")
