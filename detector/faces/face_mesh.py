"""MediaPipe's face mesh in LiteRT: 468 points with depth, and how well they fit a human face.

The mesh sees a square around the box of a detection, turned until the eyes are level. MediaPipe's
own graph gives the same points, in three times the time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from detector.errors import ModelLoadError
from detector.faces.blaze_face import mediapipe_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detector.types import FaceDetection

MESH_POINTS = 468
MESH_PX = 192
"""Side of the picture that the face mesh sees."""


class FittedMesh(NamedTuple):
    """A face mesh.

    Attributes:
        points: `(468, 3)` pixels of the picture: right, up, towards the camera.
        score: How well it fits: 10 to 40 for faces from the front, 5 where a hand covers a part,
            -2 and less for most things that are no face.
    """

    points: NDArray[np.float64]
    score: float


class FaceMesh:
    """The model; used by one thread. Raises `ModelLoadError` without MediaPipe's model."""

    def __init__(self) -> None:
        self._model = mesh_network()

    def fit(self, image: NDArray[np.uint8], face: FaceDetection) -> FittedMesh:
        """Fit the mesh to a face of a `(height, width, 3)` BGR picture."""
        height, width = image.shape[:2]
        box = face.box
        right, left = (face.keypoints[:2] * (width, height)).tolist()
        side = 1.5 * max(box.width * width, box.height * height)
        middle = (box.centre[0] * width, box.centre[1] * height)
        tilt = math.atan2(left[1] - right[1], left[0] - right[0])
        square = Square.of(image, middle, side, tilt, MESH_PX)
        values, score = self._model(square.pixels)
        points = values.reshape(-1, 3).astype(np.float64)
        points[:, :2] = square.located(points[:, :2])
        return FittedMesh(points * (1, -1, -side / MESH_PX), float(score[0]))


class Network:
    """A model of MediaPipe in LiteRT, from one picture to its outputs, each as a flat array.

    Raises `ModelLoadError` without the model, or if its outputs have other `sizes`.
    """

    def __init__(self, name: str, sizes: Sequence[int]) -> None:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 (native library)

        self._interpreter: Any = Interpreter(
            model_content=mediapipe_model(name).read_bytes(), num_threads=1
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = self._interpreter.get_output_details()
        received = [int(np.prod(given["shape"])) for given in outputs]
        if received != list(sizes):
            raise ModelLoadError(
                f"MediaPipe's {name} has outputs of {received} values; expected {list(sizes)}. "
                "Install the version of mediapipe that this project names."
            )
        self._outputs = [given["index"] for given in outputs]

    def __call__(self, pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        self._interpreter.set_tensor(self._input, pixels[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index).ravel() for index in self._outputs]


def mesh_network() -> Network:
    """Return the face mesh, which gives points and score."""
    return Network("modules/face_landmark/face_landmark.tflite", (3 * MESH_POINTS, 1))


class Square(NamedTuple):
    """A square cut out of a picture, as RGB from 0 to 1, and the way back to the picture."""

    pixels: NDArray[np.float32]
    to_image: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        image: NDArray[np.uint8],
        middle: tuple[float, float] | list[float],
        side: float,
        tilt: float,
        side_px: int,
        *,
        mirrored: bool = False,
        border: int = cv2.BORDER_CONSTANT,
    ) -> Square:
        """Cut a square of `side` pixels around a point, turned by `tilt` radians, to `side_px`.

        `border` is OpenCV's rule for what lies beyond the picture; by default it is black.
        """
        scale = side / side_px
        cos, sin = math.cos(tilt) * scale, math.sin(tilt) * scale
        to_image = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
        if mirrored:
            to_image[:, 0] *= -1
        to_image[:, 2] = middle - to_image[:, :2] @ np.full(2, (side_px - 1) / 2)
        return cls(_warped(image, to_image, scale, side_px, border), to_image)

    def located(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where `(n, 2)` points of the square lie in the picture."""
        return np.asarray(points @ self.to_image[:, :2].T + self.to_image[:, 2])


def _warped(
    image: NDArray[np.uint8],
    to_image: NDArray[np.float64],
    scale: float,
    side_px: int,
    border: int,
) -> NDArray[np.float32]:
    """Return `(side_px, side_px, 3)` RGB from 0 to 1 of a BGR or grey picture."""
    shrink = int(scale)
    if shrink > 1:
        # Single pixels of a large picture would be noise: average them first.
        corners = np.array([[x, y, 1] for x in (-1, side_px) for y in (-1, side_px)]) @ to_image.T
        height, width = image.shape[:2]
        x0, y0 = np.clip(corners.min(axis=0), 0, (width - 1, height - 1)).astype(int)
        x1, y1 = np.clip(corners.max(axis=0) + 1, (x0 + 1, y0 + 1), (width, height)).astype(int)
        part = image[y0:y1, x0:x1]
        size = (max(1, part.shape[1] // shrink), max(1, part.shape[0] // shrink))
        ratio = np.array([[size[0] / part.shape[1]], [size[1] / part.shape[0]]])
        image = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        to_image = to_image * ratio
        to_image[:, 2] += ratio[:, 0] * (0.5 - np.array([x0, y0])) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(image, to_image, (side_px, side_px), flags=flags, borderMode=border)
    rgb = cv2.cvtColor(cut, cv2.COLOR_GRAY2RGB if cut.ndim == 2 else cv2.COLOR_BGR2RGB)
    return np.multiply(rgb, np.float32(1 / 255), dtype=np.float32)
