"""What a playlist holds: ads, when they may play, and entries that cannot be played."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from ads.errors import PlaylistError
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime
    from pathlib import Path

    from ads.media.types import Fit, MediaKind

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of the week as a playlist names them, in the order of `datetime.weekday`."""

MAX_CROSS_FADE_S = 3.0


class Hours(NamedTuple):
    """A time span of the day, in minutes after midnight: `start` included, `end` excluded.

    An end before the start reaches into the next day; 1440 is midnight at the end of the day.
    """

    start: int
    end: int

    def __str__(self) -> str:
        """Return the span as a playlist writes it, such as "22:00-02:00"."""
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in self)


@dataclass(frozen=True, slots=True)
class Ad:
    """One creative that can be played.

    docs/how-to/ads.md describes the keys of a playlist; empty `moods`, `days` and `hours` mean
    all.

    A playlist may list an ad more than once, for other times: with the same id and the same file.

    Attributes:
        ad_id: Names the ad; stable over time.
        path: The media file, absolute.
        duration_s: How long it is shown, above 0.
        sha256: Of the media file, 64 hexadecimal digits; identifies the version of a creative.
        width, height: As seen, in pixels.
        max_per_hour: How often it may start within 60 minutes; None for no limit.
        price_per_thousand_s: Agreed price of a thousand attentive seconds, in the owner's currency.
        fit: How it fits a screen of another shape.
        volume: Of its sound, 0 (muted) to 1, on a perceptual scale.
        first_day, last_day: The first and last day it may play, by the venue's calendar; None for
            no bound.
        remarks: Problems of a file that can still be played, one sentence each.
    """

    ad_id: str
    path: Path
    name: str
    kind: MediaKind
    duration_s: float
    sha256: str
    has_sound: bool = False
    width: int = 0
    height: int = 0
    weight: float = 1.0
    moods: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    hours: tuple[Hours, ...] = ()
    max_per_hour: int | None = None
    brand_at_s: tuple[float, ...] = ()
    priority: int = 0
    takeover: bool = False
    price_per_thousand_s: float | None = None
    fit: Fit = "contain"
    volume: float = 1.0
    first_day: date | None = None
    last_day: date | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise PlaylistError(
                lazy(
                    "Ad %(ad)s has an invalid duration: expected seconds above 0, got "
                    "%(duration)s.",
                    ad=repr(self.ad_id),
                    duration=self.duration_s,
                )
            )

    @property
    def duration_ns(self) -> int:
        """How long it is shown, in nanoseconds."""
        return max(1, round(self.duration_s * 1e9))

    @property
    def is_heard(self) -> bool:
        """Whether it has a sound that is not muted."""
        return self.has_sound and self.volume > 0

    def runs_on(self, day: date) -> bool:
        """Return whether a day of the venue's calendar lies within its dates."""
        return (self.first_day is None or self.first_day <= day) and (
            self.last_day is None or day <= self.last_day
        )

    def why_not_on(self, day: date) -> str:
        """Return "starts on ..." or "ended on ..." for a day outside its dates, else ""."""
        if self.first_day is not None and day < self.first_day:
            return f"starts on {self.first_day}"
        return "" if self.runs_on(day) else f"ended on {self.last_day}"


@dataclass(frozen=True, slots=True)
class Filler:
    """What the screen shows while no ad is on it: a still picture, or a colour (RGB, 0 to 255)."""

    picture: Ad | None = None
    colour: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class SkippedAd:
    """An entry of a playlist that cannot be played; the reason is one sentence.

    `is_pending` if its file has not been read yet, so that it may be played later. `is_ad` is false
    for files in a folder of ads that were never meant as ads.
    """

    ad_id: str
    path: Path
    reason: str
    is_pending: bool = False
    is_ad: bool = True


@dataclass(frozen=True, slots=True)
class Playlist:
    """A checked playlist.

    Attributes:
        path: The YAML file or the folder, absolute.
        ads: What can be played, at least one, in order; an ad once for each of its listings.
        timezone: IANA name of the zone for days and hours; None for the machine's.
        cross_fade_s: How long consecutive ads overlap, 0 to `MAX_CROSS_FADE_S`.
        filler: Shown in a wash-out, and while no ad may play; None for a black screen.
    """

    path: Path
    ads: tuple[Ad, ...]
    skipped: tuple[SkippedAd, ...] = ()
    timezone: str | None = None
    cross_fade_s: float = 0.0
    filler: Filler | None = None

    def local(self, at: datetime) -> datetime:
        """Return a moment in the venue's time zone; `PlaylistError` if it has no zone."""
        if at.tzinfo is None:
            raise PlaylistError(f"Invalid moment: expected one with a time zone, received {at}.")
        return at.astimezone(None if self.timezone is None else ZoneInfo(self.timezone))


def distinct(ads: Iterable[Ad]) -> list[Ad]:
    """Return each ad once, as it is listed first."""
    first: dict[str, Ad] = {}
    for ad in ads:
        first.setdefault(ad.ad_id, ad)
    return list(first.values())


def parse_hours(value: str | list[str] | None) -> tuple[Hours, ...]:
    """Parse time spans like "08:00-12:00"; a `ValueError` says what was expected.

    An end of 23:59 counts as midnight: nobody means to leave out the last minute.
    """
    if value is None:
        return ()
    spans = []
    for text in [value] if isinstance(value, str) else value:
        match = re.fullmatch(
            r"(\d{1,2}):(\d{2})\s*[-\u2013\u2014]\s*(\d{1,2}):(\d{2})", text.strip()
        )
        if match is None:
            raise ValueError(lazy('expected text like "08:00-12:00"'))
        start_hour, start_minute, end_hour, end_minute = map(int, match.groups())
        start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
        whole = 24 * 60
        is_clock = start_minute < 60 and end_minute < 60 and start <= whole and end <= whole
        start, end = start % whole, whole if end == whole - 1 else end
        if not is_clock or start == end:
            raise ValueError(
                lazy(
                    'expected two different times of the day, like "08:00-12:00", or "00:00-24:00" '
                    "for the whole day"
                )
            )
        spans.append(Hours(start, end))
    return tuple(spans)


def within_hours(spans: Sequence[Hours], local: datetime) -> bool:
    """Return whether a moment of local time is in one of some time spans, of any day."""
    minute = local.hour * 60 + local.minute
    return any(
        start <= minute < end if start < end else minute >= start or minute < end
        for start, end in spans
    )
