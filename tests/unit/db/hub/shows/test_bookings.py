"""The calendar of a hub."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from db.engine import writing
from db.hub.screens.registry import create_screen, retire_screen
from db.hub.shows.bookings import (
    BookingError,
    BookingPlan,
    add_booking,
    bookings_of,
    change_booking,
    find_booking,
    list_bookings,
    remove_booking,
)
from db.hub.tables.shows import PlaylistPlan
from tests.helpers.hub_screens import NOW, PLACE
from tests.helpers.hub_shows import add_playlist

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


def test_a_booking_is_stored_changed_and_removed(engine: Engine) -> None:
    with writing(engine) as connection:
        plan = BookingPlan(
            add_playlist(connection, []),
            "site",
            "Main Street",
            date(2026, 3, 1),
            date(2026, 3, 31),
            ("fri", "sat"),
            ("22:00-02:00",),
            priority=4,
            takeover=True,
        )
        booking = add_booking(connection, plan, "eva", NOW)
        assert find_booking(connection, booking.uid) == booking
        assert (booking.plan, booking.playlist_name, booking.created_by) == (plan, "Usual", "eva")
        later = replace(plan, target_kind="all", target="", hours=())
        assert change_booking(connection, booking.uid, later) == booking
        assert find_booking(connection, booking.uid).plan == later
        remove_booking(connection, booking.uid)
        with pytest.raises(BookingError, match="no booking"):
            remove_booking(connection, booking.uid)


def test_bookings_are_found_by_playlist_and_days(engine: Engine) -> None:
    with writing(engine) as connection:
        one, other = (add_playlist(connection, [], name=name) for name in ("One", "Other"))
        march = BookingPlan(one, first_day=date(2026, 3, 1), last_day=date(2026, 3, 31))
        for plan in (march, BookingPlan(other)):
            add_booking(connection, plan, "eva", NOW)
        assert len(list_bookings(connection)) == 2
        assert [found.plan for found in list_bookings(connection, playlist=one)] == [march]
        april = list_bookings(connection, first=date(2026, 4, 1), last=date(2026, 4, 30))
        assert [found.playlist_name for found in april] == ["Other"]
        assert len(list_bookings(connection, last=date(2026, 3, 1))) == 2


@pytest.mark.parametrize(
    ("kind", "target", "is_met"),
    [
        ("all", "", True),
        ("site", "Main Street", True),
        ("site", "Side Street", False),
        ("group", "North", True),
        ("group", "South", False),
        ("tag", "window", True),
        ("tag", "win", False),
        ("screen", "a" * 32, True),
        ("screen", "b" * 32, False),
    ],
)
def test_a_target_meets_screens_by_their_place(kind: str, target: str, is_met: bool) -> None:
    assert BookingPlan("x", kind, target).targets("a" * 32, PLACE) == is_met


def test_what_there_is_not_cannot_be_booked(engine: Engine) -> None:
    with writing(engine) as connection:
        playlist = add_playlist(connection, [])
        screen = create_screen(connection, PLACE, NOW)
        on_screen = BookingPlan(playlist, "screen", screen.uid)
        booking = add_booking(connection, on_screen, "eva", NOW)
        assert bookings_of([booking], screen.uid, PLACE) == [booking]
        retire_screen(connection, screen.uid, NOW)
        for wrong, why in (
            (on_screen, "no such screen"),
            (BookingPlan("f" * 32), "no such playlist"),
            (BookingPlan(playlist, "town", "Bern"), "Invalid target"),
            (BookingPlan(playlist, "site"), "Choose the screens"),
            (BookingPlan(playlist, campaign="f" * 32), "no such campaign"),
        ):
            with pytest.raises(BookingError, match=why):
                add_booking(connection, wrong, "eva", NOW)
        connection.execute(update(PlaylistPlan).values(archived_at=NOW))
        with pytest.raises(BookingError, match="archived"):
            add_booking(connection, BookingPlan(playlist), "eva", NOW)
