"""The bootstrap over viewers, in one process or, for many units, in parts anywhere.

With few units, draws are taken with replacement from one stream of random numbers. With
`SPLIT_UNITS` or more, each draw gives each unit a Poisson weight that follows from the seed, the
unit and the draw alone (Hanley and MacGibbon 2006; Chamandy and others 2012), and sums are whole
numbers. So the sums of any parts add up to those of all, to the last bit.
"""

from __future__ import annotations

import hashlib
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


def seed_of(ad_id: str) -> int:
    """Return the seed for an ad: reports are reproducible, and ads do not share draws."""
    return int.from_bytes(hashlib.sha256(ad_id.encode()).digest()[:8], "big")


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
            it; NaN for all if not known.
        seconds: Number of seconds `k`.
        seed: The same data and seed give the same interval, to the last bit.
        draws: How often the units are drawn.
        confidence: 0 to 1.
        workers: Where the parts of many units are drawn; the interval is the same.

    Returns:
        Lower and upper limits, shape `(k,)` each; NaN with fewer than two units, or where the
        values are not known.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import

    low, high = np.full(seconds, np.nan), np.full(seconds, np.nan)
    if np.isnan(values).any():
        return low, high
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
        means = weighted_ratios(summed, counted, draws, seed=seed, workers=workers)
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
        above, below: Sparse arrays of whole numbers, `(k, units)`.
        first: Number of the first unit, from 0; the others follow.
        key: Of the random numbers.
        draws: How many.
    """

    above: Any
    below: Any
    first: int
    key: tuple[int, int]
    draws: int


def weighted_sums(part: Part) -> Ints:
    """Return the weighted sums above and below in each draw, `(2, k, draws)`."""
    rows, units = part.above.shape
    sums = np.zeros((2, rows, part.draws), dtype=np.int64)
    step = max(1, MAX_CELLS // part.draws)
    for start in range(0, units, step):
        columns = slice(start, min(start + step, units))
        weights = poisson_weights(
            part.key, part.first + start, columns.stop - columns.start, part.draws
        )
        sums[0] += part.above[:, columns] @ weights
        sums[1] += part.below[:, columns] @ weights
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


def weighted_ratios(
    above: Any, below: Any, draws: int, *, seed: int | Sequence[int], workers: Map = map
) -> Floats:
    """Return ratios of sums under Poisson weights, `(k, draws)`; NaN where nothing is below.

    Args:
        above, below: Sparse arrays, `(k, units)`, with entries in the same places.
        draws: How many.
        seed: The same data and seed give the same ratios.
        workers: What adds up parts; the ratios are the same, to the last bit.
    """
    above, up = whole_numbers(above)
    below, down = whole_numbers(below)
    sums = np.zeros((2, above.shape[0], draws), dtype=np.int64)
    for part in workers(weighted_sums, _parts(above, below, key_of(seed), draws)):
        sums += part
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.ldexp(sums[0] / sums[1], down - up))


def key_of(seed: int | Sequence[int]) -> tuple[int, int]:
    """Return a key for Philox."""
    first, second = np.random.SeedSequence(seed).generate_state(2, np.uint64).tolist()
    return first, second


def digits_for(largest: float, count: int) -> int:
    """Return the binary digits that so many values may keep behind the point in sums of 64 bits.

    Each value is at most the `largest`, and has a weight below 16.
    """
    return 58 - count.bit_length() - int(np.frexp(largest)[1])


def whole_numbers(values: Any) -> tuple[Any, int]:
    """Return a sparse array by columns, times a power of two and rounded, and the power."""
    columns = values.tocsc()
    digits = digits_for(np.abs(columns.data).max(initial=0.0), columns.nnz)
    columns.data = np.rint(np.ldexp(columns.data, digits)).astype(np.int64)
    return columns, digits


def _parts(above: Any, below: Any, key: tuple[int, int], draws: int) -> Iterator[Part]:
    for first, end in bounds_of_parts(below.indptr):
        yield Part(above[:, first:end], below[:, first:end], first, key, draws)


def bounds_of_parts(starts: Ints, cost: int = 1) -> list[tuple[int, int]]:
    """Cut units into parts of about `PART_CELLS / cost` cells.

    Args:
        starts: Shape `(units + 1,)`, rising: how many cells the units before have.
        cost: How many times as long as a cell of the bootstrap one takes, 1 or more.

    Returns:
        First unit of each part, and the one behind its last.
    """
    units, step = len(starts) - 1, -(-PART_CELLS // cost)
    ends = np.searchsorted(starts, np.arange(step, int(starts[-1]) + step, step))
    return list(pairwise(np.unique([0, *np.minimum(ends, units), units]).tolist()))
