"""When a screen is open, by the clock of the place where it is."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from ads.playlists.playlist import DAYS, parse_hours, within_hours
from monitor.languages import lazy
from monitor.settings.time_zone import zone_named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ads.playlists.playlist import Hours


def is_open(opening: Sequence[str], time_zone: str, at: datetime) -> bool:
    """Return whether a screen is open at a moment.

    Args:
        opening: See `parse_opening`; none for always.
        time_zone: IANA name.
        at: Aware.

    Raises:
        ValueError: A time span or the time zone is not one.
    """
    spans = parse_opening(tuple(opening))
    local = at.astimezone(zone_named(time_zone))
    days = local.weekday(), (local - timedelta(days=1)).weekday()
    return not spans or any(_is_within(hours, open_days, local, days) for open_days, hours in spans)


def may_be_open(opening: Sequence[str], time_zone: str, at: datetime) -> bool:
    """Return `is_open`, or `True` if it cannot be told: a time zone may be unknown on this machine.

    So no silence is hidden.
    """
    try:
        return is_open(opening, time_zone, at)
    except ValueError:
        return True


@lru_cache(maxsize=4096)
def parse_opening(texts: tuple[str, ...]) -> tuple[tuple[frozenset[int], Hours], ...]:
    """Parse time spans, each for every day or for some days of the week.

    Args:
        texts: Such as "08:00-20:00", "Mon-Fri 08:00-20:00" or "Sat 22:00-02:00". One over midnight
            belongs to the day on which it begins.

    Returns:
        For each, the days as `datetime.weekday` counts them, and the hours.

    Raises:
        ValueError: One is something else; the text says what was expected.
    """
    found = []
    for text in texts:
        match = re.fullmatch(r"\s*(?:([^\W\d]+)(?:\s*[-\u2013]\s*([^\W\d]+))?\s+)?(\d.*)", text)
        if match is None:
            raise ValueError(lazy('expected text like "08:00-12:00" or "Mon-Sat 08:00-20:00"'))
        first, last, span = match.groups()
        [hours] = parse_hours([span])
        begin, end = _weekday(first or DAYS[0]), _weekday(last or first or DAYS[-1])
        count = (end - begin) % 7 + 1
        found.append((frozenset((begin + n) % 7 for n in range(count)), hours))
    return tuple(found)


def _weekday(name: str) -> int:
    day = name.lower()[:3]
    if day not in DAYS:
        raise ValueError(
            lazy(
                "expected a day such as %(first)s or %(last)s, received %(name)s",
                first=DAYS[0].title(),
                last=DAYS[6].title(),
                name=name,
            )
        )
    return DAYS.index(day)


def _is_within(
    hours: Hours, open_days: frozenset[int], local: datetime, days: tuple[int, int]
) -> bool:
    """Whether a moment lies in a span; `days` are its day of the week and the one before."""
    if not within_hours([hours], local):
        return False
    is_after_midnight = hours.end < hours.start and local.hour * 60 + local.minute < hours.end
    return days[is_after_midnight] in open_days
