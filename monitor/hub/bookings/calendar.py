"""What runs on which screens at what time, as the calendar shows it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ads.playlists.playlist import Hours
from db.hub.shows.bookings import bookings_of
from monitor.hub.shows.listing import booked_times

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import date

    from db.hub.screens.registry import ScreenInfo
    from db.hub.shows.bookings import BookingInfo


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a day in which the same bookings are in force; local time.

    Attributes:
        hours: From 0 to 1440 minutes after midnight.
        bookings: In force; of several, their ads take turns.
    """

    hours: Hours
    bookings: tuple[BookingInfo, ...]

    @property
    def is_takeover(self) -> bool:
        """Whether they cut off what plays."""
        return any(booking.plan.takeover for booking in self.bookings)


@dataclass(frozen=True, slots=True)
class Lane:
    """Screens with the same bookings, and what runs on them, day by day."""

    screens: tuple[ScreenInfo, ...]
    days: tuple[tuple[Piece, ...], ...]


def lanes_of(
    screens: Iterable[ScreenInfo],
    bookings: Sequence[BookingInfo],
    days: Sequence[date],
    published: Collection[str],
) -> list[Lane]:
    """Return what runs on screens; those with the same bookings are together.

    Args:
        screens: To show, in order.
        bookings: Of all screens.
        days: By the calendar of the screens.
        published: Uids of playlists that have been published; others run nowhere.
    """
    live = [booking for booking in bookings if booking.plan.playlist in published]
    together: dict[tuple[str, ...], list[ScreenInfo]] = {}
    mine: dict[tuple[str, ...], list[BookingInfo]] = {}
    for screen in screens:
        found = bookings_of(live, screen.uid, screen.place)
        key = tuple(booking.uid for booking in found)
        together.setdefault(key, []).append(screen)
        mine[key] = found
    return [
        Lane(tuple(some), tuple(pieces_on(mine[key], day) for day in days))
        for key, some in together.items()
    ]


def pieces_on(bookings: Iterable[BookingInfo], day: date) -> tuple[Piece, ...]:
    """Return what is in force on a day, in order; parts without a booking are left out.

    Takeovers go before all others, then the highest priority. Ads may have a priority of their own
    where the booking's is 0; that is not looked at here.
    """
    spans = []
    for booking in bookings:
        spans += [(*span, booking) for span in booked_times(booking.plan).spans_on(day)]
    bounds = sorted({bound for start, end, _ in spans for bound in (start, end)})
    pieces: list[Piece] = []
    for start, end in pairwise(bounds):
        inside = [booking for first, last, booking in spans if first <= start and end <= last]
        winners = tuple(dict.fromkeys(_highest(inside)))
        if not winners:
            continue
        before = pieces[-1] if pieces else None
        if before is not None and before.hours.end == start and before.bookings == winners:
            pieces[-1] = Piece(Hours(before.hours.start, end), winners)
        else:
            pieces.append(Piece(Hours(start, end), winners))
    return tuple(pieces)


def _highest(bookings: list[BookingInfo]) -> list[BookingInfo]:
    rivals = [one for one in bookings if one.plan.takeover] or bookings
    top = max((one.plan.priority for one in rivals), default=0)
    return [one for one in rivals if one.plan.priority == top]
