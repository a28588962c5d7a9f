"""Landmarks of face crops, by MediaPipe's face mesh without its detector: crops are faces already.

The face mesh (Kartynnik et al., 2019) is inside the MediaPipe wheel and runs here in LiteRT, twice
for each face, 2 ms each. The points serve only to move parts of a picture; they identify nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from detector.faces.face_mesh import MESH_POINTS, MESH_PX, Square, mesh_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

POINTS = MESH_POINTS
RIGHT_EYE, LEFT_EYE = (33, 133), (362, 263)
"""The corners of the person's right and left eye, from the right one on."""

MOUTH, CHIN, FOREHEAD = (13, 14), 152, 10
"""The inner edges of the lips, the lowest point, and the highest."""

MIN_SCORE = 0.5
"""Of the faces of FER2013, 97% reach it; drawn ones, profiles and covered faces do not."""

FIRST_REGION, FIRST_LOWER = 1.27, 0.085
"""The region that MediaPipe would take: 1.5 sides of the detector's box, which is 1 / 1.18 of the
dataset's crop, with its centre 0.10 box sides lower."""

SECOND_REGION = 1.5


class Landmarks(NamedTuple):
    """`(n, 468, 3)` points in pixels of the crops (x right, y down, z away), `(n,)` scores 0 to 1.

    Points with a score below `MIN_SCORE` mean nothing.
    """

    points: NDArray[np.float32]
    scores: NDArray[np.float32]

    @property
    def known(self) -> NDArray[np.bool_]:
        """`(n,)` whether the points fit the face."""
        return np.asarray(self.scores >= MIN_SCORE)


def find_landmarks(
    images: NDArray[np.uint8], tell: Callable[[int, int], None] | None = None
) -> Landmarks:
    """Return the landmarks of `(n, side, side)` grey face crops.

    `tell` is called after each face with the number done and their total. Raises `ModelLoadError`
    without MediaPipe's model.
    """
    mesh = _CropMesh()
    points = np.zeros((len(images), POINTS, 3), dtype=np.float32)
    scores = np.zeros(len(images), dtype=np.float32)
    for index, image in enumerate(images):
        points[index], scores[index] = mesh.find(image)
        if tell is not None:
            tell(index + 1, len(images))
    return Landmarks(points, scores)


class _CropMesh:
    """The face mesh for whole crops; used by one thread."""

    def __init__(self) -> None:
        self._model = mesh_network()

    def find(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
        """Return `(468, 3)` points and the score of a crop's face."""
        side = image.shape[0]
        middle = np.array([(side - 1) / 2, (side - 1) / 2 + FIRST_LOWER * side])
        points, score = self._pass(image, middle, FIRST_REGION * side, 0.0)
        if score < MIN_SCORE / 5:
            return points, score
        # Once more, in a region that follows the points, levelled by the eyes.
        right, left = (points[list(eye), :2].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE))
        roll = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        return self._pass(image, (low + high) / 2, SECOND_REGION * float((high - low).max()), roll)

    def _pass(
        self, image: NDArray[np.uint8], centre: NDArray[Any], side_px: float, roll: float
    ) -> tuple[NDArray[np.float32], float]:
        region = Square.of(
            image, centre.tolist(), side_px, roll, MESH_PX, border=cv2.BORDER_REPLICATE
        )
        values, score = self._model(region.pixels)
        points = values.reshape(POINTS, 3)
        points[:, :2] = region.located(points[:, :2].astype(np.float64))
        points[:, 2] *= side_px / MESH_PX
        logit = float(score[0])
        return points, 1 / (1 + np.exp(-np.clip(logit, -50, 50)))
