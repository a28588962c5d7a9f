"""The machine's time zone has a name, whatever tells it."""

from __future__ import annotations

import pytest

from monitor.settings.time_zone import local_zone


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
