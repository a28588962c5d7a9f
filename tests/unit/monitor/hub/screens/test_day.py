"""The picture of a day: how long people were measured, and when not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.hub.screens.day import GapOfDay, ScreenDay, SessionOfDay
from db.hub.screens.registry import Place
from monitor.hub.screens.day import bounds, picture_of
from tests.helpers.hub_screens import PLACE

BERLIN = ZoneInfo("Europe/Berlin")
DAY = bounds(date(2026, 3, 2), BERLIN)
HOUR = timedelta(hours=1)


def at(hours):
    return DAY[0] + hours * HOUR


def session(start, end):
    return SessionOfDay(
        1, "ab" * 16, "live", at(start), None if end is None else at(end), None, "1.0", None, None
    )


def gap(start, end, cause="camera_lost"):
    return GapOfDay(at(start), None if end is None else at(end), cause, "")


def picture(sessions=(), gaps=(), plays=(), now=30.0, place=PLACE, day=DAY, zone=BERLIN):
    happened = ScreenDay(tuple(sessions), tuple(gaps), (), (), tuple(plays))
    return picture_of(happened, day, place, zone, day[0] + now * HOUR)


def test_a_day_begins_and_ends_by_the_clock_of_the_place():
    start, end = DAY
    assert start == datetime(2026, 3, 1, 23, tzinfo=UTC)
    assert end == datetime(2026, 3, 2, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "hours", "third"),
    [(date(2026, 3, 29), 23, "03:00"), (date(2026, 10, 25), 25, "02:00"), (date(2026, 3, 2), 24, "02:00")],
)  # fmt: skip
def test_the_day_on_which_the_clock_is_changed_has_another_length(day, hours, third):
    span = bounds(day, BERLIN)
    assert span[1] - span[0] == hours * HOUR
    labels = [hour.label for hour in picture(day=span).hours]
    assert len(labels) == hours
    assert labels[2] == third
    assert labels[-1] == "23:00"


def test_what_was_measured_is_sessions_without_gaps():
    seen = picture([session(8, 12), session(11, 20)], [gap(9, 10), gap(9.5, 11), gap(19, 22)])
    assert seen.measured == 9 * HOUR
    assert [one.words for one in seen.running] == ["08:00 to 20:00"]
    assert seen.gaps[0].words == "camera lost, 09:00 to 10:00"


def test_what_is_open_lasts_until_now_and_what_is_outside_is_cut():
    seen = picture([session(-5, None)], [gap(2, None)], now=3.0)
    assert seen.measured == 2 * HOUR
    assert (seen.running[0].left, seen.running[0].width) == (0, 3 / 24)
    assert picture([session(-5, None)], now=100.0).measured == 24 * HOUR


def test_closed_hours_are_shown():
    assert [one.words for one in picture().closed] == ["00:00 to 08:00", "20:00 to 00:00"]
    assert picture(place=Place("Door")).closed == ()


def test_plays_are_counted_by_the_hour():
    plays = [(at(8.1), False), (at(8.9), True), (at(23.99), False)]
    hours = {hour.label: (hour.plays, hour.failed) for hour in picture(plays=plays).hours}
    assert hours["08:00"] == (2, 1)
    assert hours["23:00"] == (1, 0)
    assert sum(count for count, _ in hours.values()) == 3


SPANS = st.lists(st.tuples(st.floats(-5, 30), st.floats(0, 10)), max_size=6)


@given(SPANS, SPANS, st.floats(-3, 40))
def test_no_day_is_measured_longer_than_it_is(sessions, gaps, now):
    seen = picture(
        [session(start, start + length) for start, length in sessions],
        [gap(start, start + length) for start, length in gaps],
        now=now,
    )
    assert timedelta() <= seen.measured <= 24 * HOUR
    total = sum(one.width for one in seen.running)
    assert seen.measured / (24 * HOUR) <= total + 1e-9
    for one in (*seen.running, *seen.gaps):
        assert -1e-9 <= one.left <= one.left + one.width <= 1 + 1e-9
