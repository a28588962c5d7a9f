"""When an ad plays that its playlist and a booking limit both: days, hours and dates intersected.

Hours over midnight belong to the day they begin on, in a playlist and in a booking alike, so what
two of them have in common may need several listings.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ads.playlists.playlist import DAYS, Hours, parse_hours

if TYPE_CHECKING:
    from datetime import date

    from db.hub.shows.bookings import BookingPlan

_DAY = 24 * 60
_ALL = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Times:
    """When something may play, as a playlist says it.

    Attributes:
        days: As `datetime.weekday` counts them; all seven for every day.
        hours: Time spans, each of the day that it begins on; none for the whole day.
        first_day, last_day: `None` for no bound.
    """

    days: frozenset[int] = _ALL
    hours: tuple[Hours, ...] = ()
    first_day: date | None = None
    last_day: date | None = None

    @property
    def is_always(self) -> bool:
        """Whether it says nothing."""
        return self == Times()

    def is_over(self, yesterday: date) -> bool:
        """Return whether its last day has passed, with hours that reach into the day after."""
        if self.last_day is None:
            return False
        is_late = any(span.end < span.start for span in self.hours)
        return self.last_day < yesterday if is_late else self.last_day <= yesterday

    def day_names(self) -> list[str]:
        """Return the days as a playlist names them; none for every day."""
        return [] if self.days == _ALL else [DAYS[day] for day in sorted(self.days)]

    def hour_texts(self) -> list[str]:
        """Return the hours as a playlist writes them."""
        return [str(span) for span in self.hours]

    def spans_on(self, day: date) -> list[tuple[int, int]]:
        """Return when it holds on a day, in minutes after midnight; also what began before."""
        found = []
        for shift in (1, 0):
            begun = day - timedelta(days=shift)
            if begun.weekday() not in self.days or self.within(begun, begun) is None:
                continue
            for span in self.hours or (Hours(0, _DAY),):
                start, end = span.start - shift * _DAY, _end(span) - shift * _DAY
                if end > 0 and start < _DAY:
                    found.append((max(0, start), min(_DAY, end)))
        return found

    def within(self, first_day: date | None, last_day: date | None) -> Times | None:
        """Return what is left of it between two days; `None` if nothing is."""
        first, last = _later(self.first_day, first_day), _earlier(self.last_day, last_day)
        if first is not None and last is not None and first > last:
            return None
        return Times(self.days, self.hours, first, last)


def times_of(
    days: list[str] | tuple[str, ...] = (),
    hours: str | list[str] | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
) -> Times:
    """Return times from the words of a playlist.

    Raises:
        ValueError: The days or hours are no such words.
    """
    known = frozenset(map(DAYS.index, days)) or _ALL
    return Times(known, parse_hours(hours), first_day, last_day)


def booked_times(plan: BookingPlan) -> Times:
    """Return the times for which something is booked."""
    return times_of(plan.days, list(plan.hours), plan.first_day, plan.last_day)


def common_times(one: Times, other: Times) -> list[Times]:
    """Return when both may play, as times of which at least one holds then; empty for never."""
    if one.is_always or other.is_always:
        return [other if one.is_always else one]
    found: dict[Times, list[Hours]] = defaultdict(list)
    for mine in one.hours or (Hours(0, _DAY),):
        for theirs in other.hours or (Hours(0, _DAY),):
            # A span may meet the other's of the same day, of the day after and of the day before.
            _meet(found, (one, mine), (other, theirs), 0)
            _meet(found, (one, mine), (other, theirs), 1)
            _meet(found, (other, theirs), (one, mine), 1)
    return [
        Times(when.days, _joined(hours), when.first_day, when.last_day)
        for when, hours in found.items()
    ]


def _meet(
    found: dict[Times, list[Hours]],
    first: tuple[Times, Hours],
    second: tuple[Times, Hours],
    later: int,
) -> None:
    """Add what a span has in common with one that begins on the same day, or `later` days after."""
    (one, mine), (other, theirs) = first, second
    start = max(mine.start - later * _DAY, theirs.start)
    end = min(_end(mine) - later * _DAY, _end(theirs))
    days = other.days & frozenset((day + later) % 7 for day in one.days)
    if start >= end or not days:
        return
    shift = timedelta(days=later)
    when = Times(days, (), other.first_day, other.last_day).within(
        one.first_day and one.first_day + shift, one.last_day and one.last_day + shift
    )
    if when is not None:
        found[when].append(Hours(start, end if end <= _DAY else end - _DAY))


def _joined(spans: list[Hours]) -> tuple[Hours, ...]:
    """Return spans of the same days without those that others hold; none for the whole day."""
    whole = {(span.start, _end(span)) for span in spans}
    joined: list[list[int]] = []
    for start, end in sorted(whole):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    # A span of a whole day or more cannot be written otherwise; its parts can.
    if any(end - start >= _DAY and (start, end) != (0, _DAY) for start, end in joined):
        return tuple(
            Hours(start, end if end <= _DAY else end - _DAY) for start, end in sorted(whole)
        )
    if joined == [[0, _DAY]]:
        return ()
    return tuple(Hours(start, end if end <= _DAY else end - _DAY) for start, end in joined)


def _end(span: Hours) -> int:
    return span.end if span.end > span.start else span.end + _DAY


def _later(one: date | None, other: date | None) -> date | None:
    return max(filter(None, (one, other)), default=None)


def _earlier(one: date | None, other: date | None) -> date | None:
    return min(filter(None, (one, other)), default=None)
