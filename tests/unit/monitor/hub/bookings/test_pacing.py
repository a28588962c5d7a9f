"""Whether a campaign will reach its goal."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.hub.bookings.pacing import pacing, span_of

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
TEN_DAYS = (BEGIN, BEGIN + timedelta(days=10))


@pytest.mark.parametrize(
    ("days", "done", "state"),
    [
        (-1, 0, "waiting"),
        (0.2, 0, "early"),
        (0.2, 1000, "reached"),
        (5, 500, "on_track"),
        (5, 451, "on_track"),
        (5, 449, "behind"),
        (5, 1000, "reached"),
        (10, 999, "missed"),
        (12, 1000, "reached"),
    ],
)
def test_states(days, done, state):
    found = pacing(done, 1000, TEN_DAYS, BEGIN + timedelta(days=days))
    assert found.state == state


def test_what_it_ends_with_and_what_a_day_has_to_bring():
    found = pacing(400, 1000, TEN_DAYS, BEGIN + timedelta(days=5))
    assert (found.due, found.share, found.expected, found.a_day) == (0.5, 0.4, 800, 120)


@given(st.floats(0, 1e6), st.floats(0.1, 1e6), st.floats(-5, 20))
def test_shares_stay_within_their_bounds(done, goal, days):
    found = pacing(done, goal, TEN_DAYS, BEGIN + timedelta(days=days))
    assert 0 <= found.due <= 1
    assert found.share >= 0
    assert (found.a_day is None) == (days >= 10)
    assert found.state != "behind" or found.expected < goal


def test_days_are_whole_ones_of_their_zone_also_when_clocks_change():
    begin, end = span_of(date(2026, 3, 28), date(2026, 3, 29), ZoneInfo("Europe/Berlin"))
    assert end - begin == timedelta(hours=48)  # by the wall clock
    assert end.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=47)
