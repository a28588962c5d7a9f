"""Where heads point, from points that come with every detected face, and whether that is the screen.

The pose is solved under scaled orthographic projection (the "POS" step of DeMenthon and Davis,
"Model-based object pose in 25 lines of code", IJCV 1995): one product with a constant matrix gives
two scaled rows of the rotation, whose nearest rotation is taken. Eyes, nose and mouth are used and
the ears are not: as soon as a head turns, one of them is a guess, and with them the poses of
rendered heads come out no better. Zero is "looks into the camera" wherever in the picture the face
is. A viewer looks at the screen, not at the camera: where the two are apart, the pose is turned to
the direction of the screen's centre.

On the rendered heads of `benchmarks/head_pose.py`, turned by up to 45 degrees in all, yaw is 3.6
and pitch 4.7 degrees off on average; turned by up to 40 degrees in yaw and in pitch at once, 4.0
and 5.4. Most of that is how far off the detector's points are, and how faces differ: no correction
that we fitted to the six points brought the latter below 4.9.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from detector.types import KEYPOINTS, HeadPose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detector.types import Box

MAX_YAW_DEG = 30.0
MAX_PITCH_DEG = 20.0
HYSTERESIS_DEG = 5.0
"""A viewer who was attentive stays so until this far beyond the limits, so that the verdict does not flicker."""

ATTENTION_DELAY_S = 0.2
"""How long poses must contradict a verdict before it changes: longer than a blink or a lost point, shorter than a glance."""

DEFAULT_VIEW_ANGLE_DEG = 70.0
"""Horizontal angle of view of common webcams, which name 60 to 78 degrees."""

FACE_BOX_M = 0.158
"""Side of the box that MediaPipe draws around an adult's face, from heads rendered with eyes 6.3 cm apart."""

# Right eye, left eye, nose tip and mouth in centimetres: x to the person's left, y up, z to the
# front. Not quite where they are on a head: with these, MediaPipe's points give the nearest poses
# for 1536 rendered heads with the faces of eight people (`python -m benchmarks.head_pose --fit`),
# none of them the demo viewer's.
_HEAD_CM = np.array([[-3.2, 2.6, 3.6], [3.2, 2.6, 3.6], [0.0, -1.21, 7.31], [0.0, -4.88, 5.76]])
_FROM_POINTS = np.linalg.pinv(_HEAD_CM - _HEAD_CM.mean(axis=0))


class CameraMount(BaseModel):
    """Where the camera is, seen from the screen.

    Attributes:
        above_cm: Height of the camera above the screen's centre; negative below it.
        right_cm: How far it is to the right of the screen's centre, as a viewer sees it; negative
            to the left.
        view_angle_deg: Horizontal angle of view of the camera.
        tilt_deg: How far the camera looks down; negative looks up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    above_cm: float = Field(0.0, ge=-500, le=500)
    right_cm: float = Field(0.0, ge=-500, le=500)
    view_angle_deg: float = Field(DEFAULT_VIEW_ANGLE_DEG, ge=20, le=170)
    tilt_deg: float = Field(0.0, ge=-60, le=60)


def head_poses(
    keypoints: Sequence[NDArray[np.float64]] | NDArray[np.float64], width_px: int, height_px: int
) -> list[HeadPose]:
    """Solve the poses of several heads at once, several times faster than one by one.

    Args:
        keypoints: `(n, 6, 2)` points of faces as in `FaceDetection.keypoints`, fractions of the
            frame; may be empty.
        width_px: Width of the frame; the angles need the picture's true shape.
        height_px: Height of the frame.

    Returns:
        Yaw, pitch and roll of each head, in degrees, seen from the camera.
    """
    points = np.reshape(np.asarray(keypoints, dtype=np.float64), (-1, len(KEYPOINTS), 2)) * (
        width_px,
        -height_px,
    )
    return [
        HeadPose(*angles) for angles in _solved(points[:, : len(_HEAD_CM)], _FROM_POINTS).tolist()
    ]


def head_pose(keypoints: NDArray[np.float64], width_px: int, height_px: int) -> HeadPose:
    """Solve the pose of one head.

    Args:
        keypoints: `(6, 2)` points of a face as in `FaceDetection.keypoints`, fractions of the
            frame.
        width_px: Width of the frame; the angles need the picture's true shape.
        height_px: Height of the frame.

    Returns:
        Yaw, pitch and roll in degrees, seen from the camera.
    """
    return head_poses([keypoints], width_px, height_px)[0]


def _solved(points: NDArray[np.float64], from_points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Yaw, pitch and roll of `(n, k, 2)` points with y upwards, by the pseudo-inverse of a head's `(k, 3)` centred ones."""
    # Columns of the product are the first two rows of the rotation, times the scale; the nearest
    # pair of orthonormal rows is its polar factor.
    left, _, right = np.linalg.svd(from_points @ points, full_matrices=False)
    (across_x, across_y), (up_x, up_y), (across_z, up_z) = np.transpose(left @ right, (1, 2, 0))
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
    """Where a face is, from the place and the size of its box, under the pinhole model.

    Args:
        box: The face, in fractions of the frame.
        width_px: Width of the frame.
        height_px: Height of the frame.
        view_angle_deg: Horizontal angle of view of the camera, above 0 and below 180.

    Returns:
        `(3,)` centimetres from the camera: x to the right of the picture, y to its top, z out of
        the scene (the face has a negative one).
    """
    focal_px = width_px / 2 / math.tan(math.radians(view_angle_deg) / 2)
    side_px = max(1.0, (box.width * width_px + box.height * height_px) / 2)
    x, y = box.centre
    ray = np.array([(x - 0.5) * width_px, (0.5 - y) * height_px, -focal_px])
    return ray * (100 * FACE_BOX_M / side_px)


