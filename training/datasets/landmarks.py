"""Landmarks of face crops, by MediaPipe's face mesh without its detector: crops are faces already.

The face mesh (Kartynnik et al., 2019) is inside the MediaPipe wheel and runs here in LiteRT, for
two passes of 2 ms a face. Points are numbers for one purpose, to move parts of a picture; they tell
nobody apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from detector.errors import ModelLoadError
from detector.faces.blaze_face import mediapipe_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

POINTS = 468
MODEL_PX = 192
RIGHT_EYE, LEFT_EYE = (33, 133), (362, 263)
"""The corners of the person's right and left eye, from the right one on."""

MOUTH, CHIN = (13, 14), 152
"""The inner edges of the lips, and the lowest point."""

MIN_SCORE = 0.5
"""Of the faces of FER2013, 97 % reach it; drawn ones, profiles and covered faces do not."""

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
    mesh = _FaceMesh()
    points = np.zeros((len(images), POINTS, 3), dtype=np.float32)
    scores = np.zeros(len(images), dtype=np.float32)
    for index, image in enumerate(images):
        points[index], scores[index] = mesh.find(image)
        if tell is not None:
            tell(index + 1, len(images))
    return Landmarks(points, scores)


class _FaceMesh:
    """The model; used by one thread."""

    def __init__(self) -> None:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 (native library)

        path = mediapipe_model("modules/face_landmark/face_landmark.tflite")
        self._interpreter: Any = Interpreter(model_content=path.read_bytes(), num_threads=1)
        self._interpreter.allocate_tensors()
        [taken] = self._interpreter.get_input_details()
        self._input = taken["index"]
        by_size = {
            int(np.prod(given["shape"])): given["index"]
            for given in self._interpreter.get_output_details()
        }
        try:
            self._points, self._score = by_size[3 * POINTS], by_size[1]
        except KeyError:
            raise ModelLoadError(
                f"MediaPipe's face mesh has outputs of {list(by_size)} values; expected "
                f"{3 * POINTS} and 1. Install the version of mediapipe that this project names."
            ) from None

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
        cos, sin = (part * side_px / MODEL_PX for part in (np.cos(roll), np.sin(roll)))
        linear = np.array([[cos, -sin], [sin, cos]])
        offset = centre - linear.sum(axis=1) * (MODEL_PX - 1) / 2
        region = cv2.warpAffine(
            image,
            np.column_stack([linear, offset]),
            (MODEL_PX, MODEL_PX),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        batch = np.repeat(region.astype(np.float32)[None, ..., None] / 255, 3, axis=3)
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        found = self._interpreter.get_tensor(self._points).reshape(POINTS, 3)
        points = np.empty((POINTS, 3), dtype=np.float32)
        points[:, :2] = found[:, :2] @ linear.T + offset
        points[:, 2] = found[:, 2] * side_px / MODEL_PX
        logit = float(self._interpreter.get_tensor(self._score).reshape(-1)[0])
        return points, 1 / (1 + np.exp(-np.clip(logit, -50, 50)))
