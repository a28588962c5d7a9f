"""Which seconds of an ad stand out: shrunk curves with intervals, and tests over all seconds.

The largest of thirty noisy means is large even where nothing happened, so a peak, a trough and the
best of anything are shown shrunk (empirical Bayes), and claimed only with a test of the largest of
all seconds behind them.

A viewer's seconds are compared with **the same viewer's** mean over the ad: faces that are
friendlier throughout, and people who come and go, then make no peak. What the viewers of one play
have in common (a noise in the shop) is allowed for: viewers are added up by **cluster**, the first
play of the ad that they were in, and errors and tests take clusters for the unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from monitor.analytics.statistics import CONFIDENCE, MAX_CELLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MIN_CLUSTERS = 6
"""With fewer plays no second can be told from an accident in the shop."""

MAX_CLUSTERS = 200
"""Of an ad in a test: more plays are added up with their neighbours, which costs no power."""

FLIPS = 2000
MORE_FLIPS = 20_000
"""Sign flips of a test, and of one that may turn out certain."""

PRIOR_SPREAD = 0.1
"""Scale of the prior of how far the seconds of an ad differ, in valence or as a share."""

PRIOR_MEMORY = 0.5
"""Correlation of what an ad does in two neighbouring seconds, before the data are seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """How far the viewers of an ad were from their own means, by second: `k` known seconds.

    Attributes:
        seconds: `(k,)`, rising.
        viewers: `(k,)`, how many are behind each.
        level: Mean over viewers of each one's mean over the ad.
        level_error: Its clustered standard error.
        deviation: `(k,)`, mean over the viewers of a second of their distance from their own means.
        sums: `(g, k)`, what each cluster adds to `deviation`.
        share: `(g, k)`, the share of a second's viewers that are in each cluster.
    """

    seconds: Ints
    viewers: Ints
    level: float
    level_error: float
    deviation: Floats
    sums: Floats
    share: Floats

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return int(self.sums.shape[0])

    def covariance(self) -> Floats:
        """Return the covariance of `deviation`, `(k, k)`, from clusters, steadied for few of them.

        The empirical matrix of few clusters has random correlations; it is blended with one whose
        correlation falls off with the distance of two seconds, at the mean rate of neighbours.
        """
        g, k = self.sums.shape
        centred = self.sums - self.share * self.deviation
        empirical = g / (g - 1) * centred.T @ centred
        spread = np.sqrt(np.diag(empirical))
        # A second in which all were alike is known no better than its neighbours.
        spread = np.maximum(spread, 0.25 * float(np.median(spread)) + 1e-6)
        if k < 2:
            return np.asarray(np.diag(spread**2))
        correlation = empirical / np.outer(spread, spread)
        neighbours = np.diagonal(correlation, 1)[np.diff(self.seconds) == 1]
        # Deviations from a mean over k seconds are correlated by -1 / (k - 1) if seconds are not.
        memory = float(neighbours.mean()) + 1 / (k - 1) if neighbours.size else 0.0
        smooth = _falling_off(self.seconds, min(max(memory, 0.0), 0.95))
        weight = k / (k + g)
        blended = (1 - weight) * correlation + weight * smooth
        np.fill_diagonal(blended, 1.0)
        return np.asarray(blended * np.outer(spread, spread))


def _falling_off(seconds: Ints, memory: float) -> Floats:
    return np.asarray(
        np.power(memory, np.abs(np.subtract.outer(seconds, seconds)), dtype=np.float64)
    )


def first_plays(viewer_id: Ints, play_id: Ints) -> tuple[Ints, Ints]:
    """Return the viewers, rising, and the first play of the ad that each of them was in.

    Args:
        viewer_id, play_id: `(e,)`, of exposures to one ad.
    """
    order = np.lexsort((play_id, viewer_id))
    viewers, first = np.unique(viewer_id[order], return_index=True)
    return viewers, play_id[order][first]


def curve_of(
    viewer: Ints, second: Ints, values: Floats, clusters: Ints, *, min_viewers: int = 1
) -> Curve | None:
    """Return the curve of values of viewers in seconds, `(c,)` each, each pair once.

    Viewers with one second only are left out: nothing differs from its own mean. None with fewer
    than three seconds or two clusters.

    Args:
        viewer: Places in `clusters`.
        second: Which second.
        values: What was seen of the viewer in it; NaN where not known.
        clusters: `(v,)`.
        min_viewers: Seconds with fewer viewers are left out.
    """
    some = np.isfinite(values)
    some &= (np.bincount(second, some, second.max(initial=0) + 1) >= min_viewers)[second]
    viewer, second, values = viewer[some], second[some], values[some]
    some = np.bincount(viewer, minlength=clusters.size)[viewer] > 1
    viewer, second, values = viewer[some], second[some], values[some]
    seconds, place = np.unique(second, return_inverse=True)
    viewers, row = np.unique(viewer, return_inverse=True)
    names, cluster = np.unique(clusters[viewers], return_inverse=True)
    if seconds.size < 3 or names.size < 2:
        return None
    means = np.bincount(row, values) / np.bincount(row)
    n = np.bincount(place)
    cell = cluster[row] * seconds.size + place
    shape = (names.size, seconds.size)
    within = (values - means[row]) / n[place]
    sums = _added(cell, within, shape)
    share = _added(cell, 1 / n[place], shape)
    level = float(means.mean())
    of_level = np.bincount(cluster, (means - level) / means.size)
    error = math.sqrt(names.size / (names.size - 1) * float((of_level**2).sum()))
    return Curve(
        seconds=seconds.astype(np.int64),
        viewers=n,
        level=level,
        level_error=error,
        deviation=sums.sum(axis=0),
        sums=sums,
        share=share,
    )


