"""How sure a figure is when **viewers** are the unit: intervals, tests, corrections, and how many viewers are lacking.

Nothing here knows what is compared. Two ads come as an array of shape `(u, 2)`: one row for each
viewer, one column for each ad, NaN where the viewer did not see the ad. Somebody who saw both is
one row with two values and stays one in every draw.

The standard error that the tests and intervals share is that of the difference's influence
function,

`SE^2 = sum_i (a_i / sqrt(n_a (n_a - 1)) - b_i / sqrt(n_b (n_b - 1)))^2`

with `a_i`, `b_i` a viewer's deviations from the means of the two ads, 0 where an ad was not seen.
Without common viewers that is the error of Welch's test, with only common ones that of the paired
test, and in between it counts what the two ads' values of one viewer have in common.

Sources: *Efron and Tibshirani 1993*, An Introduction to the Bootstrap; *Hesterberg 2015*, What
Teachers Should Know About the Bootstrap (expanded percentile interval); *Janssen 1997*, Studentized
permutation tests for non-i.i.d. hypotheses; *Chung and Romano 2013*, Exact and asymptotically
robust permutation tests; *Derrick, Toher and White 2017*, How to compare the means of two samples
that include paired observations and independent observations (degrees of freedom); *Besag and
Clifford 1991*, Sequential Monte Carlo p-values; *Holm 1979*, A simple sequentially rejective
multiple test procedure; *Rosner 2015*, Fundamentals of Biostatistics, chapter 8 (sample size).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95
DRAWS = 2000
PERMUTATIONS = 2000

ENOUGH_EXCEEDANCES = 200
"""A test ends when so many permutations were as large as the real one: its p-value is then known to a fourteenth."""

MANY_VIEWERS = 500
"""From here on Student's distribution, which draws and permutations tend to, takes their place: it agrees to the third digit
and takes no time."""

_CELLS_PER_CHUNK = 2_000_000
_NOISE = 1e-12
"""Spreads that are smaller than this share of the values are rounding errors."""


# --- intervals ------------------------------------------------------------------------------------


def expanded_level(degrees: float, inflation: float, confidence: float = CONFIDENCE) -> float:
    """The quantile at which an interval of bootstrap draws ends: `a = Phi(-inflation * t)`, the upper end is at `1 - a`.

    `t` is Student's quantile for `degrees`. Draws from few viewers spread less than the figure
    itself does, and their spread is itself uncertain: with the plain 2.5 % the interval would be
    too narrow. For many viewers `a` is 2.5 %.

    Source: Hesterberg 2015; for a mean over `n` viewers `degrees = n - 1` and `inflation = sqrt(n /
        (n - 1))`.

    Args:
        degrees: Degrees of freedom of the standard error, above 0.
        inflation: The standard error / the spread of the draws, 1 or more.
        confidence: 0 to 1.

    Returns:
        0 to 0.5.
    """
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415 - slow to import

    return float(ndtr(-inflation * stdtrit(degrees, (1 + confidence) / 2)))


def draw_counts(viewers: int, draws: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Draws viewers with replacement, as many as there are, over and over.

    Args:
        viewers: How many there are, at least 1.
        draws: How often they are drawn.
        rng: Source of chance. How the draws are cut into pieces depends on `viewers` alone.

    Yields:
        Arrays of shape `(rows, viewers)`, together `draws` rows: how often each viewer was drawn.
        One piece at a time is in memory.
    """
    step = max(1, _CELLS_PER_CHUNK // viewers)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = rng.integers(0, viewers, size=(rows, viewers)) + np.arange(rows)[:, None] * viewers
        yield (
            np.bincount(drawn.ravel(), minlength=rows * viewers)
            .reshape(rows, viewers)
            .astype(np.float64)
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two means over viewers, some of whom may stand behind both.

    Attributes:
        first_viewers, second_viewers: Viewers of each ad, at least 2.
        common_viewers: Those of both. first_mean, second_mean: Mean over the viewers of each.
        first_spread, second_spread: Standard deviation between the viewers of each. error: Standard
        error of the difference; see the module. degrees: Its degrees of freedom: Welch's without
        common viewers, `n - 1` with only common ones, in between by the
            share of each (Derrick, Toher and White 2017).
        inflation: `error` / the spread that bootstrap draws of the difference have.
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
    """Subtracts the mean over viewers of the second column from that of the first.

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
    """Bootstrap intervals of the difference of two means: viewers of either ad are drawn, with all that they have.

    The limits are quantiles of the draws, expanded for few viewers by `expanded_level`. From
    `MANY_VIEWERS` on they are those of Student's distribution.

    Args:
        values: As for `difference_of_means`.
        seed: Seeds the draws: the same data give the same intervals, to the last bit.
        confidences: Of each interval, 0 to 1; all come from the same draws.
        draws: How often viewers are drawn.

    Returns:
        Lower and upper limit for each confidence.
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
    # Sums and counts of both ads in one product.
    columns = np.hstack([np.where(seen, values, 0.0), seen.astype(np.float64)])
    pieces = []
    for times in draw_counts(values.shape[0], draws, np.random.default_rng(seed)):
        sums = times @ columns
        with np.errstate(invalid="ignore", divide="ignore"):
            means = sums[:, :2] / sums[:, 2:]
        pieces.append(means[:, 0] - means[:, 1])
    drawn = np.concatenate(pieces)
    # A draw may miss everybody who saw one of the ads; it has no difference to count.
    drawn = drawn[np.isfinite(drawn)]
    levels = [
        expanded_level(found.degrees, found.inflation, confidence) for confidence in confidences
    ]
    limits = [np.quantile(drawn, [level, 1 - level]) for level in levels]
    return [(float(low), float(high)) for low, high in limits]


# --- tests ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Labelled:
    """The viewers of two ads, split by what a permutation may do with them.

    Attributes:
        alone: Values of those of one ad only, the first ad's before the second's; shuffled.
        first_alone: How many of them are the first ad's.
        both: Shape `(m, 2)`, values of those of both; swapped.
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

        Args:
            shuffled: Shape `(rows, len(alone))`, `alone` in other orders.
            swapped: Shape `(rows, m)`, 1 where the two values of a viewer change places.
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
    """Probability of a difference at least as large, in standard errors, if it made no difference which ad was seen.

    The ads are exchanged between viewers of one ad only, and within viewers of both. If the ads
    work alike on everybody the test is exact, however few viewers there are. Because the difference
    is divided by its standard error anew in every permutation, the test also keeps its level, for
    many viewers, when only the means are equal and the spreads are not (Janssen 1997; Chung and
    Romano 2013). From `MANY_VIEWERS` on the p-value is that of Student's distribution.

    Args:
        values: As for `difference_of_means`.
        seed: The same data and the same seed give the same p-value.
        permutations: At most so many. A test ends earlier when `ENOUGH_EXCEEDANCES` of them were as
            large as the real one, most often where there is no difference (Besag and Clifford
            1991).

    Returns:
        Above 0, at most 1; at least `1 / (permutations + 1)`, for the real labels are one of the
        permutations.
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
    # The first pieces are short, for most tests that find nothing end there.
    largest = max(1, _CELLS_PER_CHUNK // values.shape[0])
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
    """Corrects p-values for the number of tests: below 0.05 there is, with 95 % certainty, no wrong finding among them all.

    The smallest of `k` is multiplied by `k`, the next by `k - 1`, and so on, and none may become
    smaller than one before it.

    Source: Holm 1979. Never less powerful than Bonferroni's correction, and, like it, right for
    tests that depend on each other, as those of pairs that share an ad do.

    Args:
        p_values: Any number, 0 to 1.

    Returns:
        In the same order, each at least as large as before and at most 1.
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
    """How many more viewers of each of two ads are needed to find a difference, if it is as large as said.

    The smallest `x` with `s_a^2 / (n_a + x) + s_b^2 / (n_b + x) <= (difference / (z_level +
    z_power))^2`, where the spreads `s` are those found so far and the new viewers see one ad each.

    Source: Rosner 2015, two samples with unequal spreads, normal approximation.

    Args:
        found: What is known so far.
        difference: The difference to find, above 0.
        power: With which probability it is to be found, 0.5 to 1.
        level: Of the two-sided test, 0 to 1.

    Returns:
        0 when there are enough.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import

    allowed = (difference / float(ndtri(1 - level / 2) + ndtri(power))) ** 2
    n, m = found.first_viewers, found.second_viewers
    a, b = found.first_spread**2, found.second_spread**2
    # The larger root of allowed (n + x) (m + x) = a (m + x) + b (n + x).
    half = (allowed * (n + m) - a - b) / 2
    rest = allowed * n * m - a * m - b * n
    return max(0, math.ceil((-half + math.sqrt(max(half * half - allowed * rest, 0.0))) / allowed))
