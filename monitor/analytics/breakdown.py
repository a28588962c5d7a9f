"""One measure of ads, divided by screen, site, day or hour."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from monitor.analytics.errors import ReportError
from monitor.analytics.measures import MEASURES
from monitor.analytics.metrics import take
from monitor.analytics.report_data import places_to_withhold, zones_of
from monitor.analytics.samples import exposure_groups, usable_groups
from monitor.analytics.statistics import UNKNOWN, Interval, clustered_mean

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from numpy.typing import NDArray

    from db.read.formulas import ExposureArrays
    from db.read.sessions import PlayInfo
    from monitor.analytics.measures import Measure
    from monitor.analytics.report_data import ReportData
    from monitor.languages import LazyText

    Ints = NDArray[np.int64]

DIVISIONS = ("none", "site", "screen", "day", "hour")
"""What a measure can be divided by."""

Division = Literal["none", "site", "screen", "day", "hour"]

COUNTS = ("plays", "viewers")
"""Measures that are counted; the others are those of `monitor.analytics.measures.MEASURES`."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure of an ad in one part.

    Attributes:
        value, low, high: With its 95% interval; `None` where unknown or withheld.
        viewers: Different viewers; `None` if withheld.
        plays: Of the ad.
    """

    value: float | None
    low: float | None
    high: float | None
    viewers: int | None
    plays: int

    @property
    def is_withheld(self) -> bool:
        """Whether there were viewers, but too few to tell."""
        return self.viewers is None


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one ad: in all, and in each part; `None` where it was not shown."""

    ad_id: str
    name: str
    total: Figure
    parts: tuple[Figure | None, ...]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A measure of ads, see `break_down`.

    Attributes:
        measure, division: What was asked for.
        parts: Names of the parts, in order; hours and days as numbers and ISO dates.
        rows: Of the ads, most plays first.
        untold: Sessions of kiosks that send hourly sums only, which are not in the figures of
            viewers.
        why_unknown: Why the models do not give the measure; `None` if they do.
    """

    measure: str
    division: Division
    parts: tuple[str, ...]
    rows: tuple[Row, ...]
    untold: int
    why_unknown: LazyText | None = None


def break_down(
    data: ReportData,
    measure: str,
    division: Division = "none",
    *,
    min_viewers: int = 1,
    zone: tzinfo | None = None,
) -> Breakdown:
    """Return a measure of each ad, and of each part of its plays.

    Args:
        data: The plays to take together; seconds are not needed.
        measure: One of `COUNTS`, or of `monitor.analytics.measures.MEASURES`: its mean over
            viewers.
        division: What to divide by.
        min_viewers: A figure of fewer viewers is withheld, with others of the ad that would reveal
            it.
        zone: Of days and hours; `None`: each session's own.

    Raises:
        ReportError: Measure or division is unknown.
    """
    for word, known in ((measure, (*COUNTS, *MEASURES)), (division, DIVISIONS)):
        if word not in known:
            raise ReportError(f"Expected one of {', '.join(known)}, received {word!r}.")
    part_of = _parts(data, division, zone)
    names = sorted({part_of(play) for play in data.plays}) if division != "none" else []
    groups = usable_groups(exposure_groups(data.plays, data.exposures))
    by_ad: dict[str, list[PlayInfo]] = defaultdict(list)
    ads = {ad.ad_row_id: ad for ad in data.ads}
    for play in data.plays:
        by_ad[ads[play.ad_row_id].ad_id].append(play)
    shown = {ad.ad_id: ad.name for ad in data.ads}
    rows = []
    for ad_id, plays in sorted(by_ad.items(), key=lambda item: (-len(item[1]), item[0])):
        divided: dict[tuple[int, str], list[PlayInfo]] = defaultdict(list)
        for play in plays:
            divided[part_of(play)].append(play)
        of_parts = [divided.get(name, []) for name in names]
        figures = _figures(data, groups, [plays, *of_parts], measure, min_viewers)
        rows.append(Row(ad_id, shown[ad_id], figures[0] or _NOTHING, tuple(figures[1:])))
    words = tuple(name for _, name in names)
    return Breakdown(measure, division, words, tuple(rows), len(data.untold))


_NOTHING = Figure(None, None, None, 0, 0)


def _parts(
    data: ReportData, division: Division, zone: tzinfo | None
) -> Callable[[PlayInfo], tuple[int, str]]:
    """Return what names the part of a play, with a number to sort by first."""
    sessions = {info.id: info for info in data.sessions}
    if division in {"day", "hour"}:
        zones = zones_of(data.sessions, zone)

        def by_time(play: PlayInfo) -> tuple[int, str]:
            at = zones.local(play.started_at, play.session_id)
            if division == "hour":
                return at.hour, str(at.hour)
            return at.toordinal(), at.date().isoformat()

        return by_time
    places = {screen.id: screen.place for screen in data.screens}

    def by_place(play: PlayInfo) -> tuple[int, str]:
        info = sessions[play.session_id]
        if division == "none":
            return 0, ""
        if division == "screen" and info.screen_id in places:
            place = places[info.screen_id]
            return 0, f"{place.name}, {info.site}" if info.site else place.name
        return 0, info.site

    return by_place


def _figures(
    data: ReportData, groups: Ints, parts: list[list[PlayInfo]], measure: str, min_viewers: int
) -> list[Figure | None]:
    """Return the figures of plays: of all first, then of the parts that make them up."""
    chosen = [
        np.isin(data.exposures.play_id, np.array([play.id for play in plays], dtype=np.int64))
        for plays in parts
    ]
    counts = [int(np.unique(data.exposures.viewer_id[mine]).size) for mine in chosen]
    few = places_to_withhold([0] * (len(parts) - 1), counts[1:], min_viewers)
    hidden = {place + 1 for place in few}
    if 0 < counts[0] < min_viewers:
        hidden |= {place for place, count in enumerate(counts) if count}
    figures: list[Figure | None] = []
    for place, (plays, mine, viewers) in enumerate(zip(parts, chosen, counts, strict=True)):
        if not plays:
            figures.append(None)
            continue
        is_told = any(play.session_id not in data.untold for play in plays)
        found = UNKNOWN
        if measure == "plays":
            found = Interval(float(len(plays)))
        elif place not in hidden:
            if measure in MEASURES:
                found = _mean(take(data.exposures, mine), groups[mine], MEASURES[measure])
            elif is_told:
                found = Interval(float(viewers))
        value, low, high = (
            None if math.isnan(x) else x for x in (found.value, found.low, found.high)
        )
        seen = None if place in hidden else viewers
        figures.append(Figure(value, low, high, seen, len(plays)))
    return figures


def _mean(entries: ExposureArrays, groups: Ints, how: Measure) -> Interval:
    """Return the mean over viewers of a measure, with the interval for viewers in groups."""
    viewers, first, index = np.unique(entries.viewer_id, return_index=True, return_inverse=True)
    if not viewers.size:
        return UNKNOWN
    above = np.bincount(index, how.above(entries), viewers.size)
    below = np.bincount(index, how.below(entries), viewers.size)
    known = (below > 0) & np.isfinite(above)
    if not known.any():
        return UNKNOWN
    values = above[known] / below[known]
    units = np.unique(groups[first][known], return_inverse=True)[1]
    found = clustered_mean(values, np.ones_like(values), units).interval()
    lowest = -1.0 if how.largest > 1 and how.unit == "" else 0.0
    highest = 1.0 if how.unit == "" else math.inf
    return Interval(*np.clip([found.value, found.low, found.high], lowest, highest).tolist())