def _added(cell: Ints, values: Floats, shape: tuple[int, int]) -> Floats:
    added = np.bincount(cell, values, shape[0] * shape[1])
    return added.astype(np.float64).reshape(shape)


# --- shrunk ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A shrunk figure with its 95% interval."""

    value: float
    low: float
    high: float

    def __neg__(self) -> Shrunk:
        return Shrunk(-self.value, -self.high, -self.low)


@dataclass(frozen=True, slots=True, eq=False)
class ShrunkCurve:
    """What is believed about a curve once it is known how far seconds differ by chance.

    `mean`, `(k,)`, and `covariance`, `(k, k)`, are those of the deviations; `reach` is how many
    standard deviations an interval extends to either side.
    """

    curve: Curve
    mean: Floats
    covariance: Floats
    reach: float

    def at(self, second: int) -> Shrunk | None:
        """Return the figure in a second, None where it is not known."""
        place = self._place(second)
        if place is None:
            return None
        variance = self.covariance[place, place] + self.curve.level_error**2
        return self._estimate(self.curve.level + self.mean[place], variance)

    def above_level(self, place: int) -> Shrunk:
        """Return the figure in a known second, with an interval of its distance from the level."""
        value = self.curve.level + self.mean[place]
        return self._estimate(value, float(self.covariance[place, place]))

    def change(self, second: int) -> Shrunk | None:
        """Return the rise from the second before, None where one of them is not known."""
        before, after = self._place(second - 1), self._place(second)
        if before is None or after is None:
            return None
        weights = np.zeros(self.mean.size)
        weights[[before, after]] = -1, 1
        return self.contrast(weights)

    def contrast(self, weights: Floats) -> Shrunk:
        """Return a weighted sum of seconds, `(k,)` weights that add up to 0."""
        variance = float(weights @ self.covariance @ weights)
        return self._estimate(float(weights @ self.mean), variance)

    def _place(self, second: int) -> int | None:
        place = int(np.searchsorted(self.curve.seconds, second))
        known = place < self.curve.seconds.size and self.curve.seconds[place] == second
        return place if known else None

    def _estimate(self, value: float, variance: float) -> Shrunk:
        reach = self.reach * math.sqrt(max(variance, 0.0))
        return Shrunk(float(value), float(value - reach), float(value + reach))


def shrink(curve: Curve) -> ShrunkCurve:
    """Shrink a curve towards its level as far as its seconds may differ by chance.

    Normal-normal empirical Bayes (Efron and Morris 1973): the deviations are the true ones plus an
    error with the clustered covariance; the true ones are normal, correlated between neighbouring
    seconds, with a spread that the curve itself estimates. The spread is not plugged in: the
    posterior is averaged over it, with a half-Cauchy prior (Gelman 2006), so intervals allow for
    not knowing it.
    """
    from scipy.linalg import eigh  # noqa: PLC0415 - slow to import
    from scipy.special import stdtrit  # noqa: PLC0415

    error = curve.covariance()
    # In this basis errors are independent with variance 1, and the prior is diagonal.
    scale, basis = eigh(_falling_off(curve.seconds, PRIOR_MEMORY), error)
    seen = basis.T @ curve.deviation
    # Midpoints of equal slices of the prior.
    spreads = PRIOR_SPREAD * np.tan(np.pi / 2 * (np.arange(100) + 0.5) / 100)
    signal = spreads[:, None] ** 2 * np.maximum(scale, 0.0)
    log_likelihood = -0.5 * (np.log1p(signal) + seen**2 / (1 + signal)).sum(axis=1)
    weights = np.exp(log_likelihood - log_likelihood.max())
    weights /= weights.sum()
    kept = signal / (1 + signal)
    mean_kept = weights @ kept
    means = (kept - mean_kept) * seen
    inner = np.diag(mean_kept) + means.T @ (weights[:, None] * means)
    back = error @ basis
    return ShrunkCurve(
        curve=curve,
        mean=back @ (mean_kept * seen),
        covariance=back @ inner @ back.T,
        reach=float(stdtrit(curve.clusters - 1, (1 + CONFIDENCE) / 2)),
    )


# --- tests ----------------------------------------------------------------------------------------


