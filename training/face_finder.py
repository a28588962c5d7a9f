"""Photographs to faces, cut out exactly as the camera's pipeline does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detector.face_detector import MediaPipeFaceDetector
from detector.head_pose import head_pose
from detector.preprocessing import FER_GEOMETRY, CropGeometry, face_crops
from detector.types import Frame

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

FRAME_STEP_NS = 1_000_000_000
"""Pictures are handed to the detector as frames this far apart, so that none is taken for a sequel of another."""


class FaceFinder:
    """Finds the largest face of a photograph.

    Args:
        side_px: Side of the crops.
    """

    def __init__(self, side_px: int) -> None:
        self._detector = MediaPipeFaceDetector()
        self._geometry = CropGeometry(side_px, FER_GEOMETRY.scale, FER_GEOMETRY.raise_by)
        self._seen = 0

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """The largest face of a `(height, width, 3)` BGR picture, `(side_px, side_px)` grey, or `None` if there is none."""
        found = self._detector.detect(Frame(image, self._seen * FRAME_STEP_NS, self._seen))
        self._seen += 1
        if not found:
            return None
        largest = max(found, key=lambda face: face.box.width * face.box.height)
        height, width = image.shape[:2]
        roll = head_pose(largest.keypoints, width, height).roll
        return np.asarray(face_crops(image, [largest.box], self._geometry, [roll])[0])

    def close(self) -> None:
        """Free the detector; harmless when repeated."""
        self._detector.close()

    def __enter__(self) -> FaceFinder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
