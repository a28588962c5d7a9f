"""Where heads point, from the key points of every detected face.

The pose is solved under scaled orthographic projection (the "POS" step of DeMenthon and Davis,
"Model-based object pose in 25 lines of code", IJCV 1995) from eyes, nose and mouth; of the ears,
one is a guess once a head turns. Zero means "looks into the camera" anywhere in the picture;
`detector.faces.screen` turns a pose to the direction of the screen.
"""

from __future__ import annotations

import math
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
    return [HeadPose(*angles) for angles in _solved(points, _FROM_POINTS).tolist()]


def head_pose(keypoints: NDArray[np.float64], width_px: int, height_px: int) -> HeadPose:
    """Solve the pose of one head; see `head_poses`."""
    return head_poses([keypoints], width_px, height_px)[0]


def _solved(points: NDArray[np.float64], from_points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return angles of `(n, k, 2)` points, y up, by the pseudo-inverse of a centred head."""
    # Columns of the product are the first two rows of the rotation, times the scale; the nearest
    # pair of orthonormal rows is its polar factor.
    left, _, right = np.linalg.svd(from_points @ points, full_matrices=False)
    # A copy, because NumPy takes another arctangent, which may differ in the last bit, if the span
    # of a strided input happens to reach into the memory of the result.
    rows = np.transpose(left @ right, (1, 2, 0)).copy()
    (across_x, across_y), (up_x, up_y), (across_z, up_z) = rows
    front_z = across_x * up_y - across_y * up_x
    radians = [
        np.arctan2(across_z, front_z),
        np.arcsin(np.clip(up_z, -1.0, 1.0)),
        np.arctan2(-across_y, up_y),
    ]
    return np.asarray(np.degrees(np.stack(radians, axis=1)))


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
