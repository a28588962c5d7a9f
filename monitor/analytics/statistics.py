"""Intervals, tests, corrections and sample sizes with **viewers** (or hours) as the unit.

Two ads come as an array of shape `(u, 2)`: one row per viewer, one column per ad, NaN where the
viewer did not see the ad. Somebody who saw both is one row with two values, in every draw too.

Tests and intervals share the standard error of the difference's influence function,

`SE^2 = sum_i (a_i / sqrt(n_a (n_a - 1)) - b_i / sqrt(n_b (n_b - 1)))^2`

with `a_i`, `b_i` a viewer's deviations from the means of the two ads, 0 where an ad was not seen.
Without common viewers it is the error of Welch's test, with only common ones that of the paired
test; in between it counts what the two values of one viewer have in common.

Often the same people see several plays within an hour of one session, so estimates from the play
log draw and add up **hours**: the plays of one session that began in one hour of UTC.
`docs/metrics.md` has the formulas and the sources named here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
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

PERMUTATIONS = 2000
MAX_CELLS = 2_000_000
"""Draws are made in chunks of at most this many numbers, to bound memory."""

ENOUGH_EXCEEDANCES = 200
"""A test ends once this many permutations were as large as the real one: its p-value is then known
to a fourteenth."""

MANY_VIEWERS = 500
"""Above this, Student's distribution replaces draws and permutations, which tend to it: it agrees
to the third digit and costs no time."""

_NOISE = 1e-12
"""Spreads below this share of the values are rounding errors."""

_TINY = 1e-300
"""The smallest p-value; none is 0."""


# --- estimates ------------------------------------------------------------------------------------


def known(value: float) -> float | None:
    """Return a figure for JSON, which has no NaN."""
    return float(value) if math.isfinite(value) else None


def to_document(record: Any) -> Any:
    """Return a dataclass as a JSON object with its fields as keys; NaN becomes None."""
    if isinstance(record, float):
        return known(record)
    if not hasattr(record, "__dataclass_fields__"):
        return record
    return {field.name: to_document(getattr(record, field.name)) for field in fields(record)}


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval; NaN where not known."""

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

    Student's interval with the cluster-robust standard error (Cameron and Miller 2015); its limits
    are NaN with fewer than two hours.

    Args:
        influence: Shape `(n,)`, what each play adds to the estimate.
        hours: Shape `(n,)`, from `hours_of`.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    mean = float(influence.mean())
    sums = np.bincount(np.unique(hours, return_inverse=True)[1], weights=influence - mean)
    count = sums.size
    if count < 2:
        return Interval(mean)
    error = math.sqrt(count / (count - 1) * float((sums**2).sum())) / influence.size
    reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * error
    return Interval(mean, mean - reach, mean + reach)


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
        reach = self.error * self._critical(1 - confidence, effect)
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

    def _critical(self, level: float, effect: float | None) -> float:
        """Return how many errors the interval reaches to each side."""
        from scipy.special import ndtr, stdtrit  # noqa: PLC0415 - slow to import

        if not self.error > 0:
            return 0.0
        tail = level / 2
        if effect is not None:
            tail = float(ndtr(-always_valid_reach(self.error, effect, level)))
        # Student's quantile of the same tail, as the error itself is estimated.
        return -float(stdtrit(self.degrees, max(tail, _TINY)))


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
    return _estimate(
        mean,
        change,
        np.divide(change, 1 - share, out=np.full_like(change, np.nan), where=share < 1),
        leverage=share,
        pull=weights,
        residual=residual,
        weights=weights,
        groups=groups,
        side=np.zeros_like(groups),
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
    whole = totals[0] + totals[1]
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
        change,
        np.where(squares > 0, without, 0.0),
        leverage=leverage,
        pull=pull,
        residual=residual,
        weights=weights,
        groups=groups,
        side=first.astype(np.int64),
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


def _estimate(
    value: float,
    change: Floats,
    without: Floats,
    *,
    leverage: Floats,
    pull: Floats,
    residual: Floats,
    weights: Floats,
    groups: Ints,
    side: Ints,
    noise: float,
) -> Estimate:
    """Add the error, and its degrees of freedom by Satterthwaite's approximation.

    By group: `change` is its influence on the value, `without` what the value loses without it.
    By viewer: viewers of one group and `side` are expected to have the same spread and the same
    correlation, `pull` is the part in the value. Differences up to `noise` are rounding errors.
    """
    icc, size = _intraclass_correlation(residual, groups * 2 + side, np.unique(side).size)
    total = np.bincount(side, weights)
    rest = total - np.bincount(side, weights**2) / np.maximum(total, _TINY)
    spread = np.bincount(side, weights * residual**2) / np.maximum(rest, _NOISE * total.max())
    scaled = pull * np.sqrt(spread)[side]
    scaled = scaled if scaled.any() else pull
    expected = (1 - icc) * np.bincount(groups, scaled**2) + icc * np.bincount(groups, scaled) ** 2
    part = expected > 0
    products, left = change * without, 1 - leverage[part]
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
    cells = np.unique(cells, return_inverse=True)[1]
    sizes = np.bincount(cells).astype(np.float64)
    n, k = residual.size, sizes.size
    size = float((sizes**2).sum()) / n
    if not n > k > sides:
        return 0.0, size
    between = float((np.bincount(cells, residual) ** 2 / sizes).sum())
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

    Draws from few viewers spread less than the figure does, so the plain 2.5 % would be too narrow
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


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two means over viewers, some of whom may have seen both ads.

    `error` is its standard error (see the module), with `degrees` of freedom: Welch's without
    common viewers, `n - 1` with only common ones, weighted in between (Derrick, Toher and White
    2017). `inflation` is `error` / the spread of bootstrap draws; the spreads are standard
    deviations.
    """

    first_viewers: int
    second_viewers: int
    common_viewers: int
    first_mean: float
    second_mean: float
    first_spread: float
    second_spread: float
    error: float
    degrees: float
    inflation: float

    @property
    def value(self) -> float:
        """First minus second."""
        return self.first_mean - self.second_mean


def difference_of_means(values: Floats) -> Difference:
    """Subtract the mean over viewers of the second column from that of the first.

    Args:
        values: Shape `(u, 2)`, NaN where a viewer has no value; at least two values in each column.
    """
    seen = np.isfinite(values)
    n = seen.sum(axis=0).astype(np.float64)
    means = np.where(seen, values, 0.0).sum(axis=0) / n
    deviations = np.where(seen, values - means, 0.0)
    variances = (deviations**2).sum(axis=0) / (n - 1)
    influence = deviations / np.sqrt(n * (n - 1))
    drawn = deviations / n
    error = math.sqrt(float(((influence[:, 0] - influence[:, 1]) ** 2).sum()))
    drawn_error = math.sqrt(float(((drawn[:, 0] - drawn[:, 1]) ** 2).sum()))
    common = int(seen.all(axis=1).sum())
    spreads = np.sqrt(variances)
    return Difference(
        first_viewers=int(n[0]),
        second_viewers=int(n[1]),
        common_viewers=common,
        first_mean=float(means[0]),
        second_mean=float(means[1]),
        first_spread=float(spreads[0]),
        second_spread=float(spreads[1]),
        error=error,
        degrees=_degrees(n, variances, common),
        inflation=error / drawn_error if drawn_error > 0 else 1.0,
    )


def _degrees(n: Floats, variances: Floats, common: int) -> float:
    parts = variances / n
    below = float((parts**2 / (n - 1)).sum())
    welch = float(parts.sum()) ** 2 / below if below > 0 else float(n.min()) - 1
    alone = float(n.sum()) - 2 * common
    return max(1.0, common - 1 + (welch - common + 1) * alone / float(n.sum()))


def difference_intervals(
    values: Floats,
    *,
    seed: int | Sequence[int],
    confidences: Sequence[float] = (CONFIDENCE,),
    draws: int = DRAWS,
) -> list[tuple[float, float]]:
    """Return bootstrap intervals of the difference of two means, drawing viewers with all they saw.

    Above `MANY_VIEWERS` the limits are those of Student's distribution.

    Args:
        values: As for `difference_of_means`.
        seed: The same data and seed give the same intervals, to the last bit.
        confidences: Of each interval, 0 to 1; all come from the same draws.
        draws: How often viewers are drawn.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    found = difference_of_means(values)
    seen = np.isfinite(values)
    if values.shape[0] > MANY_VIEWERS:
        reach = [
            float(stdtrit(found.degrees, (1 + confidence) / 2)) * found.error
            for confidence in confidences
        ]
        return [(found.value - each, found.value + each) for each in reach]
    columns = np.hstack([np.where(seen, values, 0.0), seen.astype(np.float64)])
    pieces = []
    for times in draw_counts(values.shape[0], draws, np.random.default_rng(seed)):
        sums = times @ columns
        with np.errstate(invalid="ignore", divide="ignore"):
            means = sums[:, :2] / sums[:, 2:]
        pieces.append(means[:, 0] - means[:, 1])
    drawn = np.concatenate(pieces)
    # A draw may miss everybody who saw one of the ads.
    drawn = drawn[np.isfinite(drawn)]
    levels = [
        expanded_level(found.degrees, found.inflation, confidence) for confidence in confidences
    ]
    limits = [np.quantile(drawn, [level, 1 - level]) for level in levels]
    return [(float(low), float(high)) for low, high in limits]


# --- tests ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Labelled:
    """The viewers of two ads, split by what a permutation does with them.

    `alone` are the values of those of one ad only, shuffled, of which `first_alone` are the first
    ad's and come first; `both`, shape `(m, 2)`, those of both ads, swapped.
    """

    alone: Floats
    first_alone: int
    both: Floats

    @classmethod
    def of(cls, values: Floats) -> _Labelled:
        seen = np.isfinite(values)
        both = seen.all(axis=1)
        first, second = values[seen[:, 0] & ~both, 0], values[seen[:, 1] & ~both, 1]
        # Shifted by one value for all, which changes no difference and keeps sums of squares exact.
        middle = float(values[seen].mean())
        return cls(np.concatenate([first, second]) - middle, first.size, values[both] - middle)

    def statistics(self, shuffled: Floats, swapped: Floats) -> Floats:
        """`|difference| / SE` of relabelled viewers.

        `shuffled` has rows of `alone` in other orders; `swapped`, shape `(rows, m)`, is 1 where the
        two values of a viewer change places.
        """
        m = self.both.shape[0]
        n = np.array([self.first_alone, self.alone.size - self.first_alone], dtype=np.float64) + m
        change = self.both[:, 1] - self.both[:, 0]
        change_of_squares = self.both[:, 1] ** 2 - self.both[:, 0] ** 2
        moved, moved_squares = swapped @ change, swapped @ change_of_squares
        of_both = self.both.sum(axis=0)
        both_first, both_second = of_both[0] + moved, of_both[1] - moved
        chosen = shuffled[:, : self.first_alone]
        sum_first, squares_first = chosen.sum(axis=1), np.einsum("ij,ij->i", chosen, chosen)
        squares_of_both = (self.both**2).sum(axis=0)
        mean_first = (sum_first + both_first) / n[0]
        mean_second = (float(self.alone.sum()) - sum_first + both_second) / n[1]
        squares = float((self.alone**2).sum())
        first = squares_first + squares_of_both[0] + moved_squares - n[0] * mean_first**2
        second = (
            squares - squares_first + squares_of_both[1] - moved_squares - n[1] * mean_second**2
        )
        products = float((self.both[:, 0] * self.both[:, 1]).sum())
        shared = (
            products
            - mean_first * both_second
            - mean_second * both_first
            + m * mean_first * mean_second
        )
        places = n * (n - 1)
        variance = (
            first / places[0] + second / places[1] - 2 * shared / math.sqrt(places[0] * places[1])
        )
        noise = _NOISE * (squares + float(squares_of_both.sum())) / float(n[0] * n[1])
        variance = np.where(variance > noise, variance, 0.0)
        distance = np.abs(mean_first - mean_second)
        with np.errstate(divide="ignore"):
            # Without any spread a difference is infinitely many errors wide.
            return np.asarray(
                np.divide(
                    distance, np.sqrt(variance), out=np.zeros_like(distance), where=distance > 0
                )
            )


def permutation_p(
    values: Floats, *, seed: int | Sequence[int], permutations: int = PERMUTATIONS
) -> float:
    """Return the probability of so large a difference, in standard errors, if both ads work alike.

    Ads are exchanged between viewers of one ad only, and within viewers of both; each permutation
    is divided by its own standard error (Janssen 1997; Chung and Romano 2013). A test ends early
    once `ENOUGH_EXCEEDANCES` permutations were as large as the real one (Besag and Clifford 1991).
    Above `MANY_VIEWERS` it is Student's test.

    Args:
        values: As for `difference_of_means`.
        seed: The same data and seed give the same p-value.
        permutations: Upper limit; the real labels count as one more.

    Returns:
        Above 0, at most 1.
    """
    from scipy.special import stdtr  # noqa: PLC0415 - slow to import

    known = values[np.isfinite(values)]
    if float(np.ptp(known)) <= _NOISE * float(np.abs(known).max()):
        return 1.0
    if values.shape[0] > MANY_VIEWERS:
        found = difference_of_means(values)
        if not found.error > 0:
            return 1 / (permutations + 1)
        return max(
            float(2 * stdtr(found.degrees, -abs(found.value) / found.error)),
            float(np.finfo(np.float64).tiny),
        )
    viewers = _Labelled.of(values)
    real = float(
        viewers.statistics(viewers.alone[None, :], np.zeros((1, viewers.both.shape[0])))[0]
    )
    # Equal sums in another order may differ in their last bits.
    least = real - 1e-9 * max(1.0, real) if math.isfinite(real) else real
    rng = np.random.default_rng(seed)
    # The first chunks are short: most tests that find nothing end there.
    largest = max(1, MAX_CELLS // values.shape[0])
    done = as_large = 0
    while done < permutations:
        rows = min(largest, permutations - done, max(2 * ENOUGH_EXCEEDANCES, done))
        shuffled = rng.permuted(np.tile(viewers.alone, (rows, 1)), axis=1)
        swapped = rng.integers(0, 2, size=(rows, viewers.both.shape[0])).astype(np.float64)
        places = np.flatnonzero(viewers.statistics(shuffled, swapped) >= least)
        if as_large + places.size >= ENOUGH_EXCEEDANCES:
            return ENOUGH_EXCEEDANCES / (done + int(places[ENOUGH_EXCEEDANCES - as_large - 1]) + 1)
        as_large += int(places.size)
        done += rows
    return (1 + as_large) / (permutations + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values, 0 to 1, for the number of tests, in the same order (Holm 1979).

    With all findings below 0.05 none of them is wrong, with 95 % certainty, for dependent tests
    too.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(
        np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1)), 1.0
    )
    return [float(p) for p in adjusted]


# --- how many viewers -----------------------------------------------------------------------------


def viewers_lacking(found: Difference, difference: float, *, power: float, level: float) -> int:
    """Return how many more viewers of each of two ads are needed to find a difference; 0: enough.

    New viewers see one ad each (Rosner 2015, two samples with unequal spreads, normal
    approximation).

    Args:
        found: What is known so far.
        difference: The difference to find, above 0.
        power: The probability of finding it, 0.5 to 1.
        level: Of the two-sided test, 0 to 1.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import

    allowed = (difference / float(ndtri(1 - level / 2) + ndtri(power))) ** 2
    n, m = found.first_viewers, found.second_viewers
    a, b = found.first_spread**2, found.second_spread**2
    # The larger root of allowed (n + x) (m + x) = a (m + x) + b (n + x).
    half = (allowed * (n + m) - a - b) / 2
    rest = allowed * n * m - a * m - b * n
    return max(0, math.ceil((-half + math.sqrt(max(half * half - allowed * rest, 0.0))) / allowed))


# --- looking until a planned end ------------------------------------------------------------------
#
# An experiment has a planned end, which a sequence that may go on forever cannot use. While data
# come in, `Z_t sqrt(t)` is a Brownian motion over the fraction `t` of the planned data. It leaves
# `[-c, c]` at any time up to the end with probability `4 Phi(-c) - 4 Phi(-3 c) + ...` (reflection
# principle), which is 5 % for `c = 2.241`: the boundary of O'Brien and Fleming (1979). With one
# look a day it may be a little closer (Siegmund 1985). That costs 6 % more data than one look at
# the end, where the sequence for an unknown end costs about 70 %.


def looking_interval(found: Estimate, fraction: float, looks: int) -> Interval:
    """Return the interval that holds at every look up to a planned end, with 95 % for all together.

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
