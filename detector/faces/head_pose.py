"""Where heads point, from the key points of every detected face, and whether at the screen.

The pose is solved under scaled orthographic projection (the "POS" step of DeMenthon and Davis,
"Model-based object pose in 25 lines of code", IJCV 1995) from eyes, nose and mouth; of the ears,
one is a guess once a head turns. Zero means "looks into the camera" anywhere in the picture; if the
camera is away from the screen, the pose is rotated to the direction of the screen's centre.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from detector.settings import FACE_BOX_M, CameraMount
from detector.types import KEYPOINTS, Box, HeadPose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_YAW_DEG = 30.0
MAX_PITCH_DEG = 20.0
HYSTERESIS_DEG = 5.0
"""An attentive viewer stays attentive until this far beyond the limits, against flicker."""

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


def face_position_cm(
    box: Box, width_px: int, height_px: int, view_angle_deg: float
) -> NDArray[np.float64]:
    """Return `(3,)` centimetres from the camera (right, up, out of the scene) to a face.

    Place and size of its box give them, under the pinhole model.
    """
    focal_px = width_px / 2 / math.tan(math.radians(view_angle_deg) / 2)
    side_px = max(1.0, (box.width * width_px + box.height * height_px) / 2)
    x, y = box.centre
    ray = np.array([(x - 0.5) * width_px, (0.5 - y) * height_px, -focal_px])
    return ray * (100 * FACE_BOX_M / side_px)


def screen_pose(
    pose: HeadPose, box: Box, width_px: int, height_px: int, mount: CameraMount
) -> HeadPose:
    """Turn a pose seen from the camera into one seen from the screen's centre."""
    if mount.above_cm == 0 and mount.right_cm == 0:
        return pose
    face = face_position_cm(box, width_px, height_px, mount.across_deg(width_px, height_px))
    tilt = math.radians(mount.tilt_deg)
    # A viewer's right is the picture's left. A camera that looks down has the screen below it and
    # nearer to the viewers.
    below, nearer = mount.above_cm * math.cos(tilt), mount.above_cm * math.sin(tilt)
    screen = np.array([mount.right_cm, -below, -nearer])
    return _angles(_facing(screen - face).T @ _facing(-face) @ _rotation(*pose))


def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Return head-to-camera axes (x right, y up, z to the camera): roll, then pitch, then yaw."""
    (sy, sp, sr), (cy, cp, cr) = (f(np.radians((yaw, pitch, roll))) for f in (np.sin, np.cos))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    lean = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(turn @ nod @ lean)


def _facing(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = direction
    yaw, pitch = math.atan2(x, z), math.atan2(y, math.hypot(x, z))
    return _rotation(math.degrees(yaw), math.degrees(pitch), 0.0)


def _angles(rotation: NDArray[np.float64]) -> HeadPose:
    """Invert `_rotation`."""
    (_, _, x), (right, up, y), (_, _, z) = rotation.tolist()
    return HeadPose(
        math.degrees(math.atan2(x, z)),
        math.degrees(math.asin(min(1.0, max(-1.0, y)))),
        math.degrees(math.atan2(-right, up)),
    )


class Attention:
    """Whether one viewer looks at the screen, with hysteresis, and unaffected by single bad poses.

    The first pose decides at once. Afterwards the result changes once poses have contradicted it
    for `delay_s`, longer than a blink and shorter than a glance.
    """

    def __init__(
        self,
        max_yaw_deg: float = MAX_YAW_DEG,
        max_pitch_deg: float = MAX_PITCH_DEG,
        hysteresis_deg: float = HYSTERESIS_DEG,
        delay_s: float = 0.2,
    ) -> None:
        if not (max_yaw_deg > 0 and max_pitch_deg > 0 and hysteresis_deg >= 0 and delay_s >= 0):
            raise ValueError(
                "Invalid attention limits: expected yaw and pitch above 0 and hysteresis and delay "
                f"of at least 0, received {max_yaw_deg}, {max_pitch_deg}, {hysteresis_deg} and "
                f"{delay_s}."
            )
        self._max_yaw = max_yaw_deg
        self._max_pitch = max_pitch_deg
        self._hysteresis = hysteresis_deg
        self._delay_ns = round(delay_s * 1e9)
        self._attentive: bool | None = None
        self._contradicted_ns: int | None = None

    def update(self, pose: HeadPose, captured_ns: int) -> bool:
        """Return whether the viewer is attentive, given the next pose seen from the screen."""
        slack = self._hysteresis if self._attentive else 0.0
        looks = (
            abs(pose.yaw) <= self._max_yaw + slack and abs(pose.pitch) <= self._max_pitch + slack
        )
        if self._attentive is None:
            self._attentive = looks
        if looks == self._attentive:
            self._contradicted_ns = None
        elif self._contradicted_ns is None and self._delay_ns > 0:
            self._contradicted_ns = captured_ns
        elif self._contradicted_ns is None or captured_ns - self._contradicted_ns >= self._delay_ns:
            self._attentive = looks
            self._contradicted_ns = None
        return self._attentive
