"""When an ad plays that its playlist and a booking limit both."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ads.playlists.playlist import DAYS, Ad, Hours
from ads.show.timetable import may_play
from monitor.hub.shows.listing import Times, common_times, times_of

MONDAY = date(2026, 3, 2)

minutes = st.sampled_from([0, 60, 119, 120, 600, 1320, 1439]) | st.integers(0, 1439)
spans = st.builds(
    lambda start, length: Hours(start, (start + length - 1) % 1440 + 1),
    minutes,
    st.integers(1, 1439),
).filter(lambda span: span.start != span.end)
days = st.sets(st.integers(0, 6)).map(lambda some: frozenset(some) or frozenset(range(7)))
dates = st.none() | st.integers(-2, 9).map(lambda number: MONDAY + timedelta(days=number))
times = st.builds(Times, days, st.lists(spans, max_size=3).map(tuple), dates, dates)


def plays(when: Times, local: datetime) -> bool:
    """Ask the very code by which a kiosk decides."""
    names = tuple(DAYS[day] for day in when.days)
    text = times_of(when.day_names(), when.hour_texts() or None)
    assert text.days == when.days
    ad = Ad(
        "ad",
        Path("/ad.png"),
        "Ad",
        "image",
        1.0,
        "",
        days=names,
        hours=text.hours,
        first_day=when.first_day,
        last_day=when.last_day,
    )
    return may_play(ad, local)


@settings(max_examples=60, deadline=None)
@example(Times(hours=(Hours(1320, 120),)), Times(days=frozenset({4})))
@example(
    Times(days=frozenset({4}), hours=(Hours(1320, 120),)),
    Times(days=frozenset({5}), hours=(Hours(1380, 60),)),
)
@example(Times(hours=(Hours(1320, 1319),)), Times(hours=(Hours(60, 59),)))
@given(times, times)
def test_both_play_exactly_when_one_of_the_listings_does(one: Times, other: Times) -> None:
    found = common_times(one, other)
    edges = {0, 1, 719, 1438, 1439}
    for span in (*one.hours, *other.hours):
        edges |= {(minute + step) % 1440 for minute in span for step in (-1, 0)}
    for day in range(-3, 11):
        for minute in edges:
            local = datetime.combine(MONDAY, datetime.min.time(), UTC) + timedelta(
                days=day, minutes=minute
            )
            expected = plays(one, local) and plays(other, local)
            assert any(plays(when, local) for when in found) == expected, local


def test_what_says_nothing_leaves_the_other_as_it_is() -> None:
    friday = times_of(["fri"], "22:00-02:00")
    assert common_times(Times(), friday) == common_times(friday, Times()) == [friday]


def test_hours_over_midnight_and_a_day_need_two_listings() -> None:
    found = common_times(times_of(["fri"], "22:00-02:00"), times_of(["fri", "sat"]))
    words = [(when.day_names(), when.hour_texts()) for when in found]
    assert words == [(["fri"], ["22:00-24:00"]), (["sat"], ["00:00-02:00"])]


def test_days_in_common_that_there_are_not_mean_never() -> None:
    assert common_times(times_of(["mon"]), times_of(["tue"])) == []
    april = Times(first_day=date(2026, 4, 1))
    assert common_times(april, Times(last_day=date(2026, 3, 31))) == []


def test_hours_past_midnight_end_the_day_after() -> None:
    day = date(2026, 3, 31)
    plain, late = (times_of((), hours, None, day) for hours in ("20:00-24:00", "22:00-02:00"))
    assert [plain.is_over(day), late.is_over(day)] == [True, False]
    assert late.is_over(day + timedelta(days=1))
    assert not plain.is_over(day - timedelta(days=1))
    assert not Times().is_over(day)