def falls(curve: Curve, *, width: int = 4) -> tuple[Ints, Floats]:
    """Return what a fall is at each place where neighbouring seconds are known.

    A fall at second `k` is the mean of up to `width` seconds before minus that of as many from `k`
    on, so that a glance aside counts less than a change that lasts.

    Returns:
        The seconds, `(m,)`, and weights of the curve's seconds, `(m, k)`.
    """
    places = np.flatnonzero(np.diff(curve.seconds) == 1) + 1
    weights = np.zeros((places.size, curve.seconds.size))
    for row, place in enumerate(places):
        # Of the seconds within reach those that are known.
        distance = curve.seconds - curve.seconds[place]
        before, after = (distance < 0) & (distance >= -width), (distance >= 0) & (distance < width)
        weights[row, before], weights[row, after] = 1 / before.sum(), -1 / after.sum()
    return curve.seconds[places], weights


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Means over viewers that are tested whether they are 0.

    Attributes:
        sums: `(g, m)`, what each cluster adds to each mean.
        viewers: `(m,)`, over how many the means are, above 0.
        side: "above": only means above 0 count.
    """

    sums: Floats
    viewers: Floats
    side: Literal["both", "above"]

    @classmethod
    def seconds(cls, curve: Curve) -> Means:
        """Test whether seconds differ from the level."""
        return cls(_merged(curve.sums), curve.viewers.astype(np.float64), "both")

    @classmethod
    def falls(cls, curve: Curve) -> Means:
        """Test whether the figure falls, as `falls` says."""
        _, weights = falls(curve)
        viewers = 1 / (weights**2 @ (1 / curve.viewers))
        return cls(_merged(curve.sums @ weights.T), viewers, "above")


def _merged(sums: Floats) -> Floats:
    """Add up neighbouring clusters where there are more than `MAX_CLUSTERS`."""
    clusters = sums.shape[0]
    if clusters <= MAX_CLUSTERS:
        return sums
    return np.add.reduceat(sums, np.arange(MAX_CLUSTERS) * clusters // MAX_CLUSTERS, axis=0)


def largest_p(kinds: Sequence[Sequence[Means]], *, seed: int | Sequence[int]) -> list[Floats]:
    """Test all means of a report together; p-values are corrected for all of them.

    The statistic is a mean divided by its size, the root of its clusters' sum of squares, or by
    that of a usual mean of its kind over as many viewers where this is larger: a second in which by
    chance none of a few strong faces fell is not certain for being so quiet. The signs of whole
    clusters are flipped at random, all means of an ad together, and a p-value is the share of flips
    in which the **largest** statistic of all means is as large (Westfall and Young 1993): so it
    holds for all together, and loses little where means say the same. It needs errors of clusters
    that are symmetric, not normal.

    Args:
        kinds: For each kind of mean those of each ad.
        seed: The same data and seed give the same p-values.

    Returns:
        For each ad of each kind, one after the other, `(m,)`, above 0, at most 1; 1 for an ad with
        fewer than `MIN_CLUSTERS`.
    """
    units: list[tuple[Floats, Means]] = []
    real: list[Floats] = []
    for tested in kinds:
        scaled = [(each.sums**2).sum(axis=0) * each.viewers for each in tested]
        usual = float(np.concatenate(scaled).mean()) if scaled else 0.0
        for each, squares in zip(tested, scaled, strict=True):
            size = np.sqrt(np.maximum(squares, usual) / each.viewers)
            # Rounding errors of a curve on which nothing moves.
            unit = each.sums / np.where(size > 1e-12, size, np.inf)
            if unit.shape[0] < MIN_CLUSTERS:
                unit = np.zeros_like(unit)
            units.append((unit, each))
            real.append(_sided(unit.sum(axis=0), each.side))
    found = _flipped(units, real, FLIPS, seed)
    if min((float(p.min()) for p in found if p.size), default=1.0) < 0.1:
        found = _flipped(units, real, MORE_FLIPS, seed)
    return [np.where(values > 0, p, 1.0) for values, p in zip(real, found, strict=True)]


def _sided(values: Floats, side: str) -> Floats:
    return np.abs(values) if side == "both" else values


def _flipped(
    units: Sequence[tuple[Floats, Means]],
    real: Sequence[Floats],
    flips: int,
    seed: int | Sequence[int],
) -> list[Floats]:
    """Return `(1 + flips whose largest is as large) / (1 + flips)` for each mean."""
    largest = np.zeros(flips)
    rng = np.random.default_rng(seed)
    for unit, tested in units:
        clusters, m = unit.shape
        if clusters < MIN_CLUSTERS or not m:
            continue
        step = max(1, MAX_CELLS // clusters)
        for start in range(0, flips, step):
            rows = slice(start, min(start + step, flips))
            shape = (rows.stop - rows.start, clusters)
            signs = rng.integers(0, 2, size=shape, dtype=np.int8) * np.float32(2) - np.float32(1)
            values = _sided(signs @ unit.astype(np.float32), tested.side).max(axis=1)
            largest[rows] = np.maximum(largest[rows], values)
    largest.sort()
    return [
        (1 + flips - np.searchsorted(largest, values - 1e-5, side="left")) / (1 + flips)
        for values in real
    ]
