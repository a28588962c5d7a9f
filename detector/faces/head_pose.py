"""Where heads point, from the key points of every detected face.

The pose is solved under scaled orthographic projection (the "POS" step of DeMenthon and Davis,
"Model-based object pose in 25 lines of code", IJCV 1995) from eyes, nose and mouth; of the ears,
one is a guess once a head turns. Zero means "looks into the camera" anywhere in the picture;
`detector.faces.screen` turns a pose to the direction of the screen.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import numpy as np

from detector.types import KEYPOINTS, HeadPose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Right eye, left eye, nose tip and mouth in centimetres: x to the person's left, y up, z to the
# front. Fitted, not anatomical: with these, MediaPipe's points give the nearest poses for 1536
# rendered heads of eight people (`python -m benchmarks.head_pose --fit`), not the demo viewer.
_HEAD_CM = np.array([[-3.2, 2.6, 3.6], [3.2, 2.6, 3.6], [0.0, -1.21, 7.31], [0.0, -4.88, 5.76]])
_FROM_POINTS = np.linalg.pinv(_HEAD_CM - _HEAD_CM.mean(axis=0))


def head_poses(
    keypoints: Sequence[NDArray[np.float64]] | NDArray[np.float64], width_px: int, height_px: int
) -> list[HeadPose]:
    """Solve the poses of several heads at once, several times faster than one by one.

    Takes `(n, 6, 2)` key points in fractions of the frame; returns poses seen from the camera.
    """
    points = np.reshape(np.asarray(keypoints, dtype=np.float64), (-1, len(KEYPOINTS), 2))
    points = points[:, : len(_HEAD_CM)] * (width_px, -height_px)
    return _solved(points, _FROM_POINTS)


def head_pose(keypoints: NDArray[np.float64], width_px: int, height_px: int) -> HeadPose:
    """Solve the pose of one head; see `head_poses`."""
    return head_poses([keypoints], width_px, height_px)[0]


def _solved(points: NDArray[np.float64], from_points: NDArray[np.float64]) -> list[HeadPose]:
    """Return the poses of `(n, k, 2)` points, y up, by the pseudo-inverse of a centred head."""
    # Columns of the product are the first two rows of the rotation, times the scale.
    return [_nearest(*np.transpose(rows).tolist()) for rows in from_points @ points]


def _nearest(across: list[float], up: list[float]) -> HeadPose:
    """Return the pose whose first two rows of the rotation are nearest to these, scaled.

    They are the polar factor: the rows times the inverse root of their inner products, which has a
    closed form for two rows.
    """
    # In plain numbers: for one head, NumPy takes three times as long.
    along, between, upwards = _dot(across, across), _dot(across, up), _dot(up, up)
    area = math.sqrt(max(0.0, along * upwards - between * between))
    size = along + upwards
    # Points on one line have no pose; any will do.
    scale = max(area * math.sqrt(size + 2 * area), 1e-9 * size**1.5, sys.float_info.min)
    pairs = list(zip(across, up, strict=True))
    x, y, z = ((a * (upwards + area) - b * between) / scale for a, b in pairs)
    u, v, w = ((b * (along + area) - a * between) / scale for a, b in pairs)
    return HeadPose(
        math.degrees(math.atan2(z, x * v - y * u)),
        math.degrees(math.asin(min(1.0, max(-1.0, w)))),
        math.degrees(math.atan2(-u, v)),
    )


def _dot(one: list[float], other: list[float]) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def angles_of(axes: NDArray[np.float64]) -> HeadPose:
    """Return the pose of a head with these axes, in columns: to its left, up, to the front.

    A head leans first, then nods, then turns.
    """
    (_, _, x), (right, up, y), (_, _, z) = axes.tolist()
    return HeadPose(
        math.degrees(math.atan2(x, z)),
        math.degrees(math.asin(min(1.0, max(-1.0, y)))),
        math.degrees(math.atan2(-right, up)),
    )
