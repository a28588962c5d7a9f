"""When the ads of a playlist may play by their dates, days and hours."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ads.playlists.playlist import DAYS, Ad

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
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


def rank(ad: Ad) -> tuple[bool, int]:
    """Return what decides before the policy: of the ads that may play, only the highest do."""
    return ad.takeover, ad.priority


def is_timed(ad: Ad) -> bool:
    """Return whether the date or the time of day decides if an ad may play."""
    return bool(ad.days or ad.hours or ad.first_day or ad.last_day)


def shadowed(ads: Sequence[Ad]) -> list[Ad]:
    """Return listings that never count: another one of the same ad does whenever they could."""
    hidden = []
    counting: dict[str, set[tuple[object, ...]]] = {}
    for ad in sorted(ads, key=rank, reverse=True):
        times = counting.setdefault(ad.ad_id, set())
        if times & {_times(ad), _ALWAYS}:
            hidden.append(ad)
        times.add(_times(ad))
    return hidden


def _times(ad: Ad) -> tuple[object, ...]:
    return ad.days, ad.hours, ad.first_day, ad.last_day


_ALWAYS: tuple[object, ...] = ((), (), None, None)


class Timetable:
    """Which ads may play in a minute; computed once a minute, for each distinct set of times.

    Of an ad that is listed several times, one listing counts at a time: of those that may play, the
    one of the highest rank, and of several such the first.

    Attributes:
        is_timed: Whether they can differ from minute to minute at all.
    """

    def __init__(self, ads: Sequence[Ad]) -> None:
        self._ads = tuple(ads)
        listings: dict[str, list[Ad]] = {}
        for ad in sorted(ads, key=rank, reverse=True):
            listings.setdefault(ad.ad_id, []).append(ad)
        # Of each ad that is listed several times, in the order in which they count.
        self._listings = {ad_id: ones for ad_id, ones in listings.items() if len(ones) > 1}
        self._always = self._one_of_each(self._ads)
        self.is_timed = any(map(is_timed, ads))
        rules = [_times(ad) for ad in ads]
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

        Each is there once, by the listing that counts, in the place of its first open one.

        While they stay the same, the same object is returned.
        """
        if local is None or not self.is_timed:
            return self._always
        minute = local.date(), local.hour, local.minute
        if minute != self._minute:
            verdicts = [may_play(ad, local) for ad in self._examples]
            if verdicts != self._verdicts or self._minute is None:
                self._verdicts = verdicts
                pairs = zip(self._ads, self._places, strict=True)
                self._open = self._one_of_each(ad for ad, place in pairs if verdicts[place])
            self._minute = minute
        return self._open

    def counts(self, ad: Ad, local: datetime | None) -> bool:
        """Return whether a listing may play, and counts among those of its ad."""
        listings = self._listings.get(ad.ad_id, (ad,))
        return ad == next((one for one in listings if local is None or may_play(one, local)), None)

    def _one_of_each(self, ads: Iterable[Ad]) -> tuple[Ad, ...]:
        if not self._listings:
            return tuple(ads)
        counting: dict[str, Ad] = {}
        for ad in ads:
            other = counting.setdefault(ad.ad_id, ad)
            if rank(ad) > rank(other):
                counting[ad.ad_id] = ad
        return tuple(counting.values())
