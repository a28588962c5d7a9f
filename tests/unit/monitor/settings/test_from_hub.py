"""Settings from the hub."""

from __future__ import annotations

import pytest

from monitor.settings.from_hub import hub_mistakes, hub_settings
from monitor.settings.models import RunSettings
from monitor.settings.sources import Sources, load


def test_nothing_that_protects_people_or_names_files_comes_from_a_hub() -> None:
    settings = hub_settings()
    assert not {"camera.enabled", "notice.mode", "notice.seconds", "window.headless"} & set(
        settings
    )
    assert not [key for key in settings if key.startswith(("uplink.", "mqtt.", "camera.", "run."))]
    assert not [key for key, setting in settings.items() if setting.holds_paths]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"window.volume": 2}, "Invalid window.volume: expected a number from 0 to 1, received 2."),
        ({"notice.mode": "bar"}, "notice.mode cannot be set by a hub."),
        (
            {"data.measure_hours": ["9-30"]},
            'Invalid data.measure_hours: expected text like "08:00-12:00", received 9-30.',
        ),
        (
            {"window.language": "XX"},
            "Invalid window.language: expected one of de, en, received 'XX'.",
        ),
    ],
)
def test_wrong_values_are_named_in_words(values: dict[str, object], sentence: str) -> None:
    assert hub_mistakes(values) == [sentence]


def test_right_values_have_no_mistakes() -> None:
    assert hub_mistakes({"window.volume": 0.5, "notice.languages": ["de", "en"]}) == []


def test_what_is_set_on_the_machine_comes_before_the_hub() -> None:
    hub = {"window.volume": 0.5, "data.site": "Hub"}
    settings = load(RunSettings, Sources({"site": "Here"}, None, {}, hub))
    assert (settings.site, settings.volume) == ("Here", 0.5)
    environ = {"AD_MONITOR_VOLUME": "0.25"}
    assert load(RunSettings, Sources({}, None, environ, hub)).volume == 0.25
