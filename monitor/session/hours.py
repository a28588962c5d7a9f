"""The hours of the day in which people are measured, so that staff who open, clean or close are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ads.playlists.playlist import parse_hours

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

OUTSIDE_HOURS = "hours"
"""Cause of the gaps outside them."""

OUTSIDE_HOURS_DETAIL = "outside the hours of measuring"


class MeasuringHours:
    """Stretches of the day; without any, all of it.

    Args:
        texts: Each like "08:00-20:00"; an end before the start reaches into the next day.

    Raises:
        ValueError: A text is no stretch of the day.
    """

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._stretches = parse_hours(list(texts))

    def hold(self, local: datetime) -> bool:
        """Whether people are measured at a moment, as the clocks of the venue show it."""
        minute = local.hour * 60 + local.minute
        return not self._stretches or any(
            start <= minute < end if start < end else minute >= start or minute < end
            for start, end in self._stretches
        )
