"""Tiles: squares of a picture in which the face detector sees faces large enough.

MediaPipe's detector looks at a copy of 128 x 128 pixels and finds a face there from about 0.3 of
that side upwards. Faces far from the camera are therefore looked for in tiles (slicing-aided
inference; Akyon et al., 2022), whose sides form a ladder from the whole picture down to the
smallest face asked for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

LEAST_SHARE = 0.30
"""Least side of a face in a tile, as a share of the tile's side. Measured on ten faces of 130 px: 95 % are found at 0.28,
97 % at 0.33, 68 % at 0.22."""

LADDER = 1.6
"""Largest ratio of the sides of two levels. A face fills between 0.3 and 0.3 * 1.6 = 0.48 of the tile that suits it."""

STRIDE = 0.6
"""Step from tile to tile, as a share of their side: a face of up to 0.4 sides lies wholly in one of them wherever it is."""


class Tile(NamedTuple):
    """A square in pixels; large ones reach beyond the shorter sides of the picture.

    Attributes:
        x: Left.
        y: Top.
        side: Side.
        level: 0 for the whole picture, rising with smaller tiles.
    """

    x: int
    y: int
    side: int
    level: int


def tile_ladder(width: int, height: int, smallest_face_px: float) -> tuple[Tile, ...]:
    """The tiles in which every face is seen well.

    Args:
        width: Of the picture in pixels.
        height: Of the picture in pixels.
        smallest_face_px: Side of the smallest face asked for, above 0.

    Returns:
        The tiles, the largest first.

    Raises:
        ValueError: A size is not positive.
    """
    if width < 1 or height < 1 or smallest_face_px <= 0:
        raise ValueError(
            f"Invalid sizes: expected a picture and a face larger than 0, received {width} x {height} and "
            f"{smallest_face_px}."
        )
    longest = max(width, height)
    tiles = [Tile((width - longest) // 2, (height - longest) // 2, longest, 0)]
    for level, side in enumerate(_sides(longest, smallest_face_px / LEAST_SHARE), start=1):
        tiles += [
            Tile(x, y, side, level) for y in _starts(height, side) for x in _starts(width, side)
        ]
    return tuple(tiles)


def _sides(longest: int, smallest: float) -> list[int]:
    """Sides of the levels below the whole picture, falling by equal ratios of `LADDER` at most."""
    if smallest >= longest:
        return []
    steps = math.ceil(math.log(longest / smallest) / math.log(LADDER))
    return [round(longest * (smallest / longest) ** (step / steps)) for step in range(1, steps + 1)]


def _starts(length: int, side: int) -> list[int]:
    """Evenly spaced places of squares along one side of the picture."""
    if side >= length:
        return [(length - side) // 2]
    count = math.ceil((length - side) / (STRIDE * side)) + 1
    return [round(number * (length - side) / (count - 1)) for number in range(count)]
