"""What was measured in the blocks of an experiment: outcomes, attention or valence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from db.read.experiments import outcomes, plays_at
from db.read.rollups import read_log
from db.read.scope import Scope, left_out
from monitor.analytics.experiments import BlockValues, draw_blocks, places_in_days
from monitor.analytics.metrics import corrected_valence_sums, microseconds, take

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from db.read.experiments import BlockInfo, ExperimentInfo, OutcomeInfo
    from db.read.formulas import ExposureArrays
    from monitor.analytics.metrics import Floats, Ints

HISTORY = timedelta(weeks=8)
"""How far back the spread of a site is measured."""

MAX_HISTORY = 5000
"""Blocks, with those outside of opening hours, that are enough to measure it."""

MIN_COVERED = 0.5
"""A block counts if its outcome is known for at least this share of the time that counts."""


def block_values(
    engine: Engine,
    plan: ExperimentInfo,
    blocks: Sequence[BlockInfo],
    *,
    where: Scope | None = None,
    demos: bool = False,
) -> BlockValues:
    """Return what was measured in blocks of a plan, in their order.

    An outcome is the sum of the figures within a block, after its wash-out, an hour. Attention and
    valence are means over the viewers of each block, whose number is the block's weight; those of
    the demo viewer count with `demos` only, and with `where` those at its groups and tags.
    """
    if plan.measure == "outcome":
        value, weight = _outcome(engine, plan, blocks)
    else:
        value, weight = _audience(engine, plan, blocks, scope_of(plan, where, demos=demos))
    starts = np.array([microseconds(block.starts_at) for block in blocks], dtype=np.int64)
    day, number = places_in_days(plan.opening, plan.block_s, starts)
    # The day 1 is a Monday.
    weekend = (day - 1) % 7 >= 5
    site = np.array([plan.sites.index(block.site) for block in blocks], dtype=np.int64)
    pair = np.array([block.pair for block in blocks], dtype=np.int64)
    return BlockValues(
        site=site,
        day=day,
        pair=site * (pair.max(initial=0) + 1) + pair,
        stratum=(site * (number.max(initial=0) + 1) + number) * 2 + weekend,
        treated=np.array([block.arm == "treatment" for block in blocks], dtype=np.bool_),
        value=value,
        weight=weight,
    )


def sessions_left_out(
    engine: Engine, plan: ExperimentInfo, where: Scope | None = None, *, demos: bool = False
) -> dict[str, int]:
    """Count the sessions at its sites and in its time that are left out; see `scope.left_out`."""
    return left_out(engine, scope_of(plan, where, demos=demos))


def scope_of(plan: ExperimentInfo, where: Scope | None = None, *, demos: bool = False) -> Scope:
    """Return the sessions at the sites of a plan, and their plays in its time.

    With `where`, only those at its groups and tags.
    """
    return replace(
        where or Scope(),
        sites=plan.sites,
        since=plan.starts_at,
        until=plan.ends_at,
        demos=demos,
    )


def history_values(
    engine: Engine, plan: ExperimentInfo, now: datetime, *, demos: bool = False
) -> BlockValues:
    """Return the same for blocks that the plan would have had in the weeks before now."""
    length = min(HISTORY, MAX_HISTORY * timedelta(seconds=plan.block_s))
    before = replace(plan, starts_at=now - length, ends_at=now)
    return block_values(engine, before, draw_blocks(before), demos=demos)


def counted(block: BlockInfo, wash_out_s: float) -> tuple[int, int]:
    """Return from when to when a block counts, in microseconds since 1970 UTC."""
    return microseconds(block.starts_at) + round(wash_out_s * 1e6), microseconds(block.ends_at)


# --- outcomes -------------------------------------------------------------------------------------


def _outcome(
    engine: Engine, plan: ExperimentInfo, blocks: Sequence[BlockInfo]
) -> tuple[Floats, Floats]:
    day = timedelta(days=1)
    rows = outcomes(
        engine, plan.outcome or "", plan.sites, plan.starts_at - day, plan.ends_at + day
    )
    value = np.full(len(blocks), np.nan)
    for site in plan.sites:
        mine = [row for row in rows if row.site == site]
        places = [place for place, block in enumerate(blocks) if block.site == site]
        if mine and places:
            stretches = np.array([counted(blocks[place], plan.wash_out_s) for place in places])
            begins = np.array([microseconds(blocks[place].starts_at) for place in places])
            value[places] = rates(mine, begins, stretches)
    return value, np.ones(len(blocks))


def rates(rows: Sequence[OutcomeInfo], begins: Ints, stretches: Ints) -> Floats:
    """Return an outcome per hour in each of `n` blocks; NaN where too little of it is known.

    A figure that covers a time counts if all of it lies within a block, in proportion to its part
    after the wash-out. Figures of a moment count where they lie; from the first to the last of them
    nothing is missing.

    Args:
        rows: Of one site, by time.
        begins: `(n,)`, when the blocks begin, microseconds since 1970 UTC.
        stretches: `(n, 2)`, from when to when they count.
    """
    at = np.array([microseconds(row.at) for row in rows], dtype=np.int64)
    until = at + np.array([round(row.lasts_s * 1e6) for row in rows], dtype=np.int64)
    value = np.array([row.value for row in rows], dtype=np.float64)
    is_moment = until == at
    found = np.full(len(begins), np.nan)
    for place, (begin, (start, end)) in enumerate(zip(begins, stretches, strict=True)):
        first, last = np.searchsorted(at, [begin, end])
        some = slice(first, last)
        inside = ~is_moment[some] & (until[some] <= end)
        overlap = np.maximum(until[some] - np.maximum(at[some], start), 0) * inside
        covered = int(overlap.sum())
        share = overlap / np.maximum(until[some] - at[some], 1)
        total = float(value[some] @ share)
        moments = is_moment[some] & (at[some] >= start)
        if is_moment.any():
            total += float(value[some][moments].sum())
            known = at[is_moment]
            covered = max(covered, int(min(end, known[-1]) - max(start, known[0])))
        if covered >= MIN_COVERED * (end - start):
            found[place] = total / covered * 3.6e9
    return found


# --- attention and valence ------------------------------------------------------------------------


def _audience(
    engine: Engine, plan: ExperimentInfo, blocks: Sequence[BlockInfo], scope: Scope
) -> tuple[Floats, Floats]:
    value, weight = np.full(len(blocks), np.nan), np.zeros(len(blocks))
    plays = plays_at(engine, scope)
    # With ads in both arms these are compared; else the whole show with and without the ads.
    ads = {*plan.treatment, *plan.control} if plan.treatment and plan.control else None
    if ads is not None and not any(play.ad_id in ads for play in plays):
        ads = None
    for site in plan.sites:
        places = [place for place, block in enumerate(blocks) if block.site == site]
        if not places:
            continue
        stretches = np.array([counted(blocks[place], plan.wash_out_s) for place in places])
        of_play = {
            play.id: place
            for play in plays
            if play.site == site and (ads is None or play.ad_id in ads)
            for place in [_place_of(microseconds(play.started_at), stretches)]
            if place is not None
        }
        log = read_log(engine, replace(scope, sites=(site,)), seconds=False)
        value[places], weight[places] = _viewers_means(log.exposures, of_play, len(places), plan)
    return value, weight


def _place_of(at_us: int, stretches: Ints) -> int | None:
    place = int(np.searchsorted(stretches[:, 1], at_us, side="right"))
    return place if place < len(stretches) and stretches[place, 0] <= at_us else None


def _viewers_means(
    exposures: ExposureArrays, of_play: dict[int, int], blocks: int, plan: ExperimentInfo
) -> tuple[Floats, Floats]:
    """Return the mean over viewers in each block, and how many viewers these were."""
    ids = np.array(sorted(of_play), dtype=np.int64)
    entries = take(exposures, np.isin(exposures.play_id, ids))
    block = np.array([of_play[int(play)] for play in entries.play_id], dtype=np.int64)
    if plan.measure == "attention":
        above, below = entries.attention_s, entries.dwell_s
    else:
        above = corrected_valence_sums(entries.sums)
        below = np.where(np.isfinite(above), entries.emotion_readings, 0).astype(np.float64)
        above = np.nan_to_num(above)
    viewer = np.unique(entries.viewer_id, return_inverse=True)[1]
    cell, index = np.unique(block * (viewer.max(initial=0) + 1) + viewer, return_inverse=True)
    sums = [np.bincount(index, weights=each, minlength=cell.size) for each in (above, below)]
    known = sums[1] > 0
    place = (cell // (viewer.max(initial=0) + 1))[known]
    viewers = np.bincount(place, minlength=blocks).astype(np.float64)
    total = np.bincount(place, weights=sums[0][known] / sums[1][known], minlength=blocks)
    means = np.divide(total, viewers, out=np.full(blocks, np.nan), where=viewers > 0)
    return means, viewers
