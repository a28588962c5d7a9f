"""Finding faces with MediaPipe.

The models ship inside the MediaPipe wheel, so nothing is fetched. The short-range model sees faces up to about two
metres from a webcam and runs on every frame; the full-range model looks further, costs three times as much, and is
asked only a few times a second and whenever the short-range model sees fewer faces than a moment ago.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from detector.types import KEYPOINTS, Box, FaceDetection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from detector.types import Frame

MIN_CONFIDENCE = 0.5
"""MediaPipe's own default; lower values found no further faces in our measurements."""

MERGE_OVERLAP = 0.3
"""Two boxes that overlap more than this (intersection over union) are the same face."""

FULL_RANGE_EVERY_NS = 200_000_000
"""The full-range model looks again after this time, so that a face that comes from afar is noticed within 0.2 s."""


class FaceDetector(Protocol):
    """Finds the faces of a frame; used by one thread, frames in the order of their time."""

    def detect(self, frame: Frame) -> list[FaceDetection]:
        """The faces of a frame, each once, the most confident first."""
        ...

    def close(self) -> None:
        """Free the native resources; harmless when repeated."""
        ...


@contextmanager
def _without_tensorflow() -> Iterator[None]:
    """Hide TensorFlow while MediaPipe is imported.

    MediaPipe imports TensorFlow for a documentation decorator only, and does without when it is absent. That import
    costs several seconds and several hundred megabytes in a process that must come back quickly after a crash.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


class MediaPipeFaceDetector:
    """MediaPipe's face detection over the full frame, short and full range merged.

    Args:
        min_confidence: Least score of a face, above 0 to 1. Defaults to 0.5.

    Raises:
        ValueError: `min_confidence` is out of range.
    """

    def __init__(self, min_confidence: float = MIN_CONFIDENCE) -> None:
        if not 0 < min_confidence <= 1:
            raise ValueError(f"Invalid min_confidence: expected a number above 0 to 1, received {min_confidence}.")
        with _without_tensorflow():
            from mediapipe.python.solutions.face_detection import FaceDetection as Solution  # noqa: PLC0415 (slow)
        self._short = Solution(min_detection_confidence=min_confidence, model_selection=0)
        self._full = Solution(min_detection_confidence=min_confidence, model_selection=1)
        self._full_range_due_ns = 0
        self._expected = 0
        self._closed = False

    def __enter__(self) -> MediaPipeFaceDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def detect(self, frame: Frame) -> list[FaceDetection]:
        """The faces of a frame, each once, the most confident first."""
        rgb = cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB)
        rgb.flags.writeable = False  # lets MediaPipe use the buffer without a copy
        faces = _converted(self._short.process(rgb))
        if len(faces) < self._expected or frame.captured_ns >= self._full_range_due_ns:
            self._full_range_due_ns = frame.captured_ns + FULL_RANGE_EVERY_NS
            faces = merge(faces + _converted(self._full.process(rgb)))
        self._expected = len(faces)
        return faces

    def close(self) -> None:
        """Free both models; harmless when repeated."""
        if not self._closed:
            self._closed = True
            self._short.close()
            self._full.close()


def merge(faces: Sequence[FaceDetection], overlap: float = MERGE_OVERLAP) -> list[FaceDetection]:
    """Keep the most confident of every group of overlapping faces (greedy non-maximum suppression).

    Args:
        faces: Any faces of one frame.
        overlap: Intersection over union above which two boxes are one face. Defaults to 0.3.

    Returns:
        The kept faces, the most confident first.
    """
    kept: list[FaceDetection] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        if all(face.box.overlap(other.box) <= overlap for other in kept):
            kept.append(face)
    return kept


def _converted(result: Any) -> list[FaceDetection]:
    """MediaPipe's own result objects end here."""
    faces = []
    for detection in result.detections or ():
        located = detection.location_data
        area = located.relative_bounding_box
        points = np.array([(point.x, point.y) for point in located.relative_keypoints[: len(KEYPOINTS)]])
        faces.append(
            FaceDetection(
                Box(area.xmin, area.ymin, area.width, area.height), min(1.0, float(detection.score[0])), points
            )
        )
    return faces
