"""When ads may play; the schedule that follows is tested in test_schedule."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ads.playlists.playlist import DAYS, Ad, Hours
from ads.show.timetable import Timetable, may_play, rank, shadowed

FRIDAY = datetime(2026, 11, 20, tzinfo=UTC)
DATES = st.none() | st.dates(date(2026, 11, 18), date(2026, 11, 23))


def ad(name: str, **more: object) -> Ad:
    return Ad(name, Path(f"/{name}.png"), name, "image", 8.0, "0" * 64, **more)  # type: ignore


@pytest.mark.parametrize(
    ("days", "hours", "hour", "allowed"),
    [
        ((), (), 3, True),
        (("fri",), (), 3, True),
        (("sat",), (), 3, False),
        ((), (Hours(480, 720),), 8, True),
        ((), (Hours(480, 720),), 7.99, False),
        ((), (Hours(480, 720),), 12, False),
        ((), (Hours(480, 720), Hours(780, 800)), 13, True),
        (("fri",), (Hours(1320, 120),), 22, True),
        (("fri",), (Hours(1320, 120),), 24 + 1.99, True),
        (("fri",), (Hours(1320, 120),), 24 + 2, False),
        (("fri",), (Hours(1320, 120),), 1, False),
        (("sat",), (Hours(1320, 120),), 24 + 1, False),
        ((), (Hours(0, 1440),), 23.99, True),
    ],
)
def test_days_and_hours(days, hours, hour, allowed):
    assert may_play(ad("a", days=days, hours=hours), FRIDAY + timedelta(hours=hour)) is allowed


@pytest.mark.parametrize(
    ("first", "last", "hour", "allowed"),
    [
        (20, None, 0, True),
        (21, None, 23.99, False),
        (None, 20, 23.99, True),
        (None, 20, 24, False),
        (20, 20, 12, True),
        (19, 21, 12, True),
        (None, 19, 0, False),
    ],
)
def test_both_dates_are_included(first, last, hour, allowed):
    days = [None if day is None else date(2026, 11, day) for day in (first, last)]
    dated = ad("a", first_day=days[0], last_day=days[1])
    assert may_play(dated, FRIDAY + timedelta(hours=hour)) is allowed


def test_hours_past_midnight_belong_to_the_date_they_begin_on():
    night = ad("a", hours=(Hours(1320, 120),), first_day=FRIDAY.date(), last_day=FRIDAY.date())
    allowed = [hour for hour in range(48) if may_play(night, FRIDAY + timedelta(hours=hour))]
    assert allowed == [22, 23, 24, 25]


@given(
    rules=st.lists(
        st.tuples(
            st.sets(st.sampled_from(DAYS), max_size=2),
            st.sampled_from([(), (Hours(0, 60),), (Hours(1400, 30), Hours(600, 601))]),
            DATES,
            DATES,
        ),
        min_size=1,
        max_size=5,
    ),
    minutes=st.lists(st.integers(-2 * 1440, 4 * 1440), max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_a_timetable_gives_the_ads_that_may_play(rules, minutes):
    ads = [
        ad(str(number), days=tuple(days), hours=hours, first_day=first, last_day=last)
        for number, (days, hours, first, last) in enumerate(rules)
    ]
    table = Timetable(ads)
    assert table.open_at(None) == tuple(ads)
    for minute in minutes:
        local = FRIDAY + timedelta(minutes=minute, seconds=30)
        assert table.open_at(local) == tuple(one for one in ads if may_play(one, local))
        assert table.open_at(local) is table.open_at(local + timedelta(seconds=5))


HOURS = st.lists(
    st.sampled_from([Hours(480, 720), Hours(600, 1320), Hours(1320, 120), Hours(0, 1440)]),
    max_size=2,
).map(tuple)
LISTINGS = st.lists(
    st.builds(
        ad,
        st.sampled_from("abc"),
        days=st.sampled_from([(), ("fri",), ("sat", "sun")]),
        hours=HOURS,
        first_day=DATES,
        priority=st.sampled_from([0, 5]),
        takeover=st.booleans(),
    ),
    max_size=8,
)
MOMENTS = st.none() | st.integers(0, 4 * 24 * 60).map(
    lambda minutes: FRIDAY - timedelta(days=1) + timedelta(minutes=minutes)
)


@given(LISTINGS, st.lists(MOMENTS, min_size=1, max_size=6))
def test_of_an_ad_listed_several_times_the_first_open_one_of_the_highest_rank_counts(ads, moments):
    timetable = Timetable(ads)
    for at in moments:
        found = timetable.open_at(at)
        may = [one for one in ads if at is None or may_play(one, at)]
        assert [one.ad_id for one in found] == list(dict.fromkeys(one.ad_id for one in may))
        for one in found:
            rivals = [other for other in may if other.ad_id == one.ad_id]
            assert one == next(each for each in rivals if rank(each) == max(map(rank, rivals)))
        assert {one for one in ads if timetable.counts(one, at)} == set(found)


@given(LISTINGS, MOMENTS)
def test_a_shadowed_listing_makes_no_difference(ads, at):
    hidden = [id(one) for one in shadowed(ads)]
    rest = [one for one in ads if id(one) not in hidden]
    assert set(Timetable(rest).open_at(at)) == set(Timetable(ads).open_at(at))


def test_a_listing_for_the_same_times_or_behind_one_for_all_times_is_shadowed():
    morning = (Hours(480, 720),)
    always, again = ad("a"), ad("a", hours=morning, weight=2.0)
    first, same = ad("b", hours=morning), ad("b", hours=morning, weight=2.0)
    urgent = ad("b", hours=morning, priority=3)
    assert shadowed([always, again, first, same]) == [again, same]
    assert shadowed([first, urgent]) == [first]
    assert not shadowed([again, always])
