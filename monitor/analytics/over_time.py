"""How an audience changes over weeks, weekdays and hours, where there is more than a week of data.

Weeks begin on Monday, in the zone of the report. Which ads ran may differ from week to week, so a
change says what the place and its people did, not an ad.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.playlists.playlist import DAYS
from detector.emotion.prevalence import corrected_valence
from monitor.analytics.currency import blocks_of
from monitor.analytics.metrics import audience, group_scores, slow_sessions, take, viewer_means
from monitor.analytics.report_data import places_to_withhold, zones_of
from monitor.analytics.statistics import UNKNOWN, Interval, clustered_mean, known, numbered
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date, tzinfo

    from numpy.typing import NDArray

    from db.read.formulas import ExposureArrays
    from monitor.analytics.report_data import ReportData

    Ints = NDArray[np.int64]

MIN_DAYS = 8
"""Fewer days have no two of the same weekday to tell a trend from."""


def spans_weeks(days: Sequence[date]) -> bool:
    """Whether days of plays lie on more than a week."""
    return bool(days) and (max(days) - min(days)).days + 1 >= MIN_DAYS


def weekly(
    data: ReportData,
    countable: Collection[int],
    *,
    zone: tzinfo | None = None,
    min_viewers: int = 1,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the audience of each week with plays, all ads together, and what is withheld.

    Args:
        data: The sessions to take together.
        countable: The ids of the plays that were shown and measured, at least in part.
        zone: Of weeks; None: each session's own.
        min_viewers: Weeks with fewer viewers are withheld, with others that would give them away.

    Returns:
        Entries by week for JSON, none if `spans_weeks` is false, and at most one of `withheld`.
    """
    wanted = set(countable)
    plays = [play for play in data.plays if play.id in wanted]
    zones = zones_of(data.sessions, zone)
    days = [zones.local(play.started_at, play.session_id).date() for play in plays]
    if not spans_weeks(days):
        return [], []
    starts = [day - timedelta(days=day.weekday()) for day in days]
    weeks = sorted(set(starts))
    block = dict(zip((play.id for play in plays), blocks_of(plays).tolist(), strict=True))
    session_of, slow = data.session_of, slow_sessions(data)
    by_week = []
    for week in weeks:
        ids = [play.id for play, start in zip(plays, starts, strict=True) if start == week]
        mine = take(data.exposures, np.isin(data.exposures.play_id, ids))
        told = not slow & {session_of[play] for play in ids}
        by_week.append((week, len(ids), mine, told))
    viewers = [int(np.unique(mine.viewer_id).size) for _, _, mine, _ in by_week]
    hidden = places_to_withhold([0] * len(weeks), viewers, min_viewers)
    entries = []
    for place, (week, count, mine, told) in enumerate(by_week):
        people = audience(mine)
        hide = place in hidden
        valence = UNKNOWN if hide else _valence(mine, block, min_viewers)
        entries.append(
            {
                "start": week.isoformat(),
                "plays": count,
                "viewers": people.opportunities,
                "viewers_per_play": None if hide else people.exposures / count,
                "watchers": None if hide or not told else people.watchers,
                "attention_s": None if hide else people.attention_s,
                "attraction_ratio": None if hide else known(people.attraction_ratio),
                "valence_corrected_mean": known(valence.value),
                "valence_corrected_mean_low": known(valence.low),
                "valence_corrected_mean_high": known(valence.high),
            }
        )
    if not hidden:
        return entries, []
    why = lazy(
        "in %(few)s of %(all)s weeks fewer than %(least)s viewers were in view, or the week would "
        "give such a week away",
        few=len(hidden),
        all=len(weeks),
        least=min_viewers,
    )
    return entries, [{"ad_id": None, "figures": ["trend"], "why": why}]


def _valence(entries: ExposureArrays, block: dict[int, int], min_viewers: int) -> Interval:
    """Return the corrected valence of an audience, clustered by ten-minute block."""
    read = entries.emotion_readings > 0
    means = viewer_means(entries.viewer_id, entries.sums, entries.emotion_readings)
    scored, scores = group_scores(means)
    if len(scores) < max(min_viewers, 1):
        return UNKNOWN
    # Exposures are sorted by play, so the first entry of a viewer is the first play.
    first = np.unique(entries.viewer_id[read], return_index=True)[1]
    groups = np.array([block[play] for play in entries.play_id[read][first][scored].tolist()])
    ones = np.ones(len(scores))
    found = clustered_mean(corrected_valence(scores), ones, numbered(groups)).interval()
    return Interval(*np.clip([found.value, found.low, found.high], -1.0, 1.0).tolist())


def day_hours(multipliers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return viewers per play by weekday and hour, all sites together.

    Args:
        multipliers: From `currency.multipliers`; where a site's are withheld, the cell is None.
    """
    cells: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for entry in multipliers:
        cells.setdefault((DAYS.index(entry["weekday"]), entry["hour"]), []).append(entry)
    found = []
    for (weekday, hour), entries in sorted(cells.items()):
        plays = sum(entry["plays"] for entry in entries)
        counts = [entry["exposures"] for entry in entries]
        exposures = None if None in counts else sum(counts)
        found.append(
            {
                "weekday": DAYS[weekday],
                "hour": hour,
                "plays": plays,
                "exposures": exposures,
                "viewers_per_play": None if exposures is None else exposures / plays,
            }
        )
    return found
