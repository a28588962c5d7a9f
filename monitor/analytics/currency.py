"""The trade's currency: what media planners and exchanges count, from our sums.

Each figure follows a published definition (MRC, IAB, DPAA, OpenRTB, Lumen) as closely as faces in
view allow; `docs/explanation/metrics.md` lists the definitions and where ours differ. No
accreditation is claimed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.playlists.playlist import DAYS
from db.read.formulas import WATCHED_2_S, WATCHER_ATTENTION_S
from db.read.sessions import had_screen
from monitor.analytics.metrics import microseconds
from monitor.analytics.report_data import places_to_withhold, zones_of
from monitor.analytics.samples import BLOCK_S
from monitor.analytics.statistics import UNKNOWN, Estimate, clustered_mean, known, numbered
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from numpy.typing import NDArray

    from db.read.formulas import ExposureArrays
    from db.read.sessions import PlayInfo, SessionInfo
    from monitor.analytics.report_data import ReportData

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MIN_DAYS = 3
"""From this many days on a multiplier's interval takes days for its clusters."""


# --- one ad ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AdCurrency:
    """The currency of one ad; NaN where not known. See `docs/explanation/metrics.md`.

    `cost` and `cost_per_1000_attentive_s` are in the unit of the price.
    """

    watchers_2s: int
    audience_impressions: int
    average_unit_audience: float
    attentive_s_per_1000: float
    cost: float
    cost_per_1000_attentive_s: float


FIGURES = tuple(field.name for field in fields(AdCurrency) if field.name != "cost")
"""What rests on viewers, and is withheld when they are too few."""


def ad_currency(
    plays: Sequence[PlayInfo],
    sessions: Mapping[int, SessionInfo],
    exposures: ExposureArrays,
    countable: set[int],
    price: float | None = None,
) -> AdCurrency:
    """Compute the currency of one ad from its plays.

    Args:
        plays: All plays of the ad.
        sessions: Their sessions, by id.
        exposures: Those of the plays.
        countable: The ids of the plays that were shown and measured, at least in part.
        price: Of a verified play (see `monitor.analytics.proof_of_play`), at least 0.
    """
    watched = exposures.longest_attention_s >= WATCHER_ATTENTION_S
    long = watched & (exposures.attention_s >= WATCHED_2_S)
    counted = sum(play.id in countable for play in plays)
    exposed = int(np.isin(exposures.play_id, _ids(countable)).sum())
    attention = math.fsum(exposures.attention_s)
    cost = paid = math.nan
    verified = {play.id for play in plays if is_verified(play, sessions[play.session_id])}
    if price is not None:
        cost = price * len(verified)
        paid = math.fsum(exposures.attention_s[np.isin(exposures.play_id, _ids(verified))])
    return AdCurrency(
        watchers_2s=int(np.unique(exposures.viewer_id[long]).size),
        audience_impressions=int(watched.sum()),
        average_unit_audience=exposed / counted if counted else math.nan,
        attentive_s_per_1000=1000 * attention / len(exposures) if len(exposures) else math.nan,
        cost=cost,
        cost_per_1000_attentive_s=1000 * cost / paid if paid > 0 else math.nan,
    )


def _ids(plays: set[int]) -> Ints:
    return np.fromiter(plays, dtype=np.int64, count=len(plays))


def is_verified(play: PlayInfo, session: SessionInfo) -> bool:
    """Return whether a play ran to its end on a screen, as proof of play counts it."""
    on_screen = had_screen(session.kind, session.settings)
    return play.outcome == "finished" and bool(play.shown_ms) and on_screen


def viewable_plays(
    plays: Sequence[PlayInfo],
    sessions: Mapping[int, SessionInfo],
    shown_s: Mapping[int, float],
) -> dict[str, int | None]:
    """Count the plays painted full screen for at least 1 s and 2 s.

    A play without a screen (a replay, or a run without a window) is not viewable. Of one in a
    window that was not started full screen this is not known: another window may have covered it.

    Args:
        plays: Those to count.
        sessions: Their sessions, by id.
        shown_s: How long each play was on the screen, by id, without pauses.

    Returns:
        `at_least_1s` and `at_least_2s`, None where nothing is known, and `not_known` plays.
    """
    lengths, unknown = [], 0
    for play in plays:
        session = sessions[play.session_id]
        if not had_screen(session.kind, session.settings):
            lengths.append(0.0)
        elif session.settings.get("fullscreen"):
            lengths.append(shown_s[play.id])
        else:
            unknown += 1
    return {
        f"at_least_{limit}s": sum(length >= limit for length in lengths) if lengths else None
        for limit in (1, 2)
    } | {"not_known": unknown}


