"""Experiments in one place over time: blocks drawn by lot, their analysis, and what it takes.

A switchback experiment: opening hours are cut into blocks, and a lot decides which of two arms each
block shows. Neighbouring blocks are pairs with one block of each arm, and of two following days of
the same kind (Monday to Friday, or the weekend) the second has the first one's order reversed. So
the arms share every hour of the day and every day evenly, however much these differ.

The unit of the analysis is the block. `docs/how-to/experiments.md` explains it for the people
who run one, `docs/explanation/comparisons.md` has the formulas.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from ads.playlists.playlist import DAYS, parse_hours
from db.read.experiments import ARMS, BlockInfo
from monitor.analytics.errors import ExperimentError
from monitor.analytics.metrics import microseconds
from monitor.analytics.statistics import (
    CONFIDENCE,
    UNKNOWN,
    Estimate,
    Interval,
    clustered_difference,
    looking_drift,
    looking_interval,
    looking_p_value,
    numbered,
)
from monitor.languages import lazy
from monitor.settings.time_zone import local_zone, zone_or_utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from db.read.experiments import ExperimentInfo, Opening
    from monitor.analytics.metrics import Bools, Floats, Ints

POWER = 0.8
"""Chance to find the smallest relevant effect, if it is there."""

MIN_HISTORY = 20
"""Blocks that the spread is measured on, at least."""

MIN_DAYS_FOR_CLUSTERS = 8
"""With fewer days their correlation cannot be seen."""


def parse_share(text: str) -> float:
    """Return a number from 0.0001 to 10, written 10% or 0.1.

    Raises:
        ValueError: It is something else.
    """
    match = re.fullmatch(r"\s*(\d*[.,]?\d+)\s*(%?)\s*", text)
    value = float(match[1].replace(",", ".")) / (100 if match[2] else 1) if match else 0.0
    if not 0.0001 <= value <= 10:
        raise ValueError(
            lazy(
                "expected a number from 0.0001 to 10, or such as 10%%, received %(text)s.",
                text=repr(text),
            )
        )
    return value


# --- design ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a block: the day it belongs to, and its number on that day, from 0."""

    day: date
    number: int
    starts_at: datetime
    ends_at: datetime


def slots_of(opening: Opening, block_s: int, since: datetime, until: datetime) -> list[Slot]:
    """Return the whole blocks within opening hours and `[since, until)`, in order, times in UTC.

    The hours are the venue's, also on days when its clocks change; blocks keep their length.
    """
    return [
        slot
        for day_slots in _days(opening, block_s, since, until)
        for slot in day_slots
        if slot.starts_at >= since and slot.ends_at <= until
    ]


def opening_zone(opening: Opening) -> ZoneInfo:
    """Return the zone of opening hours; the machine's for hours without one."""
    return local_zone() if opening.timezone is None else zone_or_utc(opening.timezone)


