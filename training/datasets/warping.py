"""Bend a picture by moving points of it: affine within each triangle."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

_NO_MAP = np.empty(0, dtype=np.float32)
SUBPIXEL_BITS = 4
MIN_AREA = 0.02
"""Twice the area in pixels below which a triangle is not painted; nor is one that shows its back.
"""


@cache
def frame_points(side: float, count: int = 4) -> NDArray[np.float64]:
    """Return points around a picture of that side, half a side away, that hold its border still."""
    around = np.linspace(-0.5, 1.5, count + 1) * side
    ends = {around[0], around[-1]}
    return np.array([(x, y) for x in around for y in around if {x, y} & ends])


def bent(
    image: Grey,
    sources: NDArray[np.float64],
    targets: NDArray[np.float64],
    triangles: NDArray[np.int64],
) -> Grey:
    """Return a square picture of which the points `sources` have moved to `targets`.

    Points are `(n, 2)` pixels, and `triangles` `(m, 3)` cover the picture. Where several come to
    lie over each other, the last is seen.
    """
    side = image.shape[0]
    corners, texels = targets[triangles], sources[triangles]
    areas = _areas(corners)
    shown = np.sign(_areas(texels)) * areas > MIN_AREA
    corners, texels, area = corners[shown], texels[shown], areas[shown, None]
    numbers = np.full((side, side), -1, dtype=np.int32)
    for number, corner in enumerate(np.rint(corners * 2**SUBPIXEL_BITS).astype(np.int32)):
        cv2.fillConvexPoly(numbers, corner, (number,), shift=SUBPIXEL_BITS)
    across, down = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    to, too = texels[:, 1] - texels[:, 0], texels[:, 2] - texels[:, 0]
    by_x = (to * down[:, 1:] - too * across[:, 1:]) / area
    by_y = (too * across[:, :1] - to * down[:, :1]) / area
    offset = texels[:, 0] - by_x * corners[:, 0, :1] - by_y * corners[:, 0, 1:]
    parts = (by_x, by_y, offset, texels.min(axis=1), texels.max(axis=1))
    of_pixel: Any = np.column_stack(parts).astype(np.float32)[numbers]
    x = np.arange(side, dtype=np.float32)
    maps: NDArray[np.float32] = (
        of_pixel[..., 0:2] * x[None, :, None] + of_pixel[..., 2:4] * x[:, None, None]
    )
    maps += of_pixel[..., 4:6]
    # A pixel may lie outside the triangle on whose edge it is painted, but not far.
    np.clip(maps, of_pixel[..., 6:8] - 1, of_pixel[..., 8:10] + 1, out=maps)
    still = numbers < 0
    maps[still] = np.argwhere(still)[:, ::-1]
    return np.asarray(
        cv2.remap(image, maps, _NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.uint8,
    )


def _areas(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    (ax, ay), (bx, by) = ((corners[:, k] - corners[:, 0]).T for k in (1, 2))
    return np.asarray(ax * by - ay * bx)
