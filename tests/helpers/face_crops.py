"""The demo viewer's face as a dataset has faces: a small grey square."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from detector.emotion.preprocessing import face_crops
from detector.faces.detector import MediaPipeFaceDetector
from detector.sources.recording import Recording
from detector.sources.video_source import DEMO_VIDEO


@cache
def demo_face() -> NDArray[np.uint8]:
    """Return the `(48, 48)` crop of the demo viewer's neutral face."""
    with Recording(DEMO_VIDEO) as source, MediaPipeFaceDetector() as detector:
        frame = source.read()
        assert frame is not None
        [face] = detector.detect_still(frame.image)
    return face_crops(frame.image, [face.box])[0]
