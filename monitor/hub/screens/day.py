"""The day of a screen as its page shows it: when it measured, when not, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeAlias

from monitor.hub.opening import may_be_open
from monitor.languages import _
from monitor.languages.words import word

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from db.hub.screens.day import ScreenDay
    from db.hub.screens.registry import Place

Span: TypeAlias = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the day on its bar; `left` and `width` are shares of the day."""

    left: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of the day by the clock of the place, and the plays that began in it."""

    label: str
    plays: int
    failed: int


@dataclass(frozen=True, slots=True)
class DayPicture:
    """What the page draws of a day.

    Attributes:
        measured: How long people were measured.
        running: Sessions.
        gaps: What was not measured of them, with the cause.
        closed: Outside of the opening hours.
        hours: 24; 23 or 25 where the clock is changed.
    """

    measured: timedelta
    running: tuple[Stretch, ...]
    gaps: tuple[Stretch, ...]
    closed: tuple[Stretch, ...]
    hours: tuple[Hour, ...]


def bounds(day: date, zone: ZoneInfo) -> Span:
    """Return when a day of a place begins and ends, in UTC."""
    starts = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    start, end = (moment.astimezone(UTC) for moment in starts)
    return start, end


def picture_of(
    day: ScreenDay, span: Span, place: Place, zone: ZoneInfo, now: datetime
) -> DayPicture:
    """Return a day as it is drawn.

    Args:
        day: What happened in it.
        span: When it begins and ends.
        place: Of the screen.
        zone: The time zone of the place.
        now: What is open lasts until now; aware.
    """
    until = min(span[1], max(span[0], now))
    sessions = [_within(span, one.started_at, one.ended_at or until) for one in day.sessions]
    gaps = [_within(span, one.started_at, one.ended_at or until) for one in day.gaps]
    running = _merged(sessions)
    measured = _length(running) - _length(_common(running, _merged(gaps)))
    hours = _hours(span, zone)
    counts = [[0, 0] for _ in hours]
    for at, failed in day.plays:
        index = int((at - span[0]) / timedelta(hours=1))
        if 0 <= index < len(counts):
            counts[index][failed] += 1
    return DayPicture(
        measured,
        tuple(_stretch(span, one, _words(one, zone)) for one in running),
        tuple(
            _stretch(span, one, f"{word(gap.cause)}, {_words(one, zone)}")
            for one, gap in zip(gaps, day.gaps, strict=True)
            if one[0] < one[1]
        ),
        tuple(_stretch(span, one, _words(one, zone)) for one in _closed(span, place)),
        tuple(
            Hour(label, played + failed, failed)
            for label, (played, failed) in zip(hours, counts, strict=True)
        ),
    )


def _hours(span: Span, zone: ZoneInfo) -> list[str]:
    count = math.ceil((span[1] - span[0]) / timedelta(hours=1))
    starts = [span[0] + timedelta(hours=n) for n in range(count)]
    return [f"{start.astimezone(zone):%H:%M}" for start in starts]


def _closed(span: Span, place: Place) -> list[Span]:
    if not place.opening:
        return []
    minute = timedelta(minutes=1)
    found: list[Span] = []
    at = span[0]
    while at < span[1]:
        if not may_be_open(place.opening, place.time_zone, at):
            if found and found[-1][1] == at:
                found[-1] = (found[-1][0], at + minute)
            else:
                found.append((at, at + minute))
        at += minute
    return found


def _within(span: Span, start: datetime, end: datetime) -> Span:
    first = min(max(start, span[0]), span[1])
    return first, max(first, min(end, span[1]))


def _merged(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif start < end:
            found.append((start, end))
    return found


def _common(one: list[Span], other: list[Span]) -> list[Span]:
    shared = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return [(start, end) for start, end in shared if start < end]


def _length(spans: Iterable[Span]) -> timedelta:
    return sum((end - start for start, end in spans), timedelta())


def _stretch(span: Span, part: Span, words: str) -> Stretch:
    day = span[1] - span[0]
    return Stretch((part[0] - span[0]) / day, (part[1] - part[0]) / day, words)


def _words(part: Span, zone: ZoneInfo) -> str:
    start, end = (f"{moment.astimezone(zone):%H:%M}" for moment in part)
    return _("%(low)s to %(high)s", low=start, high=end)
