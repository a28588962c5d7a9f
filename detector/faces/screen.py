"""The screen as it lies from a viewer: where its edges are, and how far past them a look goes.

The place of a face follows from its box (see `face_position_cm`), the place of the screen from its
size and the camera's place on it. Directions are yaw and pitch in degrees as in `HeadPose`. Seen
from the screen, (0, 0) points at its centre.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from detector.settings import FACE_BOX_M
from detector.types import HeadPose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detector.settings import CameraMount
    from detector.types import Box

    _Vector = tuple[float, float, float]


class Direction(NamedTuple):
    """Where a head, or a pair of eyes, points: yaw and pitch in degrees, signs as in `HeadPose`."""

    yaw: float
    pitch: float


class Edges(NamedTuple):
    """Directions of the screen's edges from a viewer, in degrees from its centre."""

    right: float
    left: float
    low: float
    high: float


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


class ScreenView:
    """The screen as one viewer sees it.

    Nobody watches a screen from nearer than its width. A face that seems nearer means a lens
    narrower than `--camera-angle` says, so its distance is taken to be the screen's width.
    """

    # Plain numbers: for single vectors NumPy is five times slower.

    def __init__(self, box: Box, width_px: int, height_px: int, mount: CameraMount) -> None:
        place = face_position_cm(box, width_px, height_px, mount.across_deg(width_px, height_px))
        stretch = max(1.0, mount.screen_width_cm / -float(place[2]))
        x, y, z = (stretch * cm for cm in place.tolist())
        tilt = math.radians(mount.tilt_deg)
        # A viewer's right is the picture's left. A camera that looks down has the screen below it
        # and nearer to the viewers.
        up = (0.0, math.cos(tilt), math.sin(tilt))
        below = mount.camera_above_cm
        centre = (mount.right_cm - x, -below * up[1] - y, -below * up[2] - z)
        screen, camera = _level_axes(centre), _level_axes((-x, -y, -z))
        self._from_camera: tuple[_Vector, ...] = tuple(
            (_dot(row, camera[0]), _dot(row, camera[1]), _dot(row, camera[2])) for row in screen
        )
        across, along = mount.screen_width_cm / 2, mount.height_cm / 2
        far = _dot(screen[2], centre)
        aside = [across * axis[0] for axis in screen]
        above = [along * _dot(axis, up) for axis in screen]
        self.edges = Edges(
            _direction_of(-aside[0], -aside[1], far - aside[2]).yaw,
            _direction_of(aside[0], aside[1], far + aside[2]).yaw,
            _direction_of(-above[0], -above[1], far - above[2]).pitch,
            _direction_of(above[0], above[1], far + above[2]).pitch,
        )

    def pose(self, seen: HeadPose) -> HeadPose:
        """Turn a pose seen from the camera into one seen from the screen's centre."""
        right, up, front = _level_axes(_ahead(seen.yaw, seen.pitch))
        yaw, pitch = self._turned(front)
        level, leaning = self._from_camera[1], math.radians(seen.roll)
        cos, sin = math.cos(leaning), math.sin(leaning)
        to_right, to_up = _dot(level, right), _dot(level, up)
        roll = math.atan2(sin * to_up - cos * to_right, sin * to_right + cos * to_up)
        return HeadPose(yaw, pitch, math.degrees(roll))

    def direction(self, seen: Direction) -> Direction:
        """Turn a direction seen from the camera into one seen from the screen's centre."""
        return self._turned(_ahead(seen.yaw, seen.pitch))

    def _turned(self, vector: _Vector) -> Direction:
        return _direction_of(*(_dot(row, vector) for row in self._from_camera))

    def excess_deg(self, looks: Direction, tolerance: Direction, furthest: Direction) -> float:
        """Return how many degrees past the screen a look seen from it points; 0 or less is on it.

        `tolerance` widens the screen on each side; `furthest` limits the sum, from the centre.
        """
        right, left, low, high = self.edges
        return max(
            looks.yaw - min(left + tolerance.yaw, furthest.yaw),
            max(right - tolerance.yaw, -furthest.yaw) - looks.yaw,
            looks.pitch - min(high + tolerance.pitch, furthest.pitch),
            max(low - tolerance.pitch, -furthest.pitch) - looks.pitch,
        )


def _dot(one: _Vector, other: _Vector) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _ahead(yaw_deg: float, pitch_deg: float) -> _Vector:
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    flat = math.cos(pitch)
    return math.sin(yaw) * flat, math.sin(pitch), math.cos(yaw) * flat


def _level_axes(vector: _Vector) -> tuple[_Vector, _Vector, _Vector]:
    """Return the axes (to the right, up, ahead) of a level head that points along a vector."""
    x, y, z = vector
    flat = max(math.hypot(x, z), 1e-12)
    length = math.hypot(flat, y)
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = x / flat, z / flat, y / length, flat / length
    return (
        (cos_yaw, 0.0, -sin_yaw),
        (-sin_yaw * sin_pitch, cos_pitch, -cos_yaw * sin_pitch),
        (sin_yaw * cos_pitch, sin_pitch, cos_yaw * cos_pitch),
    )


def _direction_of(x: float, y: float, z: float) -> Direction:
    return Direction(math.degrees(math.atan2(x, z)), math.degrees(math.atan2(y, math.hypot(x, z))))
