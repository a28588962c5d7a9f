"""Where heads point, from the six points that come with every detected face, and whether that is the screen.

The pose is solved under scaled orthographic projection (the "POS" step of DeMenthon and Davis, 1995): one product with
a constant matrix gives two scaled rows of the rotation, whose nearest rotation is taken. It needs no calibration, and
its zero is "looks into the camera" wherever in the picture the face is, which is what attention asks for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from detector.types import HeadPose

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_YAW_DEG = 30.0
MAX_PITCH_DEG = 20.0
HYSTERESIS_DEG = 5.0
"""A viewer who was attentive stays so until this far beyond the limits, so that the verdict does not flicker."""

# Eyes, nose tip, mouth and ears of an average adult head in centimetres: x to the person's left, y up, z to the front.
_HEAD_CM = np.array(
    [
        [-3.2, 2.6, 3.6],
        [3.2, 2.6, 3.6],
        [0.0, -1.1, 7.0],
        [0.0, -3.7, 5.6],
        [-7.4, 1.0, -1.2],
        [7.4, 1.0, -1.2],
    ]
)
_FROM_POINTS = np.linalg.pinv(_HEAD_CM - _HEAD_CM.mean(axis=0))


def head_pose(keypoints: NDArray[np.float64], width_px: int, height_px: int) -> HeadPose:
    """Solve the pose of one head.

    Args:
        keypoints: `(6, 2)` points of a face as in `FaceDetection.keypoints`, fractions of the frame.
        width_px: Width of the frame; the angles need the picture's true shape.
        height_px: Height of the frame.

    Returns:
        Yaw, pitch and roll in degrees.
    """
    points = keypoints * (width_px, -height_px)
    scaled = _FROM_POINTS @ (points - points.mean(axis=0))
    # Columns of `scaled` are the first two rows of the rotation, times the scale; the nearest pair of orthonormal rows
    # is the polar factor.
    left, _, right = np.linalg.svd(scaled, full_matrices=False)
    first, second = (left @ right).T
    front = np.cross(first, second)
    # The head's own front, left and up axes as the camera sees them: columns of the rotation [first; second; front].
    yaw = math.degrees(math.atan2(first[2], front[2]))
    pitch = math.degrees(math.asin(float(np.clip(second[2], -1.0, 1.0))))
    roll = math.degrees(math.atan2(-second[0], second[1]))
    return HeadPose(yaw, pitch, roll)


class Attention:
    """Whether one viewer looks at the screen, with hysteresis.

    Args:
        max_yaw_deg: Largest turn to either side, above 0. Defaults to 30.
        max_pitch_deg: Largest turn up or down, above 0. Defaults to 20.
        hysteresis_deg: How far beyond the limits an attentive viewer stays attentive, at least 0. Defaults to 5.
    """

    def __init__(
        self,
        max_yaw_deg: float = MAX_YAW_DEG,
        max_pitch_deg: float = MAX_PITCH_DEG,
        hysteresis_deg: float = HYSTERESIS_DEG,
    ) -> None:
        if max_yaw_deg <= 0 or max_pitch_deg <= 0 or hysteresis_deg < 0:
            raise ValueError(
                "Invalid attention limits: expected yaw and pitch above 0 and hysteresis of at least 0 degrees, "
                f"received {max_yaw_deg}, {max_pitch_deg} and {hysteresis_deg}."
            )
        self._max_yaw = max_yaw_deg
        self._max_pitch = max_pitch_deg
        self._hysteresis = hysteresis_deg
        self._attentive = False

    def update(self, pose: HeadPose) -> bool:
        """Whether the viewer is attentive, given the pose of the next frame."""
        slack = self._hysteresis if self._attentive else 0.0
        self._attentive = abs(pose.yaw) <= self._max_yaw + slack and abs(pose.pitch) <= self._max_pitch + slack
        return self._attentive
