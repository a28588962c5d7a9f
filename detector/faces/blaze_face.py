"""One pass of MediaPipe's short-range face model (BlazeFace; Bazarevsky et al., 2019).

The model file is inside the MediaPipe wheel and runs here in LiteRT: MediaPipe's own graph finds
the same faces, but its threads double the cost of small pictures.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from detector.errors import ModelLoadError
from detector.types import KEYPOINTS, Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

INPUT_PX = 128
"""Side of the picture that the model sees."""


class FoundFace(NamedTuple):
    """A face in fractions of a square picture, with `(6, 2)` key points as in `KEYPOINTS`."""

    box: Box
    confidence: float
    points: NDArray[np.float64]


class BlazeFace:
    """The model; used by one thread. Raises `ModelLoadError` without MediaPipe's model."""

    def __init__(self, min_confidence: float = 0.5) -> None:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 (native library)

        self._interpreter: Any = Interpreter(
            model_content=_model_file().read_bytes(), num_threads=1
        )
        self._interpreter.allocate_tensors()
        [taken] = self._interpreter.get_input_details()
        outputs = {
            tuple(given["shape"][1:]): given["index"]
            for given in self._interpreter.get_output_details()
        }
        self._anchors = _anchors()
        anchors, values = len(self._anchors), 4 + 2 * len(KEYPOINTS)
        try:
            self._values, self._scores = outputs[anchors, values], outputs[anchors, 1]
        except KeyError:
            raise ModelLoadError(
                f"MediaPipe's face model has outputs of shapes {list(outputs)}; expected "
                f"{anchors} x {values} and {anchors} x 1. Install the version of mediapipe that "
                "this project names."
            ) from None
        self._input = taken["index"]
        # The model takes -1 to 1.
        self._levels = np.arange(256, dtype=np.float32) * np.float32(2 / 255) - 1
        odds = min_confidence / (1 - min_confidence) if min_confidence < 1 else math.inf
        self._min_logit = math.log(odds)

    def find(self, square: NDArray[np.uint8]) -> list[FoundFace]:
        """Return the faces of a `(128, 128, 3)` RGB picture, the most confident first."""
        self._interpreter.set_tensor(self._input, cv2.LUT(square, self._levels)[None])
        self._interpreter.invoke()
        logits = self._interpreter.get_tensor(self._scores)[0, :, 0]
        kept = np.flatnonzero(logits >= self._min_logit)
        if len(kept) == 0:
            return []
        kept = kept[np.argsort(-logits[kept], kind="stable")]
        scores = 1 / (1 + np.exp(-np.clip(logits[kept], -100.0, 100.0).astype(np.float64)))
        values = self._interpreter.get_tensor(self._values)[0][kept].astype(np.float64) / INPUT_PX
        return _averaged(values, self._anchors[kept], scores)


def _model_file() -> Path:
    return mediapipe_model("modules/face_detection/face_detection_short_range.tflite")


def mediapipe_model(name: str) -> Path:
    """Return a model file of the MediaPipe package, or raise `ModelLoadError`."""
    spec = find_spec("mediapipe")  # importing it takes a second
    path = None if spec is None or spec.origin is None else Path(spec.origin).parent / name
    if path is None or not path.is_file():
        raise ModelLoadError(
            f"MediaPipe's face model is missing: expected {name} in its package. Install the "
            "version of mediapipe that this project names."
        )
    return path


def _anchors() -> NDArray[np.float64]:
    """Return the `(896, 2)` centres to which the model's answers are relative, in fractions."""
    parts = []
    # Cells in a row of each grid, and anchors per cell, as in MediaPipe's graph.
    for cells, each in ((16, 2), (8, 6)):
        y, x = np.mgrid[:cells, :cells].reshape(2, -1)
        parts.append(np.repeat(np.stack([x + 0.5, y + 0.5], axis=1) / cells, each, axis=0))
    return np.concatenate(parts)


def _averaged(
    values: NDArray[np.float64], anchors: NDArray[np.float64], scores: NDArray[np.float64]
) -> list[FoundFace]:
    """Average overlapping answers, weighted by their scores, which fall from first to last."""
    centres, sizes = values[:, :2] + anchors, values[:, 2:4]
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    points = values[:, 4:].reshape(len(values), -1, 2) + anchors[:, None]
    found = []
    left = np.arange(len(scores))
    while len(left):
        same = _overlaps(corners[left[0]], corners[left]) > 0.3
        same[0] = True
        group = left[same]
        weights = scores[group] / scores[group].sum()
        x0, y0, x1, y1 = (weights @ corners[group]).tolist()
        face_points = np.einsum("n,nij->ij", weights, points[group])
        found.append(FoundFace(Box(x0, y0, x1 - x0, y1 - y0), float(scores[left[0]]), face_points))
        left = left[~same]
    return found


def _overlaps(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    across, down = np.maximum(high - low, 0).T
    shared = across * down
    (left, top, right, bottom), (x0, y0, x1, y1) = others.T, one.tolist()
    united = (right - left) * (bottom - top) + (x1 - x0) * (y1 - y0) - shared
    return np.asarray(shared / np.maximum(united, np.finfo(np.float64).tiny))