# --- impression multipliers -----------------------------------------------------------------------


def multipliers(
    data: ReportData,
    countable: set[int],
    *,
    zone: tzinfo | None = None,
    min_viewers: int = 1,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the impression multiplier of each site, weekday and hour, and what is withheld.

    `multiplier = exposures / plays`, over the plays that were shown and measured and began in the
    hour. Its 95% interval is that of `mean_of_plays`; with fewer than `MIN_DAYS` days it speaks
    for these days only.

    Args:
        data: The sessions to take together.
        countable: The ids of the plays that were shown and measured, at least in part.
        zone: Of hours and weekdays; None: each session's own.
        min_viewers: Cells with fewer viewers are withheld, with others that would give them away.

    Returns:
        Entries by site, weekday and hour for JSON, and at most one entry of `withheld`.
    """
    sites = {session.id: session.site for session in data.sessions}
    plays = sorted((play for play in data.plays if play.id in countable), key=lambda play: play.id)
    if not plays:
        return [], []
    zones = zones_of(data.sessions, zone)
    local = [zones.local(play.started_at, play.session_id) for play in plays]
    places = [
        (sites[play.session_id], at.weekday(), at.hour)
        for play, at in zip(plays, local, strict=True)
    ]
    cells = sorted(set(places))
    numbers = {cell: number for number, cell in enumerate(cells)}
    cell = np.array([numbers[place] for place in places], dtype=np.int64)
    day = np.array([at.toordinal() for at in local], dtype=np.int64)
    block = blocks_of(plays)
    ids = np.array([play.id for play in plays], dtype=np.int64)
    inside = np.isin(data.exposures.play_id, ids)
    play_of = np.searchsorted(ids, data.exposures.play_id[inside])
    exposures = np.bincount(play_of, minlength=ids.size).astype(np.float64)
    pairs = np.unique(np.column_stack([cell[play_of], data.exposures.viewer_id[inside]]), axis=0)
    viewers = np.bincount(pairs[:, 0], minlength=len(cells)).tolist()
    hidden = places_to_withhold([site for site, _, _ in cells], viewers, min_viewers)
    entries = []
    for number, (site, weekday, hour) in enumerate(cells):
        mine = cell == number
        found = mean_of_plays(exposures[mine], day[mine], block[mine])
        hide = number in hidden
        reach = UNKNOWN if hide else found.interval()
        days = int(np.unique(day[mine]).size)
        entries.append(
            {
                "site": site,
                "weekday": DAYS[weekday],
                "hour": hour,
                "plays": int(mine.sum()),
                "days": days,
                "exposures": None if hide else int(exposures[mine].sum()),
                "multiplier": known(reach.value),
                "multiplier_low": known(float(np.maximum(reach.low, 0.0))),
                "multiplier_high": known(reach.high),
                "clusters": found.groups,
                "clustered_by": "day" if days >= MIN_DAYS else "ten minutes",
            }
        )
    if not hidden:
        return entries, []
    why = lazy(
        "in %(few)s of %(all)s hours fewer than %(least)s viewers were in view, or the hour would "
        "give such an hour away",
        few=len(hidden),
        all=len(cells),
        least=min_viewers,
    )
    figures = ["multipliers.exposures", "multipliers.multiplier"]
    return entries, [{"ad_id": None, "figures": figures, "why": why}]


def mean_of_plays(values: Floats, day: Ints, block: Ints) -> Estimate:
    """Return a mean over plays, clustered by day, or by block where there are too few days.

    Args:
        values: Shape `(n,)`, one or more, of each play.
        day, block: Shape `(n,)`, on which day and in which ten minutes it began, as any numbers.
    """
    clusters = day if np.unique(day).size >= MIN_DAYS else block
    return clustered_mean(values, np.ones(values.size), numbered(clusters))


def blocks_of(plays: Sequence[PlayInfo]) -> Ints:
    """Number the ten-minute blocks in which plays began, `(n,)`: one per session and block."""
    keys = [(play.session_id, microseconds(play.started_at) // (BLOCK_S * 10**6)) for play in plays]
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)
