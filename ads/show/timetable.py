"""When the ads of a playlist may play by their dates, days and hours."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ads.playlists.playlist import DAYS, Ad

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime


def may_play(ad: Ad, local: datetime) -> bool:
    """Return whether an ad may play; hours past midnight belong to the day they begin on."""
    minute = local.hour * 60 + local.minute
    today = local.date()
    if not ad.hours:
        return _is_day_of(ad, today)
    return any(
        (start <= minute < end and _is_day_of(ad, today))
        if start < end
        else (minute >= start and _is_day_of(ad, today))
        or (minute < end and _is_day_of(ad, today - timedelta(days=1)))
        for start, end in ad.hours
    )


def _is_day_of(ad: Ad, day: date) -> bool:
    return ad.runs_on(day) and (not ad.days or DAYS[day.weekday()] in ad.days)


def is_timed(ad: Ad) -> bool:
    """Return whether the date or the time of day decides if an ad may play."""
    return bool(ad.days or ad.hours or ad.first_day or ad.last_day)


class Timetable:
    """Which ads may play in a minute; computed once a minute, for each distinct set of times.

    Attributes:
        is_timed: Whether they can differ from minute to minute at all.
    """

    def __init__(self, ads: Sequence[Ad]) -> None:
        self._ads = tuple(ads)
        self.is_timed = any(map(is_timed, ads))
        rules = [(ad.days, ad.hours, ad.first_day, ad.last_day) for ad in ads]
        # An example ad for each set of times, and the place of each ad's example.
        places = {rule: place for place, rule in enumerate(dict.fromkeys(rules))}
        examples = dict(zip(rules, ads, strict=True))
        self._examples = [examples[rule] for rule in places]
        self._places = [places[rule] for rule in rules]
        self._minute: tuple[date, int, int] | None = None
        self._verdicts: list[bool] = []
        self._open: tuple[Ad, ...] = ()

    def open_at(self, local: datetime | None) -> tuple[Ad, ...]:
        """Return the ads that may play, in playlist order: all of them without a local time.

        While they stay the same, the same object is returned.
        """
        if local is None or not self.is_timed:
            return self._ads
        minute = local.date(), local.hour, local.minute
        if minute != self._minute:
            verdicts = [may_play(ad, local) for ad in self._examples]
            if verdicts != self._verdicts or self._minute is None:
                self._verdicts = verdicts
                pairs = zip(self._ads, self._places, strict=True)
                self._open = tuple(ad for ad, place in pairs if verdicts[place])
            self._minute = minute
        return self._open