def screen_pose(
    pose: HeadPose, box: Box, width_px: int, height_px: int, mount: CameraMount
) -> HeadPose:
    """Turn a pose seen from the camera into one seen from the screen's centre.

    Zero, zero, zero is then a head that points from its place to the screen's centre. The place
    follows from the face's box and the angle of view (`face_position_cm`), so that a child, whose
    head is smaller, is taken to be somewhat further away.

    Args:
        pose: As `head_pose` solves it.
        box: The face, in fractions of the frame.
        width_px: Width of the frame.
        height_px: Height of the frame.
        mount: Where the camera is. At the screen's centre nothing changes.
    """
    if mount.above_cm == 0 and mount.right_cm == 0:
        return pose
    face = face_position_cm(box, width_px, height_px, mount.view_angle_deg)
    tilt = math.radians(mount.tilt_deg)
    # A viewer's right is the picture's left; a camera that looks down has the screen below it and
    # nearer to the viewers.
    screen = np.array(
        [mount.right_cm, -mount.above_cm * math.cos(tilt), -mount.above_cm * math.sin(tilt)]
    )
    seen = _rotation(*pose)
    return _angles(_facing(screen - face).T @ _facing(-face) @ seen)


def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Head to camera (x right, y up, z to the camera): roll first, then pitch, then yaw, in degrees."""
    (sy, sp, sr), (cy, cp, cr) = (f(np.radians((yaw, pitch, roll))) for f in (np.sin, np.cos))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    lean = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(turn @ nod @ lean)


def _facing(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation of an upright head that points in a direction."""
    x, y, z = direction
    return _rotation(
        math.degrees(math.atan2(x, z)), math.degrees(math.atan2(y, math.hypot(x, z))), 0.0
    )


def _angles(rotation: NDArray[np.float64]) -> HeadPose:
    """Yaw and pitch of the head's front axis and roll of its upper one; the inverse of `_rotation`."""
    (_, _, x), (right, up, y), (_, _, z) = rotation.tolist()
    return HeadPose(
        math.degrees(math.atan2(x, z)),
        math.degrees(math.asin(min(1.0, max(-1.0, y)))),
        math.degrees(math.atan2(-right, up)),
    )


class Attention:
    """Whether one viewer looks at the screen, with hysteresis, and deaf to single bad poses.

    The first pose decides at once. Afterwards the verdict changes with the first pose that is at
    least `delay_s` later than another one, when both and all between them contradict the verdict.
    So a change shows `delay_s` late plus at most the time between two frames, both ways, which
    leaves the length of a look as it is; and a single pose changes nothing, at any frame rate.

    Args:
        max_yaw_deg: Largest turn to either side, above 0. Defaults to 30.
        max_pitch_deg: Largest turn up or down, above 0. Defaults to 20.
        hysteresis_deg: How far beyond the limits an attentive viewer stays attentive, at least 0.
            Defaults to 5.
        delay_s: How long poses must contradict the verdict, at least 0, where each pose decides at
            once. Defaults to 0.2.

    Raises:
        ValueError: A limit is out of its range.
    """

    def __init__(
        self,
        max_yaw_deg: float = MAX_YAW_DEG,
        max_pitch_deg: float = MAX_PITCH_DEG,
        hysteresis_deg: float = HYSTERESIS_DEG,
        delay_s: float = ATTENTION_DELAY_S,
    ) -> None:
        if not (max_yaw_deg > 0 and max_pitch_deg > 0 and hysteresis_deg >= 0 and delay_s >= 0):
            raise ValueError(
                "Invalid attention limits: expected yaw and pitch above 0 and hysteresis and delay of at least 0, "
                f"received {max_yaw_deg}, {max_pitch_deg}, {hysteresis_deg} and {delay_s}."
            )
        self._max_yaw = max_yaw_deg
        self._max_pitch = max_pitch_deg
        self._hysteresis = hysteresis_deg
        self._delay_ns = round(delay_s * 1e9)
        self._attentive: bool | None = None
        self._contradicted_ns: int | None = None

    def update(self, pose: HeadPose, captured_ns: int) -> bool:
        """Whether the viewer is attentive.

        Args:
            pose: The next one, seen from the screen.
            captured_ns: When its frame was captured, not before the last one's.
        """
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
