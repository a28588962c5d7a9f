"""When people are measured (monitor/session/recorder.py)."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import ValidationError

from monitor.session.recorder import MeasuringHours
from monitor.settings.models import RunSettings


@pytest.mark.parametrize(
    ("texts", "time", "measured"),
    [
        ((), "03:00", True),
        (("08:00-20:00",), "07:59", False),
        (("08:00-20:00",), "08:00", True),
        (("08:00-20:00",), "19:59", True),
        (("08:00-20:00",), "20:00", False),
        (("08:00-12:00", "14:00-18:00"), "13:00", False),
        (("08:00-12:00", "14:00-18:00"), "14:30", True),
        (("22:00-02:00",), "23:00", True),
        (("22:00-02:00",), "01:59", True),
        (("22:00-02:00",), "02:00", False),
        (("00:00-24:00",), "23:59", True),
    ],
)
def test_hours_by_the_clock_of_the_venue(texts, time, measured):
    assert (
        MeasuringHours(texts).hold(datetime.fromisoformat(f"2026-03-01T{time}+01:00")) is measured
    )


@pytest.mark.parametrize("text", ["8-20", "25:00-26:00", "08:00-08:00", ""])
def test_what_is_no_stretch_of_the_day_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        MeasuringHours([text])
    with pytest.raises(ValidationError, match="expected"):
        RunSettings(database="x.db", measure_hours=(text,))
