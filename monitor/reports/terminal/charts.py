"""Charts of one line of text: curves and intervals. Pure functions from figures to characters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters that charts are drawn with.

    Attributes:
        levels: Of a curve, from the lowest to the highest.
        unknown: Of a curve where nothing is known.
        none: In a table where nothing is known.
        dash: Between two names. zero, band, line, crossing, start, end, mark: Of an interval: the
        place of 0, the stretch of differences that do not
            matter, the interval, the place of 0 inside it, its two ends, and the estimate.
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
    """A curve in one line, one character for each value.

    Args:
        values: None where nothing is known. low, high: What the lowest and the highest character
        stand for; values beyond them get these. If they are equal, all
            known values get the lowest one.
        signs: Which characters.
    """
    top = len(signs.levels) - 1

    def sign(value: float | None) -> str:
        if value is None:
            return signs.unknown
        share = (value - low) / (high - low) if high > low else 0.0
        return signs.levels[min(top, int(min(1.0, max(0.0, share)) * (top + 1)))]

    return "".join(sign(value) for value in values)


def squeezed(values: Sequence[float | None], width: int) -> list[float | None]:
    """A curve of at most so many values: the means of neighbours, None where none of them is known.

    Args:
        values: Any number.
        width: At least 1.
    """
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
    """An interval and its estimate in one line, on a scale that several lines may share.

    Args:
        interval: Lower limit, estimate, upper limit.
        scale: What the first and the last character stand for, the first below the last; all of the
            interval lies within.
        width: How many characters, at least 2.
        band: Half the width of the stretch around 0 that is marked as too small to matter.
        signs: Which characters.
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
