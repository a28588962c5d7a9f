"""The bootstrap over viewers, in one process or, for many units, in parts anywhere.

With few units, draws are taken with replacement from one stream of random numbers. With
`SPLIT_UNITS` or more, each draw gives each unit a Poisson weight that follows from the seed, the
unit and the draw alone (Hanley and MacGibbon 2006; Chamandy and others 2012), and sums are whole
numbers. So the sums of any parts add up to those of all, to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analytics.statistics import (
    CONFIDENCE,
    DRAWS,
    MAX_CELLS,
    draw_counts,
    expanded_level,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from monitor.workers import Map

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SPLIT_UNITS = 10_000
"""From so many units on, draws are split. With fewer it would not pay, and some draws of a few
units would be empty."""

PART_CELLS = 200_000
"""Units and seconds of a part: about half a second of work."""

_WEIGHTS_A_BLOCK = 16
"""Philox makes four numbers of 64 bits at a time, and a weight takes 16 bits."""


def bootstrap_mean_interval(
    unit: Ints,
    second: Ints,
    values: Floats,
    seconds: int,
    *,
    seed: int | Sequence[int],
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    workers: Map = map,
) -> tuple[Floats, Floats]:
    """Return bootstrap intervals of the mean over viewers, drawing **units** with replacement.

    A unit is a viewer, or a group of viewers who react alike. Each draw averages the viewers
    present in each second. The limits are quantiles of the draws, expanded for small samples (Efron
    and Tibshirani 1993; Hesterberg 2015; `expanded_level`).

    Args:
        unit, second, values: Shape `(c,)`: the viewer's unit, the second, and the viewer's value in
            it, no NaN.
        seconds: Number of seconds `k`.
        seed: The same data and seed give the same interval, to the last bit.
        draws: How often the units are drawn.
        confidence: 0 to 1.
        workers: Where the parts of many units are drawn; the interval is the same.

    Returns:
        Lower and upper limits, shape `(k,)` each; NaN with fewer than two units.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import

    low, high = np.full(seconds, np.nan), np.full(seconds, np.nan)
    names, row = np.unique(unit, return_inverse=True)
    # Sparse, because a viewer is seen in few seconds.
    shape = (seconds, names.size)
    summed = csr_array((values, (second, row)), shape=shape)
    counted = csr_array((np.ones(values.size), (second, row)), shape=shape)
    n = np.diff(counted.indptr)  # of units in each second
    if not (n >= 2).any():
        return low, high
    if names.size < SPLIT_UNITS:
        means = _drawn_means(summed, counted, draws, seed)
    else:
        means = _weighted_means(summed, counted, draws, seed, workers)
    for k in np.flatnonzero(n >= 2):
        level = expanded_level(float(n[k] - 1), math.sqrt(n[k] / (n[k] - 1)), confidence)
        # A draw may miss everybody who was there in this second.
        low[k], high[k] = np.quantile(means[k][np.isfinite(means[k])], [level, 1 - level])
    return low, high


def _drawn_means(summed: Any, counted: Any, draws: int, seed: int | Sequence[int]) -> Floats:
    """Return the means of draws with replacement, `(k, draws)`."""
    pieces = []
    for times in draw_counts(summed.shape[1], draws, np.random.default_rng(seed)):
        with np.errstate(invalid="ignore", divide="ignore"):
            pieces.append((summed @ times.T) / (counted @ times.T))
    return np.concatenate(pieces, axis=1)


# --- many units -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Units that are weighted together.

    Attributes:
        summed, counted: Sparse arrays of whole numbers, `(k, units)`: values and viewers.
        first: Number of the first unit, from 0; the others follow.
        key: Of the random numbers.
        draws: How many.
    """

    summed: Any
    counted: Any
    first: int
    key: tuple[int, int]
    draws: int


def weighted_sums(part: Part) -> Ints:
    """Return the weighted sums of values and of viewers in each draw, `(2, k, draws)`."""
    seconds, units = part.summed.shape
    sums = np.zeros((2, seconds, part.draws), dtype=np.int64)
    step = max(1, MAX_CELLS // part.draws)
    for start in range(0, units, step):
        columns = slice(start, min(start + step, units))
        weights = poisson_weights(
            part.key, part.first + start, columns.stop - columns.start, part.draws
        )
        sums[0] += part.summed[:, columns] @ weights
        sums[1] += part.counted[:, columns] @ weights
    return sums


def poisson_weights(key: tuple[int, int], first: int, units: int, draws: int) -> Ints:
    """Return Poisson weights with mean 1, `(units, draws)`, for units numbered from `first` on.

    A weight depends on the key, the unit and the draw alone. The generator is Philox (Salmon and
    others 2011), which can begin anywhere in its stream.
    """
    blocks = -(-draws // _WEIGHTS_A_BLOCK)
    generator = np.random.Philox(key=np.array(key, dtype=np.uint64), counter=first * blocks)
    words = generator.random_raw(units * blocks * 4).astype("<u8").view("<u2")
    return np.asarray(_poisson_table()[words.reshape(units, -1)[:, :draws]])


@cache
def _poisson_table() -> Ints:
    """Return the Poisson quantiles of the middles of 65,536 equal steps."""
    share = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(12)])
    return np.searchsorted(share, (np.arange(1 << 16) + 0.5) / (1 << 16)).astype(np.int64)


def _weighted_means(
    summed: Any, counted: Any, draws: int, seed: int | Sequence[int], workers: Map
) -> Floats:
    """Return the means under Poisson weights, `(k, draws)`."""
    largest = np.abs(summed.data).max(initial=0.0)
    # Whole numbers of 64 bits hold the sums of all values, each with a weight below 16.
    digits = 58 - int(counted.nnz).bit_length() - int(np.frexp(largest)[1])
    summed, counted = summed.tocsc(), counted.tocsc()
    summed.data = np.rint(np.ldexp(summed.data, digits)).astype(np.int64)
    counted.data = counted.data.astype(np.int64)
    state = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    sums = np.zeros((2, summed.shape[0], draws), dtype=np.int64)
    parts = _parts(summed, counted, (int(state[0]), int(state[1])), draws)
    for part in workers(weighted_sums, parts):
        sums += part
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.ldexp(sums[0] / sums[1], -digits))


def _parts(summed: Any, counted: Any, key: tuple[int, int], draws: int) -> Iterator[Part]:
    """Cut the units into parts of about `PART_CELLS` cells."""
    ends = np.searchsorted(
        counted.indptr, np.arange(PART_CELLS, counted.nnz + PART_CELLS, PART_CELLS)
    )
    bounds = np.unique([0, *np.minimum(ends, counted.shape[1]), counted.shape[1]]).tolist()
    for first, end in pairwise(bounds):
        yield Part(summed[:, first:end], counted[:, first:end], first, key, draws)
