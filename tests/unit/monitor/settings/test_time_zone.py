"""The machine's time zone has a name, whatever tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from monitor.settings.models import RunSettings
from monitor.settings.time_zone import (
    SessionZones,
    common_zone,
    local_time,
    local_zone,
    zone_or_utc,
    zone_words,
)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Asia/Bangkok", "Asia/Bangkok"),
        ("CET-1CEST", "UTC"),
        ("../../etc/passwd", "UTC"),
        ("", "UTC"),
    ],
)
def test_the_environment_decides(monkeypatch, named, expected):
    monkeypatch.setenv("TZ", named)
    assert local_zone().key == expected


def test_without_it_the_machine_s_files_are_asked(monkeypatch):
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr("os.path.realpath", lambda path: "/usr/share/zoneinfo/America/Lima")
    assert local_zone().key == "America/Lima"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Europe/Berlin", "Europe/Berlin"], "Europe/Berlin"),
        (["Europe/Berlin", "Asia/Tokyo"], "America/Lima"),
        (["Europe/Berlin", None], "America/Lima"),
        (["Not/Known"], "America/Lima"),
        ([None], "America/Lima"),
        ([], "America/Lima"),
    ],
)
def test_sites_that_agree_have_a_zone_else_it_is_the_machines(monkeypatch, names, expected):
    monkeypatch.setenv("TZ", "America/Lima")
    assert common_zone(names).key == expected


def test_the_first_zone_that_is_named_counts(monkeypatch):
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert local_time(noon, None, "Asia/Tokyo").hour == 21
    assert local_time(noon, "Europe/Berlin", "Asia/Tokyo").hour == 14
    assert local_time(noon, None, None) == noon


@pytest.mark.parametrize(
    ("name", "month", "words"),
    [
        ("Europe/Berlin", 7, "Europe/Berlin (UTC+02:00)"),
        ("Europe/Berlin", 1, "Europe/Berlin (UTC+01:00)"),
        ("America/New_York", 1, "America/New York (UTC-05:00)"),
        ("UTC", 1, "UTC"),
    ],
)
def test_a_zone_is_named_with_its_distance_from_utc(name, month, words):
    assert zone_words(ZoneInfo(name), datetime(2026, month, 1, tzinfo=UTC)) == words


def test_the_setting_is_a_name():
    assert RunSettings(timezone="Asia/Bangkok").timezone == "Asia/Bangkok"
    with pytest.raises(ValueError, match=r"such as Europe/Berlin, received 'Berlin'"):
        RunSettings(timezone="Berlin")


@pytest.mark.parametrize(
    ("names", "chosen", "common", "hours"),
    [
        (["Europe/Berlin", "Europe/Berlin"], None, "Europe/Berlin", [14, 14]),
        (["Europe/Berlin", "Asia/Tokyo"], None, None, [14, 21]),
        (["Europe/Berlin", "Asia/Tokyo"], ZoneInfo("UTC"), "UTC", [12, 12]),
        (["Europe/Berlin", None], None, None, [14, 7]),
        (["Not/Known", None], None, "America/Lima", [7, 7]),
        ([], None, "America/Lima", []),
    ],
)
def test_hours_are_those_of_each_session_s_place(monkeypatch, names, chosen, common, hours):
    monkeypatch.setenv("TZ", "America/Lima")
    zones = SessionZones(dict(enumerate(names)), chosen)
    assert (None if zones.common is None else str(zones.common)) == common
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert [zones.local(noon, session).hour for session in range(len(names))] == hours


def test_a_zone_that_this_machine_lacks_is_utc():
    assert zone_or_utc("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    assert zone_or_utc("Europe/Atlantis") == zone_or_utc("../x") == ZoneInfo("UTC")
