"""Intervals, tests, corrections and sample sizes with **viewers** (or hours) as the unit.

Viewers in front of one screen react alike, and people look at results again and again. Every claim
about a difference or a mean rests on an `Estimate`, whose error allows for groups of viewers and
whose intervals and p-values hold at one look or, with an `effect`, at all looks together.

Often the same people see several plays within an hour of one session, so estimates from the play
log draw and add up **hours**: the plays of one session that began in one hour of UTC.
`docs/explanation/comparisons.md` has the formulas and the sources named here.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from db.read.plays import LoggedPlay

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

CONFIDENCE = 0.95
DRAWS = 2000
"""Bootstrap draws of an interval."""

MIN_GROUPS = 5
"""Groups of viewers. Fewer say nothing about how groups differ."""

PERMUTATIONS = 2000
MAX_CELLS = 2_000_000
"""Draws are made in chunks of at most this many numbers, to bound memory."""

_NOISE = 1e-12
"""Spreads below this share of the values are rounding errors."""

_TINY = 1e-300
"""The smallest p-value; none is 0."""


# --- estimates ------------------------------------------------------------------------------------


def known(value: float) -> float | None:
    """Return a figure for JSON, which has no NaN."""
    return float(value) if math.isfinite(value) else None


def numbered(keys: Ints) -> Ints:
    """Number keys by their order from 0, `(n,)`: equal ones get the same number."""
    return np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.int64)


def to_document(record: Any) -> Any:
    """Return a dataclass as a JSON object with its fields as keys; NaN becomes None."""
    if isinstance(record, float):
        return known(record)
    if not hasattr(record, "__dataclass_fields__"):
        return record
    return {field.name: to_document(getattr(record, field.name)) for field in fields(record)}


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95% interval; NaN where not known."""

    value: float
    low: float = math.nan
    high: float = math.nan


UNKNOWN = Interval(math.nan)


