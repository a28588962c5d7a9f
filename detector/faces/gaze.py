"""Where eyes look, and a better head pose, from MediaPipe's face mesh and iris model in LiteRT.

The mesh (468 points with depth) gives the axes of the head. The iris model gives the corners, lids
and iris of each eye. As the eye turns away from the head's direction, the iris moves away from the
middle between the corners. Both eyes are averaged, because they converge. The factors were fitted
to rendered heads with modelled eyeballs, so that a look sideways is read at its full angle; with
them, photographed people who look into their camera are read within 7 degrees of it.

Lids only tell whether they are lowered. Laughing narrows eyes, too, but lifts the lower lid.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from detector.faces.face_mesh import FaceMesh, Network, Square
from detector.faces.head_pose import angles_of
from detector.faces.screen import Direction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detector.types import FaceDetection, HeadPose

MIN_EYES_PX = 60.0
"""Smallest side of a face box whose eyes are read; an iris is 4 pixels wide there."""

EYE_PX = 64

RIGHT_SIDE = (
    *(33, 133, 61, 234, 127, 58, 172, 105, 107, 129),
    *(50, 205, 54, 67, 93, 132, 136, 150, 21, 103),
)
LEFT_SIDE = (
    *(263, 362, 291, 454, 356, 288, 397, 334, 336, 358),
    *(280, 425, 284, 297, 323, 361, 365, 379, 251, 332),
)
"""Pairs of points of the mesh, from the person's own point of view. The sum of their differences
points across the head, whatever the shape of the face."""

_TOP, _CHIN = 10, 152
_LEAN_DEG = 3.0
"""How far the line from top to chin leans forward at its top when the head is level."""

_EYES = ((33, 133), (263, 362))
"""Outer and inner corners."""

_EYES_APART_CM = 6.3

# Points of the iris model: corners, and the middles of the lids.
_OUTER, _INNER, _UPPER, _LOWER = 0, 8, [11, 12, 13], [3, 4, 5]


class Look(NamedTuple):
    """Where a face looks; angles in degrees, seen from the camera.

    Attributes:
        pose: Where the head points.
        eyes: Where the eyes look; `None` where they cannot be read.
        lowered: Whether the lids cover the eyes.
    """

    pose: HeadPose
    eyes: Direction | None
    lowered: bool


class GazeReader:
    """The two models; used by one thread. Raises `ModelLoadError` without MediaPipe's models.

    `mesh` may be shared within the thread. A reading takes 1.4 ms of one core, or 4.4 ms with eyes.
    """

    MAX_YAW_DEG, MAX_PITCH_DEG = 40.0, 30.0
    """Heads turned further hide an eye."""

    MAX_APART_DEG = 23.0
    """Eyes that seem to look this far apart are glasses, shadows or hair."""

    MAX_LOOK_DEG = 60.0
    """Eyes that seem to look further from the camera than this, with a head that does not, are
    misread."""

    LOWERED_UPPER, LOWERED_LOWER = 0.09, -0.04
    """Lids are lowered if the middles of both are less than this above the corners, in widths of
    the eye. In photographs and renderings the upper lid of an open eye has 0.11 and more; shut eyes
    have 0.06 and -0.08, eyes narrowed by laughter 0.10 and -0.04."""

    def __init__(self, mesh: FaceMesh | None = None) -> None:
        self._mesh = mesh or FaceMesh()
        self._iris = Network("modules/iris_landmark/iris_landmark.tflite", (213, 15))

    def read(self, image: NDArray[np.uint8], face: FaceDetection) -> Look | None:
        """Return where a face of a `(height, width, 3)` BGR picture looks, `None` if unclear."""
        points, score = self._mesh.fit(image, face)
        if score < 0:
            return None
        axes = head_axes(points)
        pose = angles_of(axes)
        turned = abs(pose.yaw) > self.MAX_YAW_DEG or abs(pose.pitch) > self.MAX_PITCH_DEG
        height, width = image.shape[:2]
        if turned or min(face.box.width * width, face.box.height * height) < MIN_EYES_PX:
            return Look(pose, None, lowered=False)
        looks, lids = zip(
            *(self._eye(image, points, axes, pose, number) for number in (0, 1)), strict=True
        )
        yaw, pitch = np.mean(looks, axis=0).tolist()
        apart = np.abs(np.subtract(*looks)).max()
        upper, lower = np.mean(lids, axis=0)
        lowered = bool(upper < self.LOWERED_UPPER and lower < self.LOWERED_LOWER)
        unclear = apart > self.MAX_APART_DEG or max(abs(yaw), abs(pitch)) > self.MAX_LOOK_DEG
        return Look(pose, None if unclear or lowered else Direction(yaw, pitch), lowered)

    def _eye(
        self,
        image: NDArray[np.uint8],
        points: NDArray[np.float64],
        axes: NDArray[np.float64],
        pose: HeadPose,
        number: int,
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return yaw and pitch of the right (0) or left (1) eye, and the heights of its lids."""
        mirrored = number == 1
        eyes = [points[list(corners)].mean(axis=0) for corners in _EYES]
        per_cm = float(np.linalg.norm(eyes[1] - eyes[0])) / _EYES_APART_CM
        outer, inner = (points[corner, :2] * (1, -1) for corner in _EYES[number])
        across = outer - inner if mirrored else inner - outer
        length = float(np.hypot(*across))
        square = Square.of(
            image,
            ((outer + inner) / 2).tolist(),
            2.3 * length,
            math.atan2(across[1], across[0]),
            EYE_PX,
            mirrored=mirrored,
        )
        contour, iris = (
            square.located(values.reshape(-1, 3)[:, :2].astype(np.float64)) * (1, -1)
            for values in self._iris(square.pixels)
        )
        corners = contour[_INNER] - contour[_OUTER]
        width = max(float(np.hypot(*corners)), 1e-6)
        middle = (contour[_OUTER] + contour[_INNER]) / 2
        along = corners / (-width if mirrored else width)
        upright = np.array([-along[1], along[0]])
        upper = (contour[_UPPER].mean(axis=0) - middle) @ upright / width
        lower = (contour[_LOWER].mean(axis=0) - middle) @ upright / width
        # Centimetres from the middle to the iris, along the axes of the leaning head.
        level = axes[:2, 0] / max(float(np.hypot(*axes[:2, 0])), 1e-6)
        aside, above = (
            float((iris[0] - middle) @ axis) / per_cm
            for axis in (level, np.array([-level[1], level[0]]))
        )
        inwards = -8.3 if mirrored else 8.3
        return (
            (90.0 * aside + 1.15 * pose.yaw + inwards, 105.5 * above + 0.61 * pose.pitch - 16.4),
            (float(upper), float(lower)),
        )


def head_axes(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the axes of a head (to its left, up, to the front) from `(468, 3)` points, y up."""
    across = (points[list(LEFT_SIDE)] - points[list(RIGHT_SIDE)]).sum(axis=0)
    across /= np.linalg.norm(across)
    up = points[_TOP] - points[_CHIN]
    up -= across * (across @ up)
    up /= np.linalg.norm(up)
    front = np.cross(across, up)
    cos, sin = math.cos(math.radians(_LEAN_DEG)), math.sin(math.radians(_LEAN_DEG))
    return np.stack([across, cos * up - sin * front, cos * front + sin * up], axis=1)
