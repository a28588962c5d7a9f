"""What runs when on which screens."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ads.playlists.playlist import DAYS, Ad, parse_hours
from ads.show.timetable import may_play
from db.hub.screens.registry import Place, ScreenInfo
from db.hub.shows.bookings import BookingInfo, BookingPlan
from monitor.hub.bookings.calendar import lanes_of, pieces_on
from monitor.hub.shows.listing import times_of
from tests.helpers.hub_screens import NOW

MONDAY = date(2026, 3, 2)


def booking(name: str, **plan: Any) -> BookingInfo:
    return BookingInfo(1, f"b-{name}", BookingPlan(name, **plan), name.title(), "", NOW, "eva")


def screen(number: int, site: str) -> ScreenInfo:
    return ScreenInfo(number, f"{number:032}", Place(f"Screen {number}", site=site), NOW, None)


def shown(bookings: list[BookingInfo], day: date = MONDAY) -> list[tuple[int, int, str]]:
    return [
        (*piece.hours, "+".join(one.plan.playlist for one in piece.bookings))
        for piece in pieces_on(bookings, day)
    ]


def test_a_day_without_a_booking_is_empty():
    assert shown([]) == []
    assert shown([booking("usual", days=("tue",))]) == []
    assert shown([booking("usual", last_day=MONDAY - timedelta(days=1))]) == []


def test_the_highest_priority_plays_alone_and_takeovers_before_all():
    usual, lunch = booking("usual"), booking("lunch", hours=("11:00-14:00",), priority=5)
    alarm = booking("alarm", hours=("12:00-12:30",), takeover=True)
    assert shown([usual, lunch, alarm]) == [
        (0, 660, "usual"),
        (660, 720, "lunch"),
        (720, 750, "alarm"),
        (750, 840, "lunch"),
        (840, 1440, "usual"),
    ]


def test_bookings_of_one_rank_take_turns():
    assert shown([booking("tea"), booking("coffee")]) == [(0, 1440, "tea+coffee")]


def test_a_night_belongs_to_the_day_it_begins_on():
    night = [booking("night", days=("sun",), hours=("22:00-02:00",))]
    assert shown(night, MONDAY - timedelta(days=1)) == [(1320, 1440, "night")]
    assert shown(night) == [(0, 120, "night")]
    last = [booking("night", hours=("22:00-02:00",), last_day=MONDAY - timedelta(days=1))]
    assert shown(last) == [(0, 120, "night")]


def test_screens_with_the_same_bookings_share_a_lane():
    screens = [screen(number, "North" if number % 2 else "South") for number in range(1, 11)]
    bookings = [
        booking("usual"),
        booking("north", target_kind="site", target="North", priority=1),
        booking("draft", target_kind="site", target="South", priority=9),
    ]
    north, south = lanes_of(screens, bookings, [MONDAY], {"usual", "north"})
    assert [len(lane.screens) for lane in (north, south)] == [5, 5]
    assert [piece.bookings[0].plan.playlist for piece in north.days[0]] == ["north"]
    # What was not published runs nowhere.
    assert [piece.bookings[0].plan.playlist for piece in south.days[0]] == ["usual"]


SPAN = st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda span: span[0] != span[1])


@given(
    st.lists(st.sampled_from(DAYS), max_size=3, unique=True),
    st.lists(SPAN.map(lambda span: f"{span[0]:02}:00-{span[1]:02}:00"), max_size=3),
    st.integers(0, 13),
)
def test_spans_of_a_day_are_those_of_the_schedule(days, hours, offset):
    """Compared with the schedule's own judgement, hour by hour."""
    day = MONDAY + timedelta(days=offset)
    spans = times_of(days, hours).spans_on(day)
    times = {"days": tuple(days), "hours": parse_hours(hours)}
    ad = Ad("tea", Path("/tea.mp4"), "Tea", "video", 5.0, "ab" * 32, **times)
    for hour in range(24):
        inside = any(start <= hour * 60 < end for start, end in spans)
        moment = datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001 (the venue's)
        assert inside == may_play(ad, moment), (hour, spans)


@given(st.lists(st.integers(0, 9), max_size=4))
def test_pieces_do_not_overlap_and_are_in_order(priorities):
    bookings = [
        booking(f"p{place}", priority=priority, hours=(f"{place:02}:00-{place + 5:02}:00",))
        for place, priority in enumerate(priorities)
    ]
    found = shown(bookings)
    assert found == sorted(found)
    assert all(one[1] <= other[0] for one, other in pairwise(found))