def hours_of(plays: Sequence[LoggedPlay]) -> Ints:
    """Number the hours in which plays began, `(n,)`: one for each session and hour of UTC."""
    keys = [(play.session, play.started_at.timestamp() // 3600) for play in plays]
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    return np.array([places[key] for key in keys], dtype=np.int64)


def clustered_interval(influence: Floats, hours: Ints) -> Interval:
    """Return the mean with an interval that allows for correlation within an hour.

    The interval of `clustered_mean`; its limits are NaN with fewer than two hours.

    Args:
        influence: Shape `(n,)`, what each play adds to the estimate.
        hours: Shape `(n,)`, from `hours_of`.
    """
    groups = np.unique(hours, return_inverse=True)[1]
    return clustered_mean(influence, np.ones(influence.size), groups).interval()


# --- groups of viewers ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate with a standard error that holds for viewers in groups.

    Attributes:
        value: The estimate.
        error: Its standard error, 0 or more; NaN with too few groups.
        degrees: Degrees of freedom of the error, above 0; NaN with the error.
        groups: Groups of viewers behind it.
        icc: Correlation of two viewers of one group, 0 to 1 (one-way analysis of variance).
        group_size: Viewers in the group of an average viewer.
    """

    value: float
    error: float
    degrees: float
    groups: int
    icc: float = 0.0
    group_size: float = 1.0

    @property
    def design_effect(self) -> float:
        """How many times the viewers are needed that would do if they were independent."""
        return 1 + (self.group_size - 1) * self.icc

    def interval(self, confidence: float = CONFIDENCE, *, effect: float | None = None) -> Interval:
        """Return the interval; NaN limits without an error.

        Args:
            confidence: 0 to 1.
            effect: None: Student's interval for one look at data whose amount was fixed before.
                A size of effect worth finding, above 0, fixed before the data: a confidence
                sequence, which holds at all looks together (Robbins 1970; Johari and others 2022).
        """
        reach = self.error * self.reach(1 - confidence, effect)
        return Interval(self.value, self.value - reach, self.value + reach)

    def p_value(self, *, effect: float | None = None) -> float:
        """Return the two-sided p-value against 0, above 0; with `effect` always valid."""
        from scipy.special import ndtri, stdtr  # noqa: PLC0415 - slow to import

        if math.isnan(self.error):
            return math.nan
        if self.value == 0:
            return 1.0
        tail = float(stdtr(self.degrees, -abs(self.value) / self.error)) if self.error else 0.0
        tail = max(tail, _TINY)
        if effect is None:
            return min(1.0, 2 * tail)
        ratio = (effect / self.error) ** 2 if self.error else math.inf
        if math.isinf(ratio):
            return _TINY
        z = float(ndtri(tail))
        log_p = math.log1p(ratio) / 2 - z * z / 2 * ratio / (1 + ratio)
        return max(min(1.0, math.exp(min(0.0, log_p))), _TINY)

    def reach(self, level: float, effect: float | None = None) -> float:
        """Return how many errors the interval with confidence `1 - level` reaches to each side."""
        from scipy.special import ndtr, stdtrit  # noqa: PLC0415 - slow to import

        if not self.error > 0:
            return 0.0
        tail = level / 2
        if effect is not None:
            tail = float(ndtr(-always_valid_reach(self.error, effect, level)))
        # Student's quantile of the same tail, as the error itself is estimated.
        reach = -float(stdtrit(self.degrees, tail)) if tail > _TINY else math.inf
        return reach if reach > 0 else math.inf


def always_valid_reach(error: float, effect: float, level: float = 1 - CONFIDENCE) -> float:
    """Return how many standard errors a confidence sequence reaches to each side.

    Robbins' normal mixture with spread `effect` over the true values: `z^2 = (1 + 1/r)
    (log(1 + r) + 2 log(1 / level))`, `r = (effect / error)^2`.
    """
    ratio = (effect / error) ** 2
    return math.sqrt((1 + 1 / ratio) * (math.log1p(ratio) - 2 * math.log(level)))


def clustered_mean(values: Floats, weights: Floats, groups: Ints) -> Estimate:
    """Return a weighted mean over viewers, some of whom belong together.

    Args:
        values, weights: Shape `(n,)`, no NaN; weights 0 or more, one above.
        groups: Shape `(n,)`, equal numbers from 0 for viewers of one group.

    Returns:
        With the error of `clustered_difference`.
    """
    total = float(weights.sum())
    mean = float(weights @ values / total)
    residual = values - mean
    change = np.bincount(groups, weights * residual) / total
    share = np.bincount(groups, weights) / total
    without = np.divide(change, 1 - share, out=np.full_like(change, np.nan), where=share < 1)
    return _estimate(
        mean,
        _Groups(change, without, leverage=share),
        _Viewers(weights, residual, weights, groups, np.zeros_like(groups)),
        noise=_NOISE * float(np.abs(values).max()),
    )


@dataclass(frozen=True, slots=True)
class Contrast(Estimate):
    """The difference of the means of two ads: first minus second.

    Attributes:
        first_mean, second_mean: Means over the common strata.
        first_effective, second_effective: How many equal weights the viewers' are worth (Kish).
        first_groups, second_groups: Groups with viewers of each ad.
        first_spread, second_spread: Standard deviations between viewers, without strata.
    """

    first_mean: float = math.nan
    second_mean: float = math.nan
    first_effective: float = 0.0
    second_effective: float = 0.0
    first_groups: int = 0
    second_groups: int = 0
    first_spread: float = math.nan
    second_spread: float = math.nan

    def mirrored(self) -> Contrast:
        """Return the second ad's minus the first's."""
        swapped = {
            f"{one}_{name}": getattr(self, f"{other}_{name}")
            for one, other in (("first", "second"), ("second", "first"))
            for name in ("mean", "effective", "groups", "spread")
        }
        return replace(self, value=-self.value, **swapped)


def clustered_difference(
    values: Floats,
    weights: Floats,
    first: Bools,
    groups: Ints,
    strata: Ints | None = None,
) -> Contrast:
    """Return the difference of two weighted means over viewers, compared within strata.

    The least-squares coefficient of "first ad" beside an effect of each stratum; what a stratum
    with one ad only says does not count. The error is that of residuals added up by group, with the
    small-sample correction CR2, here the product of each group's influence and its jackknife change
    (MacKinnon, Nielsen and Webb 2023). With groups of one viewer, equal weights and one stratum,
    error and degrees are those of Welch's test; with pairs as groups or strata, of the paired test.

    Args:
        values, weights: Shape `(n,)`, one entry for each viewer of an ad in a group, no NaN.
        first: Shape `(n,)`, whether the entry is of the first ad.
        groups: Shape `(n,)`, equal numbers from 0 for viewers who belong together.
        strata: Shape `(n,)`, numbers from 0, equal within a group; None: all in one.

    Returns:
        NaN where no stratum has both ads.
    """
    strata = np.zeros_like(groups) if strata is None else strata
    middle = float(weights @ values / weights.sum())
    moved, sides = values - middle, (weights * first, weights * ~first)
    of_stratum = np.zeros(int(groups.max()) + 1, dtype=np.int64)
    of_stratum[groups] = strata
    parts = (*sides, *(side * moved for side in sides))
    totals, own = (
        [np.bincount(each, part).astype(float) for part in parts] for each in (strata, groups)
    )
    product, inside = _within(*totals)
    information = float(inside.sum())
    counts = [int((part > 0).sum()) for part in own[:2]]
    if not information > 0:
        return Contrast(
            math.nan, math.nan, math.nan, 0, first_groups=counts[0], second_groups=counts[1]
        )
    whole = np.maximum(totals[0] + totals[1], _TINY)
    value = float(product.sum()) / information
    centred = first - (totals[0] / whole)[strata]
    residual = moved - ((totals[2] + totals[3]) / whole)[strata] - value * centred
    pull = weights * centred
    change = np.bincount(groups, pull * residual) / information
    others = [total[of_stratum] - part for total, part in zip(totals, own, strict=True)]
    lone_product, lone_inside = _within(*others)
    left = information - inside[of_stratum] + lone_inside
    rest = float(product.sum()) - product[of_stratum] + lone_product
    without = value - np.divide(
        rest, left, out=np.full_like(rest, np.nan), where=left > _NOISE * information
    )
    along = np.bincount(groups, pull)
    squares = np.bincount(groups, pull * centred)
    leverage = squares / information + np.divide(
        along**2, whole[of_stratum] * squares, out=np.zeros_like(along), where=squares > 0
    )
    found = _estimate(
        value,
        _Groups(change, np.where(squares > 0, without, 0.0), leverage),
        _Viewers(pull, residual, weights, groups, first.astype(np.int64)),
        noise=_NOISE * float(np.abs(values).max()),
    )
    means = [
        float((inside * np.divide(sums, count, out=np.zeros_like(sums), where=count > 0)).sum())
        / information
        + middle
        for sums, count in ((totals[2], totals[0]), (totals[3], totals[1]))
    ]
    return Contrast(
        **{field.name: getattr(found, field.name) for field in fields(found)},
        first_mean=means[0],
        second_mean=means[1],
        first_effective=_effective(pull[first]),
        second_effective=_effective(pull[~first]),
        first_groups=counts[0],
        second_groups=counts[1],
        first_spread=_spread(moved[first], weights[first]),
        second_spread=_spread(moved[~first], weights[~first]),
    )


def _within(first: Floats, second: Floats, of_first: Floats, of_second: Floats) -> list[Floats]:
    """Return the parts of numerator and denominator that each stratum adds to the coefficient."""
    both = np.maximum(first, 0) + np.maximum(second, 0)
    some = both > 0
    return [
        np.divide(part, both, out=np.zeros_like(both), where=some)
        for part in (second * of_first - first * of_second, first * second)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Of each group: its influence on the value, what the value loses without it, its leverage."""

    change: Floats
    without: Floats
    leverage: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Viewers:
    """Of each viewer: the part in the value, the residual, and to which group and side they belong.

    Viewers of one group and side are expected to have the same spread and the same correlation.
    """

    pull: Floats
    residual: Floats
    weights: Floats
    groups: Ints
    side: Ints


def _estimate(value: float, by_group: _Groups, viewers: _Viewers, *, noise: float) -> Estimate:
    """Add the error, and its degrees of freedom by Satterthwaite's approximation.

    Differences up to `noise` are rounding errors.
    """
    change, residual, weights = by_group.change, viewers.residual, viewers.weights
    groups, side = viewers.groups, viewers.side
    icc, size = _intraclass_correlation(
        residual, groups * 2 + side, int((np.bincount(side) > 0).sum())
    )
    total = np.bincount(side, weights)
    rest = total - np.bincount(side, weights**2) / np.maximum(total, _TINY)
    spread = np.bincount(side, weights * residual**2) / np.maximum(rest, _NOISE * total.max())
    scaled = viewers.pull * np.sqrt(spread)[side]
    scaled = scaled if scaled.any() else viewers.pull
    expected = (1 - icc) * np.bincount(groups, scaled**2) + icc * np.bincount(groups, scaled) ** 2
    part = expected > 0
    products, left = change * by_group.without, 1 - by_group.leverage[part]
    count = int(part.sum())
    value = 0.0 if abs(value) <= noise else value
    if count < 2 or not np.isfinite(products).all() or not (left > _NOISE).all():
        return Estimate(value, math.nan, math.nan, count, icc, size)
    error = math.sqrt(max(float(products.sum()), float(change @ change)))
    return Estimate(
        value,
        error if error > noise else 0.0,
        float(expected.sum()) ** 2 / float((expected[part] ** 2 / left).sum()),
        count,
        icc,
        size,
    )


def _intraclass_correlation(residual: Floats, cells: Ints, sides: int) -> tuple[float, float]:
    """Return the correlation within cells by the analysis of variance, and their typical size."""
    counted = np.bincount(cells)
    sizes = counted[counted > 0].astype(np.float64)
    n, k = residual.size, sizes.size
    size = float((sizes**2).sum()) / n
    if not n > k > sides:
        return 0.0, size
    between = float((np.bincount(cells, residual)[counted > 0] ** 2 / sizes).sum())
    within = (float(residual @ residual) - between) / (n - k)
    between /= k - sides
    whole = between + ((n - size) / (k - sides) - 1) * within
    return (min(1.0, max(0.0, (between - within) / whole)) if whole > 0 else 0.0), size


def _effective(weights: Floats) -> float:
    total, squares = float(np.abs(weights).sum()), float(weights @ weights)
    return total**2 / squares if squares > 0 else 0.0


def _spread(values: Floats, weights: Floats) -> float:
    total = float(weights.sum())
    rest = total - float(weights @ weights) / total
    deviations = values - float(weights @ values) / total
    return math.sqrt(float(weights @ deviations**2) / rest) if rest > 0 else math.nan


# --- intervals ------------------------------------------------------------------------------------


def expanded_level(degrees: float, inflation: float, confidence: float = CONFIDENCE) -> float:
    """Return the quantile at which an interval of bootstrap draws ends: `Phi(-inflation * t)`.

    Draws from few viewers spread less than the figure does, so the plain 2.5% would be too narrow
    (Hesterberg 2015). `t` is Student's quantile.

    Args:
        degrees: Degrees of freedom of the standard error, above 0; of a mean over `n`: `n - 1`.
        inflation: Standard error / spread of the draws, 1 or more; of a mean: `sqrt(n / (n - 1))`.
        confidence: 0 to 1.
    """
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415 - slow to import

    return float(ndtr(-inflation * stdtrit(degrees, (1 + confidence) / 2)))


def draw_counts(viewers: int, draws: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Draw all viewers with replacement, again and again; the chunks depend on `viewers` alone.

    Yields:
        Shape `(rows, viewers)`, together `draws` rows: how often each viewer was drawn.
    """
    step = max(1, MAX_CELLS // viewers)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = rng.integers(0, viewers, size=(rows, viewers)) + np.arange(rows)[:, None] * viewers
        counts = np.bincount(drawn.ravel(), minlength=rows * viewers)
        yield counts.reshape(rows, viewers).astype(np.float64)


# --- tests ----------------------------------------------------------------------------------------


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values, 0 to 1, for the number of tests, in the same order (Holm 1979).

    With all findings below 0.05 none of them is wrong, with 95% certainty, for dependent tests
    too.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(
        np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1)), 1.0
    )
    return [float(p) for p in adjusted]


def holm_counts(p_values: Sequence[float], level: float) -> list[int]:
    """Return among how many tests Holm's procedure divides the `level` for each of them.

    An interval with the confidence `1 - level / count` excludes 0 exactly when the corrected
    p-value is below the level.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    steps = np.arange(raw.size, 0, -1)
    failed = np.flatnonzero(raw[order] * steps >= level)
    if failed.size:
        steps[failed[0] :] = steps[failed[0]]
    counts = np.empty_like(steps)
    counts[order] = steps
    return [int(count) for count in counts]


# --- how many viewers -----------------------------------------------------------------------------


def viewers_lacking(
    found: Contrast,
    viewers: tuple[int, int],
    difference: float,
    *,
    power: float,
    level: float,
    effect: float | None = None,
) -> int:
    """Return how many more viewers of each of two ads are needed to find a difference; 0: enough.

    New viewers see one ad each, come in groups as the present ones do, and count as much (Rosner
    2015, two samples with unequal spreads, normal approximation, times the design effect).

    Args:
        found: What is known so far.
        viewers: Of the first and the second ad.
        difference: The difference to find, above 0.
        power: The probability of finding it, 0.5 to 1.
        level: Of the two-sided test, 0 to 1.
        effect: As for `Estimate.interval`.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import

    n, m = viewers
    a, b = (
        spread**2 * found.design_effect * count / max(effective, 1.0)
        for spread, count, effective in (
            (found.first_spread, n, found.first_effective),
            (found.second_spread, m, found.second_effective),
        )
    )

    def finds(more: int) -> bool:
        error = math.sqrt(a / (n + more) + b / (m + more))
        reach = float(ndtri(1 - level / 2))
        if effect is not None:
            # So far out Student's tail with few groups is much longer than the normal one.
            degrees = found.degrees * (n + m + 2 * more) / (n + m)
            reach = Estimate(0.0, error, degrees, 2).reach(level, effect)
        return error <= 0 or difference >= error * (reach + float(ndtri(power)))

    if not a + b > 0 or finds(0):
        return 0
    above = 1
    while not finds(above):
        above *= 2
    return bisect.bisect_left(range(above), True, key=finds)


# --- looking until a planned end ------------------------------------------------------------------
#
# An experiment has a planned end, which a sequence that may go on forever cannot use. While data
# come in, `Z_t sqrt(t)` is a Brownian motion over the fraction `t` of the planned data. It leaves
# `[-c, c]` at any time up to the end with probability `4 Phi(-c) - 4 Phi(-3 c) + ...` (reflection
# principle), which is 5% for `c = 2.241`: the boundary of O'Brien and Fleming (1979). With one
# look a day it may be a little closer (Siegmund 1985). That costs 6% more data than one look at
# the end, where the sequence for an unknown end costs about 60%.


def looking_interval(found: Estimate, fraction: float, looks: int) -> Interval:
    """Return the interval that holds at every look up to a planned end, with 95% for all together.

    Args:
        found: From the data so far; Student's tails with its degrees replace the normal ones.
        fraction: Share of the planned data that there is, above 0 and at most 1.
        looks: Planned looks, at least 1, about equally far apart.
    """
    from scipy.special import ndtr, ndtri, stdtrit  # noqa: PLC0415 - slow to import

    limit = -float(ndtri((1 - CONFIDENCE) / 4)) - _between_looks(looks)
    tail = max(float(ndtr(-limit / math.sqrt(fraction))), _TINY)
    # Far out, the quantile overflows with the wrong sign.
    reach = abs(float(stdtrit(found.degrees, tail))) * found.error
    return Interval(found.value, found.value - reach, found.value + reach)


def looking_p_value(found: Estimate, fraction: float, looks: int) -> float:
    """Return the two-sided p-value that holds at every look; arguments as `looking_interval`."""
    from scipy.special import ndtr, ndtri, stdtr  # noqa: PLC0415 - slow to import

    if not found.error > 0:
        return math.nan
    tail = max(float(stdtr(found.degrees, -abs(found.value) / found.error)), _TINY)
    limit = -float(ndtri(tail)) * math.sqrt(fraction) + _between_looks(looks)
    odd = np.arange(1, 1001, 2)
    signs = np.where(odd % 4 == 1, 4.0, -4.0)
    # The sum alternates; for a small limit it needs more terms than it has, but is 1.
    p = float((signs * ndtr(-odd * limit)).sum()) if limit > 0.1 else 1.0
    return min(1.0, max(p, _TINY))


def looking_drift(power: float) -> float:
    """Return the effect, in standard errors at the planned end, that is found with this power."""
    from scipy.optimize import brentq  # noqa: PLC0415 - slow to import
    from scipy.special import log_ndtr, ndtr, ndtri  # noqa: PLC0415 - slow to import

    limit = -float(ndtri((1 - CONFIDENCE) / 4))

    def missing(drift: float) -> float:
        reflected = math.exp(2 * drift * limit + float(log_ndtr(-drift - limit)))
        return float(ndtr(drift - limit)) + reflected - power

    return float(brentq(missing, 0.0, 20.0))


def _between_looks(looks: int) -> float:
    """Return how much closer the boundary lies because nobody looks in between.

    Siegmund's correction, and a term that meets the constants of Jennison and Turnbull (2000, table
    2.3) for 1 to 20 looks within 0.002.
    """
    return 0.5826 / math.sqrt(looks) - 0.3 / looks