def places_in_days(opening: Opening, block_s: int, starts: Ints) -> tuple[Ints, Ints]:
    """Return the days of stored blocks, and their numbers on these days, from 0.

    As `slots_of` has them, also where the zone has other rules today than when the blocks were
    drawn, or the hours have none and the machine has moved: a block belongs to the day whose hours
    are nearest, and numbers count from the first block of each day.

    Args:
        opening: When blocks were to lie.
        block_s: Their length.
        starts: `(n,)`, when they begin, microseconds since 1970 UTC; sites may mix.

    Returns:
        `(n,)` each: proleptic ordinals of the days, and numbers.
    """
    if not starts.size:
        return starts, starts
    since, last = (
        datetime.fromtimestamp(int(at) / 1e6, UTC) for at in (starts.min(), starts.max())
    )
    # The venue may be a day ahead of the zone that is known here.
    days = [slots for slots in _days(opening, block_s, since, last + timedelta(days=1)) if slots]
    opens, closes = (
        np.array([microseconds(at) for at in times], dtype=np.int64)
        for times in (
            [slots[0].starts_at for slots in days],
            [slots[-1].ends_at for slots in days],
        )
    )
    place = np.searchsorted((closes[:-1] + opens[1:]) // 2, starts, side="right")
    number = (starts - opens[place]) // (block_s * 1_000_000)
    # Only the first day may lack its first blocks.
    present, index = np.unique(place, return_inverse=True)
    first = np.full(present.size, np.iinfo(np.int64).max)
    np.minimum.at(first, index, number)
    first[0] = first[1] if first.size > 1 else min(first[0], 0)
    number = number - first[index]
    ordinals = np.array([slots[0].day.toordinal() for slots in days], dtype=np.int64)
    return ordinals[place], number - min(0, int(number.min()))


def _days(opening: Opening, block_s: int, since: datetime, until: datetime) -> Iterator[list[Slot]]:
    zone = opening_zone(opening)
    ((start, end),) = parse_hours(opening.hours)
    end += 24 * 60 if end <= start else 0
    day = since.astimezone(zone).date() - timedelta(days=1)
    last = until.astimezone(zone).date()
    length = timedelta(seconds=block_s)
    while day <= last:
        if DAYS[day.weekday()] in opening.days:
            opens, closes = (_moment(day, minute, zone) for minute in (start, end))
            yield [
                Slot(day, number, opens + number * length, opens + (number + 1) * length)
                for number in range((closes - opens) // length)
            ]
        day += timedelta(days=1)


def _moment(day: date, minute: int, zone: ZoneInfo) -> datetime:
    local = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minute)
    return local.astimezone(UTC)


def draw_blocks(plan: ExperimentInfo) -> list[BlockInfo]:
    """Draw the blocks of all sites; the same plan and seed give the same blocks."""
    slots = slots_of(plan.opening, plan.block_s, plan.starts_at, plan.ends_at)
    if len(slots) < 2:
        raise ExperimentError(
            lazy(
                "The experiment has room for %(room)s blocks: expected at least 2 whole blocks of "
                "%(minutes)s minutes within its hours; choose shorter blocks or a later end.",
                room=len(slots),
                minutes=f"{plan.block_s / 60:g}",
            )
        )
    in_day: dict[date, int] = {}
    for slot in slots:
        in_day[slot.day] = max(in_day.get(slot.day, 0), slot.number)
    blocks = []
    for place, site in enumerate(plan.sites):
        rng = np.random.default_rng([plan.seed, place])
        # What the next day of the same kind has to reverse: order and number of a pair, by place.
        owed: dict[tuple[bool, int], tuple[bool, int]] = {}
        drawn: dict[tuple[date, int], tuple[bool, int]] = {}
        pairs = 0
        for number, slot in enumerate(slots, start=1):
            half = slot.number // 2
            key, kind = (slot.day, half), (slot.day.weekday() >= 5, half)
            if key not in drawn:
                before = owed.pop(kind, None)
                # The last block of an odd day makes a pair with that of the next such day.
                is_lone = slot.number % 2 == 0 and slot.number == in_day[slot.day]
                if before is None or not is_lone:
                    pairs += 1
                is_first = bool(rng.integers(2)) if before is None else not before[0]
                drawn[key] = (is_first, before[1] if before and is_lone else pairs)
                if before is None:
                    owed[kind] = drawn[key]
            is_first, pair = drawn[key]
            arm = ARMS[0] if is_first is (slot.number % 2 == 0) else ARMS[1]
            blocks.append(BlockInfo(site, number, pair, arm, slot.starts_at, slot.ends_at))
    return blocks


# --- the effect -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class BlockValues:
    """`n` blocks with what was measured in them, in order of their ends.

    Attributes:
        site, day, pair: Numbers of the site, the day and the pair of neighbours.
        stratum: Number of the place in the day, by kind of day and site.
        treated: Whether the block showed the treatment.
        value: Outcome per hour, attention (0 to 1) or valence (-1 to 1); NaN where missing.
        weight: 1, or the viewers behind a value.
    """

    site: Ints
    day: Ints
    pair: Ints
    stratum: Ints
    treated: Bools
    value: Floats
    weight: Floats

    def take(self, rows: Bools) -> BlockValues:
        """Return some of the blocks."""
        names = ("site", "day", "pair", "stratum", "treated", "value", "weight")
        return BlockValues(*(getattr(self, name)[rows] for name in names))


@dataclass(frozen=True, slots=True)
class Effect:
    """Treatment against control.

    Attributes:
        found: Difference of the means, or the logarithm of their ratio, with its error.
        treatment, control: The two means, adjusted for hours and days.
        blocks: Blocks behind it.
        by_day: Whether whole days count as one, as their blocks resemble each other.
    """

    found: Estimate
    treatment: float
    control: float
    blocks: int
    by_day: bool


def estimate(values: BlockValues, *, relative: bool) -> Effect | None:
    """Estimate the effect from pairs of blocks; `None` while they cannot tell anything.

    Each value is compared with the mean of its place in the day, by kind of day: as a ratio for a
    relative effect, so that quiet hours count as much as busy ones and noise is in per cent, and as
    a difference otherwise. Then `statistics.clustered_difference` compares the blocks of each pair,
    or, where an F-test finds that the pairs of a day resemble each other, those of each day, with
    days as groups.
    """
    compared = _compared(values, relative=relative)
    if compared is None:
        return None
    values, scaled, level, spare = compared
    pairs, constants = spare
    if pairs - constants < 3:
        return None
    weight = values.weight / values.weight.mean()
    pair = numbered(values.pair)
    found = clustered_difference(scaled, weight, values.treated, pair, pair)
    by_day = _days_differ(scaled, weight, values, pair)
    if by_day:
        day = numbered(values.day)
        found = clustered_difference(scaled, weight, values.treated, day, day)
    if not found.error > 0:
        return None
    # The means of the places in the day were estimated from the same pairs.
    free = (pairs - constants) / pairs
    error, degrees = found.error / math.sqrt(free), max(1.0, found.degrees * free)
    value, treatment, control = found.value, found.first_mean, found.second_mean
    if relative:
        if min(treatment, control) <= 0.01:
            return None
        value, error = math.log(treatment / control), error * (1 / treatment + 1 / control) / 2
        unit = float(np.average(level, weights=weight))
        treatment, control = treatment * unit, control * unit
    estimated = Estimate(value, error, degrees, found.groups, found.icc, found.group_size)
    return Effect(estimated, treatment, control, values.value.size, by_day)


def _compared(
    values: BlockValues, *, relative: bool
) -> tuple[BlockValues, Floats, Floats, tuple[int, int]] | None:
    """Return what can be compared: blocks of whole pairs at places that both arms had.

    Returns:
        Blocks, their values against the means of their places, these means, and how many pairs
        there are and how many constants the means took from them.
    """
    values = values.take(np.isfinite(values.value) & (values.weight > 0))
    size = -1
    while values.value.size != size:
        size = values.value.size
        for name in ("stratum", "pair"):
            values = values.take(_in_both_arms(getattr(values, name), values.treated))
    if size == 0:
        return None
    level = _group_means(values.value, values.weight, values.stratum)
    if relative and (level <= 0).any():
        sold = values.take(level > 0)
        return _compared(sold, relative=True) if sold.value.size else None
    whole = float(np.average(values.value, weights=values.weight))
    scaled = values.value / level if relative else values.value - level + whole
    pair = numbered(values.pair)
    places = np.full((int(pair.max()) + 1, 2), -1)
    places[pair, values.treated.astype(int)] = values.stratum
    apart = places[places[:, 0] != places[:, 1]]
    constants = np.unique(np.sort(apart, axis=1), axis=0).shape[0]
    return values, scaled, level, (places.shape[0], constants)


def _in_both_arms(group: Ints, treated: Bools) -> Bools:
    """Return which blocks are in a group with blocks of both arms."""
    both = np.intersect1d(group[treated], group[~treated])
    return np.asarray(np.isin(group, both), dtype=np.bool_)


def _group_means(values: Floats, weight: Floats, group: Ints) -> Floats:
    index = numbered(group)
    sums = np.bincount(index, weights=weight * values)
    return np.asarray((sums / np.bincount(index, weights=weight))[index], dtype=np.float64)


def _days_differ(scaled: Floats, weight: Floats, values: BlockValues, pair: Ints) -> bool:
    """Return whether an F-test finds that the differences of the pairs of a day are alike."""
    from scipy.special import fdtri  # noqa: PLC0415 - slow to import

    side = np.where(values.treated, 1.0, -1.0)
    differences = np.bincount(pair, weights=side * scaled * weight) / np.bincount(
        pair, weights=weight
    )
    day = np.zeros(differences.size, dtype=np.int64)
    day[pair] = values.day
    pairs, days = differences.size, np.unique(day).size
    if min(days, pairs - days) < MIN_DAYS_FOR_CLUSTERS:
        return False
    means = _group_means(differences, np.ones(pairs), day)
    within = float(((differences - means) ** 2).sum()) / (pairs - days)
    between = float(((means - differences.mean()) ** 2).sum()) / (days - 1)
    return bool(between > within * fdtri(days - 1, pairs - days, CONFIDENCE))


# --- what it takes --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spread:
    """How much blocks differ by themselves, without the differences of hours and days.

    Attributes:
        deviation: Standard deviation of a block, as a share of the mean for an outcome.
        design_effect: Variance of the estimated effect against that from as many independent blocks
            of equal weight: below 1 where neighbours resemble each other, above 1 where the pairs
            of a day do, or where weights differ.
        blocks: It was measured on; 0 if it was stated.
        mean: Of the blocks; NaN if not measured.
    """

    deviation: float
    design_effect: float = 1.0
    blocks: int = 0
    mean: float = math.nan


def spread_of(values: BlockValues, *, relative: bool) -> Spread | None:
    """Measure the spread on blocks of the past, with arms drawn for them that were not shown.

    `None` with fewer than `MIN_HISTORY` blocks in whole pairs.
    """
    effect, compared = estimate(values, relative=relative), _compared(values, relative=relative)
    if effect is None or compared is None or effect.blocks < MIN_HISTORY:
        return None
    values, scaled, _, (pairs, constants) = compared
    weight = values.weight / values.weight.mean()
    # Days may differ as a whole: pairs do not notice it, so blocks are compared within days.
    inside = scaled - _group_means(scaled, weight, values.day)
    free = (1 - np.unique(values.day).size / inside.size) * (1 - constants / pairs)
    variance = float(np.average(inside**2, weights=weight)) / free
    if variance <= 0:
        return None
    design_effect = effect.found.error**2 * effect.blocks / (4 * variance)
    mean = float(np.average(values.value, weights=values.weight))
    return Spread(math.sqrt(variance), design_effect, effect.blocks, mean)


def blocks_for(spread: Spread, relevant: float, stopping: str, *, relative: bool) -> int:
    """Return how many blocks find the smallest relevant effect with a chance of `POWER`.

    Per arm `2 (z_0.975 + z_0.8)^2 sigma^2 / delta^2`, times the design effect; with looks at any
    time `looking_drift` takes the place of the sum of the quantiles.
    """
    delta = _delta(relevant, relative=relative)
    per_arm = _drift(stopping) ** 2 * 2 * spread.deviation**2 / delta**2 * spread.design_effect
    return 2 * max(2, math.ceil(per_arm))


def detectable(spread: Spread, blocks: int, stopping: str, *, relative: bool) -> float:
    """Return the effect that so many blocks find with a chance of `POWER`."""
    error = math.sqrt(2 * spread.deviation**2 * spread.design_effect / max(1.0, blocks / 2))
    delta = _drift(stopping) * error
    return math.expm1(delta) if relative else delta


def _drift(stopping: str) -> float:
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import

    if stopping == "always_valid":
        return looking_drift(POWER)
    return float(ndtri((1 + CONFIDENCE) / 2) + ndtri(POWER))


# --- the verdict ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """What an experiment says now.

    Attributes:
        effect: With its interval: a share of the control's mean, or a difference. The interval has
            never been wider at an earlier look. NaN where not known.
        p: That there is no effect; it holds at every look (fixed: at the end only).
        verdict: "works", "does_not" or "not_yet".
        decided: Number of the day on which it was decided.
        treatment, control: Adjusted means.
        blocks, planned: With a value, and of the whole plan.
        needed: Blocks still needed before it is likely to be decided; 0 if decided.
    """

    effect: Interval = UNKNOWN
    p: float = math.nan
    verdict: str = "not_yet"
    decided: int | None = None
    treatment: float = math.nan
    control: float = math.nan
    blocks: int = 0
    planned: int = 0
    needed: int | None = None
    by_day: bool = False


def judge(
    values: BlockValues,
    planned: int,
    *,
    days: int,
    relative: bool,
    relevant: float,
    stopping: str = "always_valid",
    is_over: bool = False,
) -> Result:
    """Judge an experiment by the blocks that are over.

    With "always_valid", every day that has ended is a look. An interval holds at all looks
    together, so the intersection of all so far does too, and the first look that decides settles
    it: the result does not depend on who looked when. "fixed" looks once, when `is_over`.

    Args:
        values: Blocks that are over.
        planned: Blocks of the plan, at least as many.
        days: Days of the plan with blocks, at least 1.
        relative: Whether the effect is a share of the control's mean.
        relevant: The smallest effect that matters; "does_not" rules it out.
        stopping: "always_valid" or "fixed".
        is_over: Whether the planned end has come.
    """
    last = [int(values.day.max())] if values.day.size and is_over else []
    looks = np.unique(values.day).tolist() if stopping == "always_valid" else last
    delta = _delta(relevant, relative=relative)
    low, high, p, verdict, decided = -math.inf, math.inf, 1.0, "not_yet", None
    for day in looks:
        effect = estimate(values.take(values.day <= day), relative=relative)
        if effect is None:
            continue
        if stopping == "always_valid":
            fraction = min(1.0, effect.blocks / planned)
            interval = looking_interval(effect.found, fraction, days)
            p = min(p, looking_p_value(effect.found, fraction, days))
        else:
            interval, p = effect.found.interval(), effect.found.p_value()
        if max(low, interval.low) <= min(high, interval.high):
            low, high = max(low, interval.low), min(high, interval.high)
        if verdict == "not_yet":
            verdict = _verdict(low, high, delta)
            decided = None if verdict == "not_yet" else int(day)
    now = estimate(values, relative=relative)
    if now is None:
        return Result(planned=planned)
    is_known = math.isfinite(low)
    ends = (now.found.value, low if is_known else math.nan, high if is_known else math.nan)
    return Result(
        Interval(*(math.expm1(min(each, 50.0)) if relative else each for each in ends)),
        p if is_known else math.nan,
        verdict,
        decided,
        now.treatment,
        now.control,
        now.blocks,
        planned,
        0 if decided is not None else _still_needed(now, delta, stopping),
        now.by_day,
    )


def _delta(relevant: float, *, relative: bool) -> float:
    return math.log1p(relevant) if relative else relevant


def _verdict(low: float, high: float, delta: float) -> str:
    if low > 0:
        return "works"
    return "does_not" if high < delta else "not_yet"


def _still_needed(effect: Effect, delta: float, stopping: str) -> int:
    needed = effect.blocks * (_drift(stopping) * effect.found.error / delta) ** 2
    return max(1, math.ceil(needed) - effect.blocks)
