"""Curves and intervals as one line of text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters of charts.

    `levels` of a curve rise; `unknown` is for a curve and `none` for a table; `zero` and `crossing`
    mark 0 outside and inside an interval, `band` what does not matter.
    """

    levels: str
    unknown: str
    none: str
    dash: str
    zero: str
    band: str
    line: str
    crossing: str
    start: str
    end: str
    mark: str


BLOCKS = Signs("▁▂▃▄▅▆▇█", "·", "–", "–", "│", "·", "─", "┼", "├", "┤", "●")
PLAIN = Signs("_.:-=+*#", " ", "-", "-", "|", ".", "-", "+", "[", "]", "o")
"""For terminals that know ASCII alone."""


def sparkline(
    values: Sequence[float | None], low: float, high: float, signs: Signs = BLOCKS
) -> str:
    """Draw a curve, one character for each value; what is beyond `low` and `high` is clipped."""
    top = len(signs.levels) - 1

    def sign(value: float | None) -> str:
        if value is None:
            return signs.unknown
        share = (value - low) / (high - low) if high > low else 0.0
        return signs.levels[min(top, int(min(1.0, max(0.0, share)) * (top + 1)))]

    return "".join(sign(value) for value in values)


def squeezed(values: Sequence[float | None], width: int) -> list[float | None]:
    """Return a curve of at most `width` values: means of neighbours, None where none is known."""
    if len(values) <= width:
        return list(values)
    places = [round(place * len(values) / width) for place in range(width + 1)]
    pieces = (
        [value for value in values[start:end] if value is not None]
        for start, end in pairwise(places)
    )
    return [sum(piece) / len(piece) if piece else None for piece in pieces]


def interval_bar(
    interval: tuple[float, float, float],
    scale: tuple[float, float],
    width: int,
    *,
    band: float = 0.0,
    signs: Signs = BLOCKS,
) -> str:
    """Draw an interval (low, estimate, high) on a scale that several lines may share.

    The interval lies within the scale; `width` is at least 2. The stretch around 0 of half-width
    `band` is marked as too small to matter.
    """
    first, last = scale

    def place(value: float) -> int:
        return min(width - 1, max(0, round((value - first) / (last - first) * (width - 1))))

    cells = [" "] * width
    if band > 0:
        cells[place(-band) : place(band) + 1] = signs.band * (place(band) - place(-band) + 1)
    low, value, high = (place(each) for each in interval)
    cells[low : high + 1] = signs.line * (high - low + 1)
    if first <= 0 <= last:
        cells[place(0.0)] = signs.crossing if low < place(0.0) < high else signs.zero
    cells[low], cells[high] = signs.start, signs.end
    cells[value] = signs.mark
    return "".join(cells)
