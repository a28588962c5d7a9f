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
