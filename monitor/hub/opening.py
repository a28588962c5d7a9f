"""When a screen is open, by the clock of the place where it is."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ads.playlists.playlist import parse_hours, within_hours
from monitor.settings.time_zone import zone_named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ads.playlists.playlist import Hours


def is_open(opening: Sequence[str], time_zone: str, at: datetime) -> bool:
    """Return whether a screen is open at a moment.

    Args:
        opening: Time spans such as "08:00-20:00", also over midnight; none for the whole day.
        time_zone: IANA name.
        at: Aware.

    Raises:
        ValueError: A time span or the time zone is not one.
    """
    spans = _spans(tuple(opening))
    return not spans or within_hours(spans, at.astimezone(zone_named(time_zone)))


@lru_cache(maxsize=4096)
def _spans(texts: tuple[str, ...]) -> tuple[Hours, ...]:
    return parse_hours(list(texts))
