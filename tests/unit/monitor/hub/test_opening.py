"""Opening hours, in the time zone of the screen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.hub.opening import is_open, parse_opening

MINUTES = st.integers(0, 24 * 60 - 1)


def at(minute):
    return datetime(2026, 7, 1, minute // 60, minute % 60, tzinfo=UTC)


def clock(minute):
    return f"{minute // 60:02d}:{minute % 60:02d}"


@given(MINUTES)
def test_without_hours_it_is_always_open(minute):
    assert is_open((), "Asia/Tokyo", at(minute))


@given(MINUTES, MINUTES, MINUTES)
def test_two_spans_that_meet_twice_are_the_whole_day(first, second, minute):
    if first == second or {first, second} & {23 * 60 + 59}:
        return  # 23:59 counts as midnight
    one, other = f"{clock(first)}-{clock(second)}", f"{clock(second)}-{clock(first)}"
    now = at(minute)
    assert is_open([one], "UTC", now) is not is_open([other], "UTC", now)
    assert is_open([one, other], "UTC", now)


@pytest.mark.parametrize(
    ("zone", "opens"), [("Europe/Berlin", True), ("UTC", False), ("America/New_York", False)]
)
def test_the_clock_of_the_place_counts(zone, opens):
    assert is_open(["08:00-20:00"], zone, at(6 * 60 + 30)) is opens


@pytest.mark.parametrize(
    ("opening", "moment", "opens"),
    [
        # The first of July 2026 is a Wednesday.
        (["Mon-Fri 08:00-20:00"], "2026-07-01T12:00", True),
        (["Mon-Fri 08:00-20:00"], "2026-07-05T12:00", False),
        (["mon - fri 08:00-20:00", "Saturday 10:00-16:00"], "2026-07-04T12:00", True),
        (["Mon-Fri 08:00-20:00", "Sat 10:00-16:00"], "2026-07-04T17:00", False),
        (["Sat-Mon 08:00-20:00"], "2026-07-05T12:00", True),
        (["Sat-Mon 08:00-20:00"], "2026-07-07T12:00", False),
        # Saturday's night ends on Sunday, and Friday's on Saturday is not open.
        (["Sat 22:00-02:00"], "2026-07-05T01:00", True),
        (["Sat 22:00-02:00"], "2026-07-04T01:00", False),
        (["Sat 22:00-02:00"], "2026-07-04T23:00", True),
        (["Sun 00:00-24:00", "08:00-12:00"], "2026-07-05T23:00", True),
        (["Sun 00:00-24:00", "08:00-12:00"], "2026-07-06T00:00", False),
    ],
)
def test_days_of_the_week(opening, moment, opens):
    assert is_open(opening, "UTC", datetime.fromisoformat(f"{moment}+00:00")) is opens


@pytest.mark.parametrize("text", ["Xyz 08:00-12:00", "Mon 8 to 9", "Mon", "Mon-Tue", ""])
def test_what_names_no_day_or_no_hours_is_an_error(text):
    with pytest.raises(ValueError, match="expected"):
        parse_opening((text,))


def test_what_is_no_time_span_is_an_error():
    with pytest.raises(ValueError, match="08:00-12:00"):
        is_open(["always"], "UTC", at(0))
    with pytest.raises(ValueError, match="Europe/Berlin"):
        is_open(["08:00-12:00"], "Mars/Olympus", at(0))
