"""The demo viewer's face, in the camera's picture and as a crop."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from detector.emotion.preprocessing import face_crops
from detector.faces.detector import MediaPipeFaceDetector
from detector.sources.recording import Recording
from detector.sources.video_source import DEMO_VIDEO
from detector.types import FaceDetection


@cache
def demo_viewer() -> tuple[NDArray[np.uint8], FaceDetection]:
    """Return the first picture of the demo viewer, and the face in it."""
    with Recording(DEMO_VIDEO) as source, MediaPipeFaceDetector() as detector:
        frame = source.read()
        assert frame is not None
        [face] = detector.detect_still(frame.image)
    return frame.image, face


def demo_face() -> NDArray[np.uint8]:
    """Return the `(48, 48)` crop of the demo viewer's neutral face."""
    image, face = demo_viewer()
    return face_crops(image, [face.box])[0]
